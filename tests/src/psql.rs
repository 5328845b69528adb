//! PostgreSQL's own programs, as an operator uses them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The search path, with the directories of PostgreSQL's programs, which are not everywhere in it.
pub fn search_path() -> String {
    let mut path = std::env::var("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin")).filter(|bin: &PathBuf| Path::is_dir(bin));
    programs.for_each(|bin| path = format!("{path}:{}", bin.display()));
    path
}

/// Runs one of them with this input; what it puts out.
///
/// # Panics
/// With what it says, when it fails.
#[expect(clippy::disallowed_methods, reason = "it is waited for")]
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("env");
    command.arg(program).args(arguments).env("PATH", search_path());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = piped.expect("env can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        // One that fails at once reads nothing; what it says then tells why.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("it ends")
    });
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

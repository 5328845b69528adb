//! `fandom read-workbook`, which reads one file for the connector: what it says of a good file, and that its time is bounded.

use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fandom_connectors::isolation::COMMAND;
use fandom_connectors::workbook::Limits;
use serde_json::json;

/// The signal of a process that used up its time.
const CPU_TIME: i32 = 24;

#[expect(clippy::disallowed_methods, reason = "the child ends with its pipe, and at its limit of time")]
fn read(path: &Path, request: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fandom"));
    command.arg(COMMAND).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    child.stdin.take().expect("it is piped").write_all(request.as_bytes()).expect("it reads its request");
    child.wait_with_output().expect("it ends")
}

fn request(limits: &Limits) -> String {
    let limits = serde_json::to_value(limits).expect("numbers alone");
    json!({"name": "a.csv", "zone_name": "UTC", "default_platform": "OF", "limits": limits, "mappings": [], "largest": 900_000})
        .to_string()
}

fn template(folder: &Path, rows: usize) -> std::path::PathBuf {
    let mut text = "Chatter Name,Date,Messages Sent\n".to_owned();
    for row in 0..rows {
        writeln!(text, "Mila {row},10/28/2026,5").expect("a string takes all");
    }
    let path = folder.join("a.csv");
    std::fs::write(&path, text).expect("it can be written");
    path
}

#[test]
fn a_file_is_read_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = read(&template(folder.path(), 3), &request(&Limits::default()));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(r#""chatter":"Mila 2""#) && said.contains(r#""accepted":3"#), "{said}");
    let gone = read(&folder.path().join("gone.csv"), &request(&Limits::default()));
    assert!(gone.status.success() && String::from_utf8_lossy(&gone.stdout).contains("MachineFault"), "{gone:?}");
}

#[test]
fn what_takes_longer_than_its_time_is_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = template(folder.path(), 6_000_000);
    let output = read(&path, &request(&Limits { max_read_seconds: 1, ..Limits::default() }));
    assert_eq!(output.status.signal(), Some(CPU_TIME), "{:?}", output.status);
}

#[test]
fn it_is_for_the_connector_alone() {
    let output = read(Path::new("a.csv"), "nonsense");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("for the connector alone"), "{output:?}");
}

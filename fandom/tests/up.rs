//! `fandom up` as a user meets it: it reaches `ready`, stops in order, and comes back after everything was killed.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fandom::up::connection::{Connection, file};
use fandom::up::readiness::answers_ok;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A first start fetches the broker if no earlier test did, and two cores may be busy with other tests.
const READY_PATIENCE: Duration = Duration::from_secs(180);

/// A run of `fandom up`, and the lines that it prints.
struct Run {
    child: Child,
    lines: Receiver<String>,
}

fn fandom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fandom"));
    for (variable, _) in std::env::vars() {
        if variable.starts_with("FANDOM_") || variable == "DATABASE_URL" || variable == "KAFKA_BOOTSTRAP_SERVERS" {
            command.env_remove(variable);
        }
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "it is the end of this process that is tested")]
fn up(data: &Path, options: &[&str]) -> Run {
    let mut command = fandom();
    command.arg("up").arg("--data").arg(data).args(["--port", "0"]).args(options);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
    let output = BufReader::new(child.stdout.take().expect("its output is piped"));
    let (sender, lines) = channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    Run { child, lines }
}

impl Run {
    /// Waits for the line that says that everything is ready.
    fn ready(&mut self) {
        let deadline = Instant::now() + READY_PATIENCE;
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.starts_with("ready") {
                return;
            }
            said.push(line);
        }
        let _ = self.child.kill();
        panic!("it did not become ready; it said:\n{}", said.join("\n"));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Sends a signal and waits for the end; returns how long that took.
    fn stop(mut self, signal: Signal) -> Duration {
        let begun = Instant::now();
        self.signal(signal);
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        begun.elapsed()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory that other users may pass, since PostgreSQL runs as another user when root starts it.
fn passable_dir() -> TempDir {
    let open = std::fs::Permissions::from_mode(0o711);
    tempfile::Builder::new().permissions(open).tempdir().expect("a temporary directory can be made")
}

/// Processes that have the directory in their command line or environment.
fn processes_of(dir: &Path) -> Vec<u32> {
    let needle = dir.as_os_str().as_encoded_bytes();
    let entries = std::fs::read_dir("/proc").expect("these tests need Linux");
    let of_dir = |pid: &u32| {
        ["cmdline", "environ"].iter().any(|name| {
            let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            text.windows(needle.len()).any(|window| window == needle)
        })
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(of_dir).collect()
}

fn wait_until_gone(dir: &Path, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !processes_of(dir).is_empty() {
        assert!(Instant::now() < deadline, "processes are left: {:?}", processes_of(dir));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How often the dataflow has said that the views are live.
fn times_live(data: &Path) -> usize {
    let log = std::fs::read_to_string(data.join("logs/dataflow.log")).expect("the dataflow has a log");
    log.matches("views are live").count()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_starts_stops_and_comes_back() {
    let dir = passable_dir();
    let data = dir.path().join("data");
    let mut first = up(&data, &[]);
    first.ready();
    let connection = Connection::read(&data).expect("it says where everything is");
    let mode = std::fs::metadata(file(&data)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the file holds a password");
    let port: u16 = connection.api.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert!(answers_ok(port, "/api/v1/ready", false).await && answers_ok(port, "/", false).await);
    assert!(std::fs::read_dir(&connection.inbox).expect("the inbox").count() > 3, "the inbox has samples");

    // A second one on the same directory is refused, and the first goes on.
    let second = fandom().args(["up", "--port", "0", "--data"]).arg(&data).output().expect("the program runs");
    assert!(!second.status.success());
    let pid = first.child.id().to_string();
    assert!(
        text(&second).contains("is in use by another process") && text(&second).contains(&pid),
        "{}",
        text(&second)
    );
    assert!(answers_ok(port, "/api/v1/ready", false).await);

    // Killed from outside, with everything it started: no process stays, and the next start finds all as it was.
    assert_eq!(times_live(&data), 1);
    first.signal(Signal::KILL);
    wait_until_gone(&data, Duration::from_secs(10));
    let mut third = up(&data, &[]);
    third.ready();
    let again = Connection::read(&data).expect("it says where everything is");
    assert_ne!(again.key, connection.key, "a key holds until the stop");
    assert_eq!(Connection { key: connection.key.clone(), ..again }, connection);
    assert_eq!(times_live(&data), 2, "it is not ready because of what the run before left in the tables");

    // A part and a server that are killed come back.
    let java = processes_of(&data)
        .into_iter()
        .find(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "java"));
    let api = processes_of(&data).into_iter().find(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| arguments.ends_with(b"\0api\0"))
    });
    for pid in [java.expect("the broker runs"), api.expect("the API runs")] {
        let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
        kill_process(pid, Signal::KILL).expect("it runs");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    std::thread::sleep(Duration::from_millis(200));
    while !answers_ok(port, "/api/v1/ready", false).await {
        assert!(Instant::now() < deadline, "it did not become ready again");
        std::thread::sleep(Duration::from_millis(200));
    }

    let took = third.stop(Signal::TERM);
    assert!(took < Duration::from_secs(10), "stopping took {took:?}");
    assert_eq!(processes_of(&data), Vec::<u32>::new());
    assert!(!file(&data).exists(), "nothing runs any more");
}

#[test]
fn a_signal_during_the_start_stops_it() {
    let dir = passable_dir();
    let data = dir.path().join("data");
    let run = up(&data, &["--no-sample"]);
    run.lines.iter().find(|line| line.starts_with("postgres")).expect("it begins to start servers");
    let took = run.stop(Signal::INT);
    assert!(took < Duration::from_secs(10), "stopping took {took:?}");
    wait_until_gone(&data, Duration::from_secs(5));
}

#[test]
fn what_does_not_stop_is_killed_in_time() {
    let dir = passable_dir();
    let data = dir.path().join("data");
    let mut run = up(&data, &["--no-sample"]);
    run.ready();
    // Everything hangs: the parts, the broker and the database.
    for pid in processes_of(&data).into_iter().filter(|pid| *pid != run.child.id()) {
        let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("a process"), Signal::STOP);
    }
    let took = run.stop(Signal::TERM);
    assert!(took < Duration::from_secs(10), "stopping took {took:?}");
    wait_until_gone(&data, Duration::from_secs(5));
}

#[test]
fn all_bad_settings_are_listed_before_anything_starts() {
    let dir = passable_dir();
    let data = dir.path().join("data");
    let output = fandom()
        .args(["up", "--data"])
        .arg(&data)
        .env("FANDOM_REPORTING_TZ", "Mars/Olympus")
        .env("FANDOM_PORT", "http")
        .env("DATABASE_URL", "postgresql://user:secret@host:port/x")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    for variable in ["FANDOM_REPORTING_TZ", "FANDOM_PORT", "DATABASE_URL"] {
        assert!(text.contains(&format!("\n  {variable}: ")), "{variable} in {text}");
    }
    assert!(text.contains("3 settings cannot be used") && !text.contains("secret"), "{text}");
    assert!(!data.exists(), "nothing was started");
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let dir = passable_dir();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = fandom().args(["up", "--port", &port, "--data"]).arg(dir.path()).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&format!("port {port} on 127.0.0.1 is in use")), "{}", text(&output));
    assert!(text(&output).contains("--port"), "{}", text(&output));
    assert!(!dir.path().join("postgres").exists(), "nothing was started");
}

//! The parts, each a process of its own: started again when it ends, its log kept, its warnings shown.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use fandom_services::retry::Backoff;
use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::progress::say;
use crate::local::LocalError;
use crate::local::process::{Process, Spec, open_log};

/// After this time a process counts as having run well, and is started again quickly.
const RAN_WELL: Duration = Duration::from_secs(60);
/// The longest time between two starts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A part that is kept running.
pub struct Supervisor {
    name: &'static str,
    stop: CancellationToken,
    running: Arc<Mutex<Option<Process>>>,
    task: JoinHandle<()>,
}

/// How to start a part.
struct Part {
    name: &'static str,
    environment: Vec<(String, String)>,
    log: PathBuf,
    patience: Duration,
}

impl Supervisor {
    /// Keeps the part of this name (`api`, `archive`, `connect` or `dataflow`) running. `patience` is how long it may take to stop.
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub fn start(
        name: &'static str,
        environment: Vec<(String, String)>,
        logs: &Path,
        patience: Duration,
    ) -> anyhow::Result<Supervisor> {
        let part = Part { name, environment, log: logs.join(format!("{name}.log")), patience };
        let (stop, running) = (CancellationToken::new(), Arc::new(Mutex::new(None)));
        let first = part.start().with_context(|| format!("could not start {name}"))?;
        set(&running, Some(first.clone()));
        let task = tokio::spawn(part.keep_running(first, stop.clone(), Arc::clone(&running)));
        Ok(Supervisor { name, stop, running, task })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().filter(|process| process.status().is_none()).map(Process::pid)
    }

    /// Stops it; kills it if that takes too long, or the deadline comes.
    pub async fn stop(mut self, deadline: Instant) {
        self.stop.cancel();
        if tokio::time::timeout_at(deadline.into(), &mut self.task).await.is_err() {
            self.task.abort();
            let process = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(process) = process {
                process.kill().await;
            }
        }
    }
}

fn set(running: &Mutex<Option<Process>>, process: Option<Process>) {
    *running.lock().unwrap_or_else(PoisonError::into_inner) = process;
}

impl Part {
    async fn keep_running(self, first: Process, stop: CancellationToken, running: Arc<Mutex<Option<Process>>>) {
        let mut backoff = Backoff::new(Duration::from_millis(200), LONGEST_WAIT);
        let mut process = Some(first);
        loop {
            let begun = Instant::now();
            match process.take().map_or_else(|| self.start(), Ok) {
                Ok(process) => {
                    set(&running, Some(process.clone()));
                    tokio::select! {
                        status = process.ended() => say(self.name, ended(status)),
                        () = stop.cancelled() => {
                            process.stop(Signal::TERM, self.patience).await;
                            return;
                        }
                    }
                    set(&running, None);
                }
                Err(error) => say(self.name, format!("did not start: {:#}", anyhow::Error::from(error))),
            }
            if begun.elapsed() > RAN_WELL {
                backoff.reset();
            }
            let wait = backoff.next_wait();
            say(self.name, format!("starts again in {:.1} s; its log is {}", wait.as_secs_f64(), self.log.display()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn start(&self) -> Result<Process, LocalError> {
        let mut env = self.environment.clone();
        env.push(("NO_COLOR".into(), "1".into()));
        let spec = Spec {
            program: this_program(),
            args: vec![self.name.into()],
            env,
            dir: None,
            user: None,
            on_parent_death: "KILL",
        };
        let log = open_log(&self.log)?;
        let (reader, writer) =
            std::io::pipe().map_err(|source| LocalError::Spawn { program: self.name.into(), source })?;
        let mut command = spec.command();
        command.stdout(Stdio::null()).stderr(writer);
        let process = Process::spawn(command)?;
        let name = self.name;
        std::thread::Builder::new()
            .name(format!("log-{name}"))
            .spawn(move || copy_log(name, BufReader::new(reader), log))
            .map_err(|source| LocalError::Spawn { program: name.into(), source })?;
        Ok(process)
    }
}

/// This program, even if a newer one stands at its place by now.
fn this_program() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_default();
    if path.is_file() { path } else { format!("/proc/{}/exe", std::process::id()).into() }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended unexpectedly with exit code {code}"),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        _ => "ended unexpectedly".into(),
    }
}

/// Copies what a part logs to its file, and shows all of it but what is only of interest to who looks for it.
fn copy_log(name: &str, mut lines: impl BufRead, mut log: File) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        // A full disk must not stop the part: what cannot be kept can still be shown.
        let _ = log.write_all(&line);
        let text = String::from_utf8_lossy(&line);
        if is_notable(&text) {
            say(name, text.trim_end().to_owned());
        }
    }
}

/// Whether a line is a warning, an error, or something that is no log line at all, such as a panic; but no line of the
/// stack below a panic, which is for who reads the file.
fn is_notable(line: &str) -> bool {
    const QUIET: [&str; 3] = ["INFO", "DEBUG", "TRACE"];
    const BELOW_A_PANIC: [&str; 3] = [" ", "stack backtrace:", "note: "];
    if line.trim().is_empty() || BELOW_A_PANIC.iter().any(|start| line.starts_with(start)) {
        return false;
    }
    let level = match line.strip_prefix('{') {
        Some(json) => json.split("\"level\":\"").nth(1).and_then(|rest| rest.split('"').next()),
        None => line.split_whitespace().nth(1),
    };
    !level.is_some_and(|level| QUIET.contains(&level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_panics_are_shown() {
        for (line, shown) in [
            ("2026-11-22T23:23:53.681Z  INFO fandom_api: the API listens address=127.0.0.1:8080\n", false),
            ("2026-11-22T23:23:53.681Z  WARN fandom_api: connection to Postgres was lost\n", true),
            (r#"{"timestamp":"2026-11-22T23:23:53Z","level":"INFO","message":"the API listens"}"#, false),
            (r#"{"timestamp":"2026-11-22T23:23:53Z","level":"ERROR","message":"INFO"}"#, true),
            ("thread 'main' (12) panicked at src/main.rs:1:1:\n", true),
            ("fandom: the port is taken\n", true),
            ("stack backtrace:\n", false),
            ("   4: core::option::expect_failed\n", false),
            ("\n", false),
        ] {
            assert_eq!(is_notable(line), shown, "{line}");
        }
    }
}

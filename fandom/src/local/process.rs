//! Child processes that never outlive this one.
//!
//! The kernel ties a child's life to the *thread* that started it, so one thread, which lasts as long as this process,
//! starts them all. Each child leads a process group of its own: a Ctrl-C at the terminal reaches this process alone,
//! which then stops its children in order.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::watch;

use super::LocalError;

/// What a child process is to be.
#[derive(Debug)]
pub struct Spec {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables added to the environment.
    pub env: Vec<(String, String)>,
    /// Its working directory; this process's own if `None`.
    pub dir: Option<PathBuf>,
    /// The user as whom it runs; this process's own if `None`.
    pub user: Option<User>,
    /// The name of the signal that it gets when this process ends first, such as `KILL`.
    pub on_parent_death: &'static str,
}

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

impl Spec {
    /// The command, wrapped so that the child ends with this process and runs as its user.
    pub fn command(&self) -> Command {
        let mut command = match find_program("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.arg("--pdeathsig").arg(self.on_parent_death);
                if let Some(User { uid, gid }) = self.user {
                    command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
                }
                command.arg("--").arg(&self.program);
                command
            }
            // Without util-linux a child may outlive this process; the next start ends it.
            None => {
                let mut command = Command::new(&self.program);
                if let Some(User { uid, gid }) = self.user {
                    command.uid(uid).gid(gid);
                }
                command
            }
        };
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command.stdin(std::process::Stdio::null()).process_group(0);
        command
    }
}

/// The first program of this name in the directories of `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// A running child process. It is killed when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pid: Pid,
    child: Arc<Mutex<Child>>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

type Spawned = io::Result<Child>;

/// The thread that starts all children.
static SPAWNER: LazyLock<mpsc::Sender<(Command, mpsc::Sender<Spawned>)>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<(Command, mpsc::Sender<Spawned>)>();
    std::thread::Builder::new()
        .name("spawner".into())
        .spawn(move || {
            for (mut command, answer) in receiver {
                #[expect(clippy::disallowed_methods, reason = "this thread starts the children for all others")]
                let child = command.spawn();
                let _ = answer.send(child);
            }
        })
        .expect("the operating system gives a thread at start");
    sender
});

fn locked(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Starts a process. What it prints goes where `command` says.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn spawn(command: Command) -> Result<Process, LocalError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| LocalError::Spawn { program: program.clone(), source };
        let (answer, answered) = mpsc::channel();
        SPAWNER.send((command, answer)).expect("the thread that starts children lasts as long as this process");
        let child = answered.recv().expect("the thread that starts children answers").map_err(failed)?;
        let pid = Pid::from_child(&child);
        let child = Arc::new(Mutex::new(child));
        let (sender, ended) = watch::channel(None);
        let waited = Arc::clone(&child);
        std::thread::Builder::new()
            .name(format!("wait-{}", pid.as_raw_nonzero()))
            .spawn(move || {
                // Wait first without collecting, so that the number stays the child's until the lock is held.
                while let Err(rustix::io::Errno::INTR) =
                    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
                {}
                let status = locked(&waited).wait();
                sender.send_replace(Some(status.unwrap_or_default()));
            })
            .map_err(failed)?;
        Ok(Process(Arc::new(Inner { pid, child, ended })))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How it ended; `None` while it runs.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.0.ended.borrow()
    }

    /// Sends it a signal; nothing happens if it has ended.
    pub fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// Waits until it ends.
    pub async fn ended(&self) -> ExitStatus {
        let mut ended = self.0.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status).unwrap_or_default()
    }

    /// Asks it to stop with `ask` and kills it if it has not ended within `patience`.
    pub async fn stop(&self, ask: Signal, patience: Duration) -> ExitStatus {
        self.signal(ask);
        match tokio::time::timeout(patience, self.ended()).await {
            Ok(status) => status,
            Err(_) => {
                tracing::warn!(
                    pid = self.pid(),
                    waited_ms = patience.as_millis(),
                    "killing a process that did not stop"
                );
                self.kill().await
            }
        }
    }

    /// Kills it, as `kill -9` does, and waits for its end.
    pub async fn kill(&self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.ended().await
    }
}

impl Inner {
    fn signal(&self, signal: Signal) {
        // Under the lock the process has not been collected yet, or its end is known.
        let mut child = locked(&self.child);
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(self.pid, signal);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs a program to its end and returns what it printed on standard output. It is killed when the future is dropped; of a
/// [`Spec`], it ends with this process.
///
/// # Errors
/// When it cannot be run or fails.
pub async fn run(mut command: Command) -> Result<String, LocalError> {
    let program = command
        .get_args()
        .skip_while(|arg| *arg != "--")
        .nth(1)
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    let failed = |source| LocalError::Spawn { program: program.clone(), source };
    let (stdout, for_stdout) = io::pipe().map_err(failed)?;
    let (stderr, for_stderr) = io::pipe().map_err(failed)?;
    command.stdout(for_stdout).stderr(for_stderr);
    let process = Process::spawn(command)?;
    let printed = (read_all(stdout), read_all(stderr));
    let status = process.ended().await;
    let (stdout, stderr) = (printed.0.await.unwrap_or_default(), printed.1.await.unwrap_or_default());
    if !status.success() {
        return Err(LocalError::Failed { program, status, output: last_lines(&[stdout, stderr].concat(), 20) });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Reads until the other end is closed.
fn read_all(mut from: io::PipeReader) -> tokio::task::JoinHandle<Vec<u8>> {
    tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// A log file to append to. One that has grown beyond 16 MB is first moved to `<name>.1`.
///
/// # Errors
/// When it cannot be opened.
pub fn open_log(path: &Path) -> Result<File, LocalError> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 16 << 20) {
        let _ = std::fs::rename(path, path.with_added_extension("1"));
    }
    OpenOptions::new().create(true).append(true).open(path).map_err(super::file_error("could not open", path))
}

/// The last lines of a log, for an error message. `from` is its length when the process started.
pub fn log_tail(path: &Path, from: u64, lines: usize) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let from = if from > length { 0 } else { from };
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(32 << 10))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| last_lines(&bytes, lines)).unwrap_or_default()
}

fn last_lines(bytes: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_waited_for_any_more_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let spec = Spec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), format!("echo $$ > {}; exec sleep 60", file.display())],
            env: Vec::new(),
            dir: None,
            user: None,
            on_parent_death: "KILL",
        };
        let pid = tokio::select! {
            _ = run(spec.command()) => panic!("it sleeps"),
            pid = async {
                loop {
                    let pid = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok());
                    match pid {
                        Some(pid) => break pid,
                        None => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
            } => pid,
        };
        let begun = std::time::Instant::now();
        while Path::new(&format!("/proc/{pid}/cmdline")).exists() {
            assert!(begun.elapsed() < Duration::from_secs(5), "process {pid} still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn what_a_program_prints_is_returned() {
        let shell = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            command
        };
        assert_eq!(run(shell("echo yes; echo no >&2")).await.expect("it runs"), "yes\n");
        let failed = run(shell("echo why >&2; exit 3")).await.expect_err("it fails").to_string();
        assert!(failed.contains("why"), "{failed}");
    }
}

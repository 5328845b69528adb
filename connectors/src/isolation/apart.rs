//! The connector's side: starts the child, takes in its frames, and says how it ended.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::frames::{Ended, Frame, FrameReader, Request};
use super::{COMMAND, RecordSink, Unreadable};
use crate::reading::Reading;
use crate::workbook::{ReadOptions, ReadSummary, Stop};

/// Variables that the child is given: where the zones are, and what tests set.
const ENVIRONMENT: [&str; 2] = ["TZDIR", "FANDOM_FAILPOINTS"];

/// Reads a file in a process of its own. The calling thread blocks for as long.
pub(super) fn read(
    program: &Path,
    path: &Path,
    name: &str,
    reading: &Reading,
    largest: usize,
    sink: &mut dyn RecordSink,
) -> Result<ReadSummary, Unreadable> {
    let seconds = reading.options.limits.max_read_seconds;
    let ReadOptions { zone: _, zone_name, default_platform, limits, mappings } = reading.options.clone();
    let mappings = mappings.iter().map(|profile| profile.mapping().clone()).collect();
    let request = Request { name: name.to_owned(), zone_name, default_platform, limits, mappings, largest };
    let machine =
        |error: io::Error| Unreadable::Machine(format!("the process that reads it could not be used: {error}"));
    let mut child = Reader(start(program, path).map_err(machine)?);
    let json = serde_json::to_vec(&request).expect("a request has only string keys");
    // A child that ended before it read all of it says why below.
    let _ = child.0.stdin.take().expect("it is piped").write_all(&json);
    let frames = FrameReader::new(BufReader::with_capacity(128 << 10, child.0.stdout.take().expect("it is piped")));
    match take_in(frames, sink) {
        Ok(Some(Ended::Read(sheets))) => Ok(ReadSummary { sheets }),
        Ok(Some(Ended::FileFault(reason))) => Err(Unreadable::File(reason)),
        Ok(Some(Ended::MachineFault(reason))) => Err(Unreadable::Machine(reason)),
        Ok(None) => {
            let mut words = String::new();
            if let Some(stderr) = child.0.stderr.take() {
                let _ = stderr.take(1000).read_to_string(&mut words);
            }
            let status = child.0.wait().map_err(machine)?;
            tracing::warn!(name, %status, words = words.trim(), "the process that read a file ended before it was done");
            Err(how_it_ended(status, &words, seconds))
        }
        Err(Fault::Stopped) => Err(Unreadable::Stopped),
        Err(Fault::Pipe(error)) => Err(machine(error)),
    }
}

enum Fault {
    Stopped,
    Pipe(io::Error),
}

/// Hands over what the child sends; returns its last words, if it had any.
fn take_in(mut frames: FrameReader<impl Read>, sink: &mut dyn RecordSink) -> Result<Option<Ended>, Fault> {
    loop {
        let taken = match frames.next() {
            Ok(None) => return Ok(None),
            // It ended in the middle of a frame.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Fault::Pipe(error)),
            Ok(Some(Frame::Row { kind, row, text })) => sink.record(kind, row, text),
            Ok(Some(Frame::Reject(reject))) => sink.reject(reject),
            Ok(Some(Frame::Ended(ended))) => return Ok(Some(ended)),
        };
        taken.map_err(|Stop| Fault::Stopped)?;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child ends with its pipe, with this thread, and at its limit of time"
)]
fn start(program: &Path, path: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.arg0("fandom").arg(COMMAND).arg(path).env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.spawn()
}

/// Why a child said nothing of the file.
fn how_it_ended(status: ExitStatus, words: &str, seconds: u64) -> Unreadable {
    const CPU_TIME: i32 = 24;
    const KILLED: i32 = 9;
    /// What Rust says before it aborts a process that is refused memory.
    const OUT_OF_MEMORY: &str = "memory allocation of";
    match status.signal() {
        Some(CPU_TIME) => Unreadable::File(format!(
            "the file takes more than {seconds} seconds of computing to read, and FANDOM_MAX_READ_SECONDS allows no more: export a \
             shorter period, or raise the setting"
        )),
        // Somebody else, such as a system that is out of memory.
        Some(KILLED) => Unreadable::Machine("the process that read it was killed".to_owned()),
        Some(_) if words.contains(OUT_OF_MEMORY) => Unreadable::File(
            "the reader took more memory for this file than its limits add up to, which is a fault of this program: report it, and \
             export a shorter period"
                .to_owned(),
        ),
        Some(signal) => Unreadable::File(format!(
            "the reader broke on this file (signal {signal}), which is a fault of this program: report it, and save the workbook \
             again with a spreadsheet program"
        )),
        None => Unreadable::Machine(format!("the process that read it ended with {status}")),
    }
}

/// A child that is killed when it is not needed any more.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

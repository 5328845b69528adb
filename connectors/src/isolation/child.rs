//! The child: reads one file, and writes frames.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fandom_schemas::rows::Kind;
use fandom_services::env::Env;
use fandom_services::failpoints;
use jiff::tz::TimeZone;

use super::frames::{self, Ended, Request};
use super::{RecordSink, Unreadable, records};
use crate::workbook::mapping::Profile;
use crate::workbook::{ReadOptions, RejectedRow, Stop};

/// Bytes that the process itself takes beside what [`Limits::most_memory`](crate::workbook::Limits::most_memory) adds up: the program, its
/// stack, and what an allocator sets aside.
#[cfg(target_os = "linux")]
const OWN_MEMORY: u64 = 1 << 30;

/// Reads the file at `path` as the request on standard input says, and writes frames to standard output.
///
/// Exit codes: 0 when what became of the file was written, 1 when that was not possible.
pub fn run(path: &Path) -> ExitCode {
    // A panic is told with the file's state; its message may hold what the file holds.
    std::panic::set_hook(Box::new(|_| ()));
    let mut text = String::new();
    let request = io::stdin().read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Request>(&text).ok());
    let Some(request) = request else {
        eprintln!("this command is for the connector alone: it reads a request from standard input");
        return ExitCode::FAILURE;
    };
    failpoints::arm(&mut Env::of_process());
    restrict(&request);
    match read(path, request) {
        Ok(()) => ExitCode::SUCCESS,
        // The connector does not listen any more.
        Err(_) => ExitCode::FAILURE,
    }
}

fn read(path: &Path, request: Request) -> io::Result<()> {
    let Request { name, zone_name, default_platform, limits, mappings, largest } = request;
    let mut frames = Frames { out: BufWriter::with_capacity(128 << 10, io::stdout().lock()), failed: None };
    let profiles: Result<Vec<_>, _> = mappings.into_iter().map(|mapping| Profile::new(mapping).map(Arc::new)).collect();
    let ended = match (TimeZone::get(&zone_name), profiles) {
        (Err(_), _) => Ended::MachineFault(format!("the zone `{zone_name}` is not known")),
        (_, Err(problems)) => Ended::MachineFault(format!("a mapping cannot be applied: {}", problems.join("; "))),
        (Ok(zone), Ok(profiles)) => {
            let options = ReadOptions { zone, zone_name, default_platform, limits, mappings: profiles.into() };
            match records::read(path, &name, &options, largest, &mut frames) {
                Ok(summary) => Ended::Read(summary.sheets),
                Err(Unreadable::File(reason)) => Ended::FileFault(reason),
                Err(Unreadable::Machine(reason)) => Ended::MachineFault(reason),
                Err(Unreadable::Stopped) => {
                    return Err(frames.failed.unwrap_or_else(|| io::Error::other("stopped")));
                }
            }
        }
    };
    frames::write_ended(&mut frames.out, &ended)?;
    frames.out.flush()
}

/// Writes what is read.
struct Frames<W> {
    out: W,
    failed: Option<io::Error>,
}

impl<W: Write> Frames<W> {
    fn written(&mut self, result: io::Result<()>) -> Result<(), Stop> {
        result.map_err(|error| {
            self.failed.get_or_insert(error);
            Stop
        })
    }
}

impl<W: Write> RecordSink for Frames<W> {
    fn record(&mut self, kind: Kind, row: &[u8], text: Option<&[u8]>) -> Result<(), Stop> {
        failpoints::pass("reader.row");
        let written = frames::write_row(&mut self.out, kind, row, text);
        self.written(written)
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        let written = frames::write_reject(&mut self.out, &reject);
        self.written(written)
    }
}

/// Takes from this process what reading a file does not need: memory, time, a core file; and lets it end with the connector.
#[cfg(target_os = "linux")]
fn restrict(request: &Request) {
    use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
    let most = request.limits.most_memory();
    let memory = [most.xlsx, most.ods, most.csv, most.xls].into_iter().max().unwrap_or(most.xlsx);
    let seconds = request.limits.max_read_seconds;
    let limit = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    // Where the system refuses, a file is read without.
    let _ = setrlimit(Resource::As, limit(memory.saturating_add(OWN_MEMORY)));
    // The signal of the soft limit ends the process; the hard one would, if it did not.
    let time = Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(5)) };
    let _ = setrlimit(Resource::Cpu, time);
    let _ = setrlimit(Resource::Core, limit(0));
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

#[cfg(not(target_os = "linux"))]
fn restrict(_: &Request) {}

//! What an earlier run that was killed has left running: found by the directory in which it works, and ended.
//!
//! A server of ours always has its own directory as working directory, so neither a pid file that is out of date nor a
//! number that another process has got since can mislead. Where there is no `/proc`, nothing is found.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::LocalError;

/// Ends every process of the program `program` that works in `dir`, which this process must own: asks with `ask`,
/// then kills. Returns how many there were.
///
/// # Errors
/// When one of them does not end.
pub async fn end_all(dir: &Path, program: &str, ask: Signal) -> Result<usize, LocalError> {
    let found = working_in(dir, program);
    for (signal, patience) in [(ask, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(10))] {
        for &pid in &working_in(dir, program) {
            tracing::warn!(
                pid = pid.as_raw_nonzero().get(),
                program,
                "ending a process that an earlier run left behind"
            );
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if working_in(dir, program).is_empty() {
                return Ok(found.len());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    match working_in(dir, program).first() {
        None => Ok(found.len()),
        Some(pid) => Err(LocalError::Leftover { pid: pid.as_raw_nonzero().get().unsigned_abs(), path: dir.to_owned() }),
    }
}

/// The processes of the program that have `dir` as working directory, other than this one.
fn working_in(dir: &Path, program: &str) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let process = entry.path();
            let same = std::fs::read_link(process.join("cwd")).ok()? == dir
                && std::fs::read_to_string(process.join("comm")).ok()?.trim_end() == program
                && pid.unsigned_abs() != std::process::id();
            if same { Pid::from_raw(pid) } else { None }
        })
        .collect()
}

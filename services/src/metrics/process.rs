//! What is measured of every process: processor, memory, files, disks, lines of its log that tell of trouble, panics.
//!
//! Figures of the process itself are read from `/proc`, and are not there on a system that has none.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge};

use super::{Metric, describe};

const CPU: Metric =
    Metric::counter("process_cpu_seconds_total", &[], "Seconds of computing, of all threads, in whole seconds.");
const RESIDENT: Metric = Metric::gauge("process_resident_memory_bytes", &[], "Memory that the process holds.");
const VIRTUAL: Metric = Metric::gauge("process_virtual_memory_bytes", &[], "Addresses that the process has reserved.");
const THREADS: Metric = Metric::gauge("process_threads", &[], "Threads.");
const OPEN_FDS: Metric = Metric::gauge("process_open_fds", &[], "Open files and connections.");
const MAX_FDS: Metric = Metric::gauge("process_max_fds", &[], "The most files and connections that it may have open.");
const STARTED: Metric =
    Metric::gauge("process_start_time_seconds", &[], "When the process began, in seconds since 1970.");
const INFO: Metric =
    Metric::gauge("fandom_process_info", &["part", "version"], "Always 1: which part this is, and of which version.");
const DISK_FREE: Metric = Metric::gauge(
    "fandom_process_disk_available_bytes",
    &["disk"],
    "What may still be written to the disk of that directory (temporary, inbox, uploads).",
);
const DISK_SIZE: Metric = Metric::gauge("fandom_process_disk_size_bytes", &["disk"], "The size of that disk.");
const LOG_LINES: Metric = Metric::counter(
    "fandom_process_log_lines_total",
    &["level", "module"],
    "Lines of the log that are warnings or errors, by the module that tells.",
);
const PANICS: Metric = Metric::counter("fandom_process_panics_total", &[], "Panics, those that were caught too.");

/// What is measured of every process.
pub const METRICS: &[Metric] =
    &[CPU, RESIDENT, VIRTUAL, THREADS, OPEN_FDS, MAX_FDS, STARTED, INFO, DISK_FREE, DISK_SIZE, LOG_LINES, PANICS];

/// From one look at the process to the next.
const EVERY: Duration = Duration::from_secs(5);

/// In `/proc`, times are in hundredths of a second on every Linux.
const TICKS_A_SECOND: u64 = 100;

/// A disk that is watched, by a directory on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What the directory is for.
    pub name: &'static str,
    /// The directory.
    pub dir: PathBuf,
}

/// Measures from now on, in a thread of its own.
pub(super) fn start(part: &'static str, disks: Vec<Disk>) {
    describe(METRICS);
    gauge!(INFO.name, "part" => part, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for level in ["warn", "error"] {
        counter!(LOG_LINES.name, "level" => level, "module" => "").increment(0);
    }
    count_panics();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!(STARTED.name).set(started.as_secs_f64());
    let watch = move || {
        loop {
            measure();
            disks.iter().for_each(measure_disk);
            std::thread::sleep(EVERY);
        }
    };
    // A system that has no thread left for this has other troubles, which tell of themselves.
    let _ = std::thread::Builder::new().name("process-metrics".to_owned()).spawn(watch);
}

/// Counts panics from now on, also those that are caught.
fn count_panics() {
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        counter!(PANICS.name).increment(1);
        earlier(panic);
    }));
}

/// Counts a warning or an error in the log.
pub(crate) fn log_line(level: &'static str, module: &str) {
    counter!(LOG_LINES.name, "level" => level, "module" => module.to_owned()).increment(1);
}

fn measure() {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).ok();
    if let Some(ticks) = read("stat").as_deref().and_then(cpu_ticks) {
        counter!(CPU.name).absolute(ticks / TICKS_A_SECOND);
    }
    if let Some(status) = read("status") {
        for (field, metric) in [("VmRSS:", RESIDENT), ("VmSize:", VIRTUAL)] {
            if let Some(kib) = number_after(&status, field) {
                gauge!(metric.name).set(kib as f64 * 1024.0);
            }
        }
        if let Some(threads) = number_after(&status, "Threads:") {
            gauge!(THREADS.name).set(threads as f64);
        }
    }
    if let Some(most) = read("limits").as_deref().and_then(|limits| number_after(limits, "Max open files")) {
        gauge!(MAX_FDS.name).set(most as f64);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        gauge!(OPEN_FDS.name).set(open.count() as f64);
    }
}

fn measure_disk(disk: &Disk) {
    let Ok(disk_now) = rustix::fs::statvfs(&disk.dir) else { return };
    let bytes = |blocks: u64| blocks as f64 * disk_now.f_frsize as f64;
    gauge!(DISK_FREE.name, "disk" => disk.name).set(bytes(disk_now.f_bavail));
    gauge!(DISK_SIZE.name, "disk" => disk.name).set(bytes(disk_now.f_blocks));
}

/// User and system time of `/proc/<pid>/stat`. The name of the process, in parentheses, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The first number after this text.
fn number_after(text: &str, label: &str) -> Option<u64> {
    let rest = text.split_once(label)?.1;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_is_caught_is_counted() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe(METRICS);
            count_panics();
            assert!(page.render().contains("fandom_process_panics_total 0"));
            // As a handler of the API does, whose request is answered all the same.
            assert!(std::panic::catch_unwind(|| panic!("of a test")).is_err());
        });
        assert!(page.render().contains("fandom_process_panics_total 1"), "{}", page.render());
    }

    #[test]
    fn figures_of_proc_are_read() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 31 0 0 20 0 5 0 100 1000 200";
        assert_eq!(cpu_ticks(stat), Some(281));
        let status = "Name:\tfandom\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t9\n";
        assert_eq!((number_after(status, "VmRSS:"), number_after(status, "Threads:")), (Some(1024), Some(9)));
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1024));
        assert_eq!(number_after("Max open files unlimited", "Max open files"), None);
    }
}

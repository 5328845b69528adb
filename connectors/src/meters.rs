//! What the connectors measure for `/metrics`.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fandom_services::metrics::{Metric, describe};
use metrics::{counter, gauge, histogram};

use crate::uploads::State;

const FILES: Metric =
    Metric::counter("fandom_connector_files_total", &["state"], "Files that came to a state (live, failed, gone).");
const FILES_NOW: Metric = Metric::gauge(
    "fandom_connector_files",
    &["source", "state"],
    "Files by the state that they are in (seen, publishing, live, failed, gone).",
);
const ROWS: Metric = Metric::counter(
    "fandom_connector_rows_total",
    &["result"],
    "Records sent for rows (published, rejected, tombstone).",
);
const REJECTS: Metric = Metric::counter(
    "fandom_connector_rejects_total",
    &["reason"],
    "Rows that could not be read, by reason; reasons beyond the first 50 are counted as other.",
);
const READ_BYTES: Metric = Metric::counter("fandom_connector_read_bytes_total", &[], "Bytes of files that were read.");
const READ: Metric = Metric::histogram(
    "fandom_connector_read_seconds",
    &[],
    "From the opening of a file until its last row was handed to the Kafka client.",
);
const PUBLISH: Metric = Metric::histogram(
    "fandom_connector_publish_seconds",
    &[],
    "From the beginning of a version until nothing of an older one is left.",
);
const WAITING: Metric = Metric::gauge(
    "fandom_connector_files_waiting",
    &["source"],
    "Files that are being read and published, or wait for it.",
);
const LOOKS: Metric =
    Metric::counter("fandom_connector_looks_total", &["source", "result"], "Looks at a source (ok, failed).");
const LOOKED: Metric = Metric::gauge(
    "fandom_connector_last_look_timestamp_seconds",
    &["source"],
    "When a source was last looked at as a whole without trouble, in seconds since 1970; until then, when the part began.",
);
const LOOKS_EVERY: Metric = Metric::gauge(
    "fandom_connector_look_interval_seconds",
    &["source"],
    "From one look at a source to the next, about, where nothing happens.",
);
const SESSIONS_LOST: Metric = Metric::counter(
    "fandom_connector_sessions_lost_total",
    &["source"],
    "Times that a source had to be left because Kafka or Postgres was lost.",
);
const DRIVE_CALLS: Metric = Metric::counter(
    "fandom_connector_drive_calls_total",
    &["outcome"],
    "Calls to Google Drive (ok, quota, transport, server, refused, other), each attempt.",
);
const DRIVE_WAITS: Metric = Metric::counter(
    "fandom_connector_drive_waits_total",
    &["outcome"],
    "Waits before a call to Google Drive was made again, by what the call before had come to.",
);
const DRIVE_WAITED: Metric = Metric::histogram(
    "fandom_connector_drive_wait_seconds",
    &["outcome"],
    "How long these waits were; those after quota are what Drive's quota cost.",
);

/// Everything that the connectors measure, beside what every process and every client of Kafka does.
pub const METRICS: &[Metric] = &[
    FILES,
    FILES_NOW,
    ROWS,
    REJECTS,
    READ_BYTES,
    READ,
    PUBLISH,
    WAITING,
    LOOKS,
    LOOKED,
    LOOKS_EVERY,
    SESSIONS_LOST,
    DRIVE_CALLS,
    DRIVE_WAITS,
    DRIVE_WAITED,
];

/// What a call to Drive may come to.
const OUTCOMES: [&str; 6] = ["ok", "quota", "transport", "server", "refused", "other"];

/// The most reasons of rejects that are told apart. Their words are the suite's own, but some name a column.
const REASONS: usize = 50;

/// Tells the recorder what is measured, and which labels there will be: of the sources, with how often each is looked at.
pub(crate) fn describe_all(sources: &[(&str, Duration)]) {
    describe(METRICS);
    for state in ["live", "failed", "gone"] {
        counter!(FILES.name, "state" => state).increment(0);
    }
    for result in ["published", "rejected", "tombstone"] {
        counter!(ROWS.name, "result" => result).increment(0);
    }
    counter!(REJECTS.name, "reason" => "other").increment(0);
    for &(source, interval) in sources {
        counter!(SESSIONS_LOST.name, "source" => source.to_owned()).increment(0);
        for result in ["ok", "failed"] {
            counter!(LOOKS.name, "source" => source.to_owned(), "result" => result).increment(0);
        }
        // So that one that cannot be looked at from the start is missed too.
        gauge!(LOOKED.name, "source" => source.to_owned()).set(now());
        looks_every(source, interval);
    }
    // Where Drive is not read too, so that a panel of it is not empty but zero.
    OUTCOMES.iter().for_each(|outcome| counter!(DRIVE_CALLS.name, "outcome" => *outcome).increment(0));
    OUTCOMES[1..].iter().for_each(|outcome| counter!(DRIVE_WAITS.name, "outcome" => *outcome).increment(0));
}

pub(crate) fn file(state: &'static str) {
    counter!(FILES.name, "state" => state).increment(1);
}

pub(crate) fn read(bytes: u64, took: Duration) {
    counter!(READ_BYTES.name).increment(bytes);
    histogram!(READ.name).record(took.as_secs_f64());
}

pub(crate) fn published(rows: u64, rejects: u64, took: Duration) {
    counter!(ROWS.name, "result" => "published").increment(rows);
    counter!(ROWS.name, "result" => "rejected").increment(rejects);
    histogram!(PUBLISH.name).record(took.as_secs_f64());
}

pub(crate) fn rejected(reason: &str) {
    static KNOWN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_told = known.contains(reason) || (known.len() < REASONS && known.insert(reason.to_owned()));
    drop(known);
    let reason = if is_told { reason.to_owned() } else { "other".to_owned() };
    counter!(REJECTS.name, "reason" => reason).increment(1);
}

pub(crate) fn tombstones(count: u64) {
    counter!(ROWS.name, "result" => "tombstone").increment(count);
}

pub(crate) fn waiting(source: &str, files: usize) {
    gauge!(WAITING.name, "source" => source.to_owned()).set(files as f64);
}

/// The states of all files of a source; of none, when another connector may tell them from now on.
pub(crate) fn files(source: &str, states: impl Iterator<Item = State>) {
    let mut counts = [0u64; State::ALL.len()];
    for state in states {
        if let Some(place) = State::ALL.iter().position(|other| *other == state) {
            counts[place] += 1;
        }
    }
    for (state, count) in State::ALL.iter().zip(counts) {
        gauge!(FILES_NOW.name, "source" => source.to_owned(), "state" => state.name()).set(count as f64);
    }
}

/// A source was looked at, and will be again after about that interval. What is told stays when another connector goes on with the
/// source: of several that tell, the latest look is the one that counts.
pub(crate) fn looked(source: &str, well: bool, interval: Duration) {
    let result = if well { "ok" } else { "failed" };
    counter!(LOOKS.name, "source" => source.to_owned(), "result" => result).increment(1);
    if well {
        gauge!(LOOKED.name, "source" => source.to_owned()).set(now());
    }
    looks_every(source, interval);
}

fn looks_every(source: &str, interval: Duration) {
    gauge!(LOOKS_EVERY.name, "source" => source.to_owned()).set(interval.as_secs_f64());
}

/// In seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

pub(crate) fn session_lost(source: &str) {
    counter!(SESSIONS_LOST.name, "source" => source.to_owned()).increment(1);
}

/// A call to Drive came to one of [`OUTCOMES`].
pub(crate) fn drive_called(outcome: &'static str) {
    counter!(DRIVE_CALLS.name, "outcome" => outcome).increment(1);
}

pub(crate) fn drive_waits(outcome: &'static str, wait: Duration) {
    counter!(DRIVE_WAITS.name, "outcome" => outcome).increment(1);
    histogram!(DRIVE_WAITED.name, "outcome" => outcome).record(wait.as_secs_f64());
}

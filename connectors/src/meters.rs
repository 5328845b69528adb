//! What the connectors count for `/metrics`.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const FILES: &str = "fandom_connector_files_total";
const ROWS: &str = "fandom_connector_rows_total";
const PUBLISH: &str = "fandom_connector_publish_seconds";
const WAITING: &str = "fandom_connector_files_waiting";
const LOOKS: &str = "fandom_connector_looks_total";

/// Says what each of them means.
pub(crate) fn describe() {
    describe_counter!(FILES, "Files by the state that they came to (state: live, failed, gone).");
    describe_counter!(ROWS, "Records sent for rows (result: published, rejected, tombstone).");
    describe_histogram!(
        PUBLISH,
        metrics::Unit::Seconds,
        "From the beginning of a version until nothing of an older one is left."
    );
    describe_gauge!(WAITING, "Files that are being read and published, or wait for it (source: its name).");
    describe_counter!(LOOKS, "Looks at a source (source: its name; result: ok, failed).");
}

pub(crate) fn file(state: &'static str) {
    counter!(FILES, "state" => state).increment(1);
}

pub(crate) fn published(rows: u64, rejects: u64, took: Duration) {
    counter!(ROWS, "result" => "published").increment(rows);
    counter!(ROWS, "result" => "rejected").increment(rejects);
    histogram!(PUBLISH).record(took.as_secs_f64());
}

pub(crate) fn tombstones(count: u64) {
    counter!(ROWS, "result" => "tombstone").increment(count);
}

pub(crate) fn waiting(source: &str, files: usize) {
    gauge!(WAITING, "source" => source.to_owned()).set(files as f64);
}

pub(crate) fn looked(source: &str, result: &'static str) {
    counter!(LOOKS, "source" => source.to_owned(), "result" => result).increment(1);
}

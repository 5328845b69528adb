//! What the archive measures for `/metrics`.

use std::time::Duration;

use fandom_schemas::topics::{ROWS, TEXTS};
use fandom_services::metrics::{Metric, describe};
use metrics::{counter, gauge, histogram};

const RECORDS: Metric =
    Metric::counter("fandom_archive_records_total", &["topic"], "Records of the log that are in the archive.");
const PASSED_OVER: Metric = Metric::counter(
    "fandom_archive_records_passed_over_total",
    &["topic"],
    "Records of the log that could not be read.",
);
const COMMIT: Metric = Metric::histogram("fandom_archive_commit_seconds", &[], "Time of a transaction of the archive.");
const LAG: Metric =
    Metric::gauge("fandom_archive_lag_records", &["topic"], "Records of the log that the archive has not fetched yet.");
const FAILURES: Metric = Metric::counter(
    "fandom_archive_session_failures_total",
    &[],
    "Times that the archive lost Postgres or Kafka and began again.",
);

/// Everything that the archive measures, beside what every process and every client of Kafka does.
pub const METRICS: &[Metric] = &[RECORDS, PASSED_OVER, COMMIT, LAG, FAILURES];

/// Tells the recorder what is measured.
pub(crate) fn describe_all() {
    describe(METRICS);
    for topic in [ROWS, TEXTS] {
        counter!(RECORDS.name, "topic" => topic).increment(0);
        counter!(PASSED_OVER.name, "topic" => topic).increment(0);
    }
}

pub(crate) fn committed(topic: &'static str, records: u64) {
    counter!(RECORDS.name, "topic" => topic).increment(records);
}

pub(crate) fn commit_took(took: Duration) {
    histogram!(COMMIT.name).record(took.as_secs_f64());
}

pub(crate) fn passed_over(topic: &'static str) {
    counter!(PASSED_OVER.name, "topic" => topic).increment(1);
}

pub(crate) fn lag(topic: &'static str, records: i64) {
    gauge!(LAG.name, "topic" => topic).set(records as f64);
}

pub(crate) fn session_failed() {
    counter!(FAILURES.name).increment(1);
}

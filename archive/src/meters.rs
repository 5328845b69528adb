//! What the archive counts for `/metrics`.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const RECORDS: &str = "fandom_archive_records_total";
const PASSED_OVER: &str = "fandom_archive_records_passed_over_total";
const COMMIT: &str = "fandom_archive_commit_seconds";
const LAG: &str = "fandom_archive_lag_records";
const FAILURES: &str = "fandom_archive_session_failures_total";

pub(crate) fn describe() {
    describe_counter!(RECORDS, "Records of the log that are in the archive (topic).");
    describe_counter!(PASSED_OVER, "Records of the log that could not be read (topic).");
    describe_histogram!(COMMIT, metrics::Unit::Seconds, "Time of a transaction of the archive.");
    describe_gauge!(LAG, "Records of the log that the archive has not fetched yet (topic).");
    describe_counter!(FAILURES, "Times that the archive lost Postgres or Kafka and began again.");
}

pub(crate) fn committed(topic: &'static str, records: u64) {
    counter!(RECORDS, "topic" => topic).increment(records);
}

pub(crate) fn commit_took(took: Duration) {
    histogram!(COMMIT).record(took.as_secs_f64());
}

pub(crate) fn passed_over(topic: &'static str) {
    counter!(PASSED_OVER, "topic" => topic).increment(1);
}

pub(crate) fn lag(topic: &'static str, records: i64) {
    gauge!(LAG, "topic" => topic).set(records as f64);
}

pub(crate) fn session_failed() {
    counter!(FAILURES).increment(1);
}

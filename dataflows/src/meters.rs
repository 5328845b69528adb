//! What the dataflow measures for `/metrics`.

use std::hash::Hash;
use std::time::{Duration, Instant};

use fandom_services::metrics::{Metric, describe};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::engine::table::Table;
use crate::sink::table::Table as View;

const ROWS: Metric = Metric::counter(
    "fandom_dataflow_rows_total",
    &["worker"],
    "Changes of rows that were fed into the dataflow; what was read before the last start is fed again.",
);
const BYTES: Metric = Metric::counter(
    "fandom_dataflow_read_bytes_total",
    &["worker"],
    "Bytes of keys and values of the log that were read.",
);
const EPOCHS: Metric = Metric::histogram(
    "fandom_dataflow_epoch_seconds",
    &["worker"],
    "From the end of an epoch until its effect is committed.",
);
const DISTANCE: Metric = Metric::gauge(
    "fandom_dataflow_epoch_distance_seconds",
    &["worker"],
    "How far the output is behind the input: the age of the oldest epoch that is not committed; 0 where all are.",
);
const IN_FLIGHT_ROWS: Metric = Metric::gauge(
    "fandom_dataflow_in_flight_rows",
    &["worker"],
    "Rows that were fed and whose effect is not committed yet.",
);
const IN_FLIGHT_BYTES: Metric =
    Metric::gauge("fandom_dataflow_in_flight_bytes", &["worker"], "The same in bytes of the log.");
const PENDING: Metric = Metric::gauge(
    "fandom_dataflow_pending_rows",
    &["worker"],
    "Rows of versions whose manifest has not come, which count nothing yet.",
);
const KEYS: Metric = Metric::gauge(
    "fandom_dataflow_keys",
    &["operator", "worker"],
    "Keys that an operator of the suite's own holds the state of.",
);
const HELD_BYTES: Metric = Metric::gauge(
    "fandom_dataflow_state_bytes",
    &["operator", "worker"],
    "Bytes of that state, without texts and what else its records refer to.",
);
const REFUSED: Metric = Metric::counter(
    "fandom_dataflow_refused_records_total",
    &[],
    "Records of the log that are not of their schema and were passed over.",
);
const HYDRATION: Metric = Metric::gauge(
    "fandom_dataflow_hydration_ratio",
    &[],
    "How much was read of what was on the log at the start; 1 once the views are live.",
);
const HYDRATED: Metric = Metric::gauge(
    "fandom_dataflow_hydration_duration_seconds",
    &[],
    "How long it took from the start until the views were live.",
);
const LIVE: Metric =
    Metric::gauge("fandom_dataflow_live", &[], "1 while the views show the log, 0 while it is read again.");
const LAG: Metric = Metric::gauge(
    "fandom_dataflow_lag_records",
    &["partition"],
    "Records of fandom.rows that are not in the views yet.",
);
const KMEANS: Metric =
    Metric::histogram("fandom_dataflow_kmeans_seconds", &[], "Time of a computation of the centroids of clusters.");
const BUSY: Metric = Metric::gauge(
    "fandom_dataflow_operator_busy_seconds",
    &["operator", "worker"],
    "Seconds that operators of that name have worked, from the start; grows (with FANDOM_OPERATOR_METRICS).",
);
const COMMIT: Metric = Metric::histogram("fandom_sink_commit_seconds", &[], "Time of a commit of the views.");
const BATCH: Metric = Metric::histogram("fandom_sink_batch_rows", &[], "Changed rows of a commit.");
const WRITTEN: Metric = Metric::counter("fandom_sink_rows_total", &["view"], "Rows added to and taken out of a view.");
const RETRIES: Metric =
    Metric::counter("fandom_sink_retries_total", &[], "Times that the database was lost during a commit.");
const EPOCH: Metric =
    Metric::gauge("fandom_sink_epoch_timestamp_seconds", &[], "The epoch of the last commit, in seconds since 1970.");
const HEARTBEAT: Metric = Metric::gauge(
    "fandom_sink_heartbeat_timestamp_seconds",
    &[],
    "When the writer of the views last reached the database, in seconds since 1970.",
);
const GENERATION: Metric = Metric::gauge(
    "fandom_sink_generation",
    &[],
    "The generation of the writer: one with a greater number has taken over.",
);
const TOLD: Metric =
    Metric::counter("fandom_changelog_records_total", &[], "Records written to the changelogs of the views.");

/// Everything that the dataflow measures, beside what every process and every client of Kafka does.
pub const METRICS: &[Metric] = &[
    ROWS,
    BYTES,
    EPOCHS,
    DISTANCE,
    IN_FLIGHT_ROWS,
    IN_FLIGHT_BYTES,
    PENDING,
    KEYS,
    HELD_BYTES,
    REFUSED,
    HYDRATION,
    HYDRATED,
    LIVE,
    LAG,
    KMEANS,
    BUSY,
    COMMIT,
    BATCH,
    WRITTEN,
    RETRIES,
    EPOCH,
    HEARTBEAT,
    GENERATION,
    TOLD,
];

/// Tells the recorder what is measured.
pub(crate) fn describe_all() {
    describe(METRICS);
}

/// What a worker measures.
pub(crate) struct WorkerMeter {
    rows: Counter,
    bytes: Counter,
    epochs: Histogram,
    distance: Gauge,
    in_flight: [Gauge; 2],
    pending: Gauge,
    told: Instant,
}

/// How often what is looked at in every turn is told.
const TOLD_EVERY: Duration = Duration::from_millis(500);

impl WorkerMeter {
    pub(crate) fn new(worker: usize) -> WorkerMeter {
        let labels = [("worker", worker.to_string())];
        WorkerMeter {
            rows: counter!(ROWS.name, &labels),
            bytes: counter!(BYTES.name, &labels),
            epochs: histogram!(EPOCHS.name, &labels),
            distance: gauge!(DISTANCE.name, &labels),
            in_flight: [IN_FLIGHT_ROWS, IN_FLIGHT_BYTES].map(|metric| gauge!(metric.name, &labels)),
            pending: gauge!(PENDING.name, &labels),
            told: Instant::now(),
        }
    }

    pub(crate) fn fed(&self, rows: usize, bytes: usize) {
        self.rows.increment(rows as u64);
        self.bytes.increment(bytes as u64);
    }

    pub(crate) fn in_flight(&self, rows: usize, bytes: usize) {
        self.in_flight[0].set(rows as f64);
        self.in_flight[1].set(bytes as f64);
    }

    pub(crate) fn committed(&self, closed: Instant) {
        self.epochs.record(closed.elapsed().as_secs_f64());
    }

    /// Tells now and then when the oldest epoch was closed that is not committed, and how many rows wait for a manifest.
    pub(crate) fn turn(&mut self, oldest: Option<Instant>, pending: impl FnOnce() -> u64) {
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            self.distance.set(oldest.map_or(0.0, |closed| closed.elapsed().as_secs_f64()));
            self.pending.set(pending() as f64);
        }
    }
}

/// What an operator holds.
pub(crate) struct Held {
    keys: Gauge,
    bytes: Gauge,
}

/// What an operator of that name holds.
pub(crate) fn held(operator: &str, worker: usize) -> Held {
    let (operator, worker) = (operator.to_owned(), worker.to_string());
    Held {
        keys: gauge!(KEYS.name, "operator" => operator.clone(), "worker" => worker.clone()),
        bytes: gauge!(HELD_BYTES.name, "operator" => operator, "worker" => worker),
    }
}

impl Held {
    /// Tells the keys of a table, and its bytes with those that its states have allocated.
    pub(crate) fn tell<K: Hash + Eq, S>(&self, states: &Table<K, S>, heap_bytes: usize) {
        self.keys.set(states.len() as f64);
        self.bytes.set((states.bytes() + heap_bytes) as f64);
    }
}

/// How long operators of a name have worked.
pub(crate) fn busy(operator: &str, worker: usize) -> Gauge {
    gauge!(BUSY.name, "operator" => operator.to_owned(), "worker" => worker.to_string())
}

pub(crate) fn refused() {
    counter!(REFUSED.name).increment(1);
}

pub(crate) fn hydration(ratio: f64, live: bool) {
    gauge!(HYDRATION.name).set(ratio);
    gauge!(LIVE.name).set(f64::from(u8::from(live)));
}

pub(crate) fn hydrated(took: Duration) {
    gauge!(HYDRATED.name).set(took.as_secs_f64());
}

pub(crate) fn lag(partition: u32, records: i64) {
    gauge!(LAG.name, "partition" => partition.to_string()).set(records as f64);
}

pub(crate) fn centroids(took: Duration) {
    histogram!(KMEANS.name).record(took.as_secs_f64());
}

/// What the writer measures.
pub(crate) struct SinkMeter {
    commit: Histogram,
    batch: Histogram,
    rows: Vec<Counter>,
}

impl SinkMeter {
    pub(crate) fn new(tables: &[&'static View], generation: i64, epoch: u64) -> SinkMeter {
        let of_view = |table: &&'static View| {
            let rows = counter!(WRITTEN.name, "view" => table.name);
            rows.increment(0);
            rows
        };
        gauge!(GENERATION.name).set(generation as f64);
        gauge!(EPOCH.name).set(seconds(epoch));
        SinkMeter {
            commit: histogram!(COMMIT.name),
            batch: histogram!(BATCH.name),
            rows: tables.iter().map(of_view).collect(),
        }
    }

    pub(crate) fn committed(&self, epoch: u64, rows: usize, took: Duration) {
        gauge!(EPOCH.name).set(seconds(epoch));
        self.commit.record(took.as_secs_f64());
        self.batch.record(rows as f64);
    }

    pub(crate) fn written(&self, view: u8, rows: usize) {
        if let Some(counter) = self.rows.get(usize::from(view)) {
            counter.increment(rows as u64);
        }
    }

    pub(crate) fn retries(&self) {
        counter!(RETRIES.name).increment(1);
    }
}

/// An epoch as an instant.
fn seconds(epoch: u64) -> f64 {
    epoch as f64 / 1000.0
}

pub(crate) fn beats() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    gauge!(HEARTBEAT.name).set(now.as_secs_f64());
}

pub(crate) fn told(records: usize) {
    counter!(TOLD.name).increment(records as u64);
}

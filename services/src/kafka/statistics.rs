//! What librdkafka tells of itself now and then, as metrics.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Gauge, counter, gauge};
use rdkafka::config::ClientConfig;
use rdkafka::statistics::Statistics;

use crate::metrics::{Metric, describe};

const LABELS: &[&str] = &["client", "member"];
const SENT_RECORDS: Metric =
    Metric::counter("fandom_kafka_sent_records_total", LABELS, "Records sent to brokers, sent again ones too.");
const SENT_BYTES: Metric = Metric::counter("fandom_kafka_sent_bytes_total", LABELS, "Bytes sent to brokers.");
const RECEIVED_RECORDS: Metric =
    Metric::counter("fandom_kafka_received_records_total", LABELS, "Records received from brokers.");
const RECEIVED_BYTES: Metric =
    Metric::counter("fandom_kafka_received_bytes_total", LABELS, "Bytes received from brokers.");
const REQUESTS: Metric = Metric::counter("fandom_kafka_requests_total", LABELS, "Requests made of brokers.");
const ERRORS: Metric = Metric::counter(
    "fandom_kafka_request_errors_total",
    LABELS,
    "Requests that could not be sent, answers that could not be read, and requests that took too long.",
);
const DISCONNECTS: Metric =
    Metric::counter("fandom_kafka_disconnects_total", LABELS, "Connections to brokers that ended.");
const QUEUED_RECORDS: Metric = Metric::gauge(
    "fandom_kafka_queued_records",
    LABELS,
    "Records that wait in the client: to be sent, or to be taken by the part.",
);
const QUEUED_BYTES: Metric =
    Metric::gauge("fandom_kafka_queued_bytes", LABELS, "How many bytes of key and value these are.");
const CLIENTS: Metric = Metric::gauge(
    "fandom_kafka_clients",
    LABELS,
    "Clients that are open; none while the part waits for something else, such as Postgres or a lock.",
);
const BROKERS_UP: Metric = Metric::gauge("fandom_kafka_brokers_up", LABELS, "Brokers that the client is connected to.");
const ROUND_TRIP: Metric = Metric::gauge(
    "fandom_kafka_round_trip_seconds",
    &["client", "member", "quantile"],
    "From a request to its answer, of the slowest broker (quantile 0.5 and 0.99 of the last seconds).",
);
const THROTTLE: Metric = Metric::gauge(
    "fandom_kafka_throttle_seconds",
    LABELS,
    "How long brokers made the client wait because of a quota, at the most, in the last seconds.",
);
const LAG: Metric = Metric::gauge(
    "fandom_kafka_lag_records",
    &["client", "member", "topic", "partition"],
    "Records of the partition that the part has not taken yet, as the client knows.",
);

/// What is measured of every client of Kafka.
pub const METRICS: &[Metric] = &[
    SENT_RECORDS,
    SENT_BYTES,
    RECEIVED_RECORDS,
    RECEIVED_BYTES,
    REQUESTS,
    ERRORS,
    DISCONNECTS,
    QUEUED_RECORDS,
    QUEUED_BYTES,
    CLIENTS,
    BROKERS_UP,
    ROUND_TRIP,
    THROTTLE,
    LAG,
];

/// How often librdkafka tells, in milliseconds, unless the settings say otherwise.
const EVERY_MS: &str = "5000";

/// Makes a client tell. Its context gives what it tells to a [`Meter`].
pub fn tell(config: &mut ClientConfig) {
    if config.get("statistics.interval.ms").is_none() {
        config.set("statistics.interval.ms", EVERY_MS);
    }
}

/// Turns what one client tells into metrics.
#[derive(Debug)]
pub struct Meter {
    client: &'static str,
    member: String,
    before: Mutex<Totals>,
    /// By topic and partition, those of which a lag was told.
    lags: Mutex<HashMap<(String, i32), Gauge>>,
}

/// What a client has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals([u64; 7]);

/// The counters of [`Totals`], in its order.
const COUNTERS: [Metric; 7] =
    [SENT_RECORDS, SENT_BYTES, RECEIVED_RECORDS, RECEIVED_BYTES, REQUESTS, ERRORS, DISCONNECTS];

impl Meter {
    /// A meter of a client: what it is for, and which of several.
    pub fn new(client: &'static str, member: impl Into<String>) -> Meter {
        describe(METRICS);
        let meter = Meter { client, member: member.into(), before: Mutex::default(), lags: Mutex::default() };
        gauge!(CLIENTS.name, &meter.labels()).increment(1.0);
        meter
    }

    fn labels(&self) -> [(&'static str, String); 2] {
        [("client", self.client.to_owned()), ("member", self.member.clone())]
    }

    /// Takes in what the client tells.
    pub fn measure(&self, told: &Statistics) {
        let labels = || self.labels();
        let now = Totals::of(told);
        let before = std::mem::replace(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner), now);
        for (metric, more) in COUNTERS.iter().zip(now.since(before)) {
            counter!(metric.name, &labels()).increment(more);
        }
        let partitions = || {
            let topics = told.topics.iter();
            topics.flat_map(|(topic, at)| at.partitions.values().map(move |partition| (topic, partition)))
        };
        let fetched = partitions().map(|(_, partition)| partition.fetchq_cnt.max(0)).sum::<i64>();
        let fetched_bytes = partitions().map(|(_, partition)| partition.fetchq_size).sum::<u64>();
        gauge!(QUEUED_RECORDS.name, &labels()).set(told.msg_cnt as f64 + fetched as f64);
        gauge!(QUEUED_BYTES.name, &labels()).set((told.msg_size + fetched_bytes) as f64);
        let up = told.brokers.values().filter(|broker| broker.nodeid >= 0 && broker.state == "UP").count();
        gauge!(BROKERS_UP.name, &labels()).set(up as f64);
        let slowest = |of: fn(&rdkafka::statistics::Window) -> i64| {
            told.brokers.values().filter_map(|broker| broker.rtt.as_ref()).map(of).max().unwrap_or(0) as f64 / 1e6
        };
        self.round_trip(slowest(|window| window.p50), slowest(|window| window.p99));
        let throttle = told.brokers.values().filter_map(|broker| broker.throttle.as_ref()).map(|window| window.max);
        gauge!(THROTTLE.name, &labels()).set(throttle.max().unwrap_or(0) as f64 / 1e3);
        let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, partition) in partitions().filter(|(_, partition)| partition.consumer_lag >= 0) {
            let lag = lags.entry((topic.clone(), partition.partition)).or_insert_with(|| {
                let [client, member] = labels();
                let number = ("partition", partition.partition.to_string());
                gauge!(LAG.name, &[client, member, ("topic", topic.clone()), number])
            });
            lag.set(partition.consumer_lag as f64);
        }
    }

    fn round_trip(&self, median: f64, slow: f64) {
        for (quantile, seconds) in [("0.5", median), ("0.99", slow)] {
            let [client, member] = self.labels();
            gauge!(ROUND_TRIP.name, &[client, member, ("quantile", quantile.to_owned())]).set(seconds);
        }
    }
}

/// A client that is no more is connected to nothing, holds nothing and lags behind nothing: another process may have gone on with
/// its work. That it is connected to nothing is no trouble then, which the number of clients tells.
impl Drop for Meter {
    fn drop(&mut self) {
        let labels = self.labels();
        // Another of the same name may be open already.
        gauge!(CLIENTS.name, &labels).decrement(1.0);
        for metric in [BROKERS_UP, QUEUED_RECORDS, QUEUED_BYTES, THROTTLE] {
            gauge!(metric.name, &labels).set(0.0);
        }
        self.round_trip(0.0, 0.0);
        let lags = self.lags.get_mut().unwrap_or_else(PoisonError::into_inner);
        lags.values().for_each(|lag| lag.set(0.0));
    }
}

impl Totals {
    fn of(told: &Statistics) -> Totals {
        let big = |number: i64| u64::try_from(number).unwrap_or(0);
        let brokers = told.brokers.values();
        let errors = brokers.clone().map(|broker| broker.txerrs + broker.rxerrs + broker.req_timeouts).sum();
        let disconnects = brokers.map(|broker| broker.disconnects.unwrap_or(0)).sum();
        Totals([
            big(told.txmsgs),
            big(told.tx_bytes),
            big(told.rxmsgs),
            big(told.rx_bytes),
            big(told.tx),
            errors,
            big(disconnects),
        ])
    }

    /// How much more than before. A broker that is forgotten takes what was counted of it along.
    fn since(self, before: Totals) -> impl Iterator<Item = u64> {
        self.0.into_iter().zip(before.0).map(|(now, before)| now.saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use rdkafka::statistics::{Broker, Partition, Topic};

    use super::*;

    #[test]
    fn a_client_that_is_gone_is_not_counted_and_lags_behind_nothing() {
        let broker = Broker { nodeid: 1, state: "UP".to_owned(), ..Broker::default() };
        let partition = Partition { partition: 3, consumer_lag: 70, ..Partition::default() };
        let topic = Topic { partitions: HashMap::from([(3, partition)]), ..Topic::default() };
        let told = Statistics {
            brokers: HashMap::from([("one".to_owned(), broker)]),
            topics: HashMap::from([("rows".to_owned(), topic)]),
            ..Statistics::default()
        };
        let recorder = PrometheusBuilder::new().build_recorder();
        let figures = || {
            let page = recorder.handle().render();
            [CLIENTS, BROKERS_UP, LAG].map(|metric| {
                let begin = format!("{}{{", metric.name);
                let line = page.lines().find(|line| line.starts_with(&begin));
                line.and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
            })
        };
        metrics::with_local_recorder(&recorder, || {
            let older = Meter::new("archive", "");
            let newer = Meter::new("archive", "");
            older.measure(&told);
            assert_eq!(figures(), ["2", "1", "70"]);
            drop(older);
            assert_eq!(figures(), ["1", "0", "0"], "until the newer one tells");
            newer.measure(&told);
            assert_eq!(figures(), ["1", "1", "70"]);
            drop(newer);
            assert_eq!(figures(), ["0", "0", "0"]);
        });
    }

    #[test]
    fn totals_grow_by_what_is_new() {
        let of =
            |sent: i64, bytes: i64| Totals::of(&Statistics { txmsgs: sent, tx_bytes: bytes, ..Statistics::default() });
        let more: Vec<u64> = of(7, 90).since(of(5, 100)).collect();
        assert_eq!(more, [2, 0, 0, 0, 0, 0, 0]);
    }
}

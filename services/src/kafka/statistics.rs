//! What librdkafka tells of itself now and then, as metrics.

use std::sync::{Mutex, PoisonError};

use metrics::{counter, gauge};
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
        Meter { client, member: member.into(), before: Mutex::default() }
    }

    /// Takes in what the client tells.
    pub fn measure(&self, told: &Statistics) {
        let labels = || [("client", self.client.to_owned()), ("member", self.member.clone())];
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
        for (quantile, seconds) in [("0.5", slowest(|window| window.p50)), ("0.99", slowest(|window| window.p99))] {
            let [client, member] = labels();
            gauge!(ROUND_TRIP.name, &[client, member, ("quantile", quantile.to_owned())]).set(seconds);
        }
        let throttle = told.brokers.values().filter_map(|broker| broker.throttle.as_ref()).map(|window| window.max);
        gauge!(THROTTLE.name, &labels()).set(throttle.max().unwrap_or(0) as f64 / 1e3);
        for (topic, partition) in partitions().filter(|(_, partition)| partition.consumer_lag >= 0) {
            let [client, member] = labels();
            let place = [("topic", topic.clone()), ("partition", partition.partition.to_string())];
            let [topic, number] = place;
            gauge!(LAG.name, &[client, member, topic, number]).set(partition.consumer_lag as f64);
        }
    }
}

/// A client that is no more is connected to nothing and holds nothing.
impl Drop for Meter {
    fn drop(&mut self) {
        let labels = [("client", self.client.to_owned()), ("member", self.member.clone())];
        for metric in [BROKERS_UP, QUEUED_RECORDS, QUEUED_BYTES] {
            gauge!(metric.name, &labels).set(0.0);
        }
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
    use super::*;

    #[test]
    fn totals_grow_by_what_is_new() {
        let of =
            |sent: i64, bytes: i64| Totals::of(&Statistics { txmsgs: sent, tx_bytes: bytes, ..Statistics::default() });
        let more: Vec<u64> = of(7, 90).since(of(5, 100)).collect();
        assert_eq!(more, [2, 0, 0, 0, 0, 0, 0]);
    }
}

//! A topic, read from its beginning to its end by a client of the tests' own.

#![expect(clippy::disallowed_types, reason = "the tests look at the log without the suite's own code")]

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::suite::Suite;

const PATIENCE: Duration = Duration::from_secs(120);

/// Hands over key, header `kind` and value (none for a tombstone) of each record of a topic, partition by partition in order.
///
/// # Panics
/// When the broker does not answer.
pub fn each_record(suite: &Suite, topic: &str, mut record: impl FnMut(&str, Option<&str>, Option<&[u8]>)) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &suite.kafka.bootstrap_servers)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let mut left = metadata.topics()[0].partitions().len();
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&partitions).expect("partitions can be assigned");
    while left > 0 {
        match consumer.poll(PATIENCE).expect("the broker answers") {
            Err(KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{error}"),
            Ok(message) => {
                let key = std::str::from_utf8(message.key().expect("a key")).expect("UTF-8");
                let headers = message.headers();
                let kind = headers.and_then(|headers| headers.iter().find(|header| header.key == "kind")?.value);
                record(key, kind.and_then(|kind| std::str::from_utf8(kind).ok()), message.payload());
            }
        }
    }
}

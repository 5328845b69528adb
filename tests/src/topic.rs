//! A topic, read from its beginning to its end by a client of the tests' own.

#![expect(clippy::disallowed_types, reason = "the tests look at the log without the suite's own code")]

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::suite::Suite;

const PATIENCE: Duration = Duration::from_secs(120);

/// Hands over key, header `kind` and value (none for a tombstone) of each record of a topic, partition by partition in order.
///
/// # Panics
/// When the broker does not answer.
pub fn each_record(suite: &Suite, topic: &str, mut record: impl FnMut(&str, Option<&str>, Option<&[u8]>)) {
    each_message(suite, topic, |message| record(key(message), header(message, "kind"), message.payload()));
}

/// The records of a topic that have a header of that name: their keys, and what it says.
///
/// # Panics
/// When the broker does not answer.
pub fn with_header(suite: &Suite, topic: &str, name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each_message(suite, topic, |message| {
        found.extend(header(message, name).map(|value| (key(message).to_owned(), value.to_owned())));
    });
    found
}

fn key<'m>(message: &'m BorrowedMessage<'_>) -> &'m str {
    std::str::from_utf8(message.key().expect("a key")).expect("UTF-8")
}

fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m str> {
    let value = message.headers()?.iter().find(|header| header.key == name)?.value?;
    std::str::from_utf8(value).ok()
}

fn each_message(suite: &Suite, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) {
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
            Ok(message) => each(&message),
        }
    }
}

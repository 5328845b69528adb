//! What a changelog holds: read from its start, to be compared with its view.

#![expect(clippy::disallowed_types, reason = "a changelog is read to its end once, and never followed")]

use std::time::Duration;

use fandom_services::kafka::KafkaSettings;
use hashbrown::HashMap;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use xxhash_rust::xxh3::xxh3_64;

use super::ChangelogError;
use crate::ingest::reader::Quiet;

/// How long to wait for a broker's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands for a value in a comparison.
pub fn fingerprint(value: &[u8]) -> u64 {
    xxh3_64(value)
}

/// Whether one of the topics never held a record.
///
/// # Errors
/// When the broker cannot be asked, or there is no such topic.
pub fn any_is_empty(kafka: &KafkaSettings, topics: &[&str]) -> Result<bool, ChangelogError> {
    let consumer = consumer(kafka)?;
    for topic in topics {
        let mut ends = partitions(&consumer, topic)?.into_iter();
        let used = ends.try_fold(false, |used, partition| {
            Ok::<_, KafkaError>(used || consumer.fetch_watermarks(topic, partition, PATIENCE)?.1 > 0)
        })?;
        if !used {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys that a topic holds, with the fingerprints of their values.
///
/// # Errors
/// When the topic cannot be read.
pub fn contents(kafka: &KafkaSettings, topic: &str) -> Result<HashMap<Box<[u8]>, u64>, ChangelogError> {
    let consumer = consumer(kafka)?;
    let mut assignment = TopicPartitionList::new();
    let mut open = partitions(&consumer, topic)?;
    for partition in &open {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut contents = HashMap::new();
    while !open.is_empty() {
        match consumer.poll(PATIENCE) {
            Some(Ok(record)) => {
                let Some(key) = record.key() else { continue };
                match record.payload() {
                    Some(value) => contents.insert(key.into(), fingerprint(value)),
                    None => contents.remove(key),
                };
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|other| *other != partition),
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Ok(contents)
}

fn consumer(kafka: &KafkaSettings) -> Result<BaseConsumer<Quiet>, KafkaError> {
    kafka
        .client()
        .set("group.id", "fandom-changelog")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "10")
        .create_with_context(Quiet::default())
}

fn partitions(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<Vec<i32>, ChangelogError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions: Vec<i32> =
        found.map_or_else(Vec::new, |found| found.partitions().iter().map(|partition| partition.id()).collect());
    if partitions.is_empty() { Err(ChangelogError::NoTopic(topic.to_owned())) } else { Ok(partitions) }
}

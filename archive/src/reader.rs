//! The log, read by a thread of its own into batches.
//!
//! Partitions are assigned by hand, from where Postgres says that the archive is; consumer groups decide nothing. A batch ends
//! when it is full, or when nothing more comes for a moment.

#![expect(clippy::disallowed_types, reason = "this module reads the log for all others of the archive")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use fandom_schemas::topics::{ROWS, TEXTS};
use fandom_services::kafka::KafkaSettings;
use fandom_services::kafka::statistics::Meter;
use fandom_services::sealing::KeyRing;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Place};
use crate::decode::{self, Event};
use crate::error::{ArchiveError, SessionError};
use crate::meters;

/// The topics that are read.
const TOPICS: [&str; 2] = [ROWS, TEXTS];

/// How long to wait for a broker's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a batch is full.
const MOST_RECORDS: u64 = 10_000;
const MOST_BYTES: usize = 8 << 20;

/// How long a batch waits for more.
const LINGER: Duration = Duration::from_millis(5);

/// How long a broker that has just started may take a partition for shorter than it is.
const SETTLED: Duration = Duration::from_secs(5);

/// Reads from these offsets on, and from the start of partitions that are not named, until the receiver is dropped.
pub(crate) fn start(
    kafka: KafkaSettings,
    keys: KeyRing,
    progress: BTreeMap<(String, i32), i64>,
    stop: CancellationToken,
) -> Receiver<Result<Batch, SessionError>> {
    let (sender, receiver) = channel(1);
    let spawned = std::thread::Builder::new().name("archive-log".to_owned()).spawn({
        let sender = sender.clone();
        move || {
            if let Err(error) = read(&kafka, &keys, &progress, &sender, &stop) {
                let _ = sender.blocking_send(Err(error));
            }
        }
    });
    if let Err(error) = spawned {
        let error = ArchiveError::Kafka(format!("no thread can be started: {error}"));
        let _ = sender.try_send(Err(error.into()));
    }
    receiver
}

fn read(
    kafka: &KafkaSettings,
    keys: &KeyRing,
    progress: &BTreeMap<(String, i32), i64>,
    sender: &Sender<Result<Batch, SessionError>>,
    stop: &CancellationToken,
) -> Result<(), SessionError> {
    let consumer = consumer(kafka)?;
    let places = places(&consumer)?;
    let mut assignment = TopicPartitionList::new();
    for &(topic, partition) in &places {
        let offset = match progress.get(&(topic.to_owned(), partition)) {
            None => Offset::Beginning,
            Some(&next) => {
                check(&consumer, (topic, partition), next, stop)?;
                Offset::Offset(next)
            }
        };
        assignment.add_partition_offset(topic, partition, offset)?;
    }
    consumer.assign(&assignment)?;
    let mut batch = Batch::default();
    let mut began = Instant::now();
    let mut broken = false;
    while !stop.is_cancelled() && !sender.is_closed() {
        let wait = if batch.len() == 0 { Duration::from_millis(100) } else { LINGER };
        let more = match consumer.poll(wait) {
            None => false,
            Some(Ok(message)) => {
                if batch.len() == 0 {
                    began = Instant::now();
                }
                if std::mem::take(&mut broken) {
                    tracing::info!("broker is back");
                }
                take(&mut batch, &message, keys);
                true
            }
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                // What is to be read next is not there any more: which partition, the next session's check tells.
                return Err(SessionError::Kafka(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)));
            }
            Some(Err(error)) => {
                if !std::mem::replace(&mut broken, true) {
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                    tracing::warn!(%error, ?code, "broker was lost; waiting for it");
                }
                true
            }
        };
        let full = batch.len() >= MOST_RECORDS || batch.bytes >= MOST_BYTES;
        if batch.len() > 0 && (!more || full || began.elapsed() > Duration::from_secs(1)) {
            // Waits while the one before is written: what is fetched ahead is bounded by the client.
            if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
        }
        if consumer.context().partitions_known() > places.len() {
            return Err(SessionError::MorePartitions);
        }
    }
    Ok(())
}

fn take(batch: &mut Batch, message: &rdkafka::message::BorrowedMessage<'_>, keys: &KeyRing) {
    let topic = if message.topic() == ROWS { ROWS } else { TEXTS };
    let (partition, offset) = (message.partition(), message.offset());
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
    let event = key.ok_or(decode::DecodeError::Key).and_then(|key| match topic {
        ROWS => decode::row(key, message.payload()),
        _ => decode::text(key, message.payload(), keys),
    });
    let event = event.unwrap_or_else(|error| {
        tracing::error!(topic, partition, offset, %error, "a record was passed over");
        meters::passed_over(topic);
        Event::Nothing
    });
    batch.add((topic, partition), offset, event, message.key_len() + message.payload_len());
}

/// Every partition of the topics.
fn places(consumer: &BaseConsumer<Watching>) -> Result<Vec<Place>, SessionError> {
    // Metadata of all topics: asking for one by name would make it on brokers that create topics by themselves.
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let mut places = Vec::new();
    for name in TOPICS {
        let topic = metadata.topics().iter().find(|topic| topic.name() == name && !topic.partitions().is_empty());
        let topic = topic.ok_or(SessionError::NoTopic(name))?;
        places.extend(topic.partitions().iter().map(|partition| (name, partition.id())));
    }
    Ok(places)
}

/// Whether the log still holds what is to be read next.
fn check(
    consumer: &BaseConsumer<Watching>,
    (topic, partition): Place,
    next: i64,
    stop: &CancellationToken,
) -> Result<(), SessionError> {
    let began = Instant::now();
    loop {
        let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        if (first..=end).contains(&next) || stop.is_cancelled() {
            return Ok(());
        }
        if began.elapsed() > SETTLED {
            return Err(ArchiveError::Truncated { topic, partition, first, end, next }.into());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn consumer(kafka: &KafkaSettings) -> Result<BaseConsumer<Watching>, KafkaError> {
    kafka
        .client()
        .set("group.id", "fandom-archive")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50")
        .set("fetch.queue.backoff.ms", "20")
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.message.max.bytes", "262144")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("statistics.interval.ms", "5000")
        .set("check.crcs", "true")
        .create_with_context(Watching { partitions: Mutex::default(), meter: Meter::new("archive", "") })
}

/// What the client tells now and then.
struct Watching {
    partitions: Mutex<usize>,
    meter: Meter,
}

impl Watching {
    fn partitions_known(&self) -> usize {
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watching {
    /// What nobody reads now is told by whoever reads it next.
    fn drop(&mut self) {
        TOPICS.iter().for_each(|topic| meters::lag(topic, 0));
    }
}

impl ClientContext for Watching {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.meter.measure(&statistics);
        let mut known = 0;
        for topic in TOPICS {
            // The partition -1 is the client's own, for what has none yet.
            let partitions = statistics.topics.get(topic).map(|topic| &topic.partitions);
            let partitions = || partitions.into_iter().flatten().filter(|(number, _)| **number >= 0);
            known += partitions().count();
            meters::lag(topic, partitions().map(|(_, partition)| partition.consumer_lag.max(0)).sum());
        }
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl ConsumerContext for Watching {}

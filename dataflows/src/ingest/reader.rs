//! The partitions of a worker, read in order from the start of the log.
//!
//! Partitions are assigned by hand: consumer groups decide nothing. Offsets are never committed to Kafka; how far the
//! log has been read is committed with the views.

#![expect(clippy::disallowed_types, reason = "this module reads the log for all others")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fandom_schemas::topics::{ROWS, header};
use fandom_services::kafka::KafkaSettings;
use fandom_services::kafka::statistics::{self, Meter};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// How long to wait for a broker's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The broker did not answer as it should.
    #[error("the broker could not be asked for fandom.rows")]
    Kafka(#[from] KafkaError),
    /// There is no such topic.
    #[error("the topic fandom.rows is missing; run `fandom topics`")]
    NoTopic,
    /// The log is shorter than what the views were made of.
    #[error(
        "partition {partition} of fandom.rows ends at offset {end}, before offset {bound} that the views already hold: \
         the topic was made anew; restore it, or start over with empty views (`update views.progress set bindings = '{{}}'`)"
    )]
    Truncated {
        /// The partition.
        partition: u32,
        /// Its end.
        end: i64,
        /// The next offset to read, according to the views.
        bound: i64,
    },
    /// The log lost what had been read, or was made anew, while it was read.
    #[error("fandom.rows no longer holds the offset that is to be read next; start again to see what it holds now")]
    Shortened,
}

/// The end of every partition of the log.
pub type Ends = BTreeMap<u32, i64>;

/// Asks the broker for the log's ends.
///
/// # Errors
/// When it cannot be reached, or the topic is missing.
pub fn ends(kafka: &KafkaSettings) -> Result<Ends, ReadError> {
    let consumer = consumer(kafka, Quiet::default())?;
    let metadata = consumer.fetch_metadata(Some(ROWS), PATIENCE)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == ROWS).ok_or(ReadError::NoTopic)?;
    if topic.partitions().is_empty() {
        return Err(ReadError::NoTopic);
    }
    let mut ends = Ends::new();
    for partition in topic.partitions() {
        let (_, end) = consumer.fetch_watermarks(ROWS, partition.id(), PATIENCE)?;
        ends.insert(partition.id().cast_unsigned(), end);
    }
    Ok(ends)
}

/// Whether the log still holds all that the views were made of.
///
/// # Errors
/// The first partition that is shorter.
pub fn check_bindings(ends: &Ends, bindings: &BTreeMap<u32, i64>) -> Result<(), ReadError> {
    for (&partition, &bound) in bindings {
        let end = ends.get(&partition).copied().unwrap_or(0);
        if end < bound {
            return Err(ReadError::Truncated { partition, end, bound });
        }
    }
    Ok(())
}

/// How the log is fetched, unless the settings say otherwise.
const DEFAULTS: [(&str, &str); 7] = [
    ("fetch.wait.max.ms", "100"),
    ("fetch.error.backoff.ms", "50"),
    // A full queue is looked at again soon: at the default of a second it would stand empty before.
    ("fetch.queue.backoff.ms", "5"),
    ("queued.min.messages", "200000"),
    ("queued.max.messages.kbytes", "16384"),
    // Compressed, and by partition: what is fetched at once stands decompressed in memory.
    ("fetch.message.max.bytes", "262144"),
    ("check.crcs", "true"),
];

fn consumer(kafka: &KafkaSettings, context: Quiet) -> Result<BaseConsumer<Quiet>, KafkaError> {
    let mut config = kafka.client();
    if context.meter.is_some() {
        statistics::tell(&mut config);
    }
    for (property, value) in DEFAULTS {
        if config.get(property).is_none() {
            config.set(property, value);
        }
    }
    config
        .set("group.id", "fandom-dataflow")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .create_with_context(context)
}

/// The client tells every attempt to connect, and every end of a partition as an error; what matters is told here once.
#[derive(Default)]
pub(crate) struct Quiet {
    meter: Option<Meter>,
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn stats(&self, told: Statistics) {
        if let Some(meter) = &self.meter {
            meter.measure(&told);
        }
    }

    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

/// The partitions of a worker.
pub struct Reader {
    consumer: BaseConsumer<Quiet>,
    partitions: BTreeMap<u32, Position>,
    broken: bool,
}

struct Position {
    next: i64,
    told: i64,
    /// Where the partition ended when the job started.
    due: i64,
    reached: bool,
    /// When the broker said that nothing follows, though `due` was not reached; and whether it knew the whole length then.
    ended_early: Option<(Instant, bool)>,
}

/// A broker that has just started may take a partition for shorter than it is; compaction leaves out records at the end. If
/// nothing comes for so long, the broker knows the whole length, and again nothing comes for so long, it is the latter.
const SETTLED: Duration = Duration::from_secs(2);

/// What came of a look at the log.
pub enum Polled<'a> {
    /// A record.
    Record(Record<'a>),
    /// Something that is no record; there may be more.
    Other,
    /// The log no longer holds what is to be read next.
    Shortened,
    /// Nothing within the time.
    Nothing,
}

/// A record of the log.
pub struct Record<'a> {
    message: BorrowedMessage<'a>,
}

impl Record<'_> {
    /// The key, where it is text.
    pub fn key(&self) -> Option<&str> {
        self.message.key().and_then(|key| std::str::from_utf8(key).ok())
    }

    /// The value; none of a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    /// The kind, as the header has it.
    pub fn kind(&self) -> Option<&str> {
        self.header(header::KIND)
    }

    /// The trace that it belongs to, as the header has it.
    pub fn trace(&self) -> Option<&str> {
        self.header(header::TRACE)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.message.headers()?;
        let value = headers.iter().find(|header| header.key == name)?.value?;
        std::str::from_utf8(value).ok()
    }

    /// How long key and value are, in bytes.
    pub fn bytes(&self) -> usize {
        self.message.key_len() + self.message.payload_len()
    }

    /// Where it stands.
    pub fn place(&self) -> (i32, i64) {
        (self.message.partition(), self.message.offset())
    }
}

impl Reader {
    /// Reads those partitions that fall to this worker.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(kafka: &KafkaSettings, ends: &Ends, worker: usize, workers: usize) -> Result<Reader, KafkaError> {
        let consumer = consumer(kafka, Quiet { meter: Some(Meter::new("dataflow", worker.to_string())) })?;
        let mut assignment = TopicPartitionList::new();
        let mut partitions = BTreeMap::new();
        for (&partition, &due) in ends.iter().filter(|(partition, _)| **partition as usize % workers == worker) {
            assignment.add_partition_offset(ROWS, partition.cast_signed(), Offset::Beginning)?;
            partitions.insert(partition, Position { next: 0, told: 0, due, reached: due == 0, ended_early: None });
        }
        consumer.assign(&assignment)?;
        Ok(Reader { consumer, partitions, broken: false })
    }

    /// Looks for the next record, at most so long.
    pub fn poll(&mut self, wait: Duration) -> Polled<'_> {
        match self.consumer.poll(wait) {
            None => Polled::Nothing,
            Some(Ok(message)) => {
                if let Some(position) = self.partitions.get_mut(&message.partition().cast_unsigned()) {
                    position.next = message.offset() + 1;
                    position.reached |= position.next >= position.due;
                    position.ended_early = None;
                }
                if self.broken {
                    self.broken = false;
                    tracing::info!("broker is back");
                }
                Polled::Record(Record { message })
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Some(position) = self.partitions.get_mut(&partition.cast_unsigned()) {
                    position.reached |= position.next >= position.due;
                    position.ended_early = (!position.reached).then(|| (Instant::now(), false));
                }
                Polled::Other
            }
            // The client reads nothing more of such a partition.
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => Polled::Shortened,
            Some(Err(error)) => {
                if !self.broken {
                    self.broken = true;
                    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                    tracing::warn!(%error, ?code, "broker was lost; waiting for it");
                }
                Polled::Other
            }
        }
    }

    /// Whether every partition has been read up to where it ended when the job started.
    pub fn reached(&mut self) -> bool {
        for (&partition, position) in &mut self.partitions {
            let Some((since, whole)) = position.ended_early.filter(|(since, _)| since.elapsed() >= SETTLED) else {
                continue;
            };
            let known = self.consumer.fetch_watermarks(ROWS, partition.cast_signed(), PATIENCE);
            let known_whole = known.is_ok_and(|(_, end)| end >= position.due);
            if known_whole && whole {
                tracing::info!(partition, offset = position.due, quiet = ?since.elapsed(), "a partition ends with what was compacted away");
                position.next = position.due;
                position.reached = true;
            }
            position.ended_early = Some((Instant::now(), known_whole));
        }
        self.partitions.values().all(|position| position.reached)
    }

    /// The next offsets that have moved since this was last asked.
    pub fn moved(&mut self) -> impl Iterator<Item = (u32, i64)> + '_ {
        let moved = self.partitions.iter_mut().filter(|(_, position)| position.told != position.next);
        moved.map(|(partition, position)| {
            position.told = position.next;
            (*partition, position.next)
        })
    }
}

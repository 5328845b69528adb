//! The changelogs of the views: topics `fandom.views.<view>`.
//!
//! ```text
//!  committed batch ──queue──▶ records by key ──one transaction of Kafka──▶ fandom.views.* ──▶ views.published
//! ```
//!
//! Invariants
//! 1. A change is written after the commit that it belongs to; those of one key in the order of their commits.
//! 2. After a crash between the two, the topics are read and compared with the whole state: what is missing is written, what
//!    should not be there is taken out. A record may repeat; none is left out.
//! 3. A writer that another one has followed writes nothing more: the transactional id fences it off.
//! 4. A topic read from its start holds the whole view: it is compacted, and a row that is gone has a tombstone.

pub mod json;
mod stored;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use fandom_schemas::topics::{header, of_view};
use fandom_services::failpoints;
use fandom_services::kafka::KafkaSettings;
use fandom_services::kafka::statistics::{self, Meter};
use fandom_services::postgres::PostgresSettings;
use fandom_services::retry::Backoff;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::statistics::Statistics;
use tokio_postgres::Client;

use super::collect::Delta;
use super::table::Table;
use crate::meters;
use crate::runtime::Epoch;

/// Why the changelogs cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ChangelogError {
    /// Kafka refused for good.
    #[error("the changelogs of the views cannot be written")]
    Kafka(#[from] KafkaError),
    /// A topic is missing.
    #[error("the topic {0} is missing; run `fandom topics`")]
    NoTopic(String),
    /// Another writer has taken over.
    #[error("another dataflow has taken over the changelogs of these views; stop one of the two")]
    Fenced,
    /// The process is stopping.
    #[error("stopped")]
    Stopped,
}

/// What the writer committed.
#[derive(Debug)]
pub enum Committed {
    /// What changed.
    Changes(Epoch, Vec<Delta>),
    /// All that is there now, to be compared with the topics.
    State(Epoch, Vec<Delta>),
}

/// Batches that may wait while Kafka is slow; then commits wait too.
const QUEUE: usize = 64;
/// From the beginning of one transaction to that of the next, at least: each costs the broker a marker in every partition that it
/// wrote to, whatever it holds. What is committed after a while of rest is written at once.
const APART: Duration = Duration::from_millis(100);
/// Records of one transaction, at most.
const AT_ONCE: usize = 50_000;
/// How long Kafka may take to answer before it is asked again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The writer's end.
#[derive(Clone)]
pub struct ToChangelog(SyncSender<Committed>);

impl ToChangelog {
    /// Hands over what was committed; waits while the queue is full.
    pub fn send(&self, committed: Committed) {
        match self.0.try_send(committed) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(committed)) => {
                // A changelog that is gone has told why, and ends the job.
                let _ = self.0.send(committed);
            }
        }
    }
}

/// What the client tells of itself. What becomes of records, the end of their transaction tells.
struct Reports {
    meter: Meter,
}

impl ClientContext for Reports {
    fn stats(&self, told: Statistics) {
        self.meter.measure(&told);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Writes the changelogs. See the module.
pub struct Changelog {
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    tables: &'static [&'static Table],
    topics: Vec<String>,
    committed: Receiver<Committed>,
    give_up: Arc<AtomicBool>,
    client: Option<Client>,
}

impl Changelog {
    /// The changelogs of these tables, and where to hand over what is committed. Once `give_up` is set, Kafka is waited for no
    /// more.
    pub fn new(
        kafka: KafkaSettings,
        postgres: PostgresSettings,
        tables: &'static [&'static Table],
        give_up: Arc<AtomicBool>,
    ) -> (Changelog, ToChangelog) {
        let (sender, committed) = sync_channel(QUEUE);
        let topics = tables.iter().map(|table| of_view(table.name)).collect();
        (Changelog { kafka, postgres, tables, topics, committed, give_up, client: None }, ToChangelog(sender))
    }

    /// Whether the topic of one of these views is empty. Waits for Kafka while it is away.
    ///
    /// # Errors
    /// When Kafka refuses, a topic is missing, or `give_up` was set meanwhile.
    pub fn lacks_any(&self, views: &[&str]) -> Result<bool, ChangelogError> {
        let named = self.tables.iter().zip(&self.topics).filter(|(table, _)| views.contains(&table.name));
        let topics: Vec<&str> = named.map(|(_, topic)| topic.as_str()).collect();
        self.patiently(|| stored::any_is_empty(&self.kafka, &topics))
    }

    /// Writes what is committed until the writer is gone.
    ///
    /// # Errors
    /// When going on is of no use.
    pub fn run(mut self, runtime: &tokio::runtime::Handle) -> Result<(), ChangelogError> {
        match self.write_all(runtime) {
            Err(ChangelogError::Stopped) => Ok(()),
            outcome => outcome,
        }
    }

    fn write_all(&mut self, runtime: &tokio::runtime::Handle) -> Result<(), ChangelogError> {
        let producer = self.producer()?;
        let mut begun: Option<Instant> = None;
        while let Ok(first) = self.committed.recv() {
            if let Some(rest) = begun.and_then(|begun| APART.checked_sub(begun.elapsed())) {
                std::thread::sleep(rest);
            }
            begun = Some(Instant::now());
            let mut epoch = 0;
            let mut records = Vec::new();
            let mut next = Some(first);
            while let Some(committed) = next {
                match committed {
                    Committed::Changes(of, rows) => {
                        epoch = of;
                        self.add(&mut records, of, &rows);
                    }
                    Committed::State(of, rows) => {
                        epoch = of;
                        self.add_difference(&mut records, of, &rows)?;
                    }
                }
                next = if records.len() < AT_ONCE { self.committed.try_recv().ok() } else { None };
            }
            failpoints::pass("changelog.before_write");
            for chunk in records.chunks(AT_ONCE) {
                self.write(&producer, chunk)?;
            }
            meters::told(records.len());
            failpoints::pass("changelog.after_write");
            runtime.block_on(self.tell_published(epoch));
        }
        Ok(())
    }

    fn producer(&self) -> Result<ThreadedProducer<Reports>, ChangelogError> {
        let mut config = self.kafka.client();
        config
            .set("transactional.id", "fandom-views")
            .set("transaction.timeout.ms", "300000")
            .set("compression.type", "lz4")
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random")
            .set_log_level(RDKafkaLogLevel::Critical);
        statistics::tell(&mut config);
        let reports = Reports { meter: Meter::new("changelog", "") };
        let producer: ThreadedProducer<Reports> = config.create_with_context(reports)?;
        self.patiently(|| producer.init_transactions(PATIENCE))?;
        Ok(producer)
    }

    /// The records of a batch's changes. Its rows are in order, so that those of one key stand together.
    fn add(&self, records: &mut Vec<Record>, epoch: Epoch, rows: &[Delta]) {
        let same = |((a, x), _): &Delta, ((b, y), _): &Delta| {
            let key = self.tables[usize::from(*a)].key;
            a == b && x.key(key) == y.key(key)
        };
        for group in rows.chunk_by(same) {
            let (view, any) = &group[0].0;
            let table = self.tables[usize::from(*view)];
            let written = group.iter().find(|(_, diff)| *diff > 0);
            records.push(Record {
                view: *view,
                epoch,
                key: json::key(table, any),
                value: written.map(|((_, row), _)| json::value(table, row)),
            });
        }
    }

    /// The records that make the topics hold exactly these rows.
    fn add_difference(&self, records: &mut Vec<Record>, epoch: Epoch, rows: &[Delta]) -> Result<(), ChangelogError> {
        let mut rest = rows;
        for (number, table) in self.tables.iter().enumerate() {
            let of_view = rest.iter().take_while(|((view, _), _)| usize::from(*view) == number).count();
            let (of_view, others) = rest.split_at(of_view);
            rest = others;
            let topic = &self.topics[number];
            let mut there = self.patiently(|| stored::contents(&self.kafka, topic))?;
            let mut wanted = Vec::new();
            self.add(&mut wanted, epoch, of_view);
            let before = records.len();
            for record in wanted {
                let value = record.value.as_deref().unwrap_or_default();
                if there.remove(record.key.as_slice()) != Some(stored::fingerprint(value)) {
                    records.push(record);
                }
            }
            let gone = there.into_keys();
            records.extend(gone.map(|key| Record { view: number as u8, epoch, key: key.into(), value: None }));
            if records.len() > before {
                let records = records.len() - before;
                tracing::info!(view = table.name, records, "a changelog is brought to the state of its view");
            }
        }
        Ok(())
    }

    /// Writes records in one transaction, again until it succeeds.
    fn write(&self, producer: &ThreadedProducer<Reports>, records: &[Record]) -> Result<(), ChangelogError> {
        let mut backoff = Backoff::default();
        loop {
            producer.begin_transaction()?;
            match self.send_and_commit(producer, records) {
                Ok(()) => return Ok(()),
                Err(ChangelogError::Kafka(KafkaError::Transaction(error))) if error.txn_requires_abort() => {
                    tracing::warn!(%error, "a transaction of the changelogs failed; trying again");
                    self.patiently(|| producer.abort_transaction(PATIENCE))?;
                    std::thread::sleep(backoff.next_wait());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn send_and_commit(&self, producer: &ThreadedProducer<Reports>, records: &[Record]) -> Result<(), ChangelogError> {
        for record in records {
            let epoch = record.epoch.to_string();
            let headers = OwnedHeaders::new()
                .insert(Header { key: header::EPOCH, value: Some(&epoch) })
                .insert(Header { key: header::CONTENT_TYPE, value: Some(header::JSON) });
            let mut send = BaseRecord::to(&self.topics[usize::from(record.view)]).key(&record.key).headers(headers);
            if let Some(value) = &record.value {
                send = send.payload(value);
            }
            while let Err((error, refused)) = producer.send(send) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                send = refused;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.patiently(|| producer.commit_transaction(PATIENCE))
    }

    /// Does what may be tried again until it succeeds, or fails for good.
    fn patiently<T, E: Into<ChangelogError>>(
        &self,
        mut ask: impl FnMut() -> Result<T, E>,
    ) -> Result<T, ChangelogError> {
        let mut backoff = Backoff::default();
        loop {
            if self.give_up.load(Ordering::Relaxed) {
                return Err(ChangelogError::Stopped);
            }
            let error = match ask() {
                Ok(done) => return Ok(done),
                Err(error) => error.into(),
            };
            let again = match &error {
                ChangelogError::Kafka(KafkaError::Transaction(error)) => {
                    if matches!(error.code(), RDKafkaErrorCode::Fenced | RDKafkaErrorCode::InvalidProducerEpoch) {
                        return Err(ChangelogError::Fenced);
                    }
                    error.is_retriable()
                }
                ChangelogError::Kafka(_) => true,
                _ => false,
            };
            if !again {
                return Err(error);
            }
            std::thread::sleep(backoff.next_wait());
        }
    }

    /// Notes up to which epoch the topics are written. When it fails, a start compares more than it must.
    async fn tell_published(&mut self, epoch: Epoch) {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = self.postgres.connect().await.ok();
        }
        if let Some(client) = &self.client {
            let tell = "update views.published set epoch = greatest(epoch, $1)";
            if let Err(error) = client.execute(tell, &[&epoch.cast_signed()]).await {
                tracing::debug!(%error, "the epoch of the changelogs could not be noted");
            }
        }
    }
}

/// A record of a changelog.
struct Record {
    view: u8,
    epoch: Epoch,
    key: Vec<u8>,
    /// None is a tombstone.
    value: Option<Vec<u8>>,
}

//! The producer: records on the topics, and the account of which of them were delivered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fandom_schemas::manifest::MANIFEST_KIND;
use fandom_schemas::rows::SCHEMA_VERSION;
use fandom_schemas::topics::{REJECTS, ROWS, TEXTS, header};
use fandom_services::kafka::KafkaSettings;
use fandom_services::kafka::statistics::{self, Meter};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use rdkafka::statistics::Statistics;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The largest value that is sent, in bytes: what a broker accepts unless it is told otherwise (1 MiB), less some room.
pub const LARGEST_VALUE: usize = 900_000;

/// How long the broker may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Properties that a user may set otherwise.
const DEFAULTS: [(&str, &str); 8] = [
    ("compression.type", "lz4"),
    ("linger.ms", "5"),
    ("batch.num.messages", "20000"),
    // This bounds the memory of what is on its way, whatever the size of a file.
    ("queue.buffering.max.kbytes", "32768"),
    ("queue.buffering.max.messages", "50000"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
    ("log.connection.close", "false"),
];

/// Properties on which exactness rests. A broker that is away is waited for without end: a record fails only for good.
const REQUIRED: [(&str, &str); 3] = [("enable.idempotence", "true"), ("acks", "all"), ("message.timeout.ms", "0")];

/// The topics as a producer sees them.
pub struct Log {
    producer: ThreadedProducer<Reports>,
    /// Partitions of `fandom.rows` and `fandom.texts`.
    pub partitions: u32,
    reject_partitions: u32,
    /// Whether each partition of `fandom.rows` has ever held a record.
    pub used: Vec<bool>,
}

/// Why a record is not on the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The broker, or the way to it.
    #[error("Kafka refused: {0}")]
    Kafka(#[from] KafkaError),
    /// A topic is missing.
    #[error("the topic {0} does not exist; `fandom topics` makes it")]
    NoTopic(&'static str),
    /// The texts cannot stand on the partitions of their rows.
    #[error("{ROWS} has {rows} partitions and {TEXTS} has {texts}; add partitions until they are equal")]
    Partitions {
        /// Partitions of `fandom.rows`.
        rows: u32,
        /// Partitions of `fandom.texts`.
        texts: u32,
    },
    /// The process is stopping, or the session is lost.
    #[error("stopped")]
    Stopped,
}

impl LogError {
    /// Whether a record can never be taken because of what it holds.
    pub fn is_of_the_record(&self) -> bool {
        matches!(
            self.code(),
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::InvalidRecord
                    | RDKafkaErrorCode::InvalidMessage
            )
        )
    }

    /// Whether trying again is of no use until someone changes a setting or a right.
    pub fn is_permanent(&self) -> bool {
        match self {
            LogError::Kafka(KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) => true,
            LogError::Partitions { .. } => true,
            _ => matches!(
                self.code(),
                Some(
                    RDKafkaErrorCode::TopicAuthorizationFailed
                        | RDKafkaErrorCode::ClusterAuthorizationFailed
                        | RDKafkaErrorCode::SaslAuthenticationFailed
                        | RDKafkaErrorCode::UnsupportedSASLMechanism
                )
            ),
        }
    }

    fn code(&self) -> Option<RDKafkaErrorCode> {
        match self {
            LogError::Kafka(error) => error.rdkafka_error_code(),
            _ => None,
        }
    }
}

impl Log {
    /// A producer for these topics, for the source of that name. Blocks for as long as the broker takes to answer; `stop` ends that within [`PATIENCE`].
    ///
    /// # Errors
    /// When the broker does not answer, or the topics are not there.
    pub fn open(
        settings: &KafkaSettings,
        source: &str,
        broker: &Arc<Broker>,
        stop: &CancellationToken,
    ) -> Result<Log, LogError> {
        let mut config = settings.client();
        for (property, value) in DEFAULTS {
            if config.get(property).is_none() {
                config.set(property, value);
            }
        }
        for (property, value) in REQUIRED {
            config.set(property, value);
        }
        config.set_log_level(RDKafkaLogLevel::Warning);
        statistics::tell(&mut config);
        let reports = Reports { broker: Arc::clone(broker), meter: Meter::new("connector", source) };
        let producer: ThreadedProducer<Reports> = config.create_with_context(reports)?;
        // Metadata of all topics: asking for one by name would make it on brokers that create topics by themselves.
        let metadata = producer.client().fetch_metadata(None, PATIENCE)?;
        broker.answers();
        let count = |name: &'static str| {
            let topic = metadata.topics().iter().find(|topic| topic.name() == name && !topic.partitions().is_empty());
            topic
                .map(|topic| u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX))
                .ok_or(LogError::NoTopic(name))
        };
        let (rows, texts, reject_partitions) = (count(ROWS)?, count(TEXTS)?, count(REJECTS)?);
        if rows != texts {
            return Err(LogError::Partitions { rows, texts });
        }
        let mut used = Vec::new();
        for partition in 0..i32::try_from(rows).unwrap_or(i32::MAX) {
            if stop.is_cancelled() {
                return Err(LogError::Stopped);
            }
            used.push(producer.client().fetch_watermarks(ROWS, partition, PATIENCE)?.1 > 0);
        }
        Ok(Log { producer, partitions: rows, reject_partitions, used })
    }

    /// A record of `fandom.rows`: a row or manifest of that kind, or (without a value) a tombstone. Blocks while the queue is full.
    ///
    /// # Errors
    /// When the record cannot be queued, or `stop` was called.
    pub fn row(&self, to: &Flight, key: &[u8], value: Option<(&str, &[u8])>) -> Result<(), LogError> {
        self.send(ROWS, to.partition, to, key, value, None)
    }

    /// A manifest, with the trace that it belongs to; see [`Log::row`].
    ///
    /// # Errors
    /// Those of [`Log::row`].
    pub fn manifest(&self, to: &Flight, key: &[u8], json: &[u8], trace: Option<&str>) -> Result<(), LogError> {
        self.send(ROWS, to.partition, to, key, Some((MANIFEST_KIND, json)), trace)
    }

    /// A record of `fandom.texts`, or a tombstone; see [`Log::row`].
    ///
    /// # Errors
    /// Those of [`Log::row`].
    pub fn text(&self, to: &Flight, key: &[u8], value: Option<(&str, &[u8])>) -> Result<(), LogError> {
        self.send(TEXTS, to.partition, to, key, value, None)
    }

    /// A record of `fandom.rejects`; see [`Log::row`].
    ///
    /// # Errors
    /// Those of [`Log::row`].
    pub fn reject(&self, to: &Flight, key: &[u8], value: &[u8]) -> Result<(), LogError> {
        let partitions = i32::try_from(self.reject_partitions).unwrap_or(1);
        self.send(REJECTS, to.partition % partitions, to, key, Some(("reject", value)), None)
    }

    fn send(
        &self,
        topic: &str,
        partition: i32,
        to: &Flight,
        key: &[u8],
        value: Option<(&str, &[u8])>,
        trace: Option<&str>,
    ) -> Result<(), LogError> {
        let mut record = BaseRecord::with_opaque_to(topic, Arc::clone(&to.account)).partition(partition).key(key);
        if let Some((kind, value)) = value {
            let headers = OwnedHeaders::new_with_capacity(3)
                .insert(Header { key: header::KIND, value: Some(kind) })
                .insert(Header { key: header::SCHEMA, value: Some(SCHEMA_VERSION) })
                .insert(Header { key: header::CONTENT_TYPE, value: Some(header::JSON) });
            record = record.payload(value).headers(match trace {
                None => headers,
                trace => headers.insert(Header { key: header::TRACE, value: trace }),
            });
        }
        to.account.sent.fetch_add(1, Ordering::Relaxed);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if !to.stop.is_cancelled() => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err((error, _)) => {
                    to.account.sent.fetch_sub(1, Ordering::Relaxed);
                    let full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
                    return Err(if full { LogError::Stopped } else { error.into() });
                }
            }
        }
    }

    /// Throws away what is not delivered yet, so that nothing of a lost session arrives later.
    pub fn abandon(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}

/// Records that belong together, on their way to one partition.
#[derive(Clone)]
pub struct Flight {
    partition: i32,
    account: Arc<Account>,
    stop: CancellationToken,
}

impl Flight {
    /// To that partition, until `stop` is called.
    pub fn new(partition: i32, stop: CancellationToken) -> Flight {
        Flight { partition, account: Arc::default(), stop }
    }

    /// The error of a record that was not delivered, if there is one; and whether the flight was called off.
    ///
    /// # Errors
    /// Just these.
    pub fn check(&self) -> Result<(), LogError> {
        if self.stop.is_cancelled() {
            return Err(LogError::Stopped);
        }
        if self.account.has_failed.load(Ordering::Acquire) {
            let failed = self.account.failed.lock().unwrap_or_else(PoisonError::into_inner);
            return failed.clone().map_or(Ok(()), |error| Err(error.into()));
        }
        Ok(())
    }

    /// Returns when every record sent so far is on the log.
    ///
    /// # Errors
    /// When one never will be, or `stop` was called.
    pub async fn delivered(&self) -> Result<(), LogError> {
        while self.account.done.load(Ordering::Acquire) < self.account.sent.load(Ordering::Acquire) {
            tokio::select! {
                () = self.account.all_done.notified() => {}
                () = self.stop.cancelled() => return Err(LogError::Stopped),
            }
        }
        self.check()
    }
}

/// How many records were sent, and what became of them.
#[derive(Default)]
pub struct Account {
    sent: AtomicU64,
    done: AtomicU64,
    has_failed: AtomicBool,
    failed: Mutex<Option<KafkaError>>,
    all_done: Notify,
}

/// What the last session knew of the broker, so that a change is said once, however many sessions see it.
#[derive(Default)]
pub struct Broker {
    /// Why it cannot be used, if it cannot.
    trouble: Mutex<Option<String>>,
    in_trouble: AtomicBool,
}

impl Broker {
    fn answers(&self) {
        if self.in_trouble.swap(false, Ordering::AcqRel) {
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
            tracing::info!("Kafka answers again");
        }
    }

    fn fails(&self, reason: &str, permanent: bool) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let said = if permanent { reason } else { "away" };
        if trouble.as_deref() != Some(said) {
            if permanent {
                tracing::error!(reason, "Kafka client failed");
            } else {
                tracing::warn!(reason, "Kafka cannot be reached; waiting for it");
            }
            *trouble = Some(said.to_owned());
        }
        self.in_trouble.store(true, Ordering::Release);
    }
}

/// Receives the reports of delivery, and what the client says of the broker.
pub struct Reports {
    broker: Arc<Broker>,
    meter: Meter,
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // Lost connections are reported once, by `error`.
        tracing::debug!(facility, message, "librdkafka");
    }

    fn stats(&self, told: Statistics) {
        self.meter.measure(&told);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => self.broker.fails(reason, false),
            _ => self.broker.fails(&format!("{error}: {reason}"), true),
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Account>;

    fn delivery(&self, result: &DeliveryResult<'_>, account: Arc<Account>) {
        match result {
            Ok(_) if self.broker.in_trouble.load(Ordering::Acquire) => self.broker.answers(),
            Ok(_) => {}
            Err((error, _)) => {
                account.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
                account.has_failed.store(true, Ordering::Release);
            }
        }
        let done = account.done.fetch_add(1, Ordering::AcqRel) + 1;
        if done >= account.sent.load(Ordering::Acquire) {
            account.all_done.notify_one();
        }
    }
}

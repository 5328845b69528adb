//! Message rows as the connectors publish them: the same on every run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use fandom_schemas::keys::{partition, row_key};
use fandom_schemas::manifest::{Checksum, FileState, MANIFEST_KIND, Manifest, Sheet};
use fandom_schemas::rows::{Kind, Message, Row};
use fandom_schemas::topics::{DEFAULT_PARTITIONS, ROWS, header};
use fandom_tests::suite::Suite;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use xxhash_rust::xxh3::xxh3_128;

/// Rows of a file of the history.
const FILE_ROWS: u64 = 50_000;
/// Messages of a conversation.
const CONVERSATION: u64 = 6;
const CREATORS: u64 = 12;
/// The days over which the history is spread, and when it begins (2026-09-01).
const DAYS: u64 = 60;
const BEGINS: i64 = 1_788_220_800;

/// Writes rows to the log.
pub struct Load {
    producer: ThreadedProducer<DefaultProducerContext>,
    fans: u64,
}

impl Load {
    /// Writes to the broker of a suite, about so many fans.
    pub fn new(suite: &Suite, fans: u64) -> anyhow::Result<Load> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &suite.kafka.bootstrap_servers)
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("batch.num.messages", "20000")
            .set("queue.buffering.max.messages", "200000")
            .set("linger.ms", "0");
        Ok(Load { producer: config.create()?, fans })
    }

    /// Writes a history of so many rows, and waits until the broker has it.
    pub fn history(&self, rows: u64) -> anyhow::Result<()> {
        for (number, first) in (0..rows).step_by(usize::try_from(FILE_ROWS)?).enumerate() {
            let last = rows.min(first + FILE_ROWS);
            self.file(&format!("bench:history/{number}"), (first..last).map(|row| self.message(row, rows)))?;
        }
        self.flush()
    }

    /// Waits until the broker has all that was written.
    pub fn flush(&self) -> anyhow::Result<()> {
        Ok(self.producer.flush(Duration::from_secs(120))?)
    }

    /// The row of this number, in a history of so many.
    pub fn message(&self, number: u64, rows: u64) -> Message<'static> {
        message(number, rows, self.fans)
    }

    /// Writes the first version of a file; see [`Load::version`].
    pub fn file(&self, file: &str, rows: impl Iterator<Item = Message<'static>>) -> anyhow::Result<()> {
        self.version(file, 1, rows)
    }

    /// Writes a version of a file of one sheet; its rows count once the broker has its manifest.
    pub fn version(
        &self,
        file: &str,
        version: u64,
        rows: impl Iterator<Item = Message<'static>>,
    ) -> anyhow::Result<()> {
        let to = partition(file, DEFAULT_PARTITIONS).cast_signed();
        let mut checksum = Checksum::default();
        let mut count = 0;
        for row in rows {
            let (key, value) = (row_key(file, version, count), Row::Message(row).to_json());
            checksum.add(key.as_bytes(), &value);
            self.send(to, &key, Kind::Message.name(), &value)?;
            count += 1;
        }
        let sheet = Sheet {
            position: 0,
            name: None,
            kind: Some(Kind::Message),
            rows_read: count,
            accepted: count,
            rejected: 0,
            rejects: Vec::new(),
            doubtful_times: 0,
            warnings: BTreeMap::new(),
        };
        let manifest = Manifest {
            file: file.to_owned(),
            version,
            state: FileState::Live,
            name: file.to_owned(),
            zone: "UTC".to_owned(),
            exported_at: BEGINS,
            modified_at: BEGINS,
            rows: count,
            checksum: checksum.to_hex(),
            sheets: vec![sheet],
        };
        self.send(to, file, MANIFEST_KIND, &serde_json::to_vec(&manifest)?)
    }

    fn send(&self, to: i32, key: &str, kind: &str, value: &[u8]) -> anyhow::Result<()> {
        let headers = OwnedHeaders::new_with_capacity(1).insert(Header { key: header::KIND, value: Some(kind) });
        let mut record = BaseRecord::to(ROWS).partition(to).key(key).payload(value).headers(headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

/// The row of this number, in a history of so many about so many fans.
pub fn message(number: u64, rows: u64, fans: u64) -> Message<'static> {
    // Spread as by dice, and the same on every run. Some messages in a row are a conversation with one fan.
    let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let dice = spread(number);
    // A few fans write much, most of them little; every fourth buys.
    let place = (spread(number / CONVERSATION) % fans) as f64 / fans as f64;
    let fan = (place.powi(2) * fans as f64) as u64;
    let sent_at = BEGINS + (u128::from(number) * u128::from(DAYS * 86_400) / u128::from(rows.max(1))) as i64;
    // A chatter works for one creator, in one of three shifts.
    let (creator, shift) = (fan % CREATORS, sent_at.rem_euclid(86_400) / 28_800);
    let paid = dice.is_multiple_of(8);
    Message {
        kind: Kind::Message,
        sheet: 0,
        row: (number % FILE_ROWS) as u32 + 2,
        creator: Cow::Owned(format!("Creator {creator}")),
        platform: Cow::Borrowed("OF"),
        chatter: Some(Cow::Owned(format!("Chatter {creator}-{shift}"))),
        fan: Cow::Owned(format!("u{fan}")),
        nickname: Some(Cow::Owned(format!("Fan {fan}"))),
        sent_at,
        price_cents: if paid { 500 + (dice / 64 % 40) as i64 * 100 } else { 0 },
        purchased: paid && fan.is_multiple_of(4) && (dice / 8).is_multiple_of(fan % 5 + 1),
        source: Cow::Borrowed("Chat"),
        status: None,
        reply_seconds: (!dice.is_multiple_of(3)).then_some((dice / 128 % 900) as u32),
        fan_replied: !dice.is_multiple_of(3),
        characters: (dice / 16 % 240) as u32,
        text_hash: Cow::Owned(format!("{:032x}", xxh3_128(&number.to_le_bytes()))),
        extra: None,
    }
}

//! Limits: what no design on this broker and this database can pass.
//!
//! Decoding: librdkafka consumes the topic and each record is decoded as the dataflow decodes it, and nothing else.
//! Writing: the rows that the views hold are written to tables without indexes by binary COPY.

#![expect(
    clippy::disallowed_types,
    reason = "a limit is of a consumer that does nothing else, so none of the product's readers will do"
)]

use std::fmt;
use std::io::Cursor;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use fandom_dataflows::views::TABLES;
use fandom_schemas::rows::{Kind, Row};
use fandom_schemas::topics::{DEFAULT_PARTITIONS, ROWS, header};
use fandom_tests::suite::{Part, Suite};
use futures_util::{SinkExt, TryStreamExt};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Serialize;

use crate::load::Load;
use crate::{History, Job, sight};

/// What is measured.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    history: History,
    /// Numbers of consumers, one run each: as many as the job has workers.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    consumers: Vec<usize>,
}

/// The head of the table.
pub const HEADER: &str = "  what                        rows   seconds     rows/s";

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Result {
    /// `decode` or `copy`.
    what: &'static str,
    /// Of `decode`; one connection copies.
    consumers: usize,
    rows: u64,
    seconds: f64,
    rows_per_second: f64,
}

impl Result {
    fn of(what: &'static str, consumers: usize, rows: u64, took: Duration) -> Result {
        let seconds = took.as_secs_f64();
        Result { what, consumers, rows, seconds, rows_per_second: rows as f64 / seconds }
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = format!("{} × {}", self.what, self.consumers);
        write!(f, "  {what:<20}  {:>10}  {:>8.2}  {:>9.0}", self.rows, self.seconds, self.rows_per_second)
    }
}

/// Runs it; hands over each result.
pub async fn run(
    options: &Options,
    job: &Job,
    mut found: impl FnMut(&Result) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let History { rows, fans } = options.history;
    let mut suite = job.suite().await?;
    Load::new(&suite, fans)?.history(rows)?;
    for &consumers in &options.consumers {
        let servers = suite.kafka.bootstrap_servers.clone();
        let begun = Instant::now();
        let read = tokio::task::spawn_blocking(move || decode(&servers, consumers)).await??;
        ensure!(read == rows, "{read} of {rows} rows were read");
        found(&Result::of("decode", consumers, rows, begun.elapsed()))?;
    }
    sight::start_dataflow(&mut suite, 2).await?;
    suite.stop(Part::Dataflow).await;
    let (copied, took) = copy(&suite).await?;
    found(&Result::of("copy", 1, copied, took))?;
    job.keep_log(&suite)
}

/// Reads the whole topic with so many consumers, each on a thread of its own with its share of the partitions.
fn decode(servers: &str, consumers: usize) -> anyhow::Result<u64> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..consumers).map(|number| scope.spawn(move || decode_share(servers, number, consumers))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a reader does not panic")).sum()
    })
}

/// Reads every partition of a share to its end; how many rows that were.
fn decode_share(servers: &str, number: usize, of: usize) -> anyhow::Result<u64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "fandom-bench-limits")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    let mut due = 0;
    for partition in (number..DEFAULT_PARTITIONS as usize).step_by(of) {
        let partition = i32::try_from(partition)?;
        assignment.add_partition_offset(ROWS, partition, Offset::Beginning)?;
        let (low, high) = consumer.fetch_watermarks(ROWS, partition, Duration::from_secs(10))?;
        due += high - low;
    }
    consumer.assign(&assignment)?;
    let mut rows = 0;
    while due > 0 {
        let Some(message) = consumer.poll(Duration::from_secs(10)) else { anyhow::bail!("nothing came for 10 s") };
        let message = message?;
        due -= 1;
        let headers = message.headers().context("a record without headers")?;
        let kind = headers.iter().find(|header| header.key == header::KIND).and_then(|header| header.value);
        let Some(kind) = kind.and_then(|kind| Kind::from_name(std::str::from_utf8(kind).ok()?)) else { continue };
        let row = Row::from_json(kind, message.payload().context("a row without a value")?)?;
        std::hint::black_box(&row);
        rows += 1;
    }
    Ok(rows)
}

/// Copies what each view holds into a table of the same columns; how many rows, and how long the writing took.
async fn copy(suite: &Suite) -> anyhow::Result<(u64, Duration)> {
    let client = suite.client().await?;
    client.batch_execute("create schema copied").await?;
    let (mut rows, mut took) = (0, Duration::ZERO);
    for table in TABLES {
        let name = table.name;
        client.batch_execute(&format!("create table copied.{name} (like views.{name} including generated)")).await?;
        let out = client.copy_out(&format!("copy views.{name} to stdout (format binary)")).await?;
        let bytes: Vec<u8> = out
            .try_fold(Vec::new(), async |mut all, part| {
                all.extend_from_slice(&part);
                Ok(all)
            })
            .await?;
        let begun = Instant::now();
        let sink = client.copy_in(&format!("copy copied.{name} from stdin (format binary)")).await?;
        futures_util::pin_mut!(sink);
        // In pieces, as the sink of the dataflow sends them.
        for piece in bytes.chunks(1 << 16) {
            sink.send(Cursor::new(piece.to_vec())).await?;
        }
        rows += sink.finish().await?;
        took += begun.elapsed();
    }
    Ok((rows, took))
}

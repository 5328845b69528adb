//! Another design on the same topic, the same views and the same Postgres, through the same measures; and ours.
//!
//! ```text
//!  load ─▶ fandom.rows ─┬▶ the peer ─▶ peer.{chatter_day, fan_measures} ─┐
//!                       └▶ `fandom dataflow` ─▶ views.{…}, at the end ───┴─ compared, row by row
//! ```
//!
//! 1. Ingest: the history is on the log; from the moment at which the peer says `ready` (ours: at which its process starts) until
//!    the sums of both views are right. 2. Memory. 3. A file of the history is replaced by a corrected version. 4. Freshness: an open
//!    loop of small files. The n-th file counts as seen when `chatter_day` counts the rows of n files, for every design alike.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use fandom_schemas::rows::Message;
use fandom_tests::suite::{Part, Suite};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio_postgres::Client;

use crate::load::Load;
use crate::{History, Job, sight};

/// What is measured.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    history: History,
    /// The name under which it is reported.
    #[arg(long)]
    name: String,
    /// The program and its arguments, separated by blanks; without it, ours is measured.
    #[arg(long)]
    peer: Option<String>,
    /// Worker threads: `FANDOM_WORKERS` of ours, `WORKERS` of a peer.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Rows of the file that is corrected.
    #[arg(long, default_value_t = 5_000)]
    corrected: u64,
    /// Rows a second of the open loop.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// How long the open loop takes; 0 leaves it out.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How long any step may take before the peer is given up.
    #[arg(long, default_value_t = 180)]
    patience: u64,
}

/// The head of the table.
pub const HEADER: &str =
    "  name             workers      rows    rows/s  bytes a row  at most  corrected ms   p50 ms   p99 ms  equal";

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Result {
    name: String,
    workers: usize,
    rows: u64,
    ingest_seconds: f64,
    rows_per_second: f64,
    /// Resident once the history is in the views, less what the process without rows holds.
    bytes_per_row: f64,
    most_bytes_per_row: f64,
    /// What the peer keeps in tables of its own.
    stored_bytes_per_row: f64,
    corrected_rows: u64,
    corrected_ms: f64,
    rows_per_second_live: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// Rows of the two views that differ from ours at the end, of all.
    different: i64,
    compared: i64,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.0}"));
        write!(
            f,
            "  {:<16} {:>7}  {:>8}  {:>8.0}  {:>11.0}  {:>7.0}  {:>12.0}  {:>7}  {:>7}  {}",
            self.name,
            self.workers,
            self.rows,
            self.rows_per_second,
            self.bytes_per_row,
            self.most_bytes_per_row,
            self.corrected_ms,
            ms(self.p50_ms),
            ms(self.p99_ms),
            match (self.compared, self.different) {
                (0, _) => "is ours".to_owned(),
                (_, 0) => "yes".to_owned(),
                (_, different) => format!("{different} rows differ"),
            }
        )
    }
}

/// The file that is corrected.
const CORRECTED: &str = "bench:corrected";
/// Files a second of the open loop.
const FILES_PER_SECOND: u64 = 50;

/// What both views must add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    messages: i64,
    cents: i64,
}

impl Sums {
    fn add(&mut self, message: &Message<'_>) {
        self.messages += 1;
        self.cents += if message.purchased { message.price_cents } else { 0 };
    }
}

/// The design under test.
enum Running {
    Ours,
    Peer(Child),
}

impl Running {
    fn memory(&self, suite: &Suite) -> anyhow::Result<(u64, u64)> {
        match self {
            Running::Ours => sight::memory(suite),
            Running::Peer(child) => sight::memory_of(child.id()),
        }
    }

    fn stop(self, suite: &mut Suite) {
        match self {
            Running::Ours => suite.kill(Part::Dataflow),
            Running::Peer(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// Runs it.
pub async fn run(options: &Options, job: &Job) -> anyhow::Result<Result> {
    let History { rows, fans } = options.history;
    let patience = Duration::from_secs(options.patience);
    let mut suite = job.suite().await?;
    let client = suite.client().await?;
    client.batch_execute(TABLES).await?;
    let schema = if options.peer.is_some() { "peer" } else { "views" };
    // What ours holds without rows is looked at before there are any.
    let mut without = 0;
    if options.peer.is_none() {
        sight::start_dataflow(&mut suite, options.workers).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        without = sight::memory(&suite)?.0;
        suite.kill(Part::Dataflow);
        sight::empty_views(&suite).await?;
    }
    let load = Load::new(&suite, fans)?;
    let history = rows - options.corrected;
    load.history(history)?;
    let original = |number: u64| load.message(number, history);
    load.file(CORRECTED, (history..rows).map(original))?;
    load.flush()?;
    let mut sums = Sums::default();
    (0..rows).for_each(|number| sums.add(&original(number)));

    let (running, begun) = match &options.peer {
        None => {
            let begun = Instant::now();
            suite.run_with(Part::Dataflow, &[("FANDOM_WORKERS", &options.workers.to_string())]);
            (Running::Ours, begun)
        }
        Some(command) => {
            let child = start_peer(command, &suite, options.workers)?;
            without = sight::memory_of(child.id())?.0;
            (Running::Peer(child), Instant::now())
        }
    };
    wait(&client, schema, sums, patience).await.context("ingest")?;
    let ingest = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (settled, most) = running.memory(&suite)?;
    let stored: i64 = client.query_one(STORED, &[]).await?.get(0);

    // Every price of the file was a dollar too low.
    let begun = Instant::now();
    let corrected = |number: u64| {
        let mut message = original(number);
        message.price_cents += if message.price_cents > 0 { 100 } else { 0 };
        message
    };
    load.version(CORRECTED, 2, (history..rows).map(corrected))?;
    for number in history..rows {
        sums.cents += if original(number).purchased { 100 } else { 0 };
    }
    wait(&client, schema, sums, patience).await.context("a corrected file")?;
    let corrected_ms = begun.elapsed().as_secs_f64() * 1000.0;

    let seen =
        if options.seconds > 0 { Some(open_loop(options, load, &client, schema, &mut sums).await?) } else { None };
    // The views may still be written after the one that is looked at.
    wait(&client, schema, sums, patience).await.context("the end")?;
    running.stop(&mut suite);
    let (mut different, mut compared) = (0, 0);
    if options.peer.is_some() {
        sight::start_dataflow(&mut suite, 2).await?;
        for comparison in COMPARISONS {
            let row = client.query_one(comparison, &[]).await?;
            different += row.get::<_, i64>(0);
            compared += row.get::<_, i64>(1);
        }
        ensure!(compared > 0, "nothing was compared");
    }
    let a_row = |bytes: u64| bytes.saturating_sub(without) as f64 / rows as f64;
    let quantile = |q: f64| seen.as_ref().map(|seen| seen.value_at_quantile(q) as f64 / 1000.0);
    job.keep_log(&suite)?;
    Ok(Result {
        name: options.name.clone(),
        workers: options.workers,
        rows,
        ingest_seconds: ingest.as_secs_f64(),
        rows_per_second: rows as f64 / ingest.as_secs_f64(),
        bytes_per_row: a_row(settled),
        most_bytes_per_row: a_row(most),
        stored_bytes_per_row: stored as f64 / rows as f64,
        corrected_rows: options.corrected,
        corrected_ms,
        rows_per_second_live: options.rate,
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        different,
        compared,
    })
}

/// The views of the peers, in columns of ours.
const TABLES: &str = "
    create schema peer;
    create table peer.chatter_day (creator text, chatter text, day bigint, messages_sent bigint, ppvs_sent bigint,
        ppvs_unlocked bigint, ppv_sales_cents bigint, primary key (creator, chatter, day));
    create table peer.fan_measures (creator text, username text, messages_received bigint, spend_cents bigint,
        first_seen bigint, last_seen bigint, primary key (creator, username));";

const STORED: &str = "select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from pg_class
    where relnamespace = 'peer'::regnamespace and relkind = 'r' and relname not in ('chatter_day', 'fan_measures')";

/// How many rows are in one of the two and not in the other, and how many ours has.
const COMPARISONS: [&str; 2] = [
    "with ours as (select creator, chatter, (day - date '1970-01-01')::bigint as day, messages_sent, ppvs_sent, ppvs_unlocked,
            ppv_sales_cents from views.chatter_day),
        theirs as (select creator, chatter, day, messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents from peer.chatter_day),
        missing as (table ours except table theirs), wrong as (table theirs except table ours)
    select (select count(*) from missing) + (select count(*) from wrong), (select count(*) from ours)",
    "with ours as (select creator, username, messages_received, spend_cents, extract(epoch from first_seen)::bigint,
            extract(epoch from last_seen)::bigint from views.fan_measures),
        theirs as (select creator, username, messages_received, spend_cents, first_seen, last_seen from peer.fan_measures),
        missing as (table ours except table theirs), wrong as (table theirs except table ours)
    select (select count(*) from missing) + (select count(*) from wrong), (select count(*) from ours)",
];

/// Starts a peer, and waits until it says that it is ready.
#[expect(clippy::disallowed_methods, reason = "a peer is killed at the end of its measurement")]
fn start_peer(command: &str, suite: &Suite, workers: usize) -> anyhow::Result<Child> {
    let mut words = command.split_whitespace().map(PathBuf::from);
    let mut child = Command::new(words.next().context("--peer names a program")?)
        .args(words)
        .env("KAFKA_BOOTSTRAP_SERVERS", &suite.kafka.bootstrap_servers)
        .env("DATABASE_URL", &suite.postgres.database_url)
        .env("WORKERS", workers.to_string())
        .env("PATHWAY_THREADS", workers.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("its output is a pipe")?);
    let mut line = String::new();
    while line.trim() != "ready" {
        line.clear();
        ensure!(output.read_line(&mut line)? > 0, "the peer ended before it was ready");
    }
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    Ok(child)
}

/// Waits until both views add up.
async fn wait(client: &Client, schema: &str, due: Sums, patience: Duration) -> anyhow::Result<()> {
    let sums = async |columns: &str| -> anyhow::Result<Sums> {
        let row = client.query_one(&format!("select {columns}"), &[]).await?;
        Ok(Sums { messages: row.get(0), cents: row.get(1) })
    };
    let days = format!(
        "coalesce(sum(messages_sent), 0)::bigint, coalesce(sum(ppv_sales_cents), 0)::bigint from {schema}.chatter_day"
    );
    let fans = format!(
        "coalesce(sum(messages_received), 0)::bigint, coalesce(sum(spend_cents), 0)::bigint from {schema}.fan_measures"
    );
    let begun = Instant::now();
    loop {
        let found = sums(&days).await?;
        if found == due && sums(&fans).await? == due {
            return Ok(());
        }
        if begun.elapsed() > patience {
            bail!("the views add up to {found:?} and not to {due:?} after {} s", patience.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends files at a steady rate, and notes how long after its moment each was seen, in microseconds.
async fn open_loop(
    options: &Options,
    load: Load,
    client: &Client,
    schema: &str,
    sums: &mut Sums,
) -> anyhow::Result<Histogram<u64>> {
    let (per_file, files) = ((options.rate / FILES_PER_SECOND).max(1), FILES_PER_SECOND * options.seconds);
    let first = options.history.rows;
    let counted = sums.messages;
    for number in first..first + files * per_file {
        // As `send` below numbers them.
        let file = first + (number - first) / per_file * per_file;
        sums.add(&load.message(number, file));
    }
    let begun = Instant::now() + Duration::from_millis(200);
    let due = move |file: u64| begun + Duration::from_secs_f64(file as f64 / FILES_PER_SECOND as f64);
    let sender = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        for number in 0..files {
            std::thread::sleep(due(number).saturating_duration_since(Instant::now()));
            let from = first + number * per_file;
            load.file(&format!("bench:live/{from}"), (from..from + per_file).map(|row| load.message(row, from)))?;
        }
        load.flush()
    });
    let query =
        client.prepare(&format!("select coalesce(sum(messages_sent), 0)::bigint from {schema}.chatter_day")).await?;
    let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3)?;
    let mut seen = 0;
    while seen < files {
        let messages: i64 = client.query_one(&query, &[]).await?.get(0);
        let now = Instant::now();
        let there = u64::try_from(messages - counted)? / per_file;
        for file in seen..there.min(files) {
            histogram.record(u64::try_from(now.saturating_duration_since(due(file)).as_micros())?)?;
        }
        seen = there.min(files).max(seen);
        ensure!(
            now < due(files) + Duration::from_secs(options.patience),
            "{seen} of {files} files were seen {} s after the last was sent",
            options.patience
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sender.await??;
    Ok(histogram)
}

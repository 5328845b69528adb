//! Freshness: an open loop of small files at a steady rate of rows, and when a reader of Postgres sees each of them, and when a reader
//! of the API's live stream is told of it.
//!
//! ```text
//!  load ─▶ fandom.rows ─▶ dataflow ─▶ Postgres ─┬─▶ notified, reads which files are there, and at which epoch
//!                                               └─▶ API ─▶ live stream: the first event of that epoch or a later one
//! ```
//!
//! A file counts from the moment at which it was *to be* sent, whether or not it was sent then, so a pause of anything on the
//! way counts in full (no coordinated omission).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use fandom_tests::api::{Api, Live};
use fandom_tests::suite::Suite;
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::ingest::published;
use crate::load::Load;
use crate::{History, Job, sight};

/// What is measured.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    history: History,
    /// Rows a second, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,50000")]
    rates: Vec<u64>,
    /// Rows of a file. By default as many as come in 20 ms.
    #[arg(long)]
    rows_per_file: Option<u64>,
    /// How long each run takes.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Worker threads.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

/// The head of the table.
pub const HEADER: &str =
    "  rows/s  files/s    files   p50 ms   p90 ms   p99 ms  p99.9 ms   max ms   live p50      p99    p99.9";

/// Files a second, unless their size is given.
const FILES_PER_SECOND: u64 = 50;

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Result {
    history_rows: u64,
    history_fans: u64,
    workers: usize,
    rows_per_second: u64,
    files_per_second: f64,
    files: u64,
    #[serde(flatten)]
    read: Quantiles,
    /// Until an event of the live stream told of it.
    live: Quantiles,
}

/// How long files took.
#[derive(Debug, Serialize)]
struct Quantiles {
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Quantiles {
    fn of(micros: impl Iterator<Item = Duration>) -> anyhow::Result<Quantiles> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
        for took in micros {
            histogram.record(u64::try_from(took.as_micros())?)?;
        }
        let quantile = |q: f64| histogram.value_at_quantile(q) as f64 / 1000.0;
        Ok(Quantiles {
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: quantile(1.0),
        })
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quantiles { p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = &self.read;
        write!(
            f,
            "{:>8}  {:>7.1}  {:>7}  {p50_ms:>7.1}  {p90_ms:>7.1}  {p99_ms:>7.1}  {p999_ms:>8.1}  {max_ms:>7.1}  {:>9.1}  {:>7.1}  {:>7.1}",
            self.rows_per_second,
            self.files_per_second,
            self.files,
            self.live.p50_ms,
            self.live.p99_ms,
            self.live.p999_ms,
        )
    }
}

/// By file: when it was to be sent.
type Awaited = Arc<Mutex<HashMap<String, Instant>>>;

/// Runs it; hands over each result.
pub async fn run(
    options: &Options,
    job: &Job,
    mut found: impl FnMut(&Result) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let History { rows, fans } = options.history;
    let mut suite = job.suite().await?;
    let load = Arc::new(Load::new(&suite, fans)?);
    load.history(rows)?;
    sight::start_dataflow(&mut suite, options.workers).await?;
    // What the changelogs still have to tell of the history is not part of a row's way.
    suite.eventually("the changelogs are written", PATIENCE, published).await;
    let api = Api::start(&mut suite).await;
    let mut counted = rows;
    for &rate in &options.rates {
        let rows_per_file = options.rows_per_file.unwrap_or((rate / FILES_PER_SECOND).max(1));
        let files_per_second = rate as f64 / rows_per_file as f64;
        let files = (files_per_second * options.seconds as f64).ceil() as u64;
        let awaited = Awaited::default();
        let reader = Reader::start(&suite, Arc::clone(&awaited), api.live().await).await?;
        let sender = {
            let (load, awaited) = (Arc::clone(&load), Arc::clone(&awaited));
            move || send(&load, &awaited, counted, files, rows_per_file, files_per_second)
        };
        tokio::task::spawn_blocking(sender).await??;
        let (read, live) = reader.finish(files).await?;
        counted += files * rows_per_file;
        let views = sight::messages(&suite).await?;
        ensure!(views == counted, "the views count {views} of {counted} messages");
        found(&Result {
            history_rows: rows,
            history_fans: fans,
            workers: options.workers,
            rows_per_second: rate,
            files_per_second,
            files,
            read,
            live,
        })?;
    }
    job.keep_log(&suite)
}

/// Sends files of rows numbered from `first`, each at its moment, or at once when that has passed.
fn send(
    load: &Load,
    awaited: &Awaited,
    first: u64,
    files: u64,
    rows_per_file: u64,
    per_second: f64,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    for number in 0..files {
        let due = begun + Duration::from_secs_f64(number as f64 / per_second);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let from = first + number * rows_per_file;
        let file = format!("bench:live/{from}");
        awaited.lock().expect("no holder panics").insert(file.clone(), due);
        // As if the rows followed the history: all fans, the last day.
        load.file(&file, (from..from + rows_per_file).map(|row| load.message(row, row)))?;
    }
    Ok(())
}

/// A file that a reader of Postgres saw.
struct Seen {
    due: Instant,
    read: Instant,
    /// An epoch that the views had reached then: of the file's commit, or of a later one.
    epoch: i64,
}

/// The commits that the live stream told of, in their order, and when.
type Told = Arc<Mutex<Vec<(i64, Instant)>>>;

/// A reader that listens to commits, and looks which files are there; and one of the live stream.
struct Reader {
    work: tokio::task::JoinHandle<anyhow::Result<()>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    listening: tokio::task::JoinHandle<()>,
    told: Told,
}

impl Reader {
    async fn start(suite: &Suite, awaited: Awaited, live: Live) -> anyhow::Result<Reader> {
        let (client, mut connection) = tokio_postgres::connect(&suite.postgres.database_url, NoTls).await?;
        let (tell, mut commits) = mpsc::unbounded_channel();
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if matches!(message, AsyncMessage::Notification(_)) && tell.send(()).is_err() {
                    break;
                }
            }
        });
        client.batch_execute("listen fandom_epoch").await?;
        let there = "select f.file, p.epoch from views.files f, views.progress p where f.file = any($1)";
        let there = client.prepare(there).await?;
        let (tell, seen) = mpsc::unbounded_channel();
        let work = tokio::spawn(async move {
            while commits.recv().await.is_some() {
                while commits.try_recv().is_ok() {}
                let names: Vec<String> = awaited.lock().expect("no holder panics").keys().cloned().collect();
                let rows = client.query(&there, &[&names]).await?;
                let read = Instant::now();
                let mut awaited = awaited.lock().expect("no holder panics");
                for row in rows {
                    let Some(due) = awaited.remove(row.get::<_, &str>(0)) else { continue };
                    if tell.send(Seen { due, read, epoch: row.get(1) }).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        let told = Told::default();
        let listening = tokio::spawn(listen(live, Arc::clone(&told)));
        Ok(Reader { work, seen, listening, told })
    }

    /// Waits until all files were seen and told of; how long each took until then.
    async fn finish(mut self, files: u64) -> anyhow::Result<(Quantiles, Quantiles)> {
        let mut all = Vec::new();
        for _ in 0..files {
            let next = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
            all.push(next.context("a file was not seen within two minutes")?.context("the reader ended")?);
        }
        let last = all.iter().map(|seen| seen.epoch).max().unwrap_or(0);
        let begun = Instant::now();
        while self.told.lock().expect("no holder panics").last().is_none_or(|(epoch, _)| *epoch < last) {
            ensure!(begun.elapsed() < PATIENCE && !self.listening.is_finished(), "the live stream told not of all");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.work.abort();
        self.listening.abort();
        let told = self.told.lock().expect("no holder panics");
        let heard = |seen: &Seen| told[told.partition_point(|(epoch, _)| *epoch < seen.epoch)].1;
        let since = |due: Instant, at: Instant| at.saturating_duration_since(due);
        Ok((
            Quantiles::of(all.iter().map(|seen| since(seen.due, seen.read)))?,
            Quantiles::of(all.iter().map(|seen| since(seen.due, heard(seen))))?,
        ))
    }
}

/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Notes what the live stream tells, until it tells to load anew, which no reader who keeps up is told.
async fn listen(mut live: Live, told: Told) {
    loop {
        let (name, epoch, _) = live.event().await;
        let (at, Ok(epoch), "commit") = (Instant::now(), epoch.parse(), &*name) else { break };
        told.lock().expect("no holder panics").push((epoch, at));
    }
}

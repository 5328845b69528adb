//! Freshness: an open loop of small files at a steady rate of rows, and when a reader of Postgres sees each of them.
//!
//! A file counts from the moment at which it was *to be* sent, whether or not it was sent then, so a pause of anything on the
//! way counts in full (no coordinated omission).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use fandom_tests::suite::Suite;
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

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
    "  rows/s  files/s    files   p50 ms   p90 ms   p99 ms  p99.9 ms   max ms   (2 workers unless said)";

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
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8}  {:>7.1}  {:>7}  {:>7.1}  {:>7.1}  {:>7.1}  {:>8.1}  {:>7.1}",
            self.rows_per_second,
            self.files_per_second,
            self.files,
            self.p50_ms,
            self.p90_ms,
            self.p99_ms,
            self.p999_ms,
            self.max_ms
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
    let mut counted = rows;
    for &rate in &options.rates {
        let rows_per_file = options.rows_per_file.unwrap_or((rate / FILES_PER_SECOND).max(1));
        let files_per_second = rate as f64 / rows_per_file as f64;
        let files = (files_per_second * options.seconds as f64).ceil() as u64;
        let awaited = Awaited::default();
        let reader = Reader::start(&suite, Arc::clone(&awaited)).await?;
        let sender = {
            let (load, awaited) = (Arc::clone(&load), Arc::clone(&awaited));
            move || send(&load, &awaited, counted, files, rows_per_file, files_per_second)
        };
        tokio::task::spawn_blocking(sender).await??;
        let seen = reader.finish(files).await?;
        counted += files * rows_per_file;
        let views = sight::messages(&suite).await?;
        ensure!(views == counted, "the views count {views} of {counted} messages");
        let quantile = |q: f64| seen.value_at_quantile(q) as f64 / 1000.0;
        found(&Result {
            history_rows: rows,
            history_fans: fans,
            workers: options.workers,
            rows_per_second: rate,
            files_per_second,
            files,
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: quantile(1.0),
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

/// A reader that listens to commits, and looks which files are there.
struct Reader {
    work: tokio::task::JoinHandle<anyhow::Result<()>>,
    seen: mpsc::UnboundedReceiver<Duration>,
}

impl Reader {
    async fn start(suite: &Suite, awaited: Awaited) -> anyhow::Result<Reader> {
        let (client, mut connection) = tokio_postgres::connect(&suite.postgres.database_url, NoTls).await?;
        let (told, mut commits) = mpsc::unbounded_channel();
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if matches!(message, AsyncMessage::Notification(_)) && told.send(()).is_err() {
                    break;
                }
            }
        });
        client.batch_execute("listen fandom_epoch").await?;
        let there = client.prepare("select file from views.files where file = any($1)").await?;
        let (tell, seen) = mpsc::unbounded_channel();
        let work = tokio::spawn(async move {
            while commits.recv().await.is_some() {
                while commits.try_recv().is_ok() {}
                let names: Vec<String> = awaited.lock().expect("no holder panics").keys().cloned().collect();
                let rows = client.query(&there, &[&names]).await?;
                let now = Instant::now();
                let mut awaited = awaited.lock().expect("no holder panics");
                for due in rows.iter().filter_map(|row| awaited.remove(row.get::<_, &str>(0))) {
                    if tell.send(now.saturating_duration_since(due)).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        Ok(Reader { work, seen })
    }

    /// Waits until all files were seen; how long each took, in microseconds.
    async fn finish(mut self, files: u64) -> anyhow::Result<Histogram<u64>> {
        let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3)?;
        for _ in 0..files {
            let next = tokio::time::timeout(Duration::from_secs(120), self.seen.recv()).await;
            let took = next.context("a file was not seen within two minutes")?.context("the reader ended")?;
            histogram.record(u64::try_from(took.as_micros())?)?;
        }
        self.work.abort();
        Ok(histogram)
    }
}

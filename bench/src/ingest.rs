//! Rows per second from the log to the views, at the first start and at a restart, and bytes per row.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use fandom_tests::suite::free_addresses;
use serde::Serialize;

use crate::load::Load;
use crate::{History, Job, sight};

/// What is measured.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    history: History,
    /// Numbers of workers, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    workers: Vec<usize>,
    /// Processes, each with so many workers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    processes: u8,
}

/// The head of the table.
pub const HEADER: &str =
    "    rows  workers  first start s  rows/s   restart s  rows/s   bytes a row: after restart   at most";

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Result {
    rows: u64,
    fans: u64,
    workers: usize,
    processes: u8,
    first_start_seconds: f64,
    restart_seconds: f64,
    /// Resident after a restart, less what a job without rows holds.
    bytes_per_row: f64,
    /// The most that was ever resident at the first start, less the same.
    most_bytes_per_row: f64,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows as f64;
        write!(
            f,
            "{:>8}  {:>7}  {:>13.2}  {:>6.0}  {:>10.2}  {:>6.0}  {:>27.0}  {:>8.0}",
            self.rows,
            self.workers,
            self.first_start_seconds,
            rows / self.first_start_seconds,
            self.restart_seconds,
            rows / self.restart_seconds,
            self.bytes_per_row,
            self.most_bytes_per_row
        )
    }
}

/// How long memory may settle before it is looked at.
const SETTLES: Duration = Duration::from_secs(3);

/// Runs it; hands over each result.
pub async fn run(
    options: &Options,
    job: &Job,
    mut found: impl FnMut(&Result) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let History { rows, fans } = options.history;
    let mut suite = job.suite().await?;
    let hosts = tempfile::NamedTempFile::new()?;
    if options.processes == 2 {
        std::fs::write(hosts.path(), free_addresses(2).join("\n"))?;
        let hosts = hosts.path().to_str().context("the folder of temporary files is UTF-8")?.to_owned();
        suite.settings.extend([("FANDOM_PROCESSES".to_owned(), "2".to_owned()), ("FANDOM_HOSTS".to_owned(), hosts)]);
    }
    let mut without = Vec::new();
    for &workers in &options.workers {
        sight::start_dataflow(&mut suite, workers).await?;
        tokio::time::sleep(SETTLES).await;
        without.push(sight::memory(&suite)?.0);
        sight::kill_dataflow(&mut suite);
    }
    Load::new(&suite, fans)?.history(rows)?;
    for (&workers, without) in options.workers.iter().zip(without) {
        sight::empty_views(&suite).await?;
        let first = sight::start_dataflow(&mut suite, workers).await?;
        let counted = sight::messages(&suite).await?;
        ensure!(counted == rows, "the views count {counted} of {rows} messages");
        // What the changelogs still have to tell is not part of a restart.
        suite.eventually("the changelogs are written", Duration::from_secs(120), published).await;
        let (_, most) = sight::memory(&suite)?;
        sight::kill_dataflow(&mut suite);
        let again = sight::start_dataflow(&mut suite, workers).await?;
        tokio::time::sleep(SETTLES).await;
        let (after, _) = sight::memory(&suite)?;
        sight::kill_dataflow(&mut suite);
        let a_row = |bytes: u64| bytes.saturating_sub(without) as f64 / rows as f64;
        found(&Result {
            rows,
            fans,
            workers,
            processes: options.processes,
            first_start_seconds: first.as_secs_f64(),
            restart_seconds: again.as_secs_f64(),
            bytes_per_row: a_row(after),
            most_bytes_per_row: a_row(most),
        })?;
    }
    job.keep_log(&suite)
}

/// Whether the changelogs are as far as the views.
pub(crate) async fn published(client: tokio_postgres::Client) -> anyhow::Result<Vec<String>> {
    let behind = "select progress.epoch - published.epoch from views.progress, views.published";
    let behind: i64 = client.query_one(behind, &[]).await?.get(0);
    Ok(if behind == 0 { Vec::new() } else { vec![format!("{behind} ms behind")] })
}

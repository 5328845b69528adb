//! Engine against engine, in one process, without log and database: the same changes, the same two views, results compared.
//!
//! ```text
//!  load ─▶ changes by step ─┬▶ dedup ─▶ chatter_day, fans   with this suite's operators ─┐
//!                           └▶ a file ─▶ the peer's process, with its own ───────────────┴─ compared
//! ```
//!
//! The changes are those that the dataflow's own decoder gives: rows whose names are numbers, each with its natural key and the version
//! of the file that holds it. One step is one epoch. A step is over when both views are consolidated and taken in by who reads them.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use changes::{Change, Step};

mod changes;
mod ours;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rows of the history.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Fans among whom they are spread.
    #[arg(long, default_value_t = 125_000)]
    fans: u64,
    /// Numbers of workers, each measured in a process of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    workers: Vec<usize>,
    /// The peer's program.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Measures ours alone, here, and prints its result as JSON: what this program starts itself with.
    #[arg(long, hide = true)]
    alone: Option<PathBuf>,
}

impl Options {
    /// Whether its output is for this program itself.
    pub fn is_alone(&self) -> bool {
        self.alone.is_some()
    }
}

/// The head of the table.
pub const HEADER: &str =
    "  engine       workers  history rows/s  bytes a row  files rows/s  corrected ms  one row µs  equal";

/// What an engine did, as each program prints it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// The engine, with its version.
    pub name: String,
    /// Worker threads.
    pub workers: usize,
    /// Seconds until the views of the history were there.
    pub history_seconds: f64,
    /// What the process holds then, beyond what it held before it took in the history.
    pub history_bytes: u64,
    /// Seconds of each step after it.
    pub files_seconds: Vec<f64>,
    /// Seconds that the corrections of a file took.
    pub corrected_seconds: Vec<f64>,
    /// Seconds that the corrections of a row took.
    pub row_seconds: Vec<f64>,
    /// The views: groups, messages, cents, and a sum of hashes of all rows.
    pub digest: Digest,
}

/// Both views in a few numbers, the same for the same rows in any order.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Digest {
    /// Rows of both views.
    pub groups: u64,
    /// Messages of both.
    pub messages: i64,
    /// Cents of both.
    pub cents: i64,
    /// The sum, without carry, over all rows, of the products of their mixed numbers.
    pub mixed: u64,
}

impl Digest {
    /// Adds a row of a view, as numbers.
    pub fn add(&mut self, messages: i64, cents: i64, numbers: &[u64]) {
        self.groups += 1;
        self.messages += messages;
        self.cents += cents;
        let mix = |hash: u64, number: &u64| (hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.mixed = self.mixed.wrapping_add(numbers.iter().fold(numbers.len() as u64, mix));
    }
}

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Result {
    #[serde(flatten)]
    measured: Measured,
    rows: u64,
    history_rows_per_second: f64,
    bytes_per_row: f64,
    files_rows_per_second: f64,
    corrected_ms: f64,
    row_us: f64,
    equal: bool,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {:<12} {:>7}  {:>14.0}  {:>11.0}  {:>12.0}  {:>12.1}  {:>10.0}  {}",
            self.measured.name,
            self.measured.workers,
            self.history_rows_per_second,
            self.bytes_per_row,
            self.files_rows_per_second,
            self.corrected_ms,
            self.row_us,
            if self.equal { "yes" } else { "NO" },
        )
    }
}

/// Measures ours, and the peer if there is one.
///
/// # Errors
/// When a program fails, or their views differ.
pub fn run(options: &Options, mut each: impl FnMut(&Result) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if let Some(path) = &options.alone {
        let workers = *options.workers.first().context("--workers")?;
        let measured = ours::run(changes::read(path)?, workers)?;
        return Ok(serde_json::to_writer(std::io::stdout(), &measured)?);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("changes");
    let steps = changes::steps(options.rows, options.fans);
    write(&path, &steps)?;
    let own = std::env::current_exe()?;
    for workers in &options.workers {
        let workers = workers.to_string();
        let ours: [&str; 5] = ["engine", "--workers", &workers, "--alone", path.to_str().context("a plain path")?];
        let ours = program(&own, &ours)?;
        each(&result(options, &steps, ours.clone(), true))?;
        if let Some(peer) = &options.peer {
            let theirs = program(peer, &[path.to_str().context("a plain path")?, &workers])?;
            let equal = theirs.digest == ours.digest;
            each(&result(options, &steps, theirs.clone(), equal))?;
            ensure!(equal, "the views differ: {:?} and {:?}", ours.digest, theirs.digest);
        }
    }
    Ok(())
}

fn program(program: &Path, arguments: &[&str]) -> anyhow::Result<Measured> {
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("{} could not be run", program.display()))?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    let line = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    Ok(serde_json::from_slice(line.context("it said nothing")?)?)
}

fn result(options: &Options, steps: &[Step], measured: Measured, equal: bool) -> Result {
    let in_files: usize = steps.iter().filter(|step| step.name == "file").map(|step| step.changes.len()).sum();
    Result {
        rows: options.rows,
        history_rows_per_second: options.rows as f64 / measured.history_seconds,
        bytes_per_row: measured.history_bytes as f64 / options.rows as f64,
        files_rows_per_second: in_files as f64 / measured.files_seconds.iter().sum::<f64>(),
        corrected_ms: median(&measured.corrected_seconds) * 1e3,
        row_us: median(&measured.row_seconds) * 1e6,
        measured,
        equal,
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Writes the changes: of each step a line of its name and how many, and then each as nine numbers of 64 bits.
fn write(path: &Path, steps: &[Step]) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for step in steps {
        writeln!(out, "{} {}", step.name, step.changes.len())?;
        for change in &step.changes {
            for number in change.numbers() {
                out.write_all(&number.to_le_bytes())?;
            }
        }
    }
    Ok(out.flush()?)
}

impl Change {
    fn numbers(&self) -> [u64; 9] {
        let Change { key, order, creator, chatter, fan, sent_at, price_cents, purchased, present } = *self;
        let flags = u64::from(purchased) | u64::from(present) << 1;
        [key[0], key[1], order, creator, chatter, fan, sent_at.cast_unsigned(), price_cents.cast_unsigned(), flags]
    }
}

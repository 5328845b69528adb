//! Measures the dataflow over a real broker and a real database, which it starts for itself, and the reader of workbooks.
//!
//! ```text
//!  load ─▶ fandom.rows ─▶ `fandom dataflow` ─▶ Postgres ─▶ what a reader sees, and when
//! ```
//!
//! `make bench` runs all of it. Each command prints a table; `--json FILE` adds a line of JSON for each of its rows.

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use fandom_tests::suite::{Part, Suite};
use serde::Serialize;

mod api;
mod engine;
mod freshness;
mod ingest;
mod limits;
mod load;
mod parse;
mod peer;
mod sight;

/// That of `fandom`, so that what is measured here allocates as it does there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the dataflow over real Kafka and Postgres.
#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    measure: Measure,
    /// A file to which each result is appended as a line of JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    #[command(flatten)]
    job: Job,
}

/// How the job runs.
#[derive(Args, Clone, Debug)]
struct Job {
    /// A setting of the suite; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", global = true)]
    settings: Vec<String>,
    /// Where to leave the log of the dataflow.
    #[arg(long, global = true)]
    log: Option<PathBuf>,
}

impl Job {
    /// Starts broker and database.
    async fn suite(&self) -> anyhow::Result<Suite> {
        let settings = self.settings.iter().map(|setting| setting.split_once('=').context("--set NAME=VALUE"));
        Suite::start(&settings.collect::<anyhow::Result<Vec<_>>>()?).await
    }

    /// Leaves the log where it was asked for.
    fn keep_log(&self, suite: &Suite) -> anyhow::Result<()> {
        if let Some(log) = &self.log {
            std::fs::copy(suite.log(Part::Dataflow), log)?;
        }
        Ok(())
    }
}

#[derive(Subcommand)]
enum Measure {
    /// Rows already on the log become views in an empty database; then the job starts again on right views.
    Ingest(ingest::Options),
    /// From the moment at which a row was to be sent, to the moment at which a reader of Postgres sees its effect.
    Freshness(freshness::Options),
    /// What reading and decoding the topic, and copying the rows of the views, take at the least.
    Limits(limits::Options),
    /// Another design, or ours, through the measures that all designs share.
    Peer(peer::Options),
    /// Engine against engine, in one process each, without log and database.
    Engine(engine::Options),
    /// A page of fans asked of the API as often as it goes, then half as often; and of the same endpoint written otherwise.
    Api(api::Options),
    /// A workbook becomes rows that are ready to be published, against calamine that looks at its cells.
    Parse(parse::Options),
}

/// What is on the log before the measurement.
#[derive(Args, Clone, Copy, Debug)]
struct History {
    /// Message rows on the log before.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Fans among whom they are spread.
    #[arg(long, default_value_t = 62_500)]
    fans: u64,
}

/// Prints a result, and notes it.
fn report(json: Option<&PathBuf>, measure: &str, result: &impl Serialize) -> anyhow::Result<()> {
    let Some(path) = json else { return Ok(()) };
    let mut line = serde_json::to_value(result)?;
    line["measure"] = measure.into();
    writeln!(std::fs::File::options().create(true).append(true).open(path)?, "{line}")?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    let json = command.json.as_ref();
    match command.measure {
        Measure::Ingest(options) => {
            println!("{}", ingest::HEADER);
            ingest::run(&options, &command.job, |result| {
                println!("{result}");
                report(json, "ingest", result)
            })
            .await
        }
        Measure::Limits(options) => {
            println!("{}", limits::HEADER);
            limits::run(&options, &command.job, |result| {
                println!("{result}");
                report(json, "limits", result)
            })
            .await
        }
        Measure::Peer(options) => {
            println!("{}", peer::HEADER);
            let result = peer::run(&options, &command.job).await?;
            println!("{result}");
            report(json, "peer", &result)
        }
        Measure::Engine(options) => {
            if !options.is_alone() {
                println!("{}", engine::HEADER);
            }
            engine::run(&options, |result| {
                println!("{result}");
                report(json, "engine", result)
            })
        }
        Measure::Parse(options) => {
            let result = parse::run(&options)?;
            println!("{result}");
            report(json, "parse", &result)
        }
        Measure::Api(options) => {
            println!("{}", api::HEADER);
            api::run(&options, &command.job, |result| {
                println!("{result}");
                report(json, "api", result)
            })
            .await
        }
        Measure::Freshness(options) => {
            println!("{}", freshness::HEADER);
            freshness::run(&options, &command.job, |result| {
                println!("{result}");
                report(json, "freshness", result)
            })
            .await
        }
    }
}

//! What the command understands.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fandom_services::env::{Env, Problems};

use crate::administration::{self, AuditCommand, KeyCommand, UserCommand};
use crate::drive_sim::{self, DriveSimArgs};
use crate::health::{self, HealthArgs};
use crate::mapping::{self, MappingArgs};
use crate::sample::{self, SampleArgs};
use crate::{parts, settings, up};

/// Fandom Intelligence Suite: live, exact figures from the spreadsheets that an agency's tools export.
#[derive(Debug, Parser)]
#[command(name = "fandom", version, propagate_version = true, after_help = settings::help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on this machine: Kafka and Postgres too, unless the settings name others
    Up(UpArgs),
    /// Watch the inbox and publish its spreadsheets to Kafka
    Connect,
    /// Keep the views in Postgres up to date with Kafka
    Dataflow(DataflowArgs),
    /// Serve the API and the page
    Api,
    /// Keep the texts of live messages in Postgres, encrypted
    Archive(ArchiveArgs),
    /// Tell by the exit code whether a part answers on this machine (with the settings that it has)
    Health(HealthArgs),
    /// Bring the database to the newest schema
    Migrate,
    /// Make the topics that are missing
    Topics,
    /// Read a file for another process of this program
    #[command(name = fandom_connectors::isolation::COMMAND, hide = true)]
    ReadWorkbook {
        /// The file
        path: PathBuf,
    },
    /// Make accounts and set passwords
    #[command(subcommand)]
    User(UserCommand),
    /// Make keys for programs
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write sample workbooks
    Sample(SampleArgs),
    /// Suggest, preview, save and list how sheets of other makes are read
    Mapping(MappingArgs),
    /// Serve a folder as a simulated Google Drive, to try the Drive source without a Google account
    DriveSim(DriveSimArgs),
}

/// Which process of several this is.
#[derive(Clone, Debug, Default, Args)]
struct DataflowArgs {
    /// Which of the processes this is, from 0; the first writes the views [FANDOM_PROCESS, else 0]
    #[arg(long, value_name = "I")]
    process: Option<usize>,
    /// How many processes there are [FANDOM_PROCESSES, else 1]
    #[arg(long, value_name = "N")]
    processes: Option<usize>,
    /// File with the host:port of each process, a line each [FANDOM_HOSTS]
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
}

impl DataflowArgs {
    /// The settings, of which the arguments come first.
    fn over(&self, env: Env) -> Env {
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        env.with("FANDOM_PROCESS", number(self.process))
            .with("FANDOM_PROCESSES", number(self.processes))
            .with("FANDOM_HOSTS", self.hosts.as_ref().map(|file| file.display().to_string()))
    }
}

/// What to do with the message archive, other than to keep it up to date.
#[derive(Clone, Debug, Args)]
struct ArchiveArgs {
    #[command(subcommand)]
    action: Option<ArchiveAction>,
}

#[derive(Clone, Debug, Subcommand)]
enum ArchiveAction {
    /// Seal with the first key of FANDOM_ARCHIVE_KEY what another of them sealed
    Rotate,
}

/// How to start everything.
#[derive(Clone, Debug, Default, Args)]
pub struct UpArgs {
    /// Directory for everything that is kept [FANDOM_DATA, else .fandom]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder that is watched for spreadsheets [FANDOM_INBOX, else inbox in the data directory]
    #[arg(long, value_name = "DIR")]
    pub inbox: Option<PathBuf>,
    /// Port of API and page, on loopback; 0 takes a free one [FANDOM_PORT, else 8080]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Worker threads of the dataflow [FANDOM_WORKERS, else 2, or 1 on one core]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Leave the inbox empty at the first start
    #[arg(long)]
    pub no_sample: bool,
}

/// Runs what the command line says. Exit codes: 0 done or stopped in order, 1 failed, 2 bad arguments or settings.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(args) => up::run(&args, Env::of_process()),
        Command::Connect => parts::connect(Env::of_process()),
        Command::Dataflow(args) => parts::dataflow(args.over(Env::of_process())),
        Command::Api => parts::api(Env::of_process()),
        Command::Archive(ArchiveArgs { action: None }) => parts::archive(Env::of_process()),
        Command::Archive(ArchiveArgs { action: Some(ArchiveAction::Rotate) }) => parts::rotate(Env::of_process()),
        Command::ReadWorkbook { path } => return fandom_connectors::isolation::run_child(&path),
        Command::Health(args) => health::run(&args, Env::of_process()),
        Command::Migrate => parts::migrate(Env::of_process()),
        Command::Topics => parts::topics(Env::of_process()),
        Command::User(command) => administration::user(command, Env::of_process()),
        Command::Key(command) => administration::key(command, Env::of_process()),
        Command::Audit(command) => administration::audit(command, Env::of_process()),
        Command::Sample(args) => write_sample(&args),
        Command::Mapping(args) => mapping::run(args, Env::of_process()),
        Command::DriveSim(args) => drive_sim::run(&args, Env::of_process()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Problems>() => {
            eprintln!("fandom: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("fandom: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_sample(args: &SampleArgs) -> anyhow::Result<()> {
    let summary = sample::write(args)?;
    let mut out = std::io::stdout().lock();
    for (kind, rows) in &summary.rows {
        writeln!(out, "{rows:>10}  rows of {}", kind.name())?;
    }
    let files = summary.files.len();
    writeln!(out, "{files} files in {}, of {} to {}", args.out.display(), summary.first_day, summary.last_day)?;
    Ok(())
}

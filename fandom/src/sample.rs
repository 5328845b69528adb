//! Sample data: an invented agency plays some days, and its tools' export workbooks are written to a folder.
//!
//! The same arguments give the same bytes; without a first day they end today. Every kind of sheet is there, and the
//! figures agree: a creator's statistics are the sums of the sales, and the employee report tells what the messages
//! tell but for the differences that [`SampleSummary`] lists.
//!
//! - `agency`, `words`: who there is, what they are called and say.
//! - `watches`, `conversations`, `sales`: what happens, a third of a day at a time.
//! - `exports`, `tallies`: what is exported when, and the sums that reports tell.
//! - `message_dashboard`, `sales_record`, `employee_report`, `creator_statistics`, `chatter_template`: the files.
//! - `book`, `cells`, `dice`: bytes, forms of values, chance.

mod agency;
mod book;
mod cells;
mod chatter_template;
mod conversations;
mod creator_statistics;
mod dice;
mod employee_report;
mod exports;
mod message_dashboard;
mod sales;
mod sales_record;
mod tallies;
mod watches;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use fandom_schemas::rows::Kind;
use jiff::civil::Date;

use agency::{Agency, Size};

/// The most rows below the header that a sheet of a workbook can have.
const SHEET_ROWS: u32 = 1_048_575;

/// How much sample data is wanted, of what, and where.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct SampleArgs {
    /// Folder to write the workbooks to; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The same seed gives the same agency
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Days that the agency is played for
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    /// Chatters
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub chatters: u16,
    /// Creators, on three platforms in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub creators: u16,
    /// Fans, at least as many as creators
    #[arg(long, default_value_t = 400)]
    pub fans: u32,
    /// Messages sent in all days together; exports that overlap repeat some of them
    #[arg(long, default_value_t = 6000)]
    pub messages: u64,
    /// Time zone of the agency (IANA); without it that in which its sheets will be read: of FANDOM_SOURCE_TZ, else of
    /// FANDOM_REPORTING_TZ, else UTC
    #[arg(long, default_value_t = source_zone(), hide_default_value = true, value_name = "ZONE")]
    pub tz: String,
    /// First day (YYYY-MM-DD); without it the last day is today, as far as it has come
    #[arg(long, value_name = "DATE")]
    pub start: Option<Date>,
    /// Write only these kinds
    #[arg(long, value_enum, value_name = "KIND", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<SampleKind>,
    /// Most rows of a file of messages or sales; larger exports come in parts
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(SHEET_ROWS)))]
    pub rows_per_file: u32,
    /// Days that each export of messages repeats of the one before it; 0 writes each message once
    #[arg(long, default_value_t = 3)]
    pub overlap_days: u32,
}

/// The zone in which sheets are read that name none, as the connectors find it in the environment.
fn source_zone() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|zone| !zone.trim().is_empty());
    set("FANDOM_SOURCE_TZ").or_else(|| set("FANDOM_REPORTING_TZ")).unwrap_or_else(|| "UTC".to_owned())
}

/// A kind of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SampleKind {
    /// Message dashboards
    Messages,
    /// The sales record
    Sales,
    /// The employee report
    Employees,
    /// Creator statistics, net and gross
    Creators,
    /// The agency's own template, as workbook and CSV
    Template,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleSummary {
    /// The files, in the order in which they were written.
    pub files: Vec<SampleFile>,
    /// Rows below the headers, by kind.
    pub rows: BTreeMap<Kind, u64>,
    /// The first day.
    pub first_day: Date,
    /// The last day.
    pub last_day: Date,
    /// Where the employee report tells something else than messages and sales do.
    pub differences: Vec<Difference>,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFile {
    /// Where it is.
    pub path: PathBuf,
    /// What its sheets hold.
    pub kind: Kind,
    /// Rows below the headers of all its sheets.
    pub rows: u64,
}

/// A figure of the employee report that is wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The sheet.
    pub sheet: &'static str,
    /// 1-based row of the sheet, as a spreadsheet program numbers it.
    pub row: u32,
    /// The column's header.
    pub figure: &'static str,
    /// Reported − true; money in cents.
    pub by: i64,
}

impl SampleArgs {
    /// The sample of a first look: two weeks of a small agency, ending today.
    pub fn new(out: impl Into<PathBuf>) -> SampleArgs {
        SampleArgs {
            out: out.into(),
            seed: 1,
            days: 14,
            chatters: 8,
            creators: 3,
            fans: 400,
            messages: 6000,
            tz: source_zone(),
            start: None,
            only: Vec::new(),
            rows_per_file: 200_000,
            overlap_days: 3,
        }
    }

    fn wants(&self, kinds: &[SampleKind]) -> bool {
        self.only.is_empty() || self.only.iter().any(|kind| kinds.contains(kind))
    }
}

/// Writes the sample. Files of the same name are replaced, others are left alone.
///
/// Memory is bounded by the messages of one watch (a third of a day), those of a few files, and, where more than
/// messages is wanted, the sales.
///
/// # Errors
/// When the arguments do not fit together, the zone is unknown, or a file cannot be written.
pub fn write(args: &SampleArgs) -> anyhow::Result<SampleSummary> {
    let SampleArgs { days, chatters, creators, fans, .. } = *args;
    ensure!(days > 0 && chatters > 0 && creators > 0, "a sample needs at least a day, a chatter and a creator");
    ensure!(
        fans >= u32::from(creators),
        "{fans} fans are too few for {creators} creators; each needs one of their own"
    );
    ensure!((1..=SHEET_ROWS).contains(&args.rows_per_file), "a file holds 1 to {SHEET_ROWS} rows");
    let agency = Agency::new(args.seed, &Size { creators, chatters, fans, days }, &args.tz, args.start)?;
    let folder = &args.out;
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;

    let watches = watches::watches(&agency, args.messages);
    let exports = exports::exports(&agency, args.overlap_days);
    let rows_per_file = usize::try_from(args.rows_per_file)?;
    let (mut files, mut differences) = (Vec::new(), Vec::new());
    if args.wants(&[SampleKind::Messages]) {
        files.extend(message_dashboard::write(&agency, &watches, &exports, rows_per_file, folder)?);
    }
    use SampleKind::{Creators, Employees, Sales, Template};
    let sales = if args.wants(&[Sales, Employees, Creators]) { sales::sales(&agency, &watches) } else { Vec::new() };
    if args.wants(&[Sales]) {
        files.extend(sales_record::write(&agency, &sales, rows_per_file, folder)?);
    }
    if args.wants(&[Employees, Template]) {
        let tallies = tallies::tallies(&agency, &watches, &exports, &sales);
        if args.wants(&[Employees]) {
            let (file, wrong) = employee_report::write(&agency, &tallies, folder)?;
            files.push(file);
            differences = wrong;
        }
        if args.wants(&[Template]) {
            files.extend(chatter_template::write(&agency, &tallies, folder)?);
        }
    }
    if args.wants(&[Creators]) {
        files.extend(creator_statistics::write(&agency, &sales, folder)?);
    }
    let mut rows = BTreeMap::new();
    for file in &files {
        *rows.entry(file.kind).or_default() += file.rows;
    }
    Ok(SampleSummary { files, rows, first_day: agency.first_date(), last_day: agency.date(days - 1), differences })
}

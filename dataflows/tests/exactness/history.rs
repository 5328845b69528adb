//! Random histories of files.
//!
//! A history draws a few things that rows tell of (messages, sales, …) and fills sheets from these again and again: so rows overlap
//! across sheets, files and versions, with values that differ where METRICS.md §2 lets them.

mod drawn;
mod names;
mod things;

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use fandom_dataflows::settings::{AsOf, DataflowSettings};
use fandom_dataflows::views::clusters::PARTS;
use fandom_dataflows::views::kept::Kept;
use fandom_schemas::manifest::{FileState, Manifest, Sheet as SheetRead, SheetReject};
use fandom_schemas::rows::{Kind, Row};
use fandom_services::env::Env;

use crate::oracle::LiveFile;
pub use drawn::{LARGE, SMALL, histories};
use things::{Thing, Varying};

/// What the figures depend on beside the files.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The reporting zone.
    pub zone: &'static str,
    /// Whether "days since" are counted to the last day of the data.
    pub as_of_data: bool,
    /// A message is mass when its source contains one of these.
    pub mass_sources: Vec<&'static str>,
    /// Least spend of a whale, and of a regular.
    pub spend_cents: (i64, i64),
    /// The views that are kept.
    pub views: Kept,
    /// Instants around which things happen.
    pub around: [i64; 2],
    /// How many creators, chatters and fans there are.
    pub people: (usize, usize, usize),
    /// What rows tell of.
    pub subject: Subject,
}

/// What rows tell of, so that much comes together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// Everything.
    All,
    /// What the fans of a creator bought, over some days.
    Fans,
    /// What chatters did and reported, within some hours.
    Work,
}

impl Setup {
    /// As the dataflow takes it.
    pub fn settings(&self, workers: usize) -> DataflowSettings {
        DataflowSettings {
            workers,
            reporting_tz: TimeZone::get(self.zone).expect("a zone"),
            as_of: if self.as_of_data { AsOf::Data } else { AsOf::Today },
            mass_sources: self.mass_sources.iter().map(|word| (*word).to_owned()).collect(),
            views: self.views.clone(),
            whale_cents: self.spend_cents.0,
            regular_cents: self.spend_cents.1,
            // How the job runs, which is not looked at here.
            ..DataflowSettings::from_env(&mut Env::from_pairs(Vec::new()))
        }
    }
}

/// What happens to the files, in order.
#[derive(Clone)]
pub struct History {
    /// What the figures depend on beside the files.
    pub setup: Setup,
    /// Today, before the first step.
    pub first_day: Date,
    /// So many of the steps are on the log at the start.
    pub hydration: usize,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The number of a version that it brings: steps count from 1, and keep their number in other histories.
    pub number: u64,
    /// What happens.
    pub event: Event,
    /// Whether an epoch ends after it.
    pub ends_epoch: bool,
    /// What the clusters of fans do at the end of it.
    pub clusters: Clusters,
    /// How often the dataflow then has its turn before the next step.
    pub worker_steps: u8,
}

/// What the clusters of fans do at the end of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Clusters {
    /// Whether there is a tick, at which their centroids are computed anew.
    pub tick: bool,
    /// So many parts of the fans have their turn to take over what the last tick computed.
    pub turns: i64,
}

impl Clusters {
    /// They settle.
    pub const SETTLE: Clusters = Clusters { tick: true, turns: PARTS };
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A file gets a version.
    Version(Version),
    /// A file is deleted.
    Gone(u8),
    /// A day begins.
    Today(Date),
}

impl Event {
    /// The file that it happens to.
    pub fn file(&self) -> Option<u8> {
        match self {
            Event::Version(version) => Some(version.file),
            Event::Gone(file) => Some(*file),
            Event::Today(_) => None,
        }
    }

    /// What ends this version of its file on the log; without the checksum of rows.
    pub fn manifest(&self, number: u64) -> Manifest {
        match self {
            Event::Version(version) => version.manifest(number),
            Event::Gone(file) => manifest(*file, number, FileState::Gone),
            Event::Today(_) => panic!("a day has no manifest"),
        }
    }
}

/// A version of a file.
#[derive(Clone, Debug)]
pub struct Version {
    /// Which file.
    pub file: u8,
    /// When it was exported, and last changed: few instants, so that versions are told apart by what comes next in METRICS.md §2.
    pub exported_at: i64,
    /// See there.
    pub modified_at: i64,
    /// How its records stand on the log.
    pub delivery: Delivery,
    /// Its sheets.
    pub sheets: Vec<Sheet>,
}

/// How the records of a version stand on the log. All but the last mean the same.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    /// Its rows, then its manifest.
    Plain,
    /// The connector stopped after so many rows, and began again.
    Resumed(u8),
    /// Everything twice.
    Repeated,
    /// The rows after the manifest.
    ManifestFirst,
    /// Rows of the versions before it are taken off the log.
    Compacted,
    /// The connector never ended it: it counts nothing.
    Abandoned,
}

/// A sheet.
#[derive(Clone, Debug)]
pub struct Sheet {
    name: Option<String>,
    kind: Option<Kind>,
    rejected: u8,
    doubtful_times: u8,
    warned: bool,
    rows: Vec<(Thing, Varying)>,
}

/// Ids of files, in an order of their own.
const FILES: [&str; 4] = ["inbox:b.xlsx", "drive:1x", "inbox:a/b.xlsx", "inbox:B.xlsx"];

fn manifest(file: u8, number: u64, state: FileState) -> Manifest {
    let id = FILES[usize::from(file)];
    Manifest {
        file: id.to_owned(),
        version: number,
        state,
        name: format!("name of {id}"),
        zone: "UTC".to_owned(),
        exported_at: 0,
        modified_at: 0,
        rows: 0,
        checksum: String::new(),
        sheets: Vec::new(),
    }
}

impl Version {
    /// Its rows, in order.
    pub fn rows(&self) -> Vec<Row<'static>> {
        let numbered = |(position, sheet): (usize, &Sheet)| {
            let rows = sheet.rows.iter().zip(2u32..);
            rows.map(|((thing, varying), number)| thing.row(varying, position as u16, number)).collect::<Vec<_>>()
        };
        self.sheets.iter().enumerate().flat_map(numbered).collect()
    }

    /// What ends it on the log; without the checksum of its rows.
    pub fn manifest(&self, number: u64) -> Manifest {
        let sheet = |(position, sheet): (usize, &Sheet)| SheetRead {
            position: position as u16,
            name: sheet.name.clone(),
            kind: sheet.kind,
            rows_read: sheet.rows.len() as u64 + u64::from(sheet.rejected),
            accepted: sheet.rows.len() as u64,
            rejected: sheet.rejected.into(),
            rejects: (0..u32::from(sheet.rejected))
                .map(|row| SheetReject { row, reason: "unreadable \"price\"".to_owned() })
                .collect(),
            doubtful_times: sheet.doubtful_times.into(),
            warnings: sheet.warned.then(|| ("two\ncolumns".to_owned(), 3)).into_iter().collect(),
        };
        Manifest {
            exported_at: self.exported_at,
            modified_at: self.modified_at,
            rows: self.sheets.iter().map(|sheet| sheet.rows.len() as u64).sum(),
            sheets: self.sheets.iter().enumerate().map(sheet).collect(),
            ..manifest(self.file, number, FileState::Live)
        }
    }
}

/// A line a row: a failing history is read by people.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, {}, {} steps of hydration", self.setup, self.first_day, self.hydration)?;
        for Step { number, event, ends_epoch, clusters: Clusters { tick, turns }, worker_steps } in &self.steps {
            let ends = if *ends_epoch {
                format!("; an epoch ends, tick: {tick}, {turns} turns, {worker_steps} steps")
            } else {
                String::new()
            };
            let Event::Version(version) = event else {
                writeln!(f, "{number}: {event:?}{ends}")?;
                continue;
            };
            let Version { file, exported_at, modified_at, delivery, sheets } = version;
            writeln!(f, "{number}: file {file} exported {exported_at} modified {modified_at} {delivery:?}{ends}")?;
            for Sheet { name, kind, rejected, doubtful_times, warned, rows } in sheets {
                writeln!(f, "    sheet {name:?} {kind:?} {rejected} {doubtful_times} {warned}")?;
                rows.iter().try_for_each(|(thing, varying)| writeln!(f, "        {thing:?} {varying:?}"))?;
            }
        }
        Ok(())
    }
}

impl History {
    /// The steps that brought the versions which are live after the step at this position, in order.
    fn live_steps(&self, place: usize) -> Vec<Step> {
        let mut live: Vec<Step> = Vec::new();
        for step in &self.steps[..=place] {
            let counts = match &step.event {
                Event::Version(version) => !matches!(version.delivery, Delivery::Abandoned),
                Event::Gone(_) => true,
                Event::Today(_) => false,
            };
            if counts {
                live.retain(|other| other.event.file() != step.event.file());
                live.extend(matches!(step.event, Event::Version(_)).then(|| step.clone()));
            }
        }
        live
    }

    /// The same files in a history of their own: what is live after the step at this position, and the day that it then is.
    pub fn of_live(&self, place: usize) -> History {
        let mut steps = self.live_steps(place);
        let today = Event::Today(self.today(place));
        steps.push(Step { number: 0, event: today, ends_epoch: true, clusters: Clusters::SETTLE, worker_steps: 0 });
        History { steps, ..self.clone() }
    }

    /// The same, and then so many midnights, the first so many days after the instant around which most happens.
    pub fn then_midnights(mut self, after: i32, count: usize) -> History {
        let zone = TimeZone::get(self.setup.zone).expect("a zone");
        let first =
            Timestamp::from_second(self.setup.around[0]).expect("an instant").to_zoned(zone).date() + after.days();
        let last = self.steps.last().map_or(0, |step| step.number);
        let midnights = first.series(1.day()).take(count).zip(last + 1..);
        self.steps.extend(midnights.map(|(day, number)| Step {
            number,
            event: Event::Today(day),
            ends_epoch: true,
            clusters: Clusters::SETTLE,
            worker_steps: 0,
        }));
        self
    }

    /// The same, with clusters that settle at the end of every epoch.
    pub fn settling(&self) -> History {
        let steps = self.steps.iter().map(|step| Step { clusters: Clusters::SETTLE, ..step.clone() });
        History { steps: steps.collect(), ..self.clone() }
    }

    /// Whether clusters settle at the end of the epoch that this step ends: so it is at the end of hydration.
    pub fn settles(&self, place: usize) -> bool {
        let Clusters { tick, turns } = self.steps[place].clusters;
        place < self.hydration || tick && turns >= PARTS
    }

    /// The files that are live after the step at this position.
    pub fn live(&self, place: usize) -> Vec<LiveFile> {
        let steps = self.live_steps(place);
        let files = steps.iter().filter_map(|step| match &step.event {
            Event::Version(version) => Some(LiveFile { manifest: version.manifest(step.number), rows: version.rows() }),
            _ => None,
        });
        files.collect()
    }

    /// Today, after the step at this position.
    pub fn today(&self, place: usize) -> Date {
        let told = self.steps[..=place].iter().rev().find_map(|step| match step.event {
            Event::Today(day) => Some(day),
            _ => None,
        });
        told.unwrap_or(self.first_day)
    }
}

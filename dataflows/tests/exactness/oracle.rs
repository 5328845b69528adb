//! METRICS.md computed the slow, obvious way: loops over the winning rows of the files that are live.
//!
//! Nothing is kept from one call to the next, and nothing of the dataflow is used but the types of its rows and tables. To
//! add a table: write its lines, and name it in [`tables`]. A table that is neither there nor in [`WITHOUT_ORACLE`] fails the tests, as does a
//! column that no line has.

mod chatters;
mod clusters;
mod creators;
mod fans;
mod files;
mod reconciliation;
pub mod time;
mod winners;

use std::collections::BTreeMap;

use fandom_dataflows::sink::row::Datum;
use fandom_schemas::identity::{self, Id};
use fandom_schemas::manifest::Manifest;
use fandom_schemas::rows::{Creator, Row};
use jiff::civil::Date;
use serde_json::Value;

use crate::history::Setup;
use clusters::Centroids;
use time::Zone;
use winners::Winners;

/// Tables of the dataflow that nothing here computes, and why.
pub const WITHOUT_ORACLE: &[(&str, &str)] = &[];

/// What is known of the clusters of fans.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The cluster that each creator's fan has in the dataflow. Until the next tick it is that of centroids from before, of which
    /// the oracle does not know.
    pub clusters: BTreeMap<(Id, Id), String>,
    /// The cluster that each must have, after a tick.
    settled: Option<BTreeMap<(Id, Id), String>>,
}

impl Given {
    /// With the clusters that the dataflow has.
    pub fn new(clusters: BTreeMap<(Id, Id), String>) -> Given {
        Given { clusters, settled: None }
    }
}

/// A live file: its manifest, and its rows in order.
#[derive(Clone, Debug)]
pub struct LiveFile {
    /// The checksum in it is not read.
    pub manifest: Manifest,
    /// The rows of all its sheets.
    pub rows: Vec<Row<'static>>,
}

/// The lines that each table must have.
pub type Tables = BTreeMap<&'static str, Vec<Line>>;

/// What the columns of a row must hold.
#[derive(Clone, Debug, Default)]
pub struct Line(pub BTreeMap<&'static str, Expected>);

/// What a column must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// This.
    Exactly(Datum),
    /// This, with a relative error of at most 2 %.
    Within2Percent(i64),
    /// One of these.
    OneOf(Vec<Datum>),
    /// JSON of this value, however it is written.
    SameJson(Value),
}

impl Line {
    fn with(mut self, column: &'static str, value: impl Into<Expected>) -> Line {
        let before = self.0.insert(column, value.into());
        assert_eq!(before, None, "{column} is given once");
        self
    }

    fn id(self, column: &'static str, id: Id) -> Line {
        self.with(column, Datum::Int(id as i64))
    }

    fn text(self, column: &'static str, text: &str) -> Line {
        self.with(column, Datum::Text(text.into()))
    }

    fn instant(self, column: &'static str, at: i64) -> Line {
        self.with(column, Datum::Instant(at))
    }

    fn day(self, column: &'static str, day: Date) -> Line {
        self.with(column, Datum::Day(time::day_number(day)))
    }
}

impl From<Datum> for Expected {
    fn from(datum: Datum) -> Expected {
        Expected::Exactly(datum)
    }
}

impl From<i64> for Expected {
    fn from(number: i64) -> Expected {
        Expected::Exactly(Datum::Int(number))
    }
}

impl From<Option<i64>> for Expected {
    fn from(number: Option<i64>) -> Expected {
        Expected::Exactly(number.map_or(Datum::Null, Datum::Int))
    }
}

impl From<Value> for Expected {
    fn from(value: Value) -> Expected {
        Expected::SameJson(value)
    }
}

/// The table that is not known until there was a tick.
pub const AFTER_TICKS: &str = "fan_moves";

/// The lines of every table; without [`AFTER_TICKS`] where there was no tick.
pub fn tables(live: &[LiveFile], today: Date, setup: &Setup, mut given: Given, tick: bool) -> Tables {
    let zone = Zone::new(setup.zone);
    let rows = Winners::of(live);
    let mut tables = Tables::new();
    tables.extend(files::names(live));
    if tick {
        let (mut settled, mut moves) = (BTreeMap::new(), Vec::new());
        if let Some(as_of) = files::as_of_day(&rows, &zone, setup.as_of_data, today) {
            let centroids = Centroids::of(&rows, &zone, setup, as_of);
            let clusters = centroids.clusters(&rows, &zone, setup, as_of);
            settled.extend(clusters.into_iter().map(|(fan, cluster)| (fan, cluster.to_owned())));
            moves = centroids.moves(&rows, &zone, setup);
        }
        given.settled = Some(settled);
        tables.insert(AFTER_TICKS, moves);
    }
    let given = &given;
    tables.insert("files", files::files(live, &rows));
    tables.insert("as_of", files::as_of(&rows, &zone, setup.as_of_data, today));
    tables.extend(chatters::measures(&rows, &zone, &setup.mass_sources));
    tables.insert("hours_day", chatters::hours_day(&rows, &zone, &setup.mass_sources));
    tables.insert("template_day", chatters::template_day(&rows));
    tables.insert("sales_day", creators::sales_day(&rows, &zone));
    tables.insert("creator_day", creators::creator_day(&rows, &zone, &setup.mass_sources));
    tables.insert("reconciliation_rows", reconciliation::rows(&rows, &setup.mass_sources));
    tables.insert("fan_measures", fans::measures(&rows, &zone, setup, given));
    tables.insert("fan_day", fans::days(&rows, &zone, setup));
    tables.insert("fan_cluster_sums", fans::clusters(&rows, &zone, setup, given));
    tables
}

fn creator_id(creator: &Creator) -> Id {
    identity::creator_id(&creator.platform, &creator.name)
}

//! How histories are drawn.

use std::ops::Range;

use jiff::ToSpan;
use jiff::civil::Date;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use fandom_dataflows::views::clusters::PARTS;
use fandom_dataflows::views::kept::Kept;
use fandom_schemas::rows::Kind;

use super::things::{Thing, Varying, things, varying};
use super::{Clusters, Delivery, Event, FILES, History, Setup, Sheet, Step, Subject, Version};

/// How much there is in a history.
#[derive(Clone)]
pub struct Size {
    things: Range<usize>,
    steps: Range<usize>,
    rows_of_sheet: Range<usize>,
    /// Where fans are the subject.
    fans: Range<usize>,
    /// How often each is the subject.
    subjects: [u32; 3],
}

/// So little that rows collide.
pub const SMALL: Size = Size { things: 1..40, steps: 1..9, rows_of_sheet: 0..16, fans: 5..16, subjects: [2, 1, 1] };

/// So much that buckets and chunks of the dataflow's own tables fill.
pub const LARGE: Size =
    Size { things: 8_000..9_000, steps: 3..6, rows_of_sheet: 1_500..3_000, fans: 3_000..4_000, subjects: [0, 1, 0] };

/// Random histories.
pub fn histories(size: Size) -> impl Strategy<Value = History> {
    setups(size.clone()).prop_flat_map(move |setup| {
        // What stands first is made simple first.
        let steps = vec(steps(size.rows_of_sheet.clone()), size.steps.clone());
        let twins = vec((any::<Index>(), any::<u8>()), 0..8);
        let drawn = (steps, 0..5usize, vec(things(&setup), size.things.clone()), twins, Just(setup));
        drawn.prop_map(|(steps, hydration, mut things, twins, setup)| {
            for (thing, part) in twins {
                things.push(thing.get(&things).twin(&setup, part));
            }
            let steps = steps.into_iter().zip(1..).map(|(step, number)| step.of(number, &things)).collect();
            History { setup, first_day: FIRST_DAY, hydration, steps }
        })
    })
}

const FIRST_DAY: Date = jiff::civil::date(2027, 2, 27);

/// A step, and the things of its rows by their index.
#[derive(Clone, Debug)]
struct DrawnStep {
    event: DrawnEvent,
    ends_epoch: bool,
    clusters: Clusters,
    worker_steps: u8,
}

#[derive(Clone, Debug)]
enum DrawnEvent {
    Version(Version, Vec<Vec<(Index, Varying)>>),
    Gone(u8),
    Today(i8),
}

impl DrawnStep {
    fn of(self, number: u64, things: &[Thing]) -> Step {
        let event = match self.event {
            DrawnEvent::Gone(file) => Event::Gone(file),
            DrawnEvent::Today(days) => Event::Today(FIRST_DAY + i64::from(days).days()),
            DrawnEvent::Version(mut version, rows) => {
                for (sheet, rows) in version.sheets.iter_mut().zip(rows) {
                    sheet.rows.extend(rows.into_iter().map(|(thing, varying)| (thing.get(things).clone(), varying)));
                }
                Event::Version(version)
            }
        };
        Step { number, event, ends_epoch: self.ends_epoch, clusters: self.clusters, worker_steps: self.worker_steps }
    }
}

fn steps(rows: Range<usize>) -> impl Strategy<Value = DrawnStep> {
    let file = || 0..FILES.len() as u8;
    let version =
        (file(), 0..3i64, 0..3i64, deliveries(), vec((sheets(), vec((any::<Index>(), varying()), rows)), 1..4));
    let version = version.prop_map(|(file, exported_at, modified_at, delivery, sheets)| {
        let (sheets, rows) = sheets.into_iter().unzip();
        DrawnEvent::Version(Version { file, exported_at, modified_at, delivery, sheets }, rows)
    });
    let event = prop_oneof![
        12 => version,
        2 => file().prop_map(DrawnEvent::Gone),
        // Also when the first days leave those over which moves are told.
        3 => prop_oneof![2 => -2..3i8, 1 => 28..32i8].prop_map(DrawnEvent::Today),
    ];
    let clusters = prop_oneof![
        3 => Just(Clusters::SETTLE),
        1 => (any::<bool>(), 0..=PARTS).prop_map(|(tick, turns)| Clusters { tick, turns }),
    ];
    (event, any::<bool>(), clusters, 0..3u8).prop_map(|(event, ends_epoch, clusters, worker_steps)| DrawnStep {
        event,
        ends_epoch,
        clusters,
        worker_steps,
    })
}

fn deliveries() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        12 => Just(Delivery::Plain),
        1 => (0..8u8).prop_map(Delivery::Resumed),
        1 => Just(Delivery::Repeated),
        1 => Just(Delivery::ManifestFirst),
        1 => Just(Delivery::Compacted),
        1 => Just(Delivery::Abandoned),
    ]
}

fn sheets() -> impl Strategy<Value = Sheet> {
    let name = proptest::option::of(select(vec!["Message Dashboard".to_owned(), "É \"1\"".to_owned()]));
    let kind = proptest::option::of(select(Kind::ALL.to_vec()));
    (name, kind, 0..3u8, 0..3u8, any::<bool>()).prop_map(|(name, kind, rejected, doubtful_times, warned)| Sheet {
        name,
        kind,
        rejected,
        doubtful_times,
        warned,
        rows: Vec::new(),
    })
}

/// Reporting zones, and instants at which their clocks change or their days begin.
const ZONES: [(&str, &[&str]); 5] = [
    ("Europe/Belgrade", &["2026-10-25T01:00:00Z", "2026-03-29T01:00:00Z", "2026-10-24T22:00:00Z"]),
    ("America/New_York", &["2026-11-01T06:00:00Z", "2026-03-08T07:00:00Z", "2026-11-02T05:00:00Z"]),
    ("Asia/Kathmandu", &["2026-12-31T18:15:00Z", "2027-01-03T18:15:00Z"]),
    ("Australia/Lord_Howe", &["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"]),
    ("UTC", &["2026-06-01T00:00:00Z"]),
];

/// Ends of years, ISO years (2026-W53, 2027-W01), months; and where instants change their sign.
const EDGES: [&str; 4] =
    ["2026-12-31T23:30:00Z", "2027-01-03T23:30:00Z", "2026-02-28T20:00:00Z", "1970-01-01T00:00:00Z"];

fn setups(size: Size) -> impl Strategy<Value = Setup> {
    let around = || (any::<Index>(), 0..5u8);
    let spend = select(vec![(100_000, 10_000), (500, 200), (3, 1)]);
    let mass = select(vec![vec!["mass", "welcome", "automat"], vec!["mass"], vec![]]);
    let all = (1..=4usize, 1..=3usize, 1..=9usize).prop_map(|people| (Subject::All, people));
    let fans = size.fans.prop_map(|fans| (Subject::Fans, (1, 3, fans)));
    let work = (1..=2usize, 1..=2usize, 1..=4usize).prop_map(|people| (Subject::Work, people));
    let of = prop_oneof![size.subjects[0] => all, size.subjects[1] => fans, size.subjects[2] => work];
    let drawn = (0..ZONES.len(), around(), around(), any::<bool>(), mass, spend, of);
    drawn.prop_map(|(zone, first, second, as_of_data, mass_sources, spend_cents, (subject, people))| {
        let (zone, own) = ZONES[zone];
        let around = [first, second].map(|(index, which)| {
            let text = if which < 3 { *index.get(own) } else { *index.get(&EDGES) };
            text.parse::<jiff::Timestamp>().expect("an instant").as_second()
        });
        let around = if subject == Subject::Work { [around[0]; 2] } else { around };
        Setup { zone, as_of_data, mass_sources, spend_cents, views: Kept::all(), around, people, subject }
    })
}

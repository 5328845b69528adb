//! Property tests of the whole dataflow, without Kafka and Postgres: whatever happened to the files, the views are a
//! function of what is live.
//!
//! A history is a list of steps: a file gets a version (of rows that overlap those of other files), or goes. It is played into
//! a real dataflow, several workers included, with epochs ended at random; after every epoch the rows of all views must
//! be those of a dataflow that saw nothing but the files now live, each once. Sums over the winning rows, found by plain loops, are
//! compared as well, so that two equal mistakes do not agree.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use fandom_schemas::keys::row_key;
use fandom_schemas::manifest::{Checksum, FileState, Manifest, Sheet};
use fandom_schemas::rows::{Kind, Message, Row as LogRow, Sale};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use fandom_dataflows::ingest::decode::Decoder;
use fandom_dataflows::ingest::feed::{Feed, Inputs};
use fandom_dataflows::ingest::release::Event;
use fandom_dataflows::runtime::{Epoch, FIRST_LIVE_EPOCH, HYDRATED, updates};
use fandom_dataflows::settings::{AsOf, DataflowSettings};
use fandom_dataflows::sink::collect::Update;
use fandom_dataflows::sink::table::{Datum, Row};
use fandom_dataflows::views::TABLES;

/// A row of a test: small numbers, so that rows collide.
#[derive(Clone, Debug, PartialEq)]
enum TestRow {
    Message {
        creator: u8,
        chatter: Option<u8>,
        fan: u8,
        at: u16,
        price: u8,
        mass: bool,
        bought: bool,
        reply: Option<u16>,
    },
    Sale {
        creator: u8,
        chatter: Option<u8>,
        fan: Option<u8>,
        at: u16,
        net: u8,
        tip: bool,
        reversed: bool,
    },
}

#[derive(Clone, Debug)]
enum Step {
    /// The file of that number gets a version, exported at that time.
    Version { file: u8, exported_at: u8, rows: Vec<TestRow> },
    /// It goes.
    Gone { file: u8 },
}

/// Steps, and after which of them an epoch ends.
type History = Vec<(Step, bool)>;

/// The night in which clocks go back in Belgrade.
const START: i64 = 1_792_879_200;

impl TestRow {
    fn at(&self) -> i64 {
        let (TestRow::Message { at, .. } | TestRow::Sale { at, .. }) = self;
        START + i64::from(*at) * 601
    }

    fn json(&self) -> (Kind, Vec<u8>) {
        let name = |number: u8| format!("Chatter {number}").into();
        let row = match self {
            TestRow::Message { creator, chatter, fan, price, mass, bought, reply, .. } => LogRow::Message(Message {
                kind: Kind::Message,
                sheet: 0,
                row: 0,
                creator: format!("Creator {creator}").into(),
                platform: "OF".into(),
                chatter: chatter.map(name),
                fan: format!("u{fan}").into(),
                nickname: None,
                sent_at: self.at(),
                price_cents: i64::from(*price) * 100,
                purchased: *bought,
                source: if *mass { "OF mass message" } else { "Chat" }.into(),
                status: None,
                reply_seconds: reply.map(u32::from),
                fan_replied: reply.is_some(),
                characters: 7,
                text_hash: "00".into(),
                extra: None,
            }),
            TestRow::Sale { creator, chatter, fan, net, tip, reversed, .. } => LogRow::Sale(Sale {
                kind: Kind::Sale,
                sheet: 0,
                row: 0,
                sold_at: self.at(),
                chatter: chatter.map(name),
                creator: format!("Creator {creator}").into(),
                platform: "OF".into(),
                fan: fan.map(|fan| format!("u{fan}").into()),
                nickname: None,
                gross_cents: i64::from(*net) + 20,
                net_cents: i64::from(*net),
                earnings_cents: None,
                sale_type: if *tip { "Tips" } else { "Messages" }.into(),
                rule: None,
                reversed: *reversed,
                extra: None,
            }),
        };
        (row.kind(), row.to_json())
    }

    /// What METRICS.md makes the identity of a row.
    fn natural_key(&self) -> String {
        match self {
            TestRow::Message { creator, chatter, fan, at, price, mass, .. } => {
                format!("m {creator} {chatter:?} {fan} {at} {price} {mass}")
            }
            TestRow::Sale { creator, chatter, fan, at, net, tip, .. } => {
                format!("s {creator} {chatter:?} {fan:?} {at} {net} {tip}")
            }
        }
    }
}

fn rows() -> impl Strategy<Value = TestRow> {
    let chatter = || proptest::option::weighted(0.8, 0..3u8);
    let message =
        (0..2u8, chatter(), 0..4u8, 0..12u16, 0..3u8, any::<bool>(), any::<bool>(), proptest::option::of(0..400u16));
    let sale = (0..2u8, chatter(), proptest::option::of(0..4u8), 0..12u16, 0..3u8, any::<bool>(), any::<bool>());
    prop_oneof![
        3 => message.prop_map(|(creator, chatter, fan, at, price, mass, bought, reply)| {
            TestRow::Message { creator, chatter, fan, at: at * 13, price, mass, bought, reply }
        }),
        1 => sale.prop_map(|(creator, chatter, fan, at, net, tip, reversed)| {
            TestRow::Sale { creator, chatter, fan, at: at * 13, net, tip, reversed }
        }),
    ]
}

fn histories() -> impl Strategy<Value = History> {
    let version = (0..4u8, 0..4u8, proptest::collection::vec(rows(), 0..12))
        .prop_map(|(file, exported_at, rows)| Step::Version { file, exported_at, rows });
    let step = prop_oneof![4 => version, 1 => (0..4u8).prop_map(|file| Step::Gone { file })];
    proptest::collection::vec((step, any::<bool>()), 1..8)
}

fn settings() -> DataflowSettings {
    DataflowSettings {
        workers: 1,
        reporting_tz: TimeZone::get("Europe/Belgrade").expect("a zone"),
        as_of: AsOf::Data,
        mass_sources: vec!["mass".to_owned()],
        whale_cents: 500,
        regular_cents: 200,
        epoch: std::time::Duration::ZERO,
        max_rows_in_flight: 1,
    }
}

/// What the log says of a version, given to a feed as its records would.
fn play(feed: &mut Feed, decoder: &mut Decoder, inputs: &mut Inputs, version: u64, step: &Step) {
    let (file, exported_at, rows, state) = match step {
        Step::Version { file, exported_at, rows } => (file, *exported_at, rows.as_slice(), FileState::Live),
        Step::Gone { file } => (file, 0, [].as_slice(), FileState::Gone),
    };
    let name = format!("inbox:{file}.xlsx");
    let mut sum = Checksum::default();
    for (ordinal, row) in rows.iter().enumerate() {
        let (kind, json) = row.json();
        let key = row_key(&name, version, ordinal as u64);
        sum.add(key.as_bytes(), &json);
        let checksum = xxh3_64_with_seed(&json, xxh3_64(key.as_bytes()));
        let row = decoder.decode(kind, &json).expect("a row is of its schema");
        feed.apply(Event::Row { file: &name, version, ordinal: ordinal as u64, checksum, row }, inputs);
    }
    let sheet = Sheet {
        position: 0,
        name: None,
        kind: Some(Kind::Message),
        rows_read: rows.len() as u64,
        accepted: rows.len() as u64,
        rejected: 0,
        rejects: Vec::new(),
        doubtful_times: 0,
        warnings: BTreeMap::new(),
    };
    let manifest = Manifest {
        file: name.clone(),
        version,
        state,
        name,
        zone: "UTC".to_owned(),
        exported_at: exported_at.into(),
        modified_at: exported_at.into(),
        rows: rows.len() as u64,
        checksum: sum.to_hex(),
        sheets: if state == FileState::Live { vec![sheet] } else { Vec::new() },
    };
    feed.apply(Event::Manifest(Box::new(manifest)), inputs);
}

/// A row of the view of that number, when it changed, and by how much.
type Seen = ((u8, Row), Epoch, isize);

/// The rows of all views, with their multiplicities.
type Snapshot = BTreeMap<(u8, Row), isize>;

/// Plays a history into a dataflow of so many workers, which reads the first `hydration` steps as it reads the log at its start.
/// Returns the rows of all views after each step that ended an epoch, by the step's position.
fn run(history: &[(u64, Step, bool)], hydration: usize, workers: usize) -> BTreeMap<usize, Snapshot> {
    let history = history.to_vec();
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let all = Arc::clone(&seen);
    let ends = epochs(&history, hydration);
    #[expect(clippy::disallowed_methods, reason = "the test runs the dataflow as the runtime does")]
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let mut inputs = Inputs::new();
        let seen = Arc::clone(&seen);
        worker.dataflow::<Epoch, _, _>(|scope| {
            updates(scope, &mut inputs, &settings()).inspect(move |(update, epoch, diff)| {
                if let Update::Row(view, row) = update {
                    seen.lock().expect("no worker panics").push(((*view, row.clone()), *epoch, *diff));
                }
            });
        });
        let mut feed = Feed::new(settings().mass_sources);
        let mut decoder = Decoder::new(settings().mass_sources);
        inputs.advance_to(1);
        for (place, (version, step, ends_epoch)) in history.iter().enumerate() {
            if place == hydration {
                inputs.advance_to(FIRST_LIVE_EPOCH);
            }
            // A file is read by one worker, as its partition is.
            let (Step::Version { file, .. } | Step::Gone { file }) = step;
            if usize::from(*file) % worker.peers() == worker.index() {
                play(&mut feed, &mut decoder, &mut inputs, *version, step);
            }
            if *ends_epoch {
                let next = inputs.epoch() + 1;
                inputs.advance_to(next);
                worker.step();
            }
        }
    });
    drop(guards.expect("the workers start"));
    let updates = all.lock().expect("no worker panics");
    let snapshot = |end: Epoch| {
        let mut rows = BTreeMap::new();
        for (row, _, diff) in updates.iter().filter(|(_, epoch, _)| *epoch <= end) {
            *rows.entry(row.clone()).or_insert(0) += diff;
        }
        rows.retain(|_, diff| *diff != 0);
        rows
    };
    ends.into_iter().map(|(place, end)| (place, snapshot(end))).collect()
}

/// After which steps the views are looked at, and up to which epoch: the last of hydration, and each one that ends after it.
fn epochs(history: &[(u64, Step, bool)], hydration: usize) -> BTreeMap<usize, Epoch> {
    let mut ends = BTreeMap::new();
    if hydration > 0 {
        ends.insert(hydration - 1, HYDRATED);
    }
    let mut epoch = FIRST_LIVE_EPOCH;
    for (place, (_, _, ends_epoch)) in history.iter().enumerate().skip(hydration) {
        if *ends_epoch || place + 1 == history.len() {
            ends.insert(place, epoch);
            epoch += 1;
        }
    }
    ends
}

/// The files that are live after these steps, as steps of their own, with their versions.
fn live(history: &[(u64, Step, bool)]) -> Vec<(u64, Step, bool)> {
    let mut files: BTreeMap<u8, (u64, Step, bool)> = BTreeMap::new();
    for (version, step, _) in history {
        match step {
            Step::Version { file, .. } => drop(files.insert(*file, (*version, step.clone(), false))),
            Step::Gone { file } => drop(files.remove(file)),
        }
    }
    files.into_values().collect()
}

/// The winning rows, by plain loops.
fn winners(live: &[(u64, Step, bool)]) -> Vec<TestRow> {
    let mut order: Vec<(u8, u8, &Vec<TestRow>)> = live
        .iter()
        .filter_map(|(_, step, _)| match step {
            Step::Version { file, exported_at, rows } => Some((*exported_at, *file, rows)),
            Step::Gone { .. } => None,
        })
        .collect();
    order.sort_by_key(|(exported_at, file, _)| (*exported_at, *file));
    let mut winners: BTreeMap<(String, usize), TestRow> = BTreeMap::new();
    for (_, _, rows) in order {
        let mut times: HashMap<String, usize> = HashMap::new();
        for row in rows {
            let count = times.entry(row.natural_key()).or_default();
            winners.insert((row.natural_key(), *count), row.clone());
            *count += 1;
        }
    }
    winners.into_values().collect()
}

/// The sum of a column of a table.
fn total(rows: &BTreeMap<(u8, Row), isize>, table: &str, column: &str) -> i64 {
    let number = TABLES.iter().position(|other| other.name == table).expect("the table is registered");
    let place = TABLES[number].columns.iter().position(|other| other.name == column).expect("the table has the column");
    let of_table = rows.iter().filter(|((view, _), _)| usize::from(*view) == number);
    of_table
        .map(|((_, row), times)| match &row.0[place] {
            Datum::Int(value) => value * (*times as i64),
            _ => 0,
        })
        .sum()
}

fn check_against_loops(rows: &BTreeMap<(u8, Row), isize>, winners: &[TestRow]) {
    let (mut sent, mut mass, mut ppv, mut net, mut reversed, mut replies) = (0, 0, 0, 0, 0, 0);
    for row in winners {
        match row {
            TestRow::Message { mass: true, .. } => mass += 1,
            TestRow::Message { price, bought, reply, .. } => {
                sent += 1;
                ppv += if *bought { i64::from(*price) * 100 } else { 0 };
                replies += i64::from(reply.is_some());
            }
            TestRow::Sale { net: cents, reversed: true, .. } => reversed += i64::from(*cents),
            TestRow::Sale { net: cents, .. } => net += i64::from(*cents),
        }
    }
    for table in ["chatter_hour", "chatter_day", "chatter_week", "chatter_month", "chatter_all"] {
        assert_eq!(total(rows, table, "messages_sent"), sent, "{table}");
        assert_eq!(total(rows, table, "mass_messages"), mass, "{table}");
        assert_eq!(total(rows, table, "ppv_sales_cents"), ppv, "{table}");
        assert_eq!(total(rows, table, "replies"), replies, "{table}");
    }
    assert_eq!(total(rows, "sales_day", "net_cents"), net);
    assert_eq!(total(rows, "sales_day", "reversed_net_cents"), reversed);
    assert_eq!(total(rows, "creator_day", "messages"), sent);
    assert_eq!(total(rows, "fan_measures", "messages_received"), sent);
    assert_eq!(total(rows, "fan_measures", "ppv_spend_cents"), ppv);
    for (row, times) in rows {
        assert_eq!(*times, 1, "{row:?}");
    }
}

fn check(history: &History, hydration: usize, workers: usize) {
    let numbered: Vec<(u64, Step, bool)> =
        history.iter().enumerate().map(|(place, (step, ends))| (place as u64 + 1, step.clone(), *ends)).collect();
    for (place, snapshot) in run(&numbered, hydration.min(numbered.len()), workers) {
        let live = live(&numbered[..=place]);
        let fresh = run(&live, live.len(), 1).pop_last().map(|(_, rows)| rows).unwrap_or_default();
        assert_eq!(snapshot, fresh, "after {} steps", place + 1);
        check_against_loops(&snapshot, &winners(&live));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn views_are_a_function_of_the_live_files(history in histories(), hydration in 0..4usize) {
        check(&history, hydration, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn two_workers_agree_with_one(history in histories(), hydration in 0..4usize) {
        check(&history, hydration, 2);
    }
}

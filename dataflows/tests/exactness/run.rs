//! Plays a history into the dataflow, and looks at the views after each epoch.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fandom_dataflows::ingest::decode::Decoder;
use fandom_dataflows::ingest::feed::{Feed, Inputs};
use fandom_dataflows::ingest::release::Event as LogEvent;
use fandom_dataflows::runtime::{Epoch, FIRST_LIVE_EPOCH, HYDRATED, updates};
use fandom_dataflows::sink::collect::Update;
use fandom_dataflows::sink::row::Row;
use fandom_schemas::keys::row_key;
use fandom_schemas::manifest::{Checksum, Manifest};
use fandom_schemas::rows::Kind;
use timely::worker::Worker;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::history::{Delivery, Event, History, Version};
use crate::oracle::time::day_number;

/// The rows of all views by the view's number, with their multiplicities.
pub type Snapshot = BTreeMap<(u8, Row), isize>;

/// A row of the view of that number, when it changed, and by how much.
type Seen = ((u8, Row), Epoch, isize);

/// Plays a history into a dataflow of so many workers, its first steps as the log at the start. Returns the rows of all views after
/// each step that ended an epoch, by the step's position.
pub fn run(history: &History, workers: usize) -> BTreeMap<usize, Snapshot> {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let all = Arc::clone(&seen);
    let played = history.clone();
    let config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    let failed = Arc::new(AtomicBool::new(false));
    #[expect(clippy::disallowed_methods, reason = "the test runs the dataflow as the runtime does")]
    let guards = timely::execute(config, move |worker| {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            play(worker, &played, &seen);
            while !worker.installed_dataflows().is_empty() && !failed.load(Ordering::Relaxed) {
                worker.step_or_park(Some(Duration::from_micros(100)));
            }
        }));
        // The others would wait for this one for ever.
        failed.fetch_or(ran.is_err(), Ordering::Relaxed);
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
        ran.err().map(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
        })
    });
    for panic in guards.expect("the workers start").join() {
        assert_eq!(panic.expect("a worker ends"), None, "a worker panicked");
    }
    let updates = all.lock().expect("no worker panics");
    let snapshot = |end: Epoch| {
        let mut rows = Snapshot::new();
        for (row, _, diff) in updates.iter().filter(|(_, epoch, _)| *epoch <= end) {
            *rows.entry(row.clone()).or_default() += diff;
        }
        rows.retain(|_, diff| *diff != 0);
        rows
    };
    epochs(history).into_iter().map(|(place, end)| (place, snapshot(end))).collect()
}

/// A worker's part, up to the end of its inputs.
fn play(worker: &mut Worker, history: &History, seen: &Arc<Mutex<Vec<Seen>>>) {
    let settings = history.setup.settings(worker.peers());
    let mut inputs = Inputs::new();
    let seen = Arc::clone(seen);
    worker.dataflow::<Epoch, _, _>(|scope| {
        updates(scope, &mut inputs, &settings).inspect(move |(update, epoch, diff)| {
            if let Update::Row(view, row) = update {
                seen.lock().expect("no worker panics").push(((*view, row.clone()), *epoch, *diff));
            }
        });
    });
    let mut log = Log {
        feed: Feed::new(settings.mass_sources.clone()),
        decoder: Decoder::new(settings.mass_sources),
        inputs,
        today: None,
        tick: 0,
        turn: 0,
    };
    log.inputs.advance_to(1);
    // A file is read by one worker, as its partition is; worker 0 tells the time.
    let tells_time = worker.index() == 0;
    if tells_time {
        log.day_begins(day_number(history.first_day));
        log.tick();
    }
    for (place, step) in history.steps.iter().enumerate() {
        if place == history.hydration {
            log.inputs.advance_to(FIRST_LIVE_EPOCH);
        }
        let reader = step.event.file().map_or(0, |file| usize::from(file) % worker.peers());
        if reader == worker.index() {
            match &step.event {
                Event::Version(version) => log.publish(step.number, version),
                Event::Gone(_) => log.manifest(step.event.manifest(step.number)),
                Event::Today(day) => log.day_begins(day_number(*day)),
            }
        }
        let live = place >= history.hydration;
        if live && (step.ends_epoch || place + 1 == history.steps.len()) && tells_time {
            if step.clusters.tick {
                log.tick();
            }
            (0..step.clusters.turns).for_each(|_| log.turn());
        }
        if step.ends_epoch {
            let next = log.inputs.epoch() + 1;
            log.inputs.advance_to(next);
            for _ in 0..step.worker_steps {
                worker.step();
            }
        }
    }
}

/// After which steps the views are looked at, and up to which epoch: the last of hydration, and each one that ends after it.
fn epochs(history: &History) -> BTreeMap<usize, Epoch> {
    let mut ends = BTreeMap::new();
    let hydration = history.hydration.min(history.steps.len());
    if hydration > 0 {
        ends.insert(hydration - 1, HYDRATED);
    }
    let mut epoch = FIRST_LIVE_EPOCH;
    for (place, step) in history.steps.iter().enumerate().skip(hydration) {
        if step.ends_epoch || place + 1 == history.steps.len() {
            ends.insert(place, epoch);
            epoch += 1;
        }
    }
    ends
}

/// The log as a worker reads it.
struct Log {
    feed: Feed,
    decoder: Decoder,
    inputs: Inputs,
    today: Option<i32>,
    tick: i64,
    turn: i64,
}

impl Log {
    fn day_begins(&mut self, day: i32) {
        let epoch = self.inputs.epoch();
        if let Some(before) = self.today.replace(day) {
            self.inputs.today.send((before, epoch, -1));
        }
        self.inputs.today.send((day, epoch, 1));
    }

    fn tick(&mut self) {
        self.inputs.tick(self.tick);
        self.tick += 1;
    }

    fn turn(&mut self) {
        self.inputs.turn(self.turn);
        self.turn += 1;
    }

    /// The records of a version, as its delivery has them.
    fn publish(&mut self, number: u64, version: &Version) {
        let rows: Vec<(Kind, Vec<u8>)> = version.rows().iter().map(|row| (row.kind(), row.to_json())).collect();
        let mut manifest = version.manifest(number);
        let mut checksum = Checksum::default();
        for (ordinal, (_, json)) in rows.iter().enumerate() {
            checksum.add(row_key(&manifest.file, number, ordinal as u64).as_bytes(), json);
        }
        manifest.checksum = checksum.to_hex();
        let file = manifest.file.clone();
        match version.delivery {
            Delivery::Plain => {
                self.rows(&file, number, &rows);
                self.manifest(manifest);
            }
            Delivery::Resumed(after) => {
                self.rows(&file, number, &rows[..rows.len().min(after.into())]);
                self.rows(&file, number, &rows);
                self.manifest(manifest);
            }
            Delivery::Repeated => {
                for _ in 0..2 {
                    self.rows(&file, number, &rows);
                    self.manifest(manifest.clone());
                }
            }
            Delivery::ManifestFirst => {
                self.manifest(manifest);
                self.rows(&file, number, &rows);
            }
            Delivery::Compacted => {
                self.rows(&file, number, &rows);
                self.manifest(manifest);
                for (version, ordinal) in (1..number).flat_map(|version| (0..3).map(move |ordinal| (version, ordinal)))
                {
                    self.feed.apply(LogEvent::Tombstone { file: &file, version, ordinal }, &mut self.inputs);
                }
            }
            Delivery::Abandoned => self.rows(&file, number, &rows),
        }
    }

    fn rows(&mut self, file: &str, version: u64, rows: &[(Kind, Vec<u8>)]) {
        for (ordinal, (kind, json)) in rows.iter().enumerate() {
            let ordinal = ordinal as u64;
            let key = row_key(file, version, ordinal);
            let checksum = xxh3_64_with_seed(json, xxh3_64(key.as_bytes()));
            let row = self.decoder.decode(*kind, json).expect("a row is of its schema");
            self.feed.apply(LogEvent::Row { file, version, ordinal, checksum, row }, &mut self.inputs);
        }
    }

    fn manifest(&mut self, manifest: Manifest) {
        self.feed.apply(LogEvent::Manifest(Box::new(manifest)), &mut self.inputs);
    }
}

//! Which rows count: all those of a file's version at once, from the moment its manifest arrives.
//!
//! ```text
//!             ┌── row of a version not yet ended ──▶ pending (by file and version)
//!  events ────┤
//!             └── manifest ──▶ − the live version's rows, + the pending ones ──▶ changes
//! ```
//!
//! Invariants
//! 1. The changes, summed, are exactly the rows of the newest complete version of every file that is not gone.
//! 2. A version is released once its manifest is there and its rows agree with it in number and checksum; until
//!    then the version before it stays. Neither repeated records nor what compaction leaves out change the result.
//! 3. Rows of equal natural key within one sheet are numbered in the order in which they stand.
//! 4. Of a live version only the keys and names are kept, not the facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use fandom_schemas::identity::{self, Id};
use fandom_schemas::manifest::{FileState, Manifest};
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use super::decode::{Decoded, NameUse, Parsed};
use crate::facts::key::Key;
use crate::facts::{Change, CreatorReport, FileVersion, Holder, Message, Period, Sale, SheetName, TemplateDay};
use crate::views::files::SheetOfFile;
use crate::views::names::{Name, NameOf};

/// What a record of the log says.
#[expect(clippy::large_enum_variant, reason = "events are taken in one at a time")]
pub enum Event<'a> {
    /// A row of a version of a file.
    Row {
        /// The file's id.
        file: &'a str,
        /// Its version.
        version: u64,
        /// The row's number in the version.
        ordinal: u64,
        /// The record's share of the version's checksum.
        checksum: u64,
        /// What the row says.
        row: Decoded<'a>,
    },
    /// A row was taken off the log.
    Tombstone {
        /// The file's id.
        file: &'a str,
        /// Its version.
        version: u64,
        /// The row's number in the version.
        ordinal: u64,
    },
    /// A version is complete.
    Manifest(Box<Manifest>),
}

/// What changes when a version is released, by kind.
#[derive(Default)]
pub struct Changes {
    /// Messages.
    pub messages: Vec<Change<Message>>,
    /// Sales.
    pub sales: Vec<Change<Sale>>,
    /// Employees' periods.
    pub periods: Vec<Change<Period>>,
    /// Creators' reported days.
    pub reports: Vec<Change<CreatorReport>>,
    /// Days of the agency's template.
    pub template_days: Vec<Change<TemplateDay>>,
    /// Names.
    pub names: Vec<Change<Name>>,
    /// Sheets that begin (1) or cease (−1) to be live.
    pub sheets: Vec<(SheetOfFile, isize)>,
}

impl Changes {
    /// How many rows change.
    pub fn rows(&self) -> usize {
        self.messages.len() + self.sales.len() + self.periods.len() + self.reports.len() + self.template_days.len()
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken in.
    Taken,
    /// It repeats what is known.
    Stale,
    /// A manifest whose rows are not all there: its version waits for them.
    Incomplete,
}

/// The files of a worker's partitions.
#[derive(Default)]
pub struct Release {
    files: HashMap<String, File>,
}

#[derive(Default)]
struct File {
    /// The newest version that was released, or taken back.
    settled: u64,
    live: Option<Live>,
    pending: BTreeMap<u64, Pending>,
}

/// What a live version needs to be taken back.
struct Live {
    version: Arc<FileVersion>,
    messages: Keys,
    sales: Keys,
    periods: Keys,
    reports: Keys,
    template_days: Keys,
    names: Keys,
    sheets: Vec<SheetOfFile>,
}

/// Keys by sheet.
#[derive(Default)]
struct Keys(Vec<(u16, Vec<Key>)>);

/// So far beyond the last row known, a row has no place kept for it and for all between: any number may stand on the log.
const FAR: u64 = 65_536;

/// Rows of a piece. Pieces are not moved when more rows come, and the memory of one is that of the next.
const PIECE: usize = 256;

#[derive(Default)]
struct Pending {
    /// By ordinal, in pieces; the second part is the record's share of the checksum.
    rows: Vec<Vec<Option<(Parsed, u64)>>>,
    /// Those whose ordinals are far beyond.
    beyond: BTreeMap<u64, (Parsed, u64)>,
    count: u64,
    checksum: u64,
    names: HashMap<NameOf, NameUse<'static>>,
    manifest: Option<Box<Manifest>>,
}

impl Release {
    /// Takes in an event; adds what it changes to `changes`.
    pub fn apply(&mut self, event: Event<'_>, changes: &mut Changes) -> Outcome {
        match event {
            Event::Row { file, version, ordinal, checksum, row } => {
                let file = self.files.entry_ref(file).or_default();
                if version <= file.settled {
                    return Outcome::Stale;
                }
                let pending = file.pending.entry(version).or_default();
                pending.put(ordinal, checksum, row);
                match pending.manifest.take() {
                    None => Outcome::Taken,
                    Some(manifest) => file.settle(manifest, changes),
                }
            }
            Event::Tombstone { file, version, ordinal } => {
                let Some(file) = self.files.get_mut(file) else { return Outcome::Stale };
                let Some(pending) = file.pending.get_mut(&version) else { return Outcome::Stale };
                pending.remove(ordinal);
                // Of an attempt that was given up nothing stays.
                if pending.count == 0 && pending.manifest.is_none() {
                    file.pending.remove(&version);
                }
                Outcome::Taken
            }
            Event::Manifest(manifest) => {
                let file = self.files.entry_ref(manifest.file.as_str()).or_default();
                if manifest.version <= file.settled {
                    return Outcome::Stale;
                }
                file.settle(manifest, changes)
            }
        }
    }

    /// Rows that wait for their manifest.
    pub fn pending_rows(&self) -> u64 {
        self.files.values().flat_map(|file| file.pending.values()).map(|pending| pending.count).sum()
    }
}

impl File {
    fn settle(&mut self, manifest: Box<Manifest>, changes: &mut Changes) -> Outcome {
        let live = manifest.state == FileState::Live;
        if live {
            let pending = self.pending.entry(manifest.version).or_default();
            if !pending.agrees(&manifest) {
                pending.manifest = Some(manifest);
                return Outcome::Incomplete;
            }
        }
        if let Some(live) = self.live.take() {
            live.take_back(changes);
        }
        self.settled = manifest.version;
        let later = self.pending.split_off(&(manifest.version + 1));
        let pending = std::mem::replace(&mut self.pending, later).remove(&manifest.version);
        if live {
            self.live = Some(Live::count(pending.unwrap_or_default(), &manifest, changes));
        }
        Outcome::Taken
    }
}

impl Pending {
    fn put(&mut self, ordinal: u64, checksum: u64, row: Decoded<'_>) {
        self.remove(ordinal);
        if ordinal > (self.rows.len() * PIECE) as u64 + FAR {
            self.beyond.insert(ordinal, (row.parsed, checksum));
        } else {
            let (piece, place) = (ordinal as usize / PIECE, ordinal as usize % PIECE);
            if piece >= self.rows.len() {
                self.rows.resize_with(piece + 1, Vec::new);
            }
            let piece = &mut self.rows[piece];
            if place >= piece.len() {
                piece.reserve_exact(PIECE - piece.len());
                piece.resize_with(place + 1, || None);
            }
            piece[place] = Some((row.parsed, checksum));
        }
        self.count += 1;
        self.checksum = self.checksum.wrapping_add(checksum);
        for (of, name) in row.names {
            match self.names.entry(of) {
                Entry::Occupied(known) if *known.get() == name => {}
                entry => drop(entry.insert(name.into_owned())),
            }
        }
    }

    fn remove(&mut self, ordinal: u64) {
        let place = usize::try_from(ordinal).ok();
        let place = place.and_then(|place| self.rows.get_mut(place / PIECE)?.get_mut(place % PIECE));
        if let Some((_, checksum)) = place.and_then(Option::take).or_else(|| self.beyond.remove(&ordinal)) {
            self.count -= 1;
            self.checksum = self.checksum.wrapping_sub(checksum);
        }
    }

    /// The rows in the order of their ordinals.
    fn in_order(mut self) -> impl Iterator<Item = Parsed> {
        if !self.beyond.is_empty() {
            let near = (0..).step_by(PIECE).zip(self.rows).flat_map(|(first, piece)| (first..).zip(piece));
            self.beyond.extend(near.filter_map(|(ordinal, row)| Some((ordinal, row?))));
            self.rows = vec![self.beyond.into_values().map(Some).collect()];
        }
        self.rows.into_iter().flatten().flatten().map(|(parsed, _)| parsed)
    }

    fn agrees(&self, manifest: &Manifest) -> bool {
        self.count == manifest.rows && format!("{:016x}", self.checksum) == manifest.checksum
    }
}

impl Live {
    /// Makes the rows of a version count.
    fn count(mut pending: Pending, manifest: &Manifest, changes: &mut Changes) -> Live {
        let version = Arc::new(FileVersion {
            exported_at: manifest.exported_at,
            modified_at: manifest.modified_at,
            file: manifest.file.as_str().into(),
            version: manifest.version,
            id: identity::file_id(&manifest.file),
        });
        let mut live = Live {
            messages: Keys::default(),
            sales: Keys::default(),
            periods: Keys::default(),
            reports: Keys::default(),
            template_days: Keys::default(),
            names: Keys::default(),
            sheets: SheetOfFile::of_manifest(manifest, version.id),
            version,
        };
        let mut sheet_names = HashMap::new();
        let mut seen: HashMap<(u16, Key), u32> = HashMap::with_capacity(pending.count as usize);
        let names = std::mem::take(&mut pending.names);
        let mut period_rows = HashSet::new();
        for parsed in pending.in_order() {
            let (sheet, key) = parsed.place();
            let times = seen.entry((sheet, key)).or_default();
            let key = key.occurrence(*times);
            *times += 1;
            let holder = Holder { file: Arc::clone(&live.version), sheet };
            match parsed {
                Parsed::Message(_, _, fact) => add(&mut live.messages, &mut changes.messages, key, holder, fact),
                Parsed::Sale(_, _, fact) => add(&mut live.sales, &mut changes.sales, key, holder, *fact),
                Parsed::Period(_, _, mut fact) => {
                    // What was reported is shown by the row that reports it.
                    if !period_rows.insert((sheet, fact.row)) {
                        tracing::error!(
                            file = live.version.id,
                            sheet,
                            row = fact.row,
                            "a row that stands twice in a sheet counts once"
                        );
                        continue;
                    }
                    fact.sheet = sheet_name(&mut sheet_names, manifest, live.version.id, sheet);
                    add(&mut live.periods, &mut changes.periods, key, holder, *fact);
                }
                Parsed::Report(_, _, fact) => add(&mut live.reports, &mut changes.reports, key, holder, *fact),
                Parsed::TemplateDay(_, _, fact) => {
                    add(&mut live.template_days, &mut changes.template_days, key, holder, *fact);
                }
            }
        }
        for (of, name) in names {
            let holder = Holder { file: Arc::clone(&live.version), sheet: 0 };
            add(&mut live.names, &mut changes.names, of.key(), holder, name.shown(of));
        }
        let Live { messages, sales, periods, reports, template_days, names, .. } = &mut live;
        for keys in [messages, sales, periods, reports, template_days, names] {
            keys.0.iter_mut().for_each(|(_, keys)| keys.shrink_to_fit());
        }
        changes.sheets.extend(live.sheets.iter().cloned().map(|sheet| (sheet, 1)));
        live
    }

    /// Makes them count no more.
    fn take_back(self, changes: &mut Changes) {
        retract(self.messages, &self.version, &mut changes.messages);
        retract(self.sales, &self.version, &mut changes.sales);
        retract(self.periods, &self.version, &mut changes.periods);
        retract(self.reports, &self.version, &mut changes.reports);
        retract(self.template_days, &self.version, &mut changes.template_days);
        retract(self.names, &self.version, &mut changes.names);
        changes.sheets.extend(self.sheets.into_iter().map(|sheet| (sheet, -1)));
    }
}

/// The names of a sheet, shared by its rows.
fn sheet_name(
    known: &mut HashMap<u16, Arc<SheetName>>,
    manifest: &Manifest,
    file_id: Id,
    position: u16,
) -> Arc<SheetName> {
    let named = known.entry(position).or_insert_with(|| {
        let sheet = manifest.sheets.iter().find(|sheet| sheet.position == position);
        let sheet = sheet.and_then(|sheet| sheet.name.as_deref()).map(Into::into);
        Arc::new(SheetName { file_id, position, file: manifest.name.as_str().into(), sheet })
    });
    Arc::clone(named)
}

fn add<F>(keys: &mut Keys, changes: &mut Vec<Change<F>>, key: Key, holder: Holder, fact: F) {
    match keys.0.iter_mut().find(|(sheet, _)| *sheet == holder.sheet) {
        Some((_, keys)) => keys.push(key),
        None => keys.0.push((holder.sheet, vec![key])),
    }
    changes.push(Change { key, holder, fact: Some(fact) });
}

fn retract<F>(keys: Keys, version: &Arc<FileVersion>, changes: &mut Vec<Change<F>>) {
    for (sheet, keys) in keys.0 {
        changes.extend(keys.into_iter().map(|key| {
            let holder = Holder { file: Arc::clone(version), sheet };
            Change { key, holder, fact: None }
        }));
    }
}

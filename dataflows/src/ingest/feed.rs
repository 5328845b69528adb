//! A worker's inputs, and what goes into them.
//!
//! ```text
//!  reader ─▶ decode ─▶ release ─▶ changes ─▶ inputs at the worker's epoch
//! ```

use std::fmt::Display;

use fandom_schemas::keys::parse_row_key;
use fandom_schemas::manifest::Manifest;
use fandom_schemas::rows::Kind;
use fandom_services::trace;
use timely::dataflow::operators::vec::input::Handle;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::decode::Decoder;
use super::plausible::{implausible, implausible_manifest};
use super::reader::Record;
use super::release::{Changes, Event, Outcome, Release};
use super::storable;
use crate::facts::{Change, CreatorReport, Message, Period, Sale, TemplateDay};
use crate::runtime::Epoch;
use crate::sink::collect::Update;
use crate::views::files::SheetOfFile;
use crate::views::names::Name;

/// An input of updates with their multiplicity.
type Updates<D> = Handle<Epoch, (D, Epoch, isize)>;

/// A worker's inputs of the dataflow.
pub struct Inputs {
    /// Changes of messages.
    pub messages: Handle<Epoch, Change<Message>>,
    /// Changes of sales.
    pub sales: Handle<Epoch, Change<Sale>>,
    /// Changes of employees' periods.
    pub periods: Handle<Epoch, Change<Period>>,
    /// Changes of creators' reported days.
    pub reports: Handle<Epoch, Change<CreatorReport>>,
    /// Changes of days of the agency's template.
    pub template_days: Handle<Epoch, Change<TemplateDay>>,
    /// Changes of names.
    pub names: Handle<Epoch, Change<Name>>,
    /// Sheets of live files.
    pub sheets: Updates<SheetOfFile>,
    /// Today.
    pub today: Updates<i32>,
    /// The number of the last tick.
    pub ticks: Updates<i64>,
    /// The number of the last turn.
    pub turns: Updates<i64>,
    /// How far partitions have been read.
    pub bindings: Updates<Update>,
}

impl Inputs {
    /// Inputs that are not yet part of a dataflow.
    pub fn new() -> Inputs {
        Inputs {
            messages: Handle::new(),
            sales: Handle::new(),
            periods: Handle::new(),
            reports: Handle::new(),
            template_days: Handle::new(),
            names: Handle::new(),
            sheets: Handle::new(),
            today: Handle::new(),
            ticks: Handle::new(),
            turns: Handle::new(),
            bindings: Handle::new(),
        }
    }

    /// Ends the epochs before this one.
    pub fn advance_to(&mut self, epoch: Epoch) {
        self.messages.advance_to(epoch);
        self.sales.advance_to(epoch);
        self.periods.advance_to(epoch);
        self.reports.advance_to(epoch);
        self.template_days.advance_to(epoch);
        self.names.advance_to(epoch);
        self.sheets.advance_to(epoch);
        self.today.advance_to(epoch);
        self.ticks.advance_to(epoch);
        self.turns.advance_to(epoch);
        self.bindings.advance_to(epoch);
    }

    /// The epoch of what is given now.
    pub fn epoch(&self) -> Epoch {
        *self.messages.time()
    }

    /// Puts a tick in the place of the one before it.
    pub fn tick(&mut self, tick: i64) {
        let epoch = self.epoch();
        replace(&mut self.ticks, tick, epoch);
    }

    /// Puts a turn in the place of the one before it.
    pub fn turn(&mut self, turn: i64) {
        let epoch = self.epoch();
        replace(&mut self.turns, turn, epoch);
    }

    fn give(&mut self, changes: &mut Changes) {
        let epoch = self.epoch();
        self.messages.send_batch(&mut changes.messages);
        self.sales.send_batch(&mut changes.sales);
        self.periods.send_batch(&mut changes.periods);
        self.reports.send_batch(&mut changes.reports);
        self.template_days.send_batch(&mut changes.template_days);
        self.names.send_batch(&mut changes.names);
        self.sheets.send_batch(&mut changes.sheets.drain(..).map(|(sheet, diff)| (sheet, epoch, diff)).collect());
    }
}

/// Puts a number in the place of the one before it, which counts from 0.
fn replace(input: &mut Updates<i64>, number: i64, epoch: Epoch) {
    if number > 0 {
        input.send((number - 1, epoch, -1));
    }
    input.send((number, epoch, 1));
}

impl Default for Inputs {
    fn default() -> Inputs {
        Inputs::new()
    }
}

/// From records to inputs.
pub struct Feed {
    decoder: Decoder,
    release: Release,
    changes: Changes,
    /// Of the manifests that were taken in since this was last asked.
    traces: Vec<String>,
}

impl Feed {
    /// A feed for which the source of a mass message contains one of these words.
    pub fn new(mass_sources: Vec<String>) -> Feed {
        Feed {
            decoder: Decoder::new(mass_sources),
            release: Release::default(),
            changes: Changes::default(),
            traces: Vec::new(),
        }
    }

    /// Takes in a record; returns how many rows it makes count or count no more.
    pub fn take(&mut self, record: &Record<'_>, inputs: &mut Inputs) -> usize {
        let (partition, offset) = record.place();
        let Some(key) = record.key() else {
            refuse(&"it has no key of text", partition, offset);
            return 0;
        };
        let event = match (record.value(), parse_row_key(key)) {
            (None, Some((file, version, ordinal))) => Event::Tombstone { file, version, ordinal },
            (None, None) => return 0,
            (Some(json), parsed) => match (kind_of(json, record), parsed) {
                (Some(kind), Some((file, version, ordinal))) => match self.decoder.decode(kind, json) {
                    Ok(row) => {
                        if let Some(field) = implausible(&row.parsed) {
                            refuse(&format_args!("its {field} is beyond what is believed"), partition, offset);
                            return 0;
                        }
                        let checksum = xxh3_64_with_seed(json, xxh3_64(key.as_bytes()));
                        Event::Row { file, version, ordinal, checksum, row }
                    }
                    Err(error) => {
                        refuse(&error, partition, offset);
                        return 0;
                    }
                },
                _ => match serde_json::from_slice::<Manifest>(json) {
                    Ok(mut manifest) => {
                        if let Some(field) = implausible_manifest(&manifest) {
                            refuse(&format_args!("its {field} is beyond what is believed"), partition, offset);
                            return 0;
                        }
                        storable::manifest(&mut manifest);
                        Event::Manifest(Box::new(manifest))
                    }
                    Err(error) => {
                        refuse(&error, partition, offset);
                        return 0;
                    }
                },
            },
        };
        let is_manifest = matches!(event, Event::Manifest(_));
        let (rows, outcome) = self.apply(event, inputs);
        if is_manifest && outcome == Outcome::Taken && trace::is_sent() {
            self.traces.extend(record.trace().filter(|header| trace::id(header).is_some()).map(str::to_owned));
        }
        if is_manifest && outcome == Outcome::Incomplete {
            tracing::warn!(partition, offset, "a manifest waits for rows that are not all there");
        }
        rows
    }

    /// The traces of the files that were taken in since this was last asked, none unless spans are sent.
    pub fn take_traces(&mut self) -> Vec<String> {
        std::mem::take(&mut self.traces)
    }

    /// Rows of versions whose manifest has not come.
    pub fn pending_rows(&self) -> u64 {
        self.release.pending_rows()
    }

    /// Takes in an event; returns how many rows it makes count or count no more, and what became of it.
    pub fn apply(&mut self, event: Event<'_>, inputs: &mut Inputs) -> (usize, Outcome) {
        let outcome = self.release.apply(event, &mut self.changes);
        let rows = self.changes.rows();
        if rows > 0 || !self.changes.sheets.is_empty() {
            inputs.give(&mut self.changes);
        }
        (rows, outcome)
    }
}

/// Tells of a record that no connector of the suite wrote. A version that it belongs to never counts: the one before it stays.
fn refuse(why: &dyn Display, partition: i32, offset: i64) {
    crate::meters::refused();
    tracing::error!(partition, offset, error = %why, "a record that is not of its schema was passed over");
}

/// The kind of a row: the first member of its JSON, as the suite writes it, else the header.
fn kind_of(json: &[u8], record: &Record<'_>) -> Option<Kind> {
    const START: &[u8] = b"{\"kind\":\"";
    let named = json.strip_prefix(START).and_then(|rest| {
        let end = rest.iter().take(32).position(|byte| *byte == b'"')?;
        Kind::from_name(std::str::from_utf8(&rest[..end]).ok()?)
    });
    named.or_else(|| record.kind().and_then(Kind::from_name))
}

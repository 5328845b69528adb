//! Each row once (METRICS.md §2).

use std::collections::{BTreeMap, BTreeSet};

use fandom_schemas::identity::{self, Id};
use fandom_schemas::manifest::Manifest;
use fandom_schemas::rows::{ChatterDay, CreatorDay, EmployeePeriod, Message, Row, Sale};

use super::{LiveFile, creator_id};

/// The winning rows, by kind, and how often rows are held beside the first.
#[derive(Default)]
pub struct Winners<'a> {
    /// Messages.
    pub messages: Vec<&'a Message<'static>>,
    /// Sales.
    pub sales: Vec<&'a Sale<'static>>,
    /// Employees' periods, and the files that hold the winning rows.
    pub periods: Vec<(&'a EmployeePeriod, &'a Manifest)>,
    /// Creators' reported days and periods.
    pub reports: Vec<&'a CreatorDay>,
    /// Days of the agency's template.
    pub template_days: Vec<&'a ChatterDay>,
    /// Rows by file and sheet that an earlier sheet of a live file also holds.
    pub duplicates: BTreeMap<(String, u16), i64>,
}

impl Winners<'_> {
    /// The winning rows of these files.
    pub fn of(live: &[LiveFile]) -> Winners<'_> {
        let mut holders: BTreeMap<(String, usize), Vec<_>> = BTreeMap::new();
        for file in live {
            let manifest = &file.manifest;
            let mut seen: BTreeMap<(u16, String), usize> = BTreeMap::new();
            for row in &file.rows {
                let (sheet, key) = (sheet(row), natural_key(row));
                let occurrence = seen.entry((sheet, key.clone())).or_default();
                let rank = (manifest.exported_at, manifest.modified_at, manifest.file.as_str(), sheet);
                holders.entry((key, *occurrence)).or_default().push((rank, row, manifest));
                *occurrence += 1;
            }
        }
        let mut winners = Winners::default();
        for mut holders in holders.into_values() {
            holders.sort_by_key(|(rank, ..)| *rank);
            for ((_, _, file, sheet), ..) in &holders[1..] {
                *winners.duplicates.entry((file.to_string(), *sheet)).or_default() += 1;
            }
            let (_, row, manifest) = holders[holders.len() - 1];
            match row {
                Row::Message(row) => winners.messages.push(row),
                Row::Sale(row) => winners.sales.push(row),
                Row::EmployeePeriod(row) => winners.periods.push((row, manifest)),
                Row::CreatorDay(row) => winners.reports.push(row),
                Row::ChatterDay(row) => winners.template_days.push(row),
            }
        }
        winners
    }
}

fn sheet(row: &Row<'_>) -> u16 {
    match row {
        Row::Message(row) => row.sheet,
        Row::Sale(row) => row.sheet,
        Row::EmployeePeriod(row) => row.sheet,
        Row::CreatorDay(row) => row.sheet,
        Row::ChatterDay(row) => row.sheet,
    }
}

/// What makes it the same row; a template's by chatter and day.
fn natural_key(row: &Row<'_>) -> String {
    match row {
        Row::Message(row) => {
            let who = (creator_of_message(row), chatter(row.chatter.as_deref()), fan_of_message(row));
            format!("message {who:?} {} {} {:?} {}", row.sent_at, row.price_cents, row.source, row.text_hash)
        }
        Row::Sale(row) => {
            let who = (chatter(row.chatter.as_deref()), creator_of_sale(row), fan_of_sale(row));
            format!("sale {} {who:?} {:?} {} {}", row.sold_at, row.sale_type, row.gross_cents, row.net_cents)
        }
        Row::EmployeePeriod(row) => {
            let (chatter, creators) = (chatter(row.chatter.as_deref()), BTreeSet::from_iter(creators(row)));
            format!("period {:?} {chatter} {creators:?} {} {}", row.granularity, row.start_at, row.end_at)
        }
        Row::CreatorDay(row) => {
            format!("report {} {} {} {:?}", creator_id(&row.creator), row.first_day, row.last_day, row.basis)
        }
        Row::ChatterDay(row) => format!("template {} {}", chatter(row.chatter.as_deref()), row.day),
    }
}

/// Who wrote or sold; 0 is the unattributed chatter.
pub fn chatter(name: Option<&str>) -> Id {
    identity::chatter_id(name)
}

/// For whom a message was written.
pub fn creator_of_message(row: &Message<'_>) -> Id {
    identity::creator_id(&row.platform, &row.creator)
}

/// For whom a sale was made.
pub fn creator_of_sale(row: &Sale<'_>) -> Id {
    identity::creator_id(&row.platform, &row.creator)
}

/// To whom a message was written.
pub fn fan_of_message(row: &Message<'_>) -> Id {
    identity::fan_id(&row.platform, &row.fan)
}

/// Who bought, where the row names a fan.
pub fn fan_of_sale(row: &Sale<'_>) -> Option<Id> {
    row.fan.as_deref().map(|fan| identity::fan_id(&row.platform, fan))
}

/// The creators of a period in the sheet's order, each once.
pub fn creators(row: &EmployeePeriod) -> Vec<Id> {
    let mut creators: Vec<Id> = Vec::new();
    for id in row.creators.iter().map(creator_id) {
        if !creators.contains(&id) {
            creators.push(id);
        }
    }
    creators
}

/// Whether a message is mass (METRICS.md §4).
pub fn is_mass(row: &Message<'_>, mass_sources: &[&str]) -> bool {
    mass_sources.iter().any(|word| row.source.to_lowercase().contains(word))
}

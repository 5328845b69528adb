//! What both engines are given: rows that files begin and cease to hold, in steps.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use fandom_dataflows::facts::key::route_of_fan;
use fandom_schemas::rows::Message;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::load;

/// Rows of a file after the history, and of the one that is corrected.
const FILE_ROWS: u64 = 5_000;
/// Files after the history.
const FILES: u64 = 100;
/// Every so many rows of the history one is also in a later file.
const ALSO_ELSEWHERE: u64 = 20;
/// How often a file and a row are corrected.
const CORRECTED_FILES: u64 = 20;
const CORRECTED_ROWS: u64 = 1_000;

/// A row that a file begins or ceases to hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// The natural key.
    pub(super) key: [u64; 2],
    /// What holds it: the greatest counts.
    pub(super) order: u64,
    /// The creator.
    pub(super) creator: u64,
    /// The chatter.
    pub(super) chatter: u64,
    /// The fan.
    pub(super) fan: u64,
    /// When it was sent, in seconds since the Unix epoch.
    pub(super) sent_at: i64,
    /// Its price.
    pub(super) price_cents: i64,
    /// Whether the fan bought it.
    pub(super) purchased: bool,
    /// Whether the file begins to hold it.
    pub(super) present: bool,
}

/// Changes of one epoch.
#[derive(Debug)]
pub(super) struct Step {
    /// `history`, `file`, `corrected` or `row`.
    pub(super) name: String,
    /// The changes.
    pub(super) changes: Vec<Change>,
}

/// A history, files after it, corrections of files, corrections of rows.
pub(super) fn steps(rows: u64, fans: u64) -> Vec<Step> {
    let held = |row: u64, order: u64| held(&load::message(row, rows, fans), row, order);
    let of_file = |file: u64| rows + file * FILE_ROWS..rows + (file + 1) * FILE_ROWS;
    let named = |name: &str, changes: Vec<Change>| Step { name: name.to_owned(), changes };
    let twice = (0..rows).step_by(ALSO_ELSEWHERE as usize).map(|row| held(row, 2));
    let mut steps = vec![named("history", (0..rows).map(|row| held(row, 1)).chain(twice).collect())];
    let version = |file: u64, version: u64| 1_000 * version + 10 + file;
    for file in 0..FILES {
        steps.push(named("file", of_file(file).map(|row| held(row, version(file, 0))).collect()));
    }
    // A new version of each says that some were bought after all; the old one is not live any more.
    let corrected = |row: u64, order: u64| {
        let change = held(row, order);
        Change { purchased: change.price_cents > 0 && row.is_multiple_of(3) || change.purchased, ..change }
    };
    for file in 0..CORRECTED_FILES.min(FILES) {
        let gone = of_file(file).map(|row| Change { present: false, ..held(row, version(file, 0)) });
        let come = of_file(file).map(|row| corrected(row, version(file, 1)));
        steps.push(named("corrected", gone.chain(come).collect()));
    }
    for row in 0..CORRECTED_ROWS {
        let row = rows + FILE_ROWS * CORRECTED_FILES + row;
        let file = (row - rows) / FILE_ROWS;
        let gone = Change { present: false, ..held(row, version(file, 0)) };
        steps.push(named("row", vec![gone, Change { purchased: !gone.purchased, ..held(row, version(file, 1)) }]));
    }
    steps
}

fn held(message: &Message<'_>, row: u64, order: u64) -> Change {
    let id = |name: &str| xxh3_64(name.as_bytes());
    let (creator, fan) = (id(&message.creator), id(&message.fan));
    let hash = xxh3_128(&row.to_le_bytes());
    // Like the dataflow's own keys, they are found where the rows of the fan are.
    let high = route_of_fan(creator, fan) << 32 | (hash >> 64) as u64 & u64::from(u32::MAX);
    Change {
        key: [high, hash as u64],
        order,
        creator,
        chatter: message.chatter.as_deref().map_or(0, id),
        fan,
        sent_at: message.sent_at,
        price_cents: message.price_cents,
        purchased: message.purchased,
        present: true,
    }
}

/// Reads what `engine::write` wrote.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Step>> {
    let mut file = BufReader::with_capacity(1 << 20, std::fs::File::open(path)?);
    let mut steps = Vec::new();
    loop {
        let mut line = String::new();
        if file.read_line(&mut line)? == 0 {
            return Ok(steps);
        }
        let (name, count) = line.trim_end().split_once(' ').context("a step has a name and a count")?;
        let mut changes = Vec::with_capacity(count.parse()?);
        for _ in 0..changes.capacity() {
            let mut bytes = [0; 72];
            file.read_exact(&mut bytes)?;
            let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * at + byte]));
            changes.push(Change {
                key: [number(0), number(1)],
                order: number(2),
                creator: number(3),
                chatter: number(4),
                fan: number(5),
                sent_at: number(6).cast_signed(),
                price_cents: number(7).cast_signed(),
                purchased: number(8) & 1 == 1,
                present: number(8) & 2 == 2,
            });
        }
        steps.push(Step { name: name.to_owned(), changes });
    }
}

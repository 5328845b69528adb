//! The rows of the dataflow against those of the oracle: every table, every column.

use std::collections::BTreeMap;

use fandom_dataflows::sink::row::{Datum, Row};
use fandom_dataflows::sink::table::Table;
use fandom_dataflows::views::TABLES;
use fandom_schemas::identity::Id;
use serde_json::Value;

use crate::oracle::{AFTER_TICKS, Expected, Line, Tables, WITHOUT_ORACLE};
use crate::run::Snapshot;

/// What is wrong, a line each; nothing when the views are right.
pub fn differences(expected: &Tables, snapshot: &Snapshot) -> Vec<String> {
    let mut found = Vec::new();
    for (number, table) in TABLES.iter().enumerate() {
        let rows = snapshot.iter().filter(|((view, _), _)| usize::from(*view) == number);
        let rows = by_key(table, rows.map(|((_, row), times)| (row, *times)), &mut found);
        match (expected.get(table.name), WITHOUT_ORACLE.iter().any(|(name, _)| *name == table.name)) {
            (Some(lines), false) => compare(table, lines, rows, &mut found),
            (None, true) => {}
            (None, false) if table.name == AFTER_TICKS => {}
            (Some(_), true) => found.push(format!("{}: has an oracle, and is listed as having none", table.name)),
            (None, false) => found.push(format!("{}: has no oracle, and no reason is listed", table.name)),
        }
    }
    let names = expected.keys().copied().chain(WITHOUT_ORACLE.iter().map(|(name, _)| *name));
    let unknown = names.filter(|name| TABLES.iter().all(|table| table.name != *name));
    found.extend(unknown.map(|name| format!("{name}: the dataflow has no such table")));
    found
}

/// The rows that only one of two dataflows has, a line each.
pub fn unlike(left: &Snapshot, right: &Snapshot) -> Vec<String> {
    let only = |in_this: &Snapshot, not_in: &Snapshot, which: &str| {
        let rows = in_this.iter().filter(|(row, times)| not_in.get(*row) != Some(*times));
        let line = |((view, row), times): (&(u8, Row), &isize)| {
            let values: Vec<Datum> = row.values().map(Datum::from).collect();
            format!("{which} alone: {}: {values:?}, {times} times", TABLES[usize::from(*view)].name)
        };
        rows.map(line).collect::<Vec<_>>()
    };
    [only(left, right, "left"), only(right, left, "right")].concat()
}

/// The clusters of fans, by creator and fan.
pub fn clusters(snapshot: &Snapshot) -> BTreeMap<(Id, Id), String> {
    let number = TABLES.iter().position(|table| table.name == "fan_measures").expect("the table is there");
    let place = TABLES[number].columns.iter().position(|column| column.name == "cluster").expect("the column is there");
    let rows = snapshot.keys().filter(|(view, _)| usize::from(*view) == number);
    let clustered = rows.filter_map(|(_, row)| {
        let values: Vec<Datum> = row.values().map(Datum::from).collect();
        match (&values[0], &values[1], &values[place]) {
            (Datum::Int(creator), Datum::Int(fan), Datum::Text(cluster)) => {
                Some(((*creator as Id, *fan as Id), cluster.to_string()))
            }
            _ => None,
        }
    });
    clustered.collect()
}

/// The values of rows by their key. Each row must be there once, and no other of its key.
fn by_key<'a>(
    table: &Table,
    rows: impl Iterator<Item = (&'a Row, isize)>,
    found: &mut Vec<String>,
) -> BTreeMap<Vec<Datum>, Vec<Datum>> {
    let mut by_key = BTreeMap::new();
    for (row, times) in rows {
        let values: Vec<Datum> = row.values().map(Datum::from).collect();
        if times != 1 {
            found.push(format!("{}: {values:?} is there {times} times", table.name));
        }
        if values.len() != table.columns.len() {
            found.push(format!("{}: {values:?} has not a value a column", table.name));
        }
        if let Some(other) = by_key.insert(values[..table.key].to_vec(), values) {
            found.push(format!("{}: {other:?} has the key of another row", table.name));
        }
    }
    by_key
}

fn compare(table: &Table, lines: &[Line], mut rows: BTreeMap<Vec<Datum>, Vec<Datum>>, found: &mut Vec<String>) {
    for line in lines {
        let mut key = Vec::new();
        for column in &table.columns[..table.key] {
            match line.0.get(column.name) {
                Some(Expected::Exactly(datum)) => key.push(datum.clone()),
                other => found.push(format!("{}: the oracle has {other:?} as {} of a key", table.name, column.name)),
            }
        }
        let Some(row) = rows.remove(&key) else {
            found.push(format!("{}: {line:?} is missing", table.name));
            continue;
        };
        for (column, got) in table.columns.iter().zip(&row) {
            match line.0.get(column.name) {
                Some(expected) if is_met(expected, got) => {}
                Some(expected) => {
                    found.push(format!("{}: {key:?}: {} is {got:?}, should be {expected:?}", table.name, column.name))
                }
                None => found.push(format!("{}: the oracle does not compute {}", table.name, column.name)),
            }
        }
        let unknown = line.0.keys().filter(|name| table.columns.iter().all(|column| column.name != **name));
        found.extend(unknown.map(|name| format!("{}: has no column {name}, which the oracle computes", table.name)));
    }
    found.extend(rows.values().map(|row| format!("{}: {row:?} should not be there", table.name)));
}

fn is_met(expected: &Expected, got: &Datum) -> bool {
    match (expected, got) {
        (Expected::Exactly(expected), got) => expected == got,
        (Expected::OneOf(expected), got) => expected.contains(got),
        (Expected::Within2Percent(expected), Datum::Int(got)) => 50 * (got - expected).abs() <= *expected,
        (Expected::SameJson(expected), Datum::Json(text)) => {
            serde_json::from_str::<Value>(text).is_ok_and(|got| got == *expected)
        }
        _ => false,
    }
}

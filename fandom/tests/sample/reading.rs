//! Sheets as tables of text, and the few forms of cells that the tests compare.

use std::collections::BTreeMap;
use std::path::Path;

use calamine::{Data, Reader, open_workbook_auto};
use jiff::civil::{Date, DateTime};

/// A row by header.
pub type Record = BTreeMap<String, String>;

/// A sheet with a header row.
pub struct Table {
    pub name: String,
    pub headers: Vec<String>,
    pub records: Vec<Record>,
}

/// The sheets of a workbook.
pub fn tables(path: &Path) -> Vec<Table> {
    let mut book = open_workbook_auto(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let sheets = book.worksheets();
    sheets
        .into_iter()
        .map(|(name, range)| {
            let mut rows = range.rows().map(|row| row.iter().map(text).collect::<Vec<_>>());
            let headers = rows.next().expect("a header row");
            let record = |row: Vec<String>| headers.iter().cloned().zip(row).collect();
            Table { name, records: rows.map(record).collect(), headers: headers.clone() }
        })
        .collect()
}

/// Lines below the header.
pub fn csv_rows(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path).expect("a file");
    (text.lines().count() - 1) as u64
}

fn text(cell: &Data) -> String {
    match cell {
        Data::DateTime(at) => {
            let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
            assert_eq!(milli, 0);
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        other => other.to_string(),
    }
}

/// A number; none in `-` and blank cells.
pub fn number(cell: &str) -> Option<f64> {
    (!cell.is_empty() && cell != "-").then(|| cell.parse().unwrap_or_else(|_| panic!("not a number: {cell}")))
}

/// Money.
pub fn cents(cell: &str) -> Option<i64> {
    let plain = cell.replace(['$', ','], "").replace('(', "-").replace(')', "");
    #[expect(clippy::cast_possible_truncation, reason = "rounded")]
    number(&plain).map(|value| (value * 100.0).round() as i64)
}

/// `2026-10-21` of that, of `2026-10-21 …` or of `Oct 21, 2026`.
pub fn iso_day(cell: &str) -> String {
    Date::strptime("%b %d, %Y", cell).map_or_else(|_| cell[..10].to_owned(), |day| day.to_string())
}

/// The day that a local date and time of one zone has in another.
pub fn day_in(cell: &str, zone: &str, other: &str) -> String {
    let at: DateTime = cell.parse().expect("a date and time");
    at.in_tz(zone).and_then(|at| at.in_tz(other)).expect("zones").date().to_string()
}

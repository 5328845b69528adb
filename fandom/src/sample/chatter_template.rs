//! The agency's own template: what the chatters themselves note of a day, first in a workbook, later in a CSV file.

use std::collections::BTreeMap;
use std::path::Path;

use fandom_schemas::rows::Kind;

use super::SampleFile;
use super::agency::Agency;
use super::book::{Book, save_csv};
use super::cells::{self, Cell, NONE};
use super::tallies::{Tallies, Tally};
use super::words::AGENCY;

const HEADERS: [&str; 7] = [
    "Chatter Name",
    "Date(MM/DD/YYYY)",
    "Messages Sent",
    "PPVs Sent",
    "PPVs Unlocked",
    "Fans Chatted",
    "Avg Response Time(minutes)",
];

/// Writes both files. The day in the middle stands in both; it was noted before it was over, and is corrected in the second.
pub(super) fn write(agency: &Agency, tallies: &Tallies, folder: &Path) -> anyhow::Result<Vec<SampleFile>> {
    let mut days: BTreeMap<(u32, u16), Tally> = BTreeMap::new();
    for ((day, chatter, _), tally) in tallies {
        days.entry((*day, *chatter)).or_default().merge(tally);
    }
    days.retain(|_, tally| tally.messages > 0);
    let (middle, last_moment) = (agency.days / 2, agency.exported_at());
    let moment = (agency.midnight(middle) + 23 * 3600).min(last_moment - 60);
    let name = format!("{AGENCY} chatters.xlsx");
    let mut book = Book::new(moment)?;
    let mut sheet = book.sheet("Chatters", &HEADERS)?;
    for (number, ((day, chatter), tally)) in days.range(..(middle + 1, 0)).enumerate() {
        let early = u64::from(*day == middle && tally.messages > 3);
        sheet.row(row(agency, *day, *chatter, tally, early, number % 3 == 0))?;
    }
    let mut files = vec![SampleFile { rows: sheet.rows(), kind: Kind::ChatterDay, path: book.save(folder, &name)? }];

    let name = format!("{AGENCY} chatters.csv");
    let rows: Vec<Vec<Cell>> = days
        .range((middle, 0)..)
        .map(|((day, chatter), tally)| row(agency, *day, *chatter, tally, 0, false).into())
        .collect();
    let path = save_csv(folder, &name, last_moment + 240, &HEADERS, &rows)?;
    files.push(SampleFile { path, kind: Kind::ChatterDay, rows: rows.len() as u64 });
    Ok(files)
}

fn row(agency: &Agency, day: u32, chatter: u16, tally: &Tally, missing: u64, native: bool) -> [Cell; 7] {
    let date = agency.date(day);
    let count = |value: u64| cells::count(i64::try_from(value).unwrap_or(i64::MAX));
    let minutes = match tally.replies {
        0 => NONE.into(),
        replies => Cell::Number((tally.reply_seconds as f64 / replies as f64 / 6.0).round() / 10.0),
    };
    [
        agency.chatters[usize::from(chatter)].name.as_str().into(),
        if native { Cell::Date(date) } else { cells::slashed_date(date).into() },
        count(tally.messages - missing),
        count(tally.ppvs),
        count(tally.unlocked),
        count(tally.fans.len() as u64),
        minutes,
    ]
}

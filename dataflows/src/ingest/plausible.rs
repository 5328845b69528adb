//! Whether what a record says can be believed.
//!
//! Connectors send nothing else, but anybody may write to the log, and what stands there must not stop the dataflow: a day that
//! no calendar has, or an amount whose sum leaves 64 bits.

use std::ops::RangeInclusive;

use fandom_schemas::bounds::{FIRST_SECOND, LAST_SECOND, MOST, MOST_SECONDS};
use fandom_schemas::manifest::Manifest;

use super::decode::Parsed;

const INSTANTS: RangeInclusive<i64> = FIRST_SECOND..=LAST_SECOND;
/// Those of files, which may be from before there was anything to export: what calendars and Postgres hold.
const FILE_INSTANTS: RangeInclusive<i64> = -62_135_596_800..=253_370_764_800;
const DAYS: RangeInclusive<i32> = (FIRST_SECOND / 86_400) as i32..=(LAST_SECOND / 86_400) as i32;
const CENTS: RangeInclusive<i64> = -MOST..=MOST;
const COUNTS: RangeInclusive<i64> = 0..=MOST;
const MINUTES: RangeInclusive<i64> = 0..=MOST_SECONDS / 60 + 1;
/// Sheets of a workbook: more than any program opens.
const SHEETS: usize = 10_000;

/// The first field of a row that cannot be believed.
pub fn implausible(row: &Parsed) -> Option<&'static str> {
    let all_in =
        |values: &[Option<i64>], range: &RangeInclusive<i64>| values.iter().flatten().all(|v| range.contains(v));
    match row {
        Parsed::Message(_, _, fact) => first_wrong(&[
            ("instant", INSTANTS.contains(&fact.sent_at)),
            ("price", CENTS.contains(&fact.price_cents)),
            ("reply time", fact.reply().is_none_or(|seconds| i64::from(seconds) <= MOST_SECONDS)),
        ]),
        Parsed::Sale(_, _, fact) => first_wrong(&[
            ("instant", INSTANTS.contains(&fact.sold_at)),
            ("gross revenue", CENTS.contains(&fact.gross_cents)),
            ("net revenue", CENTS.contains(&fact.net_cents)),
        ]),
        Parsed::Period(_, _, fact) => first_wrong(&[
            ("period", INSTANTS.contains(&fact.start_at) && INSTANTS.contains(&fact.end_at)),
            ("days", DAYS.contains(&fact.first_day) && DAYS.contains(&fact.last_day)),
            ("worked time", all_in(&[fact.clocked_minutes, fact.scheduled_minutes], &MINUTES)),
            ("figures", all_in(&fact.reported[..4], &COUNTS) && all_in(&fact.reported[4..], &CENTS)),
        ]),
        Parsed::Report(_, _, fact) => first_wrong(&[
            ("days", DAYS.contains(&fact.first_day) && DAYS.contains(&fact.last_day)),
            ("figures", fact.figures.iter().filter_map(|(_, cents)| *cents).all(|cents| CENTS.contains(&cents))),
        ]),
        Parsed::TemplateDay(_, _, fact) => {
            let minutes = fact.avg_response_minutes.map(f64::from_bits);
            first_wrong(&[
                ("day", DAYS.contains(&fact.day)),
                ("figures", all_in(&fact.counts, &COUNTS)),
                ("response time", minutes.is_none_or(|minutes| minutes.is_finite() && minutes.abs() <= MOST as f64)),
            ])
        }
    }
}

/// The first field of a manifest that cannot be believed.
pub fn implausible_manifest(manifest: &Manifest) -> Option<&'static str> {
    let mut positions: Vec<u16> = manifest.sheets.iter().map(|sheet| sheet.position).collect();
    positions.sort_unstable();
    let counts = |sheet: &fandom_schemas::manifest::Sheet| {
        [sheet.rows_read, sheet.accepted, sheet.rejected, sheet.doubtful_times]
            .iter()
            .all(|count| *count <= MOST as u64)
    };
    first_wrong(&[
        ("version", manifest.version < i64::MAX as u64),
        ("instants", FILE_INSTANTS.contains(&manifest.exported_at) && FILE_INSTANTS.contains(&manifest.modified_at)),
        ("sheets", manifest.sheets.len() <= SHEETS && positions.windows(2).all(|pair| pair[0] != pair[1])),
        ("counts", manifest.sheets.iter().all(counts)),
    ])
}

fn first_wrong(checks: &[(&'static str, bool)]) -> Option<&'static str> {
    checks.iter().find(|(_, right)| !right).map(|(field, _)| *field)
}

//! Rows of the agency's own template.

use fandom_schemas::rows::{self, ChatterDay, Kind};

use super::super::RowSink;
use super::super::columns::chatter_day as column;
use super::super::row::{Cell, Row};
use super::super::value::{Fault, dates, durations, numbers};
use super::{Failure, SheetReader, hand_over, name};

/// Reads a chatter's day.
pub(super) fn read(sheet: &mut SheetReader<'_>, row: &Row, sink: &mut dyn RowSink) -> Result<bool, Failure> {
    let day = sheet.needed(row, column::DAY, |cell| dates::day(cell, sheet.form))?;
    let chatter = match sheet.needed(row, column::CHATTER, |cell| name(cell, row)) {
        Ok(chatter) => Some(chatter.into_owned()),
        Err(Failure::Cell { fault: Fault::Missing, .. }) => None,
        Err(other) => return Err(other),
    };
    let in_a_minute = match sheet.layout.unit(column::AVG_RESPONSE) {
        Some("seconds" | "second" | "secs" | "sec" | "s") => 60.0,
        Some("hours" | "hour" | "hrs" | "h") => 1.0 / 60.0,
        _ => 1.0,
    };
    let row_read = ChatterDay {
        kind: Kind::ChatterDay,
        sheet: sheet.position,
        row: row.number(),
        chatter,
        day,
        messages_sent: sheet.optional(row, column::MESSAGES_SENT, numbers::count),
        ppvs_sent: sheet.optional(row, column::PPVS_SENT, numbers::count),
        ppvs_unlocked: sheet.optional(row, column::PPVS_UNLOCKED, numbers::count),
        fans_chatted: sheet.optional(row, column::FANS_CHATTED, numbers::count),
        avg_response_minutes: sheet.optional(row, column::AVG_RESPONSE, |cell| minutes(cell, in_a_minute)),
        extra: sheet.extra(row),
    };
    hand_over(sink, &rows::Row::ChatterDay(row_read))?;
    Ok(false)
}

/// A mean in the header's unit, or with units of its own (`4m 30s`).
fn minutes(cell: Cell<'_>, in_a_minute: f64) -> Result<f64, Fault> {
    match numbers::decimal(cell) {
        Ok(number) if number < 0.0 => Err(Fault::Negative),
        Ok(number) => Ok(number / in_a_minute),
        Err(Fault::Unreadable) => durations::reply_seconds(cell).map(|seconds| seconds as f64 / 60.0),
        Err(fault) => Err(fault),
    }
}

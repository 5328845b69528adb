//! Rows of a Message Dashboard.

use std::borrow::Cow;

use fandom_schemas::rows::{self, Kind, Text};

use super::super::RowSink;
use super::super::columns::message as column;
use super::super::row::{self, Cell, Row};
use super::super::value::{Fault, dates, durations, is_missing, money, names, text, yes_or_no};
use super::{Failure, SheetReader, name};

/// Reads a message.
pub(super) fn read(sheet: &mut SheetReader<'_>, row: &Row, sink: &mut dyn RowSink) -> Result<bool, Failure> {
    let unreadable = |column| Failure::Cell { column, fault: Fault::Unreadable };
    let creator = sheet.needed(row, column::CREATOR, |cell| name(cell, row))?;
    let (creator, platform) = names::creator(&creator).ok_or_else(|| unreadable(column::CREATOR))?;
    let day = sheet.needed(row, column::SENT_DATE, |cell| dates::day(cell, sheet.form))?;
    let time = sheet.needed(row, column::SENT_TIME, dates::time)?;
    let fan = sheet.needed(row, column::SENT_TO, |cell| name(cell, row))?;
    let (fan, nickname) = names::fan(&fan).ok_or_else(|| unreadable(column::SENT_TO))?;
    let price_cents = sheet.needed(row, column::PRICE, price)?;
    let sent = dates::instant(day.to_datetime(time), &sheet.zone);

    let chatter = sheet.telling(row, column::SENDER)?;
    let purchased = sheet.optional(row, column::PURCHASED, yes_or_no).unwrap_or(false);
    let source = sheet.telling(row, column::SOURCE)?.unwrap_or_default();
    let status = sheet.optional(row, column::STATUS, |cell| name(cell, row));
    let reply_seconds = sheet.optional(row, column::REPLY_TIME, |cell| {
        durations::reply_seconds(cell).and_then(|seconds| u32::try_from(seconds).map_err(|_| Fault::Unreadable))
    });
    let fan_message = sheet.optional(row, column::FANS_MESSAGE, |cell| message(cell, row));
    let fan_message = fan_message.filter(|text| !text.trim().is_empty());
    let creator_message = sheet.optional(row, column::CREATOR_MESSAGE, |cell| message(cell, row)).unwrap_or_default();
    let hash = text::TextHash::of(&creator_message);

    let message = rows::Message {
        kind: Kind::Message,
        sheet: sheet.position,
        row: row.number(),
        creator,
        platform: Cow::Borrowed(platform.unwrap_or(sheet.platform)),
        chatter,
        fan,
        nickname,
        sent_at: sent.at,
        price_cents,
        purchased,
        source,
        status,
        reply_seconds,
        fan_replied: fan_message.is_some(),
        characters: text::characters(&creator_message),
        text_hash: Cow::Borrowed(hash.as_str()),
        extra: sheet.extra(row),
    };
    sink.row(&rows::Row::Message(message), Some(&Text { text: creator_message, fan_message }))?;
    Ok(sent.doubtful)
}

/// The price of a message; none is 0.
fn price(cell: Cell<'_>) -> Result<i64, Fault> {
    match money::money(cell, money::Cents::Exact) {
        Err(Fault::Missing) => Ok(0),
        Ok(cents) if cents < 0 => Err(Fault::Negative),
        other => other,
    }
}

/// The plain text of a message.
fn message<'r>(cell: Cell<'r>, row: &Row) -> Result<Cow<'r, str>, Fault> {
    match cell {
        Cell::Text(markup) if is_missing(markup) => Err(Fault::Missing),
        Cell::Text(markup) => Ok(text::plain(markup)),
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Serial(_) | Cell::Bool(_) => Ok(Cow::Owned(row::shown(cell, row.epoch()))),
    }
}

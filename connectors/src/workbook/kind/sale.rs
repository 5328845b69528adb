//! Rows of a sales record.

use std::borrow::Cow;

use fandom_schemas::rows::{self, Kind};

use super::super::RowSink;
use super::super::columns::sale as column;
use super::super::row::Row;
use super::super::value::money::Cents;
use super::super::value::{Fault, dates, money, names};
use super::{Failure, SheetReader, hand_over, name};

/// Reads a sale.
pub(super) fn read(sheet: &mut SheetReader<'_>, row: &Row, sink: &mut dyn RowSink) -> Result<bool, Failure> {
    let sold = sheet.needed(row, column::DATE_AND_TIME, |cell| dates::day_and_time(cell, sheet.form))?;
    let sold = dates::instant(sold, &sheet.zone);
    let creator = sheet.needed(row, column::CREATOR, |cell| name(cell, row))?;
    let (creator, platform) =
        names::creator(&creator).ok_or(Failure::Cell { column: column::CREATOR, fault: Fault::Unreadable })?;
    let gross_cents = sheet.needed(row, column::GROSS, |cell| money::money(cell, Cents::Exact))?;
    let net_cents = sheet.needed(row, column::NET, |cell| money::money(cell, Cents::Exact))?;

    let chatter = sheet.telling(row, column::EMPLOYEE)?;
    let fan_cell = sheet.telling(row, column::FAN)?;
    let (fan, nickname) = match fan_cell.as_deref().and_then(names::fan) {
        Some((fan, nickname)) => (Some(fan), nickname),
        None => {
            if fan_cell.is_some() {
                sheet.warn("unreadable fan".to_owned());
            }
            (None, None)
        }
    };
    let earnings_cents = sheet.optional(row, column::EARNINGS, |cell| money::money(cell, Cents::Exact));
    let sale_type = sheet.telling(row, column::TYPE)?.unwrap_or_default();
    let rule = sheet.optional(row, column::RULE, |cell| name(cell, row));
    let status = sheet.optional(row, column::STATUS, |cell| name(cell, row));
    let sale = rows::Sale {
        kind: Kind::Sale,
        sheet: sheet.position,
        row: row.number(),
        sold_at: sold.at,
        chatter,
        creator,
        platform: Cow::Borrowed(platform.unwrap_or(sheet.platform)),
        fan,
        nickname,
        gross_cents,
        net_cents,
        earnings_cents,
        sale_type,
        rule,
        reversed: status.is_some_and(|status| status.eq_ignore_ascii_case("reverse")),
        extra: sheet.extra(row),
    };
    hand_over(sink, &rows::Row::Sale(sale))?;
    Ok(sold.doubtful)
}

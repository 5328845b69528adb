//! Rows of a creator report: one typed row for each basis that the sheet has.

use std::collections::BTreeMap;

use fandom_schemas::rows::{self, Basis, CreatorDay, Kind};

use super::super::RowSink;
use super::super::columns::creator_day as column;
use super::super::row::Row;
use super::super::value::money::Cents;
use super::super::value::{Fault, dates, money};
use super::{Failure, SheetReader, hand_over, name, reason};

/// Figures that are means, not sums of what was paid.
const MEANS: &str = "avg_";

/// Reads what was reported of a creator.
pub(super) fn read(sheet: &mut SheetReader<'_>, row: &Row, sink: &mut dyn RowSink) -> Result<bool, Failure> {
    let period = sheet.needed(row, column::DAY, |cell| dates::period(cell, sheet.form))?;
    let creator = sheet.needed(row, column::CREATOR, |cell| sheet.creator(&name(cell, row)?))?;
    let other = sheet.extra(row).map(|extra| *extra).unwrap_or_default();
    for basis in [Basis::Net, Basis::Gross] {
        let mut figures = BTreeMap::new();
        let mut warnings = Vec::new();
        for money_column in sheet.layout.money.iter().filter(|money_column| money_column.basis == basis) {
            let figure = &money_column.figure;
            let cents = if figure.starts_with(MEANS) { Cents::Nearest } else { Cents::Exact };
            let amount = match money::money(row.get(money_column.at), cents) {
                Ok(amount) => Some(amount),
                Err(Fault::Missing) => None,
                Err(fault) => {
                    let named = format!("{figure} ({})", basis.name());
                    warnings.push(reason(fault, &named, &named));
                    None
                }
            };
            figures.insert(figure.clone(), amount);
        }
        if figures.is_empty() {
            continue;
        }
        warnings.into_iter().for_each(|warning| sheet.warn(warning));
        let row_read = CreatorDay {
            kind: Kind::CreatorDay,
            sheet: sheet.position,
            row: row.number(),
            creator: creator.clone(),
            first_day: period.start.date(),
            last_day: period.end.date(),
            basis,
            figures,
            other: other.clone(),
        };
        hand_over(sink, &rows::Row::CreatorDay(row_read))?;
    }
    Ok(false)
}

//! Rows of an employee report, in each of its cuts.

use fandom_schemas::rows::{self, Creator, EmployeeFigures, EmployeePeriod, Granularity, Kind};

use super::super::RowSink;
use super::super::columns::employee_period as column;
use super::super::row::Row;
use super::super::value::money::Cents;
use super::super::value::{Fault, dates, durations, money, numbers};
use super::{Failure, SheetReader, hand_over, name, squeezed};

/// Reads what was reported of an employee.
pub(super) fn read(sheet: &mut SheetReader<'_>, row: &Row, sink: &mut dyn RowSink) -> Result<bool, Failure> {
    let period = sheet.needed(row, column::PERIOD, |cell| dates::period(cell, sheet.form))?;
    let chatter = sheet.needed(row, column::EMPLOYEES, |cell| name(cell, row))?;
    let creators = sheet.needed(row, column::CREATORS, |cell| {
        let list = squeezed(cell, row)?;
        let creators: Vec<Creator> = list
            .split(',')
            .filter(|one| !one.trim().is_empty())
            .map(|one| sheet.creator(one))
            .collect::<Result<_, _>>()?;
        if creators.is_empty() { Err(Fault::Missing) } else { Ok(creators) }
    })?;
    let (start, end) = dates::instants(period, &sheet.zone);
    let (first_day, last_day) = (period.start.date(), period.end.date());
    let granularity = sheet.granularity.unwrap_or(match (creators.len(), first_day == last_day) {
        (_, false) => Granularity::ByEmployee,
        (1, true) => Granularity::DetailedBreakdown,
        (_, true) => Granularity::ByTimeAndEmployee,
    });
    let row_read = EmployeePeriod {
        kind: Kind::EmployeePeriod,
        sheet: sheet.position,
        row: row.number(),
        granularity,
        chatter: Some(chatter.into_owned()),
        creators,
        first_day,
        last_day,
        start_at: start.at,
        end_at: end.at,
        start: dates::written(period.start),
        end: dates::written(period.end),
        group: sheet.optional(row, column::GROUP, |cell| name(cell, row)).map(|text| text.into_owned()),
        email: sheet.optional(row, column::EMAIL, |cell| name(cell, row)).map(|text| text.into_owned()),
        figures: figures(sheet, row),
        extra: sheet.extra(row),
    };
    hand_over(sink, &rows::Row::EmployeePeriod(row_read))?;
    Ok(start.doubtful || end.doubtful)
}

fn figures(sheet: &mut SheetReader<'_>, row: &Row) -> EmployeeFigures {
    let mut money = |column, cents| sheet.optional(row, column, |cell| money::money(cell, cents));
    let mut figures = EmployeeFigures {
        sales_cents: money(column::SALES, Cents::Exact),
        ppv_sales_cents: money(column::PPV_SALES, Cents::Exact),
        tips_cents: money(column::TIPS, Cents::Exact),
        direct_message_sales_cents: money(column::DIRECT_MESSAGE_SALES, Cents::Exact),
        priority_mass_sales_cents: money(column::PRIORITY_MASS_SALES, Cents::Exact),
        of_mass_sales_cents: money(column::OF_MASS_SALES, Cents::Exact),
        avg_earnings_per_spender_cents: money(column::AVG_EARNINGS, Cents::Nearest),
        sales_per_hour_cents: money(column::SALES_PER_HOUR, Cents::Nearest),
        ..EmployeeFigures::default()
    };
    let mut count = |column| sheet.optional(row, column, numbers::count);
    figures.messages_sent = count(column::MESSAGES_SENT);
    figures.ppvs_sent = count(column::PPVS_SENT);
    figures.ppvs_unlocked = count(column::PPVS_UNLOCKED);
    figures.fans_chatted = count(column::FANS_CHATTED);
    figures.fans_spent = count(column::FANS_SPENT);
    figures.characters = count(column::CHARACTERS);
    figures.keystrokes = count(column::KEYSTROKES);
    let mut share = |column| sheet.optional(row, column, numbers::share);
    figures.golden_ratio = share(column::GOLDEN_RATIO);
    figures.unlock_rate = share(column::UNLOCK_RATE);
    figures.fan_cvr = share(column::FAN_CVR);
    figures.messages_per_hour = sheet.optional(row, column::MESSAGES_PER_HOUR, numbers::decimal);
    figures.fans_per_hour = sheet.optional(row, column::FANS_PER_HOUR, numbers::decimal);
    figures.response_seconds_scheduled = sheet.optional(row, column::RESPONSE_SCHEDULED, durations::reply_seconds);
    figures.response_seconds_clocked = sheet.optional(row, column::RESPONSE_CLOCKED, durations::reply_seconds);
    figures.scheduled_minutes = sheet.optional(row, column::SCHEDULED_HOURS, durations::worked_minutes);
    figures.clocked_minutes = sheet.optional(row, column::CLOCKED_HOURS, durations::worked_minutes);
    figures
}

//! `as_of`: the day up to which "days since" are counted (METRICS.md §5).
//!
//! ```text
//!  AS_OF=today:  the clock ─────────────────────────────┐
//!  AS_OF=data:   local days of all facts, counted ─▶ max ─▶ row
//! ```

use super::daily::Daily;
use super::{Facts, Sources, View};
use crate::engine::combine::combine;
use crate::engine::keyed::reduce;
use crate::engine::measures::convert;
use crate::settings::{AsOf, DataflowSettings};
use crate::sink::row::{Datum, Row};
use crate::sink::table::{Table, Type, column};

/// The table, of one row.
pub static TABLE: Table =
    Table { name: "as_of", columns: &[column("only_row", Type::Int), column("day", Type::Day)], key: 1, labels: &[] };

/// The day.
pub fn day<'scope>(
    sources: &Sources<'scope>,
    daily: &Daily<'scope>,
    settings: &DataflowSettings,
) -> Facts<'scope, i32> {
    let days = match settings.as_of {
        AsOf::Today => sources.today.clone(),
        AsOf::Data => days_of_data(sources, daily),
    };
    reduce(days.map(|day| ((), day)), "As of", |(), days| days.last().map(|(day, _)| *day))
}

/// The row.
pub fn view<'scope>(day: &Facts<'scope, i32>) -> View<'scope> {
    View { table: &TABLE, rows: day.clone().map(|day| Row::new([Datum::Int(1), Datum::Day(day)])) }
}

/// The days that rows carry.
fn days_of_data<'scope>(sources: &Sources<'scope>, daily: &Daily<'scope>) -> Facts<'scope, i32> {
    let messages = convert(daily.messages.clone().map(|(_, local)| local.day), |sums| {
        (sums.messages_sent + sums.mass_messages) as isize
    });
    let sales = convert(daily.sales.clone().map(|((_, local), _)| local.day), |sums| {
        (sums.count + sums.reversed_count) as isize
    });
    let periods = sources.periods.clone().map(|period| period.last_day);
    let reports = sources.reports.clone().map(|report| report.last_day);
    let template = sources.template_days.clone().map(|day| day.day);
    combine(messages.concat(sales).concat(periods).concat(reports).concat(template), "days")
}

//! `as_of`: the day up to which "days since" are counted (METRICS.md §5).
//!
//! ```text
//!  AS_OF=today:  the clock ─────────────────────────────┐
//!  AS_OF=data:   local days of all facts ─▶ distinct ─▶ max ─▶ row
//! ```

use differential_dataflow::operators::ThresholdTotal;

use super::daily::Daily;
use super::{Facts, Sources, View};
use crate::engine::combine::combine;
use crate::engine::measures::convert;
use crate::settings::{AsOf, DataflowSettings};
use crate::sink::table::{Datum, Row, Table, Type, column};

/// The table, of one row.
pub static TABLE: Table =
    Table { name: "as_of", columns: &[column("only_row", Type::Int), column("day", Type::Day)], key: 1, labels: &[] };

/// The row.
pub fn view<'scope>(sources: &Sources<'scope>, daily: &Daily<'scope>, settings: &DataflowSettings) -> View<'scope> {
    let days = match settings.as_of {
        AsOf::Today => sources.today.clone(),
        AsOf::Data => days_of_data(sources, daily),
    };
    let latest = days.map(|day| ((), day)).reduce_named("As of", |(), days, latest| {
        latest.extend(days.last().map(|(day, _)| (**day, 1isize)));
    });
    View { table: &TABLE, rows: latest.map(|((), day)| Row::new([Datum::Int(1), Datum::Day(day)])) }
}

/// The days that rows carry, each once.
fn days_of_data<'scope>(sources: &Sources<'scope>, daily: &Daily<'scope>) -> Facts<'scope, i32> {
    let messages = convert(daily.messages.clone().map(|(_, _, day)| day), |sums| {
        (sums.messages_sent + sums.mass_messages) as isize
    });
    let sales =
        convert(daily.sales.clone().map(|((_, _, day), _)| day), |sums| (sums.count + sums.reversed_count) as isize);
    let periods = sources.periods.clone().map(|period| period.last_day);
    let reports = sources.reports.clone().map(|report| report.last_day);
    let template = sources.template_days.clone().map(|day| day.day);
    let days = messages.concat(sales).concat(periods).concat(reports).concat(template);
    combine(days, "days").distinct_total()
}

//! `template_day`: the agency's own template, by chatter and day (METRICS.md §4). It enters no other figure.
//!
//! ```text
//!  days of the template (one winner a chatter and day) ──▶ row
//! ```

use super::{Sources, View};
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CHATTER, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "template_day",
    columns: &[
        column("chatter_id", Type::Int),
        column("day", Type::Day),
        column("messages_sent", Type::Int),
        column("ppvs_sent", Type::Int),
        column("ppvs_unlocked", Type::Int),
        column("fans_chatted", Type::Int),
        column("avg_response_minutes", Type::Float),
    ],
    key: 2,
    labels: &[CHATTER],
};

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>) -> View<'scope> {
    let rows = sources.template_days.clone().map(|day| {
        let mut values = vec![Datum::id(day.chatter), Datum::Day(day.day)];
        values.extend(day.counts.map(Datum::from));
        values.push(day.avg_response_minutes.map_or(Datum::Null, Datum::Float));
        Row::new(values)
    });
    View { table: &TABLE, rows }
}

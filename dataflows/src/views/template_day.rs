//! `template_day`: the agency's own template, by chatter and day (METRICS.md §4). It enters no other figure.
//!
//! ```text
//!  days of the template ──by (chatter, day)──▶ row
//! ```

use fandom_schemas::identity::Id;

use super::{Sources, View};
use crate::engine::keyed::reduce;
use crate::facts::TemplateDay;
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

/// The rows. Where a sheet has a chatter's day several times, its counts are added up, and the mean of the response times is weighted
/// by messages.
pub fn view<'scope>(sources: &Sources<'scope>) -> View<'scope> {
    let days = sources.template_days.clone().map(|day| ((day.chatter, day.day), day));
    let rows = reduce(days, "Template days", |(chatter, day): &(Id, i32), rows: &[(TemplateDay, isize)]| {
        let rows: Vec<&TemplateDay> = rows
            .iter()
            .flat_map(|(row, times)| std::iter::repeat_n(row, usize::try_from(*times).unwrap_or(0)))
            .collect();
        let mut values = vec![Datum::id(*chatter), Datum::Day(*day)];
        values.extend((0..4).map(|which| {
            let known = rows.iter().filter_map(|row| row.counts[which]);
            Datum::from(known.reduce(|a, b| a + b))
        }));
        values.push(mean_response(&rows).map_or(Datum::Null, |minutes| Datum::Float(minutes.to_bits())));
        Some(Row::new(values))
    });
    View { table: &TABLE, rows }
}

/// The mean response time in minutes, weighted by messages where all rows have them.
fn mean_response(rows: &[&TemplateDay]) -> Option<f64> {
    let known: Vec<(f64, Option<i64>)> =
        rows.iter().filter_map(|row| Some((f64::from_bits(row.avg_response_minutes?), row.counts[0]))).collect();
    if let [(minutes, _)] = known[..] {
        return Some(minutes);
    }
    let weights =
        known.iter().map(|(_, messages)| messages.map(|messages| messages as f64)).collect::<Option<Vec<_>>>();
    let weights = weights.filter(|weights| weights.iter().sum::<f64>() > 0.0).unwrap_or_else(|| vec![1.0; known.len()]);
    let total: f64 = weights.iter().sum();
    (!known.is_empty())
        .then(|| known.iter().zip(&weights).map(|((minutes, _), weight)| minutes * weight).sum::<f64>() / total)
}

//! `creator_day`: a creator's local day, from rows and as reported (METRICS.md §6).
//!
//! ```text
//!  daily.messages ── counts ───────────────────────────┐
//!  daily.messages ── chatters with a direct message ───┼─▶ sum by (creator, day) ─┐
//!  daily.contacts ── fans with a direct message ───────┘                          ├─▶ reduce ─▶ row
//!  daily.sales ─────▶ sum by (creator, day, type) ────────────────────────────────┤
//!  reports of one day ── figures by basis ────────────────────────────────────────┘
//! ```
//!
//! Invariants
//! 1. Reported figures of net and gross stand apart; nothing is computed from them.
//! 2. The unattributed chatter is not an active chatter.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::{CountTotal, ThresholdTotal};
use fandom_schemas::identity::{Id, UNATTRIBUTED};
use fandom_schemas::rows::Basis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::daily::{Daily, SaleSums, distinct};
use super::{Facts, Sources, View};
use crate::engine::combine::combine;
use crate::engine::measures::{convert, measures};
use crate::runtime::Epoch;
use crate::sink::table::{CREATOR, Datum, Row, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "creator_day",
    columns: &[
        column("creator_id", Type::Int),
        column("day", Type::Day),
        column("messages", Type::Int),
        column("ppv_sales_cents", Type::Int),
        column("reversed_count", Type::Int),
        column("reversed_net_cents", Type::Int),
        column("active_chatters", Type::Int),
        column("active_fans", Type::Int),
        column("sales", Type::Json),
        column("reported", Type::Json),
    ],
    key: 2,
    labels: &[CREATOR],
};

measures! {
    CreatorSums { any_messages, messages, ppv_sales_cents, active_chatters, active_fans }
}

/// What a row is put together from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Sums(CreatorSums),
    Sales(Box<str>, SaleSums),
    Reported(Basis, Box<[(Box<str>, Option<i64>)]>),
}

/// Creator and day.
type Key = (Id, i32);

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>, daily: &Daily<'scope>) -> View<'scope> {
    let sums = sums(daily).count_total().map(|(key, sums)| (key, Part::Sums(sums)));
    let by_type = daily.sales.clone().map(|((creator, _, day), sale_type)| ((creator, day), sale_type));
    let sales = combine(by_type, "sales by creator and day").count_total();
    let sales = sales.map(|((key, sale_type), sums)| (key, Part::Sales(sale_type, sums)));
    let reported = sources.reports.clone().filter(|report| report.first_day == report.last_day);
    let reported =
        reported.map(|report| ((report.creator, report.first_day), Part::Reported(report.basis, report.figures)));
    let rows: Facts<'scope, (Key, Row)> =
        sums.concat(sales).concat(reported).reduce_named("Creator day", |key, parts, rows| {
            rows.push((row(*key, parts.iter().map(|(part, _)| *part)), 1isize));
        });
    View { table: &TABLE, rows: rows.map(|(_, row)| row) }
}

fn sums<'scope>(daily: &Daily<'scope>) -> VecCollection<'scope, Epoch, Key, CreatorSums> {
    let messages = convert(daily.messages.clone().map(|(creator, _, day)| (creator, day)), |sums| CreatorSums {
        any_messages: sums.messages_sent + sums.mass_messages,
        messages: sums.messages_sent,
        ppv_sales_cents: sums.ppv_sales_cents,
        ..CreatorSums::default()
    });
    let chatters = daily.messages.clone().filter(|(_, chatter, _)| *chatter != UNATTRIBUTED);
    let chatters = convert(chatters, |sums| sums.messages_sent).threshold_semigroup(|_, new, old| {
        let change = isize::from(*new > 0) - isize::from(old.is_some_and(|old| *old > 0));
        (change != 0).then_some(change)
    });
    let chatters = convert(chatters.map(|(creator, _, day)| (creator, day)), |change| CreatorSums {
        active_chatters: change as i64,
        ..CreatorSums::default()
    });
    let fans = distinct(daily.contacts.clone().map(|((creator, _, day), fan)| ((creator, day), fan)));
    let fans = convert(fans.map(|(key, _)| key), |contact| CreatorSums {
        active_fans: contact.chatted,
        ..CreatorSums::default()
    });
    combine(messages.concat(chatters).concat(fans), TABLE.name)
}

fn row<'a>((creator, day): Key, parts: impl Iterator<Item = &'a Part>) -> Row {
    let mut sums = CreatorSums::default();
    let (mut reversed_count, mut reversed_net_cents) = (0, 0);
    let (mut sales, mut reported) = (Map::new(), Map::new());
    for part in parts {
        match part {
            Part::Sums(all) => sums = *all,
            Part::Sales(sale_type, all) => {
                reversed_count += all.reversed_count;
                reversed_net_cents += all.reversed_net_cents;
                let counted = json!({"count": all.count, "gross_cents": all.gross_cents, "net_cents": all.net_cents});
                sales.insert(sale_type.to_string(), counted);
            }
            Part::Reported(basis, figures) => {
                let figures = figures.iter().map(|(figure, cents)| (figure.to_string(), json!(cents)));
                reported.insert(basis.name().to_owned(), Value::Object(figures.collect()));
            }
        }
    }
    let mut values = vec![Datum::id(creator), Datum::Day(day)];
    values.extend(
        [
            sums.messages,
            sums.ppv_sales_cents,
            reversed_count,
            reversed_net_cents,
            sums.active_chatters,
            sums.active_fans,
        ]
        .map(Datum::Int),
    );
    values.extend([sales, reported].map(|object| Datum::Json(Value::Object(object).to_string().into())));
    Row::new(values)
}

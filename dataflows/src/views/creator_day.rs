//! `creator_day`: a creator's local day, from rows and as reported (METRICS.md §6).
//!
//! ```text
//!  daily.messages ── counts ───────────────────────────┐
//!  daily.messages ── chatters with a direct message ───┤
//!  daily.contacts ── fans with a direct message ───────┼─▶ parts of (creator, day) ─▶ row
//!  daily.sales ───── sums by type ─────────────────────┤
//!  reports of one day ── figures by basis ─────────────┘
//! ```
//!
//! Invariants
//! 1. Reported figures of net and gross stand apart; nothing is computed from them.
//! 2. The unattributed chatter is not an active chatter.

use differential_dataflow::difference::Semigroup;
use fandom_schemas::identity::{Id, UNATTRIBUTED};
use fandom_schemas::rows::Basis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::daily::{Daily, Sums};
use super::{Sources, View};
use crate::engine::combine::combine;
use crate::engine::keyed::{reduce, sum};
use crate::engine::measures::{convert, measures};
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CREATOR, Table, Type, column};

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
    /// All that is summed of a day; what a part does not have is zero.
    DaySums {
        parts, messages, ppv_sales_cents, active_chatters, active_fans, gross_cents, net_cents, count,
        reversed_net_cents, reversed_count,
    }
}

/// What a row is put together from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Messages,
    Sales(Box<str>),
    Reported(Basis, Box<[(Box<str>, Option<i64>)]>),
}

/// Creator and day.
type Key = (Id, i32);

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>, daily: &Daily<'scope>) -> View<'scope> {
    let messages = daily.messages.clone().map(|((creator, _), local)| ((creator, local.day), Part::Messages));
    let messages = convert(messages, |sums| DaySums {
        parts: sums.messages_sent + sums.mass_messages,
        messages: sums.messages_sent,
        ppv_sales_cents: sums.ppv_sales_cents,
        ..DaySums::default()
    });
    let fans = daily.fans_by_creator_day().map(|key| (key, Part::Messages));
    let fans = convert(fans, |contact| DaySums { active_fans: contact.chatted, ..DaySums::default() });
    let by_type = daily.sales.clone().map(|(((creator, _), local), of)| ((creator, local.day), Part::Sales(of)));
    let sales = convert(by_type, |sums| DaySums {
        gross_cents: sums.gross_cents,
        net_cents: sums.net_cents,
        count: sums.count,
        reversed_net_cents: sums.reversed_net_cents,
        reversed_count: sums.reversed_count,
        ..DaySums::default()
    });
    let reported = sources.reports.clone().filter(|report| report.first_day == report.last_day).explode(|report| {
        let part = Part::Reported(report.basis, report.figures);
        Some((((report.creator, report.first_day), part), DaySums { parts: 1, ..DaySums::default() }))
    });
    let all = messages.concat(active_chatters(daily)).concat(fans).concat(sales).concat(reported);
    let rows = reduce(combine(all, TABLE.name), "Creator days", |key: &Key, parts| Some(row(*key, parts)));
    View { table: &TABLE, rows }
}

/// The chatters with a direct message, each as 1 in the difference.
fn active_chatters<'scope>(daily: &Daily<'scope>) -> Sums<'scope, (Key, Part), DaySums> {
    let chatters = daily.messages.clone().filter(|((_, chatter), _)| *chatter != UNATTRIBUTED);
    let chatters = chatters.map(|((creator, chatter), local)| (creator, chatter, local.day));
    let sent = combine(convert(chatters, |sums| sums.messages_sent as isize), "chatters by day");
    let active = sum(sent, "Active chatters", |(creator, _, day), sent: &isize| {
        (*sent > 0).then_some(((*creator, *day), Part::Messages))
    });
    convert(active, |times| DaySums { active_chatters: times as i64, ..DaySums::default() })
}

fn row((creator, day): Key, parts: &[(Part, DaySums)]) -> Row {
    let mut all = DaySums::default();
    let (mut sales, mut reported) = (Map::new(), Map::new());
    for (part, sums) in parts {
        match part {
            Part::Messages => all.plus_equals(sums),
            Part::Sales(sale_type) => {
                all.reversed_count += sums.reversed_count;
                all.reversed_net_cents += sums.reversed_net_cents;
                let counted =
                    json!({"count": sums.count, "gross_cents": sums.gross_cents, "net_cents": sums.net_cents});
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
            all.messages,
            all.ppv_sales_cents,
            all.reversed_count,
            all.reversed_net_cents,
            all.active_chatters,
            all.active_fans,
        ]
        .map(Datum::Int),
    );
    values.extend([sales, reported].map(|object| Datum::Json(Value::Object(object).to_string().into())));
    Row::new(values)
}

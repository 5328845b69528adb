//! `fan_measures`: measures of a fan by creator (METRICS.md §5).
//!
//! ```text
//!  messages, sales ──── sums ──────────────────────────────────────────────┐
//!  messages, sales ──▶ instants by (creator, fan, day) ─▶ first, last ─┐   ├─▶ concat ─▶ sum by (creator, fan) ─▶ row
//!                                             by (creator, fan) ◀──────┘   │
//!                                      first_seen, last_seen, … ───────────┘
//! ```
//!
//! Invariants
//! 1. First and last instants are exact under retraction: a day keeps its instants, a fan keeps its days. A change
//!    looks at one day's instants and one fan's days, not at all that the fan ever did.
//! 2. Whatever the days say travels in the same difference as the sums, so a row changes once an epoch.
//! 3. Nothing in a row depends on what day it is.

use differential_dataflow::operators::CountTotal;
use fandom_schemas::identity::Id;
use serde::{Deserialize, Serialize};

use super::{Facts, Sources, View};
use crate::calendar::Calendar;
use crate::engine::combine::combine;
use crate::engine::measures::measures;
use crate::settings::DataflowSettings;
use crate::sink::table::{CREATOR, Datum, FAN, Row, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "fan_measures",
    columns: &[
        column("creator_id", Type::Int),
        column("fan_id", Type::Int),
        column("messages_received", Type::Int),
        column("ppvs_received", Type::Int),
        column("ppvs_unlocked", Type::Int),
        column("messages_replied", Type::Int),
        column("ppv_spend_cents", Type::Int),
        column("sales_net_cents", Type::Int),
        column("tips_net_cents", Type::Int),
        column("purchase_days", Type::Int),
        column("spend_cents", Type::Int),
        column("spend_class", Type::Text),
        column("first_seen", Type::Instant),
        column("last_seen", Type::Instant),
        column("last_purchase", Type::Instant),
        column("last_purchase_day", Type::Day),
    ],
    key: 2,
    labels: &[CREATOR, FAN],
};

measures! {
    FanSums {
        rows, messages_received, ppvs_received, ppvs_unlocked, messages_replied, ppv_spend_cents, sale_rows,
        sales_net_cents, tips_net_cents, purchase_days, first_seen, last_seen, last_purchase, last_purchase_day,
    }
}

/// Creator and fan.
type Key = (Id, Id);

/// What a day keeps of a message or sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Seen {
    /// Seconds since the Unix epoch.
    at: i64,
    purchase: bool,
}

/// What a fan keeps of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Day {
    day: i32,
    first: i64,
    last: i64,
    last_purchase: Option<i64>,
}

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>, settings: &DataflowSettings) -> View<'scope> {
    let all = combine(sums(sources), TABLE.name).concat(spans(sources, settings));
    let (whale, regular) = (settings.whale_cents, settings.regular_cents);
    let rows = combine(all, "fans").count_total().map(move |(key, sums)| row(key, &sums, whale, regular));
    View { table: &TABLE, rows }
}

fn sums<'scope>(
    sources: &Sources<'scope>,
) -> differential_dataflow::VecCollection<'scope, crate::runtime::Epoch, Key, FanSums> {
    let messages = sources.messages.clone().explode(|message| {
        let unlocked = message.is_unlocked();
        let sums = FanSums {
            rows: 1,
            messages_received: (!message.mass).into(),
            ppvs_received: message.is_ppv().into(),
            ppvs_unlocked: unlocked.into(),
            messages_replied: message.fan_replied.into(),
            ppv_spend_cents: if unlocked { message.price_cents } else { 0 },
            ..FanSums::default()
        };
        Some(((message.creator, message.fan), sums))
    });
    let sales = sources.sales.clone().explode(|sale| {
        let net = if sale.reversed { 0 } else { sale.net_cents };
        let tip = sale.sale_type.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("tip"));
        let sums = FanSums {
            rows: 1,
            sale_rows: 1,
            sales_net_cents: net,
            tips_net_cents: if tip { net } else { 0 },
            ..FanSums::default()
        };
        sale.fan.map(|fan| ((sale.creator, fan), sums))
    });
    messages.concat(sales)
}

fn spans<'scope>(
    sources: &Sources<'scope>,
    settings: &DataflowSettings,
) -> differential_dataflow::VecCollection<'scope, crate::runtime::Epoch, Key, FanSums> {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let messages = sources.messages.clone().map(move |message| {
        let seen = Seen { at: message.sent_at, purchase: message.is_unlocked() };
        ((message.creator, message.fan, calendar.local(seen.at).day), seen)
    });
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let sales = sources.sales.clone().flat_map(move |sale| {
        let seen = Seen { at: sale.sold_at, purchase: !sale.reversed };
        Some(((sale.creator, sale.fan?, calendar.local(seen.at).day), seen))
    });
    let days: Facts<'scope, ((Id, Id, i32), Day)> =
        messages.concat(sales).reduce_named("Fan days", |key, seen, days| {
            let (Some((first, _)), Some((last, _))) = (seen.first(), seen.last()) else { return };
            let last_purchase = seen.iter().rev().find(|(seen, _)| seen.purchase).map(|(seen, _)| seen.at);
            days.push((Day { day: key.2, first: first.at, last: last.at, last_purchase }, 1isize));
        });
    let spans =
        days.map(|((creator, fan, _), day)| ((creator, fan), day)).reduce_named("Fan spans", |_, days, spans| {
            let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else { return };
            let purchases = days.iter().filter_map(|(day, _)| day.last_purchase.map(|at| (day.day, at)));
            let last_purchase = purchases.clone().next_back().unwrap_or_default();
            let sums = FanSums {
                first_seen: first.first,
                last_seen: last.last,
                purchase_days: purchases.count() as i64,
                last_purchase: last_purchase.1,
                last_purchase_day: last_purchase.0.into(),
                ..FanSums::default()
            };
            spans.push((sums, 1isize));
        });
    spans.explode(|(key, sums)| Some((key, sums)))
}

fn row((creator, fan): Key, sums: &FanSums, whale_cents: i64, regular_cents: i64) -> Row {
    let spend = if sums.sale_rows > 0 { sums.sales_net_cents } else { sums.ppv_spend_cents };
    let class = match spend {
        spend if spend >= whale_cents => "whale",
        spend if spend >= regular_cents => "regular",
        spend if spend > 0 => "spender",
        _ => "non-spender",
    };
    let purchased = sums.purchase_days > 0;
    let mut values = vec![Datum::id(creator), Datum::id(fan)];
    values.extend(
        [
            sums.messages_received,
            sums.ppvs_received,
            sums.ppvs_unlocked,
            sums.messages_replied,
            sums.ppv_spend_cents,
            sums.sales_net_cents,
            sums.tips_net_cents,
            sums.purchase_days,
            spend,
        ]
        .map(Datum::Int),
    );
    values.extend([
        Datum::text(class),
        Datum::Instant(sums.first_seen),
        Datum::Instant(sums.last_seen),
        if purchased { Datum::Instant(sums.last_purchase) } else { Datum::Null },
        if purchased { Datum::Day(sums.last_purchase_day as i32) } else { Datum::Null },
    ]);
    Row::new(values)
}

//! `fan_day`: what happened with a fan, by creator and local day: the measures of METRICS.md §5 that add up over days.
//!
//! ```text
//!  fan_history's events ──▶ sum by (fan, creator, day) ──▶ row
//! ```
//!
//! Invariants
//! 1. A fan's days, summed, are the fan's row of `fan_measures`.
//! 2. A day with nothing but mass messages that nobody answered has no row: there are as many rows as fans and days of conversation or
//!    sale, which is one for several messages.
//!
//! The fan comes first in the key, so that one index has a fan's days together and finds the rows of a fan whose names change.

use super::fan_history::{Event, events};
use super::{Sources, View};
use crate::calendar::Calendar;
use crate::engine::combine::combine;
use crate::engine::keyed::sum;
use crate::engine::measures::measures;
use crate::settings::DataflowSettings;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CREATOR, FAN, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "fan_day",
    columns: &[
        column("fan_id", Type::Int),
        column("creator_id", Type::Int),
        column("day", Type::Day),
        column("messages_received", Type::Int),
        column("messages_replied", Type::Int),
        column("ppvs_received", Type::Int),
        column("ppvs_unlocked", Type::Int),
        column("ppv_spend_cents", Type::Int),
        column("sales_net_cents", Type::Int),
        column("tips_net_cents", Type::Int),
        column("sales_count", Type::Int),
        column("reversed_count", Type::Int),
    ],
    key: 3,
    labels: &[CREATOR, FAN],
};

measures! {
    /// Counts and amounts of a fan's day.
    DaySums {
        messages_received, messages_replied, ppvs_received, ppvs_unlocked, ppv_spend_cents, sales_net_cents, tips_net_cents,
        /// Sales that are not reversed.
        sales_count,
        /// Sales that are.
        reversed_count,
    }
}

impl DaySums {
    /// What one event adds.
    fn of(event: &Event) -> DaySums {
        let sums = event.sums();
        let sales_count = if event.is_purchase() { sums.sale_rows } else { 0 };
        DaySums {
            messages_received: sums.messages_received,
            messages_replied: sums.messages_replied,
            ppvs_received: sums.ppvs_received,
            ppvs_unlocked: sums.ppvs_unlocked,
            ppv_spend_cents: sums.ppv_spend_cents,
            sales_net_cents: sums.sales_net_cents,
            tips_net_cents: sums.tips_net_cents,
            sales_count,
            reversed_count: sums.sale_rows - sales_count,
        }
    }
}

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>, settings: &DataflowSettings) -> View<'scope> {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let days = events(sources).explode(move |((creator, fan), event)| {
        Some(((fan, creator, calendar.local(event.at).day), DaySums::of(&event)))
    });
    let rows = sum(combine(days, TABLE.name), "Fans by day", |(fan, creator, day), sums: &DaySums| {
        let mut values = vec![Datum::id(*fan), Datum::id(*creator), Datum::Day(*day)];
        values.extend(
            [
                sums.messages_received,
                sums.messages_replied,
                sums.ppvs_received,
                sums.ppvs_unlocked,
                sums.ppv_spend_cents,
                sums.sales_net_cents,
                sums.tips_net_cents,
                sums.sales_count,
                sums.reversed_count,
            ]
            .map(Datum::Int),
        );
        Some(Row::new(values))
    });
    View { table: &TABLE, rows }
}

//! `hours_day`: worked time by creator, chatter and day, with what was done in it (METRICS.md §4).
//!
//! ```text
//!  periods of one creator and day ── minutes ─┐
//!  daily.messages, daily.contacts ── counts ──┼─▶ concat ─▶ sum by (creator, chatter, day) ─▶ rows with a period
//!  daily.sales ───────────────────── net ─────┘
//! ```
//!
//! Invariants
//! 1. Only `Detailed breakdown` rows of one creator and one day count; rows over several are never split or spread.
//! 2. Minutes that no row gives are missing, not zero; the measures per hour are then null.

use fandom_schemas::rows::Granularity;

use super::daily::{Daily, Pair, Sums};
use super::{Sources, View};
use crate::calendar::Window;
use crate::engine::combine::combine;
use crate::engine::keyed::sum;
use crate::engine::measures::{convert, measures};
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CHATTER, CREATOR, Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "hours_day",
    columns: &[
        column("creator_id", Type::Int),
        column("chatter_id", Type::Int),
        column("day", Type::Day),
        column("clocked_minutes", Type::Int),
        column("scheduled_minutes", Type::Int),
        column("sales_net_cents", Type::Int),
        column("messages_sent", Type::Int),
        column("fans_chatted", Type::Int),
    ],
    key: 3,
    labels: &[CREATOR, CHATTER],
};

measures! {
    HoursSums {
        periods, clocked_known, clocked_minutes, scheduled_known, scheduled_minutes, sales_net_cents, messages_sent,
        fans_chatted,
    }
}

measures! {
    /// Reported time of work.
    WorkedTime {
        /// Rows that report it.
        periods,
        /// Of these, with clocked minutes.
        clocked_known,
        /// Their sum.
        clocked_minutes,
        /// With scheduled minutes.
        scheduled_known,
        /// Their sum.
        scheduled_minutes,
    }
}

/// Worked time by creator, chatter and day, of the rows that tell it.
pub fn worked_time<'scope>(sources: &Sources<'scope>) -> Sums<'scope, (Pair, i32), WorkedTime> {
    sources.periods.clone().explode(|period| {
        let [creator] = *period.creators else { return None };
        let of_one_day = period.granularity == Granularity::DetailedBreakdown && period.first_day == period.last_day;
        of_one_day.then(|| {
            let worked = WorkedTime {
                periods: 1,
                clocked_known: period.clocked_minutes.is_some().into(),
                clocked_minutes: period.clocked_minutes.unwrap_or(0),
                scheduled_known: period.scheduled_minutes.is_some().into(),
                scheduled_minutes: period.scheduled_minutes.unwrap_or(0),
            };
            (((creator, period.chatter), period.first_day), worked)
        })
    })
}

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>, daily: &Daily<'scope>) -> View<'scope> {
    let periods = convert(worked_time(sources), |worked| HoursSums {
        periods: worked.periods,
        clocked_known: worked.clocked_known,
        clocked_minutes: worked.clocked_minutes,
        scheduled_known: worked.scheduled_known,
        scheduled_minutes: worked.scheduled_minutes,
        ..HoursSums::default()
    });
    let messages = convert(daily.messages.clone().map(|(pair, local)| (pair, local.day)), |sums| HoursSums {
        messages_sent: sums.messages_sent,
        ..HoursSums::default()
    });
    let days = daily.fans_by_window().flat_map(|(pair, window)| match window {
        Window::Day(day) => Some((pair, day)),
        _ => None,
    });
    let contacts = convert(days, |contact| HoursSums { fans_chatted: contact.chatted, ..HoursSums::default() });
    let sales = convert(daily.sales.clone().map(|((pair, local), _)| (pair, local.day)), |sums| HoursSums {
        sales_net_cents: sums.net_cents,
        ..HoursSums::default()
    });
    let all = combine(periods.concat(messages).concat(contacts).concat(sales), TABLE.name);
    let rows = sum(all, "Hours by day", |((creator, chatter), day), sums: &HoursSums| {
        let known = |count: i64, minutes: i64| Datum::from((count > 0).then_some(minutes));
        (sums.periods > 0).then(|| {
            Row::new([
                Datum::id(*creator),
                Datum::id(*chatter),
                Datum::Day(*day),
                known(sums.clocked_known, sums.clocked_minutes),
                known(sums.scheduled_known, sums.scheduled_minutes),
                Datum::Int(sums.sales_net_cents),
                Datum::Int(sums.messages_sent),
                Datum::Int(sums.fans_chatted),
            ])
        })
    });
    View { table: &TABLE, rows }
}

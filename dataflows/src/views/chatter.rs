//! `chatter_hour`, `chatter_day`, `chatter_week`, `chatter_month`, `chatter_all`: measures of a chatter by creator
//! (METRICS.md §4).
//!
//! ```text
//!  daily.messages ──────────── to each window ── sums ─┐
//!  daily.contacts ──────────────────────── 0/1 a fan ──┤
//!  daily.replies ──▶ quantiles, in each window ────────┼─▶ concat ─▶ sum by (creator, chatter, window) ─▶ row of a table
//!  daily.sales ─────────────── to each window ── sums ─┤
//!  clocked and scheduled time ─ to each window ── sums ┘
//! ```
//!
//! Invariants
//! 1. All measures of a row travel in one difference, so a row changes once an epoch, and no join is needed.
//! 2. A group is listed while it has a message, mass or direct, a sale, reversed or not, or known worked time: so what adds up has
//!    the same total over the windows of each table.
//! 3. Worked time is known by day, so an hour has none.

use super::contacts::FanContact;
use super::daily::{Daily, MessageSums, Pair, SaleSums};
use super::hours_day::{WorkedTime, worked_time};
use super::reply_times::quantiles;
use super::{Facts, Sources, View};
use crate::calendar::{self, Local, Window};
use crate::engine::combine::combine;
use crate::engine::keyed::sum;
use crate::engine::measures::{convert, measures};
use crate::settings::DataflowSettings;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CHATTER, CREATOR, Column, Table, Type, column};

measures! {
    /// All measures of a row.
    ChatterSums {
        messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents, characters, replies, reply_seconds_sum, mass_messages,
        fans_chatted, fans_spent, reply_seconds_p50, reply_seconds_p90, sales_gross_cents, sales_net_cents, sales_count,
        reversed_net_cents, reversed_count, clocked_known, clocked_minutes, scheduled_known, scheduled_minutes,
    }
}

const LABELS: &[crate::sink::table::Label] = &[CREATOR, CHATTER];

/// The columns of the tables, which differ in the window.
macro_rules! columns {
    ([$($window:expr)?], [$($worked:expr),*]) => {
        &[
            column("creator_id", Type::Int),
            column("chatter_id", Type::Int),
            $($window,)?
            column("messages_sent", Type::Int),
            column("ppvs_sent", Type::Int),
            column("ppvs_unlocked", Type::Int),
            column("ppv_sales_cents", Type::Int),
            column("characters", Type::Int),
            column("replies", Type::Int),
            column("reply_seconds_sum", Type::Int),
            column("mass_messages", Type::Int),
            column("fans_chatted", Type::Int),
            column("fans_spent", Type::Int),
            column("reply_seconds_p50", Type::Int),
            column("reply_seconds_p90", Type::Int),
            column("sales_gross_cents", Type::Int),
            column("sales_net_cents", Type::Int),
            column("sales_count", Type::Int),
            column("reversed_net_cents", Type::Int),
            column("reversed_count", Type::Int),
            $($worked,)*
        ]
    };
    ([$($window:expr)?]) => {
        columns!([$($window)?], [column("clocked_minutes", Type::Int), column("scheduled_minutes", Type::Int)])
    };
}

const fn table(name: &'static str, columns: &'static [Column], key: usize) -> Table {
    Table { name, columns, key, labels: LABELS }
}

/// By local hour. Without worked time.
pub static HOUR: Table = table("chatter_hour", columns!([column("hour", Type::Instant)], []), 3);
/// By local day.
pub static DAY: Table = table("chatter_day", columns!([column("day", Type::Day)]), 3);
/// By ISO week.
pub static WEEK: Table = table("chatter_week", columns!([column("week", Type::Text)]), 3);
/// By month.
pub static MONTH: Table = table("chatter_month", columns!([column("month", Type::Text)]), 3);
/// Of all time.
pub static ALL: Table = table("chatter_all", columns!([]), 2);

/// A group of a window.
type Group = (Pair, Window);

/// Those of the five tables that are kept.
pub fn views<'scope>(
    sources: &Sources<'scope>,
    daily: &Daily<'scope>,
    settings: &DataflowSettings,
) -> Vec<View<'scope>> {
    let windows = settings.views.windows();
    let in_windows = move |(pair, local): (Pair, Local)| windows.around(local).map(move |window| (pair, window));
    let messages = combine(daily.messages.clone().flat_map(in_windows), "messages by window");
    let replies =
        daily.replies.clone().flat_map(move |(group, bucket)| in_windows(group).map(move |group| (group, bucket)));
    let replies = quantiles(combine(replies, "replies by window")).explode(|(group, quantiles)| {
        let sums = ChatterSums {
            reply_seconds_p50: quantiles.p50,
            reply_seconds_p90: quantiles.p90,
            ..ChatterSums::default()
        };
        Some((group, sums))
    });
    let sales = combine(daily.sales.clone().flat_map(move |(group, _)| in_windows(group)), "sales by window");
    let worked =
        worked_time(sources).flat_map(move |(pair, day)| windows.around_day(day).map(move |window| (pair, window)));
    let all = convert(messages, ChatterSums::from)
        .concat(convert(daily.fans_by_window(), ChatterSums::from))
        .concat(replies)
        .concat(convert(sales, ChatterSums::from))
        .concat(convert(worked, ChatterSums::from));
    let rows = sum(combine(all, "chatter measures"), "Chatters", |group: &Group, sums: &ChatterSums| {
        sums.is_listed().then(|| (group.1, row(group, sums)))
    });
    let of = |table: &'static Table, is_of: fn(&Window) -> bool| {
        settings.views.keeps(table).then(|| {
            let rows: Facts<'scope, Row> = rows.clone().flat_map(move |(window, row)| is_of(&window).then_some(row));
            View { table, rows }
        })
    };
    let tables = [
        of(&HOUR, |window| matches!(window, Window::Hour(_))),
        of(&DAY, |window| matches!(window, Window::Day(_))),
        of(&WEEK, |window| matches!(window, Window::Week(_))),
        of(&MONTH, |window| matches!(window, Window::Month(_))),
        of(&ALL, |window| matches!(window, Window::All)),
    ];
    tables.into_iter().flatten().collect()
}

impl ChatterSums {
    /// Whether anything is known of the group. An hour has no worked time.
    fn is_listed(&self) -> bool {
        let rows = [self.messages_sent, self.mass_messages, self.sales_count, self.reversed_count];
        rows.iter().sum::<i64>() + self.clocked_known + self.scheduled_known > 0
    }
}

fn row(((creator, chatter), window): &Group, sums: &ChatterSums) -> Row {
    let known = |is_known: bool, value: i64| Datum::from(is_known.then_some(value));
    let mut values = Vec::with_capacity(22);
    values.extend([Datum::id(*creator), Datum::id(*chatter)]);
    values.extend(match window {
        Window::Hour(at) => Some(Datum::Instant(*at)),
        Window::Day(day) => Some(Datum::Day(*day)),
        Window::Week(monday) => Some(Datum::text(calendar::week_name(*monday))),
        Window::Month(first) => Some(Datum::text(calendar::month_name(*first))),
        Window::All => None,
    });
    values.extend(
        [
            sums.messages_sent,
            sums.ppvs_sent,
            sums.ppvs_unlocked,
            sums.ppv_sales_cents,
            sums.characters,
            sums.replies,
            sums.reply_seconds_sum,
            sums.mass_messages,
            sums.fans_chatted,
            sums.fans_spent,
        ]
        .map(Datum::Int),
    );
    values.extend([sums.reply_seconds_p50, sums.reply_seconds_p90].map(|seconds| known(sums.replies > 0, seconds)));
    values.extend(
        [sums.sales_gross_cents, sums.sales_net_cents, sums.sales_count, sums.reversed_net_cents, sums.reversed_count]
            .map(Datum::Int),
    );
    if !matches!(window, Window::Hour(_)) {
        values.push(known(sums.clocked_known > 0, sums.clocked_minutes));
        values.push(known(sums.scheduled_known > 0, sums.scheduled_minutes));
    }
    Row::new(values)
}

impl From<MessageSums> for ChatterSums {
    fn from(sums: MessageSums) -> ChatterSums {
        ChatterSums {
            messages_sent: sums.messages_sent,
            ppvs_sent: sums.ppvs_sent,
            ppvs_unlocked: sums.ppvs_unlocked,
            ppv_sales_cents: sums.ppv_sales_cents,
            characters: sums.characters,
            replies: sums.replies,
            reply_seconds_sum: sums.reply_seconds_sum,
            mass_messages: sums.mass_messages,
            ..ChatterSums::default()
        }
    }
}

impl From<FanContact> for ChatterSums {
    fn from(contact: FanContact) -> ChatterSums {
        ChatterSums { fans_chatted: contact.chatted, fans_spent: contact.spent, ..ChatterSums::default() }
    }
}

impl From<SaleSums> for ChatterSums {
    fn from(sums: SaleSums) -> ChatterSums {
        ChatterSums {
            sales_gross_cents: sums.gross_cents,
            sales_net_cents: sums.net_cents,
            sales_count: sums.count,
            reversed_net_cents: sums.reversed_net_cents,
            reversed_count: sums.reversed_count,
            ..ChatterSums::default()
        }
    }
}

impl From<WorkedTime> for ChatterSums {
    fn from(worked: WorkedTime) -> ChatterSums {
        ChatterSums {
            clocked_known: worked.clocked_known,
            clocked_minutes: worked.clocked_minutes,
            scheduled_known: worked.scheduled_known,
            scheduled_minutes: worked.scheduled_minutes,
            ..ChatterSums::default()
        }
    }
}

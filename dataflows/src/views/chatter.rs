//! `chatter_hour`, `chatter_day`, `chatter_week`, `chatter_month`, `chatter_all`: measures of a chatter by creator
//! (METRICS.md §4).
//!
//! ```text
//!  daily.messages ───────────────────────────────── sums ─┐
//!  daily.contacts ─▶ whether, in this window ── 0/1 a fan ─┼─▶ concat ─▶ sum by (creator, chatter, window) ─▶ row
//!  reply times ────▶ quantiles, in this window ── p50, p90 ┘
//! ```
//!
//! Invariants
//! 1. All measures of a row travel in one difference, so a row changes once an epoch, and no join is needed.
//! 2. A group is listed while it has a message, mass or direct: then a count in its sum is positive.
//! 3. Distinct counts of a window come from those of the window nested in it: day → week, day → month → all.

use differential_dataflow::operators::CountTotal;

use super::daily::{Daily, FanContact, Group, MessageSums, Sums, distinct};
use super::reply_times::{bucket, quantiles};
use super::{Facts, Sources, View};
use crate::calendar::{self, Calendar};
use crate::engine::combine::combine;
use crate::engine::measures::{convert, measures};
use crate::settings::DataflowSettings;
use crate::sink::table::{CHATTER, CREATOR, Column, Datum, Row, Table, Type, column};

measures! {
    /// All measures of a row.
    ChatterSums {
        messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents, characters, replies, reply_seconds_sum, mass_messages,
        fans_chatted, fans_spent, reply_seconds_p50, reply_seconds_p90,
    }
}

const LABELS: &[crate::sink::table::Label] = &[CREATOR, CHATTER];

/// The columns of the tables, which differ in the window.
macro_rules! columns {
    ([$($window:expr)?], [$($distinct:expr),*]) => {
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
            $($distinct,)*
        ]
    };
    ([$($window:expr)?]) => {
        columns!([$($window)?], [
            column("fans_chatted", Type::Int),
            column("fans_spent", Type::Int),
            column("reply_seconds_p50", Type::Int),
            column("reply_seconds_p90", Type::Int)
        ])
    };
}

const fn table(name: &'static str, columns: &'static [Column], key: usize) -> Table {
    Table { name, columns, key, labels: LABELS }
}

/// By local hour. Additive measures alone.
pub static HOUR: Table = table("chatter_hour", columns!([column("hour", Type::Instant)], []), 3);
/// By local day.
pub static DAY: Table = table("chatter_day", columns!([column("day", Type::Day)]), 3);
/// By ISO week.
pub static WEEK: Table = table("chatter_week", columns!([column("week", Type::Text)]), 3);
/// By month.
pub static MONTH: Table = table("chatter_month", columns!([column("month", Type::Text)]), 3);
/// Of all time.
pub static ALL: Table = table("chatter_all", columns!([]), 2);

/// The five tables.
pub fn views<'scope>(
    sources: &Sources<'scope>,
    daily: &Daily<'scope>,
    settings: &DataflowSettings,
) -> [View<'scope>; 5] {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let replies = sources.messages.clone().flat_map(move |message| {
        let bucket = bucket(message.reply()?);
        Some(((message.creator, message.chatter, calendar.local(message.sent_at).day), bucket))
    });
    let replies = combine(replies, "replies by day");
    let day = Window { messages: daily.messages.clone(), contacts: daily.contacts.clone(), replies };
    let week = day.within("week", calendar::week);
    let month = day.within("month", calendar::month);
    let all = month.within("all time", |_| 0);
    let hours = daily.hours.clone().map(|((creator, chatter, _), hour)| (creator, chatter, hour)).count_total();
    [
        View {
            table: &HOUR,
            rows: hours.map(|((creator, chatter, hour), sums)| hour_row(creator, chatter, hour, &sums)),
        },
        day.view(&DAY, |day| Some(Datum::Day(day))),
        week.view(&WEEK, |week| Some(Datum::text(calendar::week_name(week)))),
        month.view(&MONTH, |month| Some(Datum::text(calendar::month_name(month)))),
        all.view(&ALL, |_| None),
    ]
}

/// What is known by creator, chatter and one kind of window.
struct Window<'scope> {
    messages: Sums<'scope, Group, MessageSums>,
    contacts: Sums<'scope, (Group, u64), FanContact>,
    replies: Facts<'scope, (Group, u16)>,
}

impl<'scope> Window<'scope> {
    /// The same by a wider window, of which `wider` gives the number.
    fn within(&self, name: &str, wider: fn(i32) -> i32) -> Window<'scope> {
        let widen = move |(creator, chatter, window): Group| (creator, chatter, wider(window));
        let messages = self.messages.clone().map(widen);
        let contacts = self.contacts.clone().map(move |(group, fan)| (widen(group), fan));
        let replies = self.replies.clone().map(move |(group, bucket)| (widen(group), bucket));
        Window {
            messages: combine(messages, &format!("messages by {name}")),
            contacts: distinct(combine(contacts, &format!("fan contacts by {name}"))),
            replies: combine(replies, &format!("replies by {name}")),
        }
    }

    fn view(self, table: &'static Table, window: fn(i32) -> Option<Datum>) -> View<'scope> {
        let sums = convert(self.messages, ChatterSums::from);
        let contacts = convert(self.contacts.map(|(group, _)| group), ChatterSums::from);
        let quantiles = quantiles(self.replies).explode(|(group, quantiles)| {
            let sums = ChatterSums {
                reply_seconds_p50: quantiles.p50,
                reply_seconds_p90: quantiles.p90,
                ..ChatterSums::default()
            };
            Some((group, sums))
        });
        let rows = combine(sums.concat(contacts).concat(quantiles), table.name).count_total();
        View { table, rows: rows.map(move |(group, sums)| row(group, &sums, window)) }
    }
}

fn row((creator, chatter, number): Group, sums: &ChatterSums, window: fn(i32) -> Option<Datum>) -> Row {
    let quantile = |seconds: i64| (sums.replies > 0).then_some(seconds).into();
    let mut values = vec![Datum::id(creator), Datum::id(chatter)];
    values.extend(window(number));
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
    values.extend([quantile(sums.reply_seconds_p50), quantile(sums.reply_seconds_p90)]);
    Row::new(values)
}

fn hour_row(creator: u64, chatter: u64, hour: i64, sums: &MessageSums) -> Row {
    let mut values = vec![Datum::id(creator), Datum::id(chatter), Datum::Instant(hour)];
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
        ]
        .map(Datum::Int),
    );
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

//! `reconciliation`: what a platform reported of an employee beside what the rows say (METRICS.md §4).
//!
//! ```text
//!  direct messages ─┐
//!  sales ───────────┼─by chatter─▶ what the chatter did, in order of creator and time ─▶ periods that a change falls into ─▶ rows
//!  periods ─────────┘
//! ```
//!
//! Invariants
//! 1. A period's window is compared to the second: both ends are inclusive.
//! 2. The computed figures are those of METRICS.md §4 over the period's employee, creators and window; a fan of several of
//!    the creators is one.
//! 3. A row is attributed to the file that wins it, as its reported figures are.

use fandom_schemas::identity::Id;
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Sources, View};
use crate::engine::keyed::{State, Touched, hashed, keyed};
use crate::engine::ranked::Ranked;
use crate::facts::Period;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{CHATTER, Table, Type, column};

/// The table; `views.reconciliation` shows it with the creators' names and the differences.
pub static TABLE: Table = Table {
    name: "reconciliation_rows",
    columns: &[
        column("file_id", Type::Int),
        column("position", Type::Int),
        column("row_number", Type::Int),
        column("file", Type::Text),
        column("sheet", Type::Text),
        column("chatter_id", Type::Int),
        column("creator_ids", Type::Json),
        column("first_day", Type::Day),
        column("last_day", Type::Day),
        column("period_start", Type::Text),
        column("period_end", Type::Text),
        column("reported_messages_sent", Type::Int),
        column("reported_ppvs_sent", Type::Int),
        column("reported_ppvs_unlocked", Type::Int),
        column("reported_fans_chatted", Type::Int),
        column("reported_ppv_sales_cents", Type::Int),
        column("reported_sales_net_cents", Type::Int),
        column("messages_sent", Type::Int),
        column("ppvs_sent", Type::Int),
        column("ppvs_unlocked", Type::Int),
        column("fans_chatted", Type::Int),
        column("ppv_sales_cents", Type::Int),
        column("sales_net_cents", Type::Int),
    ],
    key: 3,
    labels: &[CHATTER],
};

/// What a chatter did, or is reported to have done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Event {
    Message { creator: Id, at: i64, fan: Id, price_cents: i64, unlocked: bool },
    Sale { creator: Id, at: i64, net_cents: i64 },
    Period(Box<Period>),
}

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>) -> View<'scope> {
    let messages = sources.messages.clone().filter(|message| !message.mass).map(|message| {
        let event = Event::Message {
            creator: message.creator,
            at: message.sent_at,
            fan: message.fan,
            price_cents: message.price_cents,
            unlocked: message.is_unlocked(),
        };
        (message.chatter, event)
    });
    let sales =
        sources.sales.clone().filter(|sale| !sale.reversed).map(|sale| {
            (sale.chatter, Event::Sale { creator: sale.creator, at: sale.sold_at, net_cents: sale.net_cents })
        });
    let periods = sources.periods.clone().map(|period| (period.chatter, Event::Period(Box::new(period))));
    let events = messages.concat(sales).concat(periods);
    let rows = keyed(events, "Reconciliation", hashed, |_, done: &Done, touched, rows| {
        let reported = done.periods.iter().map(|(period, _)| period).filter(|period| match touched {
            Touched::All => true,
            Touched::By(events) => events.iter().any(|event| concerns(event, period)),
        });
        rows.extend(reported.map(|period| (row(period, done.within(period)), 1isize)));
    });
    View { table: &TABLE, rows }
}

/// Whether a change of this event may change the period's row.
fn concerns(event: &Event, period: &Period) -> bool {
    match event {
        Event::Message { creator, at, .. } | Event::Sale { creator, at, .. } => {
            (period.start_at..=period.end_at).contains(at) && period.creators.contains(creator)
        }
        Event::Period(other) => **other == *period,
    }
}

/// What a chatter did, and the periods that are reported of it.
#[derive(Default)]
struct Done {
    /// Direct messages: creator, instant, fan.
    messages: Ranked<(Id, i64, Id)>,
    /// Of these with a price: creator, instant, cents, whether bought.
    ppvs: Ranked<(Id, i64, i64, bool)>,
    /// Sales that are not reversed: creator, instant, net cents.
    sales: Ranked<(Id, i64, i64)>,
    /// With how often each is there, which is once but while the log is read at the start.
    periods: Vec<(Period, isize)>,
}

impl State<Event, isize> for Done {
    fn update(&mut self, event: Event, diff: isize) {
        match event {
            Event::Message { creator, at, fan, price_cents, unlocked } => {
                self.messages.update((creator, at, fan), diff);
                if price_cents > 0 {
                    self.ppvs.update((creator, at, price_cents, unlocked), diff);
                }
            }
            Event::Sale { creator, at, net_cents } => self.sales.update((creator, at, net_cents), diff),
            Event::Period(period) => match self.periods.iter_mut().position(|(other, _)| *other == *period) {
                Some(place) => {
                    self.periods[place].1 += diff;
                    if self.periods[place].1 == 0 {
                        self.periods.swap_remove(place);
                    }
                }
                None => self.periods.push((*period, diff)),
            },
        }
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.ppvs.is_empty() && self.sales.is_empty() && self.periods.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        let periods = self.periods.capacity() * size_of::<(Period, isize)>();
        self.messages.heap_bytes() + self.ppvs.heap_bytes() + self.sales.heap_bytes() + periods
    }
}

impl Done {
    /// Messages, PPVs sent, PPVs unlocked, fans chatted, PPV sales and net sales in cents, within a period.
    fn within(&self, period: &Period) -> [i64; 6] {
        let mut fans: HashSet<Id> = HashSet::new();
        let [mut messages, mut ppvs, mut unlocked, mut ppv_cents, mut net_cents] = [0; 5];
        for &creator in &*period.creators {
            let before = |of: Id, at: i64| (of, at) < (creator, period.start_at);
            let inside = |of: Id, at: i64| of == creator && at <= period.end_at;
            let sent = self.messages.iter_from(|(of, at, _)| before(*of, *at));
            for (_, _, fan) in sent.take_while(|(of, at, _)| inside(*of, *at)) {
                messages += 1;
                fans.insert(*fan);
            }
            let priced = self.ppvs.iter_from(|(of, at, ..)| before(*of, *at));
            for (_, _, cents, bought) in priced.take_while(|(of, at, ..)| inside(*of, *at)) {
                ppvs += 1;
                unlocked += i64::from(*bought);
                ppv_cents += if *bought { *cents } else { 0 };
            }
            let sold = self.sales.iter_from(|(of, at, _)| before(*of, *at));
            net_cents += sold.take_while(|(of, at, _)| inside(*of, *at)).map(|(_, _, net)| net).sum::<i64>();
        }
        [messages, ppvs, unlocked, fans.len() as i64, ppv_cents, net_cents]
    }
}

fn row(period: &Period, computed: [i64; 6]) -> Row {
    let creator_ids: Vec<i64> = period.creators.iter().map(|id| id.cast_signed()).collect();
    let mut values = vec![
        Datum::id(period.sheet.file_id),
        Datum::Int(period.sheet.position.into()),
        Datum::Int(period.row.into()),
        Datum::text(&*period.sheet.file),
        period.sheet.sheet.as_deref().map_or(Datum::Null, Datum::text),
        Datum::id(period.chatter),
        Datum::Json(json!(creator_ids).to_string().into()),
        Datum::Day(period.first_day),
        Datum::Day(period.last_day),
        Datum::text(&*period.written.0),
        Datum::text(&*period.written.1),
    ];
    values.extend(period.reported.map(Datum::from));
    values.extend(computed.map(Datum::Int));
    Row::new(values)
}

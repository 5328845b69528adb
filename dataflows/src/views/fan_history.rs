//! What each fan did with each creator (METRICS.md §5): the figures that the views of fans are made of.
//!
//! ```text
//!  messages, sales ──by (creator, fan)──▶ sums, instants, instants of purchases ──▶ figures
//! ```
//!
//! Invariants
//! 1. First and last instants are exact under retraction: every instant is kept, in order, in eight bytes.
//! 2. Nothing in the figures depends on what day it is.

use differential_dataflow::difference::{IsZero, Semigroup};
use fandom_schemas::identity::Id;
use serde::{Deserialize, Serialize};

use super::{Facts, Sources};
use crate::calendar::Calendar;
use crate::engine::keyed::{State, keyed};
use crate::engine::measures::measures;
use crate::facts::key::route_of_fan;
use crate::settings::DataflowSettings;

/// Creator and fan.
pub type FanKey = (Id, Id);

/// What is known of a fan with a creator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Figures {
    /// Counts and amounts.
    pub sums: FanSums,
    /// Distinct local days with a purchase.
    pub purchase_days: i64,
    /// First message or sale, in seconds since the Unix epoch.
    pub first_seen: i64,
    /// Last message or sale.
    pub last_seen: i64,
    /// Their local days.
    pub seen_days: (i32, i32),
    /// Last purchase, and its local day.
    pub last_purchase: Option<(i64, i32)>,
}

impl Figures {
    /// Net sales where the fan has any sale row, else what unlocked PPVs cost.
    pub fn spend_cents(&self) -> i64 {
        self.sums.spend_cents()
    }
}

impl FanSums {
    /// See [`Figures::spend_cents`].
    pub fn spend_cents(&self) -> i64 {
        if self.sale_rows > 0 { self.sales_net_cents } else { self.ppv_spend_cents }
    }
}

measures! {
    /// Counts and amounts of a fan.
    FanSums {
        messages_received, ppvs_received, ppvs_unlocked, messages_replied, ppv_spend_cents, sale_rows, sales_net_cents,
        tips_net_cents,
    }
}

/// What each fan did, row by row.
pub(super) fn events<'scope>(sources: &Sources<'scope>) -> Facts<'scope, (FanKey, Event)> {
    let messages = sources.messages.clone().map(|message| {
        let event = Event {
            at: message.sent_at,
            cents: message.price_cents,
            of: Of::Message {
                direct: !message.mass,
                ppv: message.is_ppv(),
                unlocked: message.is_unlocked(),
                replied: message.fan_replied,
            },
        };
        ((message.creator, message.fan), event)
    });
    let sales = sources.sales.clone().flat_map(|sale| {
        let tip = sale.sale_type.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("tip"));
        let of = Of::Sale { reversed: sale.reversed, tip };
        Some(((sale.creator, sale.fan?), Event { at: sale.sold_at, cents: sale.net_cents, of }))
    });
    messages.concat(sales)
}

/// The figures of every fan of every creator.
pub fn figures<'scope>(sources: &Sources<'scope>, settings: &DataflowSettings) -> Facts<'scope, (FanKey, Figures)> {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let route = |(creator, fan): &FanKey| route_of_fan(*creator, *fan);
    keyed(events(sources), "Fan history", route, move |key, history: &History, _, figures| {
        let (Some(&first_seen), Some(&last_seen)) = (history.seen.there.first(), history.seen.there.last()) else {
            return;
        };
        let mut days = history.purchases.there.iter().map(|at| calendar.local(*at).day);
        let (mut purchase_days, mut last_day) = (0, None);
        for day in &mut days {
            purchase_days += i64::from(last_day != Some(day));
            last_day = Some(day);
        }
        let last_purchase = history.purchases.there.last().copied().zip(last_day);
        let seen_days = (calendar.local(first_seen).day, calendar.local(last_seen).day);
        let sums = history.sums;
        let of_fan = Figures { sums, purchase_days, first_seen, last_seen, seen_days, last_purchase };
        figures.push(((*key, of_fan), 1isize));
    })
}

/// A message to a fan, or a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Event {
    /// Seconds since the Unix epoch.
    pub(super) at: i64,
    /// The price of a message, the net revenue of a sale.
    cents: i64,
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Of {
    Message { direct: bool, ppv: bool, unlocked: bool, replied: bool },
    Sale { reversed: bool, tip: bool },
}

impl Event {
    pub(super) fn is_purchase(&self) -> bool {
        matches!(self.of, Of::Message { unlocked: true, .. } | Of::Sale { reversed: false, .. })
    }

    pub(super) fn sums(&self) -> FanSums {
        match self.of {
            Of::Message { direct, ppv, unlocked, replied } => FanSums {
                messages_received: direct.into(),
                ppvs_received: ppv.into(),
                ppvs_unlocked: unlocked.into(),
                messages_replied: replied.into(),
                ppv_spend_cents: if unlocked { self.cents } else { 0 },
                ..FanSums::default()
            },
            Of::Sale { reversed, tip } => FanSums {
                sale_rows: 1,
                sales_net_cents: if reversed { 0 } else { self.cents },
                tips_net_cents: if tip && !reversed { self.cents } else { 0 },
                ..FanSums::default()
            },
        }
    }
}

#[derive(Default)]
struct History {
    sums: FanSums,
    seen: Instants,
    purchases: Instants,
}

impl State<Event, isize> for History {
    fn update(&mut self, event: Event, diff: isize) {
        self.sums.plus_equals(&differential_dataflow::difference::Multiply::multiply(event.sums(), &diff));
        self.seen.update(event.at, diff);
        if event.is_purchase() {
            self.purchases.update(event.at, diff);
        }
    }

    fn is_empty(&self) -> bool {
        // Instants alone do not tell: while the log is read, a row may be taken back before an equal one of its time came.
        self.seen.is_empty() && self.purchases.is_empty() && self.sums.is_zero()
    }

    fn heap_bytes(&self) -> usize {
        (self.seen.there.capacity() + self.purchases.there.capacity()) * size_of::<i64>()
    }
}

/// Instants in ascending order, each as often as it occurs.
#[derive(Default)]
struct Instants {
    there: Vec<i64>,
    /// Taken back before they came, as may be while the log is read at the start.
    #[expect(clippy::box_collection, reason = "there is one of these a fan, and it is hardly ever there")]
    owed: Option<Box<Vec<i64>>>,
}

impl Instants {
    fn update(&mut self, at: i64, diff: isize) {
        for _ in diff..0 {
            match self.there.binary_search(&at) {
                Ok(place) => drop(self.there.remove(place)),
                Err(_) => self.owed.get_or_insert_default().push(at),
            }
        }
        for _ in 0..diff {
            if self.pays(at) {
                continue;
            }
            if self.there.len() == self.there.capacity() {
                self.there.reserve_exact(1 + self.there.len() / 4);
            }
            self.there.insert(self.there.partition_point(|other| *other < at), at);
        }
    }

    fn pays(&mut self, at: i64) -> bool {
        let Some(owed) = &mut self.owed else { return false };
        let Some(place) = owed.iter().position(|other| *other == at) else { return false };
        owed.swap_remove(place);
        if owed.is_empty() {
            self.owed = None;
        }
        true
    }

    fn is_empty(&self) -> bool {
        self.there.is_empty() && self.owed.is_none()
    }
}

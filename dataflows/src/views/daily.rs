//! What several views share: messages, sales and contacts with fans by creator, chatter and hour or day.
//!
//! ```text
//!  messages ──▶ by hour                              (sums in the difference)
//!      └──────▶ contacts: fans by window             (see `contacts`)
//!  sales ─────▶ by hour and type
//! ```
//!
//! These are streams of differences, summed no further than one activation brings: each view that uses one sums them by
//! its own groups.

use differential_dataflow::VecCollection;
use fandom_schemas::identity::Id;

use super::contacts::{Contacted, FanContact, contacts};
use super::{Facts, Sources};
use crate::calendar::{Calendar, Local, Window};
use crate::engine::combine::combine;
use crate::engine::measures::measures;
use crate::facts::Message;
use crate::runtime::Epoch;
use crate::settings::DataflowSettings;

measures! {
    /// The additive measures of messages (METRICS.md §4).
    MessageSums {
        /// Direct messages.
        messages_sent,
        /// Of these, with a price.
        ppvs_sent,
        /// Of these, bought.
        ppvs_unlocked,
        /// The sum of their prices.
        ppv_sales_cents,
        /// Code points of direct messages.
        characters,
        /// Direct messages that answer.
        replies,
        /// The seconds that fans waited for them.
        reply_seconds_sum,
        /// Mass messages.
        mass_messages,
    }
}

impl MessageSums {
    /// What one message adds.
    pub fn of(message: &Message) -> MessageSums {
        if message.mass {
            return MessageSums { mass_messages: 1, ..MessageSums::default() };
        }
        let unlocked = message.is_unlocked();
        let reply = message.reply();
        MessageSums {
            messages_sent: 1,
            ppvs_sent: message.is_ppv().into(),
            ppvs_unlocked: unlocked.into(),
            ppv_sales_cents: if unlocked { message.price_cents } else { 0 },
            characters: message.characters.into(),
            replies: reply.is_some().into(),
            reply_seconds_sum: reply.unwrap_or(0).into(),
            mass_messages: 0,
        }
    }
}

measures! {
    /// The measures of sales (METRICS.md §4).
    SaleSums {
        /// Gross revenue of sales that are not reversed.
        gross_cents,
        /// Net revenue of these.
        net_cents,
        /// How many they are.
        count,
        /// Net revenue of reversed sales.
        reversed_net_cents,
        /// How many they are.
        reversed_count,
    }
}

/// Creator and chatter.
pub type Pair = (Id, Id);

/// A stream of differences of a collection.
pub type Sums<'scope, D, R> = VecCollection<'scope, Epoch, D, R>;

/// See the module.
pub struct Daily<'scope> {
    /// Messages by hour.
    pub messages: Sums<'scope, (Pair, Local), MessageSums>,
    /// Reply times by hour, as buckets (see [`super::reply_times`]).
    pub replies: Facts<'scope, ((Pair, Local), u16)>,
    /// Distinct fans by window and by creator's day.
    pub contacts: Sums<'scope, Contacted, FanContact>,
    /// Sales by hour and type.
    pub sales: Sums<'scope, ((Pair, Local), Box<str>), SaleSums>,
}

impl<'scope> Daily<'scope> {
    /// See the module.
    pub fn new(sources: &Sources<'scope>, settings: &DataflowSettings) -> Daily<'scope> {
        let mut calendar = Calendar::new(settings.reporting_tz.clone());
        let messages = sources.messages.clone().explode(move |message| {
            let group = ((message.creator, message.chatter), calendar.local(message.sent_at));
            Some((group, MessageSums::of(&message)))
        });
        let mut calendar = Calendar::new(settings.reporting_tz.clone());
        let replies = sources.messages.clone().flat_map(move |message| {
            let bucket = super::reply_times::bucket(message.reply()?);
            Some((((message.creator, message.chatter), calendar.local(message.sent_at)), bucket))
        });
        let mut calendar = Calendar::new(settings.reporting_tz.clone());
        let sales = sources.sales.clone().explode(move |sale| {
            let sums = if sale.reversed {
                SaleSums { reversed_net_cents: sale.net_cents, reversed_count: 1, ..SaleSums::default() }
            } else {
                SaleSums { gross_cents: sale.gross_cents, net_cents: sale.net_cents, count: 1, ..SaleSums::default() }
            };
            let group = ((sale.creator, sale.chatter), calendar.local(sale.sold_at));
            Some(((group, sale.sale_type), sums))
        });
        Daily {
            messages: combine(messages, "messages by hour"),
            replies: combine(replies, "replies by hour"),
            contacts: contacts(sources, settings),
            sales: combine(sales, "sales by hour"),
        }
    }

    /// Distinct fans by creator, chatter and window.
    pub fn fans_by_window(&self) -> Sums<'scope, (Pair, Window), FanContact> {
        self.contacts.clone().flat_map(|contacted| match contacted {
            Contacted::Chatter(pair, window) => Some((pair, window)),
            Contacted::Creator(..) => None,
        })
    }

    /// Distinct fans by creator and day.
    pub fn fans_by_creator_day(&self) -> Sums<'scope, (Id, i32), FanContact> {
        self.contacts.clone().flat_map(|contacted| match contacted {
            Contacted::Chatter(..) => None,
            Contacted::Creator(creator, day) => Some((creator, day)),
        })
    }
}

//! What several views share: messages and sales summed by creator, chatter and day.
//!
//! ```text
//!  messages ──▶ by hour ──▶ by day                     (sums in the difference)
//!      └──────▶ (creator, chatter, day, fan) ──▶ chatted? spent?   (changes of the two flags, in the difference)
//!  sales ─────▶ by day and type
//! ```
//!
//! These are streams of differences, not arrangements: each view that uses one sums them by its own groups.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::ThresholdTotal;
use fandom_schemas::identity::Id;

use super::Sources;
use crate::calendar::Calendar;
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
    /// What happened between a group and a fan: how often, or (after [`distinct`]) whether.
    FanContact {
        /// Direct messages to the fan.
        chatted,
        /// PPVs that the fan unlocked.
        spent,
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

/// Creator, chatter, and a window's number: see [`crate::calendar`].
pub type Group = (Id, Id, i32);

/// A stream of differences of a collection.
pub type Sums<'scope, D, R> = VecCollection<'scope, Epoch, D, R>;

/// See the module.
pub struct Daily<'scope> {
    /// Messages by creator, chatter, day and the instant at which the local hour begins.
    pub hours: Sums<'scope, (Group, i64), MessageSums>,
    /// Messages by creator, chatter and day.
    pub messages: Sums<'scope, Group, MessageSums>,
    /// Whether a fan was chatted with, and whether they spent, by creator, chatter and day: 0 or 1 each.
    pub contacts: Sums<'scope, (Group, Id), FanContact>,
    /// Sales by creator, chatter, day and type.
    pub sales: Sums<'scope, (Group, Box<str>), SaleSums>,
}

impl<'scope> Daily<'scope> {
    /// See the module.
    pub fn new(sources: &Sources<'scope>, settings: &DataflowSettings) -> Daily<'scope> {
        let mut calendar = Calendar::new(settings.reporting_tz.clone());
        let hours = sources.messages.clone().explode(move |message| {
            let local = calendar.local(message.sent_at);
            Some((((message.creator, message.chatter, local.day), local.hour), MessageSums::of(&message)))
        });
        let hours = combine(hours, "messages by hour");
        let messages = combine(hours.clone().map(|(group, _)| group), "messages by day");

        let mut calendar = Calendar::new(settings.reporting_tz.clone());
        let contacts = sources.messages.clone().filter(|message| !message.mass).explode(move |message| {
            let day = calendar.local(message.sent_at).day;
            let contact = FanContact { chatted: 1, spent: message.is_unlocked().into() };
            Some((((message.creator, message.chatter, day), message.fan), contact))
        });
        let contacts = distinct(combine(contacts, "fan contacts by day"));

        let mut calendar = Calendar::new(settings.reporting_tz.clone());
        let sales = sources.sales.clone().explode(move |sale| {
            let day = calendar.local(sale.sold_at).day;
            let sums = if sale.reversed {
                SaleSums { reversed_net_cents: sale.net_cents, reversed_count: 1, ..SaleSums::default() }
            } else {
                SaleSums { gross_cents: sale.gross_cents, net_cents: sale.net_cents, count: 1, ..SaleSums::default() }
            };
            Some((((sale.creator, sale.chatter, day), sale.sale_type), sums))
        });
        let sales = combine(sales, "sales by day");
        Daily { hours, messages, contacts, sales }
    }
}

/// From how often to whether: each component becomes 1 while it is positive. Only changes are emitted.
pub fn distinct<'scope, D>(contacts: Sums<'scope, D, FanContact>) -> Sums<'scope, D, FanContact>
where
    D: differential_dataflow::ExchangeData + std::hash::Hash,
{
    contacts.threshold_semigroup(|_, new, old| {
        let flag = |count: i64| i64::from(count > 0);
        let before = old.copied().unwrap_or_default();
        let change = FanContact {
            chatted: flag(new.chatted) - flag(before.chatted),
            spent: flag(new.spent) - flag(before.spent),
        };
        (change != FanContact::default()).then_some(change)
    })
}

//! What each chatter did for each creator on each day, as the exports show it in the end.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::agency::Agency;
use super::conversations::{Message, Source, play};
use super::exports::{Export, last_seen};
use super::sales::{Sale, SaleType};
use super::watches::Watch;

/// Sums over one or more of: day, chatter, creator.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pub(super) creators: BTreeSet<u16>,
    pub(super) messages: u64,
    pub(super) ppvs: u64,
    pub(super) unlocked: u64,
    pub(super) ppv_cents: u64,
    pub(super) characters: u64,
    pub(super) replies: u64,
    pub(super) reply_seconds: u64,
    pub(super) priority_cents: u64,
    pub(super) of_mass_cents: u64,
    pub(super) sales_net_cents: u64,
    pub(super) tips_net_cents: u64,
    pub(super) scheduled_minutes: Option<u32>,
    pub(super) clocked_minutes: Option<u32>,
    pub(super) fans: HashSet<u32>,
    pub(super) spenders: HashSet<u32>,
}

/// The tallies by day, chatter and creator.
pub(super) type Tallies = BTreeMap<(u32, u16, u16), Tally>;

impl Tally {
    /// Adds what another tally holds.
    pub(super) fn merge(&mut self, other: &Tally) {
        self.creators.extend(&other.creators);
        self.messages += other.messages;
        self.ppvs += other.ppvs;
        self.unlocked += other.unlocked;
        self.ppv_cents += other.ppv_cents;
        self.characters += other.characters;
        self.replies += other.replies;
        self.reply_seconds += other.reply_seconds;
        self.priority_cents += other.priority_cents;
        self.of_mass_cents += other.of_mass_cents;
        self.sales_net_cents += other.sales_net_cents;
        self.tips_net_cents += other.tips_net_cents;
        self.scheduled_minutes = plus(self.scheduled_minutes, other.scheduled_minutes);
        self.clocked_minutes = plus(self.clocked_minutes, other.clocked_minutes);
        self.fans.extend(&other.fans);
        self.spenders.extend(&other.spenders);
    }

    fn count(&mut self, message: &Message, bought: bool) {
        let price = u64::from(message.price_cents);
        let paid = if bought { price } else { 0 };
        match message.source {
            Source::PriorityMass => self.priority_cents += paid,
            Source::OfMass => self.of_mass_cents += paid,
            Source::Welcome | Source::Automated => {}
            Source::Chat => {
                self.messages += 1;
                self.ppvs += u64::from(price > 0);
                self.unlocked += u64::from(bought);
                self.ppv_cents += paid;
                self.characters += message.text.characters();
                self.fans.insert(message.fan);
                if bought {
                    self.spenders.insert(message.fan);
                }
                if let Some((_, waited)) = message.answers {
                    self.replies += 1;
                    self.reply_seconds += u64::from(waited);
                }
            }
        }
    }
}

fn plus(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// Plays the whole calendar once more and counts. What is unattributed belongs to no tally.
pub(super) fn tallies(agency: &Agency, watches: &[Watch], exports: &[Export], sales: &[Sale]) -> Tallies {
    let (mut tallies, seen) = (Tallies::new(), last_seen(agency, exports));
    for watch in watches {
        for duty in &watch.duties {
            let tally = entry(&mut tallies, watch.day, duty.chatter, duty.creator);
            tally.scheduled_minutes = plus(tally.scheduled_minutes, duty.scheduled_minutes);
            tally.clocked_minutes = plus(tally.clocked_minutes, duty.clocked_minutes);
        }
        for message in play(agency, watch).messages {
            if let Some(chatter) = message.chatter {
                let bought = message.is_bought(seen[watch.day as usize]);
                entry(&mut tallies, watch.day, chatter, message.creator).count(&message, bought);
            }
        }
    }
    for sale in sales.iter().filter(|sale| !sale.reversed) {
        if let Some(chatter) = sale.chatter {
            let tally = entry(&mut tallies, agency.day_of(sale.at), chatter, sale.creator);
            tally.sales_net_cents += sale.net_cents(agency);
            if matches!(sale.sale_type, SaleType::Tip | SaleType::PostTip) {
                tally.tips_net_cents += sale.net_cents(agency);
            }
        }
    }
    tallies
}

fn entry(tallies: &mut Tallies, day: u32, chatter: u16, creator: u16) -> &mut Tally {
    let tally = tallies.entry((day, chatter, creator)).or_default();
    tally.creators.insert(creator);
    tally
}

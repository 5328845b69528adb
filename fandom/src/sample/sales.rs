//! What was sold: unlocked offers and tips from the watches; subscriptions, posts and streams from the fans alone.

use super::agency::{Agency, PLATFORMS};
use super::conversations::play;
use super::dice::Dice;
use super::watches::Watch;

/// What a sale was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SaleType {
    Message,
    Tip,
    PostTip,
    Subscription,
    Renewal,
    Post,
    Stream,
}

impl SaleType {
    /// As the sales record names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            SaleType::Message => "Messages",
            SaleType::Tip => "Tips",
            SaleType::PostTip => "Tips (post)",
            SaleType::Subscription => "Subscription",
            SaleType::Renewal => "Recurring subscription",
            SaleType::Post => "Posts",
            SaleType::Stream => "Streams",
        }
    }
}

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sale {
    pub(super) at: i64,
    pub(super) creator: u16,
    pub(super) chatter: Option<u16>,
    pub(super) fan: u32,
    pub(super) sale_type: SaleType,
    pub(super) gross_cents: u64,
    pub(super) reversed: bool,
}

impl Sale {
    /// After the platform's share.
    pub(super) fn net_cents(&self, agency: &Agency) -> u64 {
        agency.net_cents(self.creator, self.gross_cents)
    }
}

const REVERSED: f64 = 0.025;

/// Every sale of the calendar, in order of time. They are held in memory: 32 bytes for each of about one message in ten.
pub(super) fn sales(agency: &Agency, watches: &[Watch]) -> Vec<Sale> {
    let mut sales = Vec::new();
    for watch in watches {
        let work = play(agency, watch);
        let mut dice = Dice::new(agency.seed, "attribution", u64::from(watch.day) * 3 + u64::from(watch.third));
        for message in work.messages {
            if let Some(at) = message.bought_at {
                // What is bought days later is sometimes attributed to nobody.
                let chatter = message.chatter.filter(|_| !dice.chance(0.04));
                let reversed = dice.chance(REVERSED);
                let (sale_type, gross_cents) = (SaleType::Message, u64::from(message.price_cents));
                let (creator, fan) = (message.creator, message.fan);
                sales.push(Sale { at, creator, chatter, fan, sale_type, gross_cents, reversed });
            }
        }
        for tip in work.tips {
            let reversed = dice.chance(REVERSED);
            sales.push(Sale {
                at: tip.at,
                creator: tip.creator,
                chatter: tip.chatter,
                fan: tip.fan,
                sale_type: SaleType::Tip,
                gross_cents: tip.cents,
                reversed,
            });
        }
    }
    for number in 0..agency.fans.len() {
        standing(agency, u32::try_from(number).expect("fans are counted in u32"), &mut sales);
    }
    sales.sort_by_key(|sale| sale.at);
    sales
}

/// What a fan buys without being written to.
fn standing(agency: &Agency, number: u32, sales: &mut Vec<Sale>) {
    let fan = &agency.fans[number as usize];
    let mut dice = Dice::new(agency.seed, "standing", u64::from(number));
    let (start, end) = (agency.midnight(0), agency.until);
    for creator in &fan.creators {
        let fee = u64::from(agency.creators[usize::from(*creator)].fee_cents);
        let platform = &PLATFORMS[agency.creators[usize::from(*creator)].platform];
        let mut sell = |at: i64, sale_type, gross_cents, dice: &mut Dice| {
            if (start..end).contains(&at) {
                let reversed = dice.chance(REVERSED);
                let (creator, fan) = (*creator, number);
                sales.push(Sale { at, creator, chatter: None, fan, sale_type, gross_cents, reversed });
            }
        };
        if let Some(joined) = fan.joined_at {
            sell(joined, SaleType::Subscription, fee, &mut dice);
        }
        // One renewal a month, while they stay.
        let mut renewal = fan.joined_at.map_or(start + dice.between(0, 30 * 86_400), |joined| joined + 30 * 86_400);
        while renewal < end {
            if fan.is_active(renewal) && dice.chance(0.7) {
                sell(renewal, SaleType::Renewal, fee, &mut dice);
            }
            renewal += 30 * 86_400;
        }
        if fan.level > 0.0 {
            let mut now_and_then = |p: f64, sale_type, cents: [u64; 3]| {
                let (at, gross_cents) = (dice.between(start, end), cents[dice.place(3)]);
                if dice.chance(p) && fan.is_active(at) {
                    sell(at, sale_type, gross_cents, &mut dice);
                }
            };
            now_and_then(0.08, SaleType::PostTip, [500, 1000, 2500]);
            now_and_then(0.08, SaleType::Post, [999, 1500, 3000]);
            if platform.streams {
                now_and_then(0.03, SaleType::Stream, [500, 2000, 5000]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_as_small_as_the_documentation_says() {
        assert_eq!(size_of::<Sale>(), 32);
    }
}

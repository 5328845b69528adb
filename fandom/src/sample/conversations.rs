//! What is said and sold in a watch.

use super::agency::Agency;
use super::dice::Dice;
use super::watches::{Duty, Watch, duty_weight};
use super::words::{self, Text};

/// The way in which a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Chat,
    PriorityMass,
    OfMass,
    Welcome,
    Automated,
}

impl Source {
    /// As the dashboard names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Source::Chat => "Chat",
            Source::PriorityMass => "Priority mass message",
            Source::OfMass => "OF mass message",
            Source::Welcome => "Welcome message",
            Source::Automated => "Automated message",
        }
    }
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) at: i64,
    pub(super) creator: u16,
    pub(super) chatter: Option<u16>,
    pub(super) fan: u32,
    pub(super) text: Text,
    pub(super) price_cents: u32,
    /// When the fan unlocked it, if ever.
    pub(super) bought_at: Option<i64>,
    pub(super) source: Source,
    /// What it answers: the fan's words, and how long the fan waited.
    pub(super) answers: Option<(u8, u32)>,
}

impl Message {
    /// Whether an export of that moment shows it as bought.
    pub(super) fn is_bought(&self, moment: i64) -> bool {
        self.bought_at.is_some_and(|at| at <= moment)
    }
}

/// A tip that followed a message.
pub(super) struct Tip {
    pub(super) at: i64,
    pub(super) creator: u16,
    pub(super) chatter: Option<u16>,
    pub(super) fan: u32,
    pub(super) cents: u64,
}

/// What one watch brought: its messages in order of time, and the tips.
pub(super) struct Work {
    pub(super) messages: Vec<Message>,
    pub(super) tips: Vec<Tip>,
}

const PRICES: [f64; 9] = [5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0];
const TIPS: [f64; 5] = [5.0, 10.0, 15.0, 25.0, 50.0];

/// Plays a watch: always the same way.
pub(super) fn play(agency: &Agency, watch: &Watch) -> Work {
    let dice = Dice::new(agency.seed, "watch", u64::from(watch.day) * 3 + u64::from(watch.third));
    let wanted = usize::try_from(watch.messages).expect("a watch's messages fit in memory");
    let work = Work { messages: Vec::with_capacity(wanted), tips: Vec::new() };
    let mut stage = Stage { agency, dice, work, wanted };
    if let (Some(first), Some(last)) = (watch.duties.first(), watch.duties.last()) {
        stage.welcome(first.from, last.to);
        stage.campaigns(&watch.duties);
        stage.conversations(&watch.duties);
    }
    let mut work = stage.work;
    work.messages.sort_by_key(|message| message.at);
    work
}

struct Stage<'a> {
    agency: &'a Agency,
    dice: Dice,
    work: Work,
    wanted: usize,
}

impl Stage<'_> {
    fn room(&self) -> usize {
        self.wanted - self.work.messages.len()
    }

    /// New fans are greeted by the platform a few seconds after they came.
    fn welcome(&mut self, from: i64, to: i64) {
        let joined = &self.agency.joined;
        let first = joined.partition_point(|(at, ..)| *at < from);
        let most = self.room() / 10;
        for (at, creator, fan) in joined[first..].iter().take_while(|(at, ..)| *at < to - 5).take(most) {
            let source = if self.dice.chance(0.8) { Source::Welcome } else { Source::Automated };
            let text = Text::new(&mut self.dice, false);
            self.work.messages.push(Message {
                at: at + 3,
                creator: *creator,
                chatter: None,
                fan: *fan,
                text,
                price_cents: 0,
                bought_at: None,
                source,
                answers: None,
            });
        }
    }

    /// One text to many fans in the same second.
    fn campaigns(&mut self, duties: &[Duty]) {
        if !self.dice.chance(0.35) {
            return;
        }
        let mut left = self.room() * 3 / 10;
        while left > 0 {
            let duty = &duties[self.dice.place(duties.len())];
            let (creator, at) = (duty.creator, self.dice.between(duty.from, duty.to));
            let source = if self.dice.chance(0.6) { Source::PriorityMass } else { Source::OfMass };
            let chatter = (source == Source::PriorityMass || self.dice.chance(0.3)).then_some(duty.chatter);
            let sells = self.dice.chance(0.6);
            let price_cents = if sells { [500, 999, 1500, 2500][self.dice.place(4)] } else { 0 };
            let text = Text::new(&mut self.dice, sells);
            let fans = &self.agency.creators[usize::from(creator)].fans;
            let (offset, before) = (self.dice.place(fans.len()), left);
            for place in 0..fans.len().min(left) {
                let fan = fans[(offset + place) % fans.len()];
                if self.agency.fans[fan as usize].is_active(at) {
                    let bought_at = if sells { self.unlock(fan, at, 0.25) } else { None };
                    let answers = None;
                    self.work.messages.push(Message {
                        at,
                        creator,
                        chatter,
                        fan,
                        text,
                        price_cents,
                        bought_at,
                        source,
                        answers,
                    });
                    left -= 1;
                }
            }
            if left == before {
                return;
            }
        }
    }

    fn conversations(&mut self, duties: &[Duty]) {
        let mut sum = 0.0;
        let reach: Vec<f64> = duties
            .iter()
            .map(|duty| {
                sum += duty_weight(self.agency, duty);
                sum
            })
            .collect();
        while self.room() > 0 {
            let point = self.dice.unit() * sum;
            let place = reach.partition_point(|reach| *reach <= point).min(duties.len() - 1);
            self.conversation(&duties[place]);
        }
    }

    fn conversation(&mut self, duty: &Duty) {
        let slowness = self.agency.chatters[usize::from(duty.chatter)].slowness;
        let mut at = self.dice.between(duty.from, duty.to);
        let fan = self.agency.any_fan(&mut self.dice, duty.creator, at);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let length = 1 + self.dice.exponential(3.5).min(13.0) as usize;
        for _ in 0..length {
            if self.room() == 0 || at >= duty.to {
                return;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded to some hours")]
            let waited = (self.dice.log_normal(4.3, 1.25) * slowness).min(14_000.0) as u32;
            // Sometimes the answer leaves in the very second of the question.
            let waited = if self.dice.chance(0.01) { 0 } else { waited };
            let answers = self.dice.chance(0.8).then(|| (words::fan_text(&mut self.dice), waited));
            let message = self.message(duty, fan, at, answers);
            self.tip(&message);
            if self.room() > 1 && self.dice.chance(0.001) {
                // Said twice in one second.
                let twin = Message { bought_at: None, ..message };
                self.work.messages.extend([twin.clone(), twin]);
            } else {
                self.work.messages.push(message);
            }
            at += self.dice.between(5, 200) + i64::from(waited);
        }
    }

    fn message(&mut self, duty: &Duty, fan: u32, at: i64, answers: Option<(u8, u32)>) -> Message {
        let chatter = &self.agency.chatters[usize::from(duty.chatter)];
        let (level, offers) = (self.agency.fans[fan as usize].level.max(1.0), self.dice.chance(chatter.offers));
        let (mut price_cents, mut bought_at) = (0, None);
        if offers {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most some hundred dollars")]
            let dollars = (PRICES[self.dice.place(PRICES.len())] * level.powf(0.55)).min(490.0) as u32;
            price_cents = dollars * 100 - u32::from(self.dice.chance(0.3));
            bought_at = self.unlock(fan, at, chatter.charm);
        }
        let unattributed = self.dice.chance(0.02);
        Message {
            at,
            creator: duty.creator,
            chatter: (!unattributed).then_some(duty.chatter),
            fan,
            text: Text::new(&mut self.dice, offers),
            price_cents,
            bought_at,
            source: Source::Chat,
            answers,
        }
    }

    /// When the fan buys what was sent then: mostly within the hour, sometimes days later, mostly never.
    fn unlock(&mut self, fan: u32, at: i64, charm: f64) -> Option<i64> {
        let level = self.agency.fans[fan as usize].level;
        if level == 0.0 || !self.dice.chance((charm * (0.28 + 0.04 * level)).min(0.85)) {
            return None;
        }
        let days_later = self.dice.chance(0.25);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of some hours")]
        let delay =
            if days_later { self.dice.between(86_400, 5 * 86_400) } else { 2 + self.dice.exponential(1300.0) as i64 };
        (at + delay < self.agency.until).then_some(at + delay)
    }

    fn tip(&mut self, message: &Message) {
        let level = self.agency.fans[message.fan as usize].level;
        if level == 0.0 || !self.dice.chance((0.008 * level).min(0.1)) {
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most some hundred dollars")]
        let dollars = (TIPS[self.dice.place(TIPS.len())] * (level / 6.0).max(1.0)).min(500.0) as u64;
        let at = message.at + self.dice.between(10, 400);
        if at < self.agency.until {
            let Message { creator, chatter, fan, .. } = *message;
            self.work.tips.push(Tip { at, creator, chatter, fan, cents: dollars * 100 });
        }
    }
}

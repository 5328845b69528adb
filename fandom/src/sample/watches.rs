//! Who works when, and how many messages fall to each watch.
//!
//! A day has three watches of eight hours. A watch is played alone, with dice of its own: the messages of any span of
//! days can be had without those before it, and never more than one watch's are in memory.

use super::agency::Agency;
use super::dice::Dice;

/// A third of a day.
pub(super) struct Watch {
    pub(super) day: u32,
    /// 0 is the night.
    pub(super) third: u32,
    /// How many messages are sent in it.
    pub(super) messages: u64,
    pub(super) duties: Vec<Duty>,
}

/// A chatter's time on one creator's account.
#[derive(Clone, Debug)]
pub(super) struct Duty {
    pub(super) chatter: u16,
    pub(super) creator: u16,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) scheduled_minutes: Option<u32>,
    pub(super) clocked_minutes: Option<u32>,
}

/// How busy night, day and evening are.
const BUSY: [f64; 3] = [0.8, 1.0, 1.4];

/// The watches of the whole calendar, in order of time, `messages` shared out among them to the last one.
pub(super) fn watches(agency: &Agency, messages: u64) -> Vec<Watch> {
    let mut watches = Vec::new();
    for day in 0..agency.days {
        for third in 0..3 {
            let duties = duties(agency, day, third);
            watches.push(Watch { day, third, messages: 0, duties });
        }
    }
    let weights: Vec<f64> = watches.iter().map(|watch| weight(agency, watch)).collect();
    let (whole, mut sum, mut given) = (weights.iter().sum::<f64>(), 0.0, 0);
    for (watch, weight) in watches.iter_mut().zip(weights) {
        sum += weight;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
        let up_to = if whole > 0.0 { (messages as f64 * sum / whole).round() as u64 } else { 0 };
        watch.messages = up_to - given;
        given = up_to;
    }
    watches
}

fn weight(agency: &Agency, watch: &Watch) -> f64 {
    watch.duties.iter().map(|duty| duty_weight(agency, duty)).sum::<f64>() * BUSY[watch.third as usize]
}

/// How many of the watch's messages fall to a duty, against the others.
pub(super) fn duty_weight(agency: &Agency, duty: &Duty) -> f64 {
    (duty.to - duty.from) as f64 * agency.chatters[usize::from(duty.chatter)].pace
}

fn duties(agency: &Agency, day: u32, third: u32) -> Vec<Duty> {
    let count = agency.chatters.len();
    let at_work = |number: usize| {
        let rest = (day as usize + number) % 7;
        agency.chatters[number].third == third && rest < 5
    };
    let mut team: Vec<usize> = (0..count).filter(|number| at_work(*number)).collect();
    if team.is_empty() {
        // Somebody stands in.
        team.push((day as usize * 3 + third as usize) % count);
    }
    let hour = i8::try_from(third * 8).expect("a third of a day");
    let (from, to) = (agency.at(day, hour), agency.at(day, hour + 8));
    team.into_iter().flat_map(|chatter| shift(agency, (day, third), chatter, from, to)).collect()
}

/// One chatter's shift, shared among the creators that are theirs.
fn shift(agency: &Agency, (day, third): (u32, u32), chatter: usize, from: i64, to: i64) -> Vec<Duty> {
    let creators = agency.creators.len();
    let parts = (1 + chatter % 2).max(creators.div_ceil(agency.chatters.len())).min(creators);
    let length = (to - from) / i64::try_from(parts).expect("creators are counted in u16");
    let number = (u64::from(day * 3 + third) << 32) + chatter as u64;
    let mut dice = Dice::new(agency.seed, "shift", number);
    let mut duties = Vec::with_capacity(parts);
    for part in 0..parts {
        let begin = from + length * i64::try_from(part).expect("creators are counted in u16");
        let end = (begin + length).min(agency.until);
        let minutes = |seconds: i64| u32::try_from(seconds / 60).unwrap_or(0);
        let slack = u32::try_from(dice.between(0, 26)).unwrap_or(0);
        let clocked = match dice.unit() {
            x if x < 0.03 => None,
            x if x < 0.05 => Some(0),
            _ => Some(minutes(end - begin).saturating_sub(slack)),
        };
        let scheduled = (!dice.chance(0.03)).then(|| minutes(length));
        if begin < end {
            duties.push(Duty {
                chatter: u16::try_from(chatter).expect("chatters are counted in u16"),
                creator: u16::try_from((chatter + part) % creators).expect("creators are counted in u16"),
                from: begin,
                to: end,
                scheduled_minutes: scheduled,
                clocked_minutes: clocked,
            });
        }
    }
    duties
}

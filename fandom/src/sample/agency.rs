//! The people of the sample's agency, and its calendar.

use anyhow::Context;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::dice::Dice;
use super::words;

/// A platform, and the share of a sale in percent that it leaves to the creator.
pub(super) struct Platform {
    pub(super) name: &'static str,
    pub(super) short: &'static str,
    pub(super) share: u64,
    pub(super) streams: bool,
}

pub(super) const PLATFORMS: [Platform; 3] = [
    Platform { name: "OF", short: "OF", share: 80, streams: true },
    Platform { name: "Fansly", short: "FS", share: 80, streams: true },
    Platform { name: "Fanvue", short: "FV", share: 85, streams: false },
];

/// A creator.
pub(super) struct Creator {
    pub(super) name: String,
    /// Her place in [`PLATFORMS`].
    pub(super) platform: usize,
    /// The price of a month, in cents.
    pub(super) fee_cents: u32,
    /// Her fans, and the running sum of how much each of them is written to.
    pub(super) fans: Vec<u32>,
    reach: Vec<f64>,
}

/// A chatter, and how she differs from the others.
pub(super) struct Chatter {
    pub(super) name: String,
    /// Which third of the day is hers.
    pub(super) third: u32,
    /// Messages sent, against the usual.
    pub(super) pace: f64,
    /// How long fans wait, against the usual.
    pub(super) slowness: f64,
    /// How often a message offers something.
    pub(super) offers: f64,
    /// How well offers are taken, against the usual.
    pub(super) charm: f64,
}

/// A fan on one platform.
pub(super) struct Fan {
    pub(super) username: String,
    nickname: String,
    renamed: Option<(i64, String)>,
    /// How much more than the least spender this one spends; 0 never buys.
    pub(super) level: f64,
    /// When they came; `None` before the first day.
    pub(super) joined_at: Option<i64>,
    /// When they fell silent.
    pub(super) left_at: Option<i64>,
    /// The creators they follow, all on one platform.
    pub(super) creators: Vec<u16>,
}

impl Fan {
    /// The nickname as an export of that moment shows it.
    pub(super) fn nickname(&self, moment: i64) -> &str {
        match &self.renamed {
            Some((since, name)) if *since <= moment => name,
            _ => &self.nickname,
        }
    }

    /// Whether they are about at that instant.
    pub(super) fn is_active(&self, at: i64) -> bool {
        self.joined_at.is_none_or(|joined| joined <= at) && self.left_at.is_none_or(|left| at < left)
    }
}

/// The agency. Instants are seconds since the Unix epoch; days are counted from 0.
pub(super) struct Agency {
    pub(super) seed: u64,
    pub(super) zone: TimeZone,
    pub(super) zone_name: String,
    pub(super) days: u32,
    /// What is later than this has not happened yet.
    pub(super) until: i64,
    pub(super) creators: Vec<Creator>,
    pub(super) chatters: Vec<Chatter>,
    pub(super) fans: Vec<Fan>,
    /// Who came when, in order of time: instant, creator, fan.
    pub(super) joined: Vec<(i64, u16, u32)>,
    start: Date,
    midnights: Vec<i64>,
}

/// How large an agency is wanted, and when.
pub(super) struct Size {
    pub(super) creators: u16,
    pub(super) chatters: u16,
    pub(super) fans: u32,
    pub(super) days: u32,
}

impl Agency {
    /// Hires everybody. Without a first day, the last one is today, as far as it has come.
    pub(super) fn new(seed: u64, size: &Size, zone_name: &str, start: Option<Date>) -> anyhow::Result<Agency> {
        let zone = TimeZone::get(zone_name).with_context(|| format!("no such time zone: `{zone_name}`"))?;
        // The newest export was made a little while ago, so that no file is dated after the present.
        let now = (Timestamp::now().as_second() - 600) / 60 * 60;
        let today = zone.to_datetime(Timestamp::from_second(now)?).date();
        let first = match start {
            Some(day) => day,
            None => today.checked_sub((i64::from(size.days) - 1).days())?,
        };
        let midnights = (0..=i64::from(size.days))
            .map(|day| Ok(first.checked_add(day.days())?.to_zoned(zone.clone())?.timestamp().as_second()))
            .collect::<anyhow::Result<Vec<i64>>>()
            .with_context(|| format!("{} days from {first} on leave the calendar", size.days))?;
        let end = midnights[midnights.len() - 1];
        let until = if start.is_some() { end } else { now.clamp(midnights[midnights.len() - 2] + 60, end) };
        let mut agency = Agency {
            seed,
            zone,
            zone_name: zone_name.to_owned(),
            days: size.days,
            until,
            creators: (0..size.creators).map(|number| hire_creator(seed, number)).collect(),
            chatters: (0..size.chatters).map(|number| hire_chatter(seed, number)).collect(),
            fans: Vec::with_capacity(size.fans as usize),
            joined: Vec::new(),
            start: first,
            midnights,
        };
        agency.gather_fans(size.fans);
        Ok(agency)
    }

    fn gather_fans(&mut self, count: u32) {
        for number in 0..count {
            let mut dice = Dice::new(self.seed, "fan", u64::from(number));
            // The first fan of each creator never leaves, so that there is always somebody to write to.
            let (home, steady) = match usize::try_from(number) {
                Ok(number) if number < self.creators.len() => (number, true),
                _ => (dice.place(self.creators.len()), false),
            };
            let fan = self.make_fan(&mut dice, number, home, steady);
            let weight = fan.level.max(1.0).sqrt() * dice.log_normal(0.0, 0.6);
            for creator in &fan.creators {
                let creator_fans = &mut self.creators[usize::from(*creator)];
                creator_fans.fans.push(number);
                creator_fans.reach.push(creator_fans.reach.last().unwrap_or(&0.0) + weight);
                if let Some(at) = fan.joined_at {
                    self.joined.push((at, *creator, number));
                }
            }
            self.fans.push(fan);
        }
        self.joined.sort_unstable();
    }

    fn make_fan(&self, dice: &mut Dice, number: u32, home: usize, steady: bool) -> Fan {
        let platform = self.creators[home].platform;
        let nickname = words::nickname(dice);
        let mut username = match platform {
            0 => format!("u{}", 301_000_000 + u64::from(number) * 613 + dice.place(600) as u64),
            1 => format!("user_{number}_{}", dice.place(90) + 10),
            _ => format!("fan.{}{number}", dice.pick(&["de", "us", "uk", "fr", "rs"])),
        };
        // A username on two platforms is two fans.
        if number % 40 == 39
            && let Some(other) = self.fans.last()
            && self.creators[usize::from(other.creators[0])].platform != platform
        {
            username.clone_from(&other.username);
        }
        let (start, end) = (self.midnights[0], self.until);
        let later = dice.between(start, end);
        let renamed =
            dice.chance(0.06).then(|| (later, format!("{nickname} {}", dice.pick(&["🌙", "2", "(new)", "II"]))));
        let level = if dice.chance(0.4) { 0.0 } else { dice.pareto(1.1).min(90.0) };
        let (fate, turn) = (dice.unit(), dice.between(start, end));
        let mut creators = vec![u16::try_from(home).expect("creators are counted in u16")];
        for (other, creator) in self.creators.iter().enumerate() {
            if other != home && creator.platform == platform && dice.chance(0.15) {
                creators.push(u16::try_from(other).expect("creators are counted in u16"));
            }
        }
        Fan {
            username,
            nickname,
            renamed,
            level: if steady { level.max(2.0) } else { level },
            joined_at: (!steady && fate < 0.16).then_some(turn),
            left_at: (!steady && fate > 0.84).then_some(turn),
            creators,
        }
    }

    /// The first instant of a day.
    pub(super) fn midnight(&self, day: u32) -> i64 {
        self.midnights[day as usize]
    }

    /// The day of an instant.
    pub(super) fn day_of(&self, at: i64) -> u32 {
        let after = self.midnights.partition_point(|midnight| *midnight <= at);
        u32::try_from(after).expect("days are counted in u32").saturating_sub(1)
    }

    /// The date of a day.
    pub(super) fn date(&self, day: u32) -> Date {
        self.local(self.midnight(day)).date()
    }

    /// The instant of a time of day; where clocks skip it, the instant after the gap.
    pub(super) fn at(&self, day: u32, hour: i8) -> i64 {
        if hour == 24 {
            return self.midnight(day + 1);
        }
        let local = self.date(day).at(hour, 0, 0, 0);
        local.to_zoned(self.zone.clone()).map_or_else(|_| self.midnight(day), |at| at.timestamp().as_second())
    }

    /// What the clocks of the agency show at that instant.
    pub(super) fn local(&self, at: i64) -> DateTime {
        local(&self.zone, at)
    }

    /// When the newest exports were made: in a calendar of the past, the morning after.
    pub(super) fn exported_at(&self) -> i64 {
        let end = self.midnight(self.days);
        if self.until < end { self.until } else { end + 9 * 3600 + 30 * 60 + 12 }
    }

    /// The first day.
    pub(super) fn first_date(&self) -> Date {
        self.start
    }

    /// Somebody of the creator's fans who is about, those who are written to much more often.
    pub(super) fn any_fan(&self, dice: &mut Dice, creator: u16, at: i64) -> u32 {
        let creator = &self.creators[usize::from(creator)];
        let whole = creator.reach.last().copied().unwrap_or(0.0);
        for _ in 0..8 {
            let point = dice.unit() * whole;
            let place = creator.reach.partition_point(|reach| *reach <= point).min(creator.fans.len() - 1);
            if self.fans[creator.fans[place] as usize].is_active(at) {
                return creator.fans[place];
            }
        }
        creator.fans[0]
    }

    /// `Aurora (OF)`.
    pub(super) fn creator_label(&self, creator: u16) -> String {
        let creator = &self.creators[usize::from(creator)];
        format!("{} ({})", creator.name, PLATFORMS[creator.platform].name)
    }

    /// What the platform leaves of a sale, in cents.
    pub(super) fn net_cents(&self, creator: u16, gross_cents: u64) -> u64 {
        (gross_cents * PLATFORMS[self.creators[usize::from(creator)].platform].share + 50) / 100
    }
}

/// What clocks of a zone show at an instant.
pub(super) fn local(zone: &TimeZone, at: i64) -> DateTime {
    zone.to_datetime(Timestamp::from_second(at).expect("the sample's instants are those of its calendar"))
}

fn hire_creator(seed: u64, number: u16) -> Creator {
    let mut dice = Dice::new(seed, "creator", u64::from(number));
    Creator {
        name: words::name(words::CREATORS, usize::from(number)),
        platform: usize::from(number) % PLATFORMS.len(),
        fee_cents: [799, 999, 1299, 1499, 1999][dice.place(5)],
        fans: Vec::new(),
        reach: Vec::new(),
    }
}

fn hire_chatter(seed: u64, number: u16) -> Chatter {
    let mut dice = Dice::new(seed, "chatter", u64::from(number));
    Chatter {
        name: words::name(words::CHATTERS, usize::from(number)),
        third: u32::from(number) % 3,
        pace: dice.log_normal(0.0, 0.25),
        slowness: dice.log_normal(0.0, 0.35),
        offers: 0.10 + 0.12 * dice.unit(),
        charm: 0.6 + 0.8 * dice.unit(),
    }
}

//! Where an instant falls in the reporting zone: hour, day, ISO week, month.
//!
//! A day is its number since 1970-01-01, a week the number of its Monday, a month the number of its first day.

use hashbrown::HashMap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Zones change their offset at multiples of 15 minutes, so instants within one have the same local hour.
const SLOT_SECONDS: i64 = 900;

/// Cuts instants in one zone; remembers what it found.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    slots: HashMap<i64, Local>,
}

/// Where an instant falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Local day.
    pub day: i32,
    /// The instant at which the local hour began, in seconds since the Unix epoch. The two hours of the same name, when
    /// clocks go back, are different hours.
    pub hour: i64,
}

impl Calendar {
    /// A calendar of this zone.
    pub fn new(zone: TimeZone) -> Calendar {
        Calendar { zone, slots: HashMap::new() }
    }

    /// Where this instant (seconds since the Unix epoch) falls.
    pub fn local(&mut self, instant: i64) -> Local {
        let slot = instant.div_euclid(SLOT_SECONDS);
        let zone = &self.zone;
        *self.slots.entry(slot).or_insert_with(|| {
            let start = slot * SLOT_SECONDS;
            let offset = Timestamp::from_second(start).map_or(0, |at| i64::from(zone.to_offset(at).seconds()));
            let local = start + offset;
            let day = i32::try_from(local.div_euclid(86_400)).unwrap_or(i32::MAX);
            Local { day, hour: local.div_euclid(3_600) * 3_600 - offset }
        })
    }

    /// Today.
    pub fn today(&mut self) -> i32 {
        self.local(Timestamp::now().as_second()).day
    }
}

/// The Monday of a day's ISO week.
pub fn week(day: i32) -> i32 {
    day - (day + 3).rem_euclid(7)
}

/// The first day of a day's month.
pub fn month(day: i32) -> i32 {
    day - i32::from(date(day).day()) + 1
}

/// `2026-W43`, of a week's Monday.
pub fn week_name(monday: i32) -> String {
    let week = date(monday).iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

/// `2026-10`, of a month's first day.
pub fn month_name(first: i32) -> String {
    let date = date(first);
    format!("{:04}-{:02}", date.year(), date.month())
}

/// The number of a civil date.
pub fn day_number(date: Date) -> i32 {
    date.since(EPOCH).map_or(0, |span| span.get_days())
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn date(day: i32) -> Date {
    EPOCH.saturating_add(jiff::Span::new().days(day))
}

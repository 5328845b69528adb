//! Where an instant falls in the reporting zone: hour, day, ISO week, month.
//!
//! A day is its number since 1970-01-01, a week the number of its Monday, a month the number of its first day.

use std::ops::Range;

use hashbrown::HashMap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Zones change their offset at multiples of 15 minutes, so instants within one have the same local hour.
const SLOT_SECONDS: i64 = 900;

/// Cuts instants in one zone; remembers what it found.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    slots: HashMap<i64, Local>,
}

/// Where an instant falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
            let Ok(at) = Timestamp::from_second(start) else { return Local { day: i32::MAX, hour: start } };
            let offset = i64::from(zone.to_offset(at).seconds());
            let local = start + offset;
            let day = i32::try_from(local.div_euclid(86_400)).unwrap_or(i32::MAX);
            let hour = local.div_euclid(3_600) * 3_600 - offset;
            // Where clocks change by half an hour, an hour may begin at the change.
            let changes = zone.preceding(at.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(at));
            let changed = changes.map(|change| change.timestamp().as_second()).next().unwrap_or(i64::MIN);
            Local { day, hour: hour.max(changed) }
        })
    }

    /// Today.
    pub fn today(&mut self) -> i32 {
        self.local(Timestamp::now().as_second()).day
    }
}

/// A stretch of local time over which measures are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Window {
    /// An hour, by the instant at which it begins.
    Hour(i64),
    /// A day.
    Day(i32),
    /// An ISO week, by its Monday.
    Week(i32),
    /// A month, by its first day.
    Month(i32),
    /// All time.
    All,
}

impl Window {
    /// The local days of the window; those of an hour are the days on which any zone can have it.
    pub fn days(self) -> Range<i32> {
        match self {
            Window::Hour(at) => {
                let day = i32::try_from(at.div_euclid(86_400)).unwrap_or(i32::MAX - 2);
                day - 1..day + 2
            }
            Window::Day(day) => day..day + 1,
            Window::Week(monday) => monday..monday + 7,
            // No month has more than 31 days.
            Window::Month(first) => first..month(first + 31),
            Window::All => i32::MIN..i32::MAX,
        }
    }

    /// The windows around a day.
    pub fn around_day(day: i32) -> [Window; 4] {
        [Window::Day(day), Window::Week(week(day)), Window::Month(month(day)), Window::All]
    }
}

impl Local {
    /// The windows around an hour.
    pub fn windows(self) -> [Window; 5] {
        let [day, week, month, all] = Window::around_day(self.day);
        [Window::Hour(self.hour), day, week, month, all]
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

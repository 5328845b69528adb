//! Dates and times as texts write them.

use jiff::civil::{Date, DateTime, Time};

use super::super::Fault;
use super::{DayMonth, believed};

/// The day and time of a text that holds both.
pub(super) fn day_and_time_of(text: &str, order: DayMonth) -> Result<DateTime, Fault> {
    let (day, rest) = leading_date(text, order)?;
    let time = rest.strip_prefix('T').unwrap_or(rest).trim_start_matches([' ', ',']);
    if time.len() == rest.len() {
        return Err(Fault::Unreadable);
    }
    Ok(day.to_datetime(clock(time).ok_or(Fault::Unreadable)?))
}

/// The date with which a text begins, and what follows it.
pub(super) fn leading_date(text: &str, order: DayMonth) -> Result<(Date, &str), Fault> {
    let mut scan = Scan(text);
    let (year, month, day) = if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let month = scan.month().ok_or(Fault::Unreadable)?;
        scan.spaces();
        let day = scan.digits(1, 2).ok_or(Fault::Unreadable)?;
        scan.take(',');
        scan.spaces();
        (scan.digits(4, 4).ok_or(Fault::Unreadable)?, month, day)
    } else {
        let before = scan.0;
        match scan.digits(4, 4).filter(|_| scan.take('-')) {
            Some(year) => {
                let month = scan.digits(1, 2).ok_or(Fault::Unreadable)?;
                let day = scan.take('-').then(|| scan.digits(1, 2)).flatten().ok_or(Fault::Unreadable)?;
                (year, month, day)
            }
            None => {
                scan = Scan(before);
                let first = scan.digits(1, 2).ok_or(Fault::Unreadable)?;
                let second = scan.take('/').then(|| scan.digits(1, 2)).flatten().ok_or(Fault::Unreadable)?;
                let year = scan.take('/').then(|| scan.digits(4, 4)).flatten().ok_or(Fault::Unreadable)?;
                match order {
                    DayMonth::MonthFirst => (year, first, second),
                    DayMonth::DayFirst => (year, second, first),
                }
            }
        }
    };
    if scan.0.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Fault::Unreadable);
    }
    let date = Date::new(year, i8::try_from(month).unwrap_or(0), i8::try_from(day).unwrap_or(0));
    let date = date.map_err(|_| Fault::NoSuchDate)?;
    Ok((believed(date).ok_or(Fault::Unreadable)?, scan.0))
}

/// A time of day: `13:52:43`, `13:52`, `1:52:43 PM`; parts of a second are cut off.
pub(super) fn clock(text: &str) -> Option<Time> {
    let mut scan = Scan(text);
    let mut hour = scan.digits(1, 2)?;
    let minute = scan.take(':').then(|| scan.digits(2, 2)).flatten()?;
    let second = if scan.take(':') { scan.digits(2, 2)? } else { 0 };
    if scan.take('.') {
        scan.digits(1, 9)?;
    }
    let half = scan.0.trim();
    if !half.is_empty() {
        let afternoon = half.eq_ignore_ascii_case("pm") || half.eq_ignore_ascii_case("p.m.");
        let morning = half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("a.m.");
        if !(afternoon || morning) || !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let part = |value: i16| i8::try_from(value).ok();
    Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()
}

/// What is left of a text that is read from its beginning.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// A number of so many digits; of more than the most digits it takes none.
    fn digits(&mut self, least: usize, most: usize) -> Option<i16> {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(least..=most).contains(&length) {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        // Parts of a second may have nine digits; nobody asks for their value.
        Some(digits.parse().unwrap_or(0))
    }

    fn take(&mut self, mark: char) -> bool {
        match self.0.strip_prefix(mark) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start();
    }

    /// A month by its name or the beginning of it, of at least three letters.
    fn month(&mut self) -> Option<i16> {
        const NAMES: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let length = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.0.split_at(length);
        if length < 3 {
            return None;
        }
        let begins = |name: &&str| name.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let place = NAMES.iter().position(begins)?;
        self.0 = rest.strip_prefix('.').unwrap_or(rest);
        i16::try_from(place + 1).ok()
    }
}

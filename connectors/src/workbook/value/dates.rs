//! Dates, times and periods.

mod written;

use fandom_schemas::bounds::YEARS;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::super::row::Cell;
use super::{Fault, is_missing};
use written::{clock, day_and_time_of, leading_date};

/// From which day a workbook counts its dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// The 1900 system: day 0 is 30 December 1899 (for all days after February 1900).
    #[default]
    Y1900,
    /// The 1904 system: day 0 is 1 January 1904.
    Y1904,
}

/// The order of day and month in `06/07/2026`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DayMonth {
    /// `06/18/2026` is 18 June.
    #[default]
    MonthFirst,
    /// `18/06/2026` is 18 June: the column's header says so.
    DayFirst,
}

/// How a column's dates are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DateForm {
    /// How the workbook counts days.
    pub(crate) epoch: Epoch,
    /// The order of day and month.
    pub(crate) order: DayMonth,
}

/// The day of a cell: text, a native cell or the bare number of a day. A time beside it is passed over.
pub(crate) fn day(cell: Cell<'_>, form: DateForm) -> Result<Date, Fault> {
    match cell {
        Cell::Number(serial) | Cell::Serial(serial) => Ok(from_serial(serial, form.epoch)?.date()),
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => {
            let (day, rest) = leading_date(text.trim(), form.order)?;
            if rest.is_empty() || clock(rest.trim_start_matches(['T', ' '])).is_some() {
                Ok(day)
            } else {
                Err(Fault::Unreadable)
            }
        }
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Bool(_) => Err(Fault::Unreadable),
    }
}

/// The time of day of a cell: text, a native cell or the fraction of a day.
pub(crate) fn time(cell: Cell<'_>) -> Result<Time, Fault> {
    match cell {
        Cell::Number(fraction) if (0.0..1.0).contains(&fraction) => Ok(of_fraction(fraction)),
        Cell::Serial(serial) if serial >= 0.0 => Ok(of_fraction(serial.fract())),
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => clock(text.trim()).ok_or(Fault::Unreadable),
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Serial(_) | Cell::Bool(_) => Err(Fault::Unreadable),
    }
}

/// The day and time of a cell that holds both.
pub(crate) fn day_and_time(cell: Cell<'_>, form: DateForm) -> Result<DateTime, Fault> {
    match cell {
        Cell::Number(serial) | Cell::Serial(serial) => from_serial(serial, form.epoch),
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => day_and_time_of(text.trim(), form.order),
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Bool(_) => Err(Fault::Unreadable),
    }
}

/// A period, both ends inclusive and naive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    /// Its first second.
    pub(crate) start: DateTime,
    /// Its last second.
    pub(crate) end: DateTime,
}

const FIRST_SECOND: Time = Time::constant(0, 0, 0, 0);
const LAST_SECOND: Time = Time::constant(23, 59, 59, 0);

/// The period of a cell: `2026-05-19 00:00:00 - 2026-05-19 23:59:59`, two days, or one day for the whole of it, which may stand
/// as its midnight.
pub(crate) fn period(cell: Cell<'_>, form: DateForm) -> Result<Period, Fault> {
    let whole =
        |first: Date, last: Date| Period { start: first.to_datetime(FIRST_SECOND), end: last.to_datetime(LAST_SECOND) };
    let text = match cell {
        Cell::Text(text) if is_missing(text) => return Err(Fault::Missing),
        Cell::Text(text) => text.trim(),
        Cell::Number(serial) | Cell::Serial(serial) => {
            let at = from_serial(serial, form.epoch)?;
            return if at.time() == FIRST_SECOND { Ok(whole(at.date(), at.date())) } else { Err(Fault::Unreadable) };
        }
        Cell::Blank => return Err(Fault::Missing),
        Cell::Error(_) => return Err(Fault::ErrorCell),
        Cell::Bool(_) => return Err(Fault::Unreadable),
    };
    let ends = [" - ", " \u{2013} ", " \u{2014} "].iter().find_map(|between| text.split_once(between));
    let period = match ends {
        None => {
            let (day, rest) = leading_date(text, form.order)?;
            let midnight = |rest: &str| clock(rest.trim_start_matches(['T', ' ', ','])) == Some(FIRST_SECOND);
            if !rest.is_empty() && !midnight(rest) {
                return Err(Fault::Unreadable);
            }
            whole(day, day)
        }
        Some((first, last)) => Period {
            start: end_of_period(first.trim(), form, FIRST_SECOND)?,
            end: end_of_period(last.trim(), form, LAST_SECOND)?,
        },
    };
    if period.end < period.start { Err(Fault::Unreadable) } else { Ok(period) }
}

fn end_of_period(text: &str, form: DateForm, of_a_day: Time) -> Result<DateTime, Fault> {
    let (day, rest) = leading_date(text, form.order)?;
    if rest.is_empty() { Ok(day.to_datetime(of_a_day)) } else { day_and_time_of(text, form.order) }
}

/// An instant, and whether its local time occurs twice or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Seconds since the Unix epoch.
    pub(crate) at: i64,
    /// Whether the local time occurs twice (the first is meant) or never (it is moved forward by the gap).
    pub(crate) doubtful: bool,
}

/// The instant of a local time.
pub(crate) fn instant(local: DateTime, zone: &TimeZone) -> Instant {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let doubtful = ambiguous.is_ambiguous();
    let at = ambiguous.compatible().expect("the believed years are far from the ends of time").as_second();
    Instant { at, doubtful }
}

/// The first and last instant of a period. An end at the last second of a day is the second before the next day begins, so a
/// day is whole however the clock was changed in it; the ends of whole days are never in doubt.
pub(crate) fn instants(period: Period, zone: &TimeZone) -> (Instant, Instant) {
    let mut start = instant(period.start, zone);
    if period.start.time() == FIRST_SECOND {
        start.doubtful = false;
    }
    let end = if period.end.time() == LAST_SECOND {
        let next = period.end.date().tomorrow().expect("the believed years are far from the ends of time");
        Instant { at: instant(next.to_datetime(FIRST_SECOND), zone).at - 1, doubtful: false }
    } else {
        instant(period.end, zone)
    };
    (start, end)
}

/// A local time as sheets write it: `2026-05-19 00:00:00`.
pub(crate) fn written(at: DateTime) -> String {
    format!("{} {:02}:{:02}:{:02}", at.date(), at.hour(), at.minute(), at.second())
}

/// The day and time of a native cell, to the nearest second.
pub(crate) fn from_serial(serial: f64, epoch: Epoch) -> Result<DateTime, Fault> {
    if !(0.0..1e7).contains(&serial) {
        return Err(Fault::Unreadable);
    }
    let seconds = (serial * 86_400.0).round() as i64;
    let days_before_1970 = match epoch {
        Epoch::Y1900 => 25_569,
        Epoch::Y1904 => 24_107,
    };
    let date = of_unix_day(seconds.div_euclid(86_400) - days_before_1970).ok_or(Fault::Unreadable)?;
    Ok(date.to_datetime(of_second(seconds.rem_euclid(86_400))))
}

/// The day that many days after 1 January 1970, if it is believed. (Years of 400 begin in March.)
fn of_unix_day(day: i64) -> Option<Date> {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = i16::try_from(year_of_era + era * 400 + i64::from(month <= 2)).ok()?;
    believed(Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?)
}

fn believed(date: Date) -> Option<Date> {
    YEARS.contains(&date.year()).then_some(date)
}

fn of_fraction(fraction: f64) -> Time {
    of_second(((fraction * 86_400.0).round() as i64).min(86_399))
}

fn of_second(second: i64) -> Time {
    let part = |value: i64| i8::try_from(value).unwrap_or(0);
    Time::new(part(second / 3600), part(second / 60 % 60), part(second % 60), 0).unwrap_or(FIRST_SECOND)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    const FORM: DateForm = DateForm { epoch: Epoch::Y1900, order: DayMonth::MonthFirst };

    #[test]
    fn a_day_in_every_form() {
        let day_of = |text| day(Cell::Text(text), FORM);
        assert_eq!(day_of("Sep 26, 2025"), Ok(date(2025, 9, 26)));
        assert_eq!(day_of("september 6, 2025"), Ok(date(2025, 9, 6)));
        assert_eq!(day_of("2026-06-18"), Ok(date(2026, 6, 18)));
        assert_eq!(day_of("06/18/2026"), Ok(date(2026, 6, 18)));
        assert_eq!(day_of(" 6/8/2026 "), Ok(date(2026, 6, 8)));
        assert_eq!(day_of("2026-06-18 00:00:00"), Ok(date(2026, 6, 18)));
        assert_eq!(day(Cell::Serial(46_191.0), FORM), Ok(date(2026, 6, 18)));
        assert_eq!(day(Cell::Number(46_191.75), FORM), Ok(date(2026, 6, 18)));
        let mac = DateForm { epoch: Epoch::Y1904, ..FORM };
        assert_eq!(day(Cell::Serial(46_191.0 - 1462.0), mac), Ok(date(2026, 6, 18)));
        let british = DateForm { order: DayMonth::DayFirst, ..FORM };
        assert_eq!(day(Cell::Text("07/06/2026"), british), Ok(date(2026, 6, 7)));
    }

    #[test]
    fn a_day_that_does_not_exist_is_told_from_what_is_no_day() {
        for text in ["Feb 30, 2026", "2026-02-29", "02/30/2026", "18/06/2026", "2026-00-10"] {
            assert_eq!(day(Cell::Text(text), FORM), Err(Fault::NoSuchDate), "{text:?}");
        }
        for text in
            ["Foo 3, 2026", "Sep 26", "20225-06-18", "Sep 26, 20225", "2026-06-18x", "26-06-18", "1999-01-01", "46191"]
        {
            assert_eq!(day(Cell::Text(text), FORM), Err(Fault::Unreadable), "{text:?}");
        }
        for serial in [-1.0, 5.0, 6_700_000.0, 1e40, f64::NAN] {
            assert_eq!(day(Cell::Serial(serial), FORM), Err(Fault::Unreadable), "{serial}");
        }
        assert_eq!(day(Cell::Text("-"), FORM), Err(Fault::Missing));
    }

    #[test]
    fn a_time_in_every_form() {
        let expected = Time::constant(13, 52, 43, 0);
        for text in ["13:52:43", "1:52:43 PM", "1:52:43pm", "13:52:43.250"] {
            assert_eq!(time(Cell::Text(text)), Ok(expected), "{text:?}");
        }
        let fraction = 49_963.0 / 86_400.0;
        assert_eq!(time(Cell::Number(fraction)), Ok(expected));
        assert_eq!(time(Cell::Serial(fraction)), Ok(expected));
        assert_eq!(time(Cell::Serial(46_191.0 + fraction)), Ok(expected));
        assert_eq!(time(Cell::Text("12:05 AM")), Ok(Time::constant(0, 5, 0, 0)));
        for text in ["24:00:00", "13:60", "13", "13:52:43 PM", "noon"] {
            assert_eq!(time(Cell::Text(text)), Err(Fault::Unreadable), "{text:?}");
        }
        assert_eq!(time(Cell::Number(46_191.5)), Err(Fault::Unreadable));
    }

    #[test]
    fn every_second_of_a_day_survives_a_native_cell() {
        for second in 0..86_400 {
            let serial = 46_191.0 + f64::from(second) / 86_400.0;
            let at = from_serial(serial, Epoch::Y1900).expect("a believed day");
            assert_eq!(at, datetime(2026, 6, 18, 0, 0, 0, 0) + jiff::Span::new().seconds(second), "{second}");
            assert_eq!(time(Cell::Number(f64::from(second) / 86_400.0)), Ok(at.time()));
        }
    }

    #[test]
    fn days_of_four_centuries_count_on() {
        let mut expected = date(2000, 1, 1);
        for number in 36_526..=109_574 {
            assert_eq!(day(Cell::Serial(f64::from(number)), FORM), Ok(expected));
            expected = expected.tomorrow().expect("far from the end");
        }
    }

    #[test]
    fn day_and_time_in_one_cell() {
        for text in ["2026-10-21 13:52:43", "2026-10-21T13:52:43", "Oct 21, 2026 1:52:43 PM", "10/21/2026, 13:52:43"] {
            assert_eq!(day_and_time(Cell::Text(text), FORM), Ok(datetime(2026, 10, 21, 13, 52, 43, 0)), "{text:?}");
        }
        for text in ["2026-10-21", "2026-10-2113:52", "2026-10-21 x"] {
            assert_eq!(day_and_time(Cell::Text(text), FORM), Err(Fault::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn periods_take_both_ends_in() {
        let may = |day, h, m, s| datetime(2026, 5, day, h, m, s, 0);
        for (text, start, end) in [
            ("2026-05-19 00:00:00 - 2026-05-20 23:59:59", may(19, 0, 0, 0), may(20, 23, 59, 59)),
            ("2026-05-19 - 2026-05-20", may(19, 0, 0, 0), may(20, 23, 59, 59)),
            ("May 19, 2026 – May 20, 2026", may(19, 0, 0, 0), may(20, 23, 59, 59)),
            ("2026-05-19", may(19, 0, 0, 0), may(19, 23, 59, 59)),
            ("2026-05-19 00:00:00", may(19, 0, 0, 0), may(19, 23, 59, 59)),
            ("2026-05-19 08:00:00 - 2026-05-19 16:00:00", may(19, 8, 0, 0), may(19, 16, 0, 0)),
        ] {
            assert_eq!(period(Cell::Text(text), FORM), Ok(Period { start, end }), "{text:?}");
        }
        assert_eq!(period(Cell::Serial(46_161.0), FORM).map(|p| p.start), Ok(may(19, 0, 0, 0)));
        for text in ["2026-05-20 - 2026-05-19", "2026-05-19 10:00:00", "yesterday", "2026-05-19 - "] {
            assert_eq!(period(Cell::Text(text), FORM), Err(Fault::Unreadable), "{text:?}");
        }
        assert_eq!(period(Cell::Text("2026-02-30 - 2026-03-01"), FORM), Err(Fault::NoSuchDate));
    }

    #[test]
    fn doubtful_times_are_the_first_or_moved_forward() {
        let zone = TimeZone::get("Europe/Belgrade").expect("bundled");
        let twice = instant(datetime(2026, 10, 25, 2, 30, 0, 0), &zone);
        assert_eq!(twice, Instant { at: 1_792_888_200, doubtful: true });
        let never = instant(datetime(2026, 3, 29, 2, 30, 0, 0), &zone);
        assert_eq!(never, Instant { at: 1_774_747_800, doubtful: true }, "03:30 summer time");
        assert!(!instant(datetime(2026, 10, 25, 12, 0, 0, 0), &zone).doubtful);
    }

    #[test]
    fn a_day_is_whole_where_midnight_is_in_doubt() {
        let zone = TimeZone::get("America/Santiago").expect("bundled");
        let day = |d| period(Cell::Text(d), FORM).expect("a day");
        // Midnight of 6 September 2026 does not exist; 23:00 to 24:00 of 4 April 2026 comes twice.
        let (start, end) = instants(day("2026-04-04"), &zone);
        assert_eq!(end.at + 1 - start.at, 25 * 3600);
        let (start, end) = instants(day("2026-09-06"), &zone);
        assert_eq!(end.at + 1 - start.at, 23 * 3600);
        assert!(!start.doubtful && !end.doubtful);
    }
}

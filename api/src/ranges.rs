//! Ranges of time: windows, and `from` and `to` in the form that belongs to each. Both ends are inclusive.

use jiff::Timestamp;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

use crate::parameters::Parameters;
use crate::values::{Day, Instant};

/// What measures are summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A local hour.
    Hour,
    /// A local day.
    Day,
    /// An ISO week.
    Week,
    /// A month.
    Month,
    /// All days of a range together.
    Range,
    /// All time.
    All,
}

impl Window {
    /// As it is asked for, and as the column of a period is called.
    pub fn name(self) -> &'static str {
        match self {
            Window::Hour => "hour",
            Window::Day => "day",
            Window::Week => "week",
            Window::Month => "month",
            Window::Range => "range",
            Window::All => "all",
        }
    }

    /// How Postgres writes a day's period, where that is a text.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Window::Week => Some("IYYY\"-W\"IW"),
            Window::Month => Some("YYYY-MM"),
            _ => None,
        }
    }

    /// Reads `window`; a day when it is not given.
    pub fn read(parameters: &mut Parameters) -> Window {
        match parameters.word("window", &["day", "hour", "week", "month", "range", "all"]) {
            "hour" => Window::Hour,
            "week" => Window::Week,
            "month" => Window::Month,
            "range" => Window::Range,
            "all" => Window::All,
            _ => Window::Day,
        }
    }
}

/// A range of periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Hours that begin within.
    Instants(Option<Instant>, Option<Instant>),
    /// The days of the periods, whole.
    Days(Option<Day>, Option<Day>),
}

impl Range {
    /// Reads `from` and `to` in the form of the window.
    pub fn read(parameters: &mut Parameters, window: Window) -> Range {
        match window {
            Window::Hour => {
                let expected = "an instant with its offset, such as 2026-10-21T05:00:00Z (window=hour)";
                let (from, to) = ends(parameters, expected, instant);
                Range::Instants(from, to)
            }
            Window::Day | Window::Range => days(parameters),
            Window::Week => {
                let (from, to) = ends(parameters, "an ISO week such as 2026-W43 (window=week)", week);
                Range::Days(
                    from,
                    to.and_then(|Day(monday)| monday.checked_add(jiff::Span::new().days(6)).ok()).map(Day),
                )
            }
            Window::Month => {
                let (from, to) = ends(parameters, "a month such as 2026-10 (window=month)", month);
                Range::Days(from, to.map(|Day(first)| Day(first.last_of_month())))
            }
            Window::All => {
                for name in ["from", "to"] {
                    if parameters.text(name).is_some() {
                        parameters.wrong(name, "does not go with window=all, which has no periods");
                    }
                }
                Range::Days(None, None)
            }
        }
    }
}

/// Reads `from` and `to` as days.
pub fn days(parameters: &mut Parameters) -> Range {
    let (from, to) = ends(parameters, "a day such as 2026-10-21", day);
    Range::Days(from, to)
}

/// Reads a range of instants whose ends are instants or whole local days: from the first on, and before the second.
pub fn moments(
    parameters: &mut Parameters,
    from: &'static str,
    to: &'static str,
    zone: &TimeZone,
) -> (Option<Instant>, Option<Instant>) {
    let expected = "a day such as 2026-10-21, or an instant such as 2026-10-21T05:00:00Z";
    let first =
        parameters.checked(from, expected, |text| day(text).and_then(|d| d.start(zone)).or_else(|| instant(text)));
    let end = parameters.checked(to, expected, |text| {
        let after = |Instant(last): Instant| last.checked_add(jiff::SignedDuration::from_micros(1)).ok().map(Instant);
        day(text).and_then(Day::next).and_then(|d| d.start(zone)).or_else(|| instant(text).and_then(after))
    });
    if first.zip(end).is_some_and(|(first, end)| end <= first) {
        parameters.wrong(to, format!("is before `{from}`"));
    }
    (first, end)
}

fn ends<T: PartialOrd>(
    parameters: &mut Parameters,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> (Option<T>, Option<T>) {
    let from = parameters.checked("from", expected, &parse);
    let to = parameters.checked("to", expected, &parse);
    if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| to < from) {
        parameters.wrong("to", "is before `from`");
    }
    (from, to)
}

/// A day, `2026-10-21`.
pub fn day(text: &str) -> Option<Day> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let shape = text.len() == 10 && text.split('-').count() == 3 && text.split('-').all(digits);
    let date: Date = shape.then(|| text.parse().ok())??;
    (date.year() >= 1).then_some(Day(date))
}

/// The Monday of an ISO week, `2026-W43`.
fn week(text: &str) -> Option<Day> {
    let (year, week) = text.split_once("-W").filter(|(year, week)| year.len() == 4 && week.len() == 2)?;
    let date = ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok()?.date();
    (date.year() >= 1).then_some(Day(date))
}

/// The first day of a month, `2026-10`.
fn month(text: &str) -> Option<Day> {
    (text.len() == 7).then(|| day(&format!("{text}-01")))?
}

/// An instant of RFC 3339. A `+` that came unescaped in a query string, and so as a space, is understood.
fn instant(text: &str) -> Option<Instant> {
    let timestamp: Timestamp = text.replace(' ', "+").parse().ok()?;
    (timestamp >= "0001-01-02T00:00:00Z".parse().ok()?).then_some(Instant(timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(window: Window, from: &str, to: &str) -> Result<Range, String> {
        let mut parameters = Parameters::new(vec![("from".into(), from.into()), ("to".into(), to.into())]);
        let range = Range::read(&mut parameters, window);
        parameters.finish().map(|()| range).map_err(|problem| format!("{problem:?}"))
    }

    fn days(from: &str, to: &str) -> Result<Range, String> {
        Ok(Range::Days(day(from), day(to)))
    }

    #[test]
    fn a_period_means_all_of_its_days() {
        assert_eq!(read(Window::Day, "2026-10-21", "2026-10-21"), days("2026-10-21", "2026-10-21"));
        assert_eq!(read(Window::Week, "2026-W43", "2026-W44"), days("2026-10-19", "2026-11-01"));
        assert_eq!(read(Window::Week, "2026-W53", "2026-W53"), days("2026-12-28", "2027-01-03"));
        assert_eq!(read(Window::Month, "2024-02", "2024-02"), days("2024-02-01", "2024-02-29"));
    }

    #[test]
    fn the_form_belongs_to_the_window() {
        for (window, from) in [
            (Window::Day, "2026-10"),
            (Window::Day, "2026-10-21T05:00:00Z"),
            (Window::Day, "2026-02-30"),
            (Window::Day, "-001-10-21"),
            (Window::Week, "2025-W53"),
            (Window::Week, "2026-10-21"),
            (Window::Month, "2026-13"),
            (Window::Month, "2026-W43"),
            (Window::Hour, "2026-10-21"),
            (Window::Hour, "-009999-01-01T00:00:00Z"),
            (Window::All, "2026-10-21"),
        ] {
            let error = read(window, from, "").expect_err(from);
            assert!(error.contains("\"from\""), "{error}");
        }
        assert!(read(Window::Day, "2026-10-21", "2026-10-20").expect_err("backwards").contains("is before `from`"));
    }

    #[test]
    fn a_plus_may_come_as_a_space() {
        assert_eq!(instant("2026-10-21T05:00:00 02:00"), instant("2026-10-21T03:00:00Z"));
        assert!(instant("2026-10-21T05:00:00").is_none());
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let zone = TimeZone::get("Europe/Belgrade").expect("a zone");
        let given = vec![("a".into(), "2026-10-25".into()), ("b".into(), "2026-10-25".into())];
        let (first, end) = moments(&mut Parameters::new(given), "a", "b", &zone);
        assert_eq!((first, end), (instant("2026-10-24T22:00:00Z"), instant("2026-10-25T23:00:00Z")));
    }
}

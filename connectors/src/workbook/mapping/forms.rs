//! Dates and numbers as other makes write them, rewritten as the cell parsers know them.
//!
//! What is rewritten here is the order of the parts and their marks. Whether there is such a day, or such an amount, is for
//! the cell parsers to say.

use std::borrow::Cow;

use fandom_schemas::mappings::{Dates, Holds, Numbers};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::super::row::Cell;
use super::super::value::is_missing;

/// What no cell parser reads.
const UNREADABLE: &str = "?";

/// How a sheet writes dates and numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forms {
    pub(super) dates: Dates,
    pub(super) numbers: Numbers,
    /// Whether its times are UTC, so that a time with an offset can be taken for what it is.
    pub(super) utc: bool,
}

impl Forms {
    /// A cell as the cell parsers know it; `None` if it can stay as it is.
    pub(super) fn rewritten<'c>(&self, cell: Cell<'c>, holds: Holds) -> Option<Cow<'c, str>> {
        let dated = matches!(holds, Holds::Day | Holds::Time | Holds::DayAndTime | Holds::Period);
        match cell {
            Cell::Text(text) if is_missing(text) => None,
            Cell::Text(text) if dated => {
                Some(self.dated(text.trim(), holds).map_or(Cow::Borrowed(UNREADABLE), Cow::Owned))
            }
            Cell::Number(number) if dated && self.counts_from_1970() => {
                Some(self.since_1970(number, holds).map_or(Cow::Borrowed(UNREADABLE), Cow::Owned))
            }
            Cell::Text(text) if matches!(holds, Holds::Money | Holds::Number | Holds::Duration) => {
                number(text, self.numbers).map(Cow::Owned)
            }
            _ => None,
        }
    }

    fn counts_from_1970(&self) -> bool {
        matches!(self.dates, Dates::UnixSeconds | Dates::UnixMillis)
    }

    fn dated(&self, text: &str, holds: Holds) -> Option<String> {
        if self.counts_from_1970() {
            return self.since_1970(text.parse().ok()?, holds);
        }
        let ends = [" - ", " \u{2013} ", " \u{2014} "].iter().find_map(|between| text.split_once(between));
        match ends.filter(|_| holds == Holds::Period) {
            None => self.moment(text, holds),
            Some((first, last)) => {
                Some(format!("{} - {}", self.moment(first.trim(), holds)?, self.moment(last.trim(), holds)?))
            }
        }
    }

    fn moment(&self, text: &str, holds: Holds) -> Option<String> {
        let (day, time) = split(text);
        let (time, offset) = without_offset(time);
        if let Some(offset) = offset {
            // Where times are not UTC, the same local time may be meant twice a year: better none than a wrong one.
            let day = iso_day(day, self.dates).filter(|_| self.utc)?;
            let local: DateTime = format!("{day}T{}", twenty_four_hours(time)?).parse().ok()?;
            let instant = offset.to_timestamp(local).ok()?;
            return Some(written(instant, holds));
        }
        match holds {
            Holds::Time => (!time.is_empty()).then(|| time.to_owned()),
            Holds::Day => iso_day(day, self.dates),
            _ => {
                let day = iso_day(day, self.dates)?;
                Some(if time.is_empty() { day } else { format!("{day} {time}") })
            }
        }
    }

    fn since_1970(&self, number: f64, holds: Holds) -> Option<String> {
        let seconds = if self.dates == Dates::UnixMillis { number / 1000.0 } else { number };
        let in_range = (0.0..1e11).contains(&seconds);
        in_range.then(|| Timestamp::from_second(seconds.floor() as i64).ok()).flatten().map(|at| written(at, holds))
    }
}

/// An instant in UTC, as much of it as a field holds.
fn written(at: Timestamp, holds: Holds) -> String {
    let at = at.to_zoned(TimeZone::UTC).datetime();
    let time = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    match holds {
        Holds::Time => time,
        Holds::Day => at.date().to_string(),
        _ => format!("{} {time}", at.date()),
    }
}

/// A text's day, and the time of day that follows it.
pub(super) fn split(text: &str) -> (&str, &str) {
    let Some(colon) = text.find(':') else { return (text, "") };
    let hour = text[..colon].bytes().rev().take_while(u8::is_ascii_digit).count();
    let (day, time) = text.split_at(colon - hour);
    // `20261021T10:00` has no day of its own: digits run on.
    (day.trim_end_matches(['T', 't', ' ', ',', '\u{a0}']), time.trim())
}

/// A time without the offset from UTC that may follow it.
pub(super) fn without_offset(time: &str) -> (&str, Option<Offset>) {
    for mark in ["Z", "z", " UTC", " GMT"] {
        if let Some(time) = time.strip_suffix(mark) {
            return (time.trim_end(), Some(Offset::UTC));
        }
    }
    let Some(at) = time.rfind(['+', '-']).filter(|at| *at > 0) else { return (time, None) };
    let (before, offset) = time.split_at(at);
    let (sign, digits) = (if offset.starts_with('-') { -1 } else { 1 }, &offset[1..]);
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let plain = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number = |text: &str| plain(text).then(|| text.parse::<i32>().ok()).flatten();
    let seconds = number(hours).zip(number(minutes)).map(|(hours, minutes)| sign * (hours * 3600 + minutes * 60));
    match seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()) {
        Some(offset) => (before.trim_end(), Some(offset)),
        None => (time, None),
    }
}

/// `1:52:43 PM` as `13:52:43`.
fn twenty_four_hours(time: &str) -> Option<String> {
    let lower = time.to_ascii_lowercase();
    let (clock, afternoon) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(false)),
        (_, Some(clock)) => (clock, Some(true)),
        _ => (lower.as_str(), None),
    };
    let (hour, rest) = clock.trim().split_once(':')?;
    let mut hour: u8 = hour.parse().ok()?;
    if let Some(afternoon) = afternoon {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    Some(format!("{hour:02}:{rest}"))
}

/// A day as `2026-10-21`, whether there is such a day or not.
pub(super) fn iso_day(text: &str, dates: Dates) -> Option<String> {
    let parts: Vec<&str> = text.split(['.', '/', '-']).collect();
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    if let [a, b, c] = parts[..] {
        if digits(a, 4..=4) && digits(b, 1..=2) && digits(c, 1..=2) {
            return Some(format!("{a}-{b:0>2}-{c:0>2}"));
        }
        if digits(a, 1..=2) && digits(b, 1..=2) && (digits(c, 4..=4) || digits(c, 2..=2)) {
            let (day, month) = match dates {
                Dates::DayFirst => (a, b),
                Dates::MonthFirst => (b, a),
                _ => return None,
            };
            let century = if c.len() == 2 { "20" } else { "" };
            return Some(format!("{century}{c}-{month:0>2}-{day:0>2}"));
        }
    }
    named_month(text)
}

/// `21 Oct 2026`, `Oct 21, 2026`, `Wed, 21 October 2026`.
fn named_month(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut year, mut month, mut day) = (None, None, None);
    let tokens = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '.' | '-' | '/'));
    for token in tokens.filter(|token| !token.is_empty()) {
        let number = token.bytes().all(|b| b.is_ascii_digit());
        let lower = token.to_lowercase();
        let start = lower.get(..3).unwrap_or_default();
        let place = MONTHS.iter().position(|name| *name == start);
        let once = match (number, token.len()) {
            (true, 4) => year.replace(token.to_owned()).is_none(),
            (true, 1..=2) => day.replace(token.to_owned()).is_none(),
            (false, _) if place.is_some() => month.replace(place? + 1).is_none(),
            (false, _) => ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].contains(&start),
            _ => false,
        };
        if !once {
            return None;
        }
    }
    Some(format!("{}-{:02}-{:0>2}", year?, month?, day?))
}

/// A number with a point before its decimals and commas between its groups; the dollar sign, where there is one, before it.
/// `None` if it can stay as it is.
pub(super) fn number(text: &str, numbers: Numbers) -> Option<String> {
    let trimmed = text.trim();
    let (bare, currency) = ["US$", "USD", "$"]
        .iter()
        .find_map(|mark| trimmed.strip_suffix(mark))
        .map_or((trimmed, ""), |bare| (bare.trim_end(), "$"));
    if numbers == Numbers::Point && currency.is_empty() {
        return None;
    }
    let (sign, rest) = ["-", "\u{2212}", "+"]
        .iter()
        .find_map(|sign| bare.strip_prefix(sign).map(|rest| (*sign, rest.trim_start())))
        .unwrap_or(("", bare));
    let known =
        |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '(' | ')' | '%' | '$' | '\'') || c.is_whitespace();
    if !rest.contains(|c: char| c.is_ascii_digit()) || !rest.chars().all(known) {
        return None;
    }
    let swapped = |c: char| match c {
        ',' => '.',
        '.' | '\'' => ',',
        c if c.is_whitespace() => ',',
        c => c,
    };
    let rest = if numbers == Numbers::Comma { rest.chars().map(swapped).collect() } else { rest.to_owned() };
    Some(format!("{sign}{currency}{rest}").replace("$,", "$").replace(",%", "%"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::value::dates::{self, DateForm};
    use super::super::super::value::money::{Cents, money};
    use super::*;

    fn form(dates: Dates, utc: bool) -> Forms {
        Forms { dates, numbers: Numbers::Point, utc }
    }

    fn moment(text: &str, dates: Dates, holds: Holds) -> String {
        let forms = form(dates, true);
        forms.rewritten(Cell::Text(text), holds).expect("dates are always rewritten").into_owned()
    }

    #[test]
    fn dates_of_many_makes() {
        use Dates::{DayFirst, MonthFirst, UnixMillis, UnixSeconds, YearFirst};
        for (text, dates, written) in [
            ("2026-10-21 13:52:43", YearFirst, "2026-10-21 13:52:43"),
            ("2026-10-21T13:52:43.250Z", YearFirst, "2026-10-21 13:52:43"),
            ("2026-10-21T13:52:43+02:00", YearFirst, "2026-10-21 11:52:43"),
            ("2026-10-21T23:52-0530", YearFirst, "2026-10-22 05:22:00"),
            ("2026/1/2 13:52", YearFirst, "2026-01-02 13:52"),
            ("21.10.2026 13:52", DayFirst, "2026-10-21 13:52"),
            ("7/6/26, 1:52 PM", DayFirst, "2026-06-07 1:52 PM"),
            ("7/6/2026 1:52 PM", MonthFirst, "2026-07-06 1:52 PM"),
            ("21 Oct 2026 13:52", YearFirst, "2026-10-21 13:52"),
            ("Wed, October 21, 2026 13:52", YearFirst, "2026-10-21 13:52"),
            ("1792590763", UnixSeconds, "2026-10-21 13:52:43"),
            ("1792590763999", UnixMillis, "2026-10-21 13:52:43"),
        ] {
            assert_eq!(moment(text, dates, Holds::DayAndTime), written, "{text}");
        }
        assert_eq!(moment("2026-10-21T23:30:00-02:00", YearFirst, Holds::Day), "2026-10-22");
        assert_eq!(moment("2026-10-21T23:30:00-02:00", YearFirst, Holds::Time), "01:30:00");
        assert_eq!(moment("21.10.2026 - 22.10.2026", DayFirst, Holds::Period), "2026-10-21 - 2026-10-22");
    }

    #[test]
    fn what_is_in_doubt_is_unreadable() {
        use Dates::{DayFirst, UnixSeconds, YearFirst};
        for (text, dates, holds) in [
            ("10/21/2026 13:52", YearFirst, Holds::DayAndTime),
            ("yesterday", DayFirst, Holds::Day),
            ("21 22 Oct 2026", DayFirst, Holds::Day),
            ("2026-10-21", UnixSeconds, Holds::Day),
            ("2026-10-21", YearFirst, Holds::Time),
            ("Oct 21", YearFirst, Holds::Day),
        ] {
            assert_eq!(moment(text, dates, holds), UNREADABLE, "{text}");
        }
        let local = form(YearFirst, false).rewritten(Cell::Text("2026-10-21T13:52:43Z"), Holds::DayAndTime);
        assert_eq!(local.as_deref(), Some(UNREADABLE), "an instant in a sheet of local times");
        assert_eq!(form(YearFirst, true).rewritten(Cell::Text(" - "), Holds::Day), None, "a missing one stays missing");
    }

    #[test]
    fn a_day_that_does_not_exist_is_left_to_the_parser() {
        assert_eq!(moment("30.02.2026", Dates::DayFirst, Holds::Day), "2026-02-30");
    }

    #[test]
    fn numbers_with_decimal_commas() {
        let cents = |text: &str| {
            let rewritten = number(text, Numbers::Comma);
            money(Cell::Text(rewritten.as_deref().unwrap_or(text)), Cents::Exact).ok()
        };
        for (text, amount) in [
            ("1.290,00", Some(129_000)),
            ("1 290,5", Some(129_050)),
            ("1\u{a0}290,50 $", Some(129_050)),
            ("-12,50", Some(-1250)),
            ("(12,50)", Some(-1250)),
            ("- 12,50 $", Some(-1250)),
            ("7", Some(700)),
            ("12.34", None),
            ("12,50 €", None),
            ("1.29.0,00", None),
        ] {
            assert_eq!(cents(text), amount, "{text}");
        }
        assert_eq!(number("12.50 $", Numbers::Point).as_deref(), Some("$12.50"));
        assert_eq!(number("8h 12min", Numbers::Comma), None, "words are no number");
        assert_eq!(number("5,78 %", Numbers::Comma).as_deref(), Some("5.78%"));
    }

    proptest! {
        /// Every day survives being written in another order.
        #[test]
        fn any_day_in_any_order(day in 0i64..50_000) {
            let date = jiff::civil::date(2000, 1, 1) + jiff::Span::new().days(day);
            for (text, dates) in [
                (date.strftime("%d.%m.%Y").to_string(), Dates::DayFirst),
                (date.strftime("%-m/%-d/%Y").to_string(), Dates::MonthFirst),
                (date.strftime("%d %B %Y").to_string(), Dates::YearFirst),
                (date.strftime("%Y/%m/%d").to_string(), Dates::YearFirst),
            ] {
                let iso = moment(&text, dates, Holds::Day);
                prop_assert_eq!(dates::day(Cell::Text(&iso), DateForm::default()), Ok(date), "{}", text);
            }
        }

        /// Every amount survives decimal commas.
        #[test]
        fn any_amount_with_commas(cents in -99_999_999i64..99_999_999, grouped: bool) {
            let whole = (cents.abs() / 100).to_string();
            let mut groups = String::new();
            for (place, digit) in whole.chars().enumerate() {
                if grouped && place > 0 && (whole.len() - place) % 3 == 0 { groups.push('.'); }
                groups.push(digit);
            }
            let text = format!("{}{groups},{:02}", if cents < 0 { "-" } else { "" }, cents.abs() % 100);
            let point = number(&text, Numbers::Comma).expect("a number");
            prop_assert_eq!(money(Cell::Text(&point), Cents::Exact), Ok(cents), "{} {}", text, point);
        }

        /// Whatever a cell holds, rewriting it ends.
        #[test]
        fn anything_at_all(text in "\\PC{0,30}") {
            for dates in [Dates::YearFirst, Dates::DayFirst, Dates::MonthFirst, Dates::UnixSeconds, Dates::UnixMillis] {
                for holds in [Holds::Day, Holds::Time, Holds::DayAndTime, Holds::Period, Holds::Money] {
                    let forms = Forms { dates, numbers: Numbers::Comma, utc: true };
                    forms.rewritten(Cell::Text(&text), holds);
                }
            }
        }
    }
}

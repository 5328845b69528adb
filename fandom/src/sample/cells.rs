//! The forms in which the tools write a value.

use jiff::civil::{Date, DateTime};

use super::dice::Dice;

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Blank,
    Text(String),
    Number(f64),
    Date(Date),
    DateTime(DateTime),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

/// What the tools write where they have no value.
pub(super) const NONE: &str = "-";

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A count.
pub(super) fn count(value: impl Into<i64>) -> Cell {
    Cell::Number(value.into() as f64)
}

/// Money in one of the forms that tools and careless hands give it.
pub(super) fn money(dice: &mut Dice, cents: i64) -> Cell {
    let plain = format!("{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    if cents < 0 {
        return Cell::Text(if dice.chance(0.5) { format!("({plain})") } else { format!("-{plain}") });
    }
    match dice.unit() {
        x if x < 0.75 => Cell::Text(dollars(cents.unsigned_abs())),
        x if x < 0.9 => Cell::Number(cents as f64 / 100.0),
        _ => Cell::Text(plain.strip_suffix(".00").unwrap_or(&plain).to_owned()),
    }
}

/// `$1,290.00`.
pub(super) fn dollars(cents: u64) -> String {
    let digits = (cents / 100).to_string();
    let mut out = String::with_capacity(digits.len() + 6);
    out.push('$');
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push('.');
    out.push(char::from(b'0' + u8::try_from(cents / 10 % 10).unwrap_or(0)));
    out.push(char::from(b'0' + u8::try_from(cents % 10).unwrap_or(0)));
    out
}

/// `12.50%`, or no value when the whole is nothing.
pub(super) fn percent(part: u64, whole: u64) -> Cell {
    if whole == 0 { NONE.into() } else { format!("{:.2}%", part as f64 * 100.0 / whole as f64).into() }
}

/// Something over clocked hours, to two decimals.
pub(super) fn per_hour(value: f64, minutes: Option<u32>) -> Cell {
    match minutes {
        Some(minutes) if minutes > 0 => Cell::Number((value * 6000.0 / f64::from(minutes)).round() / 100.0),
        _ => NONE.into(),
    }
}

/// `0m 39s`, `1h 5m 30s`, or just `52s`.
pub(super) fn reply_time(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) if rest > 50 => format!("{rest}s"),
        (0, _) => format!("{minutes}m {rest}s"),
        _ => format!("{hours}h {minutes}m {rest}s"),
    }
}

/// `8h 12min`, `45min`, now and then `8:12`.
pub(super) fn hours(dice: &mut Dice, minutes: Option<u32>) -> Cell {
    match minutes {
        None => NONE.into(),
        Some(minutes) if minutes < 60 => format!("{minutes}min").into(),
        Some(minutes) if dice.chance(0.08) => format!("{}:{:02}", minutes / 60, minutes % 60).into(),
        Some(minutes) => format!("{}h {}min", minutes / 60, minutes % 60).into(),
    }
}

/// `Sep 26, 2025`.
pub(super) fn long_date(day: Date) -> String {
    format!("{} {}, {}", MONTHS[usize::from(day.month().unsigned_abs()) - 1], day.day(), day.year())
}

/// `06/18/2026`.
pub(super) fn slashed_date(day: Date) -> String {
    format!("{:02}/{:02}/{}", day.month(), day.day(), day.year())
}

/// `13:52:43`.
pub(super) fn clock(at: DateTime) -> String {
    let digit = |value: i8| char::from(b'0' + value.unsigned_abs());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let parts = [hour / 10, hour % 10, -1, minute / 10, minute % 10, -1, second / 10, second % 10];
    parts.into_iter().map(|part| if part < 0 { ':' } else { digit(part) }).collect()
}

/// `2026-10-21 13:52:43`.
pub(super) fn date_and_time(at: DateTime) -> String {
    format!("{} {}", at.date(), clock(at))
}

/// `2026-05-19 00:00:00 - 2026-05-19 23:59:59`.
pub(super) fn period(first: Date, last: Date) -> String {
    format!("{first} 00:00:00 - {last} 23:59:59")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn values_have_the_forms_of_the_tools() {
        assert_eq!(
            (dollars(129_000), dollars(7), dollars(123_456_789)),
            ("$1,290.00".into(), "$0.07".into(), "$1,234,567.89".into())
        );
        assert_eq!(
            (reply_time(39), reply_time(52), reply_time(3930)),
            ("0m 39s".into(), "52s".into(), "1h 5m 30s".into())
        );
        assert_eq!(date_and_time(date(2026, 3, 5).at(7, 0, 9, 0)), "2026-03-05 07:00:09");
        assert_eq!(
            (long_date(date(2026, 9, 6)), slashed_date(date(2026, 9, 6))),
            ("Sep 6, 2026".into(), "09/06/2026".into())
        );
    }
}

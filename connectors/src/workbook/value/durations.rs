//! Worked hours in minutes (`8h 12min`, `8.2`, `8:12`) and reply times in seconds (`1h 5m 30s`).

use fandom_schemas::bounds::MOST_SECONDS;

use super::super::row::Cell;
use super::{Fault, is_missing};

/// Worked time in minutes, to the nearest: `8h 12min`, `0min`, hours as a decimal number (`8.2`), hours and minutes (`8:12`), a
/// native time.
pub(crate) fn worked_minutes(cell: Cell<'_>) -> Result<i64, Fault> {
    let seconds = match cell {
        Cell::Number(hours) => of_days(hours / 24.0),
        Cell::Serial(days) => of_days(days),
        Cell::Text(text) if is_missing(text) => return Err(Fault::Missing),
        Cell::Text(text) => {
            let text = text.trim();
            with_units(text).or_else(|| clock(text, false)).or_else(|| decimal_hours(text))
        }
        Cell::Blank => return Err(Fault::Missing),
        Cell::Error(_) => return Err(Fault::ErrorCell),
        Cell::Bool(_) => None,
    };
    seconds.map(|seconds| (seconds + 30) / 60).ok_or(Fault::Unreadable)
}

/// A reply time in seconds: `0m 39s`, `1h 5m 30s`, `45s`, `0:02:45`, a native time. `0m 0s` is zero. A bare number says no unit
/// and is unreadable, and so is `2:45`, which may be of hours or of minutes.
pub(crate) fn reply_seconds(cell: Cell<'_>) -> Result<i64, Fault> {
    match cell {
        Cell::Serial(days) => of_days(days).ok_or(Fault::Unreadable),
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => {
            let text = text.trim();
            with_units(text).or_else(|| clock(text, true)).ok_or(Fault::Unreadable)
        }
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Bool(_) => Err(Fault::Unreadable),
    }
}

fn of_days(days: f64) -> Option<i64> {
    let seconds = (days * 86_400.0).round();
    (0.0..=MOST_SECONDS as f64).contains(&seconds).then_some(seconds as i64)
}

/// Numbers, each with its unit, from days down to seconds.
fn with_units(text: &str) -> Option<i64> {
    const UNITS: [(&[&str], i64); 4] = [
        (&["d", "day", "days"], 86_400),
        (&["h", "hr", "hrs", "hour", "hours"], 3600),
        (&["m", "min", "mins", "minute", "minutes"], 60),
        (&["s", "sec", "secs", "second", "seconds"], 1),
    ];
    let mut rest = text;
    let mut total = 0i64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest.get(..digits).filter(|_| (1..=9).contains(&digits))?.parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = &rest[..letters];
        let place = UNITS.iter().position(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(word)))?;
        if place < next_unit {
            return None;
        }
        next_unit = place + 1;
        total += number * UNITS[place].1;
        rest = rest[letters..].trim_start();
    }
    (!text.is_empty() && total <= MOST_SECONDS).then_some(total)
}

/// `h:mm` or `h:mm:ss`.
fn clock(text: &str, seconds_needed: bool) -> Option<i64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next());
    let digits = |part: &str, most: usize| {
        let right = (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        right.then(|| part.parse::<i64>().ok()).flatten()
    };
    let below_sixty = |part: &str| digits(part, 2).filter(|n| part.len() == 2 && *n < 60);
    let last = match seconds {
        None if seconds_needed => return None,
        None => 0,
        Some(part) => below_sixty(part)?,
    };
    let total = digits(hours, 5)? * 3600 + below_sixty(minutes)? * 60 + last;
    (parts.next().is_none() && total <= MOST_SECONDS).then_some(total)
}

fn decimal_hours(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.len() <= 24;
    plain.then(|| text.parse::<f64>().ok()).flatten().and_then(|hours| of_days(hours / 24.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn worked_hours_in_every_form() {
        for (text, minutes) in [
            ("8h 12min", 492),
            ("7h 3min", 423),
            ("0min", 0),
            ("8.2", 492),
            ("8:12", 492),
            ("8h", 480),
            ("12", 720),
            ("8h12m", 492),
        ] {
            assert_eq!(worked_minutes(Cell::Text(text)), Ok(minutes), "{text:?}");
        }
        assert_eq!(worked_minutes(Cell::Number(8.2)), Ok(492));
        assert_eq!(worked_minutes(Cell::Serial(492.0 / 1440.0)), Ok(492));
        assert_eq!(worked_minutes(Cell::Text("-")), Err(Fault::Missing));
        for text in [
            "8h 12",
            "min",
            "8:75",
            "8:1",
            "-8",
            "1e3",
            "12min 8h",
            "8h 8h",
            "1234567890123456789012345678901234567890h",
        ] {
            assert_eq!(worked_minutes(Cell::Text(text)), Err(Fault::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn reply_times_in_every_form() {
        for (text, seconds) in [
            ("0m 39s", 39),
            ("2m 45s", 165),
            ("1h 5m 30s", 3930),
            ("45s", 45),
            ("0m 0s", 0),
            ("1d 2h", 93_600),
            ("0:02:45", 165),
        ] {
            assert_eq!(reply_seconds(Cell::Text(text)), Ok(seconds), "{text:?}");
        }
        assert_eq!(reply_seconds(Cell::Text("-")), Err(Fault::Missing), "not available is never zero");
        for cell in [Cell::Text("45"), Cell::Text("2:45"), Cell::Text("45x"), Cell::Text("5s 2m"), Cell::Number(45.0)] {
            assert_eq!(reply_seconds(cell), Err(Fault::Unreadable), "{cell:?}");
        }
    }

    proptest! {
        #[test]
        fn a_reply_time_is_read_as_it_was_written(hours in 0i64..500, minutes in 0i64..60, seconds in 0i64..60) {
            let text = format!("{hours}h {minutes}m {seconds}s");
            prop_assert_eq!(reply_seconds(Cell::Text(&text)), Ok(hours * 3600 + minutes * 60 + seconds));
        }

        #[test]
        fn worked_time_is_the_same_in_each_form(minutes in 0i64..100_000) {
            for text in [format!("{}h {}min", minutes / 60, minutes % 60), format!("{}:{:02}", minutes / 60, minutes % 60)] {
                prop_assert_eq!(worked_minutes(Cell::Text(&text)), Ok(minutes));
            }
            prop_assert_eq!(worked_minutes(Cell::Number(minutes as f64 / 60.0)), Ok(minutes));
            prop_assert_eq!(worked_minutes(Cell::Serial(minutes as f64 / 1440.0)), Ok(minutes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9hmins:. \\-é]{0,20}") {
            for value in [worked_minutes(Cell::Text(&text)), reply_seconds(Cell::Text(&text))].into_iter().flatten() {
                prop_assert!((0..=MOST_SECONDS).contains(&value));
            }
        }
    }
}

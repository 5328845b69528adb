//! The greatest values that are believed, on the way in and on the log.
//!
//! Figures are sums in 64 bits. Within these bounds they hold ninety million rows of the greatest value: more than a creator or
//! chatter ever has.

use std::ops::RangeInclusive;

/// The greatest amount or count: a billion dollars in cents.
pub const MOST: i64 = 100_000_000_000;

/// The years of a day or instant.
pub const YEARS: RangeInclusive<i16> = 2000..=2199;

/// The first second of [`YEARS`], less the greatest offset of a zone.
pub const FIRST_SECOND: i64 = 946_684_800 - 93_600;

/// The last second of [`YEARS`], and the greatest offset of a zone.
pub const LAST_SECOND: i64 = 7_258_118_399 + 93_600;

/// The longest duration, in seconds: ten years.
pub const MOST_SECONDS: i64 = 10 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_seconds_are_those_of_the_years() {
        let second = |year| date(year, 1, 1).at(0, 0, 0, 0).in_tz("UTC").expect("UTC is known").timestamp().as_second();
        assert_eq!(FIRST_SECOND, second(*YEARS.start()) - 26 * 3600);
        assert_eq!(LAST_SECOND, second(*YEARS.end() + 1) - 1 + 26 * 3600);
    }
}

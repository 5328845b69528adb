//! The moment of export that tools write into the names of their files.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// When a file was exported, in seconds since the Unix epoch: the `_YYYYMMDDhhmmss` in its name, read as UTC; `None` where
/// there is none, or where it is no date and time.
///
/// The stamp is an underscore and exactly 14 digits, whatever follows them: `Report_20261030081500.xlsx`, and a copy of it that
/// someone called `Report_20261030081500_final.xlsx`.
pub fn exported_at(name: &str) -> Option<i64> {
    name.match_indices('_').find_map(|(at, _)| {
        let rest = &name[at + 1..];
        let digits = rest.get(..14).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        if rest[14..].starts_with(|c: char| c.is_ascii_digit()) { None } else { instant(digits) }
    })
}

fn instant(digits: &str) -> Option<i64> {
    let part = |from: usize, to: usize| digits[from..to].parse::<i8>().ok();
    let year = digits[..4].parse().ok()?;
    let time = DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, part(12, 14)?, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_stamp_is_found_wherever_the_name_has_it() {
        for (name, second) in [
            ("(Northlight)Message_Dashboard_Report_20261030081500.xlsx", Some(1_793_348_100)),
            ("(Northlight)Message_Dashboard_Report_20261105110540.v2.xlsx", Some(1_793_876_740)),
            ("r_20261030081500", Some(1_793_348_100)),
            ("r_20261030081500 (1).xlsx", Some(1_793_348_100)),
            ("r_99999999999999_20261030081500.xlsx", Some(1_793_348_100)),
            ("20261030081500.xlsx", None),
            ("r-20261030081500.xlsx", None),
            ("r_2026103008150.xlsx", None),
            ("r_202610300815001.xlsx", None),
            ("r_20261030081500_final.xlsx", Some(1_793_348_100)),
            ("r_20261030081500_1.xlsx", Some(1_793_348_100)),
            ("r_20261030081500é.xlsx", Some(1_793_348_100)),
            ("r_20261330081500.xlsx", None),
            ("r_20260229081500.xlsx", None),
            ("r_20261030241500.xlsx", None),
        ] {
            assert_eq!(exported_at(name), second, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_instant_is_read_back(second in 0i64..250_000_000_000) {
            let stamp = jiff::Timestamp::from_second(second).expect("in range").strftime("%Y%m%d%H%M%S").to_string();
            prop_assert_eq!(exported_at(&format!("a_b_{stamp}.xlsx")), Some(second));
        }

        #[test]
        fn no_name_is_too_strange(name in "\\PC*") {
            let _ = exported_at(&name);
            let _ = exported_at(&format!("_{name}"));
        }
    }
}

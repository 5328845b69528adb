//! `compare=previous`: the figures of a range of days beside those of the range just before, which is as long.
//!
//! ```text
//!  now ────┐
//!          ├─ full join by the keys ─▶ figures of now, and `previous`: those of before
//!  before ─┘
//! ```
//!
//! Who has figures in one of the two ranges alone is listed too: with null in the place of those that are not there.

use crate::parameters::Parameters;
use crate::ranges::Range;
use crate::values::Day;

/// The range before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its first day.
    pub from: Day,
    /// Its last day.
    pub to: Day,
    /// How many days it has.
    pub days: i32,
}

impl Before {
    /// As a range.
    pub fn range(self) -> Range {
        Range::Days(Some(self.from), Some(self.to))
    }
}

/// Reads `compare`: whether the period before is asked for.
pub fn asked(parameters: &mut Parameters) -> bool {
    parameters.word("compare", &["none", "previous"]) == "previous"
}

/// Reads `compare` of a range of days: the range before, if it is asked for.
pub fn before(parameters: &mut Parameters, range: Range) -> Option<Before> {
    if !asked(parameters) {
        return None;
    }
    let Range::Days(Some(from), Some(to)) = range else {
        parameters.wrong("compare", "needs `from` and `to`: what is before them is as long");
        return None;
    };
    let days = from.0.until(to.0).ok()?.get_days() + 1;
    let before = from.back(days).zip(from.back(1)).map(|(from, to)| Before { from, to, days });
    if before.is_none() {
        parameters.wrong("compare", "there are no days before `from`");
    }
    before
}

/// `<into> as (…)`: the rows of `now` beside those of `before`. Both have `keys`, which tell rows apart, `names` that belong to
/// these, and figures, of which `figures` are selected; `previous` has all of them.
pub fn beside(into: &str, [now, before]: [&str; 2], keys: &[&str], names: &[&str], figures: &[&str]) -> String {
    let either = keys.iter().chain(names).map(|column| format!("coalesce(n.{column}, b.{column}) as {column}"));
    let columns: Vec<String> = either.chain(figures.iter().map(|column| format!("n.{column}"))).collect();
    let known: Vec<&str> = keys.iter().chain(names).copied().collect();
    let same: Vec<String> = keys.iter().map(|key| format!("n.{key} = b.{key}")).collect();
    format!(
        "{into} as (select {}, coalesce(to_jsonb(b) - '{{{}}}'::text[], 'null') as previous
         from {now} n full join {before} b on {})",
        columns.join(", "),
        known.join(","),
        same.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranges::day;

    #[test]
    fn the_range_before_is_as_long_and_ends_where_the_range_begins() {
        let read = |from: Option<&str>, to: Option<&str>| {
            let mut parameters = Parameters::new(vec![("compare".into(), "previous".into())]);
            let range = Range::Days(from.and_then(day), to.and_then(day));
            let before = before(&mut parameters, range);
            parameters.finish().map(|()| before).map_err(|problem| format!("{problem:?}"))
        };
        let known = |text: &str| day(text).expect("a day");
        let expected = Before { from: known("2026-02-23"), to: known("2026-03-01"), days: 7 };
        assert_eq!(read(Some("2026-03-02"), Some("2026-03-08")), Ok(Some(expected)));
        let expected = Before { from: known("2026-03-01"), to: known("2026-03-01"), days: 1 };
        assert_eq!(read(Some("2026-03-02"), Some("2026-03-02")), Ok(Some(expected)));
        assert!(read(Some("2026-03-02"), None).expect_err("no end").contains("needs `from` and `to`"));
        assert!(read(None, None).is_err());
        assert_eq!(before(&mut Parameters::new(Vec::new()), Range::Days(None, None)), None);
    }
}

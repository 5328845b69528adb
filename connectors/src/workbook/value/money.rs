//! Money: `$1,290.00`, `1290`, `(12.50)`, `-12.50`, in exact cents.

use fandom_schemas::bounds::MOST as MOST_CENTS;

use super::super::row::Cell;
use super::{Fault, is_missing};

/// What becomes of a part of a cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cents {
    /// There must be none: the amount is one that was paid.
    Exact,
    /// The nearest cent, a half away from zero: the amount is a mean, which no rule sums.
    Nearest,
}

/// The amount of a cell, in cents.
///
/// The amount of a number cell is the nearest cent if it lies within a millionth of a dollar, since binary fractions are
/// seldom exact; with [`Cents::Exact`] another is unreadable, and so is text with more than two decimals.
pub(crate) fn money(cell: Cell<'_>, cents: Cents) -> Result<i64, Fault> {
    match cell {
        Cell::Number(number) => from_number(number, cents).ok_or(Fault::Unreadable),
        Cell::Text(text) => match from_text(text, cents) {
            Some(amount) => Ok(amount),
            None if is_missing(text) => Err(Fault::Missing),
            None => Err(Fault::Unreadable),
        },
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Bool(_) | Cell::Serial(_) => Err(Fault::Unreadable),
    }
}

fn from_number(number: f64, cents: Cents) -> Option<i64> {
    let scaled = number * 100.0;
    let nearest = scaled.round();
    let in_range = nearest.abs() <= MOST_CENTS as f64;
    if !in_range || cents == Cents::Exact && (scaled - nearest).abs() > 1e-4 {
        return None;
    }
    Some(nearest as i64)
}

fn from_text(text: &str, cents: Cents) -> Option<i64> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('(') {
        let amount = unsigned(without_currency(inner.strip_suffix(')')?.trim())?, cents)?;
        return Some(-amount);
    }
    let (negative, rest) = without_sign(text);
    if let Some(rest) = negative {
        return Some(sign(rest.0, unsigned(without_currency(rest.1)?, cents)?));
    }
    let rest = without_currency(rest)?;
    match without_sign(rest) {
        (Some((minus, rest)), _) => Some(sign(minus, unsigned(rest.trim_start(), cents)?)),
        (None, rest) => unsigned(rest, cents),
    }
}

fn sign(minus: bool, amount: i64) -> i64 {
    if minus { -amount } else { amount }
}

/// Whether the text begins with a minus (`true`) or a plus, and what follows; else the text.
fn without_sign(text: &str) -> (Option<(bool, &str)>, &str) {
    for (mark, minus) in [('-', true), ('\u{2212}', true), ('+', false)] {
        if let Some(rest) = text.strip_prefix(mark) {
            return (Some((minus, rest.trim_start())), rest);
        }
    }
    (None, text)
}

/// The text without a dollar sign. Another currency is no dollars: `None`.
fn without_currency(text: &str) -> Option<&str> {
    let rest = ["US$", "USD", "$"].iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text).trim_start();
    rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '\u{2212}')).then_some(rest)
}

/// Digits, in groups of three or in none, and a decimal point with its decimals.
fn unsigned(text: &str, cents: Cents) -> Option<i64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let mut amount = 0i64;
    let mut digit = |byte: u8| {
        if !byte.is_ascii_digit() {
            return None;
        }
        amount = amount.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
        (amount <= MOST_CENTS).then_some(())
    };
    if whole.contains(',') {
        let mut groups = whole.split(',');
        let first = groups.next()?;
        if !(1..=3).contains(&first.len()) {
            return None;
        }
        first.bytes().try_for_each(&mut digit)?;
        for group in groups {
            if group.len() != 3 {
                return None;
            }
            group.bytes().try_for_each(&mut digit)?;
        }
    } else {
        whole.bytes().try_for_each(&mut digit)?;
    }
    let decimals = match decimals {
        None if whole.is_empty() => return None,
        None => "",
        Some("") => return None,
        Some(decimals) => decimals,
    };
    if decimals.len() > 2 && cents == Cents::Exact || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let place = |index: usize| decimals.as_bytes().get(index).copied().unwrap_or(b'0');
    digit(place(0))?;
    digit(place(1))?;
    Some(if place(2) >= b'5' { amount + 1 } else { amount })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<i64, Fault> {
        money(Cell::Text(text), Cents::Exact)
    }

    #[test]
    fn every_form_of_money() {
        for (text, cents) in [
            ("$1,290.00", 129_000),
            ("1290", 129_000),
            ("$12.5", 1250),
            ("(12.50)", -1250),
            ("($1,012.50)", -101_250),
            ("-12.50", -1250),
            ("-$12.50", -1250),
            ("$-12.50", -1250),
            ("\u{2212}12.50", -1250),
            (" $ 3 ", 300),
            ("0", 0),
            (".50", 50),
            ("US$7", 700),
        ] {
            assert_eq!(read(text), Ok(cents), "{text:?}");
        }
        for text in ["-", "", "  ", "\u{2014}"] {
            assert_eq!(read(text), Err(Fault::Missing), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_surely_an_amount_is_unreadable() {
        for text in [
            "abc",
            "12.345",
            "1,29",
            "12,50",
            "1.290,00",
            "1,2345",
            ",123",
            "12.",
            "$",
            "(12.50",
            "12.50)",
            "(-1)",
            "--1",
            "€5",
            "1e3",
            "12 50",
            "1234567890123456789012345678901234567890",
            "99999999999999",
            "1000000000.01",
            "$$1",
            "+-1",
            "٣",
        ] {
            assert_eq!(read(text), Err(Fault::Unreadable), "{text:?}");
        }
        for number in [12.345, f64::NAN, f64::INFINITY, 1e40, -1e14] {
            assert_eq!(money(Cell::Number(number), Cents::Exact), Err(Fault::Unreadable), "{number}");
        }
    }

    #[test]
    fn ten_million_of_the_greatest_amounts_have_a_sum() {
        assert!(MOST_CENTS.checked_mul(10_000_000).is_some());
    }

    #[test]
    fn numbers_lose_only_what_binary_fractions_add() {
        assert_eq!(money(Cell::Number(0.1 + 0.2), Cents::Exact), Ok(30));
        assert_eq!(money(Cell::Number(4.35), Cents::Exact), Ok(435));
        assert_eq!(money(Cell::Number(-1_000_000.01), Cents::Exact), Ok(-100_000_001));
        assert_eq!(money(Cell::Number(12.345), Cents::Nearest), Ok(1235));
        assert_eq!(money(Cell::Text("12.344"), Cents::Nearest), Ok(1234));
        assert_eq!(money(Cell::Text("-12.345"), Cents::Nearest), Ok(-1235));
    }

    proptest! {
        #[test]
        fn an_amount_is_read_as_it_was_written(cents in -MOST_CENTS..=MOST_CENTS, dollar: bool, brackets: bool, grouped: bool) {
            let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
            let mut digits = whole.to_string();
            if grouped {
                let mut place = digits.len();
                while place > 3 {
                    place -= 3;
                    digits.insert(place, ',');
                }
            }
            let mark = if dollar { "$" } else { "" };
            let text = match (cents < 0, brackets) {
                (true, true) => format!("({mark}{digits}.{rest:02})"),
                (true, false) => format!("-{mark}{digits}.{rest:02}"),
                (false, _) => format!("{mark}{digits}.{rest:02}"),
            };
            prop_assert_eq!(read(&text), Ok(cents));
        }

        #[test]
        fn a_number_cell_is_its_text(cents in -100_000_000_000i64..=100_000_000_000) {
            prop_assert_eq!(money(Cell::Number(cents as f64 / 100.0), Cents::Exact), Ok(cents));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+$(),.0-9 €a−]{0,24}") {
            if let Ok(cents) = read(&text) {
                prop_assert!(cents.abs() <= MOST_CENTS);
            }
        }
    }
}

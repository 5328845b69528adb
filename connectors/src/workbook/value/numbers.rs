//! Counts, percentages and plain numbers.

use fandom_schemas::bounds::MOST;

use super::super::row::Cell;
use super::{Fault, is_missing};

/// A count: a whole number that is not negative.
pub(crate) fn count(cell: Cell<'_>) -> Result<i64, Fault> {
    match cell {
        Cell::Number(number) if (0.0..=MOST as f64).contains(&number) && number.fract() == 0.0 => Ok(number as i64),
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => {
            let plain = ungrouped(text.trim()).ok_or(Fault::Unreadable)?;
            plain
                .parse::<u64>()
                .ok()
                .and_then(|n| i64::try_from(n).ok())
                .filter(|n| *n <= MOST)
                .ok_or(Fault::Unreadable)
        }
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Bool(_) | Cell::Serial(_) => Err(Fault::Unreadable),
    }
}

/// A share: `5.78%`, or the same as `0.0578`.
pub(crate) fn share(cell: Cell<'_>) -> Result<f64, Fault> {
    if let Cell::Text(text) = cell
        && let Some(percent) = text.trim().strip_suffix('%')
    {
        let plain = plain_decimal(percent.trim_end()).ok_or(Fault::Unreadable)?;
        return format!("{plain}e-2").parse().map_err(|_| Fault::Unreadable);
    }
    decimal(cell)
}

/// A number with or without decimals.
pub(crate) fn decimal(cell: Cell<'_>) -> Result<f64, Fault> {
    match cell {
        Cell::Number(number) if number.abs() <= 1e15 => Ok(number),
        Cell::Text(text) if is_missing(text) => Err(Fault::Missing),
        Cell::Text(text) => plain_decimal(text.trim()).and_then(|text| text.parse().ok()).ok_or(Fault::Unreadable),
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Bool(_) | Cell::Serial(_) => Err(Fault::Unreadable),
    }
}

/// The text of a decimal number without the commas of its groups, of at most 15 digits before the point.
fn plain_decimal(text: &str) -> Option<String> {
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole = ungrouped(whole)?;
    let fits = whole.len() <= 15 && (1..=30).contains(&decimals.len()) && decimals.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| format!("{minus}{whole}.{decimals}"))
}

/// Digits without the commas between their groups of three.
fn ungrouped(text: &str) -> Option<String> {
    let mut groups = text.split(',');
    let first = groups.next()?;
    let grouped = text.contains(',');
    let right = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    if first.is_empty() || grouped && first.len() > 3 || !right(first) || !groups.all(|g| g.len() == 3 && right(g)) {
        return None;
    }
    Some(text.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole() {
        assert_eq!(count(Cell::Number(449.0)), Ok(449));
        assert_eq!(count(Cell::Text("1,449")), Ok(1449));
        assert_eq!(count(Cell::Text(" 0 ")), Ok(0));
        assert_eq!(count(Cell::Text("-")), Err(Fault::Missing));
        for cell in [
            Cell::Number(4.5),
            Cell::Number(-1.0),
            Cell::Text("4.5"),
            Cell::Text("-3"),
            Cell::Text("1,44"),
            Cell::Number(1e40),
        ] {
            assert_eq!(count(cell), Err(Fault::Unreadable), "{cell:?}");
        }
        assert_eq!(count(Cell::Text("1234567890123456789012345678901234567890")), Err(Fault::Unreadable));
    }

    #[test]
    fn a_percentage_is_the_same_in_both_forms() {
        assert_eq!(share(Cell::Text("5.78%")), Ok(0.0578));
        assert_eq!(share(Cell::Number(0.0578)), Ok(0.0578));
        assert_eq!(share(Cell::Text("0.0578")), Ok(0.0578));
        assert_eq!(share(Cell::Text("100 %")), Ok(1.0));
        assert_eq!(share(Cell::Text("-")), Err(Fault::Missing));
        assert_eq!(share(Cell::Text("%")), Err(Fault::Unreadable));
        assert_eq!(share(Cell::Text("nan%")), Err(Fault::Unreadable));
    }
}

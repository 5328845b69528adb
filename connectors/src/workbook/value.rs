//! What a cell means: every form of METRICS.md's table of cells.
//!
//! Each parser takes a [`Cell`](super::row::Cell) or its text and says `Missing`, a value, or why it is none. None of them knows
//! of columns, rows or files.

pub(crate) mod dates;
pub(crate) mod durations;
pub(crate) mod money;
pub(crate) mod names;
pub(crate) mod numbers;
pub(crate) mod text;

use super::row::Cell;

/// Why a cell gives no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is blank, or says that the value is not available.
    Missing,
    /// It holds something that the column cannot hold.
    Unreadable,
    /// It names a day that does not exist.
    NoSuchDate,
    /// It is below zero where nothing can be.
    Negative,
    /// It is a spreadsheet error such as `#N/A`.
    ErrorCell,
    /// It is longer than a name can be, see [`names::LONGEST`].
    TooLong,
}

/// Whether a text says that there is no value: it is blank or a dash.
pub(crate) fn is_missing(text: &str) -> bool {
    matches!(text.trim(), "" | "-" | "\u{2013}" | "\u{2014}")
}

/// A yes or no; [`Fault::Missing`] for none.
pub(crate) fn yes_or_no(cell: Cell<'_>) -> Result<bool, Fault> {
    match cell {
        Cell::Bool(value) => Ok(value),
        Cell::Number(1.0) => Ok(true),
        Cell::Number(0.0) => Ok(false),
        Cell::Text(text) => {
            let text = text.trim();
            let is = |word: &str| text.eq_ignore_ascii_case(word);
            if is("yes") || is("true") || is("1") {
                Ok(true)
            } else if is("no") || is("false") || is("0") {
                Ok(false)
            } else if is_missing(text) {
                Err(Fault::Missing)
            } else {
                Err(Fault::Unreadable)
            }
        }
        Cell::Blank => Err(Fault::Missing),
        Cell::Error(_) => Err(Fault::ErrorCell),
        Cell::Number(_) | Cell::Serial(_) => Err(Fault::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_in_every_form() {
        for yes in ["yes", "YES", " true ", "1"] {
            assert_eq!(yes_or_no(Cell::Text(yes)), Ok(true), "{yes:?}");
        }
        for no in ["no", "No", "FALSE", "0"] {
            assert_eq!(yes_or_no(Cell::Text(no)), Ok(false), "{no:?}");
        }
        assert_eq!(yes_or_no(Cell::Bool(true)), Ok(true));
        assert_eq!(yes_or_no(Cell::Number(1.0)), Ok(true));
        assert_eq!(yes_or_no(Cell::Text("-")), Err(Fault::Missing));
        assert_eq!(yes_or_no(Cell::Text("maybe")), Err(Fault::Unreadable));
        assert_eq!(yes_or_no(Cell::Number(2.0)), Err(Fault::Unreadable));
    }
}

//! Which number formats show a date or a time.

use super::super::ReadError;

/// Formats and styles of a workbook, each; spreadsheet programs allow some ten thousand.
const MOST_STYLES: usize = 1 << 20;

/// Refuses a workbook with more formats or styles than one can have.
pub(super) fn check_styles(count: usize) -> Result<(), ReadError> {
    if count > MOST_STYLES {
        return Err(ReadError::damaged("it has more styles than a workbook can have"));
    }
    Ok(())
}

/// Whether a number format that workbooks know by number shows a date or a time.
pub(super) fn is_built_in_date(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58)
}

/// Whether a number format shows a date or a time: whether it has a letter of one outside of quotes, colours and conditions.
pub(super) fn is_date(format: &str) -> bool {
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                chars.find(|c| *c == '"');
            }
            '\\' | '_' | '*' => {
                chars.next();
            }
            '[' => {
                // `[h]` counts hours on; `[Red]`, `[$-409]` and `[>100]` show nothing.
                let inner: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let elapsed = |letter: char| inner.chars().all(|c| c.eq_ignore_ascii_case(&letter));
                if !inner.is_empty() && ['h', 'm', 's'].into_iter().any(elapsed) {
                    return true;
                }
            }
            'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' | 's' | 'S' => return true,
            // The first section is that of positive numbers.
            ';' => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_dates_are_told_from_those_of_numbers() {
        for format in ["yyyy-mm-dd", "[h]:mm", "mm:ss.0", "[$-409]d mmm yyyy", "h:mm AM/PM", "[Red]dd/mm"] {
            assert!(is_date(format), "{format}");
        }
        for format in
            ["General", "0.00", "#,##0.00 [$€-407]", "0.00E+00", "[Red]0.00", "\"days\" 0", "0\\d", "0%", "0;[Red]d"]
        {
            assert!(!is_date(format), "{format}");
        }
        assert!(is_built_in_date(14) && is_built_in_date(22) && is_built_in_date(46) && !is_built_in_date(2));
    }
}

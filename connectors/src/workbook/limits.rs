//! What a file may cost at most.
//!
//! # The memory that a file takes
//!
//! Files are streamed: a sheet costs the same whether it has ten rows or a million, and however far apart its cells lie. At any
//! moment a read holds no more than
//!
//! - the shared strings: [`Limits::max_shared_string_bytes`] of text and 4 bytes for each of [`Limits::max_shared_strings`];
//! - one row: [`Limits::max_row_bytes`] of text and 16 bytes for each of [`Limits::max_columns`]; one XML token or binary record
//!   of at most [`Limits::max_row_bytes`] (its buffer may grow to twice that) and a few texts made from it (at most
//!   [`Limits::max_string_chars`] each);
//! - a zip's directory (some hundred bytes for each of [`Limits::max_zip_entries`]), styles and relations of at most 64 MiB
//!   inflated, of which only number formats, sheets and paths are kept;
//! - of an `.xls`, which the format's reader holds as a whole: [`Limits::max_xls_bytes`] three times over, and 64 bytes for each
//!   cell of the rectangles that its sheets span, of which there may be [`Limits::max_xls_cells`].
//!
//! With the defaults that is at most about 600 MiB for `.xlsx` and `.xlsb` (shared strings are 256 MiB, and their buffer
//! doubles as it grows), 50 MiB for `.csv` and `.ods`, and 800 MiB for `.xls`; a usual export of 100,000 rows takes a
//! tenth of it.

/// What a file may cost at most. A file beyond one of them is refused as a whole, with the limit's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub max_file_bytes: u64,
    /// Bytes that are inflated from a zipped workbook, counted as they come, not as its directory claims.
    pub max_inflated_bytes: u64,
    /// Bytes of text of a workbook's shared strings.
    pub max_shared_string_bytes: u64,
    /// Shared strings of a workbook.
    pub max_shared_strings: u64,
    /// Entries of a zipped workbook.
    pub max_zip_entries: u64,
    /// How many times bigger a zipped entry may become when inflated. Entries of up to 16 MiB inflated are free.
    pub max_inflation_ratio: u64,
    /// Cells that are not blank, of all sheets.
    pub max_cells: u64,
    /// Sheets.
    pub max_sheets: u64,
    /// Columns of a sheet.
    pub max_columns: u64,
    /// Characters of one cell.
    pub max_string_chars: u64,
    /// Bytes of one row.
    pub max_row_bytes: u64,
    /// Bytes of an `.xls` file.
    pub max_xls_bytes: u64,
    /// Cells of the rectangles that the sheets of an `.xls` file span, blank ones too.
    pub max_xls_cells: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_file_bytes: 512 << 20,
            max_inflated_bytes: 8 << 30,
            max_shared_string_bytes: 256 << 20,
            max_shared_strings: 8_000_000,
            max_zip_entries: 4_000,
            max_inflation_ratio: 200,
            max_cells: 100_000_000,
            max_sheets: 256,
            max_columns: 16_384,
            max_string_chars: 200_000,
            max_row_bytes: 8 << 20,
            max_xls_bytes: 128 << 20,
            max_xls_cells: 6_000_000,
        }
    }
}

//! What a file may cost at most.

/// What a file may cost at most. A file beyond one of them is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub max_file_bytes: u64,
    /// Bytes of all entries of a zipped workbook, inflated.
    pub max_inflated_bytes: u64,
    /// Bytes of the shared strings of a workbook, inflated.
    pub max_shared_string_bytes: u64,
    /// Shared strings of a workbook.
    pub max_shared_strings: u64,
    /// Entries of a zipped workbook.
    pub max_zip_entries: usize,
    /// How many times bigger a zipped entry may become when inflated.
    pub max_inflation_ratio: u64,
    /// Cells that are not blank, of all sheets.
    pub max_cells: u64,
    /// Sheets.
    pub max_sheets: usize,
    /// Columns of a sheet.
    pub max_columns: u32,
    /// Characters of one cell.
    pub max_string_chars: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_file_bytes: 256 << 20,
            max_inflated_bytes: 2 << 30,
            max_shared_string_bytes: 256 << 20,
            max_shared_strings: 4_000_000,
            max_zip_entries: 2_000,
            max_inflation_ratio: 200,
            max_cells: 100_000_000,
            max_sheets: 200,
            max_columns: 1_000,
            max_string_chars: 100_000,
        }
    }
}

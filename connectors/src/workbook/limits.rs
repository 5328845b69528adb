//! What a file may cost at most.
//!
//! # The memory that a file takes
//!
//! Files are streamed: a sheet costs the same whether it has ten rows or a million, and however far apart its cells lie. At any
//! moment a read holds no more than
//!
//! - the shared strings: [`Limits::max_shared_string_bytes`] of text and 4 bytes for each of [`Limits::max_shared_strings`], both
//!   twice over, since their buffers double as they grow;
//! - one row, with the XML token or binary record that it is made from: six times [`Limits::max_row_bytes`], some of it for
//!   buffers that double; and 16 bytes for each of [`Limits::max_columns`];
//! - a zip's directory, as it is on the disk and as it is understood: 4 KiB for each of [`Limits::max_zip_entries`];
//! - styles, relations and the list of sheets: 32 MiB;
//! - of an `.xls`, which is no stream: [`Limits::max_xls_bytes`] four times over (the file, what its container holds, and where the
//!   cells are of a sheet that is not in the order of its rows), and 8 bytes for each of [`Limits::max_shared_strings`].
//!
//! [`Limits::most_memory`] adds it up: with the defaults 670 MiB for `.xlsx` and `.xlsb`, 100 MiB for `.ods`, 50 MiB for `.csv`
//! and 630 MiB for `.xls`. A usual export of 100,000 rows takes a tenth of it.

use serde::{Deserialize, Serialize};

/// What a file may cost at most. A file beyond one of them is refused as a whole, with the limit's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Bytes of text of all cells together, each counted as often as a cell names it, with the headers that go with them: what
    /// a file puts on the log is a little more.
    pub max_text_bytes: u64,
    /// Characters of one cell.
    pub max_string_chars: u64,
    /// Bytes of one row.
    pub max_row_bytes: u64,
    /// Bytes of an `.xls` file.
    pub max_xls_bytes: u64,
    /// Seconds of computing that a file may take, where it is read in a process of its own (see [`crate::isolation`]).
    pub max_read_seconds: u64,
}

/// The most memory that one read takes, in bytes, by the format of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostMemory {
    /// `.xlsx` and `.xlsb`.
    pub xlsx: u64,
    /// `.ods`.
    pub ods: u64,
    /// `.csv`.
    pub csv: u64,
    /// `.xls`.
    pub xls: u64,
}

impl Limits {
    /// The most memory that one read takes under these limits, as the documentation of the module adds it up.
    pub fn most_memory(&self) -> MostMemory {
        let times = u64::saturating_mul;
        let sum = |parts: &[u64]| parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
        let row = sum(&[times(6, self.max_row_bytes), times(16, self.max_columns)]);
        let zip = sum(&[times(4 << 10, self.max_zip_entries), 32 << 20]);
        let shared = sum(&[times(2, self.max_shared_string_bytes), times(8, self.max_shared_strings)]);
        let xls = sum(&[times(4, self.max_xls_bytes), times(8, self.max_shared_strings)]);
        MostMemory { xlsx: sum(&[row, zip, shared]), ods: sum(&[row, zip]), csv: row, xls: sum(&[row, xls]) }
    }
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
            max_text_bytes: 4 << 30,
            max_string_chars: 200_000,
            max_row_bytes: 8 << 20,
            max_xls_bytes: 128 << 20,
            max_read_seconds: 300,
        }
    }
}

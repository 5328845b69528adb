//! Bytes of a spreadsheet file to typed rows.

mod error;
mod limits;

use std::path::Path;

use fandom_schemas::manifest::Sheet;
use fandom_schemas::rows::{Row, Text};
use jiff::tz::TimeZone;

pub use error::{Fault, ReadError};
pub use limits::Limits;

/// How a file is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The zone of dates and times in sheets whose header names none.
    pub zone: TimeZone,
    /// The IANA name of `zone`.
    pub zone_name: String,
    /// The platform of a creator whose name gives none.
    pub default_platform: String,
    /// What a file may cost at most.
    pub limits: Limits,
}

/// Receives what is read, in the order of the file: sheet by sheet, row by row.
pub trait RowSink {
    /// Takes a row; `text` holds the private texts of a message.
    ///
    /// # Errors
    /// [`Stop`] when no more is wanted: the read ends with [`ReadError::Stopped`].
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), Stop>;

    /// Takes a row that could not be read.
    ///
    /// # Errors
    /// [`Stop`] when no more is wanted: the read ends with [`ReadError::Stopped`].
    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop>;
}

/// The receiver wants no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// The sheet's name; `None` where the format has none (.csv).
    pub sheet: Option<String>,
    /// 1-based row of the sheet.
    pub row: u32,
    /// The header of the column at fault, as the sheet has it; `None` where the sheet has no such column.
    pub column: Option<String>,
    /// Why, such as `unreadable price`.
    pub reason: String,
    /// The row's cells as text, in the sheet's order.
    pub cells: Vec<String>,
}

/// What was read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSummary {
    /// Its sheets, in its order. One that is not recognised has no kind and counts no rows.
    pub sheets: Vec<Sheet>,
}

/// Reads the file at `path`, known to people as `name`, and hands its rows to `sink`.
///
/// Blocking, and busy for as long as the file is big: call it from a thread that may block.
///
/// # Errors
/// When the file as a whole cannot be read, or the sink stopped. Rows may have been handed over before.
pub fn read(
    path: &Path,
    name: &str,
    options: &ReadOptions,
    sink: &mut dyn RowSink,
) -> Result<ReadSummary, ReadError> {
    let _ = (path, name, options, sink);
    Err(ReadError::NotASpreadsheet)
}

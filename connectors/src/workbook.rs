//! Bytes of a spreadsheet file to typed rows.
//!
//! ```text
//!     format   .xlsx .xlsb .xls .ods .csv, told by content ─▶ rows of cells
//!     layout   header row ─▶ kind of the sheet, place of each column
//!     mapping  the same for sheets of other makes, by a profile
//!     value    one cell ─▶ an amount, a day, a name, …
//!     kind     one row ─▶ one typed row, or why not
//!     reading  holds them together, counts, hands over to the RowSink
//! ```
//!
//! - What the cells mean is METRICS.md's; nothing is guessed. A row whose needed cells cannot be read is handed over as a
//!   [`RejectedRow`] and the rest of the sheet goes on; another cell that cannot be read is missing, with a warning. A sheet whose
//!   header names a zone that does not exist has all of its rows rejected, since any other zone would shift its figures.
//! - A sheet is of a kind when a row among its first 20 has the kind's needed columns (`columns`). Of several equal headers the
//!   first is read, with a warning.
//! - A file is bounded in what it may cost ([`Limits`], which says how much memory that is). A fault in it, even one that makes
//!   a parser panic, ends in a [`ReadError`] for this file alone.
//! - [`Sheet::accepted`] counts sheet rows. A row of a creator report that has both net and gross money is handed over as
//!   two typed rows, one for each basis.

mod columns;
mod container;
mod error;
mod format;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod kind;
mod layout;
mod limits;
pub mod mapping;
mod meter;
mod reading;
mod row;
mod value;

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use fandom_schemas::manifest::Sheet;
use fandom_schemas::rows::{Row, Text};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use reading::Reading;

pub use error::{Fault, ReadError};
pub use limits::{Limits, MostMemory};

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
    /// How sheets of no built-in kind are read.
    pub mappings: mapping::Profiles,
}

/// Receives what is read, in the order of the file: sheet by sheet, row by row.
pub trait RowSink {
    /// Takes a row; `text` holds the private texts of a message.
    ///
    /// # Errors
    /// [`NotTaken::Stop`] when no more is wanted: the read ends with [`ReadError::Stopped`]. [`NotTaken::Row`] when this row cannot
    /// be taken: it is handed over again as one that could not be read, and the read goes on.
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken>;

    /// Takes a row that could not be read.
    ///
    /// # Errors
    /// [`Stop`] when no more is wanted: the read ends with [`ReadError::Stopped`].
    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop>;
}

/// The receiver wants no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Why a receiver did not take a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It wants no more.
    Stop,
    /// It cannot take this row, for this reason.
    Row(String),
}

impl From<Stop> for NotTaken {
    fn from(_: Stop) -> NotTaken {
        NotTaken::Stop
    }
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The sheet's name; `None` where the format has none (.csv).
    pub sheet: Option<String>,
    /// 1-based row of the sheet.
    pub row: u32,
    /// The header of the column at fault, as the sheet has it; `None` where the sheet has no such column.
    pub column: Option<String>,
    /// Why, such as `unreadable price`.
    pub reason: String,
    /// The row's cells as text, in the sheet's order: at most 100, of at most 2000 characters each.
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
///
/// # Panics
/// Only when the sink does.
pub fn read(path: &Path, name: &str, options: &ReadOptions, sink: &mut dyn RowSink) -> Result<ReadSummary, ReadError> {
    read_surveyed(path, name, options, sink, None)
}

/// The same; where there is a survey, rows go to it and nowhere else.
fn read_surveyed(
    path: &Path,
    name: &str,
    options: &ReadOptions,
    sink: &mut dyn RowSink,
    survey: Option<&mut mapping::Survey>,
) -> Result<ReadSummary, ReadError> {
    let file = File::open(path)?;
    let sink_at_work = Cell::new(false);
    let reading = Reading::new(options, sink, &sink_at_work).surveyed(survey);
    match catch_unwind(AssertUnwindSafe(|| format::read(&file, name, options, reading))) {
        Ok(result) => result.map(|sheets| ReadSummary { sheets }),
        Err(panic) if sink_at_work.get() => resume_unwind(panic),
        Err(panic) => {
            let message =
                panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(ReadError::damaged(format!("its content broke the reader: {}", message.unwrap_or("no message"))))
        }
    }
}

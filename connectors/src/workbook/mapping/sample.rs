//! The first rows of each sheet of a file, as they stand.

use std::path::Path;

use super::super::reading::Flow;
use super::super::row::Row;
use super::super::{NotTaken, ReadError, ReadOptions, RejectedRow, RowSink, Stop, read_surveyed};

/// How many rows of a sheet are looked at.
const ROWS: usize = 200;

/// How many bytes of text of a sheet are looked at.
const BYTES: usize = 4 << 20;

/// How many sheets are looked at.
const SHEETS: usize = 20;

/// The first rows of a sheet.
pub(super) struct Sheet {
    pub(super) name: Option<String>,
    pub(super) rows: Vec<Row>,
    bytes: usize,
}

/// Collects the first rows of each sheet instead of reading them.
#[derive(Default)]
pub(crate) struct Survey {
    sheets: Vec<Sheet>,
}

impl Survey {
    /// Begins a sheet.
    pub(crate) fn begin(&mut self, name: Option<&str>) {
        self.sheets.push(Sheet { name: name.map(str::to_owned), rows: Vec::new(), bytes: 0 });
    }

    /// Takes a row.
    pub(crate) fn row(&mut self, row: &Row) -> Flow {
        let among_the_first = self.sheets.len() <= SHEETS;
        let Some(sheet) = self.sheets.last_mut().filter(|_| among_the_first) else { return Flow::SkipSheet };
        sheet.bytes += row.text_bytes();
        if sheet.rows.len() >= ROWS || sheet.bytes > BYTES {
            return Flow::SkipSheet;
        }
        sheet.rows.push(row.clone());
        Flow::Continue
    }
}

/// The first rows of each sheet of the file at `path`.
pub(super) fn sample(path: &Path, name: &str, options: &ReadOptions) -> Result<Vec<Sheet>, ReadError> {
    let mut survey = Survey::default();
    read_surveyed(path, name, options, &mut Nothing, Some(&mut survey))?;
    Ok(survey.sheets)
}

/// Takes nothing: a survey hands over no rows.
struct Nothing;

impl RowSink for Nothing {
    fn row(
        &mut self,
        _: &fandom_schemas::rows::Row<'_>,
        _: Option<&fandom_schemas::rows::Text<'_>>,
    ) -> Result<(), NotTaken> {
        Ok(())
    }

    fn reject(&mut self, _: RejectedRow) -> Result<(), Stop> {
        Ok(())
    }
}

//! What a mapping would make of a file, without publishing anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fandom_schemas::mappings::Mapping;
use fandom_schemas::rows::{Row, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{NotTaken, ReadError, ReadOptions, ReadSummary, RejectedRow, RowSink, Stop, read};
use super::{Profile, in_order};

/// How many rows of a file are read.
const ROWS: u64 = 1000;

/// How many of them are shown.
const SHOWN: usize = 20;

/// What a mapping would make of the first rows of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Rows that were read, at most 1000.
    pub rows_read: u64,
    /// Rows that would count.
    pub accepted: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// Whether these were all rows of the file.
    pub complete: bool,
    /// The first rows that would count, as they would stand on the log.
    pub rows: Vec<Value>,
    /// The first rows that could not be read.
    pub rejects: Vec<PreviewReject>,
    /// Other things worth knowing, with how often each occurred; of a complete preview.
    pub warnings: BTreeMap<String, u64>,
    /// Why nothing was read, if nothing was.
    pub notice: Option<String>,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReject {
    /// The sheet's name.
    pub sheet: Option<String>,
    /// 1-based row of the sheet.
    pub row: u32,
    /// The header of the column at fault.
    pub column: Option<String>,
    /// Why, such as `unreadable sent time`.
    pub reason: String,
    /// The row's cells as text.
    pub cells: Vec<String>,
}

/// Reads the first rows of a file by a mapping, whatever folder that is for.
///
/// # Errors
/// When the file cannot be read. Problems of the mapping are for [`Mapping::problems`].
pub fn preview(path: &Path, name: &str, options: &ReadOptions, mapping: &Mapping) -> Result<Preview, ReadError> {
    let mut seen = Seen::default();
    let profile = match Profile::new(mapping.clone()) {
        Ok(profile) => profile,
        Err(problems) => return Ok(Preview { notice: Some(problems.join("; ")), ..Preview::default() }),
    };
    let options = ReadOptions { mappings: in_order(vec![Arc::new(profile)]), ..options.clone() };
    let mut preview = match read(path, name, &options, &mut seen) {
        Ok(summary) => Preview { complete: true, ..finished(&summary, mapping, seen.preview) },
        Err(ReadError::Stopped) => seen.preview,
        Err(error) => return Err(error),
    };
    preview.rows_read = preview.accepted + preview.rejected;
    Ok(preview)
}

fn finished(summary: &ReadSummary, mapping: &Mapping, mut preview: Preview) -> Preview {
    for sheet in &summary.sheets {
        for (warning, count) in &sheet.warnings {
            *preview.warnings.entry(warning.clone()).or_default() += count;
        }
        if sheet.doubtful_times > 0 {
            *preview.warnings.entry("doubtful_times".to_owned()).or_default() += sheet.doubtful_times;
        }
    }
    if summary.sheets.iter().all(|sheet| sheet.kind.is_none()) {
        let headers: Vec<String> = mapping.headers().map(|header| format!("`{header}`")).collect();
        preview.notice =
            Some(format!("no sheet has a row with the headers {} among its first 20 rows", headers.join(", ")));
    }
    preview
}

#[derive(Default)]
struct Seen {
    preview: Preview,
}

impl Seen {
    fn is_full(&self) -> bool {
        self.preview.accepted + self.preview.rejected >= ROWS
    }
}

impl RowSink for Seen {
    fn row(&mut self, row: &Row<'_>, _: Option<&Text<'_>>) -> Result<(), NotTaken> {
        if self.is_full() {
            return Err(NotTaken::Stop);
        }
        self.preview.accepted += 1;
        if self.preview.rows.len() < SHOWN {
            self.preview.rows.push(serde_json::to_value(row).unwrap_or_default());
        }
        Ok(())
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        if self.is_full() {
            return Err(Stop);
        }
        self.preview.rejected += 1;
        if self.preview.rejects.len() < SHOWN {
            let RejectedRow { sheet, row, column, reason, cells } = reject;
            self.preview.rejects.push(PreviewReject { sheet, row, column, reason, cells });
        }
        Ok(())
    }
}

//! `files`: what stands in the sheets of every live file, and how much of it earlier exports also hold.
//!
//! ```text
//!  sheets of live files ──────────┐
//!  duplicates by (file, sheet) ───┴─▶ reduce by (file, sheet) ─▶ row
//! ```

use fandom_schemas::identity::Id;
use fandom_schemas::manifest::Manifest;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Sources, View};
use crate::engine::keyed::reduce;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "files",
    columns: &[
        column("file_id", Type::Int),
        column("position", Type::Int),
        column("file", Type::Text),
        column("sheet", Type::Text),
        column("kind", Type::Text),
        column("recognised", Type::Bool),
        column("version", Type::Int),
        column("modified_at", Type::Instant),
        column("exported_at", Type::Instant),
        column("rows_read", Type::Int),
        column("accepted", Type::Int),
        column("rejected_count", Type::Int),
        column("rejected", Type::Json),
        column("duplicates", Type::Int),
        column("doubtful_times", Type::Int),
        column("warnings", Type::Json),
    ],
    key: 2,
    labels: &[],
};

/// A sheet of a live file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SheetOfFile {
    file: Id,
    position: u16,
    name: Box<str>,
    sheet: Option<Box<str>>,
    kind: Option<Box<str>>,
    version: u64,
    modified_at: i64,
    exported_at: i64,
    rows_read: u64,
    accepted: u64,
    rejected: u64,
    rejects: Box<str>,
    doubtful_times: u64,
    warnings: Box<str>,
}

impl SheetOfFile {
    /// The sheets that a manifest tells of.
    pub fn of_manifest(manifest: &Manifest, file: Id) -> Vec<SheetOfFile> {
        let sheets = manifest.sheets.iter().map(|sheet| SheetOfFile {
            file,
            position: sheet.position,
            name: manifest.name.as_str().into(),
            sheet: sheet.name.as_deref().map(Into::into),
            kind: sheet.kind.map(|kind| kind.name().into()),
            version: manifest.version,
            modified_at: manifest.modified_at,
            exported_at: manifest.exported_at,
            rows_read: sheet.rows_read,
            accepted: sheet.accepted,
            rejected: sheet.rejected,
            rejects: json!(sheet.rejects).to_string().into(),
            doubtful_times: sheet.doubtful_times,
            warnings: json!(sheet.warnings).to_string().into(),
        });
        sheets.collect()
    }
}

/// What a row is put together from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Sheet(Box<SheetOfFile>),
    Duplicate,
}

/// The rows.
pub fn view<'scope>(sources: &Sources<'scope>) -> View<'scope> {
    let sheets = sources.sheets.clone().map(|sheet| ((sheet.file, sheet.position), Part::Sheet(Box::new(sheet))));
    let duplicates = sources.duplicates.clone().map(|place| (place, Part::Duplicate));
    let rows = reduce(sheets.concat(duplicates), "Files", |_: &(Id, u16), parts| {
        let duplicates = parts.iter().find(|(part, _)| *part == Part::Duplicate).map_or(0, |(_, count)| *count);
        let sheet = parts.iter().find_map(|(part, _)| match part {
            Part::Sheet(sheet) => Some(sheet),
            Part::Duplicate => None,
        });
        sheet.map(|sheet| row(sheet, duplicates))
    });
    View { table: &TABLE, rows }
}

fn row(sheet: &SheetOfFile, duplicates: isize) -> Row {
    let count = |count: u64| Datum::Int(count.cast_signed());
    let text = |text: &Option<Box<str>>| text.clone().map_or(Datum::Null, Datum::Text);
    Row::new([
        Datum::id(sheet.file),
        Datum::Int(sheet.position.into()),
        Datum::Text(sheet.name.clone()),
        text(&sheet.sheet),
        text(&sheet.kind),
        Datum::Bool(sheet.kind.is_some()),
        count(sheet.version),
        Datum::Instant(sheet.modified_at),
        Datum::Instant(sheet.exported_at),
        count(sheet.rows_read),
        count(sheet.accepted),
        count(sheet.rejected),
        Datum::Json(sheet.rejects.clone()),
        Datum::Int(duplicates as i64),
        count(sheet.doubtful_times),
        Datum::Json(sheet.warnings.clone()),
    ])
}

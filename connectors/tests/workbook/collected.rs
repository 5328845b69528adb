//! A receiver that keeps everything, and ways to read a file into it.

use std::path::Path;

use fandom_connectors::workbook::{
    self, Limits, NotTaken, ReadError, ReadOptions, ReadSummary, RejectedRow, RowSink, Stop,
};
use fandom_schemas::manifest::Sheet;
use fandom_schemas::rows::{Row, Text};
use jiff::tz::TimeZone;
use serde_json::Value;

/// Everything that was handed over.
#[derive(Default)]
pub struct Collected {
    /// The rows, as JSON.
    pub rows: Vec<Value>,
    /// The text and the fan's message of each row that has them.
    pub texts: Vec<(String, Option<String>)>,
    /// The rejected rows.
    pub rejects: Vec<RejectedRow>,
    /// Bytes of a row's JSON beyond which it is not taken.
    pub most_bytes: Option<usize>,
    /// After how many rows to stop.
    pub stop_after: Option<usize>,
}

impl RowSink for Collected {
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken> {
        if self.stop_after.is_some_and(|most| self.rows.len() >= most) {
            return Err(NotTaken::Stop);
        }
        if self.most_bytes.is_some_and(|most| row.to_json().len() > most) {
            return Err(NotTaken::Row("too large".to_owned()));
        }
        self.rows.push(serde_json::from_slice(&row.to_json()).expect("a row is JSON"));
        if let Some(text) = text {
            self.texts.push((text.text.to_string(), text.fan_message.as_ref().map(ToString::to_string)));
        }
        Ok(())
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        self.rejects.push(reject);
        Ok(())
    }
}

/// Options with this zone.
pub fn options(zone: &str) -> ReadOptions {
    ReadOptions {
        zone: TimeZone::get(zone).expect("a zone"),
        zone_name: zone.to_owned(),
        default_platform: "OF".to_owned(),
        limits: Limits::default(),
        mappings: Default::default(),
    }
}

/// Reads a file that can be read.
pub fn read(path: &Path, zone: &str) -> (Vec<Sheet>, Collected) {
    let mut collected = Collected::default();
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    match workbook::read(path, name, &options(zone), &mut collected) {
        Ok(ReadSummary { sheets }) => (sheets, collected),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Reads bytes as a file of this name.
pub fn try_bytes(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<(Vec<Sheet>, Collected), ReadError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the file can be written");
    let mut collected = Collected::default();
    workbook::read(&path, name, options, &mut collected).map(|summary| (summary.sheets, collected))
}

/// Reads bytes that can be read, naive times being UTC.
pub fn bytes(name: &str, bytes: &[u8]) -> (Vec<Sheet>, Collected) {
    match try_bytes(name, bytes, &options("UTC")) {
        Ok(read) => read,
        Err(error) => panic!("{name}: {error}"),
    }
}

/// Reads bytes that cannot be read: the error.
pub fn refused(name: &str, bytes: &[u8]) -> ReadError {
    match try_bytes(name, bytes, &options("UTC")) {
        Ok((sheets, _)) => panic!("{name} was read: {sheets:?}"),
        Err(error) => error,
    }
}

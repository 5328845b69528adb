//! The formats, told apart by their first bytes, whatever the file is called.

mod biff;
mod csv;
mod ods;
mod ole;
mod package;
mod styles;
mod xls;
mod xlsb;
mod xlsx;
mod xml;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use fandom_schemas::manifest::Sheet;

use super::container::Container;
use super::meter::Meter;
use super::reading::Reading;
use super::{ReadError, ReadOptions};

/// Rows of a sheet of every format but .csv.
const ROWS_OF_A_SHEET: u32 = 1_048_576;

const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Reads a file of any format.
pub(crate) fn read(
    file: &File,
    name: &str,
    options: &ReadOptions,
    reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    let limits = &options.limits;
    let length = file.metadata()?.len();
    if length == 0 {
        return Err(ReadError::Empty);
    }
    if length > limits.max_file_bytes {
        return Err(ReadError::too_large(format!("{length} bytes"), "FANDOM_MAX_FILE_BYTES", limits.max_file_bytes));
    }
    let mut file = file;
    let mut start = Vec::with_capacity(4096);
    file.take(4096).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    let meter = Meter::new(limits);
    if start.starts_with(ZIP) || start.starts_with(EMPTY_ZIP) {
        return read_zipped(file, options, &meter, reading);
    }
    if start.starts_with(OLE) {
        return xls::read(file, length, limits, reading);
    }
    if let Some(found) = not_text(&start) {
        return Err(ReadError::NotASpreadsheet { found });
    }
    let reading = csv::read(file, limits, &options.mappings, &meter, reading)?;
    if !reading.recognised_any() && is_named_as_a_workbook(name) {
        return Err(ReadError::NotASpreadsheet { found: "plain text under the name of a workbook" });
    }
    Ok(reading.into_sheets())
}

fn read_zipped(
    file: &File,
    options: &ReadOptions,
    meter: &Meter,
    reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    let mut container = Container::open(file, &options.limits)?;
    if container.has("xl/workbook.bin") {
        xlsb::read(&mut container, &options.limits, meter, reading)
    } else if container.has("[Content_Types].xml") {
        xlsx::read(&mut container, &options.limits, meter, reading)
    } else if container.has("content.xml") {
        ods::read(&mut container, &options.limits, meter, reading)
    } else {
        Err(ReadError::NotASpreadsheet { found: "a zip file that holds no workbook" })
    }
}

/// What the bytes are, if they are surely not lines of text with separators.
fn not_text(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return None;
    }
    if start.contains(&0) {
        return Some("binary data");
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let tags: [&[u8]; 5] = [b"<html", b"<!doctype", b"<table", b"<?xml", b"<head"];
    if tags.iter().any(|tag| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag))) {
        return Some("a web page or XML");
    }
    if text.starts_with(b"%PDF") {
        return Some("a PDF");
    }
    None
}

fn is_named_as_a_workbook(name: &str) -> bool {
    let name = name.to_lowercase();
    [".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"].iter().any(|ending| name.ends_with(ending))
}

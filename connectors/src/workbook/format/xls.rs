//! `.xls`, by calamine, which holds each sheet as a rectangle of cells and trusts what the file says of its size. So the records
//! are walked first: a file is handed on only when its rectangles are within the limit.

use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::RangeInclusive;

use calamine::{Data, Reader, SheetType, Xls, XlsError};
use fandom_schemas::manifest::Sheet;

use super::super::reading::{Flow, Reading};
use super::super::row::{Cell, Row};
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::ole::{Ole, u16_at, u32_at};
use super::package::{check_chars, check_column, check_row, in_sheet};

/// Reads every sheet.
pub(super) fn read(
    mut file: &File,
    length: u64,
    limits: &Limits,
    mut reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    if length > limits.max_xls_bytes {
        return Err(ReadError::too_large(format!("{length} bytes"), "FANDOM_MAX_XLS_BYTES", limits.max_xls_bytes));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let epoch = look_inside(&bytes, limits)?;
    let mut workbook = Xls::new(Cursor::new(bytes)).map_err(of_xls)?;
    let sheets = workbook.sheets_metadata().to_vec();
    for sheet in sheets {
        reading.begin(Some(&sheet.name))?;
        if sheet.typ == SheetType::WorkSheet {
            let range = workbook.worksheet_range(&sheet.name).map_err(|error| in_sheet(of_xls(error), &sheet.name))?;
            let (first_row, first_column) = range.start().unwrap_or((0, 0));
            let mut row = Row::new(epoch);
            for (number, cells) in (first_row + 1..).zip(range.rows()) {
                row.begin(number);
                for (column, data) in (u64::from(first_column)..).zip(cells) {
                    if *data != Data::Empty {
                        set(&mut row, check_column(column, limits)?, data, limits)?;
                    }
                }
                if reading.row(&row)? == Flow::SkipSheet {
                    break;
                }
            }
        }
        reading.end();
    }
    Ok(reading.into_sheets())
}

fn set(row: &mut Row, column: u32, data: &Data, limits: &Limits) -> Result<(), ReadError> {
    let error;
    let cell = match data {
        Data::Empty => Cell::Blank,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            check_chars(text, limits)?;
            Cell::Text(text)
        }
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::Bool(value) => Cell::Bool(*value),
        Data::DateTime(serial) => Cell::Serial(serial.as_f64()),
        Data::Error(kind) => {
            error = kind.to_string();
            Cell::Error(&error)
        }
    };
    row.set(column, cell);
    check_row(row, limits)
}

/// Numbers of the records that are looked at (MS-XLS 2.3).
mod record {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const END: u16 = 0x000a;
    pub(super) const DATE_SYSTEM: u16 = 0x0022;
    pub(super) const PASSWORD: u16 = 0x002f;
    pub(super) const LISTED_SHEET: u16 = 0x0085;
    pub(super) const MANY_NUMBERS: u16 = 0x00bd;
    pub(super) const RICH_TEXT: u16 = 0x00d6;
    pub(super) const SHARED_TEXT: u16 = 0x00fd;
    pub(super) const DIMENSIONS: u16 = 0x0200;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const TEXT: u16 = 0x0204;
    pub(super) const BOOL_OR_ERROR: u16 = 0x0205;
    pub(super) const SHORT_NUMBER: u16 = 0x027e;
    pub(super) const BEGIN: u16 = 0x0809;
}

/// Refuses a file that is protected or whose sheets span too much; the date system of another.
fn look_inside(bytes: &[u8], limits: &Limits) -> Result<Epoch, ReadError> {
    let ole = Ole::new(bytes)?;
    if ole.has("EncryptedPackage") || ole.has("EncryptionInfo") {
        return Err(ReadError::PasswordProtected);
    }
    let stream = match ole.stream("Workbook")? {
        Some(stream) => stream,
        None => {
            ole.stream("Book")?.ok_or(ReadError::NotASpreadsheet { found: "an Office file that holds no workbook" })?
        }
    };
    let mut epoch = Epoch::Y1900;
    let mut starts = Vec::new();
    for (number, data) in records(&stream) {
        match number {
            record::PASSWORD if u16_at(data, 0) != Some(0) || data.len() > 2 => {
                return Err(ReadError::PasswordProtected);
            }
            record::DATE_SYSTEM if u16_at(data, 0) == Some(1) => epoch = Epoch::Y1904,
            record::LISTED_SHEET => starts.extend(u32_at(data, 0)),
            record::END => break,
            _ => {}
        }
    }
    if starts.len() as u64 > limits.max_sheets {
        return Err(ReadError::too_large(format!("{} sheets", starts.len()), "FANDOM_MAX_SHEETS", limits.max_sheets));
    }
    let mut spanned = 0u64;
    for start in starts {
        let sheet =
            stream.get(start as usize..).ok_or_else(|| ReadError::damaged("a sheet is beyond the end of the file"))?;
        spanned = spanned.saturating_add(span(sheet));
        if spanned > limits.max_xls_cells {
            let what = format!("sheets that span {spanned} cells or more");
            return Err(ReadError::too_large(what, "FANDOM_MAX_XLS_CELLS", limits.max_xls_cells));
        }
    }
    Ok(epoch)
}

/// How many cells a sheet spans: by its own word or by its cells, whichever is more, and each of its cells once more, since
/// they are collected before they are laid out.
fn span(sheet: &[u8]) -> u64 {
    let (mut claimed, mut cells) = (0u64, 0u64);
    // Nothing yet: the first cell makes them that cell's.
    let nothing = RangeInclusive::new(u16::MAX, 0);
    let (mut rows, mut columns) = (nothing.clone(), nothing);
    let mut depth = 0u32;
    for (number, data) in records(sheet) {
        match number {
            record::BEGIN => depth += 1,
            record::END if depth <= 1 => break,
            record::END => depth -= 1,
            record::DIMENSIONS => {
                let (wide, narrow) = (|at| u32_at(data, at).map(u64::from), |at| u16_at(data, at).map(u64::from));
                let (height, width) = match data.len() {
                    0..=11 => (narrow(2).zip(narrow(0)), narrow(6).zip(narrow(4))),
                    _ => (wide(4).zip(wide(0)), narrow(10).zip(narrow(8))),
                };
                let extent = |ends: Option<(u64, u64)>| ends.map_or(0, |(end, start)| end.saturating_sub(start).max(1));
                claimed = claimed.saturating_add(extent(height).saturating_mul(extent(width)));
            }
            record::FORMULA
            | record::MANY_NUMBERS
            | record::RICH_TEXT
            | record::SHARED_TEXT
            | record::NUMBER
            | record::TEXT
            | record::BOOL_OR_ERROR
            | record::SHORT_NUMBER => {
                let (Some(row), Some(column)) = (u16_at(data, 0), u16_at(data, 2)) else { continue };
                let last = match number {
                    record::MANY_NUMBERS => data.len().checked_sub(2).and_then(|at| u16_at(data, at)).unwrap_or(column),
                    _ => column,
                };
                rows = *rows.start().min(&row)..=*rows.end().max(&row);
                columns = *columns.start().min(&column)..=*columns.end().max(&last.max(column));
                cells += u64::from(last.saturating_sub(column)) + 1;
            }
            _ => {}
        }
    }
    let extent = |range: &RangeInclusive<u16>| match range.is_empty() {
        true => 0,
        false => u64::from(range.end() - range.start()) + 1,
    };
    claimed.max(extent(&rows) * extent(&columns)).saturating_add(cells)
}

/// The records of a stream, as far as they are whole.
fn records(stream: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (number, length) = (u16_at(rest, 0)?, u16_at(rest, 2)?);
        let data = rest.get(4..4 + usize::from(length))?;
        rest = &rest[4 + usize::from(length)..];
        Some((number, data))
    })
}

fn of_xls(error: XlsError) -> ReadError {
    match error {
        XlsError::Password => ReadError::PasswordProtected,
        XlsError::Io(cause) => super::super::container::of_io(cause),
        other => ReadError::damaged(other.to_string()),
    }
}

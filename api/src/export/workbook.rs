//! Rows as a workbook. Its sheets are written to a file on disk row by row; when the last row is there, the file is sent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use axum::body::Bytes;
use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde_json::{Map, Value};

use super::{CHUNK, Sink};

/// Rows of a sheet below its header; what is more goes to a further sheet.
const ROWS: u32 = 1_048_575;
/// Characters of a cell.
const CHARACTERS: usize = 32_767;

/// A workbook that grows.
pub struct Sheets {
    fields: Vec<&'static str>,
    workbook: Workbook,
    header: Format,
    /// Rows of the last sheet, its header among them.
    rows: u32,
    file: Option<File>,
}

impl Sheets {
    /// With these columns.
    ///
    /// # Errors
    /// When no file can be made for it.
    pub fn new(fields: &[&'static str]) -> Result<Sheets, String> {
        let mut sheets = Sheets {
            fields: fields.to_vec(),
            workbook: Workbook::new(),
            header: Format::new().set_bold(),
            rows: 0,
            file: None,
        };
        sheets.sheet().map_err(|error| error.to_string())?;
        Ok(sheets)
    }

    fn sheet(&mut self) -> Result<(), XlsxError> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        for (column, field) in (0..).zip(&self.fields) {
            sheet.write_string_with_format(0, column, *field, &self.header)?;
        }
        self.rows = 1;
        Ok(())
    }

    fn write(&mut self, members: &Map<String, Value>) -> Result<(), XlsxError> {
        if self.rows > ROWS {
            self.sheet()?;
        }
        let row = self.rows;
        let Some(sheet) = self.workbook.worksheets_mut().last_mut() else { return Ok(()) };
        for (column, field) in (0..).zip(&self.fields) {
            match members.get(*field) {
                None | Some(Value::Null) => continue,
                Some(Value::Bool(value)) => sheet.write_boolean(row, column, *value)?,
                Some(Value::Number(value)) => sheet.write_number(row, column, value.as_f64().unwrap_or_default())?,
                Some(Value::String(text)) => sheet.write_string(row, column, short(text))?,
                Some(value) => sheet.write_string(row, column, short(&value.to_string()))?,
            };
        }
        self.rows += 1;
        Ok(())
    }
}

/// As much of a text as a cell holds.
fn short(text: &str) -> String {
    text.chars().take(CHARACTERS).collect()
}

impl Sink for Sheets {
    fn row(&mut self, members: Map<String, Value>) -> Result<(), String> {
        self.write(&members).map_err(|error| error.to_string())
    }

    fn end(&mut self) -> Result<(), String> {
        let mut file = tempfile::tempfile().map_err(|error| error.to_string())?;
        self.workbook.save_to_writer(&mut file).map_err(|error| error.to_string())?;
        file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
        self.file = Some(file);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>, String> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = file.take(CHUNK as u64).read_to_end(&mut chunk).map_err(|error| error.to_string())?;
        Ok((read > 0).then(|| Bytes::from(chunk)))
    }
}

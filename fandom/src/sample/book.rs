//! Files without a trace of the present: the same contents and moment give the same bytes.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::civil::DateTime;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::cells::Cell;
use super::words::AGENCY;

/// A workbook being written, row by row, to a temporary file of its own.
pub(super) struct Book {
    workbook: Workbook,
    moment: i64,
}

impl Book {
    /// A workbook that was exported at that moment.
    pub(super) fn new(moment: i64) -> anyhow::Result<Book> {
        let mut workbook = Workbook::new();
        let created = ExcelDateTime::from_timestamp(moment)?;
        workbook.set_properties(&DocProperties::new().set_author(AGENCY).set_creation_datetime(&created));
        // Bytes matter less than time: the files are read once.
        workbook.set_zip_compression_level(1);
        Ok(Book { workbook, moment })
    }

    /// A sheet and its header row. The sheet before it is finished.
    pub(super) fn sheet<H: AsRef<str>>(&mut self, name: &str, headers: &[H]) -> anyhow::Result<Sheet<'_>> {
        let worksheet = self.workbook.add_worksheet_with_constant_memory()?;
        worksheet.set_name(name)?;
        worksheet.set_freeze_panes(1, 0)?;
        let mut sheet = Sheet {
            worksheet,
            row: 0,
            column: 0,
            date: Format::new().set_num_format("yyyy-mm-dd"),
            date_time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
        };
        let bold = Format::new().set_bold();
        for header in headers {
            sheet.worksheet.write_string_with_format(0, sheet.column, header.as_ref(), &bold)?;
            sheet.column += 1;
        }
        sheet.end_row();
        Ok(sheet)
    }

    /// Puts the file where it belongs, whole and dated.
    pub(super) fn save(mut self, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
        put(folder, name, self.moment, |file| Ok(self.workbook.save_to_writer(file)?))
    }
}

/// A sheet being written, cell by cell.
pub(super) struct Sheet<'a> {
    worksheet: &'a mut Worksheet,
    row: u32,
    column: u16,
    date: Format,
    date_time: Format,
}

impl Sheet<'_> {
    /// A cell of text.
    pub(super) fn text(&mut self, text: impl Into<String>) -> Result<(), XlsxError> {
        self.worksheet.write_string(self.row, self.column, text)?;
        self.column += 1;
        Ok(())
    }

    /// A cell of text, left blank where that is empty.
    pub(super) fn text_or_blank(&mut self, text: &str) -> Result<(), XlsxError> {
        if text.is_empty() { self.cell(Cell::Blank) } else { self.text(text) }
    }

    /// A cell of any kind.
    pub(super) fn cell(&mut self, cell: Cell) -> Result<(), XlsxError> {
        match cell {
            Cell::Blank => {}
            Cell::Text(text) => return self.text(text),
            Cell::Number(number) => {
                self.worksheet.write_number(self.row, self.column, number)?;
            }
            Cell::Date(day) => {
                let day = excel(day.at(0, 0, 0, 0))?;
                self.worksheet.write_datetime_with_format(self.row, self.column, &day, &self.date)?;
            }
            Cell::DateTime(at) => {
                self.worksheet.write_datetime_with_format(self.row, self.column, &excel(at)?, &self.date_time)?;
            }
        }
        self.column += 1;
        Ok(())
    }

    /// The next cell stands in the first column of the next row.
    pub(super) fn end_row(&mut self) {
        self.row += 1;
        self.column = 0;
    }

    /// A whole row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> Result<(), XlsxError> {
        for cell in cells {
            self.cell(cell)?;
        }
        self.end_row();
        Ok(())
    }

    /// Rows written, the header not counted.
    pub(super) fn rows(&self) -> u64 {
        u64::from(self.row) - 1
    }
}

fn excel(at: DateTime) -> Result<ExcelDateTime, XlsxError> {
    let part = |value: i8| u16::from(value.unsigned_abs());
    let day = ExcelDateTime::from_ymd(at.year().unsigned_abs(), at.month().unsigned_abs(), at.day().unsigned_abs())?;
    day.and_hms(part(at.hour()), at.minute().unsigned_abs(), f64::from(at.second()))
}

/// Writes a CSV file.
pub(super) fn save_csv(
    folder: &Path,
    name: &str,
    moment: i64,
    headers: &[&str],
    rows: &[Vec<Cell>],
) -> anyhow::Result<PathBuf> {
    put(folder, name, moment, |file| {
        let mut line = |cells: Vec<String>| writeln!(file, "{}", cells.join(","));
        line(headers.iter().map(|header| quoted(header)).collect())?;
        for row in rows {
            line(row.iter().map(csv_cell).collect())?;
        }
        Ok(())
    })
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Text(text) => quoted(text),
        Cell::Number(number) => number.to_string(),
        Cell::Date(day) => day.to_string(),
        Cell::DateTime(at) => quoted(&super::cells::date_and_time(*at)),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Writes under a hidden name first: a watcher of the folder never sees half a file.
fn put(
    folder: &Path,
    name: &str,
    moment: i64,
    write: impl FnOnce(&mut BufWriter<&File>) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let (path, hidden) = (folder.join(name), folder.join(format!(".{name}.part")));
    let written = write_whole(&hidden, moment, write).and_then(|()| Ok(fs::rename(&hidden, &path)?));
    if written.is_err() {
        // The error itself is what counts; a file that was not even created cannot be removed.
        let _ = fs::remove_file(&hidden);
    }
    written.map(|()| path.clone()).with_context(|| format!("cannot write {}", path.display()))
}

fn write_whole(
    path: &Path,
    moment: i64,
    write: impl FnOnce(&mut BufWriter<&File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let file = File::create(path)?;
    let mut buffer = BufWriter::new(&file);
    write(&mut buffer)?;
    buffer.flush()?;
    let since = Duration::from_secs(moment.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    file.set_modified(if moment < 0 { epoch - since } else { epoch + since })?;
    Ok(())
}

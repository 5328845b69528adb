//! `.xls`, record by record.
//!
//! The sheets are read here and not by calamine, which copies a text for each cell that names it and writes out formulas: a file of
//! a megabyte could take gigabytes. Here the workbook's stream is in memory once; a cell's text is decoded when its row is
//! handed over. Programs write the cells of a sheet in the order of its rows, and then nothing more is held; of a sheet that is
//! in another order the places of its cells are sorted.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;

use fandom_schemas::manifest::Sheet;

use super::super::reading::{Flow, Reading};
use super::super::row::{Cell, Row};
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::biff::{self, Record, SharedTexts, TextForm, double, half, long_text, records, too_short, word};
use super::ole::Ole;
use super::package::{ListedSheet, check_chars, check_column, check_row, in_sheet, list};
use super::styles::{check_styles, is_built_in_date, is_date};
use super::xlsb::{error_name, of_rk};

/// Numbers of the records that are read (MS-XLS 2.3).
mod record {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const END: u16 = 0x000a;
    pub(super) const DATE_SYSTEM: u16 = 0x0022;
    pub(super) const PASSWORD: u16 = 0x002f;
    pub(super) const CODE_PAGE: u16 = 0x0042;
    pub(super) const LISTED_SHEET: u16 = 0x0085;
    pub(super) const MANY_NUMBERS: u16 = 0x00bd;
    pub(super) const RICH_TEXT: u16 = 0x00d6;
    pub(super) const CELL_FORMAT: u16 = 0x00e0;
    pub(super) const SHARED_TEXTS: u16 = 0x00fc;
    pub(super) const SHARED_TEXT: u16 = 0x00fd;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const TEXT: u16 = 0x0204;
    pub(super) const BOOL_OR_ERROR: u16 = 0x0205;
    pub(super) const FORMULA_TEXT: u16 = 0x0207;
    pub(super) const SHORT_NUMBER: u16 = 0x027e;
    pub(super) const NUMBER_FORMAT: u16 = 0x041e;
    pub(super) const BEGIN: u16 = 0x0809;
}

/// The version of records of Excel 5 and 95, whose texts are in a code page.
const BIFF5: u16 = 0x0500;
/// The versions before, which know no workbooks of several sheets.
const OLDER: [u16; 5] = [0x0002, 0x0007, 0x0200, 0x0300, 0x0400];

/// Reads every sheet.
pub(super) fn read(
    file: &File,
    length: u64,
    limits: &Limits,
    mut reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    if length > limits.max_xls_bytes {
        return Err(ReadError::too_large(format!("{length} bytes"), "FANDOM_MAX_XLS_BYTES", limits.max_xls_bytes));
    }
    let stream = stream(file)?;
    let workbook = Workbook::new(&stream, limits)?;
    for sheet in &workbook.sheets {
        reading.begin(Some(&sheet.listed.name))?;
        if sheet.has_cells {
            workbook.read(sheet.start, &mut reading).map_err(|error| in_sheet(error, &sheet.listed.name))?;
        }
        reading.end();
    }
    Ok(reading.into_sheets())
}

/// The workbook's own stream, out of its container.
fn stream(mut file: &File) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let ole = Ole::new(&bytes)?;
    if ole.has("EncryptedPackage") || ole.has("EncryptionInfo") {
        return Err(ReadError::PasswordProtected);
    }
    match ole.stream("Workbook")? {
        Some(stream) => Ok(stream),
        None => {
            ole.stream("Book")?.ok_or(ReadError::NotASpreadsheet { found: "an Office file that holds no workbook" })
        }
    }
}

/// What the sheets have in common.
struct Workbook<'s> {
    stream: &'s [u8],
    limits: &'s Limits,
    epoch: Epoch,
    form: TextForm,
    sheets: Vec<PlacedSheet>,
    texts: SharedTexts,
    /// For each cell format, whether it shows dates or times.
    dates: Vec<bool>,
}

struct PlacedSheet {
    listed: ListedSheet,
    /// Where its records begin.
    start: usize,
    /// Charts and macros have none.
    has_cells: bool,
}

/// A cell: where it is in the sheet, and where its record or the text of its formula is in the stream.
#[derive(Clone, Copy)]
struct Place {
    row: u16,
    column: u16,
    at: u32,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Number,
    ShortNumber,
    SharedText,
    Text,
    BoolOrError,
    Formula,
    FormulaText,
}

impl<'s> Workbook<'s> {
    fn new(stream: &'s [u8], limits: &'s Limits) -> Result<Workbook<'s>, ReadError> {
        let (mut epoch, mut form, mut texts) = (Epoch::Y1900, TextForm::default(), SharedTexts::default());
        let (mut sheets, mut listed) = (Vec::new(), Vec::new());
        let (mut own, mut formats): (HashMap<u16, bool>, Vec<u16>) = (HashMap::new(), Vec::new());
        let mut ended = false;
        for (place, record) in records(stream, 0).enumerate() {
            let data = &stream[record.start..record.end];
            match record.number {
                record::BEGIN => match half(data, 0)? {
                    version if OLDER.contains(&version) => {
                        return Err(ReadError::damaged("it is of a version before Excel 5"));
                    }
                    version => form.wide = version != BIFF5,
                },
                _ if place == 0 => return Err(ReadError::damaged("its workbook has no beginning")),
                record::PASSWORD if half(data, 0)? != 0 || data.len() > 2 => return Err(ReadError::PasswordProtected),
                record::CODE_PAGE => form.encoding = biff::encoding(half(data, 0)?),
                record::DATE_SYSTEM if half(data, 0)? == 1 => epoch = Epoch::Y1904,
                record::NUMBER_FORMAT => {
                    let code = form.text(data.get(2..).ok_or_else(too_short)?, !form.wide)?;
                    own.insert(half(data, 0)?, is_date(&code));
                }
                record::CELL_FORMAT => {
                    formats.push(half(data, 2)?);
                    check_styles(formats.len())?;
                }
                record::LISTED_SHEET => {
                    let name = form.text(data.get(6..).ok_or_else(too_short)?, true)?;
                    list(ListedSheet { name, relation: String::new() }, &mut listed, limits)?;
                    sheets.push((word(data, 0)? as usize, data[5] == 0));
                }
                record::SHARED_TEXTS => texts = SharedTexts::find(stream, record, limits)?,
                record::END => {
                    ended = true;
                    break;
                }
                _ => {}
            }
        }
        if !ended {
            // Sheets and texts that would have followed are lost.
            return Err(ReadError::damaged("it ends too early"));
        }
        let starts: HashSet<usize> = sheets.iter().map(|(start, _)| *start).collect();
        if starts.len() < sheets.len() {
            return Err(ReadError::damaged("two sheets begin in one place"));
        }
        let shows = |id: &u16| own.get(id).copied().unwrap_or_else(|| is_built_in_date(u32::from(*id)));
        let dates = formats.iter().map(shows).collect();
        let placed = listed.into_iter().zip(sheets);
        let sheets = placed.map(|(listed, (start, has_cells))| PlacedSheet { listed, start, has_cells }).collect();
        Ok(Workbook { stream, limits, epoch, form, sheets, texts, dates })
    }

    /// Reads the sheet whose records begin there.
    fn read(&self, start: usize, reading: &mut Reading<'_>) -> Result<(), ReadError> {
        if start >= self.stream.len() {
            return Err(ReadError::damaged("it begins beyond the end of the file"));
        }
        let mut rows = Rows { row: Row::new(self.epoch), number: None, units: Vec::new() };
        let (mut cells, mut last, mut in_order) = (0usize, 0, true);
        self.places(start, &mut |place| {
            cells += 1;
            in_order &= place.row >= last;
            last = place.row;
            Ok(Flow::Continue)
        })?;
        if in_order {
            self.places(start, &mut |place| rows.take(self, place, reading))?;
        } else {
            let mut sorted = Vec::with_capacity(cells);
            self.places(start, &mut |place| {
                sorted.push(place);
                Ok(Flow::Continue)
            })?;
            // Of two cells in one place the later one counts, as when they are in order.
            sorted.sort_unstable_by_key(|place| (place.row, place.at));
            for place in sorted {
                if rows.take(self, place, reading)? == Flow::SkipSheet {
                    return Ok(());
                }
            }
        }
        rows.hand_over(reading).map(drop)
    }

    /// Finds the cells of a sheet, in the order of the file.
    fn places(&self, start: usize, found: &mut dyn FnMut(Place) -> Result<Flow, ReadError>) -> Result<(), ReadError> {
        // A chart within the sheet has records like those of cells.
        let mut depth = 0u32;
        let mut formula = None;
        for Record { number, start, end } in records(self.stream, start) {
            match number {
                record::BEGIN => depth += 1,
                record::END if depth <= 1 => return Ok(()),
                record::END => depth -= 1,
                _ if depth != 1 => {}
                _ => {
                    let data = &self.stream[start..end];
                    let (kind, least) = match number {
                        record::NUMBER => (Kind::Number, 14),
                        record::SHORT_NUMBER => (Kind::ShortNumber, 10),
                        record::SHARED_TEXT => (Kind::SharedText, 10),
                        record::TEXT | record::RICH_TEXT => (Kind::Text, 8),
                        record::BOOL_OR_ERROR => (Kind::BoolOrError, 8),
                        record::FORMULA => (Kind::Formula, 14),
                        record::FORMULA_TEXT => {
                            if let Some((row, column)) = formula.take()
                                && found(Place { row, column, at: at(start)?, kind: Kind::FormulaText })?
                                    == Flow::SkipSheet
                            {
                                return Ok(());
                            }
                            continue;
                        }
                        record::MANY_NUMBERS => {
                            let (row, first) = (half(data, 0)?, half(data, 2)?);
                            // Each has a format and a number; behind the last one stands its column.
                            for (column, place) in (first..).zip(0..data.len().saturating_sub(6) / 6) {
                                // As if it were a record of its own, which begins with row and column.
                                let place = Place { row, column, at: at(start + 6 * place)?, kind: Kind::ShortNumber };
                                if found(place)? == Flow::SkipSheet {
                                    return Ok(());
                                }
                            }
                            continue;
                        }
                        _ => continue,
                    };
                    if data.len() < least {
                        return Err(too_short());
                    }
                    let (row, column) = (half(data, 0)?, half(data, 2)?);
                    if number == record::FORMULA {
                        formula = Some((row, column));
                    }
                    if found(Place { row, column, at: at(start)?, kind })? == Flow::SkipSheet {
                        return Ok(());
                    }
                }
            }
        }
        Err(ReadError::damaged("it ends too early"))
    }
}

/// The row that is being put together.
struct Rows {
    row: Row,
    number: Option<u16>,
    units: Vec<u16>,
}

impl Rows {
    /// Takes a cell; hands over the row before, if it is of another one.
    fn take(&mut self, workbook: &Workbook<'_>, place: Place, reading: &mut Reading<'_>) -> Result<Flow, ReadError> {
        if self.number != Some(place.row) {
            if self.hand_over(reading)? == Flow::SkipSheet {
                return Ok(Flow::SkipSheet);
            }
            self.number = Some(place.row);
            self.row.begin(u32::from(place.row) + 1);
        }
        self.set(workbook, place)?;
        Ok(Flow::Continue)
    }

    /// Hands over the row, if there is one.
    fn hand_over(&mut self, reading: &mut Reading<'_>) -> Result<Flow, ReadError> {
        match self.number.take() {
            Some(_) => reading.row(&self.row),
            None => Ok(Flow::Continue),
        }
    }

    fn set(&mut self, workbook: &Workbook<'_>, place: Place) -> Result<(), ReadError> {
        let Workbook { stream, limits, form, texts, dates, .. } = workbook;
        let column = check_column(u64::from(place.column), limits)?;
        let at = place.at as usize;
        let data = &stream[at..];
        let numeric = |value: f64| {
            let is_date = half(data, 4).is_ok_and(|format| dates.get(usize::from(format)).copied().unwrap_or(false));
            if is_date { Cell::Serial(value) } else { Cell::Number(value) }
        };
        let text;
        let cell = match place.kind {
            Kind::Number => numeric(double(data, 6)?),
            Kind::ShortNumber => numeric(of_rk(word(data, 6)?)),
            Kind::SharedText => match texts.read(stream, word(data, 6)? as usize, &mut self.units)? {
                true => {
                    text = String::from_utf16_lossy(&self.units);
                    Cell::Text(&text)
                }
                false => Cell::Error("#REF!"),
            },
            Kind::Text => {
                let Record { end, .. } = records(stream, at - 4).next().ok_or_else(too_short)?;
                text = form.text(&stream[at + 6..end], false)?;
                Cell::Text(&text)
            }
            Kind::BoolOrError => match half(data, 6)?.to_le_bytes() {
                [value, 0] => Cell::Bool(value != 0),
                [code, _] => Cell::Error(error_name(code)),
            },
            // What a formula gave: a number, or (with ones in the upper half) one of the other kinds.
            Kind::Formula if half(data, 12)? != 0xffff => numeric(double(data, 6)?),
            Kind::Formula => match (half(data, 6)?.to_le_bytes()[0], half(data, 8)?.to_le_bytes()[0]) {
                (1, value) => Cell::Bool(value != 0),
                (2, code) => Cell::Error(error_name(code)),
                // A text follows in a record of its own, unless it is empty.
                _ => return Ok(()),
            },
            Kind::FormulaText => {
                let record = records(stream, at - 4).next().ok_or_else(too_short)?;
                text = long_text(stream, record, *form)?;
                Cell::Text(&text)
            }
        };
        if let Cell::Text(text) = cell {
            check_chars(text, limits)?;
        }
        self.row.set(column, cell);
        check_row(&self.row, limits)
    }
}

fn at(place: usize) -> Result<u32, ReadError> {
    u32::try_from(place).map_err(|_| ReadError::damaged("it is longer than places in it can be told"))
}

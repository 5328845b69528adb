//! `.xlsb`: the binary records of BIFF12, streamed like the cells of `.xlsx`.
//!
//! The sheets are read here and not by calamine, which takes the error of a formula for a blank cell (a price with an error would
//! be a price of nothing) and does not tell the date system.

use std::collections::HashMap;
use std::io::BufRead;

use fandom_schemas::manifest::Sheet;

use super::super::container::{Container, of_io};
use super::super::meter::Meter;
use super::super::reading::{Flow, Reading};
use super::super::row::{Cell, Row};
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::ROWS_OF_A_SHEET;
use super::package::{
    ListedSheet, SharedStrings, check_chars, check_column, check_row, in_sheet, list, relations, workbook_path,
};
use super::styles::{check_styles, is_built_in_date, is_date};

/// Numbers of the records that are read (MS-XLSB 2.3.2).
mod record {
    pub(super) const ROW: u32 = 0;
    pub(super) const CELL_RK: u32 = 2;
    pub(super) const CELL_ERROR: u32 = 3;
    pub(super) const CELL_BOOL: u32 = 4;
    pub(super) const CELL_REAL: u32 = 5;
    pub(super) const CELL_TEXT: u32 = 6;
    pub(super) const CELL_SHARED: u32 = 7;
    pub(super) const FORMULA_TEXT: u32 = 8;
    pub(super) const FORMULA_NUMBER: u32 = 9;
    pub(super) const FORMULA_BOOL: u32 = 10;
    pub(super) const FORMULA_ERROR: u32 = 11;
    pub(super) const SHARED_ITEM: u32 = 19;
    pub(super) const NUMBER_FORMAT: u32 = 44;
    pub(super) const CELL_FORMAT: u32 = 47;
    pub(super) const CELL_RICH_TEXT: u32 = 62;
    pub(super) const BEGIN_SHEET_DATA: u32 = 145;
    pub(super) const END_SHEET_DATA: u32 = 146;
    pub(super) const WORKBOOK_PROPERTIES: u32 = 153;
    pub(super) const LISTED_SHEET: u32 = 156;
    pub(super) const BEGIN_CELL_FORMATS: u32 = 617;
    pub(super) const END_CELL_FORMATS: u32 = 618;
}

/// Reads every sheet.
pub(super) fn read(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    mut reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    let workbook = workbook_path(container, meter, "xl/workbook.bin")?;
    let (listed, epoch) = sheets(container, limits, meter, &workbook)?;
    let related = relations(container, meter, &workbook)?;
    let part =
        |kind: &str| related.values().find(|relation| relation.kind == kind).map(|relation| relation.path.clone());
    let strings = shared_strings(container, limits, meter, &part("sharedStrings").unwrap_or_default())?;
    let dates = date_styles(container, limits, meter, &part("styles").unwrap_or_default())?;
    for sheet in &listed {
        reading.begin(Some(&sheet.name))?;
        if let Some(relation) = related.get(&sheet.relation).filter(|relation| relation.kind == "worksheet") {
            let entry = container.entry(&relation.path, meter, None).map_err(|error| in_sheet(error, &sheet.name))?;
            let entry = entry.ok_or_else(|| in_sheet(ReadError::damaged("it is not in the file"), &sheet.name))?;
            let records = Records::new(entry, limits, meter);
            cells(records, &strings, &dates, epoch, limits, &mut reading)
                .map_err(|error| in_sheet(error, &sheet.name))?;
        }
        reading.end();
    }
    Ok(reading.into_sheets())
}

fn sheets(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    workbook: &str,
) -> Result<(Vec<ListedSheet>, Epoch), ReadError> {
    let entry =
        container.structure(workbook, meter)?.ok_or_else(|| ReadError::damaged("its list of sheets is missing"))?;
    let mut records = Records::new(entry, limits, meter);
    let (mut listed, mut epoch) = (Vec::new(), Epoch::Y1900);
    while let Some(number) = records.next()? {
        let mut fields = Fields(&records.data);
        match number {
            record::WORKBOOK_PROPERTIES if fields.u32()? & 1 == 1 => epoch = Epoch::Y1904,
            record::LISTED_SHEET => {
                fields.skip(8)?;
                let (relation, name) = (fields.wide_text()?, fields.wide_text()?);
                list(ListedSheet { name, relation }, &mut listed, limits)?;
            }
            _ => {}
        }
    }
    Ok((listed, epoch))
}

fn shared_strings(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    path: &str,
) -> Result<SharedStrings, ReadError> {
    let mut strings = SharedStrings::default();
    let Some(entry) = container.entry(path, meter, None)? else {
        return Ok(strings);
    };
    let mut records = Records::new(entry, limits, meter);
    while let Some(number) = records.next()? {
        if number == record::SHARED_ITEM {
            let mut fields = Fields(&records.data);
            fields.skip(1)?;
            strings.push(&fields.wide_text()?, limits)?;
        }
    }
    Ok(strings)
}

/// For each cell style, whether it shows dates or times.
fn date_styles(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    path: &str,
) -> Result<Vec<bool>, ReadError> {
    let mut dates = Vec::new();
    let Some(entry) = container.structure(path, meter)? else {
        return Ok(dates);
    };
    let mut records = Records::new(entry, limits, meter);
    let mut own: HashMap<u32, bool> = HashMap::new();
    let mut in_cell_formats = false;
    while let Some(number) = records.next()? {
        let mut fields = Fields(&records.data);
        match number {
            record::NUMBER_FORMAT => {
                let id = fields.u16()?;
                own.insert(u32::from(id), is_date(&fields.wide_text()?));
            }
            record::BEGIN_CELL_FORMATS => in_cell_formats = true,
            record::END_CELL_FORMATS => in_cell_formats = false,
            record::CELL_FORMAT if in_cell_formats => {
                fields.skip(2)?;
                let id = u32::from(fields.u16()?);
                check_styles(dates.len())?;
                dates.push(own.get(&id).copied().unwrap_or_else(|| is_built_in_date(id)));
            }
            _ => {}
        }
    }
    Ok(dates)
}

fn cells<R: BufRead>(
    mut records: Records<'_, R>,
    strings: &SharedStrings,
    dates: &[bool],
    epoch: Epoch,
    limits: &Limits,
    reading: &mut Reading<'_>,
) -> Result<(), ReadError> {
    loop {
        match records.next()? {
            Some(record::BEGIN_SHEET_DATA) => break,
            Some(_) => {}
            None => return Err(ReadError::damaged("it has no cells")),
        }
    }
    let mut row = Row::new(epoch);
    loop {
        let Some(number) = records.next()? else {
            return Err(ReadError::damaged("it ends too early"));
        };
        let mut fields = Fields(&records.data);
        match number {
            record::ROW | record::END_SHEET_DATA => {
                if reading.row(&row)? == Flow::SkipSheet || number == record::END_SHEET_DATA {
                    return Ok(());
                }
                let number = fields.u32()?;
                if number >= ROWS_OF_A_SHEET {
                    return Err(ReadError::damaged(format!("a row has the number {}", u64::from(number) + 1)));
                }
                row.begin(number + 1);
            }
            record::CELL_RK..=record::FORMULA_ERROR | record::CELL_RICH_TEXT => {
                let column = check_column(u64::from(fields.u32()?), limits)?;
                let style = fields.u32()? & 0x00ff_ffff;
                let numeric = |value: f64| {
                    let is_date = dates.get(style as usize).copied().unwrap_or(false);
                    if is_date { Cell::Serial(value) } else { Cell::Number(value) }
                };
                match number {
                    record::CELL_RK => row.set(column, numeric(of_rk(fields.u32()?))),
                    record::CELL_REAL | record::FORMULA_NUMBER => row.set(column, numeric(fields.f64()?)),
                    record::CELL_BOOL | record::FORMULA_BOOL => row.set(column, Cell::Bool(fields.u8()? != 0)),
                    record::CELL_ERROR | record::FORMULA_ERROR => {
                        row.set(column, Cell::Error(error_name(fields.u8()?)))
                    }
                    record::CELL_SHARED => {
                        let text = strings.get(fields.u32()? as usize);
                        row.set(column, text.map_or(Cell::Error("#REF!"), Cell::Text));
                    }
                    record::CELL_TEXT | record::FORMULA_TEXT | record::CELL_RICH_TEXT => {
                        if number == record::CELL_RICH_TEXT {
                            fields.skip(1)?;
                        }
                        let text = fields.wide_text()?;
                        check_chars(&text, limits)?;
                        row.set(column, Cell::Text(&text));
                    }
                    _ => {}
                }
                check_row(&row, limits)?;
            }
            _ => {}
        }
    }
}

/// A number in 30 bits: an integer or the upper half of a binary fraction, perhaps in hundredths.
pub(super) fn of_rk(rk: u32) -> f64 {
    let value =
        if rk & 2 == 2 { f64::from(rk.cast_signed() >> 2) } else { f64::from_bits(u64::from(rk & 0xffff_fffc) << 32) };
    if rk & 1 == 1 { value / 100.0 } else { value }
}

/// The name of an error by its number.
pub(super) fn error_name(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0f => "#VALUE!",
        0x17 => "#REF!",
        0x1d => "#NAME?",
        0x24 => "#NUM!",
        0x2a => "#N/A",
        0x2b => "#GETTING_DATA",
        _ => "error",
    }
}

/// The records of a part, one at a time.
struct Records<'m, R> {
    part: R,
    data: Vec<u8>,
    most: u64,
    meter: &'m Meter,
}

impl<'m, R: BufRead> Records<'m, R> {
    fn new(part: R, limits: &Limits, meter: &'m Meter) -> Records<'m, R> {
        Records { part, data: Vec::new(), most: limits.max_row_bytes, meter }
    }

    /// The number of the next record, its content then being in `data`; `None` at the end.
    fn next(&mut self) -> Result<Option<u32>, ReadError> {
        self.meter.piece_done();
        self.read().map_err(|cause| self.meter.tripped().unwrap_or_else(|| of_io(cause)))?.map_or(
            Ok(None),
            |(number, length)| {
                if u64::from(length) > self.most {
                    return Err(ReadError::too_large(
                        format!("a record of {length} bytes"),
                        "FANDOM_MAX_ROW_BYTES",
                        self.most,
                    ));
                }
                self.data.resize(length as usize, 0);
                let filled = self.part.read_exact(&mut self.data);
                filled.map_err(|cause| self.meter.tripped().unwrap_or_else(|| of_io(cause)))?;
                Ok(Some(number))
            },
        )
    }

    fn read(&mut self) -> std::io::Result<Option<(u32, u32)>> {
        if self.part.fill_buf()?.is_empty() {
            return Ok(None);
        }
        Ok(Some((self.varint(2)?, self.varint(4)?)))
    }

    /// A number in groups of seven bits, the lowest first.
    fn varint(&mut self, most_bytes: u32) -> std::io::Result<u32> {
        let mut number = 0;
        for place in 0..most_bytes {
            let mut byte = [0];
            self.part.read_exact(&mut byte)?;
            number |= u32::from(byte[0] & 0x7f) << (7 * place);
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        Ok(number)
    }
}

/// The fields of a record, from its beginning on.
struct Fields<'d>(&'d [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (field, rest) =
            self.0.split_first_chunk::<N>().ok_or_else(|| ReadError::damaged("a record is too short"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.0 = self.0.get(bytes..).ok_or_else(|| ReadError::damaged("a record is too short"))?;
        Ok(())
    }

    fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(self.take::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn f64(&mut self) -> Result<f64, ReadError> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// A text of 16-bit units behind their count; a count of all ones is no text.
    fn wide_text(&mut self) -> Result<String, ReadError> {
        let units = self.u32()?;
        if units == u32::MAX {
            return Ok(String::new());
        }
        let bytes = usize::try_from(units).ok().and_then(|units| units.checked_mul(2));
        let text =
            bytes.and_then(|bytes| self.0.get(..bytes)).ok_or_else(|| ReadError::damaged("a text is too short"))?;
        self.0 = &self.0[text.len()..];
        Ok(encoding_rs::UTF_16LE.decode_without_bom_handling(text).0.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_four_forms() {
        assert_eq!(of_rk(12 << 2 | 2), 12.0);
        assert_eq!(of_rk(1234 << 2 | 3), 12.34);
        assert_eq!(of_rk((-5i32 << 2 | 2).cast_unsigned()), -5.0);
        assert_eq!(of_rk((1.5f64.to_bits() >> 32) as u32), 1.5);
    }
}

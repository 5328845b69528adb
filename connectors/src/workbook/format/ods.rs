//! `.ods`, streamed from `content.xml`.
//!
//! Cells and rows that repeat are written once with a count. Blank ones are stepped over, others are counted like any cell, so a
//! count of a billion meets the same limits as a billion cells.

use std::io::BufRead;

use fandom_schemas::manifest::Sheet;
use jiff::civil::{Date, DateTime};
use quick_xml::events::{BytesStart, Event};

use super::super::container::Container;
use super::super::meter::Meter;
use super::super::reading::{Flow, Reading};
use super::super::row::{Cell, Row};
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::ROWS_OF_A_SHEET;
use super::package::{check_chars, check_column, check_growing, check_row, in_sheet};
use super::xml::{Xml, attribute, push_reference, text_attribute};

/// Reads every sheet.
pub(super) fn read(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    if is_encrypted(container, meter)? {
        return Err(ReadError::PasswordProtected);
    }
    let entry =
        container.entry("content.xml", meter, None)?.ok_or_else(|| ReadError::damaged("its content is missing"))?;
    let mut content =
        Content { limits, reading, row: Row::new(Epoch::Y1900), number: 1, column: 0, cell: OdsCell::default() };
    content.read(Xml::new(entry, meter)).map_err(|error| in_sheet(error, &content.reading.sheet_name()))?;
    Ok(content.reading.into_sheets())
}

fn is_encrypted(container: &mut Container<'_>, meter: &Meter) -> Result<bool, ReadError> {
    let Some(entry) = container.structure("META-INF/manifest.xml", meter)? else {
        return Ok(false);
    };
    let mut xml = Xml::new(entry, meter);
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == "encryption-data" => return Ok(true),
            Event::Eof => return Ok(false),
            _ => {}
        }
    }
}

/// The form of a cell's value.
#[derive(Clone, Copy, Default, PartialEq)]
enum Form {
    #[default]
    Text,
    Number,
    Date,
    Time,
    Bool,
    Error,
}

#[derive(Default)]
struct OdsCell {
    form: Form,
    value: Option<String>,
    repeated: u64,
    text: String,
    paragraphs: u32,
}

struct Content<'l, 'o> {
    limits: &'l Limits,
    reading: Reading<'o>,
    row: Row,
    number: u64,
    column: u64,
    cell: OdsCell,
}

impl Content<'_, '_> {
    fn read<R: BufRead>(&mut self, mut xml: Xml<'_, R>) -> Result<(), ReadError> {
        // Text counts only in a paragraph of a cell, not in its comments; a sheet in a sheet is passed over.
        let (mut in_sheet, mut in_cell, mut in_paragraph) = (0u32, false, false);
        let (mut in_comment, mut skipping) = (0u32, false);
        let mut rows_repeated = 1;
        loop {
            match xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "table" => {
                        in_sheet += 1;
                        if in_sheet == 1 {
                            self.begin_sheet(&element)?;
                            skipping = false;
                        }
                    }
                    "annotation" => in_comment += 1,
                    _ if in_sheet != 1 || skipping || in_comment > 0 => {}
                    "table-row" => {
                        rows_repeated = repeated(&element, "number-rows-repeated");
                        self.begin_row()?;
                    }
                    "table-cell" | "covered-table-cell" => {
                        self.begin_cell(&element);
                        in_cell = true;
                    }
                    "p" | "h" if in_cell => {
                        if self.cell.paragraphs > 0 {
                            self.cell.text.push('\n');
                        }
                        self.cell.paragraphs += 1;
                        in_paragraph = true;
                    }
                    "s" if in_paragraph => {
                        let most = self.limits.max_string_chars.saturating_mul(4) + 1;
                        let spaces =
                            attribute(&element, "c").and_then(|count| count.parse().ok()).unwrap_or(1u64).min(most);
                        self.cell.text.extend(std::iter::repeat_n(' ', usize::try_from(spaces).unwrap_or(0)));
                    }
                    "tab" if in_paragraph => self.cell.text.push('\t'),
                    "line-break" if in_paragraph => self.cell.text.push('\n'),
                    _ => {}
                },
                Event::End(element) => match element.local_name().as_ref() {
                    "table" => {
                        in_sheet = in_sheet.saturating_sub(1);
                        if in_sheet == 0 {
                            self.reading.end();
                        }
                    }
                    "annotation" => in_comment = in_comment.saturating_sub(1),
                    _ if in_sheet != 1 || skipping || in_comment > 0 => {}
                    "p" | "h" => in_paragraph = false,
                    "table-cell" | "covered-table-cell" => {
                        in_cell = false;
                        self.end_cell()?;
                    }
                    "table-row" => skipping = self.end_row(rows_repeated)? == Flow::SkipSheet,
                    _ => {}
                },
                Event::Text(content) if in_paragraph && in_comment == 0 => self.cell.text.push_str(&content),
                Event::CData(content) if in_paragraph && in_comment == 0 => self.cell.text.push_str(&content),
                Event::GeneralRef(reference) if in_paragraph && in_comment == 0 => {
                    push_reference(&reference, &mut self.cell.text);
                }
                Event::Eof if in_sheet > 0 => return Err(ReadError::damaged("it ends too early")),
                Event::Eof => return Ok(()),
                _ => {}
            }
            check_growing(&self.cell.text, self.limits)?;
        }
    }

    fn begin_sheet(&mut self, element: &BytesStart<'_>) -> Result<(), ReadError> {
        self.number = 1;
        self.reading.begin(Some(&text_attribute(element, "name").unwrap_or_default()))
    }

    fn begin_row(&mut self) -> Result<(), ReadError> {
        self.row.begin(row_number(self.number)?);
        self.column = 0;
        Ok(())
    }

    fn begin_cell(&mut self, element: &BytesStart<'_>) {
        let cell = &mut self.cell;
        cell.text.clear();
        cell.paragraphs = 0;
        cell.form = Form::Text;
        cell.value = None;
        cell.repeated = repeated(element, "number-columns-repeated");
        for attribute in element.attributes().with_checks(false).flatten() {
            let value = &*attribute.value;
            match attribute.key.local_name().as_ref() {
                // Two attributes have this name, LibreOffice's own and the standard's; only the former knows errors.
                "value-type" => {
                    cell.form = match value {
                        _ if cell.form == Form::Error => Form::Error,
                        "float" | "currency" | "percentage" => Form::Number,
                        "date" => Form::Date,
                        "time" => Form::Time,
                        "boolean" => Form::Bool,
                        "error" => Form::Error,
                        _ => Form::Text,
                    };
                }
                "value" | "date-value" | "time-value" | "boolean-value" => cell.value = Some(value.to_owned()),
                "string-value" => cell.value = text_attribute(element, "string-value"),
                _ => {}
            }
        }
    }

    fn end_cell(&mut self) -> Result<(), ReadError> {
        let text = match self.cell.form {
            Form::Text if self.cell.paragraphs == 0 => self.cell.value.as_deref().unwrap_or_default(),
            _ => self.cell.text.as_str(),
        };
        let value = self.cell.value.as_deref().unwrap_or_default();
        let cell = match self.cell.form {
            Form::Text if is_error_name(text) => Cell::Error(text),
            Form::Text => Cell::Text(text),
            Form::Number => value.trim().parse().map_or(Cell::Text(text), Cell::Number),
            Form::Date => date_serial(value).map_or(Cell::Text(text), Cell::Serial),
            Form::Time => time_serial(value).map_or(Cell::Text(text), Cell::Serial),
            Form::Bool => Cell::Bool(value == "true"),
            Form::Error => Cell::Error(if text.is_empty() { "error" } else { text }),
        };
        let blank = matches!(cell, Cell::Text(text) if text.trim().is_empty());
        if !blank {
            check_chars(text, self.limits)?;
            for place in self.column..self.column.saturating_add(self.cell.repeated) {
                let place = check_column(place, self.limits)?;
                self.row.set(place, cell);
                check_row(&self.row, self.limits)?;
            }
        }
        self.column = self.column.saturating_add(self.cell.repeated);
        Ok(())
    }

    fn end_row(&mut self, times: u64) -> Result<Flow, ReadError> {
        if self.row.filled() > 0 {
            for number in self.number..self.number.saturating_add(times) {
                self.row.renumber(row_number(number)?);
                if self.reading.row(&self.row)? == Flow::SkipSheet {
                    return Ok(Flow::SkipSheet);
                }
            }
        }
        self.number = self.number.saturating_add(times);
        Ok(Flow::Continue)
    }
}

fn repeated(element: &BytesStart<'_>, name: &str) -> u64 {
    attribute(element, name).and_then(|count| count.trim().parse().ok()).unwrap_or(1)
}

fn row_number(number: u64) -> Result<u32, ReadError> {
    let fits = u32::try_from(number).ok().filter(|number| *number <= ROWS_OF_A_SHEET);
    fits.ok_or_else(|| ReadError::damaged(format!("a row has the number {number}")))
}

/// Whether a text is the name of an error: formats without error cells write it as text.
pub(super) fn is_error_name(text: &str) -> bool {
    const NAMES: [&str; 14] = [
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NAME?",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
        "#GETTING_DATA",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#UNKNOWN!",
    ];
    text.starts_with('#') && (NAMES.contains(&text.trim()) || text.trim_start_matches("#ERR").parse::<u16>().is_ok())
}

/// Days since 30 December 1899 of `2026-10-21` or `2026-10-21T13:52:43`.
fn date_serial(value: &str) -> Option<f64> {
    let at: DateTime = value
        .parse()
        .or_else(|_| value.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight())))
        .ok()?;
    let first = jiff::civil::date(1899, 12, 30);
    let days = at.date().since((jiff::Unit::Day, first)).ok()?.get_days();
    let seconds = i32::from(at.hour()) * 3600 + i32::from(at.minute()) * 60 + i32::from(at.second());
    Some(f64::from(days) + f64::from(seconds) / 86_400.0)
}

/// Days of `PT13H52M43S`.
fn time_serial(value: &str) -> Option<f64> {
    let mut seconds = 0.0;
    let mut rest = value.strip_prefix("PT")?;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let number: f64 = rest[..unit].parse().ok()?;
        seconds += number
            * match rest.as_bytes()[unit] {
                b'H' => 3600.0,
                b'M' => 60.0,
                b'S' => 1.0,
                _ => return None,
            };
        rest = &rest[unit + 1..];
    }
    Some(seconds / 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_become_serials() {
        assert_eq!(date_serial("2026-06-18"), Some(46_191.0));
        assert_eq!(date_serial("2026-06-18T12:00:00"), Some(46_191.5));
        assert_eq!(date_serial("20225-06-18"), None);
        assert_eq!(time_serial("PT06H00M00S"), Some(0.25));
        assert_eq!(time_serial("PT32H00M00.5S"), Some((32.0 * 3600.0 + 0.5) / 86_400.0));
        assert_eq!(time_serial("P1D"), None);
    }

    #[test]
    fn errors_are_told_from_text() {
        assert!(is_error_name("#N/A") && is_error_name("#SPILL!") && is_error_name("#ERR502"));
        assert!(!is_error_name("#lucky") && !is_error_name("N/A") && !is_error_name("#"));
    }
}

//! `.xlsx`, streamed: shared strings and styles first, then each sheet cell by cell.
//!
//! The sheets are read here and not by calamine, which loses the place of a cell with an error that it does not know (`#SPILL!`) and
//! bounds neither texts nor tokens.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;

use fandom_schemas::manifest::Sheet;
use quick_xml::events::{BytesStart, Event};

use super::super::container::Container;
use super::super::meter::Meter;
use super::super::reading::{Flow, Reading};
use super::super::row::{Cell, Row};
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::ROWS_OF_A_SHEET;
use super::package::{
    ListedSheet, SharedStrings, check_chars, check_column, check_growing, check_row, in_sheet, list, relations,
    workbook_path,
};
use super::styles::{check_styles, is_built_in_date, is_date};
use super::xml::{Xml, attribute, local, push_reference, text_attribute};

/// Reads every sheet.
pub(super) fn read(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    mut reading: Reading<'_>,
) -> Result<Vec<Sheet>, ReadError> {
    let workbook = workbook_path(container, meter, "xl/workbook.xml")?;
    if !container.has(&workbook) {
        return Err(ReadError::NotASpreadsheet { found: "an Office file that holds no workbook" });
    }
    let (listed, epoch) = sheets(container, limits, meter, &workbook)?;
    let related = relations(container, meter, &workbook)?;
    let part =
        |kind: &str| related.values().find(|relation| relation.kind == kind).map(|relation| relation.path.clone());
    let strings = shared_strings(container, limits, meter, &part("sharedStrings").unwrap_or_default())?;
    let dates = date_styles(container, meter, &part("styles").unwrap_or_default())?;
    let shared = Shared { strings: &strings, dates: &dates, limits };
    for sheet in &listed {
        reading.begin(Some(&sheet.name))?;
        if let Some(relation) = related.get(&sheet.relation).filter(|relation| relation.kind == "worksheet") {
            let entry = container.entry(&relation.path, meter, None).map_err(|error| in_sheet(error, &sheet.name))?;
            let entry = entry.ok_or_else(|| in_sheet(ReadError::damaged("it is not in the file"), &sheet.name))?;
            SheetCells::new(&shared, epoch)
                .read(Xml::new(entry, meter), &mut reading)
                .map_err(|error| in_sheet(error, &sheet.name))?;
        }
        reading.end();
    }
    Ok(reading.into_sheets())
}

/// The workbook's sheets in their order, and its date system.
fn sheets(
    container: &mut Container<'_>,
    limits: &Limits,
    meter: &Meter,
    workbook: &str,
) -> Result<(Vec<ListedSheet>, Epoch), ReadError> {
    let entry =
        container.structure(workbook, meter)?.ok_or_else(|| ReadError::damaged("its list of sheets is missing"))?;
    let mut xml = Xml::new(entry, meter);
    let (mut listed, mut epoch) = (Vec::new(), Epoch::Y1900);
    loop {
        match xml.next()? {
            Event::Start(element) => match element.local_name().as_ref() {
                "workbookPr" if matches!(attribute(&element, "date1904").as_deref(), Some("1" | "true" | "on")) => {
                    epoch = Epoch::Y1904;
                }
                "sheet" => {
                    let get = |name| text_attribute(&element, name).unwrap_or_default();
                    list(ListedSheet { name: get("name"), relation: get("id") }, &mut listed, limits)?;
                }
                _ => {}
            },
            Event::Eof => return Ok((listed, epoch)),
            _ => {}
        }
    }
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
    let mut xml = Xml::new(entry, meter);
    let mut text = String::new();
    let (mut wanted, mut phonetic) = (false, false);
    loop {
        match xml.next()? {
            Event::Start(element) => match local(element.name().as_ref()) {
                "si" => text.clear(),
                "rPh" => phonetic = true,
                "t" => wanted = !phonetic,
                _ => {}
            },
            Event::End(element) => match local(element.name().as_ref()) {
                "si" => strings.push(&without_escapes(&text), limits)?,
                "rPh" => phonetic = false,
                "t" => wanted = false,
                _ => {}
            },
            Event::Text(content) if wanted => text.push_str(&content),
            Event::CData(content) if wanted => text.push_str(&content),
            Event::GeneralRef(reference) if wanted => push_reference(&reference, &mut text),
            Event::Eof => return Ok(strings),
            _ => {}
        }
        check_growing(&text, limits)?;
    }
}

/// For each cell style, whether it shows dates or times.
fn date_styles(container: &mut Container<'_>, meter: &Meter, path: &str) -> Result<Vec<bool>, ReadError> {
    let Some(entry) = container.structure(path, meter)? else {
        return Ok(Vec::new());
    };
    let mut xml = Xml::new(entry, meter);
    let mut own: HashMap<u32, bool> = HashMap::new();
    let mut formats: Vec<u32> = Vec::new();
    let mut in_cell_styles = false;
    loop {
        match xml.next()? {
            Event::Start(element) => match element.local_name().as_ref() {
                "numFmt" => {
                    let id = attribute(&element, "numFmtId").and_then(|id| id.parse().ok());
                    if let (Some(id), Some(code)) = (id, text_attribute(&element, "formatCode")) {
                        own.insert(id, is_date(&code));
                        check_styles(own.len())?;
                    }
                }
                "cellXfs" => in_cell_styles = true,
                "xf" if in_cell_styles => {
                    formats.push(attribute(&element, "numFmtId").and_then(|id| id.parse().ok()).unwrap_or(0));
                    check_styles(formats.len())?;
                }
                _ => {}
            },
            Event::End(element) if element.local_name().as_ref() == "cellXfs" => in_cell_styles = false,
            Event::Eof => {
                let shows = |id: &u32| own.get(id).copied().unwrap_or_else(|| is_built_in_date(*id));
                return Ok(formats.iter().map(shows).collect());
            }
            _ => {}
        }
    }
}

/// What the sheets of a workbook share.
struct Shared<'s> {
    strings: &'s SharedStrings,
    dates: &'s [bool],
    limits: &'s Limits,
}

/// The form of a cell's content.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Number,
    Shared,
    Text,
    Bool,
    Error,
}

/// The cells of a sheet as they come.
struct SheetCells<'s> {
    shared: &'s Shared<'s>,
    row: Row,
    next_row: u32,
    next_column: u64,
    column: u32,
    form: Form,
    is_date: bool,
    text: String,
}

impl<'s> SheetCells<'s> {
    fn new(shared: &'s Shared<'s>, epoch: Epoch) -> SheetCells<'s> {
        SheetCells {
            shared,
            row: Row::new(epoch),
            next_row: 1,
            next_column: 0,
            column: 0,
            form: Form::Number,
            is_date: false,
            text: String::new(),
        }
    }

    fn read<R: BufRead>(mut self, mut xml: Xml<'_, R>, reading: &mut Reading<'_>) -> Result<(), ReadError> {
        let (mut in_cell, mut wanted, mut phonetic) = (false, false, false);
        loop {
            match xml.next()? {
                Event::Start(element) => match local(element.name().as_ref()) {
                    "c" => {
                        self.begin_cell(&element)?;
                        in_cell = true;
                    }
                    "v" => wanted = in_cell,
                    "t" => wanted = in_cell && !phonetic,
                    "row" => self.begin_row(&element)?,
                    "rPh" => phonetic = true,
                    _ => {}
                },
                Event::End(element) => match local(element.name().as_ref()) {
                    "v" | "t" => wanted = false,
                    "c" => {
                        self.end_cell()?;
                        in_cell = false;
                    }
                    "row" if reading.row(&self.row)? == Flow::SkipSheet => return Ok(()),
                    "rPh" => phonetic = false,
                    "sheetData" => return Ok(()),
                    _ => {}
                },
                Event::Text(content) if wanted => self.text.push_str(&content),
                Event::CData(content) if wanted => self.text.push_str(&content),
                Event::GeneralRef(reference) if wanted => push_reference(&reference, &mut self.text),
                Event::Eof => return Err(ReadError::damaged("it ends too early")),
                _ => {}
            }
            check_growing(&self.text, self.shared.limits)?;
        }
    }

    fn begin_row(&mut self, element: &BytesStart<'_>) -> Result<(), ReadError> {
        let number = match attribute(element, "r") {
            Some(number) => {
                number.trim().parse().map_err(|_| ReadError::damaged(format!("a row has the number `{number}`")))?
            }
            None => self.next_row,
        };
        if number == 0 || number > ROWS_OF_A_SHEET {
            return Err(ReadError::damaged(format!("a row has the number {number}")));
        }
        self.row.begin(number);
        self.next_row = number + 1;
        self.next_column = 0;
        Ok(())
    }

    fn begin_cell(&mut self, element: &BytesStart<'_>) -> Result<(), ReadError> {
        self.text.clear();
        self.form = Form::Number;
        self.is_date = false;
        let mut column = self.next_column;
        for attribute in element.attributes().with_checks(false).flatten() {
            let value = &*attribute.value;
            match attribute.key.as_ref() {
                "r" => {
                    column =
                        column_of(value).ok_or_else(|| ReadError::damaged(format!("a cell has the place `{value}`")))?
                }
                "s" => {
                    let style = value.parse::<usize>().ok();
                    self.is_date = style.and_then(|style| self.shared.dates.get(style)).copied().unwrap_or(false);
                }
                "t" => {
                    self.form = match value {
                        "s" => Form::Shared,
                        // A date in ISO 8601 (`d`) is read as the text it is.
                        "str" | "inlineStr" | "d" => Form::Text,
                        "b" => Form::Bool,
                        "e" => Form::Error,
                        _ => Form::Number,
                    };
                }
                _ => {}
            }
        }
        self.column = check_column(column, self.shared.limits)?;
        self.next_column = column + 1;
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), ReadError> {
        let text = self.text.as_str();
        if text.is_empty() && self.form != Form::Error {
            return Ok(());
        }
        let cell = match self.form {
            Form::Number => match text.trim().parse::<f64>() {
                Ok(number) if self.is_date => Cell::Serial(number),
                Ok(number) => Cell::Number(number),
                Err(_) => Cell::Text(text),
            },
            Form::Shared => match text.trim().parse().ok().and_then(|number| self.shared.strings.get(number)) {
                Some(text) => Cell::Text(text),
                None => Cell::Error("#REF!"),
            },
            Form::Text => {
                let text = without_escapes(text);
                check_chars(&text, self.shared.limits)?;
                self.row.set(self.column, Cell::Text(&text));
                return check_row(&self.row, self.shared.limits);
            }
            Form::Bool => Cell::Bool(matches!(text.trim(), "1" | "true")),
            Form::Error => Cell::Error(text),
        };
        self.row.set(self.column, cell);
        check_row(&self.row, self.shared.limits)
    }
}

/// The 0-based column of a place such as `AB12`.
fn column_of(place: &str) -> Option<u64> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic).count();
    if !(1..=6).contains(&letters) {
        return None;
    }
    let number = place
        .bytes()
        .take(letters)
        .fold(0u64, |number, letter| number * 26 + u64::from(letter.to_ascii_uppercase() - b'A' + 1));
    Some(number - 1)
}

/// The text with its escaped characters (`_x000D_`) decoded.
fn without_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let code = rest.get(at + 2..at + 7).and_then(|code| code.strip_suffix('_'));
        let decoded = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        match decoded {
            Some(c) => {
                out.push_str(&rest[..at]);
                out.push(c);
                rest = &rest[at + 7..];
            }
            None => {
                out.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_in_letters() {
        for (place, column) in [("A1", 0), ("Z9", 25), ("AA1", 26), ("XFD1048576", 16_383), ("b2", 1)] {
            assert_eq!(column_of(place), Some(column), "{place}");
        }
        assert_eq!(column_of("12"), None);
        assert_eq!(column_of("ABCDEFGH1"), None);
    }

    #[test]
    fn escaped_characters_come_back() {
        assert_eq!(without_escapes("a_x000D_\nb_x005F_x"), "a\r\nb_x");
        assert_eq!(without_escapes("_x00_ _xZZZZ_ _x"), "_x00_ _xZZZZ_ _x");
        assert_eq!(without_escapes("max_xé"), "max_xé");
    }
}

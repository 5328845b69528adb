//! The cells of a sheet of an `.xlsx`, as they come.

use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};

use super::super::super::reading::Flow;
use super::super::super::row::{Cell, Row};
use super::super::super::value::dates::Epoch;
use super::super::super::{Limits, ReadError};
use super::super::ROWS_OF_A_SHEET;
use super::super::package::{SharedStrings, check_chars, check_column, check_growing, check_row};
use super::super::xml::{Xml, attribute, local, push_reference};
use super::{usual, without_escapes};

/// What the sheets of a workbook share.
pub(super) struct Shared<'s> {
    /// Texts by their number.
    pub(super) strings: &'s SharedStrings,
    /// For each cell style, whether it shows dates or times.
    pub(super) dates: &'s [bool],
    /// What a file may cost at most.
    pub(super) limits: &'s Limits,
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
pub(super) struct SheetCells<'s> {
    shared: &'s Shared<'s>,
    row: Row,
    next_row: u32,
    next_column: u64,
    column: u64,
    form: Form,
    is_date: bool,
    text: String,
}

impl<'s> SheetCells<'s> {
    /// Before the first cell.
    pub(super) fn new(shared: &'s Shared<'s>, epoch: Epoch) -> SheetCells<'s> {
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

    /// Hands over each row, until there are no more or none is wanted.
    pub(super) fn read<R: BufRead>(
        mut self,
        mut xml: Xml<'_, R>,
        take: &mut dyn FnMut(&Row) -> Result<Flow, ReadError>,
    ) -> Result<(), ReadError> {
        let (mut in_cell, mut wanted, mut phonetic) = (false, false, false);
        loop {
            match xml.next()? {
                Event::Start(element) => match local(element.name().as_ref()) {
                    "c" => {
                        self.begin_cell();
                        for attribute in element.attributes().with_checks(false).flatten() {
                            self.describe_cell(attribute.key.as_ref(), &attribute.value)?;
                        }
                        in_cell = true;
                    }
                    "v" => wanted = in_cell,
                    "t" => wanted = in_cell && !phonetic,
                    "row" => {
                        self.begin_row(&element)?;
                        self.take_usual_cells(&mut xml)?;
                    }
                    "rPh" => phonetic = true,
                    _ => {}
                },
                Event::End(element) => match local(element.name().as_ref()) {
                    "v" | "t" => wanted = false,
                    "c" => {
                        let text = std::mem::take(&mut self.text);
                        self.end_cell(&text)?;
                        self.text = text;
                        in_cell = false;
                        self.take_usual_cells(&mut xml)?;
                    }
                    "row" if take(&self.row)? == Flow::SkipSheet => return Ok(()),
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

    /// Takes the cells that come next in the usual form.
    fn take_usual_cells<R: BufRead>(&mut self, xml: &mut Xml<'_, R>) -> Result<(), ReadError> {
        let mut buffer = std::mem::take(&mut self.text);
        while let Some(cell) = usual::cell(xml.ahead()?) {
            let length = cell.length;
            let Some(text) = usual::decoded(cell.content, &mut buffer) else { break };
            self.begin_cell();
            for (name, value) in [("r", cell.place), ("s", cell.style), ("t", cell.form)] {
                if let Some(value) = value {
                    self.describe_cell(name, value)?;
                }
            }
            check_growing(text, self.shared.limits)?;
            self.end_cell(text)?;
            xml.pass(length);
        }
        self.text = buffer;
        Ok(())
    }

    fn begin_cell(&mut self) {
        self.text.clear();
        self.form = Form::Number;
        self.is_date = false;
        self.column = self.next_column;
    }

    /// Takes an attribute of the cell that has begun.
    #[inline]
    fn describe_cell(&mut self, name: &str, value: &str) -> Result<(), ReadError> {
        match name {
            "r" => {
                let column = column_of(value);
                self.column = column.ok_or_else(|| ReadError::damaged(format!("a cell has the place `{value}`")))?;
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
        Ok(())
    }

    fn end_cell(&mut self, text: &str) -> Result<(), ReadError> {
        let column = check_column(self.column, self.shared.limits)?;
        self.next_column = u64::from(column) + 1;
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
                self.row.set(column, Cell::Text(&text));
                return check_row(&self.row, self.shared.limits);
            }
            Form::Bool => Cell::Bool(matches!(text.trim(), "1" | "true")),
            Form::Error => Cell::Error(text),
        };
        self.row.set(column, cell);
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

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::super::super::super::meter::Meter;
    use super::*;

    #[test]
    fn columns_count_in_letters() {
        for (place, column) in [("A1", 0), ("Z9", 25), ("AA1", 26), ("XFD1048576", 16_383), ("b2", 1)] {
            assert_eq!(column_of(place), Some(column), "{place}");
        }
        assert_eq!(column_of("12"), None);
        assert_eq!(column_of("ABCDEFGH1"), None);
    }

    /// The rows of a sheet, of whose bytes so many are at hand at a time, and the error with which it ends.
    fn rows(sheet: &str, at_hand: usize) -> (Vec<String>, Option<String>) {
        let limits = Limits { max_string_chars: 30, max_columns: 40, max_row_bytes: 200, ..Limits::default() };
        let mut strings = SharedStrings::default();
        for text in ["first", "second <b>", ""] {
            strings.push(text, &limits).expect("within the limits");
        }
        let meter = Meter::new(&Limits::default());
        let shared = Shared { strings: &strings, dates: &[false, true], limits: &limits };
        let mut rows = Vec::new();
        let xml = Xml::new(BufReader::with_capacity(at_hand, sheet.as_bytes()), &meter);
        let ended = SheetCells::new(&shared, Epoch::Y1900).read(xml, &mut |row| {
            let cells: Vec<_> = (0..row.width()).map(|column| format!("{:?}", row.get(column))).collect();
            rows.push(format!("{} {}", row.number(), cells.join(" ")));
            Ok(Flow::Continue)
        });
        (rows, ended.err().map(|error| error.to_string()))
    }

    #[test]
    fn cells_of_the_usual_form_are_read_as_they_stand() {
        let sheet = "<worksheet><sheetData><row r=\"3\"><c r=\"B3\" t=\"s\"><v>1</v></c><c r=\"C3\" s=\"1\"><v>46191</v></c>\
                     <c t=\"inlineStr\"><is><t>a &amp; b</t></is></c><c r=\"F3\" t=\"b\"><v>1</v></c><c r=\"G3\" s=\"1\"/>\
                     <c t=\"e\"><v>#N/A</v></c></row><row/></sheetData></worksheet>";
        let wanted = [
            "3 Blank Text(\"second <b>\") Serial(46191.0) Text(\"a & b\") Blank Bool(true) Blank Error(\"#N/A\")",
            "4 ",
        ];
        for at_hand in [1, 16, 1 << 16] {
            assert_eq!(rows(sheet, at_hand), (wanted.map(str::to_owned).to_vec(), None), "{at_hand}");
        }
    }

    fn a_cell() -> impl Strategy<Value = String> {
        let attributes = "( r=\"[A-C]{1,2}[1-9]\")?( s=\"[0-3]\")?( t=\"(s|str|inlineStr|b|e|n|d)\")?";
        let odd = "( cm=\"1\"| r='B2'| t=\"&#115;\"|  s=\"1\"| r=\"1\")?";
        let text = "([0-9]{1,3}|[a-z#.<]{0,4}|&amp;|&lt;|&gt;|&quot;|&apos;|&#65;|&nbsp;|& |_x0041_|é|\n){0,3}";
        let content = (text, 0..9u8).prop_map(|(text, form)| {
            let text = text.replace('<', "");
            match form {
                0..=2 => format!("><v>{text}</v></c>"),
                3 => format!("><is><t>{text}</t></is></c>"),
                4 => format!("><is><t xml:space=\"preserve\">{text}</t></is></c>"),
                5 => format!("><is><r><t>{text}</t></r><rPh><t>no</t></rPh></is></c>"),
                6 => format!("><f>A1</f><v>{text}</v></c>"),
                7 => format!("><v><![CDATA[{text}]]></v></c>"),
                _ => "/>".to_owned(),
            }
        });
        (attributes, odd, content).prop_map(|(attributes, odd, content)| format!("<c{attributes}{odd}{content}"))
    }

    proptest! {
        /// With one byte at hand no cell is taken as it stands; with all of them each is that can be.
        #[test]
        fn cells_are_read_alike_from_their_bytes_and_by_the_xml_reader(
            sheet in prop::collection::vec(prop::collection::vec(a_cell(), 0..6), 0..5),
            between in "(|\n |<!-- -->)",
            cut in 0..40usize,
        ) {
            let rows_of: Vec<_> = sheet.iter().map(|cells| format!("<row>{}</row>", cells.join(&between))).collect();
            let mut text = format!("<worksheet><sheetData>{}</sheetData></worksheet>", rows_of.join(&between));
            if cut > 20 {
                let end = text.len().saturating_sub(cut - 20);
                text.truncate(text.floor_char_boundary(end));
            }
            let slowly = rows(&text, 1);
            for at_hand in [50, 1 << 16] {
                prop_assert_eq!(&rows(&text, at_hand), &slowly, "{}", text);
            }
        }
    }
}

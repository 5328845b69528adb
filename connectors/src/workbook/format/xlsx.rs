//! `.xlsx`, streamed: shared strings and styles first, then each sheet cell by cell.
//!
//! The sheets are read here and not by calamine, which loses the place of a cell with an error that it does not know (`#SPILL!`) and
//! bounds neither texts nor tokens.

mod cells;
mod usual;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;

use fandom_schemas::manifest::Sheet;
use quick_xml::events::Event;

use super::super::container::Container;
use super::super::meter::Meter;
use super::super::reading::Reading;
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::package::{ListedSheet, SharedStrings, check_growing, in_sheet, list, relations, workbook_path};
use super::styles::{check_styles, is_built_in_date, is_date};
use super::xml::{Xml, attribute, local, push_reference, text_attribute};
use cells::{Shared, SheetCells};

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
                .read(Xml::new(entry, meter), &mut |row| reading.row(row))
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
                "si" => {
                    strings.push(&without_escapes(&text), limits)?;
                    take_usual_strings(&mut xml, &mut strings, &mut text, limits)?;
                }
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

/// Takes the shared strings that come next in the usual form.
fn take_usual_strings<R: BufRead>(
    xml: &mut Xml<'_, R>,
    strings: &mut SharedStrings,
    buffer: &mut String,
    limits: &Limits,
) -> Result<(), ReadError> {
    while let Some((text, length)) = usual::shared_string(xml.ahead()?) {
        let Some(text) = usual::decoded(text, buffer) else { break };
        strings.push(&without_escapes(text), limits)?;
        xml.pass(length);
    }
    Ok(())
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
    fn escaped_characters_come_back() {
        assert_eq!(without_escapes("a_x000D_\nb_x005F_x"), "a\r\nb_x");
        assert_eq!(without_escapes("_x00_ _xZZZZ_ _x"), "_x00_ _xZZZZ_ _x");
        assert_eq!(without_escapes("max_xé"), "max_xé");
    }
}

//! What `.xlsx` and `.xlsb` have in common: parts that name each other by relations, and shared strings.

use std::collections::HashMap;

use quick_xml::events::Event;

use super::super::container::Container;
use super::super::error::clipped;
use super::super::meter::Meter;
use super::super::{Limits, ReadError};
use super::xml::{Xml, text_attribute};

/// Bytes of the relations of a part, inflated.
const RELATION_BYTES: u64 = 8 << 20;

/// A part that another part names.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// The last word of its type, such as `worksheet`.
    pub(super) kind: String,
    /// Its path in the zip.
    pub(super) path: String,
}

/// The relations of a part by their id; of the package itself with an empty path.
pub(super) fn relations(
    container: &mut Container<'_>,
    meter: &Meter,
    part: &str,
) -> Result<HashMap<String, Relation>, ReadError> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let path = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
    let mut found = HashMap::new();
    // Each names a part, and each part is an entry of the zip.
    let most = container.limits().max_zip_entries;
    let Some(entry) = container.entry(&path, meter, Some((RELATION_BYTES, "the reader", RELATION_BYTES)))? else {
        return Ok(found);
    };
    let mut xml = Xml::new(entry, meter);
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == "Relationship" => {
                let get = |name| text_attribute(&element, name).unwrap_or_default();
                let kind = get("Type").rsplit('/').next().unwrap_or_default().to_owned();
                found.insert(get("Id"), Relation { kind, path: resolved(folder, &get("Target")) });
                if found.len() as u64 > most {
                    return Err(ReadError::too_large("more parts", "FANDOM_MAX_ZIP_ENTRIES", most));
                }
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// The path of the workbook's own part.
pub(super) fn workbook_path(container: &mut Container<'_>, meter: &Meter, usual: &str) -> Result<String, ReadError> {
    let package = relations(container, meter, "")?;
    let named = package.into_values().find(|relation| relation.kind == "officeDocument").map(|relation| relation.path);
    Ok(named.filter(|path| container.has(path)).unwrap_or_else(|| usual.to_owned()))
}

/// A target's path in the zip: from the root if it begins with a slash, else from the folder of the part that names it.
fn resolved(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    if !target.starts_with('/') {
        parts.extend(folder.split('/').filter(|part| !part.is_empty()));
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A sheet as the workbook lists it.
#[derive(Debug)]
pub(super) struct ListedSheet {
    /// Its name.
    pub(super) name: String,
    /// The id of its relation.
    pub(super) relation: String,
}

/// Adds a sheet to the list.
pub(super) fn list(sheet: ListedSheet, listed: &mut Vec<ListedSheet>, limits: &Limits) -> Result<(), ReadError> {
    listed.push(ListedSheet { name: clipped(sheet.name), relation: clipped(sheet.relation) });
    if listed.len() as u64 > limits.max_sheets {
        return Err(ReadError::too_large("more sheets", "FANDOM_MAX_SHEETS", limits.max_sheets));
    }
    Ok(())
}

/// The texts that cells name by number: one buffer, and where each text ends in it.
#[derive(Default)]
pub(super) struct SharedStrings {
    text: String,
    ends: Vec<u32>,
}

impl SharedStrings {
    /// Adds a text.
    pub(super) fn push(&mut self, text: &str, limits: &Limits) -> Result<(), ReadError> {
        check_chars(text, limits)?;
        let most = limits.max_shared_string_bytes.min(u64::from(u32::MAX));
        if (self.text.len() + text.len()) as u64 > most {
            return Err(ReadError::too_large("more bytes of shared strings", "FANDOM_MAX_SHARED_STRING_BYTES", most));
        }
        if self.ends.len() as u64 >= limits.max_shared_strings {
            return Err(ReadError::too_large(
                "more shared strings",
                "FANDOM_MAX_SHARED_STRINGS",
                limits.max_shared_strings,
            ));
        }
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).expect("bounded above"));
        Ok(())
    }

    /// The text of that number.
    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)? as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(&self.text[start..end])
    }
}

/// Refuses a text that is longer than a cell may be.
pub(super) fn check_chars(text: &str, limits: &Limits) -> Result<(), ReadError> {
    let most = limits.max_string_chars;
    if text.len() as u64 > most && text.chars().count() as u64 > most {
        return Err(ReadError::too_large("more characters in one cell", "FANDOM_MAX_STRING_CHARS", most));
    }
    Ok(())
}

/// Refuses a text that is growing far beyond what a cell may be.
#[inline]
pub(super) fn check_growing(text: &str, limits: &Limits) -> Result<(), ReadError> {
    let most = limits.max_string_chars;
    if text.len() as u64 > most.saturating_mul(4) {
        return Err(ReadError::too_large("more characters in one cell", "FANDOM_MAX_STRING_CHARS", most));
    }
    Ok(())
}

/// Refuses a column beyond the limit.
pub(super) fn check_column(column: u64, limits: &Limits) -> Result<u32, ReadError> {
    if column >= limits.max_columns {
        return Err(ReadError::too_large(
            format!("a cell in column {}", column + 1),
            "FANDOM_MAX_COLUMNS",
            limits.max_columns,
        ));
    }
    Ok(u32::try_from(column).unwrap_or(u32::MAX))
}

/// Refuses a row whose texts are too long together.
#[inline]
pub(super) fn check_row(row: &super::super::row::Row, limits: &Limits) -> Result<(), ReadError> {
    if row.text_bytes() as u64 > limits.max_row_bytes {
        return Err(ReadError::too_large("a longer row", "FANDOM_MAX_ROW_BYTES", limits.max_row_bytes));
    }
    Ok(())
}

/// Says of which sheet a fault is.
pub(super) fn in_sheet(error: ReadError, sheet: &str) -> ReadError {
    match error {
        ReadError::Damaged { detail } => ReadError::UnreadableSheet { sheet: clipped(sheet.to_owned()), detail },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_from_root_and_folder() {
        assert_eq!(resolved("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl/a", "../styles.xml"), "xl/styles.xml");
        assert_eq!(resolved("", "../../xl\\workbook.xml"), "xl/workbook.xml");
    }

    #[test]
    fn shared_strings_are_found_by_number() {
        let mut strings = SharedStrings::default();
        for text in ["a", "", "bcd"] {
            strings.push(text, &Limits::default()).expect("within the limits");
        }
        assert_eq!(
            (strings.get(0), strings.get(1), strings.get(2), strings.get(3)),
            (Some("a"), Some(""), Some("bcd"), None)
        );
    }
}

//! Cells and shared strings in the form in which nearly every program writes them, taken from the bytes as they stand.
//!
//! An XML reader makes five events of a cell, which takes longer than all that is done with it afterwards. What stands here in
//! another form, or not wholly in the bytes at hand, is left for the XML reader: both read the same.

use memchr::{memchr, memchr2};

/// A cell such as `<c r="B7" s="2" t="s"><v>41</v></c>`, `<c r="B7" t="inlineStr"><is><t>hey</t></is></c>` or `<c r="B7"/>`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct UsualCell<'b> {
    /// Its place, as it is written.
    pub(super) place: Option<&'b str>,
    /// The number of its style.
    pub(super) style: Option<&'b str>,
    /// The name of its form.
    pub(super) form: Option<&'b str>,
    /// What it holds, with references such as `&amp;` as they are written.
    pub(super) content: &'b str,
    /// Bytes that it takes.
    pub(super) length: usize,
}

/// The cell with which the bytes begin.
pub(super) fn cell(ahead: &[u8]) -> Option<UsualCell<'_>> {
    let mut at = 2;
    if !ahead.starts_with(b"<c") {
        return None;
    }
    let mut found = UsualCell::default();
    loop {
        match ahead.get(at)? {
            b' ' => {
                let name = *ahead.get(at + 1)?;
                let start = at + 4;
                if ahead.get(at + 2..start)? != b"=\"" {
                    return None;
                }
                let end = start + ahead[start..].iter().position(|byte| matches!(byte, b'"' | b'<' | b'&'))?;
                let value = match ahead[end] {
                    b'"' => std::str::from_utf8(&ahead[start..end]).ok()?,
                    _ => return None,
                };
                match name {
                    b'r' => found.place = Some(value),
                    b's' => found.style = Some(value),
                    b't' => found.form = Some(value),
                    _ => return None,
                }
                at = end + 1;
            }
            b'>' => break,
            b'/' if ahead.get(at + 1)? == &b'>' => {
                found.length = at + 2;
                return Some(found);
            }
            _ => return None,
        }
    }
    let (content, length) = held(&ahead[at + 1..], b"<v>", b"</v></c>")
        .or_else(|| held(&ahead[at + 1..], b"<is><t>", b"</t></is></c>"))
        .or_else(|| held(&ahead[at + 1..], b"<is><t xml:space=\"preserve\">", b"</t></is></c>"))?;
    found.content = content;
    found.length = at + 1 + length;
    Some(found)
}

/// The text with which the bytes begin, such as `<si><t>hey</t></si>`, and the bytes that it takes.
pub(super) fn shared_string(ahead: &[u8]) -> Option<(&str, usize)> {
    held(ahead, b"<si><t>", b"</t></si>").or_else(|| held(ahead, b"<si><t xml:space=\"preserve\">", b"</t></si>"))
}

/// What stands between these tags, without a tag of its own, and the bytes of all.
fn held<'b>(bytes: &'b [u8], opens: &[u8], closes: &[u8]) -> Option<(&'b str, usize)> {
    let inner = bytes.strip_prefix(opens)?;
    let end = memchr(b'<', inner)?;
    if !inner[end..].starts_with(closes) {
        return None;
    }
    Some((std::str::from_utf8(&inner[..end]).ok()?, opens.len() + end + closes.len()))
}

/// The text with its references decoded, in `buffer` where there are any; `None` if one of them is not of the five of XML.
pub(super) fn decoded<'t>(text: &'t str, buffer: &'t mut String) -> Option<&'t str> {
    let Some(mut at) = memchr(b'&', text.as_bytes()) else {
        return Some(text);
    };
    buffer.clear();
    let mut rest = text;
    loop {
        buffer.push_str(&rest[..at]);
        let reference = &rest[at + 1..];
        let end = memchr2(b';', b'&', reference.as_bytes())?;
        buffer.push(match &reference[..=end] {
            "amp;" => '&',
            "lt;" => '<',
            "gt;" => '>',
            "quot;" => '"',
            "apos;" => '\'',
            _ => return None,
        });
        rest = &reference[end + 1..];
        match memchr(b'&', rest.as_bytes()) {
            Some(next) => at = next,
            None => break,
        }
    }
    buffer.push_str(rest);
    Some(buffer)
}

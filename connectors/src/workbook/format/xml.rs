//! Events of an XML entry, under limits: of the length of a token, and of the depth of the elements.

use std::io::BufRead;

use quick_xml::events::{BytesEnd, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::super::ReadError;
use super::super::container::of_io;
use super::super::meter::Meter;

/// Elements within elements; a workbook needs about ten.
const DEEPEST: u32 = 200;

/// Reads the events of one entry.
pub(crate) struct Xml<'m, R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    meter: &'m Meter,
    depth: u32,
    /// The name of an element that was given as a start, and has no end of its own.
    empty: Option<String>,
}

impl<'m, R: BufRead> Xml<'m, R> {
    /// Reads from the beginning of an entry.
    pub(crate) fn new(entry: R, meter: &'m Meter) -> Xml<'m, R> {
        let mut reader = Reader::from_reader(entry);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.check_end_names = false;
        Xml { reader, buffer: Vec::with_capacity(1024), meter, depth: 0, empty: None }
    }

    /// The next event. Empty elements come as a start and an end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Event<'_>, ReadError> {
        if let Some(name) = self.empty.take() {
            return Ok(Event::End(BytesEnd::new(name)));
        }
        self.buffer.clear();
        self.meter.piece_done();
        match self.reader.read_event_into(&mut self.buffer) {
            Ok(Event::Start(element)) => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(ReadError::damaged("its elements are nested too deeply"));
                }
                Ok(Event::Start(element))
            }
            Ok(Event::Empty(element)) => {
                self.empty = Some(element.name().as_ref().to_owned());
                Ok(Event::Start(element))
            }
            Ok(Event::End(element)) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(Event::End(element))
            }
            Ok(event) => Ok(event),
            Err(error) => Err(self.meter.tripped().unwrap_or_else(|| of_xml(error))),
        }
    }

    /// The bytes after the last event, as far as they are at hand. Only for after a start or an end: the rest of a text would look
    /// like one of its own. Nothing after the start of an empty element, whose end comes first.
    #[inline]
    pub(crate) fn ahead(&mut self) -> Result<&[u8], ReadError> {
        if self.empty.is_some() {
            return Ok(&[]);
        }
        let meter = self.meter;
        meter.piece_done();
        self.reader.get_mut().fill_buf().map_err(|cause| meter.tripped().unwrap_or_else(|| of_io(cause)))
    }

    /// Takes bytes that were [ahead](Self::ahead), of whole elements.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.reader.get_mut().consume(bytes);
    }
}

fn of_xml(error: quick_xml::Error) -> ReadError {
    match error {
        quick_xml::Error::Io(cause) => of_io(
            std::sync::Arc::try_unwrap(cause)
                .unwrap_or_else(|shared| std::io::Error::new(shared.kind(), shared.to_string())),
        ),
        other => ReadError::damaged(format!("its XML is broken: {other}")),
    }
}

/// A name without its prefix. Most have none and are short, so that a look at each byte is the quickest search.
#[inline]
pub(crate) fn local(name: &str) -> &str {
    name.bytes().rposition(|byte| byte == b':').map_or(name, |colon| &name[colon + 1..])
}

/// The value of an attribute by its name without prefix, as it is written.
pub(crate) fn attribute<'a>(element: &'a BytesStart<'_>, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| attribute.value)
}

/// The value of an attribute, with its entities decoded.
pub(crate) fn text_attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let raw = attribute(element, name)?;
    Some(quick_xml::escape::unescape(&raw).map_or_else(|_| raw.clone().into_owned(), |text| text.into_owned()))
}

/// Adds what a reference such as `&amp;` or `&#39;` stands for; one that is unknown stays as it is written.
pub(crate) fn push_reference(reference: &BytesRef<'_>, out: &mut String) {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        out.push(c);
    } else if let Some(text) = quick_xml::escape::resolve_xml_entity(reference) {
        out.push_str(text);
    } else {
        out.push('&');
        out.push_str(reference);
        out.push(';');
    }
}

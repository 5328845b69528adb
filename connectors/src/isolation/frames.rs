//! What crosses the pipe: a byte that says what it is, lengths, bytes.

use std::io::{self, Read, Write};

use fandom_schemas::manifest::Sheet;
use fandom_schemas::mappings::Mapping;
use fandom_schemas::rows::Kind;
use serde::{Deserialize, Serialize};

use crate::workbook::{Limits, RejectedRow};

/// What is to be read, and how. One line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub name: String,
    pub zone_name: String,
    pub default_platform: String,
    pub limits: Limits,
    pub mappings: Vec<Mapping>,
    pub largest: usize,
}

/// How a read ended. JSON.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Ended {
    Read(Vec<Sheet>),
    FileFault(String),
    MachineFault(String),
}

/// A frame, its bytes in the buffers of [`FrameReader`].
#[derive(Debug, PartialEq)]
pub(super) enum Frame<'a> {
    Row { kind: Kind, row: &'a [u8], text: Option<&'a [u8]> },
    Reject(RejectedRow),
    Ended(Ended),
}

const ROW: u8 = b'r';
const ROW_WITH_TEXT: u8 = b't';
const REJECT: u8 = b'x';
const ENDED: u8 = b'e';

/// Longer than any frame of a child that is in its right mind.
const LONGEST: u32 = 256 << 20;

pub(super) fn write_row(out: &mut impl Write, kind: Kind, row: &[u8], text: Option<&[u8]>) -> io::Result<()> {
    let place = Kind::ALL.iter().position(|other| *other == kind).expect("all kinds are listed");
    out.write_all(&[if text.is_some() { ROW_WITH_TEXT } else { ROW }, place as u8])?;
    write_bytes(out, row)?;
    text.map_or(Ok(()), |text| write_bytes(out, text))
}

pub(super) fn write_reject(out: &mut impl Write, reject: &RejectedRow) -> io::Result<()> {
    out.write_all(&[REJECT])?;
    write_bytes(out, &serde_json::to_vec(reject)?)
}

pub(super) fn write_ended(out: &mut impl Write, ended: &Ended) -> io::Result<()> {
    out.write_all(&[ENDED])?;
    write_bytes(out, &serde_json::to_vec(ended)?)
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// Reads frames.
pub(super) struct FrameReader<R> {
    from: R,
    first: Vec<u8>,
    second: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(from: R) -> FrameReader<R> {
        FrameReader { from, first: Vec::new(), second: Vec::new() }
    }

    /// The next frame; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        let FrameReader { from, first, second } = self;
        let mut tag = [0];
        if from.read(&mut tag)? == 0 {
            return Ok(None);
        }
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "a frame is none");
        Ok(Some(match tag[0] {
            tag @ (ROW | ROW_WITH_TEXT) => {
                let mut place = [0];
                from.read_exact(&mut place)?;
                let kind = *Kind::ALL.get(usize::from(place[0])).ok_or_else(broken)?;
                read_bytes(from, first)?;
                let text = tag == ROW_WITH_TEXT;
                if text {
                    read_bytes(from, second)?;
                }
                Frame::Row { kind, row: first, text: text.then_some(second) }
            }
            REJECT => {
                read_bytes(from, first)?;
                Frame::Reject(serde_json::from_slice(first)?)
            }
            ENDED => {
                read_bytes(from, first)?;
                Frame::Ended(serde_json::from_slice(first)?)
            }
            _ => return Err(broken()),
        }))
    }
}

fn read_bytes(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    into.clear();
    // Grows as the bytes come, not as they are announced.
    let read = from.take(u64::from(length)).read_to_end(into)?;
    if read as u64 == u64::from(length) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_back_as_they_were(
            rows in proptest::collection::vec((0usize..5, any::<Vec<u8>>(), any::<Option<Vec<u8>>>()), 0..20),
            reason: String,
            cells: Vec<String>,
        ) {
            let mut bytes = Vec::new();
            for (kind, row, text) in &rows {
                write_row(&mut bytes, Kind::ALL[*kind], row, text.as_deref()).expect("memory takes all");
            }
            let reject = RejectedRow { sheet: None, row: 7, column: Some("Price".into()), reason: reason.clone(), cells };
            write_reject(&mut bytes, &reject).expect("memory takes all");
            write_ended(&mut bytes, &Ended::FileFault(reason.clone())).expect("memory takes all");
            let mut frames = FrameReader::new(&bytes[..]);
            for (kind, row, text) in &rows {
                let frame = Frame::Row { kind: Kind::ALL[*kind], row, text: text.as_deref() };
                prop_assert_eq!(frames.next().expect("a frame"), Some(frame));
            }
            prop_assert_eq!(frames.next().expect("a frame"), Some(Frame::Reject(reject)));
            prop_assert_eq!(frames.next().expect("a frame"), Some(Frame::Ended(Ended::FileFault(reason))));
            prop_assert_eq!(frames.next().expect("an end"), None);
        }

        #[test]
        fn a_child_that_is_out_of_its_mind_is_noticed(bytes: Vec<u8>) {
            let mut frames = FrameReader::new(&bytes[..]);
            while let Ok(Some(_)) = frames.next() {}
        }
    }
}

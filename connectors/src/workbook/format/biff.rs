//! The records of `.xls` (MS-XLS, BIFF8 and BIFF5), and the texts in them. Nothing is copied but the text that is asked for.

use encoding_rs::{Encoding, WINDOWS_1252};

use super::super::{Limits, ReadError};
use super::ole::{u16_at, u32_at};

const CONTINUE: u16 = 0x003c;

/// A record: where its content stands in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) number: u16,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The records from a place on, as far as they are whole.
pub(super) fn records(stream: &[u8], from: usize) -> impl Iterator<Item = Record> {
    let mut at = from;
    std::iter::from_fn(move || {
        let rest = stream.get(at..)?;
        let (number, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        let start = at + 4;
        at = start + length;
        (at <= stream.len()).then_some(Record { number, start, end: at })
    })
}

/// How a workbook writes its texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextForm {
    /// BIFF8, in 16-bit units or their lower halves; else bytes of a code page.
    pub(super) wide: bool,
    /// The code page.
    pub(super) encoding: &'static Encoding,
}

impl Default for TextForm {
    fn default() -> TextForm {
        TextForm { wide: true, encoding: WINDOWS_1252 }
    }
}

impl TextForm {
    /// A text behind the count of its characters, which takes one byte (`short`) or two.
    pub(super) fn text(self, data: &[u8], short: bool) -> Result<String, ReadError> {
        let (count, rest) = match short {
            true => (data.first().map(|count| usize::from(*count)), data.get(1..)),
            false => (u16_at(data, 0).map(usize::from), data.get(2..)),
        };
        let (count, rest) = count.zip(rest).ok_or_else(too_short)?;
        if !self.wide {
            let bytes = rest.get(..count).ok_or_else(too_short)?;
            return Ok(self.encoding.decode_without_bom_handling(bytes).0.into_owned());
        }
        let (flags, rest) = rest.split_first().ok_or_else(too_short)?;
        let mut units = Vec::with_capacity(count);
        push_units(rest.get(..count * width(*flags)).ok_or_else(too_short)?, *flags, &mut units);
        Ok(String::from_utf16_lossy(&units))
    }
}

/// The encoding of a code page; of one that is unknown, that of western Europe.
pub(super) fn encoding(code_page: u16) -> &'static Encoding {
    let label = match code_page {
        874 | 1250..=1258 => format!("windows-{code_page}"),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        866 => "ibm866".to_owned(),
        10_000 | 32_768 => "macintosh".to_owned(),
        _ => String::new(),
    };
    Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252)
}

/// The texts that cells name by number: where each begins, and where the record in which it begins ends.
#[derive(Debug, Default)]
pub(super) struct SharedTexts {
    starts: Vec<(u32, u32)>,
}

impl SharedTexts {
    /// Finds the texts of the record.
    pub(super) fn find(stream: &[u8], record: Record, limits: &Limits) -> Result<SharedTexts, ReadError> {
        let mut cursor = Cursor { stream, at: record.start, end: record.end };
        cursor.skip(8)?;
        let begin = cursor.clone();
        let mut count = 0u64;
        while !cursor.is_at_end() {
            cursor.pass_text()?;
            count += 1;
        }
        let most = limits.max_shared_strings;
        if count > most {
            return Err(ReadError::too_large("more shared strings", "FANDOM_MAX_SHARED_STRINGS", most));
        }
        let mut starts = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut cursor = begin;
        while !cursor.is_at_end() {
            let place = |place: usize| u32::try_from(place).map_err(|_| too_short());
            starts.push((place(cursor.at)?, place(cursor.end)?));
            cursor.pass_text()?;
        }
        Ok(SharedTexts { starts })
    }

    /// The text of that number, as 16-bit units in `units`; whether there is one.
    pub(super) fn read(&self, stream: &[u8], number: usize, units: &mut Vec<u16>) -> Result<bool, ReadError> {
        let Some((at, end)) = self.starts.get(number).copied() else { return Ok(false) };
        let mut cursor = Cursor { stream, at: at as usize, end: end as usize };
        units.clear();
        cursor.characters(&mut |bytes, flags| push_units(bytes, flags, units))?;
        Ok(true)
    }
}

/// The text of a record that holds one behind a count of two bytes, and may be continued.
pub(super) fn long_text(stream: &[u8], record: Record, form: TextForm) -> Result<String, ReadError> {
    if !form.wide {
        return form.text(&stream[record.start..record.end], false);
    }
    let mut cursor = Cursor { stream, at: record.start, end: record.end };
    let mut units = Vec::new();
    cursor.characters(&mut |bytes, flags| push_units(bytes, flags, &mut units))?;
    Ok(String::from_utf16_lossy(&units))
}

/// A place in the content of a record, which goes on in the records behind it that continue it.
///
/// Nothing is kept of those records, however many there are. Within a text each of them holds a part of it, so that a text is
/// read in as many steps as it has bytes.
#[derive(Clone)]
struct Cursor<'s> {
    stream: &'s [u8],
    at: usize,
    end: usize,
}

impl<'s> Cursor<'s> {
    /// Goes on in the next record, if it continues this one.
    fn go_on(&mut self) -> bool {
        match records(self.stream, self.end).next().filter(|next| next.number == CONTINUE) {
            Some(next) => {
                (self.at, self.end) = (next.start, next.end);
                true
            }
            None => false,
        }
    }

    /// Between two texts: whether there is no other. Records without content are stepped over.
    fn is_at_end(&mut self) -> bool {
        while self.at == self.end {
            if !self.go_on() {
                return true;
            }
        }
        false
    }

    /// What is left of the record, or the whole of the next.
    fn rest(&mut self) -> Result<&'s [u8], ReadError> {
        if self.at == self.end {
            self.go_on();
        }
        let rest = &self.stream[self.at..self.end];
        if rest.is_empty() { Err(too_short()) } else { Ok(rest) }
    }

    fn skip(&mut self, mut bytes: usize) -> Result<(), ReadError> {
        while bytes > 0 {
            let passed = self.rest()?.len().min(bytes);
            self.at += passed;
            bytes -= passed;
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut taken = [0; N];
        for byte in &mut taken {
            *byte = *self.rest()?.first().ok_or_else(too_short)?;
            self.at += 1;
        }
        Ok(taken)
    }

    /// Passes the characters of a text, which go to `part` piece by piece with the flags that say how wide they are. Returns how
    /// many bytes follow that say how the text looks and sounds.
    fn characters(&mut self, part: &mut dyn FnMut(&[u8], u8)) -> Result<usize, ReadError> {
        let mut left = usize::from(u16::from_le_bytes(self.take()?));
        let [mut flags] = self.take()?;
        let formats = if flags & 8 == 8 { usize::from(u16::from_le_bytes(self.take()?)) } else { 0 };
        let phonetic = if flags & 4 == 4 { u32::from_le_bytes(self.take()?) as usize } else { 0 };
        while left > 0 {
            if self.at == self.end {
                // Characters that go on in the next record begin there with their width.
                [flags] = self.take()?;
            }
            let rest = &self.stream[self.at..self.end];
            let count = (rest.len() / width(flags)).min(left);
            if count == 0 {
                return Err(too_short());
            }
            let bytes = &rest[..count * width(flags)];
            part(bytes, flags);
            self.at += bytes.len();
            left -= count;
        }
        Ok(formats * 4 + phonetic)
    }

    /// Passes a text with all that follows its characters.
    fn pass_text(&mut self) -> Result<(), ReadError> {
        let behind = self.characters(&mut |_, _| ())?;
        self.skip(behind)
    }
}

/// Bytes of a character.
fn width(flags: u8) -> usize {
    1 + usize::from(flags & 1)
}

fn push_units(bytes: &[u8], flags: u8, units: &mut Vec<u16>) {
    if flags & 1 == 1 {
        units.extend(bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)));
    } else {
        units.extend(bytes.iter().map(|byte| u16::from(*byte)));
    }
}

pub(super) fn too_short() -> ReadError {
    ReadError::damaged("a record is too short")
}

/// The four bytes at a place.
pub(super) fn word(data: &[u8], at: usize) -> Result<u32, ReadError> {
    u32_at(data, at).ok_or_else(too_short)
}

/// The two bytes at a place.
pub(super) fn half(data: &[u8], at: usize) -> Result<u16, ReadError> {
    u16_at(data, at).ok_or_else(too_short)
}

/// The binary fraction at a place.
pub(super) fn double(data: &[u8], at: usize) -> Result<f64, ReadError> {
    let bytes = data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or_else(too_short)?;
    Ok(f64::from_le_bytes(bytes))
}

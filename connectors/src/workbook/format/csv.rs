//! `.csv`, streamed record by record.
//!
//! Its one sheet has no name. The encoding is UTF-8 (with or without byte-order mark), UTF-16 with one, or else, when the bytes are no UTF-8, Windows-1252.
//! The separator is the one of comma, semicolon and tab with which the first lines have a header row, else the commonest in them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use csv_core::ReadFieldResult;
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::super::layout::{self, Verdict};
use super::super::mapping::{self, Profiles};
use super::super::meter::{Meter, Metered};
use super::super::reading::{Flow, Reading};
use super::super::row::{Cell, Row};
use super::super::value::dates::Epoch;
use super::super::{Limits, ReadError};
use super::ods::is_error_name;
use super::package::{check_chars, check_column};

/// How much of the file the separator is looked for in.
const SAMPLE_BYTES: u64 = 64 << 10;
const SAMPLE_RECORDS: usize = 20;

const SEPARATORS: [u8; 3] = *b",;\t";

/// Reads the file as its one sheet.
pub(super) fn read<'o>(
    file: &File,
    limits: &Limits,
    mappings: &Profiles,
    meter: &Meter,
    mut reading: Reading<'o>,
) -> Result<Reading<'o>, ReadError> {
    let encoding = encoding_of(file)?;
    let mut sample = Vec::new();
    decoded(file, encoding)?.take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    let (separator, first_lines) = separator_of(whole_characters(&sample), mappings);
    let mut input = BufReader::with_capacity(64 << 10, Metered::plain(LineEnds::new(decoded(file, encoding)?), meter));
    for _ in 0..first_lines {
        input.skip_until(b'\n')?;
    }
    let mut records = Records::new(input, separator);
    let mut row = Row::new(Epoch::Y1900);
    // Rows are counted in lines, so that blank lines count, which are no records; without the lines inside of cells.
    let mut lines_in_cells = 0;
    reading.begin(None)?;
    loop {
        meter.piece_done();
        row.begin(0);
        let more = records.read(|column, field| {
            lines_in_cells += field.iter().filter(|byte| **byte == b'\n').count() as u64;
            let column = check_column(column, limits)?;
            let text = std::str::from_utf8(field).map_err(|_| ReadError::damaged("its text is not in one encoding"))?;
            check_chars(text, limits)?;
            row.set(column, if is_error_name(text) { Cell::Error(text) } else { Cell::Text(text) });
            Ok(())
        });
        if !more.map_err(|error| meter.tripped().unwrap_or(error))? {
            break;
        }
        let number = first_lines + records.line() - 1 - lines_in_cells;
        row.renumber(u32::try_from(number).map_err(|_| ReadError::damaged("it has more rows than can be counted"))?);
        if reading.row(&row)? == Flow::SkipSheet {
            break;
        }
    }
    reading.end();
    Ok(reading)
}

/// The records of a file, field by field: a record costs no more than its longest field, however many it has.
struct Records<R> {
    input: R,
    core: csv_core::Reader,
    field: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    fn new(input: R, separator: u8) -> Records<R> {
        let core = csv_core::ReaderBuilder::new().delimiter(separator).build();
        Records { input, core, field: vec![0; 4096] }
    }

    /// The line on which the next record begins, from 1.
    fn line(&self) -> u64 {
        self.core.line()
    }

    /// Reads a record, each field with its 0-based column to `each`; whether there was one.
    fn read(&mut self, mut each: impl FnMut(u64, &[u8]) -> Result<(), ReadError>) -> Result<bool, ReadError> {
        let (mut column, mut length) = (0, 0);
        loop {
            let bytes = self.input.fill_buf()?;
            let (result, used, written) = self.core.read_field(bytes, &mut self.field[length..]);
            self.input.consume(used);
            length += written;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => self.field.resize(self.field.len() * 2, 0),
                ReadFieldResult::Field { record_end } => {
                    each(column, &self.field[..length])?;
                    if record_end {
                        return Ok(true);
                    }
                    (column, length) = (column + 1, 0);
                }
                ReadFieldResult::End => return Ok(false),
            }
        }
    }
}

/// The separator of a sample, and how many lines say so (`sep=;`) and are no rows of data.
fn separator_of(sample: &str, mappings: &Profiles) -> (u8, u64) {
    if let Some(rest) = sample.strip_prefix("sep=")
        && let [separator, b'\r' | b'\n', ..] = rest.as_bytes()
    {
        return (*separator, 1);
    }
    let headers = |separator: &u8| {
        let mut row = Row::new(Epoch::Y1900);
        let mut records = Records::new(sample.as_bytes(), *separator);
        let mut known = 0;
        let mut widths = Vec::with_capacity(SAMPLE_RECORDS);
        for _ in 0..SAMPLE_RECORDS {
            row.begin(1);
            let mut fields = 0;
            let more = records.read(|column, field| {
                fields = column + 1;
                row.set(u32::try_from(column).unwrap_or(u32::MAX), Cell::Text(&String::from_utf8_lossy(field)));
                Ok(())
            });
            if !more.unwrap_or(false) {
                break;
            }
            widths.push(fields);
            known = known.max(match layout::examine(&row) {
                Verdict::Header(_) => 3,
                _ if mapping::recognise(mappings, &row).is_some() => 2,
                Verdict::Nearly(..) => 1,
                Verdict::Other => 0,
            });
        }
        let common = sample.bytes().filter(|byte| byte == separator).count();
        // Of decimal commas a table has many, but seldom as many in each of its rows.
        let even = widths.first().is_some_and(|first| *first > 1 && widths.iter().all(|width| width == first));
        (known, even, common)
    };
    // Of equals the last would win: the comma is the commonest, so it stands last.
    let separator = SEPARATORS.into_iter().rev().max_by_key(headers);
    (separator.unwrap_or(b','), 0)
}

/// The encoding of a file: by its byte-order mark, else UTF-8 if all of it is.
fn encoding_of(mut file: &File) -> Result<&'static Encoding, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    let mut chunk = vec![0; 256 << 10];
    let mut held = 0;
    let mut first = true;
    loop {
        let read = file.read(&mut chunk[held..])?;
        let bytes = &chunk[..held + read];
        if first && let Some((encoding, _)) = Encoding::for_bom(bytes) {
            return Ok(encoding);
        }
        first = false;
        if read == 0 {
            return Ok(if held == 0 { UTF_8 } else { WINDOWS_1252 });
        }
        let end = bytes.len();
        held = match std::str::from_utf8(bytes) {
            Ok(_) => 0,
            // A character may go on in the next chunk.
            Err(error) if error.error_len().is_none() => {
                let valid = error.valid_up_to();
                chunk.copy_within(valid..end, 0);
                end - valid
            }
            Err(_) => return Ok(WINDOWS_1252),
        };
    }
}

/// The file as UTF-8 from its beginning, without byte-order mark.
fn decoded<'f>(mut file: &'f File, encoding: &'static Encoding) -> Result<Box<dyn Read + 'f>, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    if encoding == UTF_8 {
        let mut input = BufReader::with_capacity(64 << 10, file);
        if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        return Ok(Box::new(input));
    }
    debug_assert!(encoding == UTF_16LE || encoding == UTF_16BE || encoding == WINDOWS_1252);
    Ok(Box::new(Decoding {
        input: BufReader::with_capacity(64 << 10, file),
        decoder: encoding.new_decoder_with_bom_removal(),
        decoded: vec![0; 256 << 10],
        ready: 0..0,
        ended: false,
    }))
}

/// Decodes as it reads.
struct Decoding<'f> {
    input: BufReader<&'f File>,
    decoder: Decoder,
    decoded: Vec<u8>,
    ready: std::ops::Range<usize>,
    ended: bool,
}

impl Read for Decoding<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !self.ended {
            let raw = self.input.fill_buf()?;
            self.ended = raw.is_empty();
            let (_, used, written, _) = self.decoder.decode_to_utf8(raw, &mut self.decoded, self.ended);
            self.input.consume(used);
            self.ready = 0..written;
        }
        let count = self.ready.len().min(out.len());
        out[..count].copy_from_slice(&self.decoded[self.ready.start..self.ready.start + count]);
        self.ready.start += count;
        Ok(count)
    }
}

/// Makes every line end a `\n`, and ends the last line with one.
struct LineEnds<R> {
    input: R,
    after_return: bool,
    in_line: bool,
}

impl<R> LineEnds<R> {
    fn new(input: R) -> LineEnds<R> {
        LineEnds { input, after_return: false, in_line: false }
    }
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut count = self.input.read(out)?;
            if count == 0 {
                if !self.in_line || out.is_empty() {
                    return Ok(0);
                }
                self.in_line = false;
                out[0] = b'\n';
                return Ok(1);
            }
            if self.after_return || out[..count].contains(&b'\r') {
                let mut kept = 0;
                for at in 0..count {
                    let byte = out[at];
                    if !(byte == b'\n' && self.after_return) {
                        out[kept] = if byte == b'\r' { b'\n' } else { byte };
                        kept += 1;
                    }
                    self.after_return = byte == b'\r';
                }
                count = kept;
            }
            if count > 0 {
                self.in_line = out[count - 1] != b'\n';
                return Ok(count);
            }
        }
    }
}

/// A sample may end inside of a character: what comes before it.
fn whole_characters(sample: &[u8]) -> &str {
    let valid = std::str::from_utf8(sample).err().map_or(sample.len(), |error| error.valid_up_to());
    std::str::from_utf8(&sample[..valid]).unwrap_or_default()
}

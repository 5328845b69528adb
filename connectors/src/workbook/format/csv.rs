//! `.csv`, streamed record by record.
//!
//! The encoding is UTF-8 (with or without byte-order mark), UTF-16 with one, or else, when the bytes are no UTF-8, Windows-1252.
//! The separator is the one of comma, semicolon and tab with which the first lines have a header row, else the commonest in them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::super::layout::{self, Verdict};
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
pub(super) fn read<'o>(file: &File, limits: &Limits, meter: &Meter, mut reading: Reading<'o>) -> Result<Reading<'o>, ReadError> {
    let encoding = encoding_of(file)?;
    let mut sample = String::new();
    decoded(file, encoding)?.take(SAMPLE_BYTES).read_to_string(&mut sample).or_else(cut_inside_a_character)?;
    let (separator, first_lines) = separator_of(&sample);
    let mut input = BufReader::with_capacity(64 << 10, Metered::plain(decoded(file, encoding)?, meter));
    for _ in 0..first_lines {
        input.skip_until(b'\n')?;
    }
    let mut records = reader(separator).from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut row = Row::new(Epoch::Y1900);
    let mut number = first_lines;
    let mut lines_before = 1;
    reading.begin(None)?;
    loop {
        meter.piece_done();
        let more = records.read_byte_record(&mut record).map_err(|error| meter.tripped().unwrap_or_else(|| of_csv(error)))?;
        if !more {
            break;
        }
        // Blank lines are no records, but rows of the sheet all the same.
        let line = record.position().map_or(lines_before, csv::Position::line);
        number += line.saturating_sub(lines_before) + 1;
        lines_before = records.position().line();
        row.begin(u32::try_from(number).map_err(|_| ReadError::damaged("it has more rows than can be counted"))?);
        for (column, field) in record.iter().enumerate() {
            if field.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(field).map_err(|_| ReadError::damaged("its text is not in one encoding"))?;
            check_chars(text, limits)?;
            let cell = if is_error_name(text) { Cell::Error(text) } else { Cell::Text(text) };
            row.set(check_column(column as u64, limits)?, cell);
        }
        if reading.row(&row)? == Flow::SkipSheet {
            break;
        }
    }
    reading.end();
    Ok(reading)
}

fn reader(separator: u8) -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(separator).has_headers(false).flexible(true).buffer_capacity(64 << 10);
    builder
}

/// The separator of a sample, and how many lines say so (`sep=;`) and are no rows of data.
fn separator_of(sample: &str) -> (u8, u64) {
    if let Some(rest) = sample.strip_prefix("sep=")
        && let [separator, b'\r' | b'\n', ..] = rest.as_bytes()
    {
        return (*separator, 1);
    }
    let headers = |separator: &u8| {
        let mut row = Row::new(Epoch::Y1900);
        let mut records = reader(*separator).from_reader(sample.as_bytes());
        let mut known = 0;
        for record in records.records().take(SAMPLE_RECORDS).map_while(Result::ok) {
            row.begin(1);
            for (column, field) in (0..).zip(&record) {
                row.set(column, Cell::Text(field));
            }
            known = known.max(match layout::examine(&row) {
                Verdict::Header(_) => 2,
                Verdict::Nearly(..) => 1,
                Verdict::Other => 0,
            });
        }
        let common = sample.bytes().filter(|byte| byte == separator).count();
        (known, common)
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

/// A sample may end inside of a character; what came before it is enough.
fn cut_inside_a_character(cause: io::Error) -> io::Result<usize> {
    if cause.kind() == io::ErrorKind::InvalidData { Ok(0) } else { Err(cause) }
}

fn of_csv(error: csv::Error) -> ReadError {
    match error.into_kind() {
        csv::ErrorKind::Io(cause) => ReadError::Io(cause),
        other => ReadError::damaged(format!("{other:?}")),
    }
}

//! Rows as the JSON that goes onto the log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fandom_schemas::rows::{Kind, Row, Text};

use super::Unreadable;
use crate::workbook::{self, Fault, NotTaken, ReadError, ReadOptions, ReadSummary, RejectedRow, RowSink, Stop};

/// Receives what is read, in the order of the file, as JSON.
pub(crate) trait RecordSink {
    /// Takes a row, and the private texts of a message.
    ///
    /// # Errors
    /// [`Stop`] when no more is wanted.
    fn record(&mut self, kind: Kind, row: &[u8], text: Option<&[u8]>) -> Result<(), Stop>;

    /// Takes a row that could not be read.
    ///
    /// # Errors
    /// [`Stop`] when no more is wanted.
    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop>;
}

const BROKEN: &str = "the reader broke on this file, which is a fault of this program: report it, and save the workbook again \
                      with a spreadsheet program";

/// Reads a file in this process.
pub(super) fn read(
    path: &Path,
    name: &str,
    options: &ReadOptions,
    largest: usize,
    sink: &mut dyn RecordSink,
) -> Result<ReadSummary, Unreadable> {
    let mut rows = AsRecords { sink, largest, json: Vec::with_capacity(1024) };
    // A file on which the reader breaks must not take the others with it.
    match catch_unwind(AssertUnwindSafe(|| workbook::read(path, name, options, &mut rows))) {
        Err(_) => Err(Unreadable::File(BROKEN.to_owned())),
        Ok(Err(error)) => Err(unreadable(&error)),
        Ok(Ok(summary)) => Ok(summary),
    }
}

fn unreadable(error: &ReadError) -> Unreadable {
    match error.fault() {
        Fault::Receiver => Unreadable::Stopped,
        Fault::Machine => Unreadable::Machine(fandom_services::postgres::cause(error)),
        Fault::File => Unreadable::File(error.to_string()),
    }
}

/// Turns rows into records.
struct AsRecords<'s> {
    sink: &'s mut dyn RecordSink,
    largest: usize,
    json: Vec<u8>,
}

impl RowSink for AsRecords<'_> {
    fn row(&mut self, row: &Row<'_>, text: Option<&Text<'_>>) -> Result<(), NotTaken> {
        self.json.clear();
        serde_json::to_writer(&mut self.json, row).expect("a row has only string keys");
        let row_size = self.json.len();
        if let Some(text) = text {
            serde_json::to_writer(&mut self.json, text).expect("a text has only string keys");
        }
        let (value, text_value) = self.json.split_at(row_size);
        let larger = row_size.max(text_value.len());
        if larger > self.largest {
            return Err(NotTaken::Row(format!("the row is too large ({larger} of at most {} bytes)", self.largest)));
        }
        Ok(self.sink.record(row.kind(), value, text.is_some().then_some(text_value))?)
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        self.sink.reject(reject)
    }
}

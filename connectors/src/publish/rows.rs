//! The rows of a version on their way from the workbook to the log.

use std::sync::Arc;

use fandom_schemas::manifest::Checksum;
use fandom_schemas::rejects::Reject;
use fandom_schemas::rows::Kind;
use fandom_services::failpoints;
use tokio::runtime::Handle;

use super::PublishError;
use super::log::{Flight, LARGEST_VALUE, Log};
use crate::isolation::RecordSink;
use crate::meters;
use crate::uploads::Uploads;
use crate::workbook::{RejectedRow, Stop};

/// How many ordinals are set aside when a version begins. Each time they are used up, their number doubles.
pub(super) const FIRST_ORDINALS: u64 = 8192;

/// How often the fail point `connector.rows` is passed, in rows.
const FAIL_POINT_EVERY: u64 = 1000;

/// How many rejected rows of a version are kept in Postgres, to be shown; all of them are on the log.
const REJECTS_KEPT: u64 = 10_000;

/// How many bytes they may have.
const REJECT_BYTES_KEPT: usize = 32 << 20;

/// How many are written at once, in number and bytes.
const REJECTS_AT_ONCE: usize = 500;
const REJECT_BYTES_AT_ONCE: usize = 1 << 20;

/// Sends the rows of one version as they are read. Blocks while the producer's queue is full, so memory is bounded
/// whatever the size of the file. No row is sent before its ordinal is set aside in `app.uploads`: after a crash, every key
/// that may be on the log is known.
pub(super) struct VersionRows {
    log: Arc<Log>,
    uploads: Uploads,
    runtime: Handle,
    flight: Flight,
    file: String,
    name: String,
    version: u64,
    reserved: u64,
    key: Vec<u8>,
    prefix: usize,
    /// Rows sent, with one that was not sent to the end.
    pub rows: u64,
    /// Rejects sent.
    pub rejects: u64,
    /// Rejects that are to be kept and not written yet, the first of them with this ordinal.
    kept: (u64, Vec<RejectedRow>),
    kept_bytes: usize,
    unwritten_bytes: usize,
    /// Of the rows sent.
    pub checksum: Checksum,
    /// Why the read was stopped.
    pub error: Option<PublishError>,
}

impl VersionRows {
    pub(super) fn new(
        log: &Arc<Log>,
        uploads: &Uploads,
        flight: &Flight,
        (file, name): (&str, &str),
        version: u64,
        reserved: u64,
    ) -> VersionRows {
        let key = format!("{file}/{version}/").into_bytes();
        VersionRows {
            log: Arc::clone(log),
            uploads: uploads.clone(),
            runtime: Handle::current(),
            flight: flight.clone(),
            file: file.to_owned(),
            name: name.to_owned(),
            version,
            reserved,
            prefix: key.len(),
            key,
            rows: 0,
            rejects: 0,
            kept: (0, Vec::new()),
            kept_bytes: 0,
            unwritten_bytes: 0,
            checksum: Checksum::default(),
            error: None,
        }
    }

    fn send_row(&mut self, kind: Kind, row: &[u8], text: Option<&[u8]>) -> Result<(), PublishError> {
        self.flight.check()?;
        if self.rows.is_multiple_of(FAIL_POINT_EVERY) {
            failpoints::pass("connector.rows");
        }
        if self.rows == self.reserved {
            let more = self.reserved.saturating_mul(2).max(FIRST_ORDINALS);
            self.runtime.block_on(self.uploads.reserve(&self.file, self.version, more))?;
            self.reserved = more;
        }
        write_ordinal(&mut self.key, self.prefix, self.rows);
        // From here on its key may be on the log, also if only one of its two records is taken.
        self.rows += 1;
        self.checksum.add(&self.key, row);
        self.log.row(&self.flight, &self.key, Some((kind.name(), row)))?;
        if let Some(text) = text {
            self.log.text(&self.flight, &self.key, Some(("text", text)))?;
        }
        Ok(())
    }

    fn send_reject(&mut self, rejected: RejectedRow) -> Result<(), PublishError> {
        self.flight.check()?;
        self.keep(&rejected)?;
        let RejectedRow { sheet, row, column, reason, cells } = rejected;
        let name = self.name.clone();
        let reject = Reject {
            file: self.file.clone(),
            version: self.version,
            name,
            sheet,
            row: Some(row),
            column,
            reason,
            cells,
        };
        meters::rejected(&reject.reason);
        write_ordinal(&mut self.key, self.prefix, self.rejects);
        send_reject(&self.log, &self.flight, &self.key, reject)?;
        self.rejects += 1;
        Ok(())
    }

    /// Keeps a rejected row to be shown, as long as there are not too many.
    fn keep(&mut self, rejected: &RejectedRow) -> Result<(), PublishError> {
        let bytes = rejected.cells.iter().map(String::len).sum::<usize>() + rejected.reason.len() + 64;
        if self.rejects >= REJECTS_KEPT || self.kept_bytes + bytes > REJECT_BYTES_KEPT {
            self.kept_bytes = REJECT_BYTES_KEPT;
            return Ok(());
        }
        self.kept_bytes += bytes;
        self.unwritten_bytes += bytes;
        self.kept.1.push(rejected.clone());
        if self.kept.1.len() >= REJECTS_AT_ONCE || self.unwritten_bytes >= REJECT_BYTES_AT_ONCE {
            self.write_kept()?;
        }
        Ok(())
    }

    /// Writes the rejected rows that are kept to Postgres. Called from a thread that may block.
    ///
    /// # Errors
    /// When Postgres does not take them.
    pub(super) fn write_kept(&mut self) -> Result<(), PublishError> {
        let (first, rows) = (self.kept.0, std::mem::take(&mut self.kept.1));
        if rows.is_empty() {
            return Ok(());
        }
        self.runtime.block_on(self.uploads.keep_rejects(&self.file, self.version, first, &rows))?;
        self.kept.0 = first + rows.len() as u64;
        self.unwritten_bytes = 0;
        Ok(())
    }

    fn stop_at<T>(&mut self, result: Result<T, PublishError>) -> Result<T, Stop> {
        result.map_err(|error| {
            self.error.get_or_insert(error);
            Stop
        })
    }
}

impl RecordSink for VersionRows {
    fn record(&mut self, kind: Kind, row: &[u8], text: Option<&[u8]>) -> Result<(), Stop> {
        let result = self.send_row(kind, row, text);
        self.stop_at(result)
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        let result = self.send_reject(reject);
        self.stop_at(result)
    }
}

/// Sends a dead letter, its texts cut short where it would be too large. It may arrive twice, under the same key.
pub(super) fn send_reject(log: &Log, flight: &Flight, key: &[u8], reject: Reject) -> Result<(), PublishError> {
    Ok(log.reject(flight, key, &reject_json(reject))?)
}

fn reject_json(mut reject: Reject) -> Vec<u8> {
    let json = |reject: &Reject| serde_json::to_vec(reject).expect("a reject has only string keys");
    for longest in [usize::MAX, 4096, 256, 0] {
        let mut cut = |text: &mut String| text.truncate(text.floor_char_boundary(longest.max(256)));
        reject.sheet.iter_mut().chain(&mut reject.column).for_each(&mut cut);
        cut(&mut reject.reason);
        reject.cells.iter_mut().for_each(|cell| cell.truncate(cell.floor_char_boundary(longest)));
        let value = json(&reject);
        if value.len() <= LARGEST_VALUE {
            return value;
        }
    }
    reject.cells.clear();
    json(&reject)
}

/// Puts an ordinal behind the first `prefix` bytes of a key.
pub(super) fn write_ordinal(key: &mut Vec<u8>, prefix: usize, ordinal: u64) {
    use std::io::Write;
    key.truncate(prefix);
    write!(key, "{ordinal}").expect("a vector can be written to");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_schema() {
        let mut key = b"inbox:a/b.xlsx/7/".to_vec();
        let prefix = key.len();
        for ordinal in [0, 9, 10, 123_456, 5] {
            write_ordinal(&mut key, prefix, ordinal);
            assert_eq!(key, fandom_schemas::keys::row_key("inbox:a/b.xlsx", 7, ordinal).into_bytes());
        }
    }

    #[test]
    fn a_dead_letter_always_fits_into_a_record() {
        let reject = |cells: usize, length: usize| Reject {
            file: "inbox:a.xlsx".into(),
            version: 1,
            name: "a.xlsx".into(),
            sheet: Some("\u{1}".repeat(length)),
            row: Some(3),
            column: Some("Price".into()),
            reason: "unreadable price".into(),
            cells: vec!["é".repeat(length); cells],
        };
        for (cells, length) in [(1000, 100_000), (10, 100_000), (100_000, 300)] {
            let json = reject_json(reject(cells, length));
            assert!(json.len() <= LARGEST_VALUE, "{cells} cells of {length}");
            let read: Reject = serde_json::from_slice(&json).expect("a reject");
            assert_eq!((read.row, read.reason.as_str()), (Some(3), "unreadable price"));
        }
        let small = reject(3, 50);
        assert_eq!(serde_json::from_slice::<Reject>(&reject_json(small.clone())).expect("a reject"), small);
    }
}

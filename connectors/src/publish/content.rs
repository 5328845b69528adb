//! What tells content from other content where its bytes do not: its rows.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use fandom_schemas::rows::Kind;
use sha2::{Digest, Sha256};

use super::log::LARGEST_VALUE;
use crate::isolation::{Isolation, RecordSink, Unreadable};
use crate::reading::Reading;
use crate::source::hex;
use crate::workbook::{RejectedRow, Stop};

/// SHA-256 of the rows that a workbook gives, in hexadecimal digits; of its bytes where it cannot be read. An export of the same
/// content differs in its bytes from one time to the next, but never in its rows.
///
/// # Errors
/// When the disk cannot be read.
pub(super) async fn digest_of_rows(
    path: &Path,
    name: &str,
    reading: &Arc<Reading>,
    isolation: &Isolation,
) -> io::Result<String> {
    let (path, name, reading, isolation) = (path.to_owned(), name.to_owned(), Arc::clone(reading), isolation.clone());
    let digested = tokio::task::spawn_blocking(move || {
        let mut rows = RowDigest(Sha256::new());
        // The reader says what is wrong with a broken file when it is published.
        match isolation.read(&path, &name, &reading, LARGEST_VALUE, &mut rows) {
            Ok(summary) => {
                serde_json::to_writer(&mut rows.0, &summary.sheets).map_err(io::Error::other)?;
                Ok(hex(&rows.0.finalize()))
            }
            Err(Unreadable::Machine(reason)) => Err(io::Error::other(reason)),
            Err(Unreadable::File(_) | Unreadable::Stopped) => {
                let mut bytes = Sha256::new();
                io::copy(&mut File::open(&path)?, &mut bytes)?;
                Ok(hex(&bytes.finalize()))
            }
        }
    });
    digested.await.unwrap_or_else(|broken| Err(io::Error::other(broken)))
}

/// Takes rows, and keeps nothing but their digest.
struct RowDigest(Sha256);

impl RecordSink for RowDigest {
    fn record(&mut self, _: Kind, row: &[u8], text: Option<&[u8]>) -> Result<(), Stop> {
        self.0.update(row);
        self.0.update(text.unwrap_or_default());
        Ok(())
    }

    fn reject(&mut self, reject: RejectedRow) -> Result<(), Stop> {
        self.0.update(reject.row.to_le_bytes());
        self.0.update(reject.reason.as_bytes());
        for cell in &reject.cells {
            self.0.update(cell.as_bytes());
            self.0.update([0]);
        }
        Ok(())
    }
}

//! Counts bytes as they are read, and stops a read that goes beyond its limits.
//!
//! The parsers buffer what they take for one piece (an XML token, a record): a file can make that piece as long as it likes. So
//! the bytes pass through a [`Metered`] reader, which knows how many came since the last piece was complete, and fails the read
//! before the piece grows beyond its limit. It also counts what an entry of a zip really inflates to.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use super::{Limits, ReadError};

/// What the metered readers of one file share.
pub(crate) struct Meter {
    piece: Cell<u64>,
    most_of_piece: u64,
    inflated: Cell<u64>,
    most_inflated: u64,
    tripped: RefCell<Option<ReadError>>,
}

impl Meter {
    /// A meter for one file.
    pub(crate) fn new(limits: &Limits) -> Meter {
        Meter {
            piece: Cell::new(0),
            most_of_piece: limits.max_row_bytes,
            inflated: Cell::new(0),
            most_inflated: limits.max_inflated_bytes,
            tripped: RefCell::new(None),
        }
    }

    /// A piece is complete: the next may be as long again.
    pub(crate) fn piece_done(&self) {
        self.piece.set(0);
    }

    /// The limit that a reader went beyond, if that is why it failed.
    pub(crate) fn tripped(&self) -> Option<ReadError> {
        self.tripped.borrow_mut().take()
    }

    fn trip(&self, error: ReadError) -> io::Error {
        *self.tripped.borrow_mut() = Some(error);
        io::Error::other("beyond a limit")
    }
}

/// A reader whose bytes are counted.
pub(crate) struct Metered<'m, R> {
    inner: R,
    meter: &'m Meter,
    entry: Option<EntryLimit>,
}

/// What one entry of a zip may inflate to.
#[derive(Clone, Copy)]
pub(crate) struct EntryLimit {
    /// Bytes so far.
    pub(crate) inflated: u64,
    /// The most.
    pub(crate) most: u64,
    /// The setting that says so.
    pub(crate) setting: &'static str,
    /// The value of that setting.
    pub(crate) allows: u64,
}

impl<'m, R: Read> Metered<'m, R> {
    /// Counts the bytes of a plain file.
    pub(crate) fn plain(inner: R, meter: &'m Meter) -> Metered<'m, R> {
        Metered { inner, meter, entry: None }
    }

    /// Counts what an entry inflates to.
    pub(crate) fn inflating(inner: R, meter: &'m Meter, limit: EntryLimit) -> Metered<'m, R> {
        Metered { inner, meter, entry: Some(limit) }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let bytes = count as u64;
        let meter = self.meter;
        meter.piece.set(meter.piece.get() + bytes);
        if meter.piece.get() > meter.most_of_piece {
            return Err(meter.trip(ReadError::too_large(
                "a longer row or cell",
                "FANDOM_MAX_ROW_BYTES",
                meter.most_of_piece,
            )));
        }
        if let Some(entry) = &mut self.entry {
            entry.inflated += bytes;
            meter.inflated.set(meter.inflated.get() + bytes);
            if entry.inflated > entry.most {
                let what = format!("an entry that inflates to more than {} bytes", entry.most);
                return Err(meter.trip(ReadError::too_large(what, entry.setting, entry.allows)));
            }
            if meter.inflated.get() > meter.most_inflated {
                return Err(meter.trip(ReadError::too_large(
                    "more bytes when inflated",
                    "FANDOM_MAX_INFLATED_BYTES",
                    meter.most_inflated,
                )));
            }
        }
        Ok(count)
    }
}

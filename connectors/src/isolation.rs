//! Files read in a process of their own, so that one on which the reader breaks takes nothing else with it.
//!
//! ```text
//!  connector                                    `fandom read-workbook PATH`, under limits of memory and time
//!    apart::read ──request (JSON) on its stdin──▶ child::run ─▶ workbook::read
//!         ▲ RecordSink ◀─ records ◀─ frames ◀──────── its stdout ◀─ row JSON, rejects, how it ended
//! ```
//!
//! The reader bounds what a file may cost ([`Limits`](crate::workbook::Limits)), and catches its own panics. What neither of them holds
//! back, a stack or memory that overflows or a loop without end, ends the child alone: the file is refused with that reason.
//!
//! A row crosses the pipe as the JSON that goes onto the log, so it is not taken apart again. The child has no environment but
//! what it needs: no address and no secret of the connector.

mod apart;
mod child;
mod frames;
mod records;

use std::path::{Path, PathBuf};

use crate::reading::Reading;
use crate::workbook::ReadSummary;

pub use child::run as run_child;
pub(crate) use records::RecordSink;

/// The hidden command of the program that reads a file for another process of it.
pub const COMMAND: &str = "read-workbook";

/// Why a file was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// For a reason that lies in the file, in words for a person.
    File(String),
    /// For one that lies in the machine; it may work later.
    Machine(String),
    /// The receiver wanted no more.
    Stopped,
}

/// How files are read: here, or by a process each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// The program that has the command [`COMMAND`]. Without one, files are read in this process.
    program: Option<PathBuf>,
}

impl Isolation {
    /// By a process each of this very program, which must have the command [`COMMAND`].
    pub fn of_this_program() -> Isolation {
        // Even if a newer one stands at its place by now.
        let own = PathBuf::from("/proc/self/exe");
        Isolation { program: if own.exists() { Some(own) } else { std::env::current_exe().ok() } }
    }

    /// Reads the file at `path`, known to people as `name`; see [`crate::workbook::read`]. A row is handed over as JSON if that is at most
    /// `largest` bytes, else as one that could not be read.
    pub(crate) fn read(
        &self,
        path: &Path,
        name: &str,
        reading: &Reading,
        largest: usize,
        sink: &mut dyn RecordSink,
    ) -> Result<ReadSummary, Unreadable> {
        match &self.program {
            Some(program) => apart::read(program, path, name, reading, largest, sink),
            None => records::read(path, name, &reading.options, largest, sink),
        }
    }
}

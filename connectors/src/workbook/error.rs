//! Why a file as a whole could not be read.

use std::io;

/// Whose fault it is that a file could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file's: reading it again gives the same.
    File,
    /// The machine's: reading it again may work.
    Machine,
    /// Nobody's: the receiver stopped the read.
    Receiver,
}

/// Why a file as a whole could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No spreadsheet format that is known.
    #[error("the file is not a spreadsheet (.xlsx, .xlsb, .xls, .ods or .csv): export it again in one of these formats")]
    NotASpreadsheet,
    /// It has no bytes.
    #[error("the file is empty (0 bytes): export it again")]
    Empty,
    /// It was cut off or changed on its way.
    #[error("the file is damaged ({detail}): upload it again, or export it again")]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// It is protected by a password.
    #[error("the workbook is protected by a password: save it without one")]
    PasswordProtected,
    /// It costs more than a file may.
    #[error("the file is too large: {what} of at most {most} ({setting}): export a shorter period, or raise the limit")]
    TooLarge {
        /// What is too much, such as `12000000 cells`.
        what: String,
        /// How much is allowed.
        most: u64,
        /// The name of the limit.
        setting: &'static str,
    },
    /// A sheet's content cannot be read.
    #[error("the sheet `{sheet}` cannot be read ({detail}): save the workbook again with a spreadsheet program")]
    UnreadableSheet {
        /// The sheet's name.
        sheet: String,
        /// What was found.
        detail: String,
    },
    /// The file could not be had from the disk.
    #[error("the file could not be read from the disk")]
    Io(#[from] io::Error),
    /// The receiver wanted no more.
    #[error("reading was stopped")]
    Stopped,
}

impl ReadError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            ReadError::Io(_) => Fault::Machine,
            ReadError::Stopped => Fault::Receiver,
            _ => Fault::File,
        }
    }

    /// Whether reading the same bytes again may work.
    pub fn may_retry(&self) -> bool {
        self.fault() == Fault::Machine
    }
}

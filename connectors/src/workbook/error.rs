//! Why a file as a whole could not be read.

use std::io;

/// Whose fault it is that a file could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file's: reading the same bytes again ends the same.
    File,
    /// The machine's: reading again may work.
    Machine,
    /// Nobody's: the receiver stopped the read.
    Receiver,
}

/// Why a file as a whole could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is in no spreadsheet format that is known.
    #[error("the file is not a spreadsheet ({found}): export it again as .xlsx, .xlsb, .xls, .ods or .csv")]
    NotASpreadsheet {
        /// What it is instead.
        found: &'static str,
    },
    /// It has no bytes.
    #[error("the file is empty (0 bytes): export it again")]
    Empty,
    /// It was cut off, or changed on its way.
    #[error("the file is damaged ({detail}): copy it again, or export it again")]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// It is protected by a password.
    #[error("the workbook is protected by a password: save it without one")]
    PasswordProtected,
    /// It costs more than a file may.
    #[error(
        "the file is too large: it has {what}, and {setting} allows {most}: export a shorter period, or raise the setting"
    )]
    TooLarge {
        /// What there is too much of, such as `more cells`.
        what: String,
        /// How much is allowed.
        most: u64,
        /// The setting that says so: its name is that of a field of [`Limits`](super::Limits).
        setting: &'static str,
    },
    /// The content of a sheet cannot be read.
    #[error("the sheet `{sheet}` cannot be read ({detail}): save the workbook again with a spreadsheet program")]
    UnreadableSheet {
        /// The sheet's name.
        sheet: String,
        /// What was found.
        detail: String,
    },
    /// The bytes could not be had from the disk.
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

    pub(crate) fn damaged(detail: impl Into<String>) -> ReadError {
        ReadError::Damaged { detail: clipped(detail.into()) }
    }

    pub(crate) fn too_large(what: impl Into<String>, setting: &'static str, most: u64) -> ReadError {
        ReadError::TooLarge { what: what.into(), most, setting }
    }
}

/// A text that may quote what a file holds, short enough to be shown.
pub(crate) fn clipped(text: String) -> String {
    const LONGEST: usize = 250;
    if text.len() <= LONGEST { text } else { format!("{}…", &text[..text.floor_char_boundary(LONGEST)]) }
}

//! Where files come from.
//!
//! A source knows how to list its files and to lay the bytes of one of them on the local disk. What the bytes mean is not its
//! business ([`crate::workbook`]), nor what becomes of them (`publish`).

pub mod drive;
pub mod folder;
mod stamp;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::reading::Reading;
pub use stamp::exported_at;

/// Something that shows files, and shows them again when they change.
///
/// The listing is the truth: a file that it does not show is gone. A source that cannot list all of its files must fail, or say
/// which of them it does not know about now.
pub trait Source: Send + Sync + 'static {
    /// The source's name: the first part of the ids of its files.
    fn name(&self) -> &str;

    /// Lists every file that is there now.
    fn look(&self) -> impl Future<Output = Result<Listing, SourceError>> + Send;

    /// Returns when it is time to look again: something may have changed, or enough time has passed. Cancel safe.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// From one look to the next, about, where nothing happens.
    fn every(&self) -> Duration;

    /// Takes how often to look for changes where that is not as the source was made: by folder, of the whole source under no name.
    fn pace(&self, intervals: &HashMap<String, Duration>);

    /// Asks the source to look for changes now, if it does not do so at each look.
    fn hurry(&self) {}

    /// Lays the content of a file on the local disk and takes its digest.
    fn fetch(&self, seen: &Seen, stop: &CancellationToken) -> impl Future<Output = Result<Content, FetchError>> + Send;
}

/// What the name of a source must be, and whether a text is that.
pub(crate) const NAME_FORM: &str = "a name of letters, digits, `-`, `_` or `.`";

/// See [`NAME_FORM`].
pub(crate) fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// What a source shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files.
    pub files: Vec<Seen>,
    /// Ids of files, and (ending in `/` or `:`) beginnings of ids, of which nothing is known at this moment.
    pub unknown: Vec<String>,
    /// Parts that cannot be looked at now. Their files are shown as they last were, or are unknown.
    pub troubles: Vec<Trouble>,
    /// What is there and is not read.
    pub passed_over: Vec<PassedOver>,
    /// The folder that all of it is in, for a source that is one.
    pub root: Option<Root>,
}

/// The folder of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Device and inode: what tells it from another folder of the same path.
    pub identity: String,
    /// Whether it is right, whatever it holds, also if it is another one than before.
    pub accepted: bool,
}

impl Listing {
    /// Whether nothing is known of that file at this moment.
    pub fn is_unknown(&self, file: &str) -> bool {
        self.unknown
            .iter()
            .any(|unknown| if unknown.ends_with(['/', ':']) { file.starts_with(unknown) } else { file == unknown })
    }
}

/// A file as a source shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The file's id: `<source>:<relative path>`, or `<source>:<the source's own id>`.
    pub file: String,
    /// Name or path, as it is shown to people.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last changed, in microseconds since the Unix epoch.
    pub modified_us: i64,
    /// When it was exported, in seconds since the Unix epoch.
    pub exported_at: i64,
    /// Whether its content is complete, as far as the source can tell.
    pub settled: bool,
    /// Why it can never be read, whatever it holds.
    pub unusable: Option<String>,
    /// What the source says of its content beside size and time: a checksum, or the number of a revision.
    pub fingerprint: Option<String>,
    /// How it is read, where not as the other files of the source.
    pub reading: Option<Arc<Reading>>,
    /// The id of the folder of Google Drive through which it was found, if it was.
    pub drive_folder: Option<Arc<str>>,
    /// Where it is on the local disk, for a source that has it there.
    pub path: PathBuf,
}

impl Seen {
    /// When it was last changed, in whole seconds since the Unix epoch.
    pub fn modified_at(&self) -> i64 {
        self.modified_us.div_euclid(1_000_000)
    }
}

/// Something that a source holds and does not read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PassedOver {
    /// Its name or path.
    pub name: String,
    /// Why.
    pub reason: &'static str,
}

/// A part of a source that cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Which part.
    pub what: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether it stays until somebody does that; else it may pass by itself.
    pub permanent: bool,
}

/// The bytes of a file on the local disk.
#[derive(Debug)]
pub struct Content {
    /// Where they are.
    pub path: PathBuf,
    /// What tells them from other content.
    pub digest: Digest,
    stamp: Option<folder::Stamp>,
    /// A download is deleted when it was read.
    _download: Option<tempfile::TempPath>,
}

/// What tells content from other content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256 of its bytes, in hexadecimal digits.
    Bytes(String),
    /// Its rows: its bytes differ from one time to the next although it is the same.
    Rows,
}

impl Content {
    /// Whether the bytes are still those of which the digest was taken.
    pub fn is_unchanged(&self) -> bool {
        self.stamp.is_none_or(|stamp| folder::Stamp::of(&self.path).is_ok_and(|now| now == stamp))
    }
}

/// Why a source could not be listed. It is looked at again later.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The folder itself could not be read. Its files are not taken for deleted.
    #[error("the folder {} could not be read; files that were published stay until it can be", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A service that holds the files cannot be looked at. What was published stays.
    #[error("{what} cannot be looked at; files that were published stay", what = .0.what)]
    Service(Trouble),
    /// It is another folder than before, and holds nothing of what counts. Its files are not taken for deleted.
    #[error(
        "the folder is not the one that was watched before and holds none of its {files} files, which stay as they are: mount \
         its disk; or, if they shall be taken back, start once with FANDOM_INBOX_MOVED=yes"
    )]
    AnotherFolder {
        /// How many files counted.
        files: usize,
    },
}

impl SourceError {
    /// The same as it is shown to people.
    pub fn trouble(&self) -> Trouble {
        match self {
            SourceError::Folder { folder, cause } => Trouble {
                what: format!("the folder {}", folder.display()),
                reason: cause.to_string(),
                remedy: "make it, mount its disk, or name another in FANDOM_INBOX (of uploads, FANDOM_UPLOADS_DIR)"
                    .to_owned(),
                permanent: false,
            },
            SourceError::AnotherFolder { files } => Trouble {
                what: "the folder".to_owned(),
                reason: format!(
                    "it is another one than before, and holds none of its {files} files, which stay as they are"
                ),
                remedy: "mount its disk; if they shall be taken back, start once with FANDOM_INBOX_MOVED=yes"
                    .to_owned(),
                permanent: false,
            },
            SourceError::Service(trouble) => trouble.clone(),
        }
    }
}

/// Why the content of a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It changed or went away meanwhile: look again.
    #[error("the file changed while it was read")]
    Changed,
    /// The system refused; it may work later.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
    /// The service that holds it did not give it.
    #[error("{reason}")]
    Source {
        /// What is wrong and what to do, as it is shown to people.
        reason: String,
        /// Whether it stays until somebody does that.
        permanent: bool,
    },
    /// The process is stopping.
    #[error("stopped")]
    Stopped,
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string can be written to");
        text
    })
}

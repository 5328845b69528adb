//! Where files come from.
//!
//! A source knows how to list its files and to lay the bytes of one of them on the local disk. What the bytes mean is not its
//! business ([`crate::workbook`]), nor what becomes of them (`publish`).

pub mod folder;
mod stamp;

use std::future::Future;
use std::io;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

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

    /// Lays the content of a file on the local disk and takes its digest.
    fn fetch(&self, seen: &Seen, stop: &CancellationToken) -> impl Future<Output = Result<Content, FetchError>> + Send;
}

/// What a source shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files.
    pub files: Vec<Seen>,
    /// Ids of files, and (ending in `/`) beginnings of ids, of which nothing is known at this moment.
    pub unknown: Vec<String>,
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
            .any(|unknown| if unknown.ends_with('/') { file.starts_with(unknown) } else { file == unknown })
    }
}

/// A file as a source shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The file's id: `<source>:<relative path>`.
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

/// The bytes of a file on the local disk.
#[derive(Debug)]
pub struct Content {
    /// Where they are.
    pub path: PathBuf,
    /// SHA-256 of them, in hexadecimal digits.
    pub sha256: String,
    stamp: Option<folder::Stamp>,
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

/// Why the content of a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It changed or went away meanwhile: look again.
    #[error("the file changed while it was read")]
    Changed,
    /// The system refused; it may work later.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
    /// The process is stopping.
    #[error("stopped")]
    Stopped,
}

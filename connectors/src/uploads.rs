//! The table `app.uploads`: every file that a source has shown, and where it stands.
//!
//! Each change is one statement, and so one transaction. All of them go over the session that holds the source's lock
//! ([`mod@crate::run`]): a connector that has lost its lock cannot change a file's state.

pub mod decide;
mod store;

use serde::{Deserialize, Serialize};

use crate::reading;
use crate::source::Seen;
pub use store::{Counts, StoreError, Uploads};
pub(crate) use store::{News, Request, What};

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is there and was not read yet.
    Seen,
    /// A version was begun.
    Publishing,
    /// The rows of its newest version count.
    Live,
    /// Its content could not be read. Rows of an earlier version, if there is one, still count.
    Failed,
    /// It is not there any more, and none of its rows count.
    Gone,
}

impl State {
    /// All of them, in the order of a file's life.
    pub const ALL: [State; 5] = [State::Seen, State::Publishing, State::Live, State::Failed, State::Gone];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            State::Seen => "seen",
            State::Publishing => "publishing",
            State::Live => "live",
            State::Failed => "failed",
            State::Gone => "gone",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A version that was begun, and how many ordinals were set aside for it: every row of it that was ever
/// produced has an ordinal below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The version.
    pub version: u64,
    /// Ordinals set aside.
    pub ordinals: u64,
    /// Whether its manifest may be on the log: its rows may be those that count.
    #[serde(default)]
    pub sealed: bool,
}

/// A row of `app.uploads`, without what is only shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The file's id.
    pub file: String,
    /// Name or path, as the source shows it.
    pub name: String,
    /// Partition of `fandom.rows`.
    pub partition: i32,
    /// Where it stands.
    pub state: State,
    /// The newest version that was begun.
    pub version: Option<u64>,
    /// The version whose rows count.
    pub live_version: Option<u64>,
    /// How many rows it has.
    pub live_rows: Option<u64>,
    /// Versions begun since.
    pub begun: Vec<Begun>,
    /// Size of the newest content, in bytes.
    pub size: Option<u64>,
    /// When that was last changed, in microseconds since the Unix epoch.
    pub modified_us: Option<i64>,
    /// When that was exported, in seconds since the Unix epoch.
    pub exported_at: Option<i64>,
    /// SHA-256 of the newest content.
    pub sha256: Option<String>,
    /// What it was read with.
    pub reading: Option<String>,
    /// What the source said of the newest content beside size and time.
    pub fingerprint: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Upload {
    /// Whether rows of it count, or may count for all that is known.
    pub fn may_count(&self) -> bool {
        self.live_version.is_some() || !self.begun.is_empty() || self.state == State::Publishing
    }

    /// Whether that version was begun and is not finished.
    pub fn has_begun(&self, version: u64) -> bool {
        self.begun.iter().any(|begun| begun.version == version)
    }

    /// Whether the file was read to the end, with this name, size, time of change and fingerprint, and in this way.
    pub fn is_of(&self, seen: &Seen, reading: &str) -> bool {
        matches!(self.state, State::Live | State::Failed)
            && self.name == seen.name
            && self.size == Some(seen.size)
            && self.fingerprint == seen.fingerprint
            && self.modified_us == Some(seen.modified_us)
            && self.exported_at == Some(seen.exported_at)
            && self.sha256.is_some()
            && reading::is_same(self.reading.as_deref(), reading)
    }

    /// When the newest content was last changed, in whole seconds since the Unix epoch.
    pub fn modified_at(&self) -> Option<i64> {
        self.modified_us.map(|us| us.div_euclid(1_000_000))
    }
}

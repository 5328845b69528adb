//! The message archive: the texts of live messages in Postgres, encrypted at rest.
//!
//! ```text
//!  fandom.rows  ──rows, manifests──┐
//!  fandom.texts ──texts────────────┴▶ reader ─▶ batch ─▶ one transaction: store, release, progress ─▶ app.archive_*
//! ```
//!
//! It is a consumer of its own; the dataflow never sees a text. A message is live exactly as METRICS.md §2 says: with the newest
//! complete version of its file, all rows of a version at once. Of a message that several live files hold, the others are
//! *shadowed* by the winner.
//!
//! Invariants
//! 1. Rows, texts and how far the log was read are of one transaction: killed anywhere, it goes on where it was.
//! 2. A text is in Postgres only sealed, and only as long as its version may still count: a manifest removes the texts of all
//!    versions before it, a tombstone its own.
//! 3. At most one archive writes: it holds a lock over the very connection that it writes through.
//! 4. Memory is bounded: three batches, and what the client fetches ahead.
//!
//! - [`mod@run`]: sessions, each from a connection made to a connection lost.
//! - `reader`: the log, by a thread of its own. - `decode`: a record to an event. - `batch`: events, folded.
//! - `store`: a batch into the tables. - `release`: what a manifest makes live.
//! - [`mod@rotate`]: seals with the newest key what an older one sealed.

mod batch;
mod decode;
mod error;
mod meters;
mod reader;
mod release;
pub mod rotate;
pub mod run;
mod settings;
mod store;

pub use error::ArchiveError;
pub use meters::METRICS;
pub use rotate::rotate;
pub use run::run;
pub use settings::ArchiveSettings;

//! A version of a file onto the log.
//!
//! ```text
//!  app.uploads   begin(version, ordinals)   reserve…     seal(rows)                                     live
//!  fandom.texts        ·           texts ───────▶ ·                            tombstones ───▶ ·
//!  fandom.rows         ·           rows ────────▶ ·          manifest ───▶ ·   tombstones ───▶ ·
//! ```
//!
//! Each step waits until the one before is on disk or acknowledged by every replica.
//!
//! 1. No row is produced whose ordinal was not set aside in `app.uploads` before, so every key that was ever produced
//!    is known after a crash.
//! 2. The manifest follows when every row and text of the version is on the log, and only if this connector still holds the
//!    source's lock: the version is sealed over the session that holds it.
//! 3. Tombstones follow the manifest: for the version that counted before and for every version that was begun
//!    since. A reader of the log therefore finds, at any moment, the rows of the version that the last manifest names.
//! 4. A version that was begun is published again under its number if content, order and reading are still the same; the
//!    result is the same, since each record overwrites its equal. Otherwise a new version is begun, and the rows
//!    of the old one are taken off the log after the new manifest.
//! 5. If the content cannot be read, the rows of the attempt are taken off again, with those of every version that was begun and not
//!    sealed; the version before, if there is one, still counts. A person sees in `app.uploads` that the file failed,
//!    and that older rows stand in for it.

mod content;
mod log;
mod manifest;
mod rows;
mod spans;
mod versions;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use fandom_schemas::manifest::Manifest;
use fandom_schemas::rejects::Reject;
use fandom_services::failpoints;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(crate) use self::log::{Broker, Log, LogError};

use self::log::{Flight, LARGEST_VALUE};
use self::rows::{FIRST_ORDINALS, VersionRows};
use self::spans::Traced;
use self::versions::{superseded, unfinished, with_previous};
use crate::isolation::{Isolation, Unreadable};
use crate::meters;
use crate::reading::Reading;
use crate::source::{Content, Digest, FetchError, Seen, Source};
use crate::uploads::decide::{ContentAction, decide_content};
use crate::uploads::{StoreError, Upload, Uploads};
use crate::workbook::{ReadSummary, mapping};

/// Brings files of one source onto the log, over one session.
pub(crate) struct Publisher {
    pub log: Arc<Log>,
    pub uploads: Uploads,
    /// How files are read whose source says nothing else.
    pub reading: Arc<Reading>,
    /// Where they are read.
    pub isolation: Isolation,
    /// Called when the session ends.
    pub stop: CancellationToken,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its state is final until it changes.
    Done,
    /// It changed while it was read: to be looked at again.
    Changed,
    /// It could not be had: to be tried again soon.
    Unread,
    /// Its source refuses it until somebody does something: to be tried again when it changes, or after a while.
    Refused,
}

/// Why a file is not finished. It is taken up again with the next session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Publisher {
    async fn bring_traced<S: Source>(
        &self,
        source: &S,
        seen: &Seen,
        known: Option<&Upload>,
        trace: &Traced,
    ) -> Result<Outcome, PublishError> {
        let content = match source.fetch(seen, &self.stop).await {
            Ok(content) => content,
            Err(FetchError::Changed) => return Ok(Outcome::Changed),
            Err(FetchError::Stopped) => return Err(LogError::Stopped.into()),
            Err(FetchError::Io(error)) => return self.unread(seen, known, &error).await,
            Err(FetchError::Source { reason, permanent }) => {
                let outcome = if permanent { Outcome::Refused } else { Outcome::Unread };
                return self.not_had(seen, known, &reason, outcome).await;
            }
        };
        let reading = seen.reading.as_ref().unwrap_or(&self.reading);
        let sha256 = match &content.digest {
            Digest::Bytes(sha256) => sha256.clone(),
            Digest::Rows => match content::digest_of_rows(&content.path, &seen.name, reading, &self.isolation).await {
                Ok(sha256) => sha256,
                Err(error) => return self.unread(seen, known, &error).await,
            },
        };
        match decide_content(known, seen, &sha256, &reading.key) {
            ContentAction::Refresh => {
                self.uploads.refresh(seen).await?;
                Ok(Outcome::Done)
            }
            ContentAction::Resume(version) => {
                let upload = self.uploads.resume(&seen.file, version, FIRST_ORDINALS).await?;
                self.publish(seen, content, (&upload, true), trace).await
            }
            ContentAction::Publish => {
                failpoints::pass("connector.before_begin");
                let partitions = self.log.partitions;
                let upload = self.uploads.begin(seen, &sha256, &reading.key, FIRST_ORDINALS, partitions).await?;
                self.publish(seen, content, (&upload, false), trace).await
            }
        }
    }

    /// Says why a file cannot be read, whatever it holds.
    pub async fn refuse(&self, seen: &Seen, known: Option<&Upload>, reason: &str) -> Result<Outcome, PublishError> {
        tracing::warn!(file = seen.file, reason, "file cannot be published");
        let partition = known
            .map(|known| known.partition)
            .or_else(|| i32::try_from(fandom_schemas::keys::partition(&seen.file, self.log.partitions)).ok());
        let flight = Flight::new(partition.unwrap_or_default(), self.stop.clone());
        // No version of it was begun.
        self.send_letter(&flight, seen, 0, 0, reason).await?;
        flight.delivered().await?;
        self.uploads.unread(seen, &with_previous(reason, known), self.log.partitions).await?;
        meters::file("failed");
        Ok(Outcome::Done)
    }

    async fn retract_traced(&self, known: &Upload, trace: &Traced) -> Result<Outcome, PublishError> {
        let began = Instant::now();
        failpoints::pass("connector.before_begin");
        let upload = self.uploads.retract(&known.file).await?;
        let version = upload.version.unwrap_or_default();
        let flight = Flight::new(upload.partition, self.stop.clone());
        let exported_at = upload.exported_at.unwrap_or_default();
        let modified_at = upload.modified_at().unwrap_or_default();
        let manifest = manifest::gone(
            &upload.file,
            version,
            &upload.name,
            &self.reading.options.zone_name,
            exported_at,
            modified_at,
        );
        let json = manifest::to_json(manifest).expect("a manifest without sheets is small");
        self.send_manifest(&flight, &upload.file, json, trace.header()).await?;
        self.clear(&flight, &upload.file, superseded(&upload, None)).await?;
        failpoints::pass("connector.before_live");
        self.uploads.gone(&upload.file).await?;
        meters::file("gone");
        let duration_ms = millis(began);
        tracing::info!(file = upload.file, version, rows = upload.live_rows, duration_ms, "file retracted");
        Ok(Outcome::Done)
    }

    /// Notes that a file is not there any more, none of whose rows ever counted.
    pub async fn forget(&self, known: &Upload) -> Result<Outcome, PublishError> {
        self.uploads.gone(&known.file).await?;
        meters::file("gone");
        Ok(Outcome::Done)
    }

    async fn publish(
        &self,
        seen: &Seen,
        content: Content,
        (upload, resumed): (&Upload, bool),
        trace: &Traced,
    ) -> Result<Outcome, PublishError> {
        let began = Instant::now();
        let version = upload.version.unwrap_or_default();
        let flight = Flight::new(upload.partition, self.stop.clone());
        let reading = self.read(seen, &content, upload, version, &flight).instrument(spans::reading());
        let (mut rows, read) = reading.await;
        trace.read(version, rows.rows, rows.rejects);
        let attempt = Attempt { seen, upload, version, rows: rows.rows, rejects: rows.rejects };
        let sheets = match read {
            Ok(ReadSummary { sheets }) => sheets,
            Err(Unreadable::Stopped) => {
                let error = rows.error.take().unwrap_or(PublishError::Log(LogError::Stopped));
                return self.fail_if_of_the_record(attempt, error).await;
            }
            Err(_) if !content.is_unchanged() => return Ok(Outcome::Changed),
            Err(Unreadable::Machine(reason)) => {
                return self.unread(seen, Some(upload), &io::Error::other(reason)).await;
            }
            Err(Unreadable::File(reason)) => return self.fail(attempt, &reason).await,
        };
        if let Err(error) = flight.delivered().await {
            return self.fail_if_of_the_record(attempt, error.into()).await;
        }
        if !content.is_unchanged() {
            return Ok(Outcome::Changed);
        }
        let counts = manifest::counts(&sheets);
        // What has no sheet at all, or one that is unknown or mapped, may be read otherwise when mappings change.
        let built_in =
            !sheets.is_empty() && sheets.iter().all(|sheet| sheet.kind.is_some() && !mapping::is_mapped(sheet));
        let zone = &seen.reading.as_ref().unwrap_or(&self.reading).options.zone_name;
        let live: Manifest = manifest::live(seen, version, zone, rows.rows, rows.checksum, sheets);
        let json = match manifest::to_json(live) {
            Ok(json) => json,
            Err(reason) => return self.fail(attempt, &reason).await,
        };
        self.uploads.seal(&seen.file, version, rows.rows).await?;
        self.send_manifest(&flight, &seen.file, json, trace.header()).await?;
        let manifest_ms = millis(began);
        self.clear(&flight, &seen.file, superseded(upload, Some(version))).await?;
        failpoints::pass("connector.before_live");
        let reading = seen.reading.as_ref().unwrap_or(&self.reading);
        let reading = if built_in { reading.key_without_mappings() } else { &*reading.key };
        self.uploads.live(&seen.file, version, rows.rows, &counts, reading).await?;
        meters::file("live");
        meters::published(rows.rows, rows.rejects, began.elapsed());
        tracing::info!(
            file = seen.file,
            version,
            rows = rows.rows,
            rejected = counts.rejected,
            resumed,
            trace_id = trace.id(),
            manifest_ms,
            duration_ms = millis(began),
            notice = counts.notice,
            "file published"
        );
        Ok(Outcome::Done)
    }

    /// Reads the content and sends its rows.
    async fn read(
        &self,
        seen: &Seen,
        content: &Content,
        upload: &Upload,
        version: u64,
        flight: &Flight,
    ) -> (VersionRows, Result<ReadSummary, Unreadable>) {
        let reserved = upload.begun.iter().find(|begun| begun.version == version).map_or(0, |begun| begun.ordinals);
        let names = (seen.file.as_str(), seen.name.as_str());
        let mut rows = VersionRows::new(&self.log, &self.uploads, flight, names, version, reserved);
        let how = Arc::clone(seen.reading.as_ref().unwrap_or(&self.reading));
        let (path, name, isolation) = (content.path.clone(), seen.name.clone(), self.isolation.clone());
        let size = seen.size;
        let reading = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let read = isolation.read(&path, &name, &how, LARGEST_VALUE, &mut rows);
            meters::read(size, began.elapsed());
            // Of a file that turns out to be unreadable, the rows that were rejected before tell something too.
            let read = match (read, rows.write_kept()) {
                (Err(Unreadable::Stopped), _) => Err(Unreadable::Stopped),
                (_, Err(error)) => {
                    rows.error.get_or_insert(error);
                    Err(Unreadable::Stopped)
                }
                (read, Ok(())) => read,
            };
            (rows, read)
        });
        reading.await.expect("the reader's panics are caught, and the task is not aborted")
    }

    async fn fail_if_of_the_record(&self, attempt: Attempt<'_>, error: PublishError) -> Result<Outcome, PublishError> {
        match error {
            PublishError::Log(error) if error.is_of_the_record() => self.fail(attempt, &error.to_string()).await,
            error => Err(error),
        }
    }

    /// Ends an attempt at content that cannot be read.
    async fn fail(&self, attempt: Attempt<'_>, reason: &str) -> Result<Outcome, PublishError> {
        let Attempt { seen, upload, version, rows, rejects } = attempt;
        let flight = Flight::new(upload.partition, self.stop.clone());
        self.send_letter(&flight, seen, version, rejects, reason).await?;
        self.clear(&flight, &seen.file, unfinished(upload, version, rows)).await?;
        flight.delivered().await?;
        failpoints::pass("connector.before_failed");
        self.uploads.failed(&seen.file, version, &with_previous(reason, Some(upload))).await?;
        meters::file("failed");
        tracing::warn!(file = seen.file, version, reason, "file cannot be published");
        Ok(Outcome::Done)
    }

    async fn unread(&self, seen: &Seen, known: Option<&Upload>, error: &io::Error) -> Result<Outcome, PublishError> {
        if error.kind() == io::ErrorKind::NotFound {
            return Ok(Outcome::Changed);
        }
        let reason = format!("the file could not be read from the disk: {error}; it is tried again");
        self.not_had(seen, known, &reason, Outcome::Unread).await
    }

    /// Says once why the content could not be had.
    async fn not_had(
        &self,
        seen: &Seen,
        known: Option<&Upload>,
        reason: &str,
        outcome: Outcome,
    ) -> Result<Outcome, PublishError> {
        let reason = with_previous(reason, known);
        let is_news = known.is_none_or(|known| known.error.as_deref() != Some(&reason));
        if is_news {
            tracing::warn!(file = seen.file, reason, "file cannot be published");
            meters::file("failed");
        }
        self.uploads.unread(seen, &reason, self.log.partitions).await?;
        Ok(outcome)
    }

    /// Sends the dead letter of a file as a whole, which follows those of `rejects` rows.
    async fn send_letter(
        &self,
        flight: &Flight,
        seen: &Seen,
        version: u64,
        rejects: u64,
        reason: &str,
    ) -> Result<(), PublishError> {
        let reject = Reject {
            file: seen.file.clone(),
            version,
            name: seen.name.clone(),
            sheet: None,
            row: None,
            column: None,
            reason: reason.to_owned(),
            cells: Vec::new(),
        };
        let (log, to, key) = (Arc::clone(&self.log), flight.clone(), format!("{}/{version}/{rejects}", seen.file));
        blocking(move || rows::send_reject(&log, &to, key.as_bytes(), reject)).await
    }

    async fn send_manifest(
        &self,
        flight: &Flight,
        file: &str,
        json: Vec<u8>,
        trace: Option<String>,
    ) -> Result<(), PublishError> {
        failpoints::pass("connector.before_manifest");
        let (log, to, key) = (Arc::clone(&self.log), flight.clone(), file.to_owned());
        blocking(move || Ok(log.manifest(&to, key.as_bytes(), &json, trace.as_deref())?)).await?;
        flight.delivered().await?;
        failpoints::pass("connector.after_manifest");
        Ok(())
    }

    /// Takes rows and texts off the log: of each version, the ordinals below a number.
    async fn clear(&self, flight: &Flight, file: &str, versions: Vec<(u64, u64)>) -> Result<(), PublishError> {
        if versions.iter().all(|(_, ordinals)| *ordinals == 0) {
            return Ok(());
        }
        let (log, to, file) = (Arc::clone(&self.log), flight.clone(), file.to_owned());
        blocking(move || {
            for (version, ordinals) in versions {
                let mut key = format!("{file}/{version}/").into_bytes();
                let prefix = key.len();
                for ordinal in 0..ordinals {
                    to.check()?;
                    rows::write_ordinal(&mut key, prefix, ordinal);
                    log.row(&to, &key, None)?;
                    log.text(&to, &key, None)?;
                }
                meters::tombstones(ordinals);
            }
            Ok(())
        })
        .await?;
        Ok(flight.delivered().await?)
    }
}

/// An attempt at a version that has to be ended.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    seen: &'a Seen,
    upload: &'a Upload,
    version: u64,
    rows: u64,
    rejects: u64,
}

/// Does what may wait for the producer's queue.
async fn blocking(work: impl FnOnce() -> Result<(), PublishError> + Send + 'static) -> Result<(), PublishError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(PublishError::Log(LogError::Stopped)))
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

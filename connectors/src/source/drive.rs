//! Google Drive folders, with everything below them, as a source.
//!
//! ```text
//!     credentials ─▶ token ─▶ api ─▶ survey ─▶ store      page tokens and items, in Postgres
//!                              │        └────▶ view       files to be read
//!                              └─▶ download               their content
//! ```
//!
//! - `follow` runs the survey: a full listing at first and now and then, the feeds of changes in between.
//! - A file's id is that of Drive, so a file that is renamed or moved within the folders stays the same file.
//! - A file that is trashed, removed, unshared or moved out of the folders is shown no more. A configured folder that cannot be
//!   looked at is another matter: what was last known of it stays, and the trouble is shown.
//! - docs/google-drive.md says how to set it up, and what a user sees of each fault.

mod api;
mod credentials;
mod download;
mod error;
mod follow;
mod http;
mod item;
mod settings;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod view;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fandom_services::failpoints;
use fandom_services::postgres::PostgresSettings;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Content, Digest, FetchError, Listing, Seen, Source, SourceError, Trouble};
use crate::reading::Reading;
use crate::workbook::ReadOptions;
use api::Api;
pub use credentials::{Credentials, SCOPE};
use download::{DownloadError, download};
use follow::{Folder, Follower, Paces, Shown};
use http::Http;
use item::Kind;
pub use settings::{DriveFolder, DriveSettings};
use store::Store;
use token::AccessToken;

/// Temporary files of a process that was killed are removed when they are this old.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

/// Folders of Google Drive, with everything below them.
pub struct DriveSource {
    name: String,
    api: Arc<Api>,
    downloads: PathBuf,
    most: u64,
    shown: watch::Receiver<Shown>,
    /// How many looks the last listing took in.
    seen: Mutex<u64>,
    nudge: Arc<Notify>,
    /// Follows Drive from the first look on.
    follower: Mutex<Option<Follower>>,
    folders: Vec<Folder>,
    paces: Arc<Paces>,
}

impl DriveSource {
    /// A source over the folders of these settings. `options` is how files are read where a folder says nothing else; `stop`
    /// ends what it does by itself.
    ///
    /// # Errors
    /// When OpenSSL cannot be set up.
    pub fn new(
        settings: &DriveSettings,
        options: &ReadOptions,
        postgres: PostgresSettings,
        stop: CancellationToken,
    ) -> Result<DriveSource, openssl::error::ErrorStack> {
        let http = Http::new(settings.patience)?;
        let token = AccessToken::new(settings.credentials.clone());
        let api = Arc::new(Api::new(http, token, &settings.url, settings.backoff, stop.clone()));
        let folders: Vec<Folder> = settings.folders.iter().map(|folder| with_reading(folder, options)).collect();
        let ids: Vec<String> = folders.iter().map(|folder| folder.id.to_string()).collect();
        let Credentials { client_email, subject, .. } = &settings.credentials;
        let (sender, shown) = watch::channel(Shown::default());
        let nudge = Arc::new(Notify::new());
        let paces = Arc::new(Paces::default());
        let follower = Follower {
            source: settings.source.clone(),
            folders: folders.clone(),
            folders_key: store::folders_key(&ids, client_email, subject.as_deref()),
            reconcile: settings.reconcile,
            paces: Arc::clone(&paces),
            api: Arc::clone(&api),
            store: Store::new(postgres, &settings.source),
            shown: sender,
            nudge: Arc::clone(&nudge),
            stop,
        };
        Ok(DriveSource {
            name: settings.source.clone(),
            api,
            downloads: settings.downloads.clone(),
            most: options.limits.max_file_bytes,
            shown,
            seen: Mutex::new(0),
            nudge,
            follower: Mutex::new(Some(follower)),
            folders,
            paces,
        })
    }

    fn refused(&self, what: &Seen, error: &DownloadError) -> FetchError {
        let (remedy, permanent) = match error {
            DownloadError::Drive(error) => (error.remedy(self.api.token.account()), !error.is_transient()),
            DownloadError::Changed | DownloadError::Wrong { .. } => ("nothing, it is tried again".to_owned(), false),
            DownloadError::TooLarge { .. } => ("split it, or raise FANDOM_MAX_FILE_BYTES".to_owned(), true),
        };
        tracing::debug!(file = what.file, %error, permanent, "file could not be downloaded");
        FetchError::Source {
            reason: format!("the file could not be downloaded: {error}; what to do: {remedy}"),
            permanent,
        }
    }
}

fn with_reading(folder: &DriveFolder, options: &ReadOptions) -> Folder {
    let mut options = options.clone();
    if let Some((name, zone)) = &folder.zone {
        (options.zone_name, options.zone) = (name.clone(), zone.clone());
    }
    if let Some(platform) = &folder.platform {
        options.default_platform.clone_from(platform);
    }
    Folder { id: folder.id.as_str().into(), interval: folder.interval, reading: Arc::new(Reading::new(options)) }
}

impl Source for DriveSource {
    fn every(&self) -> Duration {
        self.paces.shortest(&self.folders)
    }

    fn pace(&self, intervals: &HashMap<String, Duration>) {
        if self.paces.replace(intervals) {
            self.nudge.notify_one();
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self) -> Result<Listing, SourceError> {
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower {
            let downloads = self.downloads.clone();
            drop(tokio::task::spawn_blocking(move || remove_left_over(&downloads)));
            tokio::spawn(follower.run());
        }
        let mut states = self.shown.clone();
        let shown = match states.wait_for(|shown| shown.looks > 0).await {
            Ok(shown) => shown.clone(),
            // It ended with the process.
            Err(_) => Shown::default(),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = shown.looks;
        match (shown.listing, shown.troubles) {
            (Some(listing), troubles) => Ok(Listing { troubles, ..Listing::clone(&listing) }),
            (None, troubles) => Err(SourceError::Service(troubles.into_iter().next().unwrap_or_else(|| Trouble {
                what: "Google Drive".into(),
                reason: "it was not looked at yet".into(),
                remedy: "nothing, it is tried again".into(),
                permanent: false,
            }))),
        }
    }

    async fn changed(&self) {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shown.clone().wait_for(|shown| shown.looks != seen).await.is_err() {
            // The process stops: there is nothing to look at.
            std::future::pending::<()>().await;
        }
    }

    fn hurry(&self) {
        self.nudge.notify_one();
    }

    async fn fetch(&self, seen: &Seen, stop: &CancellationToken) -> Result<Content, FetchError> {
        let items = Arc::clone(&self.shown.borrow().items);
        let Some(item) = items.get(&seen.file).filter(|item| Some(item.fingerprint()) == seen.fingerprint) else {
            return Err(FetchError::Changed);
        };
        let downloaded = download(&self.api, item, &self.downloads, self.most, stop).await;
        failpoints::pass("drive.downloaded");
        match downloaded {
            Ok(downloaded) => {
                let digest = match item.kind() {
                    Kind::Sheet => Digest::Rows,
                    _ => Digest::Bytes(downloaded.sha256),
                };
                let path = downloaded.path.to_path_buf();
                Ok(Content { path, digest, stamp: None, _download: Some(downloaded.path) })
            }
            Err(DownloadError::Changed) => {
                self.nudge.notify_one();
                Err(FetchError::Changed)
            }
            Err(DownloadError::Drive(error::DriveError::Stopped)) => Err(FetchError::Stopped),
            Err(error) => Err(self.refused(seen, &error)),
        }
    }
}

/// Removes downloads of processes that were killed.
fn remove_left_over(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let of_drive = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(download::PREFIX);
    for entry in entries.flatten().filter(of_drive) {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFT_OVER));
        if is_old {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

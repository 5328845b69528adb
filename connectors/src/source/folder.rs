//! A folder, with everything below it, as a source.
//!
//! The folder is looked through at a fixed pace; what the file system announces only makes the next look come at once.
//!
//! - A file's id is its path relative to the folder, so a moved file is one that went and another that came.
//! - A file counts as complete when two looks, at least the settling time apart, find the same size, time of change and inode.
//! - Hidden files, lock files of spreadsheet programs (`~$…`) and files that are no workbook by their extension are passed over.
//! - A folder below that cannot be read leaves its files as they were. If the folder itself cannot be read, the look fails:
//!   a disk that is not mounted must not take back everything that was ever published. Its mount point can be read, so the
//!   listing says which folder it is of.

mod walk;
mod watch;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Content, Digest as ContentDigest, FetchError, Listing, Root, Seen, Source, SourceError, exported_at, hex};
use walk::Found;
use watch::Watch;

/// A folder, with everything below it.
pub struct FolderSource {
    name: String,
    root: PathBuf,
    /// As it was made.
    poll: Duration,
    /// As was said since.
    pace: Mutex<Option<Duration>>,
    settle: Duration,
    accepted: bool,
    watch: Watch,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    settling: HashMap<PathBuf, (Stamp, Instant)>,
    looked: Option<Looked>,
}

#[derive(Clone, Copy)]
struct Looked {
    began: Instant,
    ended: Instant,
    /// When the first of the files that are not yet settled may be.
    settles: Option<Instant>,
}

/// What changes when a file's content does: size, time of change in nanoseconds, and (where there is one) inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    modified_ns: i128,
    inode: u64,
}

/// The years 1 to 9998.
const FIRST_INSTANT_US: i64 = -62_135_596_800_000_000;
const LAST_INSTANT_US: i64 = 253_370_764_800_000_000;

impl Stamp {
    /// The stamp of the file at that path.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn of(path: &Path) -> io::Result<Stamp> {
        Ok(Stamp::from_metadata(&fs::metadata(path)?))
    }

    fn from_metadata(metadata: &fs::Metadata) -> Stamp {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let modified_ns = match modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
        };
        Stamp { size: metadata.len(), modified_ns, inode: walk::identity(metadata).map_or(0, |(_, inode)| inode) }
    }

    /// A clock that was far off may have left an instant that no calendar has: then the nearest that has a date.
    fn modified_us(self) -> i64 {
        let us = i64::try_from(self.modified_ns.div_euclid(1000)).unwrap_or(0);
        us.clamp(FIRST_INSTANT_US, LAST_INSTANT_US)
    }
}

impl FolderSource {
    /// A source of that name over the folder `root`, which need not exist yet.
    pub fn new(name: &str, root: &Path, poll: Duration, settle: Duration) -> FolderSource {
        FolderSource {
            name: name.to_owned(),
            root: root.to_owned(),
            poll,
            pace: Mutex::new(None),
            settle,
            accepted: false,
            watch: Watch::new(root),
            state: Arc::default(),
        }
    }

    /// The same source; whether its folder is right even if another one was watched before.
    pub fn accepting(self, accepted: bool) -> FolderSource {
        FolderSource { accepted, ..self }
    }
}

impl Source for FolderSource {
    fn every(&self) -> Duration {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(self.poll);
        let looked = self.state.lock().unwrap_or_else(PoisonError::into_inner).looked;
        // However slow the disk, looking takes at most a tenth of the time unless something was announced.
        looked.map_or(pace, |Looked { began, ended, .. }| pace.max((ended - began) * 9))
    }

    fn pace(&self, intervals: &HashMap<String, Duration>) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = intervals.get("").copied();
    }

    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self) -> Result<Listing, SourceError> {
        let (root, name, settle, accepted) = (self.root.clone(), self.name.clone(), self.settle, self.accepted);
        let state = Arc::clone(&self.state);
        let looked = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let walked = walk::walk(&root);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let found = walked.map(|found| {
                let root = found.root.map(|(device, inode)| Root { identity: format!("{device}:{inode}"), accepted });
                Listing { root, ..state.settle(&name, found, settle) }
            });
            let ended = Instant::now();
            let settles = state.settling.values().map(|(_, since)| *since + settle).filter(|at| *at > ended).min();
            state.looked = Some(Looked { began, ended, settles });
            found
        });
        let looked = looked.await.unwrap_or_else(|broken| Err(io::Error::other(broken)));
        self.watch.renew(looked.is_ok());
        looked.map_err(|cause| SourceError::Folder { folder: self.root.clone(), cause })
    }

    async fn changed(&self) {
        let looked = self.state.lock().unwrap_or_else(PoisonError::into_inner).looked;
        let Some(Looked { began, ended, settles }) = looked else { return };
        let took = ended - began;
        let due = ended + self.every();
        let due = settles.map_or(due, |settles| due.min(settles.max(ended + took)));
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = self.watch.announced() => {
                // A burst of announcements is one.
                let earliest = ended + Duration::from_millis(20).max(took * 2);
                tokio::time::sleep_until(earliest.min(due).into()).await;
            }
        }
    }

    async fn fetch(&self, seen: &Seen, stop: &CancellationToken) -> Result<Content, FetchError> {
        let (path, size, modified_us, stop) = (seen.path.clone(), seen.size, seen.modified_us, stop.clone());
        let digested = tokio::task::spawn_blocking(move || {
            let mut file = File::open(&path)?;
            let stamp = Stamp::from_metadata(&file.metadata()?);
            if stamp.size != size || stamp.modified_us() != modified_us {
                return Err(FetchError::Changed);
            }
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; 256 * 1024];
            loop {
                if stop.is_cancelled() {
                    return Err(FetchError::Stopped);
                }
                match file.read(&mut buffer)? {
                    0 => break,
                    read => hasher.update(&buffer[..read]),
                }
            }
            let digest = ContentDigest::Bytes(hex(&hasher.finalize()));
            let content = Content { path, digest, stamp: Some(stamp), _download: None };
            if content.is_unchanged() { Ok(content) } else { Err(FetchError::Changed) }
        });
        match digested.await.unwrap_or_else(|broken| Err(io::Error::other(broken).into())) {
            Err(FetchError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Err(FetchError::Changed),
            result => result,
        }
    }
}

impl State {
    fn settle(&mut self, source: &str, walked: walk::Walked, settle: Duration) -> Listing {
        let now = Instant::now();
        let mut settling = HashMap::with_capacity(walked.files.len());
        let mut files = Vec::with_capacity(walked.files.len());
        for Found { path, relative, stamp, unusable } in walked.files {
            let since = match self.settling.get(&path) {
                Some((before, since)) if *before == stamp => *since,
                _ => now,
            };
            let last = relative.rsplit('/').next().unwrap_or(&relative);
            let modified_us = stamp.modified_us();
            files.push(Seen {
                file: format!("{source}:{relative}"),
                size: stamp.size,
                modified_us,
                exported_at: exported_at(last).unwrap_or(modified_us.div_euclid(1_000_000)),
                settled: now - since >= settle,
                unusable: unusable.map(str::to_owned),
                fingerprint: None,
                reading: None,
                drive_folder: None,
                name: relative,
                path: path.clone(),
            });
            settling.insert(path, (stamp, since));
        }
        self.settling = settling;
        let unknown = walked.unreadable.iter().map(|prefix| format!("{source}:{prefix}")).collect();
        Listing { files, unknown, passed_over: walked.passed_over, ..Listing::default() }
    }
}

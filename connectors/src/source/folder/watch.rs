//! What the file system announces: a hint to look at once, never more.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// A watch over a folder. Where the system cannot watch, it stays silent.
pub(super) struct Watch {
    root: PathBuf,
    announced: Arc<Notify>,
    state: Mutex<State>,
}

/// The folder's identity when the watch began, and the watch if the system gave one.
type State = Option<(Option<(u64, u64)>, Option<RecommendedWatcher>)>;

impl Watch {
    pub(super) fn new(root: &Path) -> Watch {
        Watch { root: root.to_owned(), announced: Arc::new(Notify::new()), state: Mutex::default() }
    }

    /// Returns at the next announcement, or at once if there was one since.
    pub(super) async fn announced(&self) {
        self.announced.notified().await;
    }

    /// Begins to watch the folder, again if another has taken its place; ends when it `is_there` no more.
    pub(super) fn renew(&self, is_there: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_there {
            *state = None;
            return;
        }
        let identity = std::fs::metadata(&self.root).ok().and_then(|metadata| super::walk::identity(&metadata));
        if state.as_ref().is_some_and(|(watched, _)| *watched == identity) {
            return;
        }
        let watcher = self.watcher();
        if let Err(reason) = &watcher {
            tracing::warn!(folder = %self.root.display(), %reason, "the folder cannot be watched; changes are found by polling");
        }
        *state = Some((identity, watcher.ok()));
        // What changed between the look and the watch was not announced.
        self.announced.notify_one();
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let announced = Arc::clone(&self.announced);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Looking through the folder opens it, which is announced as well.
            let of_reading = event.as_ref().is_ok_and(|event| match event.kind {
                EventKind::Access(kind) => kind != AccessKind::Close(AccessMode::Write),
                _ => false,
            });
            if !of_reading {
                announced.notify_one();
            }
        })?;
        watcher.watch(&self.root, RecursiveMode::Recursive)?;
        Ok(watcher)
    }
}

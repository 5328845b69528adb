//! Learns of each commit of the dataflow, and tells whoever listens.
//!
//! ```text
//!  Postgres ── NOTIFY fandom_epoch ──▶ follow ── reads views.progress ──▶ latest (watch)
//!                                                                  └───▶ changes (broadcast, bounded) ──▶ streams
//! ```
//!
//! 1. Every notified epoch becomes one change, in ascending order, however many notifications arrive at once.
//! 2. A change names at least the views that its commit changed. It may name one too many, when a later commit was already
//!    visible as `views.progress` was read: that view is named again with its own commit.
//! 3. What is committed while the connection is down becomes one change when it is back.
//! 4. `latest` is set before a change is sent, so whoever subscribes first and then looks at `latest` misses nothing.
//! 5. An epoch that goes back (another database) means: load everything anew.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use fandom_services::postgres::{PostgresSettings, cause};
use fandom_services::retry::Backoff;
use serde::Deserialize;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;

/// Where the views stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Epoch of the last commit.
    pub epoch: i64,
    /// By view: the epoch of its last change.
    pub views: BTreeMap<String, i64>,
}

impl Progress {
    /// The views changed after an epoch.
    pub fn changed_since(&self, epoch: i64) -> Vec<String> {
        self.views.iter().filter(|(_, changed)| **changed > epoch).map(|(view, _)| view.clone()).collect()
    }
}

/// What listeners are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A commit, and the views that it changed.
    Commit(i64, Arc<Vec<String>>),
    /// Nothing that was read before holds any more.
    Reload(i64),
}

/// How many changes a listener may be behind before it is told to load everything anew.
const BEHIND: usize = 256;
/// Stands for a notification that names no epoch.
const NO_EPOCH: i64 = i64::MIN;
/// How long without a notification before the connection is tried, and without an answer before it is given up.
const QUIET: Duration = Duration::from_secs(10);

/// The commits of the dataflow.
#[derive(Clone)]
pub struct Commits {
    latest: watch::Sender<Option<Progress>>,
    changes: broadcast::Sender<Change>,
    closing: CancellationToken,
}

impl Commits {
    /// Commits that nobody follows yet.
    pub fn new(closing: CancellationToken) -> Commits {
        Commits { latest: watch::Sender::new(None), changes: broadcast::Sender::new(BEHIND), closing }
    }

    /// The changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Where the views stand, as soon as that is known.
    pub fn latest(&self) -> watch::Receiver<Option<Progress>> {
        self.latest.subscribe()
    }

    /// Cancelled when the streams shall end.
    pub fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Follows the commits until the API closes, over as many connections as it takes.
    pub async fn follow(self, postgres: PostgresSettings) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut told = None;
        let closing = self.closing.clone();
        while !closing.is_cancelled() {
            let lost = tokio::select! {
                () = closing.cancelled() => return,
                lost = self.follow_once(&postgres, &mut told, &mut backoff) => lost,
            };
            let wait = backoff.next_wait();
            tracing::warn!(error = %lost, retry_ms = wait.as_millis() as u64, "commits cannot be followed for now");
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Follows the commits over one connection; returns why it ended.
    async fn follow_once(&self, postgres: &PostgresSettings, told: &mut Option<i64>, backoff: &mut Backoff) -> String {
        let (client, mut connection) = match answered(postgres.config.connect(postgres.tls.clone())).await {
            Ok(connected) => connected,
            Err(lost) => return lost,
        };
        // Unbounded, but it holds small numbers alone and is emptied whenever the same connection has answered.
        let (notify, mut notified) = mpsc::unbounded_channel();
        let drive = async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(note))) => {
                        // A payload that is no epoch is still a reason to look.
                        if notify.send(note.payload().parse().unwrap_or(NO_EPOCH)).is_err() {
                            return "nobody listens".to_owned();
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return cause(&error),
                    None => return "the connection was closed".to_owned(),
                }
            }
        };
        tokio::select! {
            lost = drive => lost,
            lost = self.relay(&client, &mut notified, told, backoff) => lost,
        }
    }

    async fn relay(
        &self,
        client: &Client,
        notified: &mut mpsc::UnboundedReceiver<i64>,
        told: &mut Option<i64>,
        backoff: &mut Backoff,
    ) -> String {
        let listen = client.batch_execute("set application_name = 'fandom-api live'; listen fandom_epoch");
        if let Err(lost) = answered(listen).await {
            return lost;
        }
        let mut epochs = Vec::new();
        loop {
            match answered(read(client)).await {
                Ok(progress) => self.publish(told, &epochs, progress),
                Err(lost) => return lost,
            }
            backoff.reset();
            epochs.clear();
            // After a quiet while, look all the same: a connection can be dead without a word.
            if let Ok(Some(first)) = tokio::time::timeout(QUIET, notified.recv()).await {
                epochs.push(first);
                while let Ok(next) = notified.try_recv() {
                    epochs.push(next);
                }
            }
        }
    }

    /// Tells of what is new in `progress`, given what was told last and the epochs that were notified.
    fn publish(&self, told: &mut Option<i64>, notified: &[i64], progress: Progress) {
        let changes = changes(told, notified, &progress);
        self.latest.send_replace(Some(progress));
        for change in changes {
            // Without listeners there is nobody to tell.
            let _ = self.changes.send(change);
        }
    }
}

/// The changes that lead from the epoch told last to the last one notified, or without any to `progress`.
fn changes(told: &mut Option<i64>, notified: &[i64], progress: &Progress) -> Vec<Change> {
    let Some(last) = told.replace(progress.epoch) else { return Vec::new() };
    if progress.epoch < last {
        return vec![Change::Reload(progress.epoch)];
    }
    let mut epochs = notified.to_vec();
    if epochs.is_empty() || epochs.contains(&NO_EPOCH) {
        epochs.push(progress.epoch);
    }
    epochs.retain(|epoch| (last + 1..=progress.epoch).contains(epoch));
    epochs.sort_unstable();
    epochs.dedup();
    // A commit can be visible before its notification has come: it is told then.
    *told = Some(epochs.last().copied().unwrap_or(last));
    let before = std::iter::once(last).chain(epochs.clone());
    before.zip(epochs).map(|(before, epoch)| Change::Commit(epoch, Arc::new(progress.changed_since(before)))).collect()
}

/// What Postgres answered, or why it did not.
async fn answered<T>(asking: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, String> {
    match tokio::time::timeout(QUIET, asking).await {
        Ok(answer) => answer.map_err(|error| cause(&error)),
        Err(_) => Err("Postgres did not answer in time".to_owned()),
    }
}

#[derive(Deserialize)]
struct View {
    #[serde(default)]
    epoch: i64,
}

async fn read(client: &Client) -> Result<Progress, tokio_postgres::Error> {
    let row = client.query_typed_one("select epoch, views::text from views.progress", &[]).await?;
    let views: BTreeMap<String, View> = serde_json::from_str(row.try_get(1)?).unwrap_or_else(|error| {
        tracing::error!(%error, "views.progress names its views in a way that the API does not know");
        BTreeMap::new()
    });
    Ok(Progress { epoch: row.try_get(0)?, views: views.into_iter().map(|(view, at)| (view, at.epoch)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(epoch: i64, views: &[(&str, i64)]) -> Progress {
        Progress { epoch, views: views.iter().map(|(view, at)| ((*view).to_owned(), *at)).collect() }
    }

    fn commit(epoch: i64, views: &[&str]) -> Change {
        Change::Commit(epoch, Arc::new(views.iter().map(|view| (*view).to_owned()).collect()))
    }

    fn told(last: Option<i64>, notified: &[i64], progress: &Progress) -> (Vec<Change>, Option<i64>) {
        let mut told = last;
        let changes = changes(&mut told, notified, progress);
        (changes, told)
    }

    #[test]
    fn every_commit_is_told_once_and_in_order() {
        let at = progress(7, &[("fans", 7), ("files", 6), ("sales_day", 5)]);
        assert_eq!(told(Some(6), &[7], &at), (vec![commit(7, &["fans"])], Some(7)));
        let both = vec![commit(6, &["fans", "files"]), commit(7, &["fans"])];
        assert_eq!(told(Some(5), &[7, 6], &at), (both, Some(7)));
        assert_eq!(told(Some(7), &[6, 7], &at), (vec![], Some(7)));
        assert_eq!(told(None, &[7], &at), (vec![], Some(7)));
    }

    #[test]
    fn a_commit_that_is_visible_early_is_told_when_it_is_notified() {
        let at = progress(7, &[("fans", 7), ("files", 6)]);
        assert_eq!(told(Some(5), &[6], &at), (vec![commit(6, &["fans", "files"])], Some(6)));
        assert_eq!(told(Some(6), &[7], &at), (vec![commit(7, &["fans"])], Some(7)));
    }

    #[test]
    fn commits_without_a_notification_are_told_together() {
        let at = progress(9, &[("fans", 8), ("files", 9), ("sales_day", 2)]);
        let all = (vec![commit(9, &["fans", "files"])], Some(9));
        assert_eq!(told(Some(5), &[], &at), all);
        assert_eq!(told(Some(5), &[NO_EPOCH], &at), all);
        assert_eq!(told(Some(9), &[], &at), (vec![], Some(9)));
        // One that cannot be seen yet is told with what comes next.
        assert_eq!(told(Some(9), &[12], &at), (vec![], Some(9)));
    }

    #[test]
    fn an_epoch_that_goes_back_means_load_anew() {
        assert_eq!(told(Some(5), &[3], &progress(3, &[])), (vec![Change::Reload(3)], Some(3)));
    }
}

//! The task that follows Drive: a listing at first and now and then, the feeds of changes in between.
//!
//! Whatever goes wrong, what was known last stays shown, with the trouble beside it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fandom_services::retry::Backoff;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::error::DriveError;
use super::item::Item;
use super::store::{KeepError, Known, Store};
use super::survey::{Survey, trouble};
use super::tree::Reach;
use super::view;
use crate::reading::Reading;
use crate::source::{Listing, Trouble};

/// How long Postgres may take to keep what is known.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest wait after a failure of a whole look; the first is that of a call.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A configured folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub id: Arc<str>,
    /// How often its changes are asked for, if nothing else was said since.
    pub interval: Duration,
    pub reading: Arc<Reading>,
}

/// How often changes are asked for where that was said since the folders were named: by id, of all folders under no name.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<String, Duration>>);

impl Paces {
    /// Takes these in place of the ones before; whether they are others.
    pub fn replace(&self, intervals: &HashMap<String, Duration>) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = *held != *intervals;
        held.clone_from(intervals);
        changes
    }

    /// How often the changes of a folder are asked for.
    fn of(&self, folder: &Folder) -> Duration {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&*folder.id).or_else(|| held.get("")).copied().unwrap_or(folder.interval)
    }

    /// How often those of the most impatient folder are.
    pub fn shortest(&self, folders: &[Folder]) -> Duration {
        folders.iter().map(|folder| self.of(folder)).min().unwrap_or(Duration::from_secs(10))
    }
}

/// What the task shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// How often Drive was looked at.
    pub looks: u64,
    /// What is known; none before the first listing.
    pub listing: Option<Arc<Listing>>,
    /// The items of its files, by the id of the file.
    pub items: Arc<BTreeMap<String, Item>>,
    pub troubles: Vec<Trouble>,
}

pub(super) struct Follower {
    pub source: String,
    pub folders: Vec<Folder>,
    pub folders_key: String,
    pub reconcile: Duration,
    pub paces: Arc<Paces>,
    pub api: Arc<Api>,
    pub store: Store,
    pub shown: watch::Sender<Shown>,
    /// Asks to look at once.
    pub nudge: Arc<Notify>,
    pub stop: CancellationToken,
}

/// What is known, and when what is due.
struct Position {
    known: Known,
    dead: HashSet<String>,
    /// Folders that could not be looked at.
    troubled: HashSet<String>,
    listed: Instant,
    /// When the changes of each feed are asked for next.
    due: BTreeMap<String, Instant>,
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Drive(#[from] DriveError),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error("Postgres did not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

impl Follower {
    /// Follows Drive until the process stops.
    pub async fn run(self) {
        tokio::select! {
            () = self.follow() => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn follow(&self) {
        let ids: Vec<String> = self.folders.iter().map(|folder| folder.id.to_string()).collect();
        let mut position: Option<Position> = None;
        let mut backoff = self.api.backoff(LONGEST_WAIT);
        loop {
            let looked = match position.take() {
                None => self.begin(&ids).await,
                Some(position) => self.look(&ids, position).await,
            };
            let wait_until = match looked {
                Ok(reached) => {
                    backoff.reset();
                    let due = reached.due.values().min().copied();
                    let due = due.unwrap_or_else(|| Instant::now() + self.shortest_interval());
                    let due = due.min(reached.listed + self.reconcile);
                    position = Some(reached);
                    due
                }
                Err((before, FollowError::Drive(DriveError::Stopped))) => {
                    drop(before);
                    return;
                }
                Err((before, error)) => {
                    position = before;
                    let retry_after = match &error {
                        FollowError::Drive(error) => error.retry_after().unwrap_or_default(),
                        FollowError::Keep(_) | FollowError::Silent => Duration::ZERO,
                    };
                    self.show_failure(&error);
                    Instant::now() + backoff.next_wait().max(retry_after.min(LONGEST_WAIT))
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(wait_until.into()) => {}
                () = self.nudge.notified() => {
                    if let Some(position) = &mut position {
                        position.due.clear();
                    }
                }
            }
        }
    }

    /// Takes up what was kept, or lists everything.
    async fn begin(&self, ids: &[String]) -> Result<Position, (Option<Position>, FollowError)> {
        let kept = timely(self.store.load(&self.folders_key)).await.map_err(|error| (None, error))?;
        let Some(known) = kept else { return self.list(ids, None).await };
        let ago = Duration::try_from_secs_f64(known.listed_seconds_ago.max(0.0)).unwrap_or_default();
        tracing::info!(source = self.source, items = known.tree.nodes.len(), "what was known of Drive is taken up");
        let position = Position {
            known,
            dead: HashSet::new(),
            troubled: HashSet::new(),
            listed: Instant::now().checked_sub(ago).unwrap_or_else(Instant::now),
            due: BTreeMap::new(),
        };
        self.look(ids, position).await
    }

    /// Asks for changes, or lists everything where that is due.
    async fn look(&self, ids: &[String], position: Position) -> Result<Position, (Option<Position>, FollowError)> {
        if position.listed.elapsed() >= self.reconcile {
            return self.list(ids, Some(position)).await;
        }
        let now = Instant::now();
        let mut survey = Survey::of(&self.api, ids, position.known.clone(), position.dead.clone());
        let is_due = |drive: &str| position.due.get(drive).is_none_or(|due| *due <= now);
        let reach = match survey.poll(is_due, &position.troubled).await {
            Ok(Some(reach)) => reach,
            Ok(None) => return self.list(ids, Some(position)).await,
            Err(DriveError::StaleToken) => {
                tracing::warn!(
                    source = self.source,
                    "Drive does not know where its changes went on; everything is listed anew"
                );
                return self.list(ids, Some(position)).await;
            }
            Err(error) => return Err((Some(position), error.into())),
        };
        if survey.is_changed {
            match timely(self.store.promote(&position.known, &survey.known)).await {
                Ok(generation) => survey.known.generation = generation,
                // What is known is loaded again.
                Err(error @ FollowError::Keep(KeepError::Overtaken)) => return Err((None, error)),
                Err(error) => return Err((Some(position), error)),
            }
        }
        let Position { listed, due, .. } = position;
        Ok(self.show(survey, &reach, listed, due))
    }

    async fn list(
        &self,
        ids: &[String],
        before: Option<Position>,
    ) -> Result<Position, (Option<Position>, FollowError)> {
        let tree = before.as_ref().map(|before| before.known.tree.clone()).unwrap_or_default();
        let began = Instant::now();
        let (mut survey, reach) = match Survey::list(&self.api, ids, &tree).await {
            Ok(listed) => listed,
            Err(error) => return Err((before, error.into())),
        };
        match timely(self.store.replace(&self.folders_key, &survey.known)).await {
            Ok(generation) => survey.known.generation = generation,
            Err(error) => return Err((before, error)),
        }
        let (items, files) = (survey.known.tree.nodes.len(), reach.files.len());
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(source = self.source, items, files, duration_ms, "Drive was listed");
        Ok(self.show(survey, &reach, Instant::now(), BTreeMap::new()))
    }

    fn show(&self, survey: Survey<'_>, reach: &Reach, listed: Instant, mut due: BTreeMap<String, Instant>) -> Position {
        let now = Instant::now();
        due.retain(|_, due| *due > now);
        for drive in survey.known.tokens.keys() {
            let interval = self.interval(reach.drives.get(drive));
            due.entry(drive.clone()).or_insert_with(|| now + Backoff::new(interval, interval).next_wait());
        }
        let (listing, items) = view::listing(&self.source, &self.folders, &survey, reach);
        let troubled = self.folders.iter().map(|folder| folder.id.to_string());
        let troubled = troubled.filter(|id| survey.troubles.contains_key(&format!("the folder {id}"))).collect();
        let troubles = survey.troubles.into_values().collect();
        self.shown.send_modify(|shown| {
            *shown =
                Shown { looks: shown.looks + 1, listing: Some(Arc::new(listing)), items: Arc::new(items), troubles };
        });
        Position { known: survey.known, dead: survey.dead, troubled, listed, due }
    }

    fn show_failure(&self, error: &FollowError) {
        let trouble = match error {
            FollowError::Drive(error) => trouble("Google Drive", error, self.api.token.account()),
            FollowError::Keep(_) | FollowError::Silent => {
                tracing::debug!(source = self.source, %error, "what is known of Drive could not be kept");
                Trouble {
                    what: "what is known of Google Drive".into(),
                    reason: fandom_services::postgres::cause(error),
                    remedy: "nothing, if it passes; else see that `fandom migrate` was run".into(),
                    permanent: false,
                }
            }
        };
        self.shown.send_modify(|shown| {
            shown.looks += 1;
            shown.troubles = vec![trouble];
        });
    }

    /// How often the changes of a drive are asked for: as often as the most impatient of these folders wants.
    fn interval(&self, folders: Option<&BTreeSet<usize>>) -> Duration {
        let of = |folders: &BTreeSet<usize>| {
            folders.iter().filter_map(|&at| Some(self.paces.of(self.folders.get(at)?))).min()
        };
        folders.and_then(of).unwrap_or_else(|| self.shortest_interval())
    }

    fn shortest_interval(&self) -> Duration {
        self.paces.shortest(&self.folders)
    }
}

async fn timely<T>(call: impl Future<Output = Result<T, KeepError>>) -> Result<T, FollowError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(FollowError::Silent),
    }
}

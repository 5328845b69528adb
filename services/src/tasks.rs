//! What the parts do again and again, as `app.tasks` tells it: when it last succeeded, why it last failed, when it is done next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_postgres::{Client, Error};

use crate::postgres::PostgresSettings;

/// How often it is told that a task still goes as before.
const EVERY: Duration = Duration::from_secs(5);

/// The names of the tasks that this process does, and their kinds: other processes may do others of a kind.
static HELD: Mutex<BTreeMap<String, &str>> = Mutex::new(BTreeMap::new());

/// A task that this process does.
#[derive(Clone, Debug)]
pub struct Task {
    name: String,
    kind: &'static str,
    /// What was told last, and when.
    told: Arc<Mutex<Option<(Instant, Said)>>>,
}

/// Why a task failed, if it did, and after how long it is done again.
type Said = (Option<String>, Option<Duration>);

/// How a task went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went<'a> {
    /// It was done; it is done again after so long, where that is known.
    Well(Option<Duration>),
    /// It failed, for this reason; it is tried again after so long, where that is known.
    Wrong(&'a str, Option<Duration>),
}

impl Task {
    /// A task of this kind (`source`, `dataflow`, `archive`).
    pub fn new(kind: &'static str, name: impl Into<String>) -> Task {
        Task { name: name.into(), kind, told: Arc::default() }
    }

    /// Says that this process does the task, even before it notes how it went.
    pub fn hold(&self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name.clone(), self.kind);
    }

    /// Notes how the task went. That it went as before is told every few seconds only.
    ///
    /// # Errors
    /// When the database does not answer as it should. A database that was not migrated to hold tasks is no error.
    pub async fn note(&self, client: &Client, went: Went<'_>) -> Result<(), Error> {
        let (error, next) = match went {
            Went::Well(next) => (None, next),
            Went::Wrong(error, next) => (Some(error.replace('\0', "")), next),
        };
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let now = (error.clone(), next);
            let as_before = |(when, said): &(Instant, Said)| *said == now && when.elapsed() < EVERY;
            if told.as_ref().is_some_and(as_before) {
                return Ok(());
            }
            *told = Some((Instant::now(), now));
        }
        self.hold();
        let next = next.map(|wait| SystemTime::now() + wait);
        let note =
            "insert into app.tasks as t (task, kind, state, last_success_at, last_error_at, last_error, next_run_at)
             values ($1, $2, case when $3::text is null then 'ok' else 'failing' end,
                 case when $3 is null then now() end, case when $3 is not null then now() end, $3, $4)
             on conflict (task) do update set state = excluded.state, heartbeat_at = now(),
                 since = case when t.state = excluded.state then t.since else now() end,
                 last_success_at = coalesce(excluded.last_success_at, t.last_success_at),
                 last_error_at = coalesce(excluded.last_error_at, t.last_error_at),
                 last_error = coalesce(excluded.last_error, t.last_error), next_run_at = excluded.next_run_at";
        client.execute(note, &[&self.name, &self.kind, &error, &next]).await.map(drop)
    }

    /// Notes that the task failed, over a connection of its own: for where none is open, or the one that was is lost.
    pub async fn failed(&self, postgres: &PostgresSettings, reason: &str, again: Duration) {
        let noting = async {
            let client = postgres.connect().await?;
            self.note(&client, Went::Wrong(reason, Some(again))).await
        };
        // Without a database it is seen by the heartbeat.
        let _ = tokio::time::timeout(PATIENCE, noting).await;
    }
}

/// How long a note over a connection of its own may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// Notes that all tasks of a kind that this process did have ended: as they should, or for this reason.
pub async fn ended(kind: &'static str, postgres: &PostgresSettings, error: Option<&str>) {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let names: Vec<String> = held.into_iter().filter(|(_, of)| *of == kind).map(|(name, _)| name).collect();
    let noting = async {
        let client = postgres.connect().await?;
        let stopped = "update app.tasks set state = 'stopped', heartbeat_at = now(), next_run_at = null,
            since = case when state = 'stopped' then since else now() end,
            last_error = coalesce($2, last_error), last_error_at = case when $2 is null then last_error_at else now() end
            where task = any($1)";
        client.execute(stopped, &[&names, &error]).await
    };
    let _ = tokio::time::timeout(PATIENCE, noting).await;
}

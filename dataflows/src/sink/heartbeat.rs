//! Tells every second that the views are kept: `views.status`, `app.tasks` and the metrics.
//!
//! Over a connection of its own, so that a commit that takes minutes does not look like a database that is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fandom_services::postgres::{PostgresSettings, cause};
use fandom_services::tasks::{Task, Went};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Error};

use super::writer::connect;
use crate::meters;
use crate::status::{Snapshot, Status};

/// From one beat to the next.
const EVERY: Duration = Duration::from_secs(1);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What beats; it is silent once this is dropped.
pub(super) struct Heartbeat {
    now: Arc<Notify>,
    end: Option<oneshot::Sender<()>>,
    beating: JoinHandle<()>,
}

impl Heartbeat {
    /// Begins to beat, for the writer of that generation.
    pub(super) fn start(postgres: PostgresSettings, status: Arc<Status>, generation: i64, task: Task) -> Heartbeat {
        let now = Arc::new(Notify::new());
        let (end, ended) = oneshot::channel();
        let heart = Heart { postgres, client: None, status, generation, task, lost: None };
        let beating = tokio::spawn(heart.beat(Arc::clone(&now), ended));
        Heartbeat { now, end: Some(end), beating }
    }

    /// Beats at once.
    pub(super) fn beat_now(&self) {
        self.now.notify_one();
    }

    /// Tells that the views stand still from now on, and is silent.
    pub(super) async fn stop(mut self) {
        drop(self.end.take());
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.beating).await;
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

struct Heart {
    postgres: PostgresSettings,
    client: Option<Client>,
    status: Arc<Status>,
    generation: i64,
    task: Task,
    /// Why the database was lost, until that is told.
    lost: Option<String>,
}

impl Heart {
    async fn beat(mut self, now: Arc<Notify>, mut ended: oneshot::Receiver<()>) {
        loop {
            let begun = Instant::now();
            let status = self.status.snapshot();
            status.measure();
            if let Err(error) = self.tell(&status).await {
                if self.client.as_ref().is_none_or(Client::is_closed) {
                    self.client = None;
                    if self.lost.is_none() {
                        tracing::warn!(error = %cause(&error), "database was lost; waiting for it");
                    }
                    self.lost.get_or_insert_with(|| cause(&error));
                } else {
                    tracing::debug!(error = %cause(&error), "the heartbeat was refused");
                }
            }
            tokio::select! {
                _ = &mut ended => break,
                () = now.notified() => {}
                () = tokio::time::sleep(EVERY.saturating_sub(begun.elapsed())) => {}
            }
        }
        let stopped = "update views.status set state = 'stopped', heartbeat_at = now()
                       where (select generation from views.progress) = $1";
        if let Some(client) = &self.client {
            // The views are whole without it.
            let _ = client.execute(stopped, &[&self.generation]).await;
        }
    }

    async fn tell(&mut self, status: &Snapshot) -> Result<(), Error> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(connect(&self.postgres).await?),
        };
        let beat =
            "update views.status set state = $1, records_done = $2, records_due = $3, lag = $4, heartbeat_at = now()
                    where (select generation from views.progress) = $5";
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&status.state, &status.records_done, &status.records_due, &Json(&status.lag), &self.generation];
        // Of a writer that another one has followed nothing more is told.
        if client.execute(beat, &parameters).await? == 0 {
            return Ok(());
        }
        if let Some(lost) = &self.lost {
            self.task.note(client, Went::Wrong(&format!("the database was lost: {lost}"), None)).await?;
            self.lost = None;
            tracing::info!("database is back");
        }
        self.task.note(client, Went::Well(None)).await?;
        meters::beats();
        Ok(())
    }
}

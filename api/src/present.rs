//! The epoch that is present now, asked once for all who ask at the same moment.
//!
//! ```text
//!  requests ──▶ waiting ── taken together ──▶ one statement ──▶ the epoch, to each of them
//!                  ▲ those who come meanwhile wait for the next statement
//! ```
//!
//! Whoever asks is told an epoch that was read after they asked, so an answer is never older than what its asker may have
//! seen elsewhere; and Postgres is asked one question at a time, however many ask here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::database::refused;
use crate::pool::connection;
use crate::problem::{Kind, Problem};

/// How long Postgres may take over so small a question before the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks for the epoch.
#[derive(Clone)]
pub struct Present {
    pool: Pool,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    askers: Vec<oneshot::Sender<Result<i64, Problem>>>,
    /// Whether somebody is asking Postgres, who will take these askers next.
    asked: bool,
    /// The connection that was good the last time.
    kept: Option<Object>,
}

impl Present {
    /// Asks over the one connection of this pool.
    pub fn new(pool: Pool) -> Present {
        Present { pool, waiting: Arc::default() }
    }

    /// The epoch of the last commit.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn epoch(&self) -> Result<i64, Problem> {
        let (asker, told) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.askers.push(asker);
            !std::mem::replace(&mut waiting.asked, true)
        };
        if first {
            // A task of its own, since whoever began may leave while others wait.
            tokio::spawn(self.clone().ask());
        }
        told.await.unwrap_or_else(|_| Err(Problem::internal()))
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.pool.close();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).kept = None;
    }

    /// Asks until nobody waits.
    async fn ask(self) {
        let mut kept = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).kept.take();
        loop {
            let askers = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.askers.is_empty() {
                    waiting.asked = false;
                    waiting.kept = kept.filter(|_| !self.pool.is_closed());
                    return;
                }
                std::mem::take(&mut waiting.askers)
            };
            let told = self.read(&mut kept).await;
            for asker in askers {
                // Whoever has left needs no answer.
                let _ = asker.send(told.clone());
            }
        }
    }

    /// Reads the epoch, over the kept connection if that still lives.
    async fn read(&self, kept: &mut Option<Object>) -> Result<i64, Problem> {
        if let Some(client) = kept.take() {
            match timeout(PATIENCE, ask(&client)).await {
                Ok(Ok(epoch)) => {
                    *kept = Some(client);
                    return Ok(epoch);
                }
                Ok(Err(error)) => tracing::debug!(%error, "the connection that asks for the epoch is replaced"),
                Err(_) => {
                    tracing::warn!("the connection that asks for the epoch is silent, and replaced");
                    // Not given back, where it would be tried again.
                    drop(Object::take(client));
                }
            }
        }
        let client = connection(&self.pool).await?;
        match timeout(PATIENCE, ask(&client)).await {
            Ok(Ok(epoch)) => {
                *kept = Some(client);
                Ok(epoch)
            }
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => {
                drop(Object::take(client));
                tracing::warn!("Postgres does not tell the epoch in time");
                Err(Problem::new(Kind::Unavailable, "the database did not answer in time"))
            }
        }
    }
}

async fn ask(client: &Object) -> Result<i64, tokio_postgres::Error> {
    let statement = client.prepare_cached("select epoch from views.progress").await?;
    client.query_one(&statement, &[]).await?.try_get(0)
}

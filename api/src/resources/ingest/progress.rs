//! `GET /ingest/events`: server-sent events, one for each change of an upload's state.
//!
//! - `event: upload`, data: the upload as `GET /ingest/uploads` lists it. With `?upload=<id>`, of that one alone, beginning with where
//!   it stands now.
//! - `event: reload`: the reader was too slow; list the uploads anew.
//!
//! ```text
//!  Postgres ── NOTIFY fandom_files ──▶ follow ── reads the uploads ──▶ broadcast, bounded ──▶ streams
//! ```

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use fandom_schemas::mappings::UPLOADS;
use fandom_services::postgres::PostgresSettings;
use fandom_services::retry::Backoff;
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_postgres::AsyncMessage;

use super::uploads::{self, Entry};
use crate::database::Database;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::protection::client::Asker;
use crate::server::App;

/// How many changes a reader may be behind.
const BEHIND: usize = 256;

/// For how long changes are gathered, so that a burst is read at once.
const GATHER: Duration = Duration::from_millis(50);

/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes of uploads, told to whoever listens.
#[derive(Clone)]
pub(crate) struct Progress {
    changes: broadcast::Sender<Change>,
}

/// An upload by its id, as JSON; `None` when some may have been missed.
type Change = Option<Arc<(String, String)>>;

impl Default for Progress {
    fn default() -> Progress {
        Progress { changes: broadcast::Sender::new(BEHIND) }
    }
}

impl Progress {
    /// Follows the changes until it is dropped, over as many connections as it takes.
    pub(super) async fn follow(self, database: Database, postgres: PostgresSettings) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        loop {
            let connecting = postgres.config.connect(postgres.tls.clone());
            if let Ok(Ok((client, mut connection))) = tokio::time::timeout(PATIENCE, connecting).await {
                // It holds ids of files alone, and is emptied as fast as Postgres answers.
                let (notify, mut notified) = mpsc::unbounded_channel::<String>();
                let drive = async move {
                    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                        if let AsyncMessage::Notification(note) = message {
                            let of_an_upload =
                                note.payload().split_once(':').is_some_and(|(source, _)| source == UPLOADS);
                            if of_an_upload && notify.send(note.payload().to_owned()).is_err() {
                                return;
                            }
                        }
                    }
                };
                let relay = async {
                    let listen = "set application_name = 'fandom-api uploads'; listen fandom_files";
                    if client.batch_execute(listen).await.is_err() {
                        return;
                    }
                    backoff.reset();
                    let _ = self.changes.send(None);
                    while let Some(first) = notified.recv().await {
                        tokio::time::sleep(GATHER).await;
                        let mut files = BTreeSet::from([first]);
                        while let Ok(next) = notified.try_recv() {
                            files.insert(next);
                        }
                        self.tell(&database, files.into_iter().collect()).await;
                    }
                };
                tokio::select! {
                    () = drive => {}
                    () = relay => {}
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn tell(&self, database: &Database, files: Vec<String>) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        match uploads::of_files(database, &files).await {
            Ok(entries) => entries.iter().for_each(|entry| {
                let _ = self.changes.send(Some(Arc::new(told(entry))));
            }),
            Err(_) => {
                let _ = self.changes.send(None);
            }
        }
    }
}

fn told(entry: &Entry) -> (String, String) {
    (entry.id.clone(), serde_json::to_string(entry).unwrap_or_default())
}

/// Each change of the state of an upload, as server-sent events. The stream ends when the reader goes, or the API stops.
#[utoipa::path(
    get, path = "/events", operation_id = "upload_events", tag = "Uploads",
    params(("upload" = Option<String>, Query, description = "An upload; all of them without it")),
    responses((status = 200, description = "Events, as long as both sides stay", body = String, content_type = "text/event-stream")),
)]
pub async fn stream(State(app): State<App>, asker: Asker, mut parameters: Parameters) -> Result<Response, Problem> {
    let only = parameters.text("upload");
    parameters.finish()?;
    let seat = app.limits.streams.seat(&asker)?;
    // Changes from here on are told, so none is lost between the first event and the next.
    let changes = app.progress.changes.subscribe();
    let first = match &only {
        None => None,
        Some(id) => Some(upload(&told(&uploads::entry(&app.database, id).await?).1)),
    };
    let reader = (changes, only, seat, app.database.clone());
    let later = stream::unfold(reader, |(mut changes, only, seat, database)| async move {
        loop {
            let missed = match changes.recv().await {
                Ok(Some(change)) if only.as_ref().is_none_or(|only| *only == change.0) => {
                    return Some((upload(&change.1), (changes, only, seat, database)));
                }
                Ok(Some(_)) => continue,
                Ok(None) => only.clone(),
                Err(RecvError::Lagged(_)) => {
                    changes = changes.resubscribe();
                    only.clone()
                }
                Err(RecvError::Closed) => return None,
            };
            // Some may have been missed: of one upload it is told where it stands, of all to list them anew.
            let event = match missed {
                None => reload(),
                Some(id) => match uploads::entry(&database, &id).await {
                    Ok(entry) => upload(&told(&entry).1),
                    Err(_) => reload(),
                },
            };
            return Some((event, (changes, only, seat, database)));
        }
    });
    let hello = Event::default().retry(Duration::from_secs(1)).comment("uploads");
    let events = stream::iter([Some(hello), first].into_iter().flatten())
        .chain(later)
        .map(Ok::<_, Infallible>)
        .take_until(app.commits.closing().cancelled_owned());
    let alive = KeepAlive::new().interval(app.settings.heartbeat).text("alive");
    let mut response = Sse::new(events).keep_alive(alive).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn upload(json: &str) -> Event {
    Event::default().event("upload").data(json)
}

fn reload() -> Event {
    Event::default().event("reload").data("{}")
}

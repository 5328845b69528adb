//! `GET /live`: server-sent events, one a commit.
//!
//! - `event: commit`, `id:` its epoch, data `{"epoch": …, "views": […]}`: these views have changed.
//! - `event: reload`, `id:` the present epoch, data `{"epoch": …}`: the reader was too slow, or the database is another
//!   one; what it has read before holds no more.
//! - A comment now and then, so that both ends know that the other is there.
//!
//! Whoever comes back with `Last-Event-ID`, or comes with `?since=<epoch>`, is first told in one event what has changed
//! since. Nothing is kept for a reader beyond the bounded channel that all share.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::commits::{Change, Progress};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::server::App;

/// How long a reader should wait before it comes back.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait until it is known where the views stand.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);

/// The stream. It ends when the reader goes, or the API stops.
pub async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let since: Option<i64> = parameters.parsed("since", "an epoch");
    parameters.finish()?;
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.trim().parse::<i64>().ok()));

    let seat = app.commits.seat().ok_or_else(|| {
        Problem::new(
            Kind::Unavailable,
            "as many live streams are open as may be; close one, or raise FANDOM_API_LIVE_STREAMS",
        )
    })?;
    let changes = app.commits.subscribe();
    let mut latest = app.commits.latest();
    let known = async { latest.wait_for(Option::is_some).await.ok().and_then(|progress| progress.clone()) };
    let known = tokio::time::timeout(KNOWN_WITHIN, known).await.ok().flatten();
    let now = known.ok_or_else(|| Problem::new(Kind::Unavailable, "the database did not answer yet"))?;
    let first = match last.or(since.map(Some)) {
        None => None,
        Some(Some(epoch)) if epoch == now.epoch => None,
        Some(Some(epoch)) if epoch < now.epoch => Some(commit(now.epoch, &now.changed_since(epoch))),
        // An id that is not ours, or an epoch that has not been yet.
        Some(_) => Some(reload(now.epoch)),
    };

    crate::meters::stream(1.0);
    let reader = Reader { changes, latest, told: now.epoch, _place: Place { _seat: seat } };
    let hello = Event::default().retry(RETRY).comment("live");
    let events = stream::iter([Some(hello), first].into_iter().flatten())
        .chain(reader.events())
        .map(Ok::<_, Infallible>)
        .take_until(app.commits.closing().cancelled_owned());
    let alive = KeepAlive::new().interval(app.settings.heartbeat).text("alive");
    let mut response = Sse::new(events).keep_alive(alive).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies such as nginx would hold events back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A place among the readers; given back when the stream goes.
struct Place {
    _seat: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        crate::meters::stream(-1.0);
    }
}

/// Someone who reads the stream.
struct Reader {
    changes: Receiver<Change>,
    latest: watch::Receiver<Option<Progress>>,
    /// The epoch up to which it knows everything.
    told: i64,
    _place: Place,
}

impl Reader {
    fn events(self) -> impl Stream<Item = Event> {
        stream::unfold(self, |mut reader| async move {
            loop {
                let event = match reader.changes.recv().await {
                    Ok(Change::Commit(epoch, _)) if epoch <= reader.told => continue,
                    Ok(Change::Commit(epoch, views)) => {
                        reader.told = epoch;
                        commit(epoch, &views)
                    }
                    Ok(Change::Reload(epoch)) => {
                        reader.told = epoch;
                        reload(epoch)
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::debug!(missed, "a live stream is read too slowly and was told to load anew");
                        reader.changes = reader.changes.resubscribe();
                        reader.told = reader.latest.borrow().as_ref().map_or(reader.told, |progress| progress.epoch);
                        reload(reader.told)
                    }
                    Err(RecvError::Closed) => return None,
                };
                return Some((event, reader));
            }
        })
    }
}

fn commit(epoch: i64, views: &[String]) -> Event {
    let data = json!({ "epoch": epoch, "views": views }).to_string();
    Event::default().id(epoch.to_string()).event("commit").data(data)
}

fn reload(epoch: i64) -> Event {
    Event::default().id(epoch.to_string()).event("reload").data(json!({ "epoch": epoch }).to_string())
}

//! `GET /live`: server-sent events, one a commit.
//!
//! - `event: commit`, `id:` its epoch, data `{"epoch": …, "views": […]}`: these views have changed.
//! - `event: reload`, `id:` the present epoch, data `{"epoch": …}`: the reader was too slow, or the database is another
//!   one; what it has read before holds no more.
//! - A comment now and then, so that both ends know that the other is there.
//!
//! Whoever comes back with `Last-Event-ID`, or comes with `?since=<epoch>`, is first told in one event what has changed
//! since. With `?views=fans,sales_day` only commits that change these views are told of. Nothing is kept for a reader beyond the bounded channel that all share.

use std::borrow::Cow;
use std::collections::BTreeSet;
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
use tokio::sync::watch;

use crate::commits::{Change, Progress};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::protection::client::Asker;
use crate::protection::streams::Seat;
use crate::server::App;

/// How long a reader should wait before it comes back.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait until it is known where the views stand.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);

/// What has changed, as server-sent events: `commit` with the views that a commit changed, `reload` when what was read before
/// holds no more. `Last-Event-ID` or `since` goes on where a reader stopped. The stream ends when the reader goes, or the API stops.
#[utoipa::path(
    get, path = "/live", operation_id = "live", tag = "Service",
    params(
        ("since" = Option<i64>, Query, description = "The epoch up to which everything is known", example = 1792569600000i64),
        ("views" = Option<String>, Query, description = "Views, separated by commas; all without it", example = "fan_measures,sales_day"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was read"),
    ),
    responses((
        status = 200, description = "Events, as long as both sides stay", body = String, content_type = "text/event-stream",
        example = "event: commit\nid: 1792569600000\ndata: {\"epoch\":1792569600000,\"views\":[\"fan_measures\"]}\n\n",
    )),
)]
pub async fn stream(
    State(app): State<App>,
    asker: Asker,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let since: Option<i64> = parameters.parsed("since", "an epoch");
    let views = parameters.checked("views", "names of views, separated by commas", Wanted::named);
    parameters.finish()?;
    let wanted = views.unwrap_or_default();
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.trim().parse::<i64>().ok()));

    let seat = app.limits.streams.seat(&asker)?;
    let changes = app.commits.subscribe();
    let mut latest = app.commits.latest();
    let known = async { latest.wait_for(Option::is_some).await.ok().and_then(|progress| progress.clone()) };
    let known = tokio::time::timeout(KNOWN_WITHIN, known).await.ok().flatten();
    let now = known.ok_or_else(|| Problem::new(Kind::Unavailable, "the database did not answer yet"))?;
    let first = match last.or(since.map(Some)) {
        None => None,
        Some(Some(epoch)) if epoch == now.epoch => None,
        Some(Some(epoch)) if epoch < now.epoch => {
            wanted.of(&now.changed_since(epoch)).map(|views| commit(now.epoch, &views))
        }
        // An id that is not ours, or an epoch that has not been yet.
        Some(_) => Some(reload(now.epoch)),
    };

    crate::meters::stream(1.0);
    let reader = Reader { changes, latest, wanted, told: now.epoch, _place: Place { _seat: seat } };
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
    _seat: Seat,
}

impl Drop for Place {
    fn drop(&mut self) {
        crate::meters::stream(-1.0);
    }
}

/// The views that a reader wants to hear of.
#[derive(Default)]
struct Wanted(Option<BTreeSet<String>>);

/// Views that can be named at most.
const MOST_VIEWS: usize = 100;

impl Wanted {
    fn named(text: &str) -> Option<Wanted> {
        let name = |name: &str| {
            let fits =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            fits.then(|| name.to_owned())
        };
        let names: BTreeSet<String> = text.split(',').map(|part| name(part.trim())).collect::<Option<_>>()?;
        (names.len() <= MOST_VIEWS).then_some(Wanted(Some(names)))
    }

    /// Those among the views that changed; `None` when that is not of interest.
    fn of<'v>(&self, changed: &'v [String]) -> Option<Cow<'v, [String]>> {
        let Some(wanted) = &self.0 else { return Some(Cow::Borrowed(changed)) };
        let of_interest: Vec<String> = changed.iter().filter(|view| wanted.contains(*view)).cloned().collect();
        (!of_interest.is_empty()).then_some(Cow::Owned(of_interest))
    }
}

/// Someone who reads the stream.
struct Reader {
    changes: Receiver<Change>,
    latest: watch::Receiver<Option<Progress>>,
    wanted: Wanted,
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
                        let Some(views) = reader.wanted.of(&views) else { continue };
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

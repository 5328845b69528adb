//! The API: <https://developers.google.com/workspace/drive/api/reference/rest/v3>, as far as the connectors use it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Form, Path, Query, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::answers::{Refusal, resource, select};
use crate::drive::{Entry, Held, SHEET, is_native};
use crate::{Faults, State, content};

/// The largest export, as of Drive: 10 MB.
const LARGEST_EXPORT: u64 = 10_000_000;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

type Parameters = Query<HashMap<String, String>>;

pub(crate) fn router(state: Arc<State>) -> Router {
    let api = Router::new()
        .route("/files", get(list))
        .route("/files/{id}", get(file))
        .route("/files/{id}/export", get(export))
        .route("/changes", get(changes))
        .route("/changes/startPageToken", get(start_page_token))
        .layer(from_fn_with_state(Arc::clone(&state), gate));
    Router::new()
        .nest("/drive/v3", api)
        .route("/token", post(token))
        .route("/simulator/faults", get(faults).put(set_faults))
        .with_state(state)
}

/// What every call of the API passes: faults, and the access token.
async fn gate(Shared(state): Shared<Arc<State>>, headers: HeaderMap, request: Request, next: Next) -> Response {
    state.calls.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(state.faults.get().slow_ms)).await;
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let refuses = state.faults.take(|faults| &mut faults.refused_tokens).is_some();
    if refuses || !token.is_some_and(|token| state.account.accepts(token)) {
        return Refusal::unauthorized().into_response();
    }
    if let Some(left) = state.faults.take(|faults| &mut faults.quota) {
        return Refusal::quota(left).into_response();
    }
    if state.faults.take(|faults| &mut faults.server_errors).is_some() {
        return Refusal::backend().into_response();
    }
    next.run(request).await
}

async fn token(Shared(state): Shared<Arc<State>>, Form(form): Form<HashMap<String, String>>) -> Response {
    const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    if form.get("grant_type").map(String::as_str) != Some(GRANT) {
        let error = json!({"error": "unsupported_grant_type", "error_description": "Invalid grant_type."});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    let seconds = match state.faults.get().token_seconds {
        0 => 3600,
        seconds => seconds,
    };
    let assertion = form.get("assertion").map(String::as_str).unwrap_or_default();
    match state.account.grant(assertion, Duration::from_secs(seconds)) {
        Ok(token) => {
            state.grants.fetch_add(1, Ordering::SeqCst);
            Json(json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})).into_response()
        }
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Json(json!({"error": refused.error, "error_description": refused.description}))).into_response()
        }
    }
}

async fn faults(Shared(state): Shared<Arc<State>>) -> Json<Faults> {
    Json(state.faults.get())
}

async fn set_faults(Shared(state): Shared<Arc<State>>, Json(faults): Json<Faults>) -> Json<Faults> {
    state.faults.set(faults);
    Json(state.faults.get())
}

async fn file(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    Query(query): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let entry = {
        let held = state.drive.held();
        let (entry, trashed) = found(&held, &id, &query)?;
        if query.get("alt").map(String::as_str) != Some("media") {
            let fields = query.get("fields").map_or("kind,id,name,mimeType", String::as_str);
            return Ok(Json(select(resource(entry, trashed), fields)?).into_response());
        }
        entry.clone()
    };
    if is_native(&entry.mime) {
        return Err(Refusal::not_downloadable());
    }
    readable(&state, &id)?;
    Ok(content::answer(&state, entry.content, &entry.mime, &headers).await)
}

async fn export(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    Query(query): Parameters,
) -> Result<Response, Refusal> {
    let entry = {
        // An export takes a file of any drive.
        let mut query = query.clone();
        query.insert("supportsAllDrives".into(), "true".into());
        found(&state.drive.held(), &id, &query)?.0.clone()
    };
    if entry.mime != SHEET {
        return Err(Refusal::not_exportable());
    }
    if query.get("mimeType").map(String::as_str) != Some(XLSX) {
        return Err(Refusal::invalid("convertTo"));
    }
    readable(&state, &id)?;
    if entry.content.size > LARGEST_EXPORT {
        return Err(Refusal::too_large_to_export());
    }
    Ok(content::answer(&state, entry.content, XLSX, &HeaderMap::new()).await)
}

/// The item, if the account may see it and the caller can do with its drive.
fn found<'a>(held: &'a Held, id: &str, query: &HashMap<String, String>) -> Result<(&'a Entry, bool), Refusal> {
    let found = held.visible(id).ok_or_else(|| Refusal::not_found(id))?;
    if found.0.drive.is_some() && !is_true(query, "supportsAllDrives") {
        return Err(Refusal::not_found(id));
    }
    Ok(found)
}

fn readable(state: &State, id: &str) -> Result<(), Refusal> {
    if state.faults.get().forbidden.contains(id) { Err(Refusal::forbidden(id)) } else { Ok(()) }
}

async fn list(Shared(state): Shared<Arc<State>>, Query(query): Parameters) -> Result<Response, Refusal> {
    let terms = terms(query.get("q").map(String::as_str).unwrap_or_default())?;
    let drive = drive_of(&state, &query)?;
    match (query.get("corpora").map(String::as_str), &drive) {
        (None | Some("user" | "allDrives"), None) | (Some("drive"), Some(_)) => {}
        (Some("drive"), None) => return Err(Refusal::invalid("driveId")),
        _ => return Err(Refusal::invalid("corpora")),
    }
    let size = page_size(&state, &query)?;
    // A page goes on behind the last id, so what stays where it is, is listed once whatever else changes.
    let after =
        query.get("pageToken").map(|token| token.strip_prefix("~after!").ok_or_else(|| Refusal::invalid("pageToken")));
    let after = after.transpose()?.unwrap_or_default();
    let held = state.drive.held();
    let all_drives = is_true(&query, "supportsAllDrives") && is_true(&query, "includeItemsFromAllDrives");
    for term in &terms {
        if let Term::In(parent) = term
            && held.visible(parent).is_none()
        {
            return Err(Refusal::not_found("."));
        }
    }
    let matching = held.entries.values().filter(|entry| entry.id.as_str() > after).filter_map(|entry| {
        let (entry, trashed) = held.visible(&entry.id)?;
        let in_corpus = match &drive {
            Some(drive) => entry.drive.as_ref() == Some(drive),
            None => entry.drive.is_none() || all_drives,
        };
        (in_corpus && terms.iter().all(|term| term.holds(entry, trashed))).then_some((entry, trashed))
    });
    let mut page: Vec<(&Entry, bool)> = matching.take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    let files: Vec<Value> = page.iter().map(|(entry, trashed)| resource(entry, *trashed)).collect();
    let mut answer = json!({"kind": "drive#fileList", "incompleteSearch": false, "files": files});
    if let Some((last, _)) = page.last().filter(|_| more) {
        answer["nextPageToken"] = json!(format!("~after!{}", last.id));
    }
    let fields =
        query.get("fields").map_or("kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)", String::as_str);
    Ok(Json(select(answer, fields)?).into_response())
}

/// A term of a query: <https://developers.google.com/workspace/drive/api/guides/ref-search-terms>.
enum Term {
    In(String),
    Trashed(bool),
    Media(String, bool),
    Name(String),
}

impl Term {
    fn holds(&self, entry: &Entry, trashed: bool) -> bool {
        match self {
            Term::In(parent) => entry.parent.as_ref() == Some(parent),
            Term::Trashed(is) => trashed == *is,
            Term::Media(media, is) => (entry.mime == *media) == *is,
            Term::Name(name) => entry.name == *name,
        }
    }
}

fn terms(query: &str) -> Result<Vec<Term>, Refusal> {
    let query = query.trim();
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let quoted = |text: &str| Some(text.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned());
    let term = |text: &str| {
        let text = text.trim();
        if let Some(parent) = text.strip_suffix(" in parents") {
            return quoted(parent).map(Term::In);
        }
        if let Some((name, value)) = text.split_once("!=") {
            return (name.trim() == "mimeType").then(|| quoted(value).map(|media| Term::Media(media, false))).flatten();
        }
        let (name, value) = text.split_once('=')?;
        match name.trim() {
            "trashed" => value.trim().parse().ok().map(Term::Trashed),
            "mimeType" => quoted(value).map(|media| Term::Media(media, true)),
            "name" => quoted(value).map(Term::Name),
            _ => None,
        }
    };
    query.split(" and ").map(|text| term(text).ok_or_else(|| Refusal::invalid("q"))).collect()
}

async fn start_page_token(Shared(state): Shared<Arc<State>>, Query(query): Parameters) -> Result<Response, Refusal> {
    drive_of(&state, &query)?;
    let next = state.drive.held().changes.len();
    Ok(Json(json!({"kind": "drive#startPageToken", "startPageToken": next.to_string()})).into_response())
}

async fn changes(Shared(state): Shared<Arc<State>>, Query(query): Parameters) -> Result<Response, Refusal> {
    let drive = drive_of(&state, &query)?;
    let size = page_size(&state, &query)?;
    let token = query.get("pageToken").and_then(|token| token.parse::<usize>().ok());
    let token = token.ok_or_else(|| Refusal::invalid("pageToken"))?;
    if state.faults.take(|faults| &mut faults.expired_page_tokens).is_some() {
        return Err(Refusal::gone());
    }
    let held = state.drive.held();
    if token < held.oldest_change {
        return Err(Refusal::gone());
    }
    if token > held.changes.len() {
        return Err(Refusal::invalid("pageToken"));
    }
    // A file that changed several times is told once, where it changed last.
    let feed = held.changes.iter().enumerate().skip(token).filter(|(_, (of, id))| *of == drive && !id.is_empty());
    let feed: Vec<(usize, &String)> = feed.map(|(at, (_, id))| (at, id)).collect();
    let mut told = HashSet::new();
    let mut latest: Vec<(usize, &String)> = feed.into_iter().rev().filter(|(_, id)| told.insert(*id)).collect();
    latest.reverse();
    let more = latest.len() > size;
    latest.truncate(size);
    let items: Vec<Value> = latest.iter().map(|(_, id)| change(&held, id, drive.as_ref())).collect();
    let mut answer = json!({"kind": "drive#changeList", "changes": items});
    match latest.last() {
        Some((at, _)) if more => answer["nextPageToken"] = json!((at + 1).to_string()),
        _ => answer["newStartPageToken"] = json!(held.changes.len().to_string()),
    }
    let fields = query.get("fields").map_or("*", String::as_str);
    Ok(Json(select(answer, fields)?).into_response())
}

/// How an item is now, or that it is there no more as far as that drive and the account go.
fn change(held: &Held, id: &str, drive: Option<&String>) -> Value {
    match held.visible(id).filter(|(entry, _)| entry.drive.as_ref() == drive) {
        Some((entry, trashed)) => {
            let file = resource(entry, trashed);
            json!({"kind": "drive#change", "changeType": "file", "removed": false, "fileId": id, "file": file})
        }
        None => json!({"kind": "drive#change", "changeType": "file", "removed": true, "fileId": id}),
    }
}

/// The shared drive that is asked for.
fn drive_of(state: &State, query: &HashMap<String, String>) -> Result<Option<String>, Refusal> {
    let Some(drive) = query.get("driveId") else { return Ok(None) };
    if !is_true(query, "supportsAllDrives") {
        return Err(Refusal::invalid("supportsAllDrives"));
    }
    match state.drive.held().visible(drive) {
        Some(_) => Ok(Some(drive.clone())),
        None => Err(Refusal::not_found(drive)),
    }
}

fn page_size(state: &State, query: &HashMap<String, String>) -> Result<usize, Refusal> {
    let asked =
        query.get("pageSize").map_or(Some(100), |size| size.parse().ok().filter(|size| (1..=1000).contains(size)));
    let asked = asked.ok_or_else(|| Refusal::invalid("pageSize"))?;
    Ok(match state.faults.get().page_size {
        0 => asked,
        most => asked.min(most),
    })
}

fn is_true(query: &HashMap<String, String>, parameter: &str) -> bool {
    query.get(parameter).is_some_and(|value| value == "true")
}

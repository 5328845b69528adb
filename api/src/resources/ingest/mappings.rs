//! `/ingest/mappings`: how sheets of other makes are read. See [`fandom_schemas::mappings`] for what a mapping says.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fandom_schemas::mappings::{self as stored, Mapping, Stored, UPLOADS};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio_postgres::types::Type;

use super::requests;
use super::uploads::{entry, fresh, of_path};
use crate::audit;
use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Change, Database, Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::protection::body::without_nul;
use crate::server::App;
use crate::values::{Instant, record};

/// Several mappings, as they are exported and imported.
#[derive(Debug, Deserialize)]
struct Several {
    mappings: Vec<Mapping>,
}

/// Which file to look into: an upload, or any file of a source by its id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    upload: Option<String>,
    file: Option<String>,
    mapping: Option<Mapping>,
}

record! {
    /// A mapping that is stored.
    struct StoredMapping {
        name: String,
        source: String,
        folder: String,
        kind: String,
        definition: Value,
        created_at: Instant,
        updated_at: Instant,
    }
}

/// A mapping in the list.
#[derive(Serialize, utoipa::ToSchema)]
struct ListedMapping {
    #[serde(flatten)]
    stored: StoredMapping,
    /// Whether this version of the suite can read it; one that it cannot concerns no file.
    readable: bool,
}

/// The members of an item.
const MEMBERS: [&str; 8] = ["name", "source", "folder", "kind", "definition", "created_at", "updated_at", "readable"];

const SORTS: [Key; 5] = [
    Key::new("name", "name", Text),
    Key::new("source", "source", Text),
    Key::new("kind", "kind", Text),
    Key::new("created_at", "created_at", InstantKey),
    Key::new("updated_at", "updated_at", InstantKey),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List { path: "/ingest/mappings", sorts: SORTS.iter().map(|key| key.name).collect(), fields: &MEMBERS }
}

/// The mappings that are stored; `definition` is the whole of each.
#[utoipa::path(
    get, path = "/mappings", operation_id = "mappings", tag = "Mappings",
    params(
        ("source" = Option<String>, Query, description = "Those for files of this source", example = "uploads"),
        ("q" = Option<String>, Query, description = "A part of the name or of the folder, in any case", example = "crm"),
    ),
    responses((status = 200, description = "The mappings", body = Page<ListedMapping>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::of(&mut parameters, &MEMBERS, &SORTS, &[Key::new("", "name", Text).descending()]);
    let (source, sought) = (parameters.text("source"), parameters.text("q"));
    parameters.finish()?;
    listing.from = "app.mappings".to_owned();
    if let Some(source) = source {
        let source = listing.binds.bind(source, Type::TEXT);
        listing.filters.push(format!("source = {source}"));
    }
    if let Some(text) = sought {
        listing.contains(&["name", "folder"], &text);
    }
    let item = |stored: StoredMapping| {
        let readable = Mapping::deserialize(&stored.definition).is_ok();
        Ok(ListedMapping { stored, readable })
    };
    answer_anew(&database, listing, item).await
}

/// All of them, as a file that can be imported.
#[utoipa::path(
    get, path = "/mappings/export", operation_id = "export_mappings", tag = "Mappings",
    responses((status = 200, description = "The mappings", body = Value)),
)]
pub async fn export(State(database): State<Database>, parameters: Parameters) -> Result<Response, Problem> {
    parameters.finish()?;
    let mut response = fresh(Json(json!({ "mappings": all(&database).await?.mappings })));
    let name = HeaderValue::from_static("attachment; filename=\"mappings.json\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// Saves several, all or none, each in place of one of the same name.
#[utoipa::path(
    post, path = "/mappings/import", operation_id = "import_mappings", tag = "Mappings",
    request_body(content = Value, content_type = "application/json", description = "What an export has: an object with `mappings`"),
    responses((status = 200, description = "How many were saved", body = Value)),
)]
pub async fn import(
    State(database): State<Database>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Several { mappings } = from_json(body)?;
    keep(&database, &mappings).await?;
    Ok(Json(json!({ "saved": mappings.len() })).into_response())
}

/// One of them.
#[utoipa::path(
    get, path = "/mappings/{name}", operation_id = "mapping", tag = "Mappings",
    params(("name" = String, Path, description = "The mapping's name", example = "crm chats")),
    responses((status = 200, description = "The mapping", body = Value)),
)]
pub async fn one(
    State(database): State<Database>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let name = of_path(name)?;
    let found = all(&database).await?.mappings.into_iter().find(|mapping| mapping.name == name);
    Ok(fresh(Json(found.ok_or_else(none)?)))
}

/// Saves one under the name in the path. The files that it concerns are read again.
#[utoipa::path(
    put, path = "/mappings/{name}", operation_id = "save_mapping", tag = "Mappings",
    params(("name" = String, Path, description = "The mapping's name", example = "crm chats")),
    request_body(content = Value, content_type = "application/json", description = "The mapping"),
    responses((status = 200, description = "The mapping as it was saved", body = Value)),
)]
pub async fn save(
    State(database): State<Database>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let name = of_path(name)?;
    let mut json: Value = from_json(body)?;
    if let Some(mapping) = json.as_object_mut() {
        mapping.insert("name".to_owned(), name.into());
    }
    let mapping: Mapping = serde_json::from_value(json).map_err(|error| unreadable(&error))?;
    keep(&database, std::slice::from_ref(&mapping)).await?;
    Ok(Json(mapping).into_response())
}

/// Removes one. The files that were read by it are read again.
#[utoipa::path(
    delete, path = "/mappings/{name}", operation_id = "remove_mapping", tag = "Mappings",
    params(("name" = String, Path, description = "The mapping's name", example = "crm chats")),
    responses((status = 204, description = "It is removed")),
)]
pub async fn remove(
    State(database): State<Database>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let name = of_path(name)?;
    let mut connection = database.connection().await?;
    let change = connection.change().await?;
    tell(&change, std::slice::from_ref(&name), &[]).await?;
    if !change.run(stored::remove(change.transaction(), &name)).await? {
        return Err(none());
    }
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which mapping would suit a file.
#[utoipa::path(
    post, path = "/mappings/suggest", operation_id = "suggest_mapping", tag = "Mappings",
    request_body(content = Value, content_type = "application/json", description = "`upload` or `file`: which file to look into"),
    responses((status = 200, description = "A mapping, and how sure it is", body = Value)),
)]
pub async fn suggest(State(app): State<App>, body: Result<Bytes, BytesRejection>) -> Result<Response, Problem> {
    let look: Look = from_json(body)?;
    let (source, file) = file_of(&app, &look).await?;
    Ok(fresh(Json(requests::ask(&app, &source, "suggest", &file, None).await?)))
}

/// What a mapping would make of the first rows of a file.
#[utoipa::path(
    post, path = "/mappings/preview", operation_id = "preview_mapping", tag = "Mappings",
    request_body(content = Value, content_type = "application/json", description = "`upload` or `file`, and the `mapping`"),
    responses((status = 200, description = "The first rows as they would be read", body = Value)),
)]
pub async fn preview(State(app): State<App>, body: Result<Bytes, BytesRejection>) -> Result<Response, Problem> {
    let look: Look = from_json(body)?;
    let mapping =
        look.mapping.as_ref().ok_or_else(|| Problem::members(vec!["mapping: give the one to preview".to_owned()]))?;
    check(mapping)?;
    let (source, file) = file_of(&app, &look).await?;
    let mapping = serde_json::to_value(mapping).map_err(|_| Problem::internal())?;
    Ok(fresh(Json(requests::ask(&app, &source, "preview", &file, Some(&mapping)).await?)))
}

async fn file_of(app: &App, look: &Look) -> Result<(String, String), Problem> {
    match (&look.upload, &look.file) {
        (Some(upload), None) => {
            let entry = entry(&app.database, upload).await?;
            audit::tell(json!({ "upload": entry.id }));
            Ok((UPLOADS.to_owned(), entry.file))
        }
        (None, Some(file)) => match file.split_once(':') {
            Some((source, _)) => Ok((source.to_owned(), file.clone())),
            None => Err(Problem::members(vec!["file: give the id of a file, such as inbox:a.csv".to_owned()])),
        },
        _ => Err(Problem::members(vec!["upload: give the id of an upload, or the id of a file as `file`".to_owned()])),
    }
}

async fn all(database: &Database) -> Result<Stored, Problem> {
    let mut connection = database.connection().await?;
    let change = connection.change().await?;
    change.run(stored::all(change.transaction())).await
}

async fn keep(database: &Database, mappings: &[Mapping]) -> Result<(), Problem> {
    mappings.iter().try_for_each(check)?;
    let mut connection = database.connection().await?;
    let change = connection.change().await?;
    let names: Vec<String> = mappings.iter().map(|mapping| mapping.name.clone()).collect();
    tell(&change, &names, mappings).await?;
    change.run(stored::save(change.transaction(), mappings)).await?;
    change.commit().await
}

/// Notes in the audit trail what becomes of the mappings of these names, of which `now` will be there: by name and member, before and now.
async fn tell(change: &Change<'_>, names: &[String], now: &[Mapping]) -> Result<(), Problem> {
    let sql = "select name, definition from app.mappings where name = any($1)";
    let rows = change.query(sql, &[(&names, Type::TEXT_ARRAY)]).await?;
    let before: BTreeMap<String, Value> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut told = Map::new();
    for name in names {
        let now = now.iter().find(|mapping| mapping.name == *name).map(serde_json::to_value).transpose();
        let now = now.map_err(|_| Problem::internal())?.unwrap_or_default();
        let changed = changed(before.get(name).unwrap_or(&Value::Null), &now);
        told.insert(name.clone(), changed);
    }
    audit::tell(json!({ "mappings": told }));
    Ok(())
}

/// The members that differ, each before and now.
fn changed(before: &Value, now: &Value) -> Value {
    let members = |value: &Value| value.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    let names = [members(before), members(now)].concat();
    let differ = names.into_iter().filter(|name| before[name.as_str()] != now[name.as_str()]);
    differ.map(|name| (name.clone(), json!({ "before": before[name.as_str()], "now": now[name.as_str()] }))).collect()
}

fn check(mapping: &Mapping) -> Result<(), Problem> {
    let problems = mapping.problems();
    if problems.is_empty() { Ok(()) } else { Err(Problem::members(problems)) }
}

fn from_json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let body = body.map_err(|_| Problem::new(Kind::TooLarge, "the body is too large, or ended early"))?;
    without_nul(&body)?;
    serde_json::from_slice(&body).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::members(vec![format!("body: {error}; docs/mapping.md shows a whole mapping")])
}

fn none() -> Problem {
    Problem::new(Kind::NotFound, "there is no mapping of that name")
}

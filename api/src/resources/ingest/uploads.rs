//! `GET /ingest/uploads` and `/{id}`: what was uploaded, and where it stands. `DELETE /{id}` takes it back, `POST /{id}/reprocess` has it
//! read again.
//!
//! An upload's state is that of its file in `app.uploads`, which the connectors keep. Before they have seen it, it is `receiving` or
//! `stored`; when it was deleted and its rows still count, `retracting`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fandom_schemas::identity::file_id;
use fandom_schemas::mappings::UPLOADS;
use fandom_services::failpoints;
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::place::Place;
use super::{names, receive, requests};
use crate::audit;
use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Database, Page, answer_anew, records};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::server::App;
use crate::values::{Instant, Record, record};

record! {
    /// An upload.
    #[schema(as = Upload)]
    pub(super) struct Entry {
        id: String,
        file: String,
        name: String,
        folder: String,
        state: String,
        error: Option<String>,
        size_bytes: Option<i64>,
        received_at: Instant,
        updated_at: Instant,
        deleted_at: Option<Instant>,
        version: Option<i64>,
        live_version: Option<i64>,
        live_rows: Option<i64>,
        rows_read: Option<i64>,
        accepted: Option<i64>,
        rejected_count: Option<i64>,
        warnings: Value,
    }
}

/// The states of an upload.
const STATES: [&str; 8] = ["receiving", "stored", "seen", "publishing", "live", "failed", "retracting", "gone"];

const ENTRIES: &str = "with entries as (
        select r.id, r.file, r.name, r.folder,
               case when r.deleted_at is not null then case when coalesce(u.state, 'gone') = 'gone' then 'gone' else 'retracting' end
                    when u.state is not null then u.state
                    when r.stored_at is null then 'receiving' else 'stored' end as state,
               u.error, r.size_bytes, r.received_at, coalesce(u.updated_at, r.stored_at, r.received_at) as updated_at, r.deleted_at,
               u.version, u.live_version, u.live_rows, u.rows_read, u.accepted, u.rejected as rejected_count,
               coalesce(u.warnings, '{}') as warnings
        from app.received r left join app.uploads u on u.file = r.file
    )";

const SORTS: [Key; 3] = [
    Key::new("received_at", "received_at", InstantKey).descending(),
    Key::new("updated_at", "updated_at", InstantKey),
    Key::new("name", "name", Text),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Entry>("/ingest/uploads", &SORTS)
}

/// The list, the newest first. Those that were deleted and are gone are left out, unless that state is asked for.
#[utoipa::path(
    get, path = "/uploads", operation_id = "uploads", tag = "Uploads",
    params(
        ("state" = Option<String>, Query, description = "States, separated by commas: receiving, stored, seen, publishing, live, failed, retracting, gone", example = "live,failed"),
        ("q" = Option<String>, Query, description = "A part of name or folder, in any case", example = "sales"),
    ),
    responses((status = 200, description = "The uploads", body = Page<Entry>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Entry>(&mut parameters, &SORTS, &[Key::new("", "id", Text)]);
    let states = parameters.words("state", &STATES);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.with = ENTRIES.to_owned();
    listing.from = "entries".to_owned();
    if states.is_none() {
        listing.filters.push("(deleted_at is null or state <> 'gone')".to_owned());
    }
    listing.one_of("state", states);
    if let Some(text) = sought {
        listing.contains(&["name", "folder"], &text);
    }
    answer_anew(&database, listing, Ok::<Entry, Problem>).await
}

/// One upload, with the sheets of its version that counts.
#[utoipa::path(
    get, path = "/uploads/{id}", operation_id = "upload", tag = "Uploads",
    params(("id" = String, Path, description = "The upload")),
    responses((status = 200, description = "The upload, with `sheets`", body = Entry)),
)]
pub async fn one(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let entry = entry(&app.database, &of_path(id)?).await?;
    let mut connection = app.database.connection().await?;
    let sql = "select coalesce(jsonb_agg(jsonb_build_object('position', position, 'sheet', sheet, 'kind', kind, \
               'recognised', recognised, 'rows_read', rows_read, 'accepted', accepted, 'rejected_count', rejected_count, \
               'duplicates', duplicates, 'doubtful_times', doubtful_times, 'warnings', warnings) order by position), '[]') \
               from views.files where file_id = $1";
    let id = file_id(&entry.file).cast_signed();
    let rows = connection.snapshot().await?.query(sql, &[(&id, Type::INT8)]).await?;
    let sheets: Value = rows.first().map(|row| row.get(0)).unwrap_or_default();
    let mut body = serde_json::to_value(&entry).map_err(|_| Problem::internal())?;
    body["sheets"] = sheets;
    Ok(fresh(Json(body)))
}

/// Takes an upload back: its file is removed, and the connectors retract its rows as those of any file that is gone.
#[utoipa::path(
    delete, path = "/uploads/{id}", operation_id = "take_back_upload", tag = "Uploads",
    params(("id" = String, Path, description = "The upload")),
    responses((status = 202, description = "It is being taken back", body = Entry)),
)]
pub async fn delete(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let id = of_path(id)?;
    let place = receive::place(&app)?;
    let mut connection = app.database.connection().await?;
    let change = connection.change().await?;
    let sql =
        "update app.received set deleted_at = coalesce(deleted_at, now()) where id = $1 returning file, size_bytes";
    let rows = change.query(sql, &[(&id, Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Err(no_such(&id)) };
    let (file, size): (String, Option<i64>) = (row.get(0), row.get(1));
    audit::tell(json!({ "upload": id, "ending": names::ending(&file), "size_bytes": size }));
    change.commit().await?;
    drop(connection);
    failpoints::pass("api.upload_deleted");
    place.remove(relative(&file)).await.map_err(|error| {
        tracing::error!(%error, upload = id, "an uploaded file could not be removed");
        Problem::new(Kind::Unavailable, "the file could not be removed; delete it again, the log has the cause")
    })?;
    tracing::info!(upload = id, "upload is taken back");
    let entry = entry(&app.database, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(entry)).into_response())
}

/// Has an upload read again.
#[utoipa::path(
    post, path = "/uploads/{id}/reprocess", operation_id = "reprocess_upload", tag = "Uploads",
    params(("id" = String, Path, description = "The upload")),
    responses((status = 202, description = "The id of the request", body = Value)),
)]
pub async fn reprocess(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let entry = entry(&app.database, &of_path(id)?).await?;
    if entry.deleted_at.is_some() || entry.state == "gone" {
        return Err(Problem::new(Kind::Conflict, "the upload was taken back; upload its file again"));
    }
    audit::tell(json!({ "upload": entry.id }));
    let request = requests::make(&app.database, UPLOADS, "reprocess", Some(&entry.file), None).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "request": request }))).into_response())
}

/// The upload of that id.
///
/// # Errors
/// When there is none.
pub(super) async fn entry(database: &Database, id: &str) -> Result<Entry, Problem> {
    entries(database, &[id.to_owned()]).await?.pop().ok_or_else(|| no_such(id))
}

/// The uploads of these ids, in their order.
pub(super) async fn entries(database: &Database, ids: &[String]) -> Result<Vec<Entry>, Problem> {
    selected(database, "id = any($1) order by array_position($1, id)", &ids).await
}

/// The uploads whose files have these ids.
pub(super) async fn of_files(database: &Database, files: &[String]) -> Result<Vec<Entry>, Problem> {
    selected(database, "file = any($1) order by id", &files).await
}

async fn selected(database: &Database, which: &str, values: &&[String]) -> Result<Vec<Entry>, Problem> {
    let mut connection = database.connection().await?;
    let sql = format!("{ENTRIES} select {} from entries where {which}", Entry::columns());
    records(&connection.snapshot().await?.query(&sql, &[(values, Type::TEXT_ARRAY)]).await?)
}

/// The path of an uploaded file in the folder of uploads.
fn relative(file: &str) -> &str {
    file.split_once(':').map_or(file, |(_, relative)| relative)
}

/// The id in a path.
///
/// # Errors
/// When it is no text.
pub(super) fn of_path(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    id.map(|Path(id)| id).map_err(|_| Problem::new(Kind::BadRequest, "the id in the path is not UTF-8 text"))
}

fn no_such(id: &str) -> Problem {
    let shown: String = id.chars().filter(|c| !c.is_control()).take(100).collect();
    Problem::new(Kind::NotFound, format!("there is no upload `{shown}`"))
}

/// An answer that changes without a commit of the dataflow.
pub(super) fn fresh(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], answer).into_response()
}

/// Ends what a process that was killed has left: notes files as stored that are in their place, removes those that were deleted.
pub(super) async fn tidy(database: &Database, place: &Place) {
    let tidied = async {
        let mut connection = database.connection().await?;
        let sql = "select id, file, deleted_at is not null from app.received where deleted_at is not null or stored_at is null";
        let rows = connection.snapshot().await?.query(sql, &[]).await?;
        let (mut stored, mut gone): (Vec<String>, Vec<String>) = Default::default();
        for row in rows {
            let (id, file, deleted): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
            match (place.has(relative(&file)).await, deleted) {
                (true, true) => gone.push(file),
                (true, false) => stored.push(id),
                (false, _) => {}
            }
        }
        for file in gone {
            if let Err(error) = place.remove(relative(&file)).await {
                tracing::warn!(%error, file, "an uploaded file that was deleted could not be removed");
            }
        }
        let change = connection.change().await?;
        let noted = "update app.received set stored_at = now() where id = any($1) and stored_at is null";
        change.query(noted, &[(&stored, Type::TEXT_ARRAY)]).await?;
        // What was noted and never came into its place, long ago.
        let lost = "update app.received set deleted_at = now() where stored_at is null and deleted_at is null \
                    and received_at < now() - interval '2 hours'";
        change.query(lost, &[]).await?;
        change.commit().await
    };
    if tidied.await.is_err() {
        tracing::warn!("uploads that were broken off could not be looked through; it is tried again at the next start");
    }
    if let Err(error) = place.tidy().await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the folder of uploads could not be looked through");
    }
}

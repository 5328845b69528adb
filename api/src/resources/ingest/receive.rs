//! `POST /ingest/uploads`: files come in, as `multipart/form-data`, all of them or none.
//!
//! 1. Each file is written to the disk as it comes, under a hidden name; memory stays small whatever its size.
//! 2. When all have come, they are noted in `app.received`.
//! 3. Each is moved into its place, from which the connectors take it like a file of any other source.
//! 4. They are noted as stored. If the process ends between 3 and 4, the connectors have the file, its upload is found by the file's
//!    id, and the next start notes what was missing.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use fandom_schemas::mappings::UPLOADS;
use fandom_services::failpoints;
use serde_json::json;
use tokio_postgres::types::Type;

use super::place::{Part, Place};
use super::{names, uploads};
use crate::audit;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::request::Traced;
use crate::server::App;

/// The most files of a request.
const MOST_FILES: usize = 100;

/// A file that was received.
struct Received {
    id: String,
    name: String,
    relative: String,
    part: Part,
}

/// Takes files, all of a request or none.
#[utoipa::path(
    post, path = "/uploads", operation_id = "send_uploads", tag = "Uploads",
    params(("folder" = Option<String>, Query, description = "A folder among the uploads, to which a mapping can apply", example = "crm/2026")),
    request_body(content = Value, content_type = "multipart/form-data", description = "Parts that are files, each with its file name"),
    responses((status = 201, description = "The uploads, as `items`", body = Value)),
)]
pub async fn receive(
    State(app): State<App>,
    Extension(Traced(trace)): Extension<Traced>,
    mut parameters: Parameters,
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<Response, Problem> {
    let folder = parameters.checked("folder", "a path such as crm/2026, of plain names", names::folder);
    parameters.finish()?;
    let folder = folder.unwrap_or_default();
    let mut multipart = multipart.map_err(|_| {
        Problem::new(Kind::BadRequest, "send the files as multipart/form-data, each with its file name")
    })?;
    let place = place(&app)?;
    let mut received = Vec::new();
    while let Some(field) = within(&app, multipart.next_field()).await? {
        received.push(one(&app, &place, &folder, field).await?);
        if received.len() > MOST_FILES {
            return Err(Problem::new(Kind::TooLarge, format!("send at most {MOST_FILES} files at once")));
        }
    }
    if received.is_empty() {
        return Err(Problem::new(Kind::BadRequest, "there is no file in the request"));
    }

    note(&app, &received, &folder, trace.as_deref()).await?;
    failpoints::pass("api.upload_noted");
    for (at, file) in received.iter().enumerate() {
        if let Err(error) = place.put(&file.part, &file.relative).await {
            tracing::error!(%error, upload = file.id, "an upload could not be moved into its place");
            take_back(&app, &place, &received[..=at], &received).await;
            return Err(unwritable(&error));
        }
    }
    failpoints::pass("api.upload_stored");
    let ids: Vec<String> = received.iter().map(|file| file.id.clone()).collect();
    let mut connection = app.database.connection().await?;
    let change = connection.change().await?;
    change.query("update app.received set stored_at = now() where id = any($1)", &[(&ids, Type::TEXT_ARRAY)]).await?;
    change.commit().await?;
    for Received { id, part, .. } in &received {
        tracing::info!(upload = id, bytes = part.size, "file was uploaded");
    }
    let items = uploads::entries(&app.database, &ids).await?;
    Ok((StatusCode::CREATED, Json(json!({ "items": items }))).into_response())
}

/// The folder of uploads.
///
/// # Errors
/// When none is set.
pub(super) fn place(app: &App) -> Result<Place, Problem> {
    let folder = app.settings.uploads.clone().ok_or_else(|| {
        Problem::new(
            Kind::Unavailable,
            "nothing can be uploaded: set FANDOM_UPLOADS_DIR, for API and connectors, to a folder that both see",
        )
    })?;
    Ok(Place::new(folder))
}

/// Receives one file.
async fn one(app: &App, place: &Place, folder: &str, mut field: Field<'_>) -> Result<Received, Problem> {
    let Some(given) = field.file_name().map(str::to_owned) else {
        return Err(Problem::new(Kind::BadRequest, "every part of the request must be a file, with its file name"));
    };
    let name = names::safe(&given).ok_or_else(|| {
        let shown: String = given.chars().filter(|c| !c.is_control()).take(100).collect();
        Problem::new(
            Kind::UnsupportedFile,
            format!("`{shown}` is not named as a spreadsheet; .xlsx, .xlsm, .xls, .xlsb, .ods and .csv are read"),
        )
    })?;
    let id = new_id();
    let mut part = place.begin(&id).await.map_err(|error| unwritable(&error))?;
    let most = app.settings.max_file_bytes;
    while let Some(bytes) = within(app, field.chunk()).await? {
        if part.size + bytes.len() as u64 > most {
            return Err(Problem::new(
                Kind::TooLarge,
                format!("`{name}` has more than {most} bytes: export a shorter period, or raise FANDOM_MAX_FILE_BYTES"),
            ));
        }
        part.write(&bytes).await.map_err(|error| unwritable(&error))?;
    }
    part.finish().await.map_err(|error| unwritable(&error))?;
    let relative = if folder.is_empty() { format!("{id}/{name}") } else { format!("{folder}/{id}/{name}") };
    Ok(Received { id, name, relative, part })
}

/// Waits for more of the request, no longer than a request may take.
async fn within<T>(app: &App, more: impl Future<Output = Result<T, MultipartError>>) -> Result<T, Problem> {
    match tokio::time::timeout(app.settings.timeout, more).await {
        Ok(Ok(more)) => Ok(more),
        Ok(Err(error)) => {
            tracing::info!(reason = error.body_text(), "an upload was broken off");
            Err(Problem::new(Kind::BadRequest, "the request ended before its files did, or is not multipart/form-data"))
        }
        Err(_) => Err(Problem::new(Kind::TimedOut, "nothing more came of the files; send them again")),
    }
}

async fn note(app: &App, received: &[Received], folder: &str, trace: Option<&str>) -> Result<(), Problem> {
    let ids: Vec<&str> = received.iter().map(|file| file.id.as_str()).collect();
    let files: Vec<String> = received.iter().map(|file| format!("{UPLOADS}:{}", file.relative)).collect();
    let names: Vec<&str> = received.iter().map(|file| file.name.as_str()).collect();
    let sizes: Vec<i64> = received.iter().map(|file| i64::try_from(file.part.size).unwrap_or(i64::MAX)).collect();
    let told = received
        .iter()
        .map(|file| json!({ "id": file.id, "ending": names::ending(&file.name), "size_bytes": file.part.size }));
    audit::tell(json!({ "uploads": told.collect::<Vec<_>>(), "folder": folder }));
    let mut connection = app.database.connection().await?;
    let change = connection.change().await?;
    let sql = "insert into app.received (id, file, name, folder, size_bytes, trace) select i, f, n, $5, s, $6 \
               from unnest($1, $2, $3, $4) as t(i, f, n, s)";
    change
        .query(
            sql,
            &[
                (&ids, Type::TEXT_ARRAY),
                (&files, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&sizes, Type::INT8_ARRAY),
                (&folder, Type::TEXT),
                (&trace, Type::TEXT),
            ],
        )
        .await?;
    change.commit().await
}

/// Takes back what was put in place of a request that cannot be finished.
async fn take_back(app: &App, place: &Place, put: &[Received], all: &[Received]) {
    for file in put {
        if let Err(error) = place.remove(&file.relative).await {
            tracing::error!(%error, upload = file.id, "an upload could not be taken back; delete it");
        }
    }
    let ids: Vec<&str> = all.iter().map(|file| file.id.as_str()).collect();
    let forget = async {
        let mut connection = app.database.connection().await?;
        let change = connection.change().await?;
        change
            .query("update app.received set deleted_at = now() where id = any($1)", &[(&ids, Type::TEXT_ARRAY)])
            .await?;
        change.commit().await
    };
    if forget.await.is_err() {
        tracing::warn!(uploads = ?ids, "uploads that were refused could not be noted as deleted");
    }
}

fn unwritable(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "an upload could not be written; look at the folder of FANDOM_UPLOADS_DIR");
    Problem::new(Kind::Unavailable, "the files could not be written; the log has the cause")
}

/// A new id: the time in milliseconds and something random, in hexadecimal digits, so that ids ascend with time.
fn new_id() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let random = RandomState::new().build_hasher().finish() & 0xffff_ffff;
    format!("{ms:011x}{random:08x}")
}

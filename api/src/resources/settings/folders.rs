//! `/settings/folders`: how the files of a source, or of a folder in it, are read. See [`fandom_schemas::folders`].

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fandom_schemas::folders::FolderSettings;
use serde_json::json;
use tokio_postgres::types::Type;

use crate::audit::{self, Entry};
use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Database, Page, answer_anew, refused};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;
use crate::server::App;
use crate::values::{Instant, record};

record! {
    /// What was said of a folder.
    struct ListedFolder {
        /// The source.
        source: String,
        /// A path in the source, or the id of a folder of Google Drive; empty for the whole source.
        folder: String,
        /// The IANA zone of dates and times without one.
        zone: Option<String>,
        /// The platform of creators whose names say none.
        platform: Option<String>,
        /// Milliseconds between two looks for changes.
        interval_ms: Option<i32>,
        /// Who said it.
        changed_by: String,
        /// When.
        changed_at: Instant,
    }
}

const SORTS: [Key; 3] = [
    Key::new("source", "source", Text),
    Key::new("folder", "folder", Text),
    Key::new("changed_at", "changed_at", InstantKey),
];
const TIES: [Key; 2] = [Key::new("", "source", Text).descending(), Key::new("", "folder", Text).descending()];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<ListedFolder>("/settings/folders", &SORTS)
}

/// What was said here of how files of folders are read. Everything else is as the environment of the connectors has it.
#[utoipa::path(
    get, path = "/settings/folders", operation_id = "folder_settings", tag = "Settings",
    params(
        ("source" = Option<String>, Query, description = "Those of this source", example = "inbox"),
        ("q" = Option<String>, Query, description = "A part of the folder, in any case", example = "riga"),
    ),
    responses((status = 200, description = "The settings", body = Page<ListedFolder>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::read::<ListedFolder>(&mut parameters, &SORTS, &TIES);
    let (source, sought) = (parameters.text("source"), parameters.text("q"));
    parameters.finish()?;
    listing.from = "app.folder_settings".to_owned();
    if let Some(source) = source {
        let source = listing.binds.bind(source, Type::TEXT);
        listing.filters.push(format!("source = {source}"));
    }
    if let Some(text) = sought {
        listing.contains(&["folder"], &text);
    }
    answer_anew(&database, listing, Ok::<ListedFolder, Problem>).await
}

/// Says how the files of a folder are read, in place of what was said of it before. Files whose zone or platform changes are read again, and the
/// figures follow.
#[utoipa::path(
    put, path = "/settings/folders", operation_id = "save_folder_settings", tag = "Settings",
    request_body(content = Value, content_type = "application/json", description = "The source, the folder, and what holds for it"),
    responses((status = 200, description = "What holds now", body = Value)),
)]
pub async fn save(
    State(app): State<App>,
    asker: Asker,
    reader: Reader,
    Body(settings): Body<FolderSettings>,
) -> Result<Response, Problem> {
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(Problem::members(problems));
    }
    let FolderSettings { source, folder, zone, platform, interval_ms } = &settings;
    let mut connection = app.accounts.store.connection().await?;
    let change = audit::begin(&mut connection).await?;
    // What is as it was changes nothing, so no connector looks through its files.
    let keep = "insert into app.folder_settings as s (source, folder, zone, platform, interval_ms, changed_by)
                values ($1, $2, $3, $4, $5, $6) on conflict (source, folder) do update set zone = excluded.zone,
                platform = excluded.platform, interval_ms = excluded.interval_ms, changed_by = excluded.changed_by, changed_at = now()
                where (s.zone, s.platform, s.interval_ms) is distinct from (excluded.zone, excluded.platform, excluded.interval_ms)";
    let kept = change
        .execute(keep, &[source, folder, zone, platform, interval_ms, &reader.name])
        .await
        .map_err(|error| refused(&error))?;
    if kept > 0 {
        let detail = json!({ "zone": zone, "platform": platform, "interval_ms": interval_ms });
        let target = format!("{source}:{folder}");
        let entry = Entry { actor: &reader.name, action: "folder.changed", target: &target, detail };
        audit::commit(change, &asker, entry).await?;
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(settings)).into_response())
}

/// Takes back what was said of a folder.
#[utoipa::path(
    delete, path = "/settings/folders", operation_id = "remove_folder_settings", tag = "Settings",
    params(
        ("source" = String, Query, description = "The source", example = "inbox"),
        ("folder" = Option<String>, Query, description = "The folder; the whole source without it", example = "riga"),
    ),
    responses((status = 204, description = "It is taken back")),
)]
pub async fn remove(
    State(app): State<App>,
    asker: Asker,
    reader: Reader,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let (source, folder) = (parameters.text("source"), parameters.text("folder").unwrap_or_default());
    if source.is_none() {
        parameters.wrong("source", "give the source, such as inbox");
    }
    parameters.finish()?;
    let source = source.unwrap_or_default();
    let mut connection = app.accounts.store.connection().await?;
    let change = audit::begin(&mut connection).await?;
    let remove = "delete from app.folder_settings where source = $1 and folder = $2";
    if change.execute(remove, &[&source, &folder]).await.map_err(|error| refused(&error))? == 0 {
        return Err(Problem::new(Kind::NotFound, "nothing was said of this folder"));
    }
    let target = format!("{source}:{folder}");
    let entry = Entry { actor: &reader.name, action: "folder.reset", target: &target, detail: json!({}) };
    audit::commit(change, &asker, entry).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

//! `GET /files`: every file that a source has shown, where it stands, and what its live version's sheets hold.
//!
//! The connector's record of a file (`app.uploads`) and the live sheets (`views.files`) are joined by the file's id. A file
//! fails or is read again without a commit of the dataflow, so the epoch does not tell whether the list has changed.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use fandom_schemas::identity::file_id;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Instant as InstantKey, Integer, Text};
use crate::database::{Database, Page, Snapshot, answer_anew, records};
use crate::export::Shape;
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::values::{Id, Instant, Record, record};

record! {
    /// A file, as its source and the connector know it.
    struct Entry {
        #[serde(skip)]
        live_id: Option<i64>,
        file: Option<String>,
        name: String,
        source: Option<String>,
        state: String,
        error: Option<String>,
        version: Option<i64>,
        live_version: Option<i64>,
        size_bytes: Option<i64>,
        modified_at: Option<Instant>,
        exported_at: Option<Instant>,
        rows_read: Option<i64>,
        accepted: Option<i64>,
        rejected_count: Option<i64>,
        warnings: Value,
        attempts: Option<i32>,
        first_seen_at: Option<Instant>,
        updated_at: Option<Instant>,
    }
}

record! {
    /// A sheet of a live version.
    struct Sheet {
        #[serde(skip)]
        file_id: i64,
        position: i64,
        sheet: Option<String>,
        kind: Option<String>,
        recognised: bool,
        rows_read: i64,
        accepted: i64,
        rejected_count: i64,
        rejected: Value,
        duplicates: i64,
        doubtful_times: i64,
        warnings: Value,
    }
}

/// A file and its sheets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct File {
    file_id: Id,
    #[serde(flatten)]
    entry: Entry,
    /// Over its live sheets; null when it has none.
    duplicates: Option<i64>,
    /// Over its live sheets; null when it has none.
    doubtful_times: Option<i64>,
    sheets: Vec<Sheet>,
}

const SORTS: [Key; 3] = [
    Key::new("name", "name", Text),
    Key::new("updated_at", "updated_at", InstantKey).nullable(),
    Key::new("state", "state", Text),
];

const TIES: [Key; 3] = [
    Key::new("", "name", Text),
    Key::new("", "coalesce(file, '')", Text),
    Key::new("", "coalesce(live_id, 0)", Integer),
];

/// Files of which there are live sheets and no record (the connector's was lost) are listed too.
const ENTRIES: &str = "with entries as (
        select null::bigint as live_id, file, name, source, state, error, version, live_version, size_bytes, modified_at,
               exported_at, rows_read, accepted, rejected as rejected_count, warnings, attempts, first_seen_at, updated_at
        from app.uploads
        union all
        select file_id, null, min(file), null, 'live', null, max(version), max(version), null, max(modified_at),
               max(exported_at), sum(rows_read)::bigint, sum(accepted)::bigint, sum(rejected_count)::bigint, '{}', null,
               null, null
        from views.files where not exists (select from app.uploads where name = files.file)
        group by file_id
    )";

/// The members of a file.
const MEMBERS: [&str; 21] = [
    "file_id",
    "file",
    "name",
    "source",
    "state",
    "error",
    "version",
    "live_version",
    "size_bytes",
    "modified_at",
    "exported_at",
    "rows_read",
    "accepted",
    "rejected_count",
    "warnings",
    "attempts",
    "first_seen_at",
    "updated_at",
    "duplicates",
    "doubtful_times",
    "sheets",
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List { path: "/files", sorts: SORTS.iter().map(|key| key.name).collect(), fields: &MEMBERS }
}

/// Every file that a source has shown, where it stands, and what its live version's sheets hold.
#[utoipa::path(
    get, path = "/files", operation_id = "files", tag = "Files",
    params(
        ("state" = Option<String>, Query, description = "States, separated by commas: seen, publishing, live, failed, gone", example = "live,failed"),
        ("q" = Option<String>, Query, description = "A part of the name, in any case", example = "october"),
    ),
    responses((status = 200, description = "The files", body = Page<File>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::of(&mut parameters, &MEMBERS, &SORTS, &TIES);
    let states = parameters.words("state", &["seen", "publishing", "live", "failed", "gone"]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.with = ENTRIES.to_owned();
    listing.from = "entries".to_owned();
    listing.one_of("state", states);
    if let Some(text) = sought {
        listing.contains(&["name"], &text);
    }

    answer_anew(&database, listing, WithSheets).await
}

/// Makes files of entries and their sheets.
struct WithSheets;

impl Shape<Entry> for WithSheets {
    type Item = File;

    async fn items(&self, snapshot: &Snapshot<'_>, entries: Vec<Entry>) -> Result<Vec<File>, Problem> {
        let of_file = |file: &str| file_id(file).cast_signed();
        let id = |entry: &Entry| entry.live_id.or(entry.file.as_deref().map(of_file)).unwrap_or(0);
        let ids: Vec<i64> = entries.iter().map(id).collect();
        let sql = format!("select {} from views.files where file_id = any($1) order by position", Sheet::columns());
        let sheets: Vec<Sheet> = records(&snapshot.query(&sql, &[(&ids, Type::INT8_ARRAY)]).await?)?;
        let mut by_file: HashMap<i64, Vec<Sheet>> = HashMap::new();
        for sheet in sheets {
            by_file.entry(sheet.file_id).or_default().push(sheet);
        }
        let file = |(entry, id): (Entry, i64)| {
            let sheets = by_file.remove(&id).unwrap_or_default();
            let sum = |figure: fn(&Sheet) -> i64| (!sheets.is_empty()).then(|| sheets.iter().map(figure).sum());
            let (duplicates, doubtful_times) = (sum(|sheet| sheet.duplicates), sum(|sheet| sheet.doubtful_times));
            File { file_id: Id(id), entry, duplicates, doubtful_times, sheets }
        };
        Ok(entries.into_iter().zip(ids).map(file).collect())
    }
}

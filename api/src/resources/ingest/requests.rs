//! What is asked of the connectors, which may run elsewhere: `app.ingest_requests`. `POST /ingest/sync` has every source looked at
//! now; `GET /ingest/requests/{id}` says whether something that was asked is done.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::uploads::{fresh, of_path};
use crate::audit;
use crate::database::{Database, records};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::server::App;
use crate::values::{Instant as At, Record, record};

record! {
    /// Something that was asked.
    struct Asked {
        id: i64,
        source: String,
        what: String,
        file: Option<String>,
        state: String,
        error: Option<String>,
        made_at: At,
        done_at: Option<At>,
    }
}

/// Asks every source that was ever served to look for changes now.
#[utoipa::path(
    post, path = "/sync", operation_id = "sync", tag = "Uploads",
    responses((status = 202, description = "The requests, a source each", body = Value)),
)]
pub async fn sync(State(database): State<Database>, parameters: Parameters) -> Result<Response, Problem> {
    parameters.finish()?;
    let mut connection = database.connection().await?;
    let change = connection.change().await?;
    // One that waits already is asked no second time.
    let sql = "with waiting as (select id, source from app.ingest_requests where what = 'sync' and state = 'waiting'), \
               made as (insert into app.ingest_requests (source, what) select source, 'sync' from app.sources s \
               where not exists (select from waiting w where w.source = s.source) returning id, source) \
               select id, source from waiting union all select id, source from made order by source";
    let rows = change.query(sql, &[]).await?;
    let requests: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "request": row.get::<_, i64>(0).to_string(), "source": row.get::<_, String>(1) }))
        .collect();
    audit::tell(json!({ "requests": requests }));
    change.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "requests": requests }))).into_response())
}

/// Whether something that was asked is done. It is forgotten after an hour.
#[utoipa::path(
    get, path = "/requests/{id}", operation_id = "request", tag = "Uploads",
    params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "Where it stands", body = Value)),
)]
pub async fn one(
    State(database): State<Database>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let none = || Problem::new(Kind::NotFound, "there is no such request, or it was made more than an hour ago");
    let id: i64 = of_path(id)?.parse().map_err(|_| none())?;
    let mut connection = database.connection().await?;
    let sql = format!("select {} from app.ingest_requests where id = $1", Asked::columns());
    let rows = connection.snapshot().await?.query(&sql, &[(&id, Type::INT8)]).await?;
    let asked: Vec<Asked> = records(&rows)?;
    let asked = asked.into_iter().next().ok_or_else(none)?;
    let mut body = serde_json::to_value(&asked).map_err(|_| Problem::internal())?;
    body["id"] = id.to_string().into();
    Ok(fresh(Json(body)))
}

/// Asks something; returns the request's id.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn make(
    database: &Database,
    source: &str,
    what: &str,
    file: Option<&str>,
    mapping: Option<&Value>,
) -> Result<String, Problem> {
    let mut connection = database.connection().await?;
    let change = connection.change().await?;
    let sql = "insert into app.ingest_requests (source, what, file, mapping) values ($1, $2, $3, $4) returning id";
    let binds: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
        [(&source, Type::TEXT), (&what, Type::TEXT), (&file, Type::TEXT), (&mapping, Type::JSONB)];
    let rows = change.query(sql, &binds).await?;
    let id: i64 = rows.first().map(|row| row.get(0)).unwrap_or_default();
    audit::tell(json!({ "request": id.to_string(), "what": what, "source": source }));
    change.commit().await?;
    Ok(id.to_string())
}

/// Asks something and waits for the answer.
///
/// # Errors
/// When nobody answers in time, or the answer is that it cannot be done.
pub(super) async fn ask(
    app: &App,
    source: &str,
    what: &str,
    file: &str,
    mapping: Option<&Value>,
) -> Result<Value, Problem> {
    let until = Instant::now() + app.settings.timeout.mul_f64(0.8);
    let id: i64 = make(&app.database, source, what, Some(file), mapping).await?.parse().unwrap_or_default();
    let mut wait = Duration::from_millis(20);
    loop {
        tokio::time::sleep_until((Instant::now() + wait).min(until)).await;
        wait = (wait * 2).min(Duration::from_millis(250));
        let mut connection = app.database.connection().await?;
        let sql = "select state, answer, error from app.ingest_requests where id = $1";
        let rows = connection.snapshot().await?.query(sql, &[(&id, Type::INT8)]).await?;
        let row = rows.first();
        match row.map(|row| row.get::<_, String>(0)).as_deref() {
            Some("done") => return Ok(row.and_then(|row| row.get(1)).unwrap_or_default()),
            Some("failed") => {
                let reason: Option<String> = row.and_then(|row| row.get(2));
                return Err(Problem::new(Kind::Conflict, reason.unwrap_or_default()));
            }
            Some(_) if Instant::now() < until => {}
            _ => {
                let change = connection.change().await?;
                change.query("delete from app.ingest_requests where id = $1", &[(&id, Type::INT8)]).await?;
                change.commit().await?;
                let detail =
                    format!("no connector that serves `{source}` answered in time; see that `fandom connect` runs");
                return Err(Problem::new(Kind::Unavailable, detail));
            }
        }
    }
}

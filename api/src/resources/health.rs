//! `GET /health`: the process lives. `GET /ready`: the figures can be relied upon now.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::database::Database;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::values::{Record, record};

/// A heartbeat of the dataflow older than this, in seconds, means that it does not run.
const HEARTBEAT_SECONDS: f64 = 10.0;

record! {
    /// Where the dataflow and the files stand.
    struct Standing {
        state: String,
        records_done: i64,
        records_due: i64,
        lag: Value,
        heartbeat_age_seconds: Option<f64>,
        epoch: i64,
        epoch_age_seconds: Option<f64>,
        files: Value,
    }
}

/// The answer of a process that lives.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct Alive {
    status: &'static str,
}

/// Where the dataflow and the files stand.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, of which a problem can be a part too")]
struct Ready {
    ready: bool,
    /// `stopped`, `hydrating` or `live`.
    state: String,
    /// How much has been read again after a start.
    hydration_percent: Option<f64>,
    lag: Lag,
    epoch: i64,
    epoch_age_seconds: Option<f64>,
    heartbeat_age_seconds: Option<f64>,
    /// Files by state.
    files: BTreeMap<String, i64>,
}

/// Records that are not yet read.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a part of the answer")]
struct Lag {
    total: i64,
    /// By partition.
    partitions: BTreeMap<String, i64>,
}

/// The process lives.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "Service",
    responses((status = 200, description = "It does", body = Alive)),
)]
pub async fn health(parameters: Parameters) -> Result<Response, Problem> {
    parameters.finish()?;
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(Alive { status: "alive" }))
        .into_response())
}

/// Postgres answers, the views are live, and whoever keeps them so was heard of just now. Otherwise the answer is 503 with the
/// same members beside those of a problem.
#[utoipa::path(
    get, path = "/ready", operation_id = "ready", tag = "Service",
    responses((status = 200, description = "The figures can be relied upon", body = Ready)),
)]
pub async fn ready(State(database): State<Database>, parameters: Parameters) -> Result<Response, Problem> {
    parameters.finish()?;
    let mut connection = database.connection().await?;
    let snapshot = connection.snapshot().await?;
    let from = "(select s.*, p.epoch,
            extract(epoch from now() - s.heartbeat_at)::float8 as heartbeat_age_seconds,
            extract(epoch from now() - p.committed_at)::float8 as epoch_age_seconds,
            (select coalesce(jsonb_object_agg(state, count), '{}')
             from (select state, count(*) from app.uploads group by state) by_state) as files
        from views.status s, views.progress p) standing";
    let rows = snapshot.query(&format!("select {} from {from}", Standing::columns()), &[]).await?;
    let standing: Option<Standing> = crate::database::records(&rows)?.pop();
    let standing = standing.ok_or_else(|| {
        Problem::new(Kind::NotReady, "views.status has no row; the database has not been prepared yet")
    })?;
    let reason = standing.reason();
    let body = standing.body(reason.is_none());
    match reason {
        Some(reason) => Err(Problem::new(Kind::NotReady, reason).with(body)),
        None => Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()),
    }
}

impl Standing {
    /// Why the figures cannot be relied upon.
    fn reason(&self) -> Option<&'static str> {
        let beats = self.heartbeat_age_seconds.is_some_and(|age| age < HEARTBEAT_SECONDS);
        match self.state.as_str() {
            "hydrating" if beats => {
                Some("the dataflow still reads what it had read before it stopped; the views stand still")
            }
            "live" if beats => None,
            "live" | "hydrating" => Some("the dataflow has not been heard of for 10 seconds; the views stand still"),
            _ => Some("the dataflow does not run; the views stand still"),
        }
    }

    fn body(self, ready: bool) -> Map<String, Value> {
        let hydration_percent = match self.state.as_str() {
            "live" => Some(100.0),
            "hydrating" if self.records_due > 0 => {
                Some((self.records_done as f64 * 100.0 / self.records_due as f64).clamp(0.0, 100.0))
            }
            "hydrating" => Some(0.0),
            _ => None,
        };
        let total: i64 = self.lag.as_object().into_iter().flat_map(|lag| lag.values()).filter_map(Value::as_i64).sum();
        let files: Map<String, Value> = ["seen", "publishing", "live", "failed", "gone"]
            .map(|state| (state.to_owned(), self.files.get(state).cloned().unwrap_or(0.into())))
            .into_iter()
            .collect();
        let body = json!({
            "ready": ready,
            "state": self.state,
            "hydration_percent": hydration_percent,
            "lag": { "total": total, "partitions": self.lag },
            "epoch": self.epoch,
            "epoch_age_seconds": self.epoch_age_seconds,
            "heartbeat_age_seconds": self.heartbeat_age_seconds,
            "files": files,
        });
        match body {
            Value::Object(body) => body,
            _ => Map::new(),
        }
    }
}

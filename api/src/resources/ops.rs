//! `GET /ops/tasks`: what connectors, dataflow and archive do again and again: whether it goes well, when it last did, why it last
//! failed, when it is done next.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::database::Database;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::values::{Instant, Record, record};

record! {
    /// A task.
    struct Task {
        task: String,
        kind: String,
        state: String,
        since: Option<Instant>,
        heartbeat_at: Option<Instant>,
        heartbeat_age_seconds: Option<f64>,
        last_success_at: Option<Instant>,
        last_error_at: Option<Instant>,
        last_error: Option<String>,
        next_run_at: Option<Instant>,
    }
}

/// What runs again and again.
#[derive(Serialize, utoipa::ToSchema)]
struct Tasks {
    /// The epoch of the last commit.
    epoch: i64,
    /// The tasks, by kind and name.
    items: Vec<Task>,
}

/// Every task, with when it last went well, and why it last did not.
///
/// One that neither was stopped nor was heard of for a while is `silent`: its process is gone, or hangs, or cannot reach
/// the database. That the dataflow reads the log again is `hydrating`.
#[utoipa::path(
    get, path = "/ops/tasks", operation_id = "tasks", tag = "Service",
    responses((status = 200, description = "The tasks", body = Tasks)),
)]
pub async fn tasks(State(database): State<Database>, parameters: Parameters) -> Result<Response, Problem> {
    parameters.finish()?;
    let mut connection = database.connection().await?;
    let snapshot = connection.snapshot().await?;
    // A heartbeat comes every five seconds, or with the next look where looks are further apart.
    let from = "(select t.task, t.kind, t.since, t.heartbeat_at, t.last_success_at, t.last_error_at, t.last_error, t.next_run_at,
            extract(epoch from now() - t.heartbeat_at)::float8 as heartbeat_age_seconds,
            case when t.state = 'stopped' then 'stopped'
                when now() > greatest(t.heartbeat_at + interval '15 seconds', t.next_run_at + interval '30 seconds') then 'silent'
                when t.kind = 'dataflow' and t.state = 'ok' and (select state from views.status) = 'hydrating' then 'hydrating'
                else t.state end as state
        from app.tasks t order by t.kind, t.task) tasks";
    let rows = snapshot.query(&format!("select {} from {from}", Task::columns()), &[]).await?;
    let tasks: Vec<Task> = crate::database::records(&rows)?;
    let body = Tasks { epoch: snapshot.epoch, items: tasks };
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response())
}

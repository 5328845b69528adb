//! `GET /ops/tasks`: what connectors, dataflow and archive do again and again: whether it goes well, when it last did, why it last
//! failed, when it is done next.

use axum::extract::State;
use axum::response::Response;

use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Database, Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::values::{Instant, record};

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

const SORTS: [Key; 5] = [
    Key::new("kind", "kind", Text),
    Key::new("task", "task", Text),
    Key::new("state", "state", Text),
    Key::new("last_success_at", "last_success_at", InstantKey).nullable(),
    Key::new("next_run_at", "next_run_at", InstantKey).nullable(),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Task>("/ops/tasks", &SORTS)
}

/// Every task, with when it last went well, and why it last did not.
///
/// One that neither was stopped nor was heard of for a while is `silent`: its process is gone, or hangs, or cannot reach
/// the database. That the dataflow reads the log again is `hydrating`.
#[utoipa::path(
    get, path = "/ops/tasks", operation_id = "tasks", tag = "Service",
    params(
        ("kind" = Option<String>, Query, description = "Kinds, separated by commas: source, dataflow, archive", example = "source"),
        ("state" = Option<String>, Query, description = "States, separated by commas: ok, failing, silent, hydrating, stopped", example = "failing,silent"),
        ("q" = Option<String>, Query, description = "A part of the task's name, in any case", example = "inbox"),
    ),
    responses((status = 200, description = "The tasks", body = Page<Task>)),
)]
pub async fn tasks(State(database): State<Database>, mut parameters: Parameters) -> Result<Response, Problem> {
    let ties = [Key::new("", "kind", Text).descending(), Key::new("", "task", Text).descending()];
    let mut listing = Listing::read::<Task>(&mut parameters, &SORTS, &ties);
    let kinds = parameters.words("kind", &["source", "dataflow", "archive"]);
    let states = parameters.words("state", &["ok", "failing", "silent", "hydrating", "stopped"]);
    let sought = parameters.text("q");
    parameters.finish()?;
    // A heartbeat comes every five seconds, or with the next look where looks are further apart.
    listing.with = "with tasks as not materialized (
            select t.task, t.kind, t.since, t.heartbeat_at, t.last_success_at, t.last_error_at, t.last_error, t.next_run_at,
                extract(epoch from now() - t.heartbeat_at)::float8 as heartbeat_age_seconds,
                case when t.state = 'stopped' then 'stopped'
                    when now() > greatest(t.heartbeat_at + interval '15 seconds', t.next_run_at + interval '30 seconds') then 'silent'
                    when t.kind = 'dataflow' and t.state = 'ok' and (select state from views.status) = 'hydrating' then 'hydrating'
                    else t.state end as state
            from app.tasks t)"
        .to_owned();
    listing.from = "tasks".to_owned();
    listing.one_of("kind", kinds);
    listing.one_of("state", states);
    if let Some(text) = sought {
        listing.contains(&["task"], &text);
    }
    answer_anew(&database, listing, Ok::<Task, Problem>).await
}

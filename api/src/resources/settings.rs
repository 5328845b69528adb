//! `/settings`: what the API is set to, without secrets, and the settings that can be changed while it runs. Below `/settings/folders`, how
//! the files of folders are read.

pub(super) mod folders;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use fandom_services::env::Problems;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::audit::{self, Entry};
use crate::cursor::KeyType::Text;
use crate::database::{Page, answer_anew, refused};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;
use crate::server::App;
use crate::settings::{Changeable, Stored};
use crate::values::{Instant, record};

record! {
    /// A setting.
    struct Setting {
        /// The environment variable that sets it.
        variable: String,
        /// What holds; of a secret, whether there is one.
        value: Value,
        /// Whether it can be changed here.
        changeable: bool,
        /// Who changed it here; null where the environment's value holds.
        changed_by: Option<String>,
        /// When.
        changed_at: Option<Instant>,
    }
}

const SORTS: [Key; 1] = [Key::new("variable", "variable", Text)];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Setting>("/settings", &SORTS)
}

/// What the API is set to. Of secrets it tells whether they are set.
///
/// Settings are environment variables of the process. Those that are `changeable` can be changed here while it runs; what is set here counts
/// instead of the environment, also after the next start. How files are read is set by folder (`/settings/folders`) and by mappings.
#[utoipa::path(
    get, path = "/settings", operation_id = "settings", tag = "Settings",
    params(("q" = Option<String>, Query, description = "A part of the variable, in any case", example = "session")),
    responses((status = 200, description = "The settings", body = Page<Setting>)),
)]
pub async fn list(State(app): State<App>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Setting>(&mut parameters, &SORTS, &[]);
    let sought = parameters.text("q");
    parameters.finish()?;
    let shown = app.settings.shown().into_iter().map(|(variable, value)| {
        json!({"variable": variable, "value": value, "changeable": Changeable::VARIABLES.contains(&variable)})
    });
    let all = listing.binds.bind(Value::Array(shown.collect()), Type::JSONB);
    listing.with = format!(
        "with settings as not materialized (
             select s->>'variable' as variable, s->'value' as value, (s->>'changeable')::boolean as changeable, changed_by, changed_at
             from jsonb_array_elements({all}) s left join app.settings stored on stored.variable = s->>'variable')"
    );
    listing.from = "settings".to_owned();
    if let Some(text) = sought {
        listing.contains(&["variable"], &text);
    }
    answer_anew(&app.database, listing, Ok::<Setting, Problem>).await
}

/// What shall hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    value: Value,
}

/// What holds now.
#[derive(Serialize, utoipa::ToSchema)]
struct Holding {
    /// The environment variable that it stands for.
    variable: &'static str,
    /// What holds.
    value: Value,
}

/// Changes a setting: what is given holds from now on, also after the next start. Other processes of the API obey within seconds.
#[utoipa::path(
    put, path = "/settings/{variable}", operation_id = "change_setting", tag = "Settings",
    params(("variable" = String, Path, description = "A setting that is `changeable`", example = "FANDOM_SESSION_HOURS")),
    request_body(content = Value, content_type = "application/json", description = "The value: a text as in the environment, a number, a boolean or a list of texts"),
    responses((status = 200, description = "What holds now", body = Holding)),
)]
pub async fn change(
    State(app): State<App>,
    variable: Result<Path<String>, PathRejection>,
    asker: Asker,
    reader: Reader,
    Body(Wanted { value }): Body<Wanted>,
) -> Result<Response, Problem> {
    let variable = changeable(&app, variable)?;
    let forms = "give a text as in the environment, a number, a boolean, or a list of texts";
    let text = as_in_environment(&value).ok_or_else(|| wrong(forms.to_owned()))?;
    store(&app, variable, Some(text), &reader, &asker).await
}

/// Takes back what was changed here: the environment's value holds again.
#[utoipa::path(
    delete, path = "/settings/{variable}", operation_id = "reset_setting", tag = "Settings",
    params(("variable" = String, Path, description = "A setting that is `changeable`", example = "FANDOM_SESSION_HOURS")),
    responses((status = 200, description = "What holds now", body = Holding)),
)]
pub async fn reset(
    State(app): State<App>,
    variable: Result<Path<String>, PathRejection>,
    asker: Asker,
    reader: Reader,
) -> Result<Response, Problem> {
    let variable = changeable(&app, variable)?;
    store(&app, variable, None, &reader, &asker).await
}

/// Stores a value, or that there is none, and lets it hold.
async fn store(
    app: &App,
    variable: &'static str,
    value: Option<String>,
    reader: &Reader,
    asker: &Asker,
) -> Result<Response, Problem> {
    let mut connection = app.accounts.store.connection().await?;
    let change = audit::begin(&mut connection).await?;
    let rows = change.query("select variable, value from app.settings", &[]).await.map_err(|error| refused(&error))?;
    let mut stored: Stored = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let before = match &value {
        Some(value) => stored.insert(variable.to_owned(), value.clone()),
        None => stored.remove(variable),
    };
    let problems = app.settings.in_force.with(&stored).err().map_or_else(Vec::new, |Problems(problems)| problems);
    if let Some(problem) = problems.into_iter().find(|problem| problem.variable == variable) {
        return Err(wrong(problem.message));
    }
    if before != value {
        let done = match &value {
            Some(value) => {
                let keep = "insert into app.settings as s (variable, value, changed_by) values ($1, $2, $3) on conflict (variable)
                            do update set value = excluded.value, changed_by = excluded.changed_by, changed_at = now()";
                change.execute(keep, &[&variable, value, &reader.name]).await
            }
            None => change.execute("delete from app.settings where variable = $1", &[&variable]).await,
        };
        done.map_err(|error| refused(&error))?;
        let detail = json!({ "before": before, "now": value });
        let entry = Entry { actor: &reader.name, action: "setting.changed", target: variable, detail };
        app.accounts.commit(change, asker, entry).await?;
        app.settings.in_force.obey(stored);
    }
    let now = app.settings.in_force.now().shown().into_iter().find(|(shown, _)| *shown == variable);
    let (_, value) = now.ok_or_else(Problem::internal)?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Holding { variable, value })).into_response())
}

/// The setting of the path, if it can be changed.
fn changeable(app: &App, variable: Result<Path<String>, PathRejection>) -> Result<&'static str, Problem> {
    let Path(asked) = variable.map_err(|_| Problem::new(Kind::BadRequest, "the path is not UTF-8 text"))?;
    if let Some(variable) = Changeable::VARIABLES.into_iter().find(|variable| *variable == asked) {
        return Ok(variable);
    }
    match app.settings.shown().into_iter().find(|(variable, _)| *variable == asked) {
        Some((variable, _)) => {
            let detail =
                format!("{variable} is set by the environment of the process alone: change it there and start anew");
            Err(Problem::new(Kind::Conflict, detail))
        }
        None => Err(Problem::new(Kind::NotFound, "there is no such setting; GET /api/v1/settings lists them")),
    }
}

/// A value as it would stand in the environment.
fn as_in_environment(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Array(texts) => {
            let texts: Option<Vec<&str>> = texts.iter().map(Value::as_str).collect();
            Some(texts?.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

fn wrong(message: String) -> Problem {
    Problem::members(vec![format!("value: {message}")])
}

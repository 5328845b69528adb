//! `GET /settings`: what the API is set to, without secrets. It is set by the environment of the process, not here.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::cursor::KeyType::Text;
use crate::database::{Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::server::App;
use crate::values::record;

record! {
    /// A setting.
    struct Setting {
        /// The environment variable that sets it.
        variable: String,
        /// What holds; of a secret, whether there is one.
        value: Value,
    }
}

const SORTS: [Key; 1] = [Key::new("variable", "variable", Text)];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Setting>("/settings", &SORTS)
}

/// What the API is set to. Of secrets it tells whether they are set.
///
/// Settings are environment variables of the process. How sheets are read is set by mappings, which can be changed here.
#[utoipa::path(
    get, path = "/settings", operation_id = "settings", tag = "Service",
    params(("q" = Option<String>, Query, description = "A part of the variable, in any case", example = "session")),
    responses((status = 200, description = "The settings", body = Page<Setting>)),
)]
pub async fn list(State(app): State<App>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Setting>(&mut parameters, &SORTS, &[]);
    let sought = parameters.text("q");
    parameters.finish()?;
    let shown = app.settings.shown().into_iter().map(|(variable, value)| json!({"variable": variable, "value": value}));
    let all = listing.binds.bind(Value::Array(shown.collect()), Type::JSONB);
    listing.with = format!(
        "with settings as not materialized (
             select s->>'variable' as variable, s->'value' as value from jsonb_array_elements({all}) s)"
    );
    listing.from = "settings".to_owned();
    if let Some(text) = sought {
        listing.contains(&["variable"], &text);
    }
    answer_anew(&app.database, listing, Ok::<Setting, Problem>).await
}

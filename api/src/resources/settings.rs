//! `GET /settings`: what the API is set to, without secrets. It is set by the environment of the process, not here.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::server::App;

/// A setting.
#[derive(Serialize, utoipa::ToSchema)]
struct Setting {
    /// The environment variable that sets it.
    variable: &'static str,
    /// What holds; of a secret, whether there is one.
    value: Value,
}

/// What the API is set to.
#[derive(Serialize, utoipa::ToSchema)]
struct Settings {
    /// The settings.
    items: Vec<Setting>,
}

/// What the API is set to. Of secrets it tells whether they are set.
///
/// Settings are environment variables of the process. How sheets are read is set by mappings, which can be changed here.
#[utoipa::path(
    get, path = "/settings", operation_id = "settings", tag = "Service",
    responses((status = 200, description = "The settings", body = Settings)),
)]
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Response, Problem> {
    parameters.finish()?;
    let items = app.settings.shown().into_iter().map(|(variable, value)| Setting { variable, value }).collect();
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(Settings { items })).into_response())
}

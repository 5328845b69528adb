//! `/auth`, `/users`, `/keys`, `/audit`: accounts over HTTP. What a secret is in is never kept by a browser or a proxy.
//!
//! What bodies have in them is described, with examples, in `openapi/accounts.json`.

mod keys;
mod second_factor;
mod sessions;
mod trail;
mod users;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::List;
use crate::problem::{Kind, Problem};
use crate::server::App;

type Answer = Result<Response, Problem>;

/// The routes under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::forgotten))
        .routes(routes!(sessions::choose))
        .routes(routes!(sessions::me))
        .routes(routes!(sessions::logout))
        .routes(routes!(sessions::logout_everywhere))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(sessions::password))
        .routes(routes!(second_factor::set_up))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(second_factor::renew_codes))
        .routes(routes!(second_factor::remove))
        .routes(routes!(second_factor::reset))
        .routes(routes!(users::list, users::invite))
        .routes(routes!(users::change))
        .routes(routes!(users::end_sessions))
        .routes(routes!(users::reset))
        .routes(routes!(keys::list, keys::make))
        .routes(routes!(keys::revoke))
        .routes(routes!(trail::list))
}

/// The lists among them.
pub(crate) fn lists() -> [List; 4] {
    [sessions::described(), users::described(), keys::described(), trail::described()]
}

/// The id in a path.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    /// What no id can be is answered like an id that nothing has.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let id: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(id) = id.map_err(|_| Problem::new(Kind::BadRequest, "the id in the path is not UTF-8 text"))?;
        let can_be = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        can_be.then_some(Id(id)).ok_or_else(|| Problem::new(Kind::NotFound, "there is nothing with this id"))
    }
}

fn private(status: StatusCode, body: impl Serialize) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn done() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

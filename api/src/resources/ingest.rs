//! `/ingest`: what comes in. Files are uploaded, watched, read again and taken back; sheets of other makes are mapped.
//!
//! ```text
//!  POST uploads ─▶ receive ─▶ folder of uploads ─▶ the connectors' source `uploads`, like any other
//!  reprocess, sync, suggest, preview ─▶ app.ingest_requests ─ NOTIFY ─▶ connectors, which answer there
//!  app.uploads ─ NOTIFY fandom_files ─▶ progress ─▶ events
//! ```
//!
//! The API reads no spreadsheet: whatever is in one, it is the connectors that open it.

mod mappings;
mod names;
mod place;
mod progress;
mod receive;
mod rejects;
mod requests;
mod uploads;

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::Method;
use fandom_services::postgres::PostgresSettings;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::List;
use crate::server::App;
pub(crate) use progress::Progress;

/// The longest that an upload may take. It ends sooner when nothing comes for as long as a request may take.
pub(crate) const LONGEST_UPLOAD: Duration = Duration::from_secs(3600);

/// The lists among the routes.
pub(crate) fn lists() -> [List; 3] {
    [uploads::described(), rejects::described(), mappings::described()]
}

/// The routes under `/api/v1/ingest`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    // Files may be larger than other bodies.
    let received =
        OpenApiRouter::new().routes(routes!(uploads::list, receive::receive)).layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(received)
        .routes(routes!(uploads::one, uploads::delete))
        .routes(routes!(uploads::reprocess))
        .routes(routes!(rejects::list))
        .routes(routes!(rejects::csv))
        .routes(routes!(requests::sync))
        .routes(routes!(requests::one))
        .routes(routes!(progress::stream))
        .routes(routes!(mappings::list))
        .routes(routes!(mappings::export))
        .routes(routes!(mappings::import))
        .routes(routes!(mappings::suggest))
        .routes(routes!(mappings::preview))
        .routes(routes!(mappings::one, mappings::save, mappings::remove))
}

/// What runs beside requests, until it is aborted.
pub(crate) async fn beside(app: App, postgres: PostgresSettings) {
    if let Some(folder) = app.settings.uploads.clone() {
        uploads::tidy(&app.database, &place::Place::new(folder)).await;
    }
    app.progress.follow(app.database, postgres).await;
}

/// Whether the request brings files.
pub(crate) fn is_upload(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    request.method() == Method::POST && route == Some("/api/v1/ingest/uploads")
}

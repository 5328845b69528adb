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
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use fandom_services::postgres::PostgresSettings;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Kind, Problem};
use crate::server::App;
pub(crate) use progress::Progress;

/// The longest that an upload may take. It ends sooner when nothing comes for as long as a request may take.
pub(crate) const LONGEST_UPLOAD: Duration = Duration::from_secs(3600);

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
        .layer(middleware::from_fn(from_here))
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

/// Lets no web page elsewhere change anything: a browser sends its forms here too, without asking.
async fn from_here(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if !safe && is_from_elsewhere(request.headers()) {
        let detail = "a web page of another origin may not change anything here";
        return Problem::new(Kind::CrossOrigin, detail).into_response();
    }
    next.run(request).await
}

fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let host = text(header::HOST.as_str());
    text(header::ORIGIN.as_str()).is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_from_here_change_anything() {
        let from = |headers: &[(&'static str, &'static str)]| {
            let value = |text| axum::http::HeaderValue::from_static(text);
            let name = |text| axum::http::HeaderName::from_static(text);
            is_from_elsewhere(&headers.iter().map(|(n, v)| (name(n), value(v))).collect())
        };
        let host = ("host", "localhost:8080");
        assert!(!from(&[host]), "no browser");
        assert!(!from(&[host, ("origin", "http://localhost:8080")]));
        assert!(!from(&[host, ("sec-fetch-site", "same-origin")]));
        for elsewhere in ["http://evil.example", "null", "http://localhost:8081"] {
            assert!(from(&[host, ("origin", elsewhere)]), "{elsewhere}");
        }
        assert!(from(&[host, ("sec-fetch-site", "cross-site")]) && from(&[host, ("sec-fetch-site", "same-site")]));
    }
}

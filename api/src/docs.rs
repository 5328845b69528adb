//! The pages about the API: `/docs` (Swagger UI) and the document at `/api/v1/openapi.json`. Nothing is fetched from elsewhere:
//! Swagger UI is part of the program, as the archive of its release.

use std::io::{Cursor, Read};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

use crate::server::App;
use crate::tags::{tag, tagged, unchanged};

/// Swagger UI sets styles of elements, and has its icons in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("../web/docs/index.html");
const SCRIPT: &str = include_str!("../web/docs/docs.js");

static BUNDLE: LazyLock<Bytes> = LazyLock::new(|| part("swagger-ui-bundle.js"));
static STYLE: LazyLock<Bytes> = LazyLock::new(|| part("swagger-ui.css"));

/// A file of Swagger UI's release.
fn part(name: &str) -> Bytes {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).expect("the archive is part of the program");
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).expect("the archive is sound");
        if file.enclosed_name().is_some_and(|path| path.ends_with(format!("dist/{name}"))) {
            let mut content = Vec::new();
            file.read_to_end(&mut content).expect("the archive is sound");
            return content.into();
        }
    }
    unreachable!("the archive has a distribution with {name}")
}

/// The routes, with this document.
pub(crate) fn routes(document: &Value) -> Router<App> {
    let document = Arc::new(Bytes::from(serde_json::to_vec_pretty(document).expect("it is JSON")));
    let fixed = |media_type: &'static str, content: fn() -> Bytes| {
        get(move |headers: HeaderMap| async move { serve(&headers, media_type, content()) })
    };
    Router::new()
        .route("/docs", fixed("text/html; charset=utf-8", || Bytes::from_static(PAGE.as_bytes())))
        .route("/docs/docs.js", fixed("text/javascript; charset=utf-8", || Bytes::from_static(SCRIPT.as_bytes())))
        .route("/docs/swagger-ui-bundle.js", fixed("text/javascript; charset=utf-8", || BUNDLE.clone()))
        .route("/docs/swagger-ui.css", fixed("text/css; charset=utf-8", || STYLE.clone()))
        .route(
            "/api/v1/openapi.json",
            get(move |headers: HeaderMap| {
                let document = document.clone();
                async move { serve(&headers, "application/json", Bytes::clone(&document)) }
            }),
        )
}

fn serve(headers: &HeaderMap, media_type: &'static str, content: Bytes) -> Response {
    let tag = tag(&format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&content)));
    let mut response = unchanged(headers, &tag)
        .unwrap_or_else(|| tagged(tag, ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], content)));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

//! The page at `/`: plain files that are part of the program. It asks nobody but this API.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;

use crate::server::App;
use crate::tags::{tag, tagged, unchanged};

/// Scripts and styles from here alone; no frames, no forms, no other requests.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file: path, media type, content.
type File = (&'static str, &'static str, &'static str);

const FILES: [File; 11] = [
    ("/", "text/html; charset=utf-8", include_str!("../web/index.html")),
    ("/assets/style.css", "text/css; charset=utf-8", include_str!("../web/style.css")),
    ("/assets/page.js", "text/javascript; charset=utf-8", include_str!("../web/page.js")),
    ("/assets/account.js", "text/javascript; charset=utf-8", include_str!("../web/account.js")),
    ("/assets/second-factor.js", "text/javascript; charset=utf-8", include_str!("../web/second-factor.js")),
    ("/assets/files.js", "text/javascript; charset=utf-8", include_str!("../web/files.js")),
    ("/assets/uploads.js", "text/javascript; charset=utf-8", include_str!("../web/uploads.js")),
    ("/assets/tasks.js", "text/javascript; charset=utf-8", include_str!("../web/tasks.js")),
    ("/assets/reconciliation.js", "text/javascript; charset=utf-8", include_str!("../web/reconciliation.js")),
    ("/assets/format.js", "text/javascript; charset=utf-8", include_str!("../web/format.js")),
    ("/assets/icon.svg", "image/svg+xml", include_str!("../web/icon.svg")),
];

/// A route a file.
pub(crate) fn routes() -> Router<App> {
    FILES.into_iter().fold(Router::new(), |router, (path, media_type, content)| {
        router.route(path, get(move |headers: HeaderMap| async move { serve(&headers, media_type, content) }))
    })
}

fn serve(headers: &HeaderMap, media_type: &'static str, content: &'static str) -> Response {
    let tag = tag(&format!("{:016x}", xxhash_rust::xxh3::xxh3_64(content.as_bytes())));
    let mut response = unchanged(headers, &tag)
        .unwrap_or_else(|| tagged(tag, ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], content)));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

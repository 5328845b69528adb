//! What surrounds every request: its id, trace, host, time limit, panics, headers and log line.

use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use fandom_services::trace;
use futures_util::FutureExt;
use tracing::Instrument;
use tracing::field::Empty;

use crate::problem::{Kind, Problem};
use crate::protection::Shown;
use crate::protection::client::{RequestId, host_name, is_loopback};
use crate::resources::ingest;
use crate::server::App;
use crate::settings::ApiSettings;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of every answer: nothing is guessed, framed, or read from elsewhere.
const SAFE: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The header of the trace that a request belongs to, for what it sets going.
#[derive(Clone, Debug)]
pub struct Traced(pub Option<String>);

/// The outermost layer.
pub async fn outermost(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |matched| matched.as_str()).to_owned();
    let sent = tracing::info_span!(
        target: trace::SPANS,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        fandom.request_id = %id,
    );
    let shown = Shown::to(&mut request, &app.settings);
    let came = traceparent(request.headers()).map(str::to_owned);
    trace::follow(&sent, came.as_deref());
    let header = trace::header(&sent, came.as_deref());
    let trace_id = header.as_deref().and_then(trace::id).map(str::to_owned);
    request.extensions_mut().insert(Traced(header));
    let span = tracing::info_span!("request", request_id = %id, trace_id, route);
    let mut response = guarded(&app.settings, request, next).instrument(sent.clone()).instrument(span).await;
    sent.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        sent.record("otel.status_code", "ERROR");
    }
    drop(sent);
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let given = std::mem::take(response.headers_mut());
        response = problem.render(&path, &id);
        for (name, value) in given.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH) {
            if !response.headers().contains_key(name) || name == header::VARY {
                response.headers_mut().append(name, value.clone());
            }
        }
    }
    for (name, value) in SAFE {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    shown.on(response.headers_mut());
    if let Ok(value) = HeaderValue::try_from(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, took) = (response.status(), begun.elapsed());
    let duration_ms = took.as_micros() as f64 / 1000.0;
    let status_code = status.as_u16();
    // What browsers and supervisors ask all the time is of interest only when it goes wrong.
    let routine = !route.starts_with("/api/v1") || route.ends_with("/health") || route.ends_with("/ready");
    if (routine && !status.is_server_error()) || status == StatusCode::NOT_MODIFIED {
        tracing::debug!(%method, route, status = status_code, duration_ms, request_id = %id, "request");
    } else {
        tracing::info!(%method, route, status = status_code, duration_ms, request_id = %id, trace_id, "request");
    }
    response
}

/// Answers, whatever the handler does.
async fn guarded(settings: &ApiSettings, request: Request, next: Next) -> Response {
    use axum::response::IntoResponse;
    // Balancers ask by address whether the process lives, which tells nothing.
    let is_harmless = request.uri().path() == "/api/v1/health";
    if !is_harmless && !is_own_host(request.headers(), request.uri(), settings) {
        return Problem::new(
            Kind::WrongHost,
            "this service answers to loopback names, and to those in FANDOM_API_HOSTS",
        )
        .into_response();
    }
    // Nothing has a name with this character, which Postgres does not even take to look for.
    if request.uri().path().contains("%00") {
        return Problem::new(Kind::NotFound, "nothing has the character U+0000 in its path").into_response();
    }
    let longest = if ingest::is_upload(&request) { ingest::LONGEST_UPLOAD } else { settings.timeout };
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(longest, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("the request's handler panicked");
            Problem::internal().into_response()
        }
        Err(_) => {
            tracing::warn!("the request took too long");
            Problem::new(Kind::TimedOut, "the request took too long; ask for less at once, or later").into_response()
        }
    }
}

/// For paths that are no route.
pub async fn not_found() -> Problem {
    Problem::new(Kind::NotFound, "there is nothing at this path; the resources are under /api/v1")
}

/// For routes that know other methods.
pub async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        format!("{method} is not a method of this resource; the header Allow lists them"),
    )
}

/// Whether the request was made to a name of ours: a page elsewhere can give its own name our address.
fn is_own_host(headers: &HeaderMap, uri: &Uri, settings: &ApiSettings) -> bool {
    let given = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.host());
    let Some(given) = given else { return false };
    let name = host_name(given);
    is_loopback(&name) || settings.hosts.contains(&name)
}

/// The trace that the request belongs to, if it says so.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(trace::HEADER).and_then(|header| header.to_str().ok())
}

/// The id that the request came with, if it is a plain one; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    static STARTED: LazyLock<u128> =
        LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis()));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let plain = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("{:x}-{:x}", *STARTED, COUNT.fetch_add(1, Ordering::Relaxed)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use fandom_services::env::Env;
    use fandom_services::postgres::PostgresSettings;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::commits::Commits;
    use crate::database::Database;

    #[test]
    fn only_own_names_are_answered() {
        let mut env = Env::from_pairs(vec![("FANDOM_API_HOSTS".into(), "figures.example".into())]);
        let settings = ApiSettings::from_env(&mut env);
        let own = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
            is_own_host(&headers, &Uri::from_static("/"), &settings)
        };
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "a.localhost", "figures.example:80"]
        {
            assert!(own(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "evil.example:x", ""] {
            assert!(!own(host), "{host}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_the_next_request_is_answered() {
        let mut env = Env::from_pairs(vec![("FANDOM_PORT".into(), "0".into())]);
        let settings = ApiSettings::from_env(&mut env);
        let postgres = PostgresSettings::parse("host=/nowhere user=nobody").expect("a connection string");
        let database = Database::new(&postgres, 1, settings.timeout, settings.slow).expect("a pool");
        let commits = Commits::new(CancellationToken::new());
        let accounts = crate::accounts::Accounts::new(&postgres, &settings).expect("a pool");
        let limits = Arc::new(crate::protection::limits::Limits::new(1, 1));
        let progress = Default::default();
        let app = App { database, commits, progress, settings: Arc::new(settings), accounts, limits };
        let router = Router::new()
            .route(
                "/panics",
                get(|| async {
                    if true {
                        panic!("secret")
                    }
                }),
            )
            .route("/works", get(|| async { "fine" }))
            .layer(from_fn_with_state(app.clone(), outermost))
            .with_state(app);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });

        let answer = reqwest::get(format!("http://{address}/panics")).await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (500, &"application/problem+json".parse().expect("text"))
        );
        let body = answer.text().await.expect("a body");
        assert!(body.contains("urn:fandom:problem:internal") && !body.contains("secret"), "{body}");
        let next = reqwest::get(format!("http://{address}/works")).await.expect("an answer");
        assert_eq!(next.text().await.expect("a body"), "fine");
    }
}

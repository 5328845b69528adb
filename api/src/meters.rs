//! What the API measures for `/metrics`.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use fandom_services::metrics::{Metric, describe};
use fandom_services::trace;
use metrics::{counter, gauge, histogram};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing::field::Empty;

use crate::database::Database;

const REQUESTS: Metric = Metric::counter(
    "fandom_api_requests_total",
    &["route", "status"],
    "Requests that were answered, by the pattern of their path and the status of the answer; a 304 is an answer that the asker had.",
);
const SECONDS: Metric =
    Metric::histogram("fandom_api_request_seconds", &["route"], "From a request to the beginning of its answer.");
const IN_FLIGHT: Metric = Metric::gauge("fandom_api_requests_in_flight", &[], "Requests whose answer has not begun.");
const STREAMS: Metric = Metric::gauge("fandom_api_live_streams", &[], "Live streams that are open.");
const POOL_SIZE: Metric =
    Metric::gauge("fandom_api_pool_connections", &["state"], "Connections to Postgres (used, idle).");
const POOL_MOST: Metric = Metric::gauge("fandom_api_pool_connections_max", &[], "The most connections to Postgres.");
const POOL_WAITING: Metric =
    Metric::gauge("fandom_api_pool_waiting", &[], "Requests that wait for a connection to Postgres.");
const STATEMENTS: Metric =
    Metric::histogram("fandom_api_statement_seconds", &[], "Time of a statement, from Postgres' first to last word.");
const SLOW: Metric = Metric::counter(
    "fandom_api_slow_statements_total",
    &[],
    "Statements that took longer than FANDOM_API_SLOW_MS; the log has them, without values.",
);

const ANSWERS: Metric = Metric::counter(
    "fandom_api_answers_total",
    &["how"],
    "Answers that an epoch has once: made (read from Postgres), shared (made for somebody else before), unchanged (304).",
);
const SIGN_INS: Metric = Metric::counter(
    "fandom_api_sign_ins_total",
    &["outcome"],
    "Tries to sign in (succeeded, refused: a wrong password or address, slowed: after too many of those).",
);

const CERTIFICATE: Metric = Metric::gauge(
    "fandom_api_certificate_expires_timestamp_seconds",
    &[],
    "When the certificate that TLS shows expires, in seconds since 1970; without one, +Inf.",
);

/// Everything that the API measures, beside what every process does.
pub const METRICS: &[Metric] = &[
    REQUESTS,
    SECONDS,
    IN_FLIGHT,
    STREAMS,
    POOL_SIZE,
    POOL_MOST,
    POOL_WAITING,
    STATEMENTS,
    SLOW,
    ANSWERS,
    SIGN_INS,
    CERTIFICATE,
];

/// How often the pool is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Tells the recorder what is measured.
pub(crate) fn describe_all() {
    describe(METRICS);
    gauge!(IN_FLIGHT.name).set(0.0);
    gauge!(STREAMS.name).set(0.0);
    gauge!(CERTIFICATE.name).set(f64::INFINITY);
    for how in ["made", "shared", "unchanged"] {
        counter!(ANSWERS.name, "how" => how).increment(0);
    }
    for outcome in ["succeeded", "refused", "slowed"] {
        counter!(SIGN_INS.name, "outcome" => outcome).increment(0);
    }
}

/// The layer around all others.
pub(crate) async fn measured(request: Request, next: Next) -> Response {
    /// Goes with the request, also when the asker has gone before.
    struct InFlight;
    impl Drop for InFlight {
        fn drop(&mut self) {
            gauge!(IN_FLIGHT.name).decrement(1.0);
        }
    }
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |matched| matched.as_str()).to_owned();
    let begun = Instant::now();
    gauge!(IN_FLIGHT.name).increment(1.0);
    let in_flight = InFlight;
    let response = next.run(request).await;
    drop(in_flight);
    histogram!(SECONDS.name, "route" => route.clone()).record(begun.elapsed().as_secs_f64());
    counter!(REQUESTS.name, "route" => route, "status" => response.status().as_str().to_owned()).increment(1);
    response
}

/// An answer that an epoch has once was `made`, `shared` or `unchanged`.
pub(crate) fn answered(how: &'static str) {
    counter!(ANSWERS.name, "how" => how).increment(1);
}

/// Somebody tried to sign in, and `succeeded`, was `refused` or `slowed`.
pub(crate) fn sign_in(outcome: &'static str) {
    counter!(SIGN_INS.name, "outcome" => outcome).increment(1);
}

/// A certificate was read that expires then, in seconds since 1970.
pub(crate) fn certificate(expires: i64) {
    gauge!(CERTIFICATE.name).set(expires as f64);
}

/// A live stream was opened (1) or ended (-1).
pub(crate) fn stream(change: f64) {
    gauge!(STREAMS.name).increment(change);
}

/// Looks at the pool until the API closes.
pub(crate) async fn watch_pool(database: Database, closing: CancellationToken) {
    loop {
        let status = database.status();
        let idle = status.available.min(status.size);
        gauge!(POOL_SIZE.name, "state" => "used").set((status.size - idle) as f64);
        gauge!(POOL_SIZE.name, "state" => "idle").set(idle as f64);
        gauge!(POOL_MOST.name).set(status.max_size as f64);
        gauge!(POOL_WAITING.name).set(status.waiting as f64);
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = closing.cancelled() => return,
        }
    }
}

/// The span of a statement, which shows its shape: placeholders in the place of values, and none of the rows that its reader may see.
pub(crate) fn span(sql: &str) -> Span {
    let span = tracing::info_span!(
        target: trace::SPANS,
        "statement",
        otel.kind = "client",
        db.system.name = "postgresql",
        db.query.text = Empty,
    );
    if !span.is_disabled() {
        span.record("db.query.text", shape(sql));
    }
    span
}

/// A statement was answered. One that took long is told in the log, with its placeholders in the place of values.
pub(crate) fn statement(sql: &str, took: Duration, slow: Duration) {
    histogram!(STATEMENTS.name).record(took.as_secs_f64());
    if took >= slow {
        counter!(SLOW.name).increment(1);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(statement = shape(sql), duration_ms, "a statement was slow");
    }
}

fn shape(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(600).collect()
}

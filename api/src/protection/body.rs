//! Bodies: JSON of bounded size, which arrives in bounded time. Every field is known.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// Most bytes of a body.
const MOST: usize = 64 * 1024;
/// How long it may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);

/// A body, read.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, Problem> {
        // A form of a page elsewhere cannot send this type without asking first.
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(Kind::UnsupportedType, "the body must be JSON, sent as application/json"));
        }
        let bytes = match tokio::time::timeout(ARRIVES_WITHIN, to_bytes(request.into_body(), MOST)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return Err(Problem::new(Kind::TooLarge, "the body is larger than 64 KiB, or was cut off")),
            Err(_) => return Err(Problem::new(Kind::TooSlow, "the body did not arrive within 5 seconds")),
        };
        without_nul(&bytes)?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            // The message names fields and types, never values of texts.
            let line = error.line();
            let what = match error.classify() {
                serde_json::error::Category::Data => "does not have the fields that are asked for",
                _ => "is not JSON",
            };
            Problem::new(Kind::InvalidBody, format!("the body {what} (line {line}, column {})", error.column()))
        })
    }
}

/// That no text of some JSON has the character U+0000, which Postgres has not.
///
/// # Errors
/// 422 where one has.
pub fn without_nul(json: &[u8]) -> Result<(), Problem> {
    match json.windows(6).any(|part| part == br"\u0000") {
        true => Err(Problem::new(Kind::InvalidBody, "the body has the character U+0000 in a text")),
        false => Ok(()),
    }
}

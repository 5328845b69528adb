//! Entity tags: what has not changed is not sent again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::reader::Reader;

/// An entity tag of this text.
pub fn tag(text: &str) -> HeaderValue {
    // Answers to who sees only own rows are others than those to who sees all.
    let whose =
        Reader::current().and_then(|reader| reader.fingerprint()).map_or_else(String::new, |own| format!("-{own}"));
    HeaderValue::try_from(format!("\"{text}{whose}\"")).expect("tags are made of digits and dashes")
}

/// The answer 304, when one of the tags in `If-None-Match` is this one.
pub fn unchanged(headers: &HeaderMap, tag: &HeaderValue) -> Option<Response> {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tag_text = tag.to_str().ok()?;
    let same = |known: &str| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag_text
    };
    known.any(|list| list.split(',').any(same)).then(|| tagged(tag.clone(), StatusCode::NOT_MODIFIED))
}

/// An answer that must be asked for again, but need not be sent again.
pub fn tagged(tag: HeaderValue, answer: impl IntoResponse) -> Response {
    ([(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))], answer)
        .into_response()
}

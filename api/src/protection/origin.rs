//! Pages elsewhere that may read answers (CORS): those of a list, with a bearer, never with a cookie.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The page that asks.
pub struct Origin {
    allowed: Option<HeaderValue>,
    listed: bool,
}

impl Origin {
    /// Of these headers; `list` has the origins that may.
    pub fn of(headers: &HeaderMap, list: &[String]) -> Origin {
        let origin = headers.get(header::ORIGIN);
        let known = |origin: &&HeaderValue| list.iter().any(|listed| origin.as_bytes() == listed.as_bytes());
        Origin { allowed: origin.filter(known).cloned(), listed: !list.is_empty() }
    }

    /// The answer to a browser that asks whether it may ask.
    pub fn preflight(&self, method: &Method) -> Option<Response> {
        self.allowed.as_ref().filter(|_| *method == Method::OPTIONS)?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-none-match, last-event-id"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }

    /// Lets the page read an answer.
    pub fn allow(&self, headers: &mut HeaderMap) {
        if self.listed {
            super::varies(headers, "origin");
        }
        if let Some(origin) = &self.allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let shown = HeaderValue::from_static("etag, retry-after, ratelimit, ratelimit-policy, x-request-id");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, shown);
        }
    }
}

/// Whether a web page of another origin asks: a browser sends its forms here too, without asking.
pub fn is_from_elsewhere(headers: &HeaderMap) -> bool {
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
    fn a_page_elsewhere_is_noticed() {
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

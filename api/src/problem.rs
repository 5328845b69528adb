//! Every error as RFC 9457 problem details (`application/problem+json`).
//!
//! A handler returns a [`Problem`]; the outermost layer (`request`) adds which request it was, and writes the body. What
//! went wrong inside is logged and never told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// What kind of problem, and so its type, title and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The path cannot be read.
    BadRequest,
    /// No such route or thing.
    NotFound,
    /// The route knows other methods.
    MethodNotAllowed,
    /// Asked by a host name that is not ours.
    WrongHost,
    /// The thing is not in a state for this.
    Conflict,
    /// More is sent than may be.
    TooLarge,
    /// A kind of file that is not read.
    UnsupportedFile,
    /// Parameters that cannot be used.
    InvalidParameters,
    /// Postgres does not answer, or too many ask at once.
    Unavailable,
    /// The views are not live.
    NotReady,
    /// It took too long.
    TimedOut,
    /// A defect.
    Internal,
    /// Nobody is signed in.
    Unauthenticated,
    /// The password is right, and a code is missing or wrong.
    SecondFactor,
    /// The account must have a second factor first.
    SecondFactorNeeded,
    /// Whoever is signed in may not.
    Forbidden,
    /// A page elsewhere asked with somebody's cookie.
    Forged,
    /// Too much was asked.
    TooManyRequests,
    /// The body took too long.
    TooSlow,
    /// The body is of a type that is not read.
    UnsupportedType,
    /// The body cannot be used.
    InvalidBody,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Kind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Kind::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "Not a name of this service"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict", "Not in a state for this"),
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Kind::UnsupportedFile => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-file", "Not a file that is read")
            }
            Kind::InvalidParameters => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-parameters", "Parameters that cannot be used")
            }
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable for now"),
            Kind::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            Kind::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed-out", "It took too long"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in"),
            Kind::SecondFactor => (StatusCode::UNAUTHORIZED, "second-factor", "A second factor is asked for"),
            Kind::SecondFactorNeeded => {
                (StatusCode::FORBIDDEN, "second-factor-needed", "This account must have a second factor")
            }
            Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not permitted"),
            Kind::Forged => (StatusCode::FORBIDDEN, "forged", "Asked by a page elsewhere"),
            Kind::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Kind::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The body took too long"),
            Kind::UnsupportedType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-type", "A type that is not read")
            }
            Kind::InvalidBody => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "A body that cannot be used"),
        }
    }
}

/// What is wrong with one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterError {
    /// The parameter.
    pub parameter: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

/// An answer that is an error.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<ParameterError>,
    more: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem, with what happened this time.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), errors: Vec::new(), more: Map::new(), retry_after: None }
    }

    /// Parameters that cannot be used.
    pub fn parameters(errors: Vec<ParameterError>) -> Problem {
        let names: Vec<&str> = errors.iter().map(|error| error.parameter.as_str()).collect();
        let detail = format!("see `errors` for what is wrong with {}", names.join(", "));
        Problem { errors, ..Problem::new(Kind::InvalidParameters, detail) }
    }

    /// Members of a body that cannot be used, each as `member: what is wrong`.
    pub fn members(problems: Vec<String>) -> Problem {
        let error = |problem: String| match problem.split_once(": ") {
            Some((member, message)) => ParameterError { parameter: member.to_owned(), message: message.to_owned() },
            None => ParameterError { parameter: "body".to_owned(), message: problem },
        };
        Problem::parameters(problems.into_iter().map(error).collect())
    }

    /// A defect, which the caller has logged.
    pub fn internal() -> Problem {
        Problem::new(Kind::Internal, "the answer could not be made; the log has the cause under this request's id")
    }

    /// With further members of the body.
    pub fn with(mut self, more: Map<String, Value>) -> Problem {
        self.more = more;
        self
    }

    /// With the seconds after which it may be asked again.
    pub fn retry_after(self, seconds: u64) -> Problem {
        Problem { retry_after: Some(seconds), ..self }
    }

    /// What it says, with what is wrong with each parameter.
    pub fn told(&self) -> String {
        if self.errors.is_empty() {
            return self.detail.clone();
        }
        let each: Vec<String> = self.errors.iter().map(|e| format!("{} {}", e.parameter, e.message)).collect();
        each.join("; ")
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.kind.parts().0
    }

    /// The whole answer to the request with this path and id.
    pub fn render(self, instance: &str, request_id: &str) -> Response {
        let (status, slug, title) = self.kind.parts();
        let mut body = Map::new();
        body.insert("type".into(), format!("urn:fandom:problem:{slug}").into());
        body.insert("title".into(), title.into());
        body.insert("status".into(), status.as_u16().into());
        body.insert("detail".into(), self.detail.into());
        body.insert("instance".into(), instance.into());
        body.insert("request_id".into(), request_id.into());
        if !self.errors.is_empty() {
            body.insert("errors".into(), serde_json::to_value(self.errors).expect("strings alone"));
        }
        body.extend(self.more);
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"fandom\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

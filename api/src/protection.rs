//! What every request passes before its handler: where it comes from, how many there may be, who asks, and whether they may.
//!
//! ```text
//!  request ─▶ client ─▶ CORS ─▶ room? ─▶ rule of the route ─▶ rate ─▶ credentials ─▶ permission ─▶ CSRF ─▶ handler, as its reader
//! ```
//!
//! - `client`: the address behind trusted proxies. `origin`: pages elsewhere. `limits`: rates, and requests at once.
//!   `streams`: live streams at once. `body`: bodies.

pub mod body;
pub mod client;
pub mod limits;
pub mod origin;
pub mod streams;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use crate::accounts::identify::Credentials;
use crate::accounts::second_factor::Standing;
use crate::audit::Deed;
use crate::permissions::{Access, Rule, rule};
use crate::problem::{Kind, Problem};
use crate::reader::Reader;
use crate::server::App;
use crate::settings::ApiSettings;
use client::Asker;
use limits::Rate;
use origin::Origin;

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");
/// How long a stream may outlast the look at its reader's credentials. Browsers come back by themselves.
const STREAM_LASTS: Duration = Duration::from_secs(15 * 60);

/// What every answer shows, wherever it was made.
pub struct Shown {
    origin: Origin,
    https: bool,
}

impl Shown {
    /// To whoever sent this request; who that is goes with it from here on.
    pub fn to(request: &mut Request, settings: &ApiSettings) -> Shown {
        let asker = Asker::of(request, &settings.proxies);
        let https = asker.https;
        request.extensions_mut().insert(asker);
        Shown { origin: Origin::of(request.headers(), &settings.in_force.now().origins), https }
    }

    /// Shows it.
    pub fn on(&self, headers: &mut HeaderMap) {
        self.origin.allow(headers);
        if self.https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
            headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
        }
    }
}

/// The layer around every route.
pub async fn guard(State(app): State<App>, asker: Asker, request: Request, next: Next) -> Response {
    let origin = Origin::of(request.headers(), &app.settings.in_force.now().origins);
    if let Some(answer) = origin.preflight(request.method()) {
        return answer;
    }
    match app.limits.room() {
        Some(_room) => admitted(&app, asker, request, next).await,
        None => {
            tracing::warn!("a request was turned away, since too many are under way");
            Problem::new(Kind::Unavailable, "too many requests are under way").into_response()
        }
    }
}

async fn admitted(app: &App, asker: Asker, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|matched| matched.as_str().to_owned());
    let access = match route.as_deref().map(|route| rule(request.method().as_str(), route)) {
        // Nothing is there; the fallback says so.
        None => Access::Public,
        Some(Rule::Asks(access)) => access,
        Some(Rule::OtherMethods(methods)) => {
            let problem = Problem::new(
                Kind::MethodNotAllowed,
                format!("{} is not a method of this resource; {methods} are", request.method()),
            );
            let mut response = problem.into_response();
            if let Ok(methods) = HeaderValue::try_from(methods) {
                response.headers_mut().insert(header::ALLOW, methods);
            }
            return response;
        }
        Some(Rule::Unnamed) => {
            tracing::error!(route, "this route has no line in the table of permissions");
            return Problem::new(Kind::Forbidden, "nobody may ask this yet").into_response();
        }
    };
    let credentials = match access {
        Access::Public => Credentials::None,
        Access::Needs(_) => Credentials::of(request.headers(), &asker),
    };
    let (reader, rate) = match counted(app, &credentials, &asker).await {
        Ok(counted) => counted,
        Err(refused) => return *refused,
    };
    let own = route.as_deref().is_some_and(|route| route.starts_with("/api/v1/auth/"));
    let checked = check(access, own, reader.as_deref(), request.method(), request.headers());
    let response = match (checked, reader) {
        (Err(problem), _) => problem.into_response(),
        (Ok(()), None) => next.run(request).await,
        (Ok(()), Some(reader)) => {
            request.extensions_mut().insert(reader.clone());
            let deed = deed(&reader, &asker, &request);
            let answering = reader.clone().run(next.run(request));
            let mut response = match &deed {
                Some(deed) => Arc::clone(deed).run(answering).await,
                None => answering.await,
            };
            if let Some(deed) = deed.filter(|deed| response.status().is_success() && !deed.is_noted()) {
                noted(app, &deed).await;
            }
            varies(response.headers_mut(), "authorization, cookie");
            if is_stream(response.headers()) { ending(response) } else { response }
        }
    };
    with_rate(response, rate.as_ref())
}

/// Who asks, and what is left to them. Whoever is not known yet is counted by address before Postgres is asked who they are, so that
/// made-up credentials cost it no more than others.
async fn counted(
    app: &App,
    credentials: &Credentials,
    asker: &Asker,
) -> Result<(Option<Arc<Reader>>, Option<Rate>), Box<Response>> {
    let count = |reader: Option<&Reader>| {
        app.limits.count(app.settings.in_force.now().rate, reader, asker).map_err(|(rate, seconds)| {
            let problem =
                Problem::new(Kind::TooManyRequests, "too many requests; wait, then go on").retry_after(seconds);
            Box::new(with_rate(problem.into_response(), rate.as_ref()))
        })
    };
    let mut rate = if app.accounts.knows(credentials) { None } else { count(None)? };
    let reader = app.accounts.identify(credentials).await.map_err(|problem| Box::new(problem.into_response()))?;
    if let Some(reader) = &reader {
        rate = count(Some(reader))?;
    }
    Ok((reader, rate))
}

/// Whether the reader may, and really meant to. `own`: the route is about the own account.
fn check(
    access: Access,
    own: bool,
    reader: Option<&Reader>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let changes = !is_safe(method);
    let from_elsewhere = origin::is_from_elsewhere(headers);
    let Access::Needs(permission) = access else {
        // Nobody is signed in to somebody else's account by a page elsewhere.
        let forged = changes && from_elsewhere && !headers.contains_key(header::AUTHORIZATION);
        return if forged { Err(Problem::new(Kind::Forged, "pages elsewhere may not ask this")) } else { Ok(()) };
    };
    let Some(reader) = reader else {
        return Err(Problem::new(Kind::Unauthenticated, "sign in, or send a key as `Authorization: Bearer …`"));
    };
    if let (true, Some(csrf)) = (changes, &reader.csrf) {
        let sent = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
        if from_elsewhere || sent.len() != csrf.len() || !openssl::memcmp::eq(sent, csrf.as_bytes()) {
            let detail = "the header X-CSRF-Token is not the token that /api/v1/auth/me tells";
            return Err(Problem::new(Kind::Forged, detail));
        }
    }
    if reader.second_factor == Some(Standing::Needed) && !own {
        let detail = "set up a second factor first: POST /api/v1/auth/second-factor, or on the page";
        return Err(Problem::new(Kind::SecondFactorNeeded, detail));
    }
    if reader.may(permission) {
        return Ok(());
    }
    tracing::info!(reader = reader.name, permission = permission.name(), "a request was refused");
    Err(Problem::new(Kind::Forbidden, format!("this needs the permission {}", permission.name())))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What is to be noted of a request in the audit trail. What accounts and settings do they note by themselves, with what it was.
fn deed(reader: &Reader, asker: &Asker, request: &Request) -> Option<Arc<Deed>> {
    let (method, path) = (request.method(), request.uri().path());
    let by_itself = ["auth", "users", "keys", "settings"].iter().any(|own| path.starts_with(&format!("/api/v1/{own}")));
    let action = || format!("{method} by the API");
    (!is_safe(method) && !by_itself).then(|| Arc::new(Deed::new(&reader.name, action(), path, asker)))
}

/// Notes what was done without a change in Postgres.
async fn noted(app: &App, deed: &Deed) {
    let kept = match app.accounts.store.connection().await {
        Ok(mut connection) => deed.finish(&mut connection).await,
        Err(problem) => Err(problem),
    };
    if let Err(problem) = kept {
        tracing::error!(problem = problem.told(), "something was done that could not be noted in the audit trail");
    }
}

/// Adds to what an answer depends on, in one line with what its handler said of that.
fn varies(headers: &mut HeaderMap, by: &'static str) {
    let said = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = said.chain([by]).collect();
    if let Ok(all) = HeaderValue::try_from(all.join(", ")) {
        headers.insert(header::VARY, all);
    }
}

fn with_rate(mut response: Response, rate: Option<&Rate>) -> Response {
    if let Some(rate) = rate {
        rate.show(response.headers_mut());
    }
    response
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The stream, which ends after a while, so that who may not read it any more does not.
fn ending(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = body.into_data_stream().take_until(tokio::time::sleep(STREAM_LASTS));
    Response::from_parts(parts, Body::from_stream(body))
}

/// What the guard keeps.
pub type Limits = Arc<limits::Limits>;

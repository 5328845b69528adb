//! `/auth`: signing in, renewing, who one is, and the own sessions and password.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tokio_postgres::types::Type;

use super::{Answer, Id, done, private};
use crate::accounts::identify::{Credentials, cookie_name};
use crate::accounts::sessions::{self, SignIn, SignedIn};
use crate::accounts::{Accounts, tokens};
use crate::audit::{self, Entry};
use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Database, Page, answer_anew, refused};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::permissions::Permission;
use crate::problem::{Kind, Problem};
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::{Reader, Scope};
use crate::values::{Instant, record};

/// A cookie of a session; one without a value is taken away. Over plain HTTP it is set on loopback alone, and without `Secure`,
/// since not every browser takes such a cookie there.
fn with_cookie(accounts: &Accounts, mut response: Response, asker: &Asker, value: Option<&str>) -> Response {
    let (name, flag) = (cookie_name(asker), if asker.plain_loopback { "" } else { "; Secure" });
    let (value, age) = value.map_or(("", 0), |value| (value, u64::from(accounts.settings.now().sessions.hours) * 3600));
    let cookie = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{flag}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Signs in.
///
/// With a second factor, `code` is what the authenticator shows, or a recovery code; without it the answer is 401 with the type
/// `second-factor`. A browser (`browser`: true) gets a cookie that no script reads, and sends `X-CSRF-Token` with every change. After five
/// wrong passwords an account waits, twice as long each time, whether or not there is such an account.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "Who signs in"),
    responses((status = 200, description = "Tokens for a program; for a browser a cookie, and the token against forged requests", body = Value)),
)]
pub async fn login(
    State(accounts): State<Accounts>,
    asker: Asker,
    headers: HeaderMap,
    Body(asked): Body<SignIn>,
) -> Answer {
    let before = match Credentials::of(&headers, &asker) {
        Credentials::Cookie(secret) => Some(secret),
        _ => None,
    };
    Ok(match accounts.sign_in(asked, before.as_deref(), &asker).await? {
        SignedIn::Browser(secret) => {
            let body = json!({ "csrf_token": tokens::csrf(&secret) });
            with_cookie(&accounts, private(StatusCode::OK, body), &asker, Some(&secret))
        }
        SignedIn::Program(tokens) => private(StatusCode::OK, json!(tokens)),
    })
}

/// A refresh token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    refresh_token: String,
}

/// Replaces the tokens of a session. A refresh token that comes back later than 10 seconds after its use ends the session.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The refresh token, which holds no more afterwards"),
    responses((status = 200, description = "New tokens", body = Value)),
)]
pub async fn refresh(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<Refresh>) -> Answer {
    Ok(private(StatusCode::OK, json!(accounts.renew(&asked.refresh_token, &asker).await?)))
}

/// Whose password was forgotten.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    email: String,
}

/// Sends a way to a new password by e-mail, if there is such an account.
#[utoipa::path(
    post, path = "/auth/forgotten", operation_id = "forgotten", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The e-mail address of the account"),
    responses((status = 202, description = "The same, whether or not there is such an account", body = Value)),
)]
pub async fn forgotten(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<Forgotten>) -> Answer {
    accounts.forgotten(asked.email.trim(), &asker).await?;
    Ok(private(StatusCode::ACCEPTED, json!({ "detail": "if there is such an account, a message is on its way" })))
}

/// A password that is chosen by the token of a link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    token: String,
    password: String,
}

/// Sets the password that an invitation or a reset lets be chosen.
#[utoipa::path(
    post, path = "/auth/reset", operation_id = "choose_password", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The token of the link, and the password"),
    responses((status = 204, description = "It is set, and every session of the account has ended")),
)]
pub async fn choose(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<Chosen>) -> Answer {
    accounts.choose(&asked.token, &asked.password, &asker).await?;
    Ok(done())
}

/// Who asks: role, permissions, whose rows are seen, and the token against forged requests of a browser.
#[utoipa::path(
    get, path = "/auth/me", operation_id = "me", tag = "Sessions",
    responses((status = 200, description = "Who asks", body = Value)),
)]
pub async fn me(parameters: Parameters, reader: Reader) -> Answer {
    parameters.finish()?;
    let texts = |ids: &[i64]| ids.iter().map(i64::to_string).collect::<Vec<_>>();
    let (creators, chatters) = match &reader.scope {
        Scope::Everything => (None, None),
        Scope::Own { creators, chatters } => (Some(texts(creators)), Some(texts(chatters))),
    };
    let may: Vec<&str> = Permission::ALL
        .iter()
        .filter(|permission| reader.may(**permission))
        .map(|permission| permission.name())
        .collect();
    let body = json!({
        "name": reader.name,
        "role": reader.role.name(),
        "user_id": reader.user,
        "session_id": reader.session,
        "permissions": may,
        "creators": creators,
        "chatters": chatters,
        "second_factor": reader.second_factor,
        "csrf_token": reader.csrf,
    });
    Ok(private(StatusCode::OK, body))
}

/// Signs out.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = "Sessions",
    responses((status = 204, description = "The session has ended")),
)]
pub async fn logout(State(accounts): State<Accounts>, asker: Asker, reader: Reader) -> Answer {
    let mut connection = accounts.store.connection().await?;
    let change = audit::begin(&mut connection).await?;
    let session = reader.session.as_deref().unwrap_or_default();
    sessions::end(&change, "id", session).await?;
    let entry = Entry { actor: &reader.name, action: "session.ended", target: session, detail: json!({}) };
    accounts.commit(change, &asker, entry).await?;
    Ok(signed_out(&accounts, &asker))
}

/// Signs out everywhere.
#[utoipa::path(
    post, path = "/auth/logout-everywhere", operation_id = "logout_everywhere", tag = "Sessions",
    responses((status = 204, description = "All sessions have ended")),
)]
pub async fn logout_everywhere(State(accounts): State<Accounts>, asker: Asker, reader: Reader) -> Answer {
    let user = reader.user.as_deref().unwrap_or_default();
    end_all(&accounts, &asker, &reader, user).await?;
    Ok(signed_out(&accounts, &asker))
}

/// Nothing is left in the browser of what its session showed.
fn signed_out(accounts: &Accounts, asker: &Asker) -> Response {
    let mut response = with_cookie(accounts, done(), asker, None);
    let clear = HeaderName::from_static("clear-site-data");
    response.headers_mut().insert(clear, HeaderValue::from_static("\"cache\""));
    response
}

/// Ends all sessions of an account.
///
/// # Errors
/// When Postgres does not answer.
pub(super) async fn end_all(accounts: &Accounts, asker: &Asker, reader: &Reader, user: &str) -> Result<(), Problem> {
    let mut connection = accounts.store.connection().await?;
    let change = audit::begin(&mut connection).await?;
    let ended = sessions::end(&change, "user_id", user).await?;
    let detail = json!({ "sessions": ended });
    let entry = Entry { actor: &reader.name, action: "sessions.ended", target: user, detail };
    accounts.commit(change, asker, entry).await
}

record! {
    /// A session, as its owner sees it.
    struct Session {
        id: String,
        address: String,
        agent: String,
        created_at: Instant,
        last_used_at: Instant,
        browser: bool,
        current: bool,
    }
}

const SORTS: [Key; 2] = [
    Key::new("created_at", "created_at", InstantKey).descending(),
    Key::new("last_used_at", "last_used_at", InstantKey),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Session>("/auth/sessions", &SORTS)
}

/// The own sessions.
#[utoipa::path(
    get, path = "/auth/sessions", operation_id = "sessions", tag = "Sessions",
    params(("q" = Option<String>, Query, description = "A part of the address or of the program's name, in any case", example = "firefox")),
    responses((status = 200, description = "The sessions", body = Page<Session>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters, reader: Reader) -> Answer {
    let mut listing = Listing::read::<Session>(&mut parameters, &SORTS, &[Key::new("", "id", Text)]);
    let sought = parameters.text("q");
    parameters.finish()?;
    let user = listing.binds.bind(reader.user, Type::TEXT);
    let own = listing.binds.bind(reader.session.unwrap_or_default(), Type::TEXT);
    listing.with = format!(
        "with sessions as not materialized (
             select id, address, agent, created_at, last_used_at, cookie is not null as browser, id = {own} as current
             from app.sessions where user_id = {user} and ended_at is null and expires_at > now())"
    );
    listing.from = "sessions".to_owned();
    if let Some(text) = sought {
        listing.contains(&["address", "agent"], &text);
    }
    answer_anew(&database, listing, Ok::<Session, Problem>).await
}

/// Ends one of the own sessions.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", operation_id = "end_session", tag = "Sessions",
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "It has ended")),
)]
pub async fn end(State(accounts): State<Accounts>, Id(id): Id, asker: Asker, reader: Reader) -> Answer {
    let mut connection = accounts.store.connection().await?;
    let change = audit::begin(&mut connection).await?;
    let own = "select from app.sessions where id = $1 and user_id = $2 and ended_at is null";
    if change.query_opt(own, &[&id, &reader.user]).await.map_err(|error| refused(&error))?.is_none() {
        return Err(Problem::new(Kind::NotFound, "there is no session of yours with this id"));
    }
    sessions::end(&change, "id", &id).await?;
    let entry = Entry { actor: &reader.name, action: "session.ended", target: &id, detail: json!({}) };
    accounts.commit(change, &asker, entry).await?;
    Ok(done())
}

/// A password in place of another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    current: String,
    password: String,
}

/// Changes the own password.
#[utoipa::path(
    put, path = "/auth/password", operation_id = "change_password", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The present password and the new one"),
    responses((status = 204, description = "It is changed, and all other sessions have ended")),
)]
pub async fn password(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<NewPassword>,
) -> Answer {
    accounts.change_password(&reader, asked.current, &asked.password, &asker).await?;
    Ok(done())
}

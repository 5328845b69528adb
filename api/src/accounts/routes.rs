//! `/auth`, `/users`, `/keys`, `/audit`: accounts over HTTP. What a secret is in is never kept by a browser or a proxy.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;

use super::identify::COOKIES;
use super::keys::NewKey;
use super::sessions::{SignIn, SignedIn};
use super::users::{Change, Invitation};
use super::{Accounts, keys, tokens, users};
use crate::audit::{self, Entry};
use crate::database::refused;
use crate::parameters::Parameters;
use crate::permissions::Permission;
use crate::problem::{Kind, Problem};
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::{Reader, Scope};
use crate::server::App;

type Answer = Result<Response, Problem>;

/// The routes under `/api/v1`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/auth/login", post(login))
        .route("/auth/refresh", post(refresh))
        .route("/auth/forgotten", post(forgotten))
        .route("/auth/reset", post(confirm))
        .route("/auth/me", get(me))
        .route("/auth/logout", post(logout))
        .route("/auth/logout-everywhere", post(logout_everywhere))
        .route("/auth/sessions", get(sessions))
        .route("/auth/sessions/{id}", delete(end_session))
        .route("/auth/password", put(password))
        .route("/users", get(list_users).post(invite))
        .route("/users/{id}", patch(change_user))
        .route("/users/{id}/sessions", delete(end_sessions))
        .route("/users/{id}/reset", post(reset))
        .route("/keys", get(list_keys).post(make_key))
        .route("/keys/{id}", delete(revoke_key))
        .route("/audit", get(trail))
}

fn private(status: StatusCode, body: Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn done() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

/// A cookie of a session; one without a value is taken away. Over plain HTTP it is set on loopback alone, and without `Secure`,
/// since not every browser takes such a cookie there.
fn with_cookie(mut response: Response, asker: &Asker, value: Option<&str>) -> Response {
    let [secure, plain] = COOKIES;
    let (name, flag) = if asker.plain_loopback { (plain, "") } else { (secure, "; Secure") };
    let (value, age) = value.map_or(("", 0), |value| (value, 30 * 86_400));
    let cookie = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{flag}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn login(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<SignIn>) -> Answer {
    Ok(match accounts.sign_in(asked, &asker).await? {
        SignedIn::Browser(secret) => {
            let body = json!({ "csrf_token": tokens::csrf(&secret) });
            with_cookie(private(StatusCode::OK, body), &asker, Some(&secret))
        }
        SignedIn::Program(tokens) => private(StatusCode::OK, json!(tokens)),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refresh_token: String,
}

async fn refresh(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<Refresh>) -> Answer {
    Ok(private(StatusCode::OK, json!(accounts.renew(&asked.refresh_token, &asker).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    email: String,
}

async fn forgotten(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<Forgotten>) -> Answer {
    accounts.forgotten(asked.email.trim(), &asker).await?;
    Ok(private(StatusCode::ACCEPTED, json!({ "detail": "if there is such an account, a message is on its way" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    token: String,
    password: String,
}

async fn confirm(State(accounts): State<Accounts>, asker: Asker, Body(asked): Body<Chosen>) -> Answer {
    accounts.choose(&asked.token, &asked.password, &asker).await?;
    Ok(done())
}

async fn me(parameters: Parameters, reader: Reader) -> Answer {
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
        "csrf_token": reader.csrf,
    });
    Ok(private(StatusCode::OK, body))
}

async fn logout(State(accounts): State<Accounts>, asker: Asker, reader: Reader) -> Answer {
    let mut connection = accounts.store.connection().await?;
    let session = reader.session.as_deref().unwrap_or_default();
    accounts.end(&connection, "id", session).await?;
    let entry = Entry { actor: &reader.name, action: "session.ended", target: session, detail: json!({}) };
    audit::record(&mut connection, &asker, entry).await?;
    let mut response = with_cookie(done(), &asker, None);
    let clear = HeaderName::from_static("clear-site-data");
    response.headers_mut().insert(clear, HeaderValue::from_static("\"cache\""));
    Ok(response)
}

async fn logout_everywhere(State(accounts): State<Accounts>, asker: Asker, reader: Reader) -> Answer {
    let user = reader.user.as_deref().unwrap_or_default();
    end_all(&accounts, &asker, &reader, user).await?;
    Ok(with_cookie(done(), &asker, None))
}

async fn end_all(accounts: &Accounts, asker: &Asker, reader: &Reader, user: &str) -> Result<(), Problem> {
    let mut connection = accounts.store.connection().await?;
    let ended = accounts.end(&connection, "user_id", user).await?;
    let detail = json!({ "sessions": ended });
    let entry = Entry { actor: &reader.name, action: "sessions.ended", target: user, detail };
    audit::record(&mut connection, asker, entry).await
}

async fn sessions(State(accounts): State<Accounts>, parameters: Parameters, reader: Reader) -> Answer {
    parameters.finish()?;
    let select = "select jsonb_build_object('id', id, 'address', address, 'agent', agent, 'created_at', created_at,
            'last_used_at', last_used_at, 'browser', cookie is not null, 'current', id = $2)
        from app.sessions where user_id = $1 and ended_at is null and expires_at > now() order by created_at desc limit 1000";
    items(&accounts, select, &[&reader.user, &reader.session.as_deref().unwrap_or_default()]).await
}

async fn end_session(State(accounts): State<Accounts>, Path(id): Path<String>, asker: Asker, reader: Reader) -> Answer {
    let mut connection = accounts.store.connection().await?;
    let own = "select from app.sessions where id = $1 and user_id = $2 and ended_at is null";
    if connection.query_opt(own, &[&id, &reader.user]).await.map_err(|error| refused(&error))?.is_none() {
        return Err(Problem::new(Kind::NotFound, "there is no session of yours with this id"));
    }
    accounts.end(&connection, "id", &id).await?;
    let entry = Entry { actor: &reader.name, action: "session.ended", target: &id, detail: json!({}) };
    audit::record(&mut connection, &asker, entry).await?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current: String,
    password: String,
}

async fn password(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<NewPassword>,
) -> Answer {
    accounts.change_password(&reader, asked.current, &asked.password, &asker).await?;
    Ok(done())
}

async fn list_users(State(accounts): State<Accounts>, mut parameters: Parameters) -> Answer {
    let (after, limit) = place(&mut parameters);
    parameters.finish()?;
    let select =
        format!("select {} from app.users where ($1::text is null or id > $1) order by id limit $2", users::SHOWN);
    items(&accounts, &select, &[&after, &limit]).await
}

async fn invite(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<Invitation>,
) -> Answer {
    let (id, secret) = accounts.invite(&asked, &reader.name, &asker).await?;
    let body = match accounts.mail.clone() {
        Some(mail) => {
            mail.send(asked.email.trim().to_owned(), true, secret);
            json!({ "id": id, "sent": true })
        }
        // The administrator passes it on: with it the owner of the account chooses the password.
        None => json!({ "id": id, "sent": false, "token": secret }),
    };
    Ok(private(StatusCode::CREATED, body))
}

async fn change_user(
    State(accounts): State<Accounts>,
    Path(id): Path<String>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<Change>,
) -> Answer {
    Ok(private(StatusCode::OK, accounts.change(&id, asked, &reader.name, &asker).await?))
}

async fn reset(State(accounts): State<Accounts>, Path(id): Path<String>, asker: Asker, reader: Reader) -> Answer {
    let secret = accounts.reset(&id, &reader.name, &asker).await?;
    Ok(private(StatusCode::CREATED, json!({ "id": id, "token": secret })))
}

async fn end_sessions(
    State(accounts): State<Accounts>,
    Path(id): Path<String>,
    asker: Asker,
    reader: Reader,
) -> Answer {
    end_all(&accounts, &asker, &reader, &id).await?;
    Ok(done())
}

async fn list_keys(State(accounts): State<Accounts>, mut parameters: Parameters) -> Answer {
    let (after, limit) = place(&mut parameters);
    parameters.finish()?;
    let select =
        format!("select {} from app.api_keys where ($1::text is null or id > $1) order by id limit $2", keys::SHOWN);
    items(&accounts, &select, &[&after, &limit]).await
}

async fn make_key(State(accounts): State<Accounts>, asker: Asker, reader: Reader, Body(asked): Body<NewKey>) -> Answer {
    let key = accounts.make_key(&asked, reader.user.as_deref(), &reader.name, &asker).await?;
    Ok(private(StatusCode::CREATED, key))
}

async fn revoke_key(State(accounts): State<Accounts>, Path(id): Path<String>, asker: Asker, reader: Reader) -> Answer {
    accounts.revoke_key(&id, &reader.name, &asker).await?;
    Ok(done())
}

/// The latest entries first; `before` is the number of the last one of the page before.
async fn trail(State(accounts): State<Accounts>, mut parameters: Parameters) -> Answer {
    let before: Option<i64> = parameters.parsed("before", "the number of an entry");
    let limit = limit(&mut parameters);
    parameters.finish()?;
    let select = "select jsonb_build_object('seq', seq, 'at', to_timestamp(at_micros / 1000000.0), 'actor', actor,
            'action', action, 'target', target, 'address', address, 'request_id', request_id, 'detail', detail::jsonb,
            'hash', encode(hash, 'hex'))
        from app.audit where ($1::bigint is null or seq < $1) order by seq desc limit $2";
    items(&accounts, select, &[&before, &limit]).await
}

/// The place in a list by id, and how many follow.
fn place(parameters: &mut Parameters) -> (Option<String>, i64) {
    (parameters.text("after"), limit(parameters))
}

fn limit(parameters: &mut Parameters) -> i64 {
    let limit = parameters.checked("limit", "a number from 1 to 1000", |text| {
        text.parse().ok().filter(|limit| (1..=1000).contains(limit))
    });
    limit.unwrap_or(100)
}

async fn items(accounts: &Accounts, select: &str, values: &[&(dyn ToSql + Sync)]) -> Answer {
    let connection = accounts.store.connection().await?;
    let rows = connection.query(select, values).await.map_err(|error| refused(&error))?;
    let items: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    Ok(private(StatusCode::OK, json!({ "items": items })))
}

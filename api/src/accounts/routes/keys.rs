//! `/keys`: keys of programs, for administrators.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Answer, Id, done, private};
use crate::accounts::Accounts;
use crate::accounts::keys::{self, NewKey};
use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Database, Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;

const SORTS: [Key; 5] = [
    Key::new("created_at", "created_at", InstantKey).descending(),
    Key::new("name", "lower(name)", Text),
    Key::new("role", "role", Text),
    Key::new("last_used_at", "last_used_at", InstantKey).nullable(),
    Key::new("expires_at", "expires_at", InstantKey).nullable(),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<keys::Key>("/keys", &SORTS)
}

/// Keys of programs, without their secrets.
#[utoipa::path(
    get, path = "/keys", operation_id = "keys", tag = "Keys",
    params(
        ("role" = Option<String>, Query, description = "Roles, separated by commas", example = "service"),
        ("state" = Option<String>, Query, description = "States, separated by commas: valid, expired, revoked", example = "valid"),
        ("q" = Option<String>, Query, description = "A part of the name, in any case", example = "report"),
    ),
    responses((status = 200, description = "The keys, without their secrets", body = Page<keys::Key>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters) -> Answer {
    let mut listing = Listing::read::<keys::Key>(&mut parameters, &SORTS, &[Key::new("", "id", Text)]);
    let roles = parameters.words("role", &["admin", "manager", "analyst", "chatter", "creator", "service"]);
    let states = parameters.words("state", &["valid", "expired", "revoked"]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.with = format!(
        "with keys as not materialized (
             select {}, case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'valid' end as state
             from app.api_keys)",
        keys::SHOWN
    );
    listing.from = "keys".to_owned();
    listing.one_of("role", roles);
    listing.one_of("state", states);
    if let Some(text) = sought {
        listing.contains(&["name"], &text);
    }
    answer_anew(&database, listing, Ok::<keys::Key, Problem>).await
}

/// Makes a key. It stops when the administrator who made it does.
#[utoipa::path(
    post, path = "/keys", operation_id = "make_key", tag = "Keys",
    request_body(content = Value, content_type = "application/json", description = "The key"),
    responses((status = 201, description = "The key, with its secret, which is told once", body = Value)),
)]
pub async fn make(State(accounts): State<Accounts>, asker: Asker, reader: Reader, Body(asked): Body<NewKey>) -> Answer {
    let key = accounts.make_key(&asked, &reader, &asker).await?;
    Ok(private(StatusCode::CREATED, key))
}

/// Revokes a key.
#[utoipa::path(
    delete, path = "/keys/{id}", operation_id = "revoke_key", tag = "Keys",
    params(("id" = String, Path, description = "The key")),
    responses((status = 204, description = "It holds no more")),
)]
pub async fn revoke(State(accounts): State<Accounts>, Id(id): Id, asker: Asker, reader: Reader) -> Answer {
    accounts.revoke_key(&id, &reader.name, &asker).await?;
    Ok(done())
}

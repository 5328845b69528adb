//! `/users`: accounts, for administrators.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::sessions::end_all;
use super::{Answer, Id, done, private};
use crate::accounts::Accounts;
use crate::accounts::users::{self, Change, Invitation, User};
use crate::cursor::KeyType::{Instant as InstantKey, Text};
use crate::database::{Database, Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;

const SORTS: [Key; 4] = [
    Key::new("email", "lower(email)", Text),
    Key::new("name", "lower(name)", Text),
    Key::new("role", "role", Text),
    Key::new("created_at", "created_at", InstantKey),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<User>("/users", &SORTS)
}

/// Accounts.
#[utoipa::path(
    get, path = "/users", operation_id = "users", tag = "Users",
    params(
        ("role" = Option<String>, Query, description = "Roles, separated by commas", example = "manager,chatter"),
        ("state" = Option<String>, Query, description = "States, separated by commas: `active`; `invited`, who has no password yet; `disabled`", example = "active"),
        ("q" = Option<String>, Query, description = "A part of address or name, in any case", example = "ana"),
    ),
    responses((status = 200, description = "The accounts", body = Page<User>)),
)]
pub async fn list(State(database): State<Database>, mut parameters: Parameters) -> Answer {
    let mut listing = Listing::read::<User>(&mut parameters, &SORTS, &[Key::new("", "id", Text)]);
    let roles = parameters.words("role", &["admin", "manager", "analyst", "chatter", "creator"]);
    let states = parameters.words("state", &["active", "invited", "disabled"]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.with = format!(
        "with users as not materialized (
             select {}, case when disabled_at is not null then 'disabled' when password is null then 'invited' else 'active' end as state
             from app.users)",
        users::SHOWN
    );
    listing.from = "users".to_owned();
    listing.one_of("role", roles);
    listing.one_of("state", states);
    if let Some(text) = sought {
        listing.contains(&["email", "name"], &text);
    }
    answer_anew(&database, listing, Ok::<User, Problem>).await
}

/// Makes an account, whose owner chooses the password.
#[utoipa::path(
    post, path = "/users", operation_id = "invite_user", tag = "Users",
    request_body(content = Value, content_type = "application/json", description = "The account"),
    responses((status = 201, description = "The account; with the token of the link where no mail server is set", body = Value)),
)]
pub async fn invite(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<Invitation>,
) -> Answer {
    let (id, secret) = accounts.invite(&asked, &reader, &asker).await?;
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

/// Changes an account. What is not named stays. One that is disabled loses its sessions.
#[utoipa::path(
    patch, path = "/users/{id}", operation_id = "change_user", tag = "Users",
    params(("id" = String, Path, description = "The account")),
    request_body(content = Value, content_type = "application/json", description = "What changes"),
    responses((status = 200, description = "The account as it is now", body = Value)),
)]
pub async fn change(
    State(accounts): State<Accounts>,
    Id(id): Id,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<Change>,
) -> Answer {
    Ok(private(StatusCode::OK, accounts.change(&id, asked, &reader, &asker).await?))
}

/// Lets the owner of an account choose another password.
#[utoipa::path(
    post, path = "/users/{id}/reset", operation_id = "reset_password", tag = "Users",
    params(("id" = String, Path, description = "The account")),
    responses((status = 201, description = "The token of a link that lets the password be chosen", body = Value)),
)]
pub async fn reset(State(accounts): State<Accounts>, Id(id): Id, asker: Asker, reader: Reader) -> Answer {
    let secret = accounts.reset(&id, &reader, &asker).await?;
    Ok(private(StatusCode::CREATED, json!({ "id": id, "token": secret })))
}

/// Ends every session of an account.
#[utoipa::path(
    delete, path = "/users/{id}/sessions", operation_id = "end_sessions", tag = "Users",
    params(("id" = String, Path, description = "The account")),
    responses((status = 204, description = "They have ended")),
)]
pub async fn end_sessions(State(accounts): State<Accounts>, Id(id): Id, asker: Asker, reader: Reader) -> Answer {
    accounts.is_there(&id).await?;
    end_all(&accounts, &asker, &reader, &id).await?;
    Ok(done())
}

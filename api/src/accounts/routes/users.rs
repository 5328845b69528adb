//! `/users`: accounts, for administrators.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::sessions::end_all;
use super::{Answer, Id, done, items, place, private};
use crate::accounts::Accounts;
use crate::accounts::users::{self, Change, Invitation};
use crate::parameters::Parameters;
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;

/// Accounts, by id.
#[utoipa::path(
    get, path = "/users", operation_id = "users", tag = "Users",
    params(
        ("after" = Option<String>, Query, description = "The `id` of the last item of the page before"),
        ("limit" = Option<i64>, Query, description = "Items of a page, 100 without it", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "The accounts", body = Value)),
)]
pub async fn list(State(accounts): State<Accounts>, mut parameters: Parameters) -> Answer {
    let (after, limit) = place(&mut parameters);
    parameters.finish()?;
    let select =
        format!("select {} from app.users where ($1::text is null or id > $1) order by id limit $2", users::SHOWN);
    items(&accounts, &select, &[&after, &limit]).await
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
    Ok(private(StatusCode::OK, accounts.change(&id, asked, &reader.name, &asker).await?))
}

/// Lets the owner of an account choose another password.
#[utoipa::path(
    post, path = "/users/{id}/reset", operation_id = "reset_password", tag = "Users",
    params(("id" = String, Path, description = "The account")),
    responses((status = 201, description = "The token of a link that lets the password be chosen", body = Value)),
)]
pub async fn reset(State(accounts): State<Accounts>, Id(id): Id, asker: Asker, reader: Reader) -> Answer {
    let secret = accounts.reset(&id, &reader.name, &asker).await?;
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

//! `/auth/second-factor`: setting up an authenticator, and what becomes of it.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Id, done, private};
use crate::accounts::Accounts;
use crate::accounts::second_factor::Proof;
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;

/// The own password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    password: String,
}

/// Makes the secret of an authenticator, which is shown once. It is asked for at sign-in as soon as it is confirmed.
#[utoipa::path(
    post, path = "/auth/second-factor", operation_id = "set_up_second_factor", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The own password"),
    responses((status = 201, description = "What the authenticator is set up with", body = Value)),
)]
pub async fn set_up(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<Password>,
) -> Answer {
    Ok(private(StatusCode::CREATED, accounts.enrol(&reader, asked.password, &asker).await?))
}

/// A code that the authenticator shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    code: String,
}

/// Confirms the authenticator by a code that it shows. All other sessions end.
#[utoipa::path(
    post, path = "/auth/second-factor/confirm", operation_id = "confirm_second_factor", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The code"),
    responses((status = 200, description = "Codes for who has lost the authenticator, each for one sign-in; shown once", body = Value)),
)]
pub async fn confirm(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(asked): Body<Shown>,
) -> Answer {
    let codes = accounts.confirm(&reader, &asked.code, &asker).await?;
    Ok(private(StatusCode::OK, json!({ "recovery_codes": codes })))
}

/// Makes new recovery codes in place of those before.
#[utoipa::path(
    post, path = "/auth/second-factor/recovery-codes", operation_id = "renew_recovery_codes", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The own password, and a code"),
    responses((status = 200, description = "The new codes; shown once", body = Value)),
)]
pub async fn renew_codes(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(proof): Body<Proof>,
) -> Answer {
    let codes = accounts.renew_recovery_codes(&reader, proof, &asker).await?;
    Ok(private(StatusCode::OK, json!({ "recovery_codes": codes })))
}

/// Removes the own second factor. All other sessions end.
#[utoipa::path(
    post, path = "/auth/second-factor/remove", operation_id = "remove_second_factor", tag = "Sessions",
    request_body(content = Value, content_type = "application/json", description = "The own password, and a code or a recovery code"),
    responses((status = 204, description = "It is gone")),
)]
pub async fn remove(
    State(accounts): State<Accounts>,
    asker: Asker,
    reader: Reader,
    Body(proof): Body<Proof>,
) -> Answer {
    accounts.remove_second_factor(&reader, proof, &asker).await?;
    Ok(done())
}

/// Removes the second factor of an account whose owner has lost it. All its sessions end.
#[utoipa::path(
    delete, path = "/users/{id}/second-factor", operation_id = "reset_second_factor", tag = "Users",
    params(("id" = String, Path, description = "The account")),
    responses((status = 204, description = "It is gone")),
)]
pub async fn reset(State(accounts): State<Accounts>, Id(id): Id, asker: Asker, reader: Reader) -> Answer {
    accounts.reset_second_factor(&id, &reader, &asker).await?;
    Ok(done())
}

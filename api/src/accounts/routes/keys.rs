//! `/keys`: keys of programs, for administrators.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Answer, Id, done, items, place, private};
use crate::accounts::Accounts;
use crate::accounts::keys::{self, NewKey};
use crate::parameters::Parameters;
use crate::protection::body::Body;
use crate::protection::client::Asker;
use crate::reader::Reader;

/// Keys, by id.
#[utoipa::path(
    get, path = "/keys", operation_id = "keys", tag = "Keys",
    params(
        ("after" = Option<String>, Query, description = "The `id` of the last item of the page before"),
        ("limit" = Option<i64>, Query, description = "Items of a page, 100 without it", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "The keys, without their secrets", body = Value)),
)]
pub async fn list(State(accounts): State<Accounts>, mut parameters: Parameters) -> Answer {
    let (after, limit) = place(&mut parameters);
    parameters.finish()?;
    let select =
        format!("select {} from app.api_keys where ($1::text is null or id > $1) order by id limit $2", keys::SHOWN);
    items(&accounts, &select, &[&after, &limit]).await
}

/// Makes a key. It stops when the administrator who made it does.
#[utoipa::path(
    post, path = "/keys", operation_id = "make_key", tag = "Keys",
    request_body(content = Value, content_type = "application/json", description = "The key"),
    responses((status = 201, description = "The key, with its secret, which is told once", body = Value)),
)]
pub async fn make(State(accounts): State<Accounts>, asker: Asker, reader: Reader, Body(asked): Body<NewKey>) -> Answer {
    let key = accounts.make_key(&asked, reader.user.as_deref(), &reader.name, &asker).await?;
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

//! `/audit`: what was done, by whom, when, and from where.

use axum::extract::State;

use super::{Answer, items, limit};
use crate::accounts::Accounts;
use crate::parameters::Parameters;

/// The audit trail, the latest entries first. `fandom audit verify` checks its hashes.
#[utoipa::path(
    get, path = "/audit", operation_id = "audit", tag = "Audit",
    params(
        ("before" = Option<i64>, Query, description = "The number (`seq`) of the last entry of the page before"),
        ("limit" = Option<i64>, Query, description = "Entries of a page, 100 without it", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "The entries, the latest first", body = Value)),
)]
pub async fn list(State(accounts): State<Accounts>, mut parameters: Parameters) -> Answer {
    let before: Option<i64> = parameters.parsed("before", "the number of an entry");
    let limit = limit(&mut parameters);
    parameters.finish()?;
    let select = "select jsonb_build_object('seq', seq, 'at', to_timestamp(at_micros / 1000000.0), 'actor', actor,
            'action', action, 'target', target, 'address', address, 'request_id', request_id, 'detail', detail::jsonb,
            'hash', encode(hash, 'hex'))
        from app.audit where ($1::bigint is null or seq < $1) order by seq desc limit $2";
    items(&accounts, select, &[&before, &limit]).await
}

//! `GET /creators`: the creators, by name. `GET /creators/{creator}/daily`: a creator's days (METRICS.md §6).

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, answer, tag, tagged, unchanged};
use crate::listing::{Key, Listing};
use crate::names;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::ranges::{Range, days};
use crate::values::{Day, Id, record};

record! {
    /// A creator.
    struct Creator {
        creator_id: Id,
        creator: String,
        name: String,
        platform: String,
    }
}

record! {
    /// A creator's day.
    struct CreatorDay {
        creator_id: Id,
        creator: Option<String>,
        day: Day,
        messages: i64,
        ppv_sales_cents: i64,
        reversed_count: i64,
        reversed_net_cents: i64,
        active_chatters: i64,
        active_fans: i64,
        sales: Value,
        reported: Value,
    }
}

/// The list.
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let sorts = [Key::new("creator", "lower(creator)", Text)];
    let mut listing = Listing::read(&mut parameters, &sorts, &[Key::new("", "creator_id", Integer)]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.from = "views.creators".to_owned();
    if let Some(text) = sought {
        listing.contains(&["creator"], &text);
    }
    answer::<Creator>(&database, &headers, listing, |_| ()).await
}

/// A creator's days, the earliest first. A name without its platform means the creators of that name on every platform.
pub async fn daily(
    State(database): State<Database>,
    creator: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let Path(creator) =
        creator.map_err(|_| Problem::new(Kind::BadRequest, "the creator in the path is not UTF-8 text"))?;
    let range = days(&mut parameters);
    let sorts = [Key::new("day", "day", DayKey)];
    let mut listing = Listing::read(&mut parameters, &sorts, &[Key::new("", "creator_id", Integer)]);
    parameters.finish()?;
    let ids = names::creators(&creator);
    listing.from = "views.creator_day".to_owned();
    listing.ids("creator_id", ids.clone());
    if let Range::Days(from, to) = range {
        listing.compare("day", ">=", from, Type::DATE);
        listing.compare("day", "<=", to, Type::DATE);
    }
    let mut connection = database.connection().await?;
    let snapshot = connection.snapshot().await?;
    let known = "select from views.creators where creator_id = any($1) limit 1";
    if snapshot.query(known, &[(&ids, Type::INT8_ARRAY)]).await?.is_empty() {
        return Err(Problem::new(
            Kind::NotFound,
            "no creator has this id or name; /api/v1/creators lists them, written as `Tania (OF)`",
        ));
    }
    let tag = tag(&snapshot.epoch.to_string());
    if let Some(unchanged) = unchanged(&headers, &tag) {
        return Ok(unchanged);
    }
    let page = snapshot.page::<CreatorDay>(listing).await?;
    Ok(tagged(tag, Json(page)))
}

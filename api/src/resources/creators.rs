//! `GET /creators`: the creators, by name. `GET /creators/{creator}/daily`: a creator's days (METRICS.md §6).

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{Days, List};
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

const SORTS: [Key; 1] = [Key::new("creator", "lower(creator)", Text)];
const SORTS_OF_DAYS: [Key; 1] = [Key::new("day", "day", DayKey)];

/// The lists, as the documentation has them.
pub fn described() -> [List; 2] {
    [List::of::<Creator>("/creators", &SORTS), List::of::<CreatorDay>("/creators/{creator}/daily", &SORTS_OF_DAYS)]
}

/// The creators.
#[utoipa::path(
    get, path = "/creators", operation_id = "creators", tag = "Creators",
    params(("q" = Option<String>, Query, description = "A part of the name, in any case", example = "tania")),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The creators", body = Page<Creator>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Creator>(&mut parameters, &SORTS, &[Key::new("", "creator_id", Integer)]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.from = "views.creators".to_owned();
    if let Some(text) = sought {
        listing.contains(&["creator"], &text);
    }
    answer::<Creator>(&database, &headers, listing, |_| ()).await
}

/// A creator's days, the earliest first. A name without its platform means the creators of that name on every platform.
#[utoipa::path(
    get, path = "/creators/{creator}/daily", operation_id = "creator_days", tag = "Creators",
    params(("creator" = String, Path, description = "The creator, by id or name", example = "Tania (OF)"), Days),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The days", body = Page<CreatorDay>)),
)]
pub async fn daily(
    State(database): State<Database>,
    creator: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let Path(creator) =
        creator.map_err(|_| Problem::new(Kind::BadRequest, "the creator in the path is not UTF-8 text"))?;
    let range = days(&mut parameters);
    let mut listing =
        Listing::read::<CreatorDay>(&mut parameters, &SORTS_OF_DAYS, &[Key::new("", "creator_id", Integer)]);
    parameters.finish()?;
    let ids = names::creators(&creator);
    listing.from = "views.creator_day".to_owned();
    listing.ids("creator_id", ids.clone());
    if let Range::Days(from, to) = range {
        listing.compare("day", ">=", from, Type::DATE);
        listing.compare("day", "<=", to, Type::DATE);
    }
    let known = "select from views.creators where creator_id = any($1) limit 1";
    if !database.has(known, &[(&ids, Type::INT8_ARRAY)]).await? {
        return Err(Problem::new(
            Kind::NotFound,
            "no creator has this id or name; /api/v1/creators lists them, written as `Tania (OF)`",
        ));
    }
    answer::<CreatorDay>(&database, &headers, listing, |_| ()).await
}

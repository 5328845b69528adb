//! `GET /creators`: the creators, by name. `GET /creators/{creator}/daily`: a creator's days (METRICS.md §6).

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;
use tokio_postgres::types::Type;

use super::compare;
use super::ranking::within;
use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{Days, List, OfRange};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::ranges::days;
use crate::values::{Day, Id, Record, record};

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
        /// Null, like every figure, on a day of which only that in the range before has figures (`compare=previous`).
        messages: Option<i64>,
        ppv_sales_cents: Option<i64>,
        reversed_count: Option<i64>,
        reversed_net_cents: Option<i64>,
        active_chatters: Option<i64>,
        active_fans: Option<i64>,
        sales: Option<Value>,
        reported: Option<Value>,
        /// The day at the same place of the range before, which is as long.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous: Option<Value>,
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
    params(("creator" = String, Path, description = "The creator, by id or name", example = "Tania (OF)"), Days, OfRange),
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
    let before = compare::before(&mut parameters, range);
    let mut listing =
        Listing::read::<CreatorDay>(&mut parameters, &SORTS_OF_DAYS, &[Key::new("", "creator_id", Integer)]);
    parameters.finish()?;
    let ids = names::creators(&creator);
    let of_creator = format!("creator_id = any({})", listing.binds.bind(ids.clone(), Type::INT8_ARRAY));
    let mut days_of = |name: &str, range, later: i32| {
        let conditions = [vec![of_creator.clone()], within(range, &mut listing.binds)].concat();
        format!("{name} as (select *, day + {later} as at from views.creator_day where {})", conditions.join(" and "))
    };
    let now = days_of("now", range, 0);
    listing.with = match before {
        None => format!("with {now}, days as (select *, null::jsonb as previous from now)"),
        Some(before) => {
            let before = days_of("before", before.range(), before.days);
            let (keys, figures) = (["creator_id", "at"], &CreatorDay::fields()[3..CreatorDay::fields().len() - 1]);
            let beside = compare::beside("beside", ["now", "before"], &keys, &["creator"], figures);
            format!("with {now}, {before}, {beside}, days as (select *, at as day from beside)")
        }
    };
    listing.from = "days".to_owned();
    listing.leave_out(if before.is_some() { &[] } else { &["previous"] });
    let known = "select from views.creators where creator_id = any($1) limit 1";
    if !database.has(known, &[(&ids, Type::INT8_ARRAY)]).await? {
        return Err(Problem::new(
            Kind::NotFound,
            "no creator has this id or name; /api/v1/creators lists them, written as `Tania (OF)`",
        ));
    }
    answer::<CreatorDay>(&database, &headers, listing, |_| ()).await
}

//! `GET /fans/{fan}/timeline`: what happened with a fan, by day and creator: the measures of METRICS.md §5 that add up over days.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use super::fans::of_path;
use crate::cursor::KeyType::{Day as DayKey, Integer};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{Days, List, OfCreator};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, days};
use crate::values::{Day, Id, record};

record! {
    /// A fan's day with a creator.
    struct FanDay {
        day: Day,
        creator_id: Id,
        creator: Option<String>,
        fan_id: Id,
        platform: Option<String>,
        username: Option<String>,
        nickname: Option<String>,
        messages_received: i64,
        messages_replied: i64,
        ppvs_received: i64,
        ppvs_unlocked: i64,
        ppv_spend_cents: i64,
        sales_net_cents: i64,
        tips_net_cents: i64,
        sales_count: i64,
        reversed_count: i64,
    }
}

const SORTS: [Key; 4] = [
    Key::new("day", "day", DayKey).descending(),
    Key::new("messages", "messages_received", Integer),
    Key::new("ppv_spend_cents", "ppv_spend_cents", Integer),
    Key::new("sales_net_cents", "sales_net_cents", Integer),
];

const TIES: [Key; 3] =
    [Key::new("", "day", DayKey).descending(), Key::new("", "creator_id", Integer), Key::new("", "fan_id", Integer)];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<FanDay>("/fans/{fan}/timeline", &SORTS)
}

/// What happened with a fan, by day and creator, the latest first.
///
/// A day is listed when it has a direct message, a reply or a sale. An unlocked PPV counts on the day on which it was sent.
#[utoipa::path(
    get, path = "/fans/{fan}/timeline", operation_id = "fan_timeline", tag = "Fans",
    params(("fan" = String, Path, description = "The fan, by id or user name", example = "u177154572"), Days, OfCreator),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The days", body = Page<FanDay>)),
)]
pub async fn list(
    State(database): State<Database>,
    fan: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let range = days(&mut parameters);
    let mut listing = Listing::read::<FanDay>(&mut parameters, &SORTS, &TIES);
    let creator = parameters.text("creator");
    parameters.finish()?;
    listing.from = "views.fan_day".to_owned();
    listing.ids("fan_id", of_path(&database, fan).await?);
    if let Some(text) = creator {
        listing.ids("creator_id", names::creators(&text));
    }
    if let Range::Days(from, to) = range {
        listing.compare("day", ">=", from, Type::DATE);
        listing.compare("day", "<=", to, Type::DATE);
    }
    answer::<FanDay>(&database, &headers, listing, |_| ()).await
}

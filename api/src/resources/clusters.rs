//! `GET /clusters`: the clusters of fans; `GET /clusters/moves`: how many fans changed from one to another, by day.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::openapi::{Days, List};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, days};
use crate::values::{Day, record};

record! {
    /// A cluster: its size, what its fans spend, and the means of what fans are clustered by.
    struct Cluster {
        cluster: String,
        size: i64,
        spend_cents: i64,
        share_of_spend: Option<f64>,
        mean_spend_cents: f64,
        mean_messages_received: f64,
        mean_purchase_days: f64,
        mean_unlock_rate: f64,
        mean_tenure_days: f64,
        mean_days_since_seen: Option<f64>,
    }
}

record! {
    /// Fans that were in one cluster at the end of the day before, and in another at the end of this one.
    struct Move {
        day: Day,
        from_cluster: String,
        to_cluster: String,
        fans: i64,
    }
}

const SORTS: [Key; 3] = [
    Key::new("spend_cents", "spend_cents", Integer).descending(),
    Key::new("size", "size", Integer),
    Key::new("cluster", "cluster", Text),
];
const TIES: [Key; 1] = [Key::new("", "cluster", Text)];

/// The lists, as the documentation has them.
pub fn described() -> [List; 2] {
    [List::of::<Cluster>("/clusters", &SORTS), List::of::<Move>("/clusters/moves", &SORTS_OF_MOVES)]
}

/// The clusters of fans, with the means of what fans are clustered by.
#[utoipa::path(
    get, path = "/clusters", operation_id = "clusters", tag = "Fans",
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The clusters", body = Page<Cluster>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Cluster>(&mut parameters, &SORTS, &TIES);
    parameters.finish()?;
    listing.from = "views.fan_clusters".to_owned();
    answer::<Cluster>(&database, &headers, listing, |_| ()).await
}

const SORTS_OF_MOVES: [Key; 2] =
    [Key::new("day", "day", DayKey).descending(), Key::new("fans", "fans", Integer).descending()];
const TIES_OF_MOVES: [Key; 3] = [
    Key::new("", "day", DayKey).descending(),
    Key::new("", "from_cluster", Text).descending(),
    Key::new("", "to_cluster", Text).descending(),
];

/// How many fans changed from one cluster to another, by day.
#[utoipa::path(
    get, path = "/clusters/moves", operation_id = "cluster_moves", tag = "Fans",
    params(Days, ("from_cluster" = Option<String>, Query, description = "The cluster of the day before"), ("to_cluster" = Option<String>, Query, description = "The cluster of the day")),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The moves", body = Page<Move>)),
)]
pub async fn moves(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let range = days(&mut parameters);
    let mut listing = Listing::read::<Move>(&mut parameters, &SORTS_OF_MOVES, &TIES_OF_MOVES);
    let from = parameters.text("from_cluster");
    let to = parameters.text("to_cluster");
    parameters.finish()?;
    listing.from = "views.fan_moves".to_owned();
    if let Range::Days(first, last) = range {
        listing.compare("day", ">=", first, Type::DATE);
        listing.compare("day", "<=", last, Type::DATE);
    }
    listing.compare("from_cluster", "=", from, Type::TEXT);
    listing.compare("to_cluster", "=", to, Type::TEXT);
    answer::<Move>(&database, &headers, listing, |_| ()).await
}

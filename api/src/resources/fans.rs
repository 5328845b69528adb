//! `GET /fans`: the measures of METRICS.md §5 by creator and fan. `GET /fans/{fan}`: those of one fan, by creator.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Instant as InstantKey, Integer};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{List, OfCreator};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::ranges::moments;
use crate::server::App;
use crate::values::{Id, Instant, record};

record! {
    /// A fan of a creator.
    struct Fan {
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
        unlock_rate: Option<f64>,
        ppv_spend_cents: i64,
        sales_net_cents: i64,
        tips_net_cents: i64,
        spend_cents: i64,
        spend_class: String,
        purchase_days: i64,
        first_seen: Instant,
        last_seen: Instant,
        last_purchase: Option<Instant>,
        r_days: Option<i32>,
        r: Option<i64>,
        f: Option<i64>,
        m: Option<i64>,
        segment: Option<String>,
        cluster: Option<String>,
    }
}

/// By their scores, in the order in which they are tried.
const SEGMENTS: [&str; 11] = [
    "Champions",
    "Can't Lose",
    "New",
    "Promising",
    "Need Attention",
    "Loyal",
    "Potential Loyalist",
    "At Risk",
    "About To Sleep",
    "Lost",
    "Others",
];

const SORTS: [Key; 8] = [
    Key::new("spend", "spend_cents", Integer).descending(),
    Key::new("last_seen", "last_seen", InstantKey),
    Key::new("last_purchase", "last_purchase", InstantKey).nullable(),
    Key::new("messages", "messages_received", Integer),
    Key::new("r_days", "last_purchase", InstantKey).nullable().opposite(),
    Key::new("r", "r", Integer).nullable(),
    Key::new("f", "f", Integer).nullable(),
    Key::new("m", "m", Integer).nullable(),
];

const TIES: [Key; 2] = [Key::new("", "creator_id", Integer), Key::new("", "fan_id", Integer)];

/// The lists, as the documentation has them.
pub fn described() -> [List; 2] {
    [List::of::<Fan>("/fans", &SORTS), List::of::<Fan>("/fans/{fan}", &SORTS)]
}

/// Fans by creator: searched, filtered by class, segment, cluster, spend and recency.
#[utoipa::path(
    get, path = "/fans", operation_id = "fans", tag = "Fans",
    params(
        OfCreator,
        ("q" = Option<String>, Query, description = "A part of user name or nickname, in any case", example = "dragon"),
        ("spend_class" = Option<String>, Query, description = "Classes, separated by commas: whale, regular, spender, non-spender", example = "whale,regular"),
        ("segment" = Option<String>, Query, description = "Segments, separated by commas, such as Champions, Can't Lose, At Risk", example = "Champions,At Risk"),
        ("cluster" = Option<String>, Query, description = "A cluster's name", example = "Whales"),
        ("min_spend_cents" = Option<i64>, Query, description = "The least spend, in cents", example = 10000),
        ("max_spend_cents" = Option<i64>, Query, description = "The most spend, in cents", example = 99999),
        ("min_r_days" = Option<i32>, Query, description = "The least number of days since the last purchase", example = 7),
        ("max_r_days" = Option<i32>, Query, description = "The most days since the last purchase", example = 30),
        ("seen_from" = Option<String>, Query, description = "Last seen on this day or at this instant, or later", example = "2026-10-21"),
        ("seen_to" = Option<String>, Query, description = "Last seen on this day or at this instant, or earlier", example = "2026-10-21T05:00:00Z"),
        ("purchase_from" = Option<String>, Query, description = "Last bought on this day or at this instant, or later", example = "2026-10-21"),
        ("purchase_to" = Option<String>, Query, description = "Last bought on this day or at this instant, or earlier", example = "2026-10-21"),
        ("zone" = Option<String>, Query, description = "The IANA zone of the days above; that of the reports without one", example = "Europe/Belgrade"),
    ),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The fans", body = Page<Fan>)),
)]
pub async fn list(State(app): State<App>, headers: HeaderMap, mut parameters: Parameters) -> Result<Response, Problem> {
    let zone = parameters.zone(&app.settings.reporting_tz);
    let mut listing = Listing::read::<Fan>(&mut parameters, &SORTS, &TIES);
    let creator = parameters.text("creator");
    let classes = parameters.words("spend_class", &["whale", "regular", "spender", "non-spender"]);
    let segments = parameters.words("segment", &SEGMENTS);
    let cluster = parameters.text("cluster");
    let sought = parameters.text("q");
    let least: Option<i64> = parameters.parsed("min_spend_cents", "a number of cents");
    let most: Option<i64> = parameters.parsed("max_spend_cents", "a number of cents");
    if least.zip(most).is_some_and(|(least, most)| most < least) {
        parameters.wrong("max_spend_cents", "is below `min_spend_cents`");
    }
    let recent: Option<i32> = parameters.checked("max_r_days", "a number of days from 0 to 100000", days);
    let longest: Option<i32> = parameters.checked("min_r_days", "a number of days from 0 to 100000", days);
    if recent.zip(longest).is_some_and(|(most, least)| most < least) {
        parameters.wrong("max_r_days", "is below `min_r_days`");
    }
    let seen = moments(&mut parameters, "seen_from", "seen_to", &zone);
    let purchase = moments(&mut parameters, "purchase_from", "purchase_to", &zone);
    parameters.finish()?;

    listing.from = "views.fans".to_owned();
    if let Some(text) = creator {
        listing.ids("creator_id", names::creators(&text));
    }
    if let Some(classes) = classes {
        let classes = listing.binds.bind(classes, Type::TEXT_ARRAY);
        listing.filters.push(format!("spend_class = any({classes})"));
    }
    if let Some(segments) = segments {
        let segments = listing.binds.bind(segments, Type::TEXT_ARRAY);
        listing.filters.push(format!("segment = any({segments})"));
    }
    if let Some(text) = sought {
        listing.contains(&["username", "nickname"], &text);
    }
    listing.compare("cluster", "=", cluster, Type::TEXT);
    let as_of = "(select day from views.as_of) - last_purchase_day";
    listing.compare(as_of, "<=", recent, Type::INT4);
    listing.compare(as_of, ">=", longest, Type::INT4);
    listing.compare("spend_cents", ">=", least, Type::INT8);
    listing.compare("spend_cents", "<=", most, Type::INT8);
    for (column, (from, end)) in [("last_seen", seen), ("last_purchase", purchase)] {
        listing.compare(column, ">=", from, Type::TIMESTAMPTZ);
        listing.compare(column, "<", end, Type::TIMESTAMPTZ);
    }
    answer::<Fan>(&app.database, &headers, listing, |_| ()).await
}

fn days(text: &str) -> Option<i32> {
    text.parse().ok().filter(|days| (0..=100_000).contains(days))
}

/// A fan, by creator. A user name without a platform means the fans of that name on every platform.
#[utoipa::path(
    get, path = "/fans/{fan}", operation_id = "fan", tag = "Fans",
    params(("fan" = String, Path, description = "The fan, by id or user name", example = "u177154572"), OfCreator),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The fan, as each creator knows them", body = Page<Fan>)),
)]
pub async fn profile(
    State(app): State<App>,
    fan: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Fan>(&mut parameters, &SORTS, &TIES);
    let creator = parameters.text("creator");
    parameters.finish()?;
    listing.from = "views.fans".to_owned();
    listing.ids("fan_id", of_path(&app.database, fan).await?);
    if let Some(text) = creator {
        listing.ids("creator_id", names::creators(&text));
    }
    answer::<Fan>(&app.database, &headers, listing, |_| ()).await
}

/// The ids that the fan in a path may mean.
///
/// # Errors
/// When no fan that the reader sees has one of them.
pub(super) async fn of_path(
    database: &Database,
    fan: Result<Path<String>, PathRejection>,
) -> Result<Vec<i64>, Problem> {
    let Path(fan) = fan.map_err(|_| Problem::new(Kind::BadRequest, "the fan in the path is not UTF-8 text"))?;
    let ids = names::fans(&fan);
    let known = "select from views.fan_measures where fan_id = any($1) limit 1";
    if !database.has(known, &[(&ids, Type::INT8_ARRAY)]).await? {
        return Err(Problem::new(Kind::NotFound, "no fan has this id or user name; /api/v1/fans?q= searches them"));
    }
    Ok(ids)
}

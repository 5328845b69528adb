//! `GET /fans`: the measures of METRICS.md §5 by creator and fan.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Instant as InstantKey, Integer};
use crate::database::answer;
use crate::listing::{Key, Listing};
use crate::names;
use crate::parameters::Parameters;
use crate::problem::Problem;
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
    Key::new("r_days", "r_days::bigint", Integer).nullable(),
    Key::new("r", "r", Integer).nullable(),
    Key::new("f", "f", Integer).nullable(),
    Key::new("m", "m", Integer).nullable(),
];

const TIES: [Key; 2] = [Key::new("", "creator_id", Integer), Key::new("", "fan_id", Integer)];

/// The list.
pub async fn list(State(app): State<App>, headers: HeaderMap, mut parameters: Parameters) -> Result<Response, Problem> {
    let zone = &app.settings.reporting_tz;
    let mut listing = Listing::read(&mut parameters, &SORTS, &TIES);
    let creator = parameters.text("creator");
    let classes = parameters.words("spend_class", &["whale", "regular", "spender", "non-spender"]);
    let segments = parameters.words("segment", &SEGMENTS);
    let sought = parameters.text("q");
    let least: Option<i64> = parameters.parsed("min_spend_cents", "a number of cents");
    let most: Option<i64> = parameters.parsed("max_spend_cents", "a number of cents");
    if least.zip(most).is_some_and(|(least, most)| most < least) {
        parameters.wrong("max_spend_cents", "is below `min_spend_cents`");
    }
    let seen = moments(&mut parameters, "seen_from", "seen_to", zone);
    let purchase = moments(&mut parameters, "purchase_from", "purchase_to", zone);
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
    listing.compare("spend_cents", ">=", least, Type::INT8);
    listing.compare("spend_cents", "<=", most, Type::INT8);
    for (column, (from, end)) in [("last_seen", seen), ("last_purchase", purchase)] {
        listing.compare(column, ">=", from, Type::TIMESTAMPTZ);
        listing.compare(column, "<", end, Type::TIMESTAMPTZ);
    }
    answer::<Fan>(&app.database, &headers, listing, |_| ()).await
}

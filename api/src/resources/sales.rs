//! `GET /sales`: sales by day, creator, chatter and type.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{Days, List, OfChatter, OfCreator};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, days};
use crate::values::{Day, Id};

/// Sales of one type.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
struct Sales {
    day: Day,
    creator_id: Id,
    creator: Option<String>,
    chatter_id: Id,
    chatter: Option<String>,
    #[serde(rename = "type")]
    sale_type: String,
    gross_cents: i64,
    net_cents: i64,
    count: i64,
    reversed_net_cents: i64,
    reversed_count: i64,
}

impl crate::values::Record for Sales {
    fn columns() -> String {
        Self::fields().join(", ")
    }

    fn fields() -> &'static [&'static str] {
        &[
            "day",
            "creator_id",
            "creator",
            "chatter_id",
            "chatter",
            "type",
            "gross_cents",
            "net_cents",
            "count",
            "reversed_net_cents",
            "reversed_count",
        ]
    }

    fn from_row(row: &tokio_postgres::Row) -> Result<Sales, tokio_postgres::Error> {
        Ok(Sales {
            day: row.try_get("day")?,
            creator_id: row.try_get("creator_id")?,
            creator: row.try_get("creator")?,
            chatter_id: row.try_get("chatter_id")?,
            chatter: row.try_get("chatter")?,
            sale_type: row.try_get("type")?,
            gross_cents: row.try_get("gross_cents")?,
            net_cents: row.try_get("net_cents")?,
            count: row.try_get("count")?,
            reversed_net_cents: row.try_get("reversed_net_cents")?,
            reversed_count: row.try_get("reversed_count")?,
        })
    }
}

const SORTS: [Key; 8] = [
    Key::new("day", "day", DayKey).descending(),
    Key::new("creator", "lower(creator)", Text).nullable(),
    Key::new("chatter", "lower(chatter)", Text).nullable(),
    Key::new("type", "type", Text),
    Key::new("net_cents", "net_cents", Integer),
    Key::new("gross_cents", "gross_cents", Integer),
    Key::new("count", "count", Integer),
    Key::new("reversed_net_cents", "reversed_net_cents", Integer),
];

const TIES: [Key; 4] = [
    Key::new("", "day", DayKey).descending(),
    Key::new("", "creator_id", Integer),
    Key::new("", "chatter_id", Integer),
    Key::new("", "type", Text),
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Sales>("/sales", &SORTS)
}

/// Sales by day, creator, chatter and type.
#[utoipa::path(
    get, path = "/sales", operation_id = "sales", tag = "Figures",
    params(Days, OfCreator, OfChatter, ("type" = Option<String>, Query, description = "The type of sale, in any case", example = "Tips")),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The sales", body = Page<Sales>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let range = days(&mut parameters);
    let mut listing = Listing::read::<Sales>(&mut parameters, &SORTS, &TIES);
    let creator = parameters.text("creator");
    let chatter = parameters.text("chatter");
    let sale_type = parameters.text("type");
    parameters.finish()?;

    listing.from = "views.sales_day".to_owned();
    if let Range::Days(from, to) = range {
        listing.compare("day", ">=", from, Type::DATE);
        listing.compare("day", "<=", to, Type::DATE);
    }
    if let Some(text) = creator {
        listing.ids("creator_id", names::creators(&text));
    }
    if let Some(text) = chatter {
        listing.ids("chatter_id", names::chatters(&text));
    }
    listing.compare("lower(type)", "=", sale_type.map(|text| text.to_lowercase()), Type::TEXT);
    answer::<Sales>(&database, &headers, listing, |_| ()).await
}

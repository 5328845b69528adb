//! `GET /template`: the agency's own template, by chatter and day. It enters no other figure.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Day as DayKey, Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{Days, List, OfChatter};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::{Range, days};
use crate::values::{Day, Id, record};

record! {
    /// A chatter's day as the agency's template has it.
    struct TemplateDay {
        chatter_id: Id,
        chatter: Option<String>,
        day: Day,
        messages_sent: Option<i64>,
        ppvs_sent: Option<i64>,
        ppvs_unlocked: Option<i64>,
        fans_chatted: Option<i64>,
        avg_response_minutes: Option<f64>,
    }
}

const SORTS: [Key; 2] =
    [Key::new("day", "day", DayKey).descending(), Key::new("chatter", "lower(chatter)", Text).nullable()];

const TIES: [Key; 2] = [Key::new("", "day", DayKey).descending(), Key::new("", "chatter_id", Integer)];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<TemplateDay>("/template", &SORTS)
}

/// The agency's own template, by chatter and day. It enters no other figure.
#[utoipa::path(
    get, path = "/template", operation_id = "template", tag = "Chatters",
    params(Days, OfChatter),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The days", body = Page<TemplateDay>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let range = days(&mut parameters);
    let mut listing = Listing::read::<TemplateDay>(&mut parameters, &SORTS, &TIES);
    let chatter = parameters.text("chatter");
    parameters.finish()?;
    listing.from = "views.template_day".to_owned();
    if let Range::Days(from, to) = range {
        listing.compare("day", ">=", from, Type::DATE);
        listing.compare("day", "<=", to, Type::DATE);
    }
    if let Some(text) = chatter {
        listing.ids("chatter_id", names::chatters(&text));
    }
    answer::<TemplateDay>(&database, &headers, listing, |_| ()).await
}

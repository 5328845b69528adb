//! `GET /chatters`: the chatters, by name.

pub(super) mod profile;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::cursor::KeyType::{Integer, Text};
use crate::database::{Database, Page, answer};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::values::{Id, record};

record! {
    /// A chatter.
    struct Chatter {
        chatter_id: Id,
        chatter: String,
    }
}

const SORTS: [Key; 1] = [Key::new("chatter", "lower(chatter)", Text)];

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Chatter>("/chatters", &SORTS)
}

/// The chatters.
#[utoipa::path(
    get, path = "/chatters", operation_id = "chatters", tag = "Chatters",
    params(("q" = Option<String>, Query, description = "A part of the name, in any case", example = "iva")),
    extensions(("x-conditional" = json!(true))),
    responses((status = 200, description = "The chatters", body = Page<Chatter>)),
)]
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let mut listing = Listing::read::<Chatter>(&mut parameters, &SORTS, &[Key::new("", "chatter_id", Integer)]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.from = "views.chatters".to_owned();
    if let Some(text) = sought {
        listing.contains(&["chatter"], &text);
    }
    answer::<Chatter>(&database, &headers, listing, |_| ()).await
}

//! `GET /chatters`: the chatters, by name.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::cursor::KeyType::{Integer, Text};
use crate::database::{Database, answer};
use crate::listing::{Key, Listing};
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

/// The list.
pub async fn list(
    State(database): State<Database>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let sorts = [Key::new("chatter", "lower(chatter)", Text)];
    let mut listing = Listing::read(&mut parameters, &sorts, &[Key::new("", "chatter_id", Integer)]);
    let sought = parameters.text("q");
    parameters.finish()?;
    listing.from = "views.chatters".to_owned();
    if let Some(text) = sought {
        listing.contains(&["chatter"], &text);
    }
    answer::<Chatter>(&database, &headers, listing, |_| ()).await
}

//! `/audit`: what was done, by whom, when, and from where.

use axum::extract::State;
use serde_json::Value;
use tokio_postgres::types::Type;

use super::Answer;
use crate::cursor::KeyType::{Integer, Text};
use crate::database::{Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::openapi::List;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::ranges::moments;
use crate::server::App;
use crate::values::{Instant, record};

record! {
    /// An entry of the trail.
    #[schema(as = AuditEntry)]
    struct Entry {
        seq: i64,
        at: Instant,
        actor: String,
        action: String,
        target: String,
        address: String,
        request_id: String,
        detail: Value,
        hash: String,
    }
}

const SORTS: [Key; 3] = [
    Key::new("seq", "seq", Integer).descending(),
    Key::new("actor", "actor", Text),
    Key::new("action", "action", Text),
];

const ENTRIES: &str = "with entries as not materialized (
        select seq, at_micros, timestamptz 'epoch' + at_micros * interval '1 microsecond' as at, actor, action, target, address,
               request_id, detail::jsonb as detail, encode(hash, 'hex') as hash
        from app.audit
    )";

/// The list, as the documentation has it.
pub fn described() -> List {
    List::of::<Entry>("/audit", &SORTS)
}

/// The audit trail, the latest entries first. `fandom audit verify` checks its hashes.
#[utoipa::path(
    get, path = "/audit", operation_id = "audit", tag = "Audit",
    params(
        ("actor" = Option<String>, Query, description = "Who: an e-mail address, a key, the command", example = "admin@example.com"),
        ("action" = Option<String>, Query, description = "What was done", example = "user.invited"),
        ("target" = Option<String>, Query, description = "To whom or what: an id or a path"),
        ("address" = Option<String>, Query, description = "From where", example = "127.0.0.1"),
        ("from" = Option<String>, Query, description = "On this day or at this instant, or later", example = "2026-10-21"),
        ("to" = Option<String>, Query, description = "On this day or at this instant, or earlier", example = "2026-10-21T05:00:00Z"),
        ("zone" = Option<String>, Query, description = "The IANA zone of the days above; that of the reports without one", example = "Europe/Belgrade"),
    ),
    responses((status = 200, description = "The entries", body = Page<Entry>)),
)]
pub async fn list(State(app): State<App>, mut parameters: Parameters) -> Answer {
    let mut listing = Listing::read::<Entry>(&mut parameters, &SORTS, &[Key::new("", "seq", Integer).descending()]);
    let names = ["actor", "action", "target", "address"];
    let wanted = names.map(|name| (name, parameters.text(name)));
    let zone = parameters.zone(&app.settings.reporting_tz);
    let (from, end) = moments(&mut parameters, "from", "to", &zone);
    parameters.finish()?;
    listing.with = ENTRIES.to_owned();
    listing.from = "entries".to_owned();
    for (column, text) in wanted {
        listing.compare(column, "=", text, Type::TEXT);
    }
    let micros = |instant: Instant| instant.0.as_microsecond();
    listing.compare("at_micros", ">=", from.map(micros), Type::INT8);
    listing.compare("at_micros", "<", end.map(micros), Type::INT8);
    answer_anew(&app.database, listing, Ok::<Entry, Problem>).await
}

//! `GET /messages`: single messages, each with its texts, out of the message archive (`app.archive_*`).
//!
//! A message is listed as long as a live file holds it, once however many do; where two exports differ, with what the winner says.
//! Texts are opened here, with the keys of `FANDOM_ARCHIVE_KEY`, and never leave a trace: answers are not to be stored by
//! anybody on the way. The archive follows the log by itself, so the epoch says nothing about this list; it may be a moment
//! behind the views, or ahead of them.

use axum::extract::State;
use axum::response::Response;
use fandom_schemas::rows::Text;
use fandom_services::sealing::{KeyRing, OpenError, owner_of_text};
use serde::Serialize;
use tokio_postgres::types::Type;

use crate::cursor::KeyType::{Instant as InstantKey, Integer};
use crate::database::{Page, answer_anew};
use crate::listing::{Key, Listing};
use crate::names;
use crate::openapi::{List, OfChatter, OfCreator};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::ranges::moments;
use crate::server::App;
use crate::values::{Id, Instant, record};

record! {
    /// A message as the archive holds it.
    struct Stored {
        file_id: i64,
        version: i64,
        ordinal: i64,
        natural_key: Vec<u8>,
        occurrence: i32,
        creator_id: Id,
        creator: Option<String>,
        chatter_id: Id,
        chatter: Option<String>,
        fan_id: Id,
        platform: Option<String>,
        username: Option<String>,
        nickname: Option<String>,
        sent_at: Instant,
        price_cents: i64,
        purchased: bool,
        source: String,
        status: Option<String>,
        reply_seconds: Option<i64>,
        characters: i64,
        file: String,
        key_id: Option<String>,
        sealed: Option<Vec<u8>>,
    }
}

/// A message as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Message {
    message_id: String,
    creator_id: Id,
    creator: Option<String>,
    chatter_id: Id,
    chatter: Option<String>,
    fan_id: Id,
    platform: Option<String>,
    username: Option<String>,
    nickname: Option<String>,
    sent_at: Instant,
    price_cents: i64,
    purchased: bool,
    source: String,
    status: Option<String>,
    reply_seconds: Option<i64>,
    characters: i64,
    /// The file that the values are of.
    file: String,
    /// `kept`; `awaited` as long as the archive has not read it yet; or `damaged`.
    text_state: &'static str,
    text: Option<String>,
    fan_message: Option<String>,
}

const SORTS: [Key; 1] = [Key::new("sent_at", "sent_at", InstantKey).descending()];

const TIES: [Key; 3] = [
    Key::new("", "file_id", Integer).descending(),
    Key::new("", "version", Integer).descending(),
    Key::new("", "ordinal", Integer).descending(),
];

/// Not materialized, so that each part of a page reads no more than it shows.
const MESSAGES: &str = "with messages as not materialized (
        select m.file_id, m.version, m.ordinal, m.natural_key, m.occurrence, m.creator_id, c.creator, m.chatter_id, h.chatter,
               m.fan_id, n.platform, n.username, n.nickname, m.sent_at, m.price_cents, m.purchased, m.source, m.status,
               m.reply_seconds, m.characters, f.file, t.key_id, t.sealed
        from app.archive_messages m
        join app.archive_files f on f.file_id = m.file_id and f.live_version = m.version
        left join app.archive_texts t on t.file_id = m.file_id and t.version = m.version and t.ordinal = m.ordinal
        left join views.creators c on c.creator_id = m.creator_id
        left join views.chatters h on h.chatter_id = m.chatter_id
        left join views.fan_names n on n.fan_id = m.fan_id
        where not m.shadowed
    )";

/// The members of a message.
const MEMBERS: [&str; 20] = [
    "message_id",
    "creator_id",
    "creator",
    "chatter_id",
    "chatter",
    "fan_id",
    "platform",
    "username",
    "nickname",
    "sent_at",
    "price_cents",
    "purchased",
    "source",
    "status",
    "reply_seconds",
    "characters",
    "file",
    "text_state",
    "text",
    "fan_message",
];

/// The list, as the documentation has it.
pub fn described() -> List {
    List { path: "/messages", sorts: vec!["sent_at"], fields: &MEMBERS }
}

/// Single messages with their texts, the latest first; of a chatter, a fan, a creator, a range of time. Texts are kept sealed, and
/// are opened for the answer.
#[utoipa::path(
    get, path = "/messages", operation_id = "messages", tag = "Messages",
    params(
        OfCreator, OfChatter,
        ("fan" = Option<String>, Query, description = "A fan, by id or user name", example = "u177154572"),
        ("from" = Option<String>, Query, description = "Sent on this day or at this instant, or later", example = "2026-10-21"),
        ("to" = Option<String>, Query, description = "Sent on this day or at this instant, or earlier", example = "2026-10-21T05:00:00Z"),
        ("zone" = Option<String>, Query, description = "The IANA zone of the days above; that of the reports without one", example = "Europe/Belgrade"),
    ),
    responses((status = 200, description = "The messages", body = Page<Message>)),
)]
pub async fn list(State(app): State<App>, mut parameters: Parameters) -> Result<Response, Problem> {
    let mut listing = Listing::of(&mut parameters, &MEMBERS, &SORTS, &TIES);
    let creator = parameters.text("creator");
    let chatter = parameters.text("chatter");
    let fan = parameters.text("fan");
    let zone = parameters.zone(&app.settings.reporting_tz);
    let (from, end) = moments(&mut parameters, "from", "to", &zone);
    parameters.finish()?;
    let Some(keys) = app.settings.archive_keys.clone() else {
        let detail = "message texts cannot be read: the API was started without FANDOM_ARCHIVE_KEY";
        return Err(Problem::new(Kind::Unavailable, detail));
    };

    listing.with = MESSAGES.to_owned();
    listing.from = "messages".to_owned();
    if let Some(text) = creator {
        listing.ids("creator_id", names::creators(&text));
    }
    if let Some(text) = chatter {
        listing.ids("chatter_id", names::chatters(&text));
    }
    if let Some(text) = fan {
        listing.ids("fan_id", names::fans(&text));
    }
    listing.compare("sent_at", ">=", from, Type::TIMESTAMPTZ);
    listing.compare("sent_at", "<", end, Type::TIMESTAMPTZ);

    answer_anew(&app.database, listing, move |stored: Stored| Message::of(stored, &keys)).await
}

impl Message {
    fn of(stored: Stored, keys: &KeyRing) -> Result<Message, Problem> {
        let (text_state, text, fan_message) = match (&stored.key_id, &stored.sealed) {
            (Some(key_id), Some(sealed)) => opened(&stored, key_id, sealed, keys)?,
            _ => ("awaited", None, None),
        };
        let key: String = stored.natural_key.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Message {
            message_id: format!("{key}-{}", stored.occurrence),
            creator_id: stored.creator_id,
            creator: stored.creator,
            chatter_id: stored.chatter_id,
            chatter: stored.chatter,
            fan_id: stored.fan_id,
            platform: stored.platform,
            username: stored.username,
            nickname: stored.nickname,
            sent_at: stored.sent_at,
            price_cents: stored.price_cents,
            purchased: stored.purchased,
            source: stored.source,
            status: stored.status,
            reply_seconds: stored.reply_seconds,
            characters: stored.characters,
            file: stored.file,
            text_state,
            text,
            fan_message,
        })
    }
}

type Texts = (&'static str, Option<String>, Option<String>);

fn opened(stored: &Stored, key_id: &str, sealed: &[u8], keys: &KeyRing) -> Result<Texts, Problem> {
    let Stored { file_id, version, ordinal, .. } = *stored;
    let owner = owner_of_text(file_id, version, ordinal);
    let json = match keys.open(&owner, key_id, sealed) {
        Ok(json) => json,
        Err(error @ OpenError::NoKey { .. }) => {
            tracing::error!(file_id, version, ordinal, %error, "a text of the archive cannot be read");
            return Err(Problem::new(Kind::Unavailable, format!("a message text cannot be read: {error}")));
        }
        Err(error) => {
            tracing::error!(file_id, version, ordinal, %error, "a text of the archive cannot be read");
            return Ok(("damaged", None, None));
        }
    };
    match serde_json::from_slice::<Text<'_>>(&json) {
        Ok(Text { text, fan_message }) => {
            Ok(("kept", Some(text.into_owned()), fan_message.map(std::borrow::Cow::into_owned)))
        }
        Err(_) => {
            tracing::error!(file_id, version, ordinal, "a text of the archive is not of its schema");
            Ok(("damaged", None, None))
        }
    }
}

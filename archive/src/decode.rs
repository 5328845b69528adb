//! A record of the log to an event.

use fandom_schemas::bounds::{FIRST_SECOND, LAST_SECOND, MOST, MOST_SECONDS};
use fandom_schemas::identity::{chatter_id, creator_id, fan_id, file_id};
use fandom_schemas::keys::parse_row_key;
use fandom_schemas::manifest::Manifest;
use fandom_schemas::rows::{Kind, Message, Text};
use fandom_services::sealing::{KeyRing, Sealed, owner_of_text};
use serde::Deserialize;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64, xxh3_64_with_seed};

/// A row of a version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordId {
    pub file: i64,
    pub version: i64,
    pub ordinal: i64,
}

/// What the archive keeps of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// A message: what it is found by and shown with.
    Message(Box<Facts>),
    /// Any other row: only that it is there.
    Other {
        /// The record's share of the version's checksum.
        checksum: i64,
    },
}

/// The facts of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub sheet: i32,
    pub checksum: i64,
    pub natural_key: [u8; 16],
    pub creator_id: i64,
    pub chatter_id: i64,
    pub fan_id: i64,
    pub sent_at: i64,
    pub price_cents: i64,
    pub purchased: bool,
    pub source: String,
    pub status: Option<String>,
    pub reply_seconds: Option<i64>,
    pub characters: i64,
}

/// What a record says.
#[derive(Debug)]
pub(crate) enum Event {
    /// A row, or that it was taken off the log.
    Row(RecordId, Option<Row>),
    /// A version is complete.
    Manifest(Box<Manifest>),
    /// A text, or that it was taken off the log.
    Text(RecordId, Option<Sealed>),
    /// Nothing that the archive keeps.
    Nothing,
}

/// Why a record says nothing that is understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("its key is not that of a row")]
    Key,
    #[error("its value is not of its schema: {0}")]
    Value(#[from] serde_json::Error),
    /// Its version never counts, as in the views.
    #[error("its {0} cannot be believed")]
    Implausible(&'static str),
}

/// Reads a record of `fandom.rows`.
pub(crate) fn row(key: &str, value: Option<&[u8]>) -> Result<Event, DecodeError> {
    let Some(json) = value else {
        return Ok(id(key).map_or(Event::Nothing, |id| Event::Row(id, None)));
    };
    // The kind tells rows from manifests, of which it has none.
    #[derive(Deserialize)]
    struct OfKind {
        kind: Option<Kind>,
    }
    match (
        kind_of(json)
            .map_or_else(|| serde_json::from_slice(json).map(|OfKind { kind }| kind), |kind| Ok(Some(kind)))?,
        id(key),
    ) {
        (Some(kind), Some(id)) => {
            let checksum = xxh3_64_with_seed(json, xxh3_64(key.as_bytes())).cast_signed();
            let row = match kind {
                Kind::Message => {
                    let message: Message<'_> = serde_json::from_slice(json)?;
                    implausible(&message).map_or(Ok(()), |field| Err(DecodeError::Implausible(field)))?;
                    Row::Message(Box::new(facts(&message, checksum)))
                }
                _ => Row::Other { checksum },
            };
            Ok(Event::Row(id, Some(row)))
        }
        (None, _) => {
            let manifest: Manifest = serde_json::from_slice(json)?;
            i64::try_from(manifest.version).map_err(|_| DecodeError::Key)?;
            Ok(Event::Manifest(Box::new(manifest)))
        }
        (Some(_), None) => Err(DecodeError::Key),
    }
}

/// Reads a record of `fandom.texts`, and seals the text.
pub(crate) fn text(key: &str, value: Option<&[u8]>, keys: &KeyRing) -> Result<Event, DecodeError> {
    let id = id(key).ok_or(DecodeError::Key)?;
    let sealed = match value {
        None => None,
        Some(json) => {
            serde_json::from_slice::<Text<'_>>(json)?;
            Some(keys.seal(&owner_of_text(id.file, id.version, id.ordinal), json))
        }
    };
    Ok(Event::Text(id, sealed))
}

fn id(key: &str) -> Option<RecordId> {
    let (file, version, ordinal) = parse_row_key(key)?;
    let (version, ordinal) = (i64::try_from(version).ok()?, i64::try_from(ordinal).ok()?);
    Some(RecordId { file: file_id(file).cast_signed(), version, ordinal })
}

/// The kind of a row as the suite writes it: the first member of its JSON.
fn kind_of(json: &[u8]) -> Option<Kind> {
    let rest = json.strip_prefix(b"{\"kind\":\"")?;
    let end = rest.iter().take(32).position(|byte| *byte == b'"')?;
    Kind::from_name(std::str::from_utf8(&rest[..end]).ok()?)
}

fn facts(row: &Message<'_>, checksum: i64) -> Facts {
    let creator = creator_id(&row.platform, &row.creator);
    let chatter = chatter_id(row.chatter.as_deref());
    let fan = fan_id(&row.platform, &row.fan);
    Facts {
        sheet: row.sheet.into(),
        checksum,
        natural_key: natural_key(row, [creator, chatter, fan]),
        creator_id: creator.cast_signed(),
        chatter_id: chatter.cast_signed(),
        fan_id: fan.cast_signed(),
        sent_at: row.sent_at,
        price_cents: row.price_cents,
        purchased: row.purchased,
        source: storable(&row.source),
        status: row.status.as_deref().map(storable),
        reply_seconds: row.reply_seconds.map(i64::from),
        characters: row.characters.into(),
    }
}

/// The first field of a message that cannot be believed. Connectors send none, but anybody may write to the log.
fn implausible(row: &Message<'_>) -> Option<&'static str> {
    let checks = [
        ("instant", (FIRST_SECOND..=LAST_SECOND).contains(&row.sent_at)),
        ("price", (-MOST..=MOST).contains(&row.price_cents)),
        ("reply time", row.reply_seconds.is_none_or(|seconds| i64::from(seconds) <= MOST_SECONDS)),
    ];
    checks.into_iter().find(|(_, right)| !right).map(|(field, _)| field)
}

/// Postgres takes no NUL; connectors send none, but anybody may write to the log.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}

/// 128 bits over what METRICS.md §2 calls the natural key of a message, each part in a fixed width or with its length.
fn natural_key(row: &Message<'_>, [creator, chatter, fan]: [u64; 3]) -> [u8; 16] {
    let mut hasher = Xxh3Default::new();
    for number in [creator, chatter, fan, row.sent_at.cast_unsigned(), row.price_cents.cast_unsigned()] {
        hasher.update(&number.to_le_bytes());
    }
    for text in [&row.source, &row.text_hash] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.digest128().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"kind":"message","sheet":0,"row":2,"creator":"Tania","platform":"OF","chatter":"Mila","fan":"u1",
        "nickname":null,"sent_at":1790000000,"price_cents":500,"purchased":false,"source":"Chat","reply_seconds":4,
        "fan_replied":false,"characters":2,"text_hash":"ab"}"#;

    fn message(change: impl Fn(&mut serde_json::Value)) -> Facts {
        let mut json: serde_json::Value = serde_json::from_str(MESSAGE).expect("JSON");
        change(&mut json);
        match row("inbox:a/b.xlsx/3/7", Some(json.to_string().as_bytes())).expect("a row") {
            Event::Row(id, Some(Row::Message(facts))) => {
                assert_eq!((id.file, id.version, id.ordinal), (file_id("inbox:a/b.xlsx").cast_signed(), 3, 7));
                *facts
            }
            event => panic!("{event:?}"),
        }
    }

    #[test]
    fn what_can_change_between_exports_is_not_in_the_natural_key() {
        let key = message(|_| ()).natural_key;
        for (name, value) in [("purchased", "true"), ("reply_seconds", "null"), ("row", "9"), ("nickname", "\"x\"")] {
            let value: serde_json::Value = serde_json::from_str(value).expect("JSON");
            assert_eq!(message(|row| row[name] = value.clone()).natural_key, key, "{name}");
        }
        for name in ["creator", "platform", "chatter", "fan", "source", "text_hash"] {
            assert_ne!(message(|row| row[name] = "other".into()).natural_key, key, "{name}");
        }
        for (name, value) in [("sent_at", 1_790_000_001), ("price_cents", 7)] {
            assert_ne!(message(|row| row[name] = value.into()).natural_key, key, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_believed_is_passed_over() {
        for (name, value) in
            [("sent_at", i64::MAX), ("sent_at", 7), ("price_cents", i64::MIN), ("reply_seconds", 4_000_000_000)]
        {
            let mut json: serde_json::Value = serde_json::from_str(MESSAGE).expect("JSON");
            json[name] = value.into();
            let read = row("f/1/0", Some(json.to_string().as_bytes()));
            assert!(matches!(read, Err(DecodeError::Implausible(_))), "{name}: {read:?}");
        }
    }

    #[test]
    fn records_of_every_kind_are_told_apart() {
        assert!(matches!(row("f/1/0", None), Ok(Event::Row(_, None))));
        assert!(matches!(row("f", None), Ok(Event::Nothing)));
        let sale = br#"{"kind":"sale","anything":1}"#;
        assert!(matches!(row("f/1/0", Some(sale)), Ok(Event::Row(_, Some(Row::Other { .. })))));
        let manifest =
            br#"{"file":"f","version":2,"state":"gone","name":"f","zone":"UTC","exported_at":0,"modified_at":0,
            "rows":0,"checksum":"0000000000000000","sheets":[]}"#;
        assert!(matches!(row("f", Some(manifest)), Ok(Event::Manifest(_))));
        for (key, value) in [("f/1/0", &b"not json"[..]), ("f", sale), ("f/1/0", br#"{"kind":"message"}"#)] {
            assert!(row(key, Some(value)).is_err(), "{key}");
        }
    }

    #[test]
    fn a_text_is_sealed_for_its_row() {
        let keys = KeyRing::parse(fandom_services::sealing::ARCHIVE, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .expect("a key");
        let json = r#"{"text":"hello there","fan_message":null}"#;
        let Ok(Event::Text(id, Some(sealed))) = text("f/1/0", Some(json.as_bytes()), &keys) else { panic!("a text") };
        let owner = owner_of_text(id.file, id.version, id.ordinal);
        assert_eq!(keys.open(&owner, &sealed.key_id, &sealed.bytes).expect("its row"), json.as_bytes());
        assert!(text("f/1/0", Some(b"hello"), &keys).is_err() && text("f", Some(json.as_bytes()), &keys).is_err());
    }
}

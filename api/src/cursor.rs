//! Where the next page begins: the last row's sort keys and the epoch, opaque to whoever asks.
//!
//! A cursor is no secret and grants nothing: a made-up one leads to another place in the same list. It carries a
//! fingerprint of what was asked for, so that one is not taken for another list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::values::{Day, Instant};

/// The type of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `bigint`.
    Integer,
    /// `double precision`.
    Float,
    /// `text`.
    Text,
    /// `date`.
    Day,
    /// `timestamptz`.
    Instant,
}

/// A sort key's value; `None` is null.
pub type KeyValue = Option<Scalar>;

/// A sort key's value that is not null.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `bigint`.
    Integer(i64),
    /// `double precision`.
    Float(f64),
    /// `text`.
    Text(String),
    /// `date`.
    Day(Day),
    /// `timestamptz`.
    Instant(Instant),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    /// Epoch of the page that it ends.
    e: i64,
    /// Fingerprint of what was asked for.
    q: String,
    /// Sort keys as text, which holds every type exactly.
    k: Vec<Option<String>>,
}

/// Makes the cursor that follows a row with these sort keys.
pub fn encode(epoch: i64, fingerprint: u64, keys: &[KeyValue]) -> String {
    let k = keys.iter().map(|key| key.as_ref().map(Scalar::to_text)).collect();
    let wire = Wire { e: epoch, q: format!("{fingerprint:016x}"), k };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).expect("strings and numbers alone"))
}

/// Reads a cursor.
///
/// # Errors
/// What is wrong with it.
pub fn decode(text: &str, fingerprint: u64, types: &[KeyType]) -> Result<Vec<KeyValue>, &'static str> {
    const BROKEN: &str = "is not a `next_cursor` of this list";
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BROKEN)?;
    let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| BROKEN)?;
    if wire.q != format!("{fingerprint:016x}") {
        return Err("belongs to other filters or another sort; begin again without it");
    }
    if wire.k.len() != types.len() {
        return Err(BROKEN);
    }
    let key = |(text, ty): (Option<String>, &KeyType)| match text {
        None => Ok(None),
        Some(text) => Scalar::from_text(&text, *ty).map(Some).ok_or(BROKEN),
    };
    wire.k.into_iter().zip(types).map(key).collect()
}

/// Reads a sort key from a row's column.
///
/// # Errors
/// When the column is missing or of another type: a defect.
pub fn from_row(row: &Row, column: &str, ty: KeyType) -> Result<KeyValue, tokio_postgres::Error> {
    Ok(match ty {
        KeyType::Integer => row.try_get::<_, Option<i64>>(column)?.map(Scalar::Integer),
        KeyType::Float => row.try_get::<_, Option<f64>>(column)?.map(Scalar::Float),
        KeyType::Text => row.try_get::<_, Option<String>>(column)?.map(Scalar::Text),
        KeyType::Day => row.try_get::<_, Option<Day>>(column)?.map(Scalar::Day),
        KeyType::Instant => row.try_get::<_, Option<Instant>>(column)?.map(Scalar::Instant),
    })
}

impl Scalar {
    fn to_text(&self) -> String {
        match self {
            Scalar::Integer(value) => value.to_string(),
            Scalar::Float(value) => value.to_string(),
            Scalar::Text(value) => value.clone(),
            Scalar::Day(value) => value.0.to_string(),
            Scalar::Instant(value) => value.0.as_microsecond().to_string(),
        }
    }

    fn from_text(text: &str, ty: KeyType) -> Option<Scalar> {
        Some(match ty {
            KeyType::Integer => Scalar::Integer(text.parse().ok()?),
            KeyType::Float => Scalar::Float(text.parse().ok()?),
            KeyType::Text => Scalar::Text(Some(text.to_owned()).filter(|text| !text.contains('\0'))?),
            KeyType::Day => Scalar::Day(crate::ranges::day(text)?),
            KeyType::Instant => Scalar::Instant(
                // Postgres knows no instants before 4713 BC.
                jiff::Timestamp::from_microsecond(text.parse().ok()?)
                    .ok()
                    .filter(|instant| instant.as_second() > -100_000_000_000)
                    .map(Instant)?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPES: [KeyType; 5] = [KeyType::Integer, KeyType::Float, KeyType::Text, KeyType::Day, KeyType::Instant];

    proptest! {
        #[test]
        fn a_cursor_comes_back_exactly(
            integer: i64,
            float in proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL,
            text in "[^\0]*",
            days in -200_000..2_000_000i32,
            micros in -50_000_000_000_000_000i64..250_000_000_000_000_000,
        ) {
            let day = jiff::civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(days)).expect("in range");
            let keys = vec![
                Some(Scalar::Integer(integer)),
                Some(Scalar::Float(float)),
                Some(Scalar::Text(text)),
                Some(Scalar::Day(Day(day))),
                Some(Scalar::Instant(Instant(jiff::Timestamp::from_microsecond(micros).expect("in range")))),
            ];
            let cursor = encode(7, 9, &keys);
            prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(decode(&cursor, 9, &TYPES), Ok(keys));
        }

        #[test]
        fn a_made_up_cursor_is_refused_or_read_but_never_panics(text: String, bytes: Vec<u8>) {
            prop_assert!(decode(&text, 9, &TYPES).is_err());
            prop_assert!(decode(&URL_SAFE_NO_PAD.encode(bytes), 9, &TYPES).is_err());
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = encode(7, 9, &[None]);
        assert_eq!(decode(&cursor, 9, &[KeyType::Text]), Ok(vec![None]));
        assert!(decode(&cursor, 8, &[KeyType::Text]).is_err_and(|reason| reason.contains("other filters")));
        assert!(decode(&cursor, 9, &TYPES).is_err());
        let wrong = encode(7, 9, &[Some(Scalar::Text("x".into()))]);
        assert!(decode(&wrong, 9, &[KeyType::Integer]).is_err());
    }
}

//! Rows of the views' tables, and the values in them.
//!
//! There are as many rows as all tables have together, and at a start all are in memory at once: a row is a string of
//! bytes, each value a tag and as few bytes as it needs.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Datum {
    /// No value.
    Null,
    /// A `bigint` or `integer`.
    Int(i64),
    /// A `double precision`, by its bits.
    Float(u64),
    /// A `boolean`.
    Bool(bool),
    /// A `date`, in days since 1970-01-01.
    Day(i32),
    /// A `timestamptz`, in seconds since the Unix epoch.
    Instant(i64),
    /// A `text`.
    Text(Box<str>),
    /// A `jsonb`, in one writing of its value.
    Json(Box<str>),
}

impl Datum {
    /// An id.
    pub fn id(id: u64) -> Datum {
        Datum::Int(id.cast_signed())
    }

    /// A text.
    pub fn text(text: impl Into<Box<str>>) -> Datum {
        Datum::Text(text.into())
    }
}

impl<D: Into<Datum>> From<Option<D>> for Datum {
    fn from(value: Option<D>) -> Datum {
        value.map_or(Datum::Null, Into::into)
    }
}

impl From<i64> for Datum {
    fn from(value: i64) -> Datum {
        Datum::Int(value)
    }
}

/// A value as it stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// See [`Datum::Int`].
    Int(i64),
    /// See [`Datum::Float`].
    Float(u64),
    /// See [`Datum::Bool`].
    Bool(bool),
    /// See [`Datum::Day`].
    Day(i32),
    /// See [`Datum::Instant`].
    Instant(i64),
    /// See [`Datum::Text`].
    Text(&'a str),
    /// See [`Datum::Json`].
    Json(&'a str),
}

impl From<Value<'_>> for Datum {
    fn from(value: Value<'_>) -> Datum {
        match value {
            Value::Null => Datum::Null,
            Value::Int(value) => Datum::Int(value),
            Value::Float(bits) => Datum::Float(bits),
            Value::Bool(value) => Datum::Bool(value),
            Value::Day(day) => Datum::Day(day),
            Value::Instant(at) => Datum::Instant(at),
            Value::Text(text) => Datum::text(text),
            Value::Json(text) => Datum::Json(text.into()),
        }
    }
}

const NULL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const FALSE: u8 = 3;
const DAY: u8 = 4;
const INSTANT: u8 = 5;
const TEXT: u8 = 6;
const JSON: u8 = 7;
const TRUE: u8 = 8;

/// A row of a view's table: a value a column. Rows of equal key begin with the same bytes, so in order they stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Row(Box<[u8]>);

impl Row {
    /// A row of these values.
    pub fn new(values: impl IntoIterator<Item = Datum>) -> Row {
        let mut bytes = Vec::with_capacity(96);
        for value in values {
            match value {
                Datum::Null => bytes.push(NULL),
                Datum::Int(value) => put(&mut bytes, INT, zigzag(value)),
                Datum::Float(bits) => {
                    bytes.push(FLOAT);
                    bytes.extend_from_slice(&bits.to_le_bytes());
                }
                Datum::Bool(value) => bytes.push(if value { TRUE } else { FALSE }),
                Datum::Day(day) => put(&mut bytes, DAY, zigzag(day.into())),
                Datum::Instant(at) => put(&mut bytes, INSTANT, zigzag(at)),
                Datum::Text(text) => {
                    put(&mut bytes, TEXT, text.len() as u64);
                    bytes.extend_from_slice(text.as_bytes());
                }
                Datum::Json(text) => {
                    put(&mut bytes, JSON, text.len() as u64);
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        Row(bytes.into())
    }

    /// The values.
    pub fn values(&self) -> Values<'_> {
        Values { rest: &self.0 }
    }

    /// What tells the row from others of its table, of whose columns the first so many are the key.
    pub fn key(&self, columns: usize) -> &[u8] {
        let mut values = self.values();
        values.by_ref().take(columns).for_each(drop);
        &self.0[..self.0.len() - values.rest.len()]
    }

    /// A hash of the values that no later version of the program changes: stored checksums are sums of it.
    pub fn checksum(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        let mut number = |tag: u8, value: u64| {
            hasher.update(&[tag]);
            hasher.update(&value.to_le_bytes());
        };
        for value in self.values() {
            match value {
                Value::Null => number(0, 0),
                Value::Int(value) => number(1, value.cast_unsigned()),
                Value::Float(bits) => number(2, bits),
                Value::Bool(value) => number(3, u64::from(value)),
                Value::Day(day) => number(4, i64::from(day).cast_unsigned()),
                Value::Instant(at) => number(5, at.cast_unsigned()),
                Value::Text(text) => number(6, text.len() as u64),
                Value::Json(text) => number(7, text.len() as u64),
            }
        }
        for value in self.values() {
            if let Value::Text(text) | Value::Json(text) = value {
                hasher.update(text.as_bytes());
            }
        }
        hasher.digest()
    }
}

/// The values of a row.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    fn cut(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// Seven bits a byte, the least first.
    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = self.cut(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    fn text(&mut self) -> &'a str {
        let length = self.number() as usize;
        std::str::from_utf8(self.cut(length)).expect("a row was made of texts")
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        Some(match self.cut(1)[0] {
            INT => Value::Int(self.signed()),
            FLOAT => {
                let bytes = self.cut(8).try_into().expect("eight bytes were taken");
                Value::Float(u64::from_le_bytes(bytes))
            }
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            DAY => Value::Day(self.signed() as i32),
            INSTANT => Value::Instant(self.signed()),
            TEXT => Value::Text(self.text()),
            JSON => Value::Json(self.text()),
            _ => Value::Null,
        })
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn put(bytes: &mut Vec<u8>, tag: u8, mut number: u64) {
    bytes.push(tag);
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

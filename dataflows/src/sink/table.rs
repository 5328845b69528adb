//! What a view's table looks like, and a row of it.

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

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bigint`.
    Int,
    /// `double precision`.
    Float,
    /// `boolean`.
    Bool,
    /// `date`.
    Day,
    /// `timestamptz`.
    Instant,
    /// `text`.
    Text,
    /// `jsonb`.
    Json,
}

/// A column that the dataflow fills.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub of: Type,
}

/// Names that stand beside ids, so that a row is readable without a join. The sink fills them from the tables of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The column of this table that holds the id; the table of names has a column of the same name.
    pub id: &'static str,
    /// The table of names.
    pub from: &'static str,
    /// The columns that are taken from there.
    pub columns: &'static [&'static str],
}

/// The name of a creator.
pub const CREATOR: Label = Label { id: "creator_id", from: "creators", columns: &["creator"] };
/// The name of a chatter.
pub const CHATTER: Label = Label { id: "chatter_id", from: "chatters", columns: &["chatter"] };
/// The names of a fan.
pub const FAN: Label = Label { id: "fan_id", from: "fan_names", columns: &["platform", "username", "nickname"] };

/// A view's table, in the schema `views`.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that the dataflow fills, those of the key first.
    pub columns: &'static [Column],
    /// How many columns the key has.
    pub key: usize,
    /// The names beside the ids.
    pub labels: &'static [Label],
}

/// A column of that name and type.
pub const fn column(name: &'static str, of: Type) -> Column {
    Column { name, of }
}

/// A row of a view's table: a value a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Row(pub Box<[Datum]>);

impl Row {
    /// A row of these values.
    pub fn new(values: impl Into<Box<[Datum]>>) -> Row {
        Row(values.into())
    }

    /// A hash of the values that no later version of the program changes: stored checksums are sums of it.
    pub fn checksum(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        let mut number = |tag: u8, value: u64| {
            hasher.update(&[tag]);
            hasher.update(&value.to_le_bytes());
        };
        let mut texts: Vec<&str> = Vec::new();
        for datum in &self.0 {
            match datum {
                Datum::Null => number(0, 0),
                Datum::Int(value) => number(1, value.cast_unsigned()),
                Datum::Float(bits) => number(2, *bits),
                Datum::Bool(value) => number(3, u64::from(*value)),
                Datum::Day(day) => number(4, i64::from(*day).cast_unsigned()),
                Datum::Instant(at) => number(5, at.cast_unsigned()),
                Datum::Text(text) => {
                    number(6, text.len() as u64);
                    texts.push(text);
                }
                Datum::Json(text) => {
                    number(7, text.len() as u64);
                    texts.push(text);
                }
            }
        }
        for text in texts {
            hasher.update(text.as_bytes());
        }
        hasher.digest()
    }
}

//! What a view's table looks like.

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

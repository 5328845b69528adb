//! `creators`, `chatters`, `fan_names`: names as they are shown, by id.
//!
//! ```text
//!  names of each live file ──by (kind, id)──▶ reduce: that of the latest exported file ──▶ a table a kind
//! ```
//!
//! Invariants
//! 1. The name shown is that of the greatest live file version that uses it; within a file, of its last row.
//! 2. Two names of one id fold to the same text; if not, 64 bits have collided, which is logged as an error: the
//!    figures of the two are then one.

use std::sync::Arc;

use fandom_schemas::identity::{self, Id};
use serde::{Deserialize, Serialize};

use super::{Facts, Sources, View};
use crate::facts::FileVersion;
use crate::sink::table::{Datum, Row, Table, Type, column};

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NameKind {
    /// A creator.
    Creator,
    /// A chatter.
    Chatter,
    /// A fan.
    Fan,
}

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NameOf {
    /// What it is of.
    pub kind: NameKind,
    /// Of which.
    pub id: Id,
}

/// A name as a file shows it. Ordered by file first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// The file's version that shows it.
    pub seen: Arc<FileVersion>,
    /// The platform of a creator or fan.
    pub platform: Box<str>,
    /// The name; of a fan, the username.
    pub name: Box<str>,
    /// A fan's nickname.
    pub nickname: Option<Box<str>>,
}

/// The table of creators.
pub static CREATORS: Table = Table {
    name: "creators",
    columns: &[
        column("creator_id", Type::Int),
        column("creator", Type::Text),
        column("name", Type::Text),
        column("platform", Type::Text),
    ],
    key: 1,
    labels: &[],
};

/// The table of chatters.
pub static CHATTERS: Table = Table {
    name: "chatters",
    columns: &[column("chatter_id", Type::Int), column("chatter", Type::Text)],
    key: 1,
    labels: &[],
};

/// The table of fans' names.
pub static FAN_NAMES: Table = Table {
    name: "fan_names",
    columns: &[
        column("fan_id", Type::Int),
        column("platform", Type::Text),
        column("username", Type::Text),
        column("nickname", Type::Text),
    ],
    key: 1,
    labels: &[],
};

/// The three tables of names.
pub fn views<'scope>(sources: &Sources<'scope>) -> [View<'scope>; 3] {
    let shown = sources.names.clone().reduce_named("Names", |of, names, shown| {
        let Some((latest, _)) = names.last() else { return };
        let folded = identity::fold(&latest.name);
        if names.iter().any(|(name, _)| identity::fold(&name.name) != folded) {
            tracing::error!(kind = ?of.kind, id = of.id, "two different names have the same 64-bit id; their figures are added up");
        }
        // What is shown does not change with the file that shows it.
        shown.push(((latest.platform.clone(), latest.name.clone(), latest.nickname.clone()), 1isize));
    });
    type Shown = (Box<str>, Box<str>, Option<Box<str>>);
    let of = |kind: NameKind, row: fn(Id, Shown) -> Row| -> Facts<'scope, Row> {
        let shown = shown.clone().filter(move |(of, _)| of.kind == kind);
        shown.map(move |(of, names)| row(of.id, names))
    };
    [
        View {
            table: &CREATORS,
            rows: of(NameKind::Creator, |id, (platform, name, _)| {
                let label = identity::creator_label(&platform, &name);
                Row::new([Datum::id(id), Datum::text(label), Datum::Text(name), Datum::Text(platform)])
            }),
        },
        View {
            table: &CHATTERS,
            rows: of(NameKind::Chatter, |id, (_, name, _)| Row::new([Datum::id(id), Datum::Text(name)])),
        },
        View {
            table: &FAN_NAMES,
            rows: of(NameKind::Fan, |id, (platform, name, nickname)| {
                let nickname = nickname.map_or(Datum::Null, Datum::Text);
                Row::new([Datum::id(id), Datum::Text(platform), Datum::Text(name), nickname])
            }),
        },
    ]
}

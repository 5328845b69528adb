//! `creators`, `chatters`, `fan_names`: names as they are shown, by id.
//!
//! ```text
//!  names of each live file ──▶ facts (the winner of each name: that of the latest exported file) ──▶ a table a kind
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
use crate::facts::Fact;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{Table, Type, column};

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

/// A name as a file shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// Whose it is.
    pub of: NameOf,
    /// How it is shown. Shared by the files that show the same.
    pub shown: Arc<Shown>,
}

/// How a name is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shown {
    /// The platform of a creator or fan.
    pub platform: Box<str>,
    /// The name; of a fan, the username.
    pub name: Box<str>,
    /// A fan's nickname.
    pub nickname: Option<Box<str>>,
}

impl Fact for Name {
    fn check_same(&self, other: &Name) {
        let differs = self.shown.name != other.shown.name
            && identity::fold(&self.shown.name) != identity::fold(&other.shown.name);
        if differs {
            let NameOf { kind, id } = self.of;
            tracing::error!(?kind, id, "two different names have the same 64-bit id; their figures are added up");
        }
    }
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
    let of = |kind: NameKind, row: fn(Id, &Shown) -> Row| -> Facts<'scope, Row> {
        sources.names.clone().flat_map(move |name| (name.of.kind == kind).then(|| row(name.of.id, &name.shown)))
    };
    [
        View {
            table: &CREATORS,
            rows: of(NameKind::Creator, |id, shown| {
                let label = identity::creator_label(&shown.platform, &shown.name);
                Row::new([Datum::id(id), Datum::text(label), Datum::text(&*shown.name), Datum::text(&*shown.platform)])
            }),
        },
        View {
            table: &CHATTERS,
            rows: of(NameKind::Chatter, |id, shown| Row::new([Datum::id(id), Datum::text(&*shown.name)])),
        },
        View {
            table: &FAN_NAMES,
            rows: of(NameKind::Fan, |id, shown| {
                let nickname = shown.nickname.as_deref().map_or(Datum::Null, Datum::text);
                Row::new([Datum::id(id), Datum::text(&*shown.platform), Datum::text(&*shown.name), nickname])
            }),
        },
    ]
}

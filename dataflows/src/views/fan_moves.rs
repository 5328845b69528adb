//! `fan_moves`: how many fans changed from one cluster to another, by local day.
//!
//! ```text
//!  moves ──▶ count by (day, from, to) ──▶ row
//! ```

use super::clusters::archetypes::NAMES;
use super::clusters::moves::Move;
use super::{Facts, View};
use crate::engine::keyed::sum;
use crate::sink::row::{Datum, Row};
use crate::sink::table::{Table, Type, column};

/// The table.
pub static TABLE: Table = Table {
    name: "fan_moves",
    columns: &[
        column("day", Type::Day),
        column("from_cluster", Type::Text),
        column("to_cluster", Type::Text),
        column("fans", Type::Int),
    ],
    key: 3,
    labels: &[],
};

/// The rows.
pub fn view<'scope>(moves: &Facts<'scope, Move>) -> View<'scope> {
    let rows = sum(moves.clone(), "Moves", |Move { day, from, to }, fans: &isize| {
        let name = |archetype: &u8| Datum::text(NAMES[usize::from(*archetype)]);
        Some(Row::new([Datum::Day(*day), name(from), name(to), Datum::Int(*fans as i64)]))
    });
    View { table: &TABLE, rows }
}

//! Clusters of fans: k-means over their behaviour, maintained as rows change.
//!
//! ```text
//!  figures ─▶ behaviour ──by day last seen──▶ + recency class ─▶ features ──┬─▶ cells (weight, sums) ─▶ k-means, at a tick
//!  as-of day ─▶ class of each day last seen ───────▲                        │                               ▼
//!                                                                           │              in force, part by part, at turns
//!                                                                           └─▶ nearest centroid ◀──────────┤ ─▶ cluster
//!  messages, sales by fan and day ─▶ features at the end of each day ─▶ nearest centroid ◀────────────────────┘ ─▶ moves
//! ```
//!
//! Invariants
//! 1. After a tick and a turn of each part, clusters are a function of the fans' features alone: the same after any order of
//!    changes, and after a restart. Between two ticks the centroids stay.
//! 2. The mean of a cell is that of its members, exactly: its sums are whole numbers in the difference.
//! 3. When the as-of day moves on, only fans last seen on a day whose class changes are touched.
//! 4. Centroids are rounded to the units of features, so what moves them less changes nothing.

pub mod archetypes;
mod assign;
mod centroids;
pub mod features;
mod in_force;
pub mod moves;
mod recency;

use super::fan_history::{FanKey, Figures};
use super::{Facts, Sources, fan_moves};
use crate::settings::DataflowSettings;

/// Into so many parts fans are divided, each of which takes new centroids over when it has its turn.
pub const PARTS: i64 = assign::SHARDS as i64;

/// The clusters.
pub struct Clusters<'scope> {
    /// The cluster of every fan, as the number of its archetype (see [`archetypes::NAMES`]).
    pub of_fans: Facts<'scope, (FanKey, u8)>,
    /// The changes of cluster on the last days, if their view is kept.
    pub moves: Option<Facts<'scope, moves::Move>>,
}

/// Clusters the fans.
pub fn clusters<'scope>(
    sources: &Sources<'scope>,
    figures: &Facts<'scope, (FanKey, Figures)>,
    as_of: &Facts<'scope, i32>,
    settings: &DataflowSettings,
) -> Clusters<'scope> {
    let features = recency::features_of(figures, as_of);
    let centroids = centroids::centroids(sources, &features);
    let moves = settings.views.keeps(&fan_moves::TABLE).then(|| {
        // A part of the fans changes most of the rows of moves, so moves are counted anew seldomer, by more fans at once.
        let with_others = in_force::in_force(sources, &centroids, |shard| shard | 31);
        moves::moves(sources, as_of, with_others, settings)
    });
    let centroids = in_force::in_force(sources, &centroids, |shard| shard);
    Clusters { of_fans: assign::assign(features, centroids), moves }
}

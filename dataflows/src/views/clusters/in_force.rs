//! The centroids that each part of the fans goes by. New ones are taken over part by part.
//!
//! ```text
//!  centroids ──to every part──▶ newest ─┐
//!                                       ├─▶ (part, centroids in force)
//!  turns ─────to their parts──▶ turn ───┘
//! ```
//!
//! Invariants
//! 1. A part goes by the centroids that were the newest at its last turn; when the log is read at the start, by the newest.
//! 2. So after a turn of each part all go by the same, if none came in between.
//!
//! New centroids may move most fans to another cluster. Moved in one epoch, every row that comes then waits for one large commit;
//! moved in parts, each waits for a small one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::assign::{SHARDS, Shard};
use super::centroids::Centroids;
use crate::engine::keyed::{Output, State, evolve};
use crate::views::{Facts, Sources};

/// The centroids in force in each shard of the fans. `turn_of` says with whose turn a shard takes new ones over.
pub(super) fn in_force<'scope>(
    sources: &Sources<'scope>,
    centroids: &Facts<'scope, Arc<Centroids>>,
    turn_of: fn(Shard) -> Shard,
) -> Facts<'scope, (Shard, Arc<Centroids>)> {
    let newest = centroids
        .clone()
        .flat_map(|centroids| (0..SHARDS).map(move |shard| (shard, OfPart::Newest(Arc::clone(&centroids)))));
    let turns = sources.turns.clone().flat_map(move |turn| {
        let part = turn.rem_euclid(SHARDS.into());
        (0..SHARDS).filter(move |shard| i64::from(turn_of(*shard)) == part).map(|shard| (shard, OfPart::Turn))
    });
    evolve::<_, _, _, Part, _>(newest.concat(turns), "Centroids in force", |shard| u64::from(*shard), TakeOver)
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum OfPart {
    Newest(Arc<Centroids>),
    Turn,
}

#[derive(Default)]
struct Part {
    newest: Option<Arc<Centroids>>,
    in_force: Option<Arc<Centroids>>,
}

impl State<OfPart, isize> for Part {
    fn update(&mut self, update: OfPart, diff: isize) {
        match update {
            OfPart::Newest(centroids) if diff > 0 => self.newest = Some(centroids),
            OfPart::Newest(centroids) => drop(self.newest.take_if(|newest| *newest == centroids)),
            OfPart::Turn => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.newest.is_none() && self.in_force.is_none()
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// The newest, at turns.
struct TakeOver;

impl Output<Shard, OfPart, isize, Part> for TakeOver {
    type Record = (Shard, Arc<Centroids>);
    type Diff = isize;

    fn whole(&mut self, shard: &Shard, part: &mut Part, output: &mut Vec<((Shard, Arc<Centroids>), isize)>) {
        part.in_force.clone_from(&part.newest);
        output.extend(part.in_force.clone().map(|centroids| ((*shard, centroids), 1)));
    }

    fn change(
        &mut self,
        shard: &Shard,
        part: &mut Part,
        mut updates: Vec<(OfPart, isize)>,
        output: &mut Vec<((Shard, Arc<Centroids>), isize)>,
    ) {
        // What was the newest goes before what is comes.
        updates.sort_by_key(|(_, diff)| *diff);
        let has_turn = updates.iter().any(|(update, diff)| *update == OfPart::Turn && *diff > 0);
        updates.into_iter().for_each(|(update, diff)| part.update(update, diff));
        if has_turn && part.in_force != part.newest {
            let before = std::mem::replace(&mut part.in_force, part.newest.clone());
            output.extend(before.map(|centroids| ((*shard, centroids), -1)));
            output.extend(part.in_force.clone().map(|centroids| ((*shard, centroids), 1)));
        }
    }
}

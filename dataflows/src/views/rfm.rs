//! Recency, frequency and monetary scores of a creator's fans, and their segments (METRICS.md §5).
//!
//! ```text
//!  figures of fans with a purchase ──by creator──▶ three rankings ──▶ the least values of scores 2 to 5 ("cuts")
//!                                                        │                              │
//!                                                        └──── fans whose score moved ◀─┘──▶ scores
//! ```
//!
//! Invariants
//! 1. A score is 1 + ⌊5 · rank / n⌋, where rank is the number of the creator's fans with a lesser value: so it is one more than the
//!    number of cuts that the value reaches, and cut k is the least value of a fan whose rank is at least k · n / 5.
//! 2. When a cut moves, only fans between where it was and where it is are looked at.
//! 3. Scores do not depend on what day it is: days since the last purchase rank fans as the days of it do, in reverse.

use std::ops::Range;

use fandom_schemas::identity::Id;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::Facts;
use super::fan_history::{FanKey, Figures};
use crate::engine::keyed::{Output, State, evolve, hashed};
use crate::engine::ranked::Ranked;

/// The scores of a fan, 1 to 5 (5 best).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scores {
    /// How recent the last purchase is.
    pub recency: u8,
    /// On how many days the fan bought.
    pub frequency: u8,
    /// How much the fan spent.
    pub monetary: u8,
}

impl Scores {
    /// The first segment that matches, the narrow ones first.
    pub fn segment(self) -> &'static str {
        let found = SEGMENTS.iter().find(|(_, recency, frequency, monetary)| {
            recency.contains(&self.recency) && frequency.contains(&self.frequency) && monetary.contains(&self.monetary)
        });
        found.map_or("Others", |(name, ..)| name)
    }
}

/// A name, and ranges of recency, frequency and monetary scores.
type Segment = (&'static str, Range<u8>, Range<u8>, Range<u8>);

/// Segments by their ranges of recency, frequency and monetary scores, in the order of METRICS.md.
static SEGMENTS: [Segment; 10] = [
    ("Champions", 4..6, 4..6, 4..6),
    ("Can't Lose", 1..2, 4..6, 4..6),
    ("New", 4..6, 1..2, 1..2),
    ("Promising", 3..5, 1..2, 1..2),
    ("Need Attention", 2..4, 2..4, 2..4),
    ("Loyal", 2..6, 3..6, 3..6),
    ("Potential Loyalist", 3..6, 1..4, 1..4),
    ("At Risk", 1..3, 2..6, 2..6),
    ("About To Sleep", 2..4, 1..3, 1..3),
    ("Lost", 1..3, 1..3, 1..3),
];

/// What is ranked of a fan: day of the last purchase, days with a purchase, spend in cents.
type Values = [i64; 3];

/// The scores of every fan with a purchase.
pub fn scores<'scope>(figures: &Facts<'scope, (FanKey, Figures)>) -> Facts<'scope, (FanKey, Scores)> {
    let values = figures.clone().flat_map(|((creator, fan), figures)| {
        let (_, day) = figures.last_purchase?;
        Some((creator, (fan, [day.into(), figures.purchase_days, figures.spend_cents()])))
    });
    evolve::<_, _, _, Fans, _>(values, "Fan scores", hashed, ScoresOfFans)
}

/// A creator's fans with a purchase.
#[derive(Default)]
struct Fans {
    values: HashMap<Id, Values>,
    rankings: [Ranked<(i64, Id)>; 3],
    /// As of the last output.
    cuts: [Cuts; 3],
}

/// The least values of scores 2, 3, 4 and 5; [`i64::MAX`] where no fan has so high a score.
type Cuts = [i64; 4];

impl State<(Id, Values), isize> for Fans {
    fn update(&mut self, (fan, values): (Id, Values), diff: isize) {
        for (ranking, value) in self.rankings.iter_mut().zip(values) {
            if diff > 0 {
                ranking.insert((value, fan));
            } else {
                ranking.remove(&(value, fan));
            }
        }
        if diff > 0 {
            self.values.insert(fan, values);
        } else if self.values.get(&fan) == Some(&values) {
            self.values.remove(&fan);
        }
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        self.values.allocation_size() + self.rankings.iter().map(Ranked::heap_bytes).sum::<usize>()
    }
}

impl Fans {
    fn cuts_now(&self) -> [Cuts; 3] {
        std::array::from_fn(|which| {
            let ranking = &self.rankings[which];
            std::array::from_fn(|cut| {
                let least_rank = ((cut + 1) * ranking.len()).div_ceil(5);
                let Some((value, _)) = ranking.get(least_rank) else { return i64::MAX };
                // Ties share the lowest rank of their group, which may be too low; then the next value is the first to reach it.
                if ranking.partition_point(|(other, _)| *other < value) >= least_rank {
                    return value;
                }
                let next = ranking.partition_point(|(other, _)| *other <= value);
                ranking.get(next).map_or(i64::MAX, |(value, _)| value)
            })
        })
    }

    /// The fans whose scores differ between two sets of cuts.
    fn between(&self, before: &[Cuts; 3], after: &[Cuts; 3]) -> Vec<Id> {
        let mut fans = Vec::new();
        for (which, ranking) in self.rankings.iter().enumerate() {
            for (a, b) in before[which].iter().zip(&after[which]) {
                let (low, high) = (*a.min(b), *a.max(b));
                let moved = ranking.iter_from(|(value, _)| *value < low).take_while(|(value, _)| *value < high);
                fans.extend(moved.map(|(_, fan)| *fan));
            }
        }
        fans.sort_unstable();
        fans.dedup();
        fans
    }
}

fn score(cuts: &[Cuts; 3], values: &Values) -> Scores {
    let score = |which: usize| 1 + cuts[which].iter().filter(|cut| values[which] >= **cut).count() as u8;
    Scores { recency: score(0), frequency: score(1), monetary: score(2) }
}

struct ScoresOfFans;

impl Output<Id, (Id, Values), isize, Fans> for ScoresOfFans {
    type Record = (FanKey, Scores);
    type Diff = isize;

    fn whole(&mut self, creator: &Id, fans: &mut Fans, output: &mut Vec<(Self::Record, isize)>) {
        fans.cuts = fans.cuts_now();
        let scored = fans.values.iter().map(|(fan, values)| (((*creator, *fan), score(&fans.cuts, values)), 1));
        output.extend(scored);
    }

    fn change(
        &mut self,
        creator: &Id,
        fans: &mut Fans,
        mut updates: Vec<((Id, Values), isize)>,
        output: &mut Vec<(Self::Record, isize)>,
    ) {
        // A fan's old values go before its new ones come.
        updates.sort_by_key(|(_, diff)| *diff);
        let before = fans.cuts;
        for ((fan, values), diff) in updates {
            // Every score is taken back or given by the cuts of before; those between the cuts are corrected below.
            output.push((((*creator, fan), score(&before, &values)), diff));
            fans.update((fan, values), diff);
        }
        fans.cuts = fans.cuts_now();
        for fan in fans.between(&before, &fans.cuts) {
            let values = &fans.values[&fan];
            let key = (*creator, fan);
            output.push(((key, score(&before, values)), -1));
            output.push(((key, score(&fans.cuts, values)), 1));
        }
    }
}

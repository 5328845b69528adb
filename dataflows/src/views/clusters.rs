//! Clusters of fans: k-means over their behaviour, maintained as rows change.
//!
//! ```text
//!  figures ─▶ behaviour ──by day last seen──▶ + recency class ─▶ features ──┬─▶ cells (weight, sums) ─▶ k-means, at a tick
//!  as-of day ─▶ class of each day last seen ───────▲                        │                               │
//!                                                                           └─▶ nearest centroid ◀──────────┘ ─▶ cluster
//! ```
//!
//! Invariants
//! 1. After a tick, clusters are a function of the fans' features alone: the same after any order of changes, and after a
//!    restart. Between two ticks the centroids stay.
//! 2. The mean of a cell is that of its members, exactly: its sums are whole numbers in the difference.
//! 3. When the as-of day moves on, only fans last seen on a day whose class changes are touched.
//! 4. Centroids are rounded to the units of features, so what moves them less changes nothing.

pub mod archetypes;
pub mod features;

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Semigroup};
use fandom_schemas::identity::Id;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::fan_history::{FanKey, Figures};
use super::{Facts, Sources};
use crate::calendar::Calendar;
use crate::engine::combine::combine;
use crate::engine::keyed::{Output, State, evolve, hashed};
use crate::engine::kmeans::{Point, kmeans, nearest};
use crate::engine::measures::measures;
use crate::facts::key::route_of_fan;
use crate::settings::DataflowSettings;
use archetypes::{ARCHETYPES, matched};
use features::{Behaviour, Cell, FEATURES, Features, RECENCY, recency};

/// The cluster of every fan, as the number of its archetype (see [`archetypes::NAMES`]).
pub fn clusters<'scope>(
    sources: &Sources<'scope>,
    figures: &Facts<'scope, (FanKey, Figures)>,
    as_of: &Facts<'scope, i32>,
    settings: &DataflowSettings,
) -> Facts<'scope, (FanKey, u8)> {
    let features = features_of(figures, as_of, settings);
    let centroids = centroids(sources, &features);
    let shards = centroids.flat_map(|centroids| (0..SHARDS).map(move |shard| (shard, ToAssign::By(centroids.clone()))));
    let fans = features.map(|(key, features)| (shard_of(key), ToAssign::Fan(key, features)));
    evolve::<_, _, _, Assigned, _>(fans.concat(shards), "Clusters of fans", |shard| u64::from(*shard), Assign)
}

/// The features of every fan.
fn features_of<'scope>(
    figures: &Facts<'scope, (FanKey, Figures)>,
    as_of: &Facts<'scope, i32>,
    settings: &DataflowSettings,
) -> Facts<'scope, (FanKey, Features)> {
    let mut calendar = Calendar::new(settings.reporting_tz.clone());
    let fans = figures.clone().map(move |(key, figures)| {
        let last_seen = calendar.local(figures.last_seen).day;
        (last_seen, (key, Behaviour::of(&figures).features(0)))
    });
    let days = combine(fans.clone().map(|(last_seen, _)| ((), Clock::LastSeen(last_seen))), "days last seen");
    let today = as_of.clone().map(|day| ((), Clock::AsOf(day)));
    let classes = evolve::<_, _, _, Days, _>(days.concat(today), "Recency", hashed, Classes);
    let classes = classes.map(|(last_seen, recency)| (last_seen, Seen::Recency(recency)));
    let fans = fans.map(|(last_seen, (key, features))| (last_seen, Seen::Fan(key, features)));
    evolve::<_, _, _, LastSeen, _>(fans.concat(classes), "Features of fans", hashed, WithRecency)
}

/// The centroids as of the last tick.
fn centroids<'scope>(
    sources: &Sources<'scope>,
    features: &Facts<'scope, (FanKey, Features)>,
) -> Facts<'scope, Arc<Centroids>> {
    let cells = features.clone().explode(|(_, features)| {
        let mut sums = CellSums { weight: 1, ..CellSums::default() };
        sums.set(&features.0);
        Some((((), OfCell::Cell(features.cell())), sums))
    });
    let ticks = sources
        .ticks
        .clone()
        .explode(|tick| Some((((), OfCell::Tick(tick)), CellSums { weight: 1, ..CellSums::default() })));
    evolve::<_, _, _, Cells, _>(combine(cells, "cells").concat(ticks), "k-means", hashed, Means)
}

// ---- days since last seen, by class ----

/// What classes of recency follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Clock {
    LastSeen(i32),
    AsOf(i32),
}

/// The days on which fans were last seen, by how many, and the as-of day.
#[derive(Default)]
struct Days {
    last_seen: BTreeMap<i32, isize>,
    as_of: BTreeMap<i32, isize>,
}

impl State<Clock, isize> for Days {
    fn update(&mut self, clock: Clock, diff: isize) {
        let (days, day) = match clock {
            Clock::LastSeen(day) => (&mut self.last_seen, day),
            Clock::AsOf(day) => (&mut self.as_of, day),
        };
        let count = days.entry(day).or_default();
        *count += diff;
        if *count == 0 {
            days.remove(&day);
        }
    }

    fn is_empty(&self) -> bool {
        self.last_seen.is_empty() && self.as_of.is_empty()
    }
}

impl Days {
    fn recency(&self, last_seen: i32) -> Option<i16> {
        let (as_of, _) = self.as_of.last_key_value()?;
        self.last_seen.contains_key(&last_seen).then(|| recency(as_of - last_seen))
    }
}

/// The class of every day on which a fan was last seen.
struct Classes;

impl Output<(), Clock, isize, Days> for Classes {
    type Record = (i32, i16);
    type Diff = isize;

    fn whole(&mut self, (): &(), days: &mut Days, output: &mut Vec<((i32, i16), isize)>) {
        let classes = days.last_seen.keys().filter_map(|day| days.recency(*day).map(|recency| (*day, recency)));
        output.extend(classes.map(|class| (class, 1)));
    }

    fn change(
        &mut self,
        (): &(),
        days: &mut Days,
        updates: Vec<(Clock, isize)>,
        output: &mut Vec<((i32, i16), isize)>,
    ) {
        let moves_on = updates.iter().any(|(clock, _)| matches!(clock, Clock::AsOf(_)));
        let mut touched: Vec<i32> = updates
            .iter()
            .filter_map(|(clock, _)| match clock {
                Clock::LastSeen(day) => Some(*day),
                Clock::AsOf(_) => None,
            })
            .collect();
        if moves_on {
            touched.extend(days.last_seen.keys());
        }
        touched.sort_unstable();
        touched.dedup();
        let of = |days: &Days| touched.iter().map(|day| days.recency(*day)).collect::<Vec<_>>();
        let before = of(days);
        updates.into_iter().for_each(|(clock, diff)| days.update(clock, diff));
        for ((day, before), after) in touched.iter().zip(before).zip(of(days)) {
            if before != after {
                output.extend(before.map(|recency| ((*day, recency), -1)));
                output.extend(after.map(|recency| ((*day, recency), 1)));
            }
        }
    }
}

// ---- features, with recency ----

/// Of a day on which fans were last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Seen {
    Fan(FanKey, Features),
    Recency(i16),
}

/// The fans last seen on a day, and how recent that is.
#[derive(Default)]
struct LastSeen {
    fans: HashMap<FanKey, Features>,
    recency: Option<i16>,
}

impl State<Seen, isize> for LastSeen {
    fn update(&mut self, seen: Seen, diff: isize) {
        match seen {
            Seen::Fan(key, features) if diff > 0 => drop(self.fans.insert(key, features)),
            Seen::Fan(key, features) if self.fans.get(&key) == Some(&features) => drop(self.fans.remove(&key)),
            Seen::Recency(recency) if diff > 0 => self.recency = Some(recency),
            Seen::Recency(recency) if self.recency == Some(recency) => self.recency = None,
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.fans.is_empty() && self.recency.is_none()
    }
}

impl LastSeen {
    fn with_recency(&self, mut features: Features) -> Option<Features> {
        features.0[RECENCY] = self.recency?;
        Some(features)
    }
}

/// The features of the fans of a day.
struct WithRecency;

impl Output<i32, Seen, isize, LastSeen> for WithRecency {
    type Record = (FanKey, Features);
    type Diff = isize;

    fn whole(&mut self, _: &i32, seen: &mut LastSeen, output: &mut Vec<((FanKey, Features), isize)>) {
        let fans = seen.fans.iter().filter_map(|(key, features)| Some((*key, seen.with_recency(*features)?)));
        output.extend(fans.map(|fan| (fan, 1)));
    }

    fn change(
        &mut self,
        _: &i32,
        seen: &mut LastSeen,
        mut updates: Vec<(Seen, isize)>,
        output: &mut Vec<((FanKey, Features), isize)>,
    ) {
        // What a fan was goes before what it is comes.
        updates.sort_by_key(|(_, diff)| *diff);
        let class_changes = updates.iter().any(|(update, _)| matches!(update, Seen::Recency(_)));
        let touched: Vec<FanKey> = match class_changes {
            true => {
                let new = updates.iter().filter_map(|(update, _)| update.fan());
                let mut keys: Vec<FanKey> = seen.fans.keys().copied().chain(new).collect();
                keys.sort_unstable();
                keys.dedup();
                keys
            }
            false => {
                let mut keys: Vec<FanKey> = updates.iter().filter_map(|(update, _)| update.fan()).collect();
                keys.sort_unstable();
                keys.dedup();
                keys
            }
        };
        let mut tell = |seen: &LastSeen, diff: isize| {
            for key in &touched {
                let features = seen.fans.get(key).and_then(|features| seen.with_recency(*features));
                output.extend(features.map(|features| ((*key, features), diff)));
            }
        };
        tell(seen, -1);
        updates.into_iter().for_each(|(update, diff)| seen.update(update, diff));
        tell(seen, 1);
    }
}

impl Seen {
    fn fan(&self) -> Option<FanKey> {
        match self {
            Seen::Fan(key, _) => Some(*key),
            Seen::Recency(_) => None,
        }
    }
}

// ---- centroids ----

measures! {
    /// How many fans a cell has, and the sums of their features.
    CellSums { weight, f0, f1, f2, f3, f4, f5 }
}

impl CellSums {
    fn set(&mut self, features: &[i16; FEATURES]) {
        [self.f0, self.f1, self.f2, self.f3, self.f4, self.f5] = features.map(i64::from);
    }

    fn mean(&self) -> Point<FEATURES> {
        Features::mean(&[self.f0, self.f1, self.f2, self.f3, self.f4, self.f5], self.weight)
    }
}

/// What centroids follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum OfCell {
    Cell(Cell),
    Tick(i64),
}

/// Rounded centroids, by archetype.
pub type Centroids = Vec<(u8, Features)>;

#[derive(Default)]
struct Cells {
    /// In order, as the result must not depend on the order in which they came.
    cells: BTreeMap<Cell, CellSums>,
    ticks: isize,
    changed: bool,
    centroids: Option<Arc<Centroids>>,
}

impl State<OfCell, CellSums> for Cells {
    fn update(&mut self, of: OfCell, diff: CellSums) {
        match of {
            OfCell::Tick(_) => self.ticks += diff.weight as isize,
            OfCell::Cell(cell) => {
                let sums = self.cells.entry(cell).or_default();
                sums.plus_equals(&diff);
                if sums.is_zero() {
                    self.cells.remove(&cell);
                }
                self.changed = true;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.ticks == 0 && self.centroids.is_none()
    }
}

impl Cells {
    fn centroids_now(&self) -> Arc<Centroids> {
        let began = std::time::Instant::now();
        let points: Vec<(Point<FEATURES>, f64)> =
            self.cells.values().map(|sums| (sums.mean(), sums.weight as f64)).collect();
        let means = kmeans(&points, ARCHETYPES);
        let mut centroids: Centroids = matched(&means)
            .into_iter()
            .zip(&means)
            .map(|(archetype, mean)| (archetype, Features::nearest(mean)))
            .collect();
        centroids.sort_unstable();
        metrics::histogram!("fandom_dataflow_kmeans_seconds").record(began.elapsed().as_secs_f64());
        tracing::debug!(
            cells = points.len(),
            duration_ms = began.elapsed().as_millis() as u64,
            "centroids were computed"
        );
        Arc::new(centroids)
    }
}

/// The centroids, at ticks.
struct Means;

impl Output<(), OfCell, CellSums, Cells> for Means {
    type Record = Arc<Centroids>;
    type Diff = isize;

    fn whole(&mut self, (): &(), cells: &mut Cells, output: &mut Vec<(Arc<Centroids>, isize)>) {
        let centroids = cells.centroids_now();
        cells.changed = false;
        output.push((Arc::clone(&centroids), 1));
        cells.centroids = Some(centroids);
    }

    fn change(
        &mut self,
        (): &(),
        cells: &mut Cells,
        updates: Vec<(OfCell, CellSums)>,
        output: &mut Vec<(Arc<Centroids>, isize)>,
    ) {
        let ticks = updates.iter().any(|(of, _)| matches!(of, OfCell::Tick(_)));
        updates.into_iter().for_each(|(of, diff)| cells.update(of, diff));
        if ticks && std::mem::take(&mut cells.changed) {
            let centroids = cells.centroids_now();
            if cells.centroids.as_ref() != Some(&centroids) {
                output.push((Arc::clone(&centroids), 1));
                output.extend(cells.centroids.replace(centroids).map(|before| (before, -1)));
            }
        }
    }
}

// ---- the nearest centroid of each fan ----

/// Fans are assigned in so many parts, which are spread over the workers.
const SHARDS: u8 = 64;

fn shard_of((creator, fan): FanKey) -> u8 {
    (route_of_fan(creator, fan as Id) % u64::from(SHARDS)) as u8
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum ToAssign {
    Fan(FanKey, Features),
    By(Arc<Centroids>),
}

/// A part of the fans with their clusters.
#[derive(Default)]
struct Assigned {
    fans: HashMap<FanKey, (Features, Option<u8>)>,
    centroids: Option<Arc<Centroids>>,
    points: Vec<(u8, Point<FEATURES>)>,
}

impl State<ToAssign, isize> for Assigned {
    fn update(&mut self, update: ToAssign, diff: isize) {
        match update {
            ToAssign::Fan(key, features) if diff > 0 => {
                let cluster = self.nearest(&features);
                self.fans.insert(key, (features, cluster));
            }
            ToAssign::Fan(key, features) if self.fans.get(&key).is_some_and(|(known, _)| *known == features) => {
                self.fans.remove(&key);
            }
            ToAssign::By(centroids) if diff > 0 => {
                self.points = centroids.iter().map(|(archetype, at)| (*archetype, at.point())).collect();
                self.centroids = Some(centroids);
            }
            ToAssign::By(centroids) if self.centroids.as_ref() == Some(&centroids) => {
                self.centroids = None;
                self.points.clear();
            }
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.fans.is_empty() && self.centroids.is_none()
    }
}

impl Assigned {
    fn nearest(&self, features: &Features) -> Option<u8> {
        let points: smallvec::SmallVec<[Point<FEATURES>; ARCHETYPES]> =
            self.points.iter().map(|(_, point)| *point).collect();
        (!points.is_empty()).then(|| self.points[nearest(&features.point(), &points).0].0)
    }

    /// Looks up the cluster of every fan again; tells those that changed.
    fn assign_all(&mut self, mut changed: impl FnMut(FanKey, Option<u8>, Option<u8>)) {
        let mut fans = std::mem::take(&mut self.fans);
        for (key, (features, cluster)) in &mut fans {
            let now = self.nearest(features);
            let before = std::mem::replace(cluster, now);
            if before != now {
                changed(*key, before, now);
            }
        }
        self.fans = fans;
    }
}

/// The cluster of each fan.
struct Assign;

impl Output<u8, ToAssign, isize, Assigned> for Assign {
    type Record = (FanKey, u8);
    type Diff = isize;

    fn whole(&mut self, _: &u8, assigned: &mut Assigned, output: &mut Vec<((FanKey, u8), isize)>) {
        assigned.assign_all(|_, _, _| ());
        let clusters = assigned.fans.iter().filter_map(|(key, (_, cluster))| Some((*key, (*cluster)?)));
        output.extend(clusters.map(|cluster| (cluster, 1)));
    }

    fn change(
        &mut self,
        _: &u8,
        assigned: &mut Assigned,
        mut updates: Vec<(ToAssign, isize)>,
        output: &mut Vec<((FanKey, u8), isize)>,
    ) {
        // What was goes before what is comes.
        updates.sort_by_key(|(_, diff)| *diff);
        let moved = updates.iter().any(|(update, _)| matches!(update, ToAssign::By(_)));
        let mut touched: Vec<FanKey> = updates
            .iter()
            .filter_map(|(update, _)| match update {
                ToAssign::Fan(key, _) => Some(*key),
                ToAssign::By(_) => None,
            })
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let mut tell = |assigned: &Assigned, diff: isize| {
            for key in &touched {
                let cluster = assigned.fans.get(key).and_then(|(_, cluster)| *cluster);
                output.extend(cluster.map(|cluster| ((*key, cluster), diff)));
            }
        };
        tell(assigned, -1);
        updates.into_iter().for_each(|(update, diff)| assigned.update(update, diff));
        tell(assigned, 1);
        if moved {
            assigned.assign_all(|key, before, now| {
                output.extend(before.map(|cluster| ((key, cluster), -1)));
                output.extend(now.map(|cluster| ((key, cluster), 1)));
            });
        }
    }
}

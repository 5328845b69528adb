//! Centroids: k-means over the cells of the grid, at ticks.

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use super::archetypes::{matched, prototypes};
use super::features::{Cell, FEATURES, Features, weighted};
use crate::engine::combine::combine;
use crate::engine::keyed::{Output, State, evolve, hashed};
use crate::engine::kmeans::{Point, Weighted, kmeans, nearest};
use crate::engine::measures::measures;
use crate::views::fan_history::FanKey;
use crate::views::{Facts, Sources};

/// The centroids as of the last tick.
pub(super) fn centroids<'scope>(
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

measures! {
    /// How many fans a cell has, and the sums of their features.
    CellSums { weight, f0, f1, f2, f3, f4, f5 }
}

impl CellSums {
    fn set(&mut self, features: &[i16; FEATURES]) {
        [self.f0, self.f1, self.f2, self.f3, self.f4, self.f5] = features.map(i64::from);
    }

    fn point(&self, cell: Cell) -> Weighted<FEATURES> {
        weighted(cell, &[self.f0, self.f1, self.f2, self.f3, self.f4, self.f5], self.weight)
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

/// Where centroids are.
#[derive(Default)]
pub(super) struct Places {
    archetypes: Vec<u8>,
    points: Vec<Point<FEATURES>>,
}

impl Places {
    pub(super) fn of(centroids: &Centroids) -> Places {
        let (archetypes, points) = centroids.iter().map(|(archetype, at)| (*archetype, at.point())).unzip();
        Places { archetypes, points }
    }

    /// The archetype of the nearest; none where there are no centroids.
    pub(super) fn nearest(&self, features: &Features) -> Option<u8> {
        self.archetypes.get(nearest(&features.point(), &self.points).0).copied()
    }
}

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

    fn heap_bytes(&self) -> usize {
        self.cells.len() * size_of::<(Cell, CellSums)>()
    }
}

impl Cells {
    fn centroids_now(&self) -> Arc<Centroids> {
        let began = std::time::Instant::now();
        let points: Vec<Weighted<FEATURES>> = self.cells.iter().map(|(cell, sums)| sums.point(*cell)).collect();
        let means = kmeans(&points, &prototypes());
        let mut centroids: Centroids = matched(&means)
            .into_iter()
            .zip(&means)
            .map(|(archetype, mean)| (archetype, Features::rounded(mean)))
            .collect();
        centroids.sort_unstable();
        crate::meters::centroids(began.elapsed());
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

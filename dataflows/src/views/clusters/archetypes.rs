//! The names of the clusters: eight archetypes, each centroid matched to one, so that a cluster keeps its name as centroids
//! move.

use super::features::{Behaviour, FEATURES, recency};
use crate::engine::kmeans::Point;

/// How many there are, and so how many clusters.
pub const ARCHETYPES: usize = 8;

/// The names.
pub static NAMES: [&str; ARCHETYPES] =
    ["Whales", "Loyal buyers", "Occasional buyers", "Talkers", "Newcomers", "Fading", "Dormant", "Silent"];

/// A typical fan of each: dollars spent, messages, purchase days, share of PPVs unlocked, days from first to last seen, and days
/// since last seen.
const TYPICAL: [(f64, f64, f64, f64, f64, i32); ARCHETYPES] = [
    (2_000.0, 150.0, 25.0, 0.5, 120.0, 3),
    (300.0, 80.0, 10.0, 0.4, 90.0, 5),
    (40.0, 25.0, 2.0, 0.2, 45.0, 20),
    (2.0, 80.0, 0.0, 0.02, 40.0, 4),
    (0.0, 4.0, 0.0, 0.0, 1.0, 2),
    (100.0, 40.0, 4.0, 0.3, 50.0, 45),
    (20.0, 15.0, 1.0, 0.15, 20.0, 90),
    (0.0, 3.0, 0.0, 0.0, 3.0, 60),
];

/// Where the archetypes stand among the features.
pub fn prototypes() -> [Point<FEATURES>; ARCHETYPES] {
    TYPICAL.map(|(spend, messages, purchase_days, unlock_rate, tenure_days, days_since)| {
        Behaviour { spend, messages, purchase_days, unlock_rate, tenure_days }.features(recency(days_since)).point()
    })
}

/// The archetype of each centroid: the assignment of least total square distance, each archetype at most once. Centroids are at
/// most [`ARCHETYPES`].
pub fn matched(centroids: &[Point<FEATURES>]) -> Vec<u8> {
    let prototypes = prototypes();
    // By the set of archetypes taken so far: the least cost of the centroids before, and the archetype taken last.
    let mut least = vec![(f64::INFINITY, 0u8); 1 << ARCHETYPES];
    least[0].0 = 0.0;
    for taken in 0..least.len() {
        let place = taken.count_ones() as usize;
        if place >= centroids.len() || least[taken].0.is_infinite() {
            continue;
        }
        for archetype in (0..ARCHETYPES).filter(|archetype| taken & 1 << archetype == 0) {
            let distance: f64 =
                centroids[place].iter().zip(&prototypes[archetype]).map(|(a, b)| (a - b) * (a - b)).sum();
            let cost = least[taken].0 + distance;
            let next = &mut least[taken | 1 << archetype];
            if cost < next.0 {
                *next = (cost, archetype as u8);
            }
        }
    }
    let complete = (0..least.len()).filter(|taken| taken.count_ones() as usize == centroids.len());
    let mut taken = complete.min_by(|a, b| least[*a].0.total_cmp(&least[*b].0)).unwrap_or(0);
    let mut matched = vec![0; centroids.len()];
    for place in (0..centroids.len()).rev() {
        matched[place] = least[taken].1;
        taken &= !(1 << matched[place]);
    }
    matched
}

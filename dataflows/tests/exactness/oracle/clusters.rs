//! Clusters of fans (DESIGN.md §5): the cluster of each fan, and `fan_moves`.
//!
//! Which of the good clusterings k-means ends in is not to be said in loops: its arithmetic, the scales of the features and the typical
//! fans of the archetypes are the dataflow's own. What goes into it, and what follows from it, is computed here.

use std::collections::BTreeMap;

use fandom_dataflows::engine::kmeans::{Point, kmeans, nearest};
use fandom_dataflows::sink::row::Datum;
use fandom_dataflows::views::clusters::archetypes::{NAMES, matched, prototypes};
use fandom_dataflows::views::clusters::features::{Behaviour, Cell, FEATURES, Features, recency, weighted};
use fandom_schemas::identity::Id;
use jiff::ToSpan;
use jiff::civil::Date;

use super::fans::{Figures, figures};
use super::time::{Zone, day_number};
use super::winners::Winners;
use super::{Line, Setup};

/// Days over which moves are told.
const DAYS: i64 = 30;

/// The centroids of all fans, in the order of their names.
pub struct Centroids {
    of: Vec<(u8, Point<FEATURES>)>,
    as_of: Date,
}

impl Centroids {
    /// Of the fans of these rows.
    pub fn of(rows: &Winners<'_>, zone: &Zone, setup: &Setup, as_of: Date) -> Centroids {
        let mut cells: BTreeMap<Cell, ([i64; FEATURES], i64)> = BTreeMap::new();
        for fan in figures(rows, zone, setup, None).values().flat_map(BTreeMap::values) {
            let features = features(fan, zone, as_of);
            let (sums, fans) = cells.entry(features.cell()).or_default();
            sums.iter_mut().zip(features.0).for_each(|(sum, feature)| *sum += i64::from(feature));
            *fans += 1;
        }
        let points: Vec<_> = cells.iter().map(|(cell, (sums, fans))| weighted(*cell, sums, *fans)).collect();
        let means = kmeans(&points, &prototypes());
        let rounded = means.iter().map(Features::rounded);
        let mut named: Vec<(u8, Features)> = matched(&means).into_iter().zip(rounded).collect();
        named.sort_unstable();
        Centroids { of: named.into_iter().map(|(name, at)| (name, at.point())).collect(), as_of }
    }

    /// The cluster of a fan as of a day.
    fn cluster(&self, fan: &Figures, zone: &Zone, as_of: Date) -> Option<&'static str> {
        let points: Vec<Point<FEATURES>> = self.of.iter().map(|(_, point)| *point).collect();
        let (name, _) = self.of.get(nearest(&features(fan, zone, as_of).point(), &points).0)?;
        Some(NAMES[usize::from(*name)])
    }

    /// The cluster of every fan.
    pub fn clusters(&self, rows: &Winners<'_>, zone: &Zone, setup: &Setup, as_of: Date) -> BTreeMap<(Id, Id), &str> {
        let up_to = (as_of < self.as_of).then_some(as_of);
        let mut clusters = BTreeMap::new();
        for (creator, fans) in figures(rows, zone, setup, up_to) {
            for (fan, figures) in fans {
                clusters.extend(self.cluster(&figures, zone, as_of).map(|cluster| ((creator, fan), cluster)));
            }
        }
        clusters
    }

    /// The lines of `fan_moves`.
    pub fn moves(&self, rows: &Winners<'_>, zone: &Zone, setup: &Setup) -> Vec<Line> {
        let mut moves: BTreeMap<(Date, &str, &str), i64> = BTreeMap::new();
        let mut before = self.clusters(rows, zone, setup, self.as_of - DAYS.days());
        for day in (0..DAYS).rev().map(|days| self.as_of - days.days()) {
            let after = self.clusters(rows, zone, setup, day);
            for (fan, to) in &after {
                if let Some(from) = before.get(fan).filter(|from| *from != to) {
                    *moves.entry((day, from, to)).or_default() += 1;
                }
            }
            before = after;
        }
        let line = |((day, from, to), fans): ((Date, &str, &str), i64)| {
            let line = Line::default().day("day", day).text("from_cluster", from).text("to_cluster", to);
            line.with("fans", Datum::Int(fans))
        };
        moves.into_iter().map(line).collect()
    }
}

fn features(fan: &Figures, zone: &Zone, as_of: Date) -> Features {
    let day = |at: i64| day_number(zone.day(at));
    let behaviour = Behaviour {
        spend: fan.spend_cents.max(0) as f64 / 100.0,
        messages: fan.messages_received as f64,
        purchase_days: fan.purchase_days.len() as f64,
        unlock_rate: if fan.ppvs_received > 0 { fan.ppvs_unlocked as f64 / fan.ppvs_received as f64 } else { 0.0 },
        tenure_days: f64::from(day(fan.last_seen) - day(fan.first_seen)),
    };
    behaviour.features(recency((day_number(as_of) - day(fan.last_seen)).max(0)))
}

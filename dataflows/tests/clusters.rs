//! Clusters: as good as k-means over all fans, whatever the order in which they come, under names that stay.
//!
//! With `FANDOM_CLUSTERS_OUT=DIR` the features and centroids are written there, for `bench/clusters.py`.

use std::collections::BTreeMap;
use std::fmt::Write;

use fandom_dataflows::engine::kmeans::{Point, Weighted, kmeans, nearest};
use fandom_dataflows::views::clusters::archetypes::{ARCHETYPES, matched, prototypes};
use fandom_dataflows::views::clusters::features::{Behaviour, Cell, FEATURES, Features, recency, weighted};

const FANS: usize = 100_000;

/// Numbers at random, the same in each run.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Twelve uniform numbers make nearly a normal one.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }
}

/// Fans of an agency: most buy nothing, some something, few much; many are gone.
fn fans(seed: u64, buyers: f64, gone: f64) -> Vec<Features> {
    let mut chance = Chance(seed);
    let one = |chance: &mut Chance| {
        let buys = chance.uniform() < buyers;
        let is_gone = chance.uniform() < gone;
        let messages = chance.log_normal(if buys { 25.0 } else { 5.0 }, 1.1).round();
        let purchase_days = if buys { chance.log_normal(2.0, 0.9).ceil() } else { 0.0 };
        let behaviour = Behaviour {
            spend: if buys { purchase_days * chance.log_normal(25.0, 0.8) } else { 0.0 },
            messages,
            purchase_days,
            unlock_rate: if buys { chance.uniform() * chance.uniform() } else { 0.0 },
            tenure_days: chance.log_normal(if buys { 40.0 } else { 6.0 }, 1.2),
        };
        let days = chance.log_normal(if is_gone { 60.0 } else { 4.0 }, 0.9);
        behaviour.features(recency(days as i32))
    };
    (0..FANS).map(|_| one(&mut chance)).collect()
}

/// The centroids of fans as the dataflow computes them: of the cells' means, rounded.
fn centroids(fans: &[Features]) -> Vec<Point<FEATURES>> {
    let mut cells: BTreeMap<Cell, ([i64; FEATURES], i64)> = BTreeMap::new();
    for fan in fans {
        let (sums, weight) = cells.entry(fan.cell()).or_default();
        sums.iter_mut().zip(fan.0).for_each(|(sum, feature)| *sum += i64::from(feature));
        *weight += 1;
    }
    let points: Vec<_> = cells.iter().map(|(cell, (sums, fans))| weighted(*cell, sums, *fans)).collect();
    kmeans(&points, &prototypes()).iter().map(|mean| Features::rounded(mean).point()).collect()
}

fn inertia(fans: &[Features], centroids: &[Point<FEATURES>]) -> f64 {
    fans.iter().map(|fan| nearest(&fan.point(), centroids).1).sum()
}

#[test]
fn cells_cluster_as_well_as_fans() {
    for (seed, buyers, gone) in [(1, 0.3, 0.4), (2, 0.08, 0.6), (3, 0.6, 0.2)] {
        let fans = fans(seed, buyers, gone);
        let centroids = centroids(&fans);
        let all: Vec<_> = (0..).zip(&fans).map(|(id, fan)| Weighted { point: fan.point(), weight: 1.0, id }).collect();
        let ratio = inertia(&fans, &centroids) / inertia(&fans, &kmeans(&all, &prototypes()));
        eprintln!("seed {seed}: inertia {ratio:.4} times that of k-means over all fans");
        assert!(ratio <= 1.05, "seed {seed}: {ratio}");
        write_out(seed, &fans, &centroids);
    }
}

fn write_out(seed: u64, fans: &[Features], centroids: &[Point<FEATURES>]) {
    let Some(folder) = std::env::var_os("FANDOM_CLUSTERS_OUT").map(std::path::PathBuf::from) else { return };
    let lines = |points: &mut dyn Iterator<Item = Point<FEATURES>>| {
        points.fold(String::new(), |mut text, point| {
            let values: Vec<String> = point.iter().map(f64::to_string).collect();
            writeln!(text, "{}", values.join(",")).expect("a string takes all");
            text
        })
    };
    std::fs::write(folder.join(format!("fans-{seed}.csv")), lines(&mut fans.iter().map(Features::point)))
        .expect("the features can be written");
    std::fs::write(folder.join(format!("centroids-{seed}.csv")), lines(&mut centroids.iter().copied()))
        .expect("the centroids can be written");
}

/// k-means as a function of the data alone cannot always stay where it was, but it mostly does.
#[test]
fn a_few_more_fans_mostly_leave_the_others_where_they_were() {
    let (mut steps, mut unsteady) = (0, 0);
    for (seed, buyers, gone) in [(1, 0.3, 0.4), (2, 0.08, 0.6), (3, 0.6, 0.2)] {
        let fans = fans(seed, buyers, gone);
        let clusters = |count: usize| {
            let centroids = centroids(&fans[..count]);
            let names = matched(&centroids);
            let of_fan = |fan: &Features| names[nearest(&fan.point(), &centroids).0];
            fans[..FANS - 1_000].iter().map(of_fan).collect::<Vec<u8>>()
        };
        let mut before = clusters(FANS - 1_000);
        for count in (FANS - 950..=FANS).step_by(50) {
            let after = clusters(count);
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            eprintln!("seed {seed}: {moved} of {} fans moved when 50 came", before.len());
            steps += 1;
            unsteady += usize::from(moved * 100 > before.len());
            before = after;
        }
    }
    assert!(unsteady * 10 <= steps, "{unsteady} of {steps} times more than a hundredth of the fans moved when 50 came");
}

#[test]
fn the_order_of_fans_does_not_matter() {
    let mut fans = fans(4, 0.3, 0.4);
    let first = centroids(&fans);
    fans.reverse();
    assert_eq!(centroids(&fans), first);
}

#[test]
fn each_centroid_gets_a_name_of_its_own() {
    let centroids = centroids(&fans(5, 0.3, 0.4));
    let mut names = matched(&centroids);
    let turned: Vec<_> = centroids.iter().rev().copied().collect();
    let mut of_turned = matched(&turned);
    of_turned.reverse();
    assert_eq!(of_turned, names, "the names do not depend on the order of centroids");
    names.sort_unstable();
    assert_eq!(names, (0..ARCHETYPES as u8).collect::<Vec<_>>());
}

#[test]
fn few_fans_are_their_own_clusters() {
    let fans = fans(6, 0.3, 0.4);
    assert_eq!(centroids(&fans[..1]).len(), 1);
    assert!(centroids(&[]).is_empty());
    assert!(matched(&centroids(&fans[..3])).len() <= 3);
}

//! What fans are clustered by: their behaviour on fixed scales, so that no fan's place depends on the others.
//!
//! Amounts, counts and days are taken as logarithms, and each feature is divided by about one standard deviation of it over an
//! agency's fans. A feature is held in units of 1/256: the rounding is far below what a cluster is wide.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::kmeans::{Point, Weighted};
use crate::views::fan_history::FanSums;

/// How many features there are.
pub const FEATURES: usize = 6;
/// Which of them is how long ago the fan was last seen.
pub const RECENCY: usize = 3;
/// Units of a feature.
const UNIT: f64 = 256.0;
/// About one standard deviation of: ln dollars spent, ln messages, ln purchase days, ln days since the last purchase or
/// message, share of PPVs unlocked, ln days from first to last seen.
const SCALES: [f64; FEATURES] = [2.0, 1.2, 0.8, 1.2, 0.3, 1.4];
/// How wide a class of recency is, as a logarithm of days: the feature changes only when a fan's class does.
const RECENCY_CLASS: f64 = 0.12;
/// How wide a cell is, in standard deviations.
const CELL: f64 = 0.75;

/// To what a centroid is rounded, in standard deviations: this moves it by too little to matter (a thousandth of the inertia).
const CENTROID: f64 = 0.0625;

/// The features of a fan, in units of 1/256 of about a standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Features(pub [i16; FEATURES]);

/// A cell of the grid into which features fall.
pub type Cell = [i8; FEATURES];

/// What a fan's features are made of, in natural units.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Spend in dollars.
    pub spend: f64,
    /// Direct messages received.
    pub messages: f64,
    /// Days with a purchase.
    pub purchase_days: f64,
    /// Share of PPVs unlocked.
    pub unlock_rate: f64,
    /// Local days from first to last seen.
    pub tenure_days: f64,
}

impl Behaviour {
    /// Of a fan with these sums, so many days with a purchase, and these local days on which it was first and last seen.
    pub fn of(sums: &FanSums, purchase_days: i64, (first_day, last_day): (i32, i32)) -> Behaviour {
        let received = sums.ppvs_received.max(1) as f64;
        Behaviour {
            spend: sums.spend_cents().max(0) as f64 / 100.0,
            messages: sums.messages_received.max(0) as f64,
            purchase_days: purchase_days as f64,
            unlock_rate: sums.ppvs_unlocked as f64 / received,
            tenure_days: f64::from(last_day - first_day),
        }
    }

    /// The features, with that of recency (see [`recency`]).
    pub fn features(&self, recency: i16) -> Features {
        let log = |value: f64| value.ln_1p();
        let values = [
            log(self.spend),
            log(self.messages),
            log(self.purchase_days),
            0.0,
            self.unlock_rate,
            log(self.tenure_days),
        ];
        let mut features: [i16; FEATURES] =
            std::array::from_fn(|feature| (values[feature] / SCALES[feature] * UNIT).round() as i16);
        features[RECENCY] = recency;
        Features(features)
    }
}

/// The feature of so many days since a fan was last seen: the middle of its class.
pub fn recency(days: i32) -> i16 {
    let class = (f64::from(days.max(0)).ln_1p() / RECENCY_CLASS).floor();
    ((class + 0.5) * RECENCY_CLASS / SCALES[RECENCY] * UNIT).round() as i16
}

impl Features {
    /// The cell into which they fall.
    pub fn cell(&self) -> Cell {
        self.0.map(|feature| (f64::from(feature) / UNIT / CELL).floor() as i8)
    }

    /// As a point, in standard deviations.
    pub fn point(&self) -> Point<FEATURES> {
        self.0.map(|feature| f64::from(feature) / UNIT)
    }

    /// A point, rounded so that small changes of it mostly leave no trace.
    pub fn rounded(point: &Point<FEATURES>) -> Features {
        Features(point.map(|value| ((value / CENTROID).round() * CENTROID * UNIT) as i16))
    }
}

/// What stands for the fans of a cell, so many, whose features sum up to this: their mean.
pub fn weighted(cell: Cell, sums: &[i64; FEATURES], fans: i64) -> Weighted<FEATURES> {
    let id = xxh3_64(&cell.map(i8::cast_unsigned));
    Weighted { point: sums.map(|sum| sum as f64 / fans as f64 / UNIT), weight: fans as f64, id }
}

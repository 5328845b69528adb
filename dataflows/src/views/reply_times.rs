//! Quantiles of reply times, exact to 1 %.
//!
//! ```text
//!  (group, bucket) counts ──by group──▶ reduce: nearest rank over the buckets ──▶ (p50, p90)
//! ```
//!
//! A reply time falls into a bucket: one a second up to 100 s, and above that buckets whose bounds grow by
//! (1 + α) / (1 − α), α = 0.01, so that the value that stands for a bucket is within α of each of its members (DDSketch:
//! Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019).
//! Counts of buckets are exact under retraction, unlike a sketch that forgets.

use differential_dataflow::ExchangeData;
use std::hash::Hash;

use super::Facts;
use crate::engine::keyed::reduce;

/// The relative error of a bucket's value.
const ALPHA: f64 = 0.01;
/// Up to here, in seconds, a bucket holds one value.
const EXACT: u32 = 100;

/// The bucket of a reply time in seconds.
pub fn bucket(seconds: u32) -> u16 {
    if seconds <= EXACT {
        return seconds as u16;
    }
    let steps = (f64::from(seconds) / f64::from(EXACT)).ln() / growth().ln();
    EXACT as u16 + (steps.ceil() as u16).max(1)
}

/// The reply time, in seconds, that stands for a bucket.
pub fn value(bucket: u16) -> i64 {
    if u32::from(bucket) <= EXACT {
        return i64::from(bucket);
    }
    let upper = f64::from(EXACT) * growth().powi(i32::from(bucket) - EXACT as i32);
    (2.0 * upper / (growth() + 1.0)).round() as i64
}

fn growth() -> f64 {
    (1.0 + ALPHA) / (1.0 - ALPHA)
}

/// Median and 90th percentile by nearest rank: the value at position ⌈q · n⌉ of the n in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Quantiles {
    /// Median, in seconds.
    pub p50: i64,
    /// 90th percentile, in seconds.
    pub p90: i64,
}

/// The quantiles of every group that has a reply.
pub fn quantiles<'scope, G>(replies: Facts<'scope, (G, u16)>) -> Facts<'scope, (G, Quantiles)>
where
    G: ExchangeData + Hash,
{
    reduce(replies, "Reply times", |group: &G, buckets| {
        let (p50, p90) = (nearest_rank(buckets, 50)?, nearest_rank(buckets, 90)?);
        Some((group.clone(), Quantiles { p50, p90 }))
    })
}

/// The value at position ⌈percent / 100 · n⌉ of n values, given as ascending buckets with their counts.
pub fn nearest_rank(buckets: &[(u16, isize)], percent: isize) -> Option<i64> {
    let count: isize = buckets.iter().map(|(_, count)| count).sum();
    let mut rest = (percent * count + 99) / 100;
    for (bucket, count) in buckets {
        rest -= count;
        if rest <= 0 {
            return Some(value(*bucket));
        }
    }
    None
}

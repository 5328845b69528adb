//! Chance that repeats: the same seed, purpose and number give the same throws.

use std::f64::consts::TAU;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A stream of throws of its own, so that one part of the sample can change without moving the others.
pub(super) struct Dice(StdRng);

impl Dice {
    /// Dice for one purpose (`fan`, `watch`, a file's name, …), and the how-manieth thing of it.
    pub(super) fn new(seed: u64, purpose: &str, number: u64) -> Dice {
        let purpose = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| stir(sum ^ u64::from(byte)));
        Dice(StdRng::seed_from_u64(stir(stir(seed) ^ purpose).wrapping_add(stir(number))))
    }

    /// Uniform in 0 ≤ x < 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// Whether something of probability `p` happens.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in `from..to`; `from` when that is empty.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        if from < to { self.0.random_range(from..to) } else { from }
    }

    /// A place in a list of `length`; 0 when it is empty.
    pub(super) fn place(&mut self, length: usize) -> usize {
        if length == 0 { 0 } else { self.0.random_range(0..length) }
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.place(list.len())]
    }

    /// Exponential with that mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Log-normal: the exponential of a normal with that mean and standard deviation.
    pub(super) fn log_normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        (mean + deviation * radius * (TAU * self.unit()).cos()).exp()
    }

    /// Pareto from 1 upwards; the smaller `shape`, the heavier the few.
    pub(super) fn pareto(&mut self, shape: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / shape)
    }

    /// 128 bits.
    pub(super) fn bits(&mut self) -> u128 {
        self.0.random()
    }
}

/// Spreads every bit of a number over all of it (the finalizer of SplitMix64).
fn stir(number: u64) -> u64 {
    let a = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

//! Waiting longer after each failure, so that what is down is not hammered when it comes back.

use std::time::Duration;

/// Waiting times that double from one failure to the next, each with up to a quarter of jitter.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
    salt: u64,
}

impl Backoff {
    /// Waits from `first` on, at most `longest`.
    pub fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { next: first, first, longest, salt: u64::from(std::process::id()) | 1 }
    }

    /// How long to wait now.
    pub fn next_wait(&mut self) -> Duration {
        self.salt = self.salt.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let quarter = self.next / 4;
        let jitter = quarter.mul_f64((self.salt >> 40) as f64 / (1u64 << 24) as f64);
        let wait = self.next - jitter;
        self.next = (self.next * 2).min(self.longest);
        wait
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

//! When what is computed anew as a whole (the centroids of clusters) is computed anew.
//!
//! At most once a second. While rows come, seldom enough that hardly any of them waits for what a tick makes move: many fans may
//! change their cluster with it. As soon as rows have stopped coming, nobody waits, and figures settle at once.

use std::time::{Duration, Instant};

use super::Epoch;

/// From one tick to the next, at least.
const TICK: Duration = Duration::from_secs(1);
/// While rows come, so many times as long as the last tick took until it was committed.
const SPARING: u32 = 200;
/// But at most so long.
const LONGEST: Duration = Duration::from_secs(300);

/// The clock of ticks; see the module.
pub(super) struct Ticker {
    next: i64,
    last: Instant,
    took: Duration,
    /// The epoch of the last tick, until it is committed.
    under_way: Option<Epoch>,
}

impl Ticker {
    pub(super) fn new() -> Ticker {
        Ticker { next: 0, last: Instant::now(), took: Duration::ZERO, under_way: None }
    }

    /// Whether a tick is due, if no row has come for so long.
    pub(super) fn is_due(&self, quiet: Duration) -> bool {
        let since = self.last.elapsed();
        let wait = if quiet >= TICK { TICK } else { (self.took * SPARING).clamp(TICK, LONGEST) };
        self.next == 0 || self.under_way.is_none() && since >= wait
    }

    /// The number of the tick that is given in this epoch.
    pub(super) fn tick(&mut self, epoch: Epoch) -> i64 {
        self.last = Instant::now();
        self.under_way = Some(epoch);
        self.next += 1;
        self.next - 1
    }

    /// Whether there was none yet.
    pub(super) fn is_first(&self) -> bool {
        self.next == 0
    }

    /// Epochs up to this one are committed.
    pub(super) fn committed(&mut self, epoch: Epoch) {
        if self.under_way.take_if(|under_way| *under_way <= epoch).is_some() {
            self.took = self.last.elapsed();
        }
    }
}

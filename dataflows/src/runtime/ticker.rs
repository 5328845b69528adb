//! When what is computed anew as a whole (the centroids of clusters) is computed anew, and who then has a turn to take it over.
//!
//! ```text
//!  epochs  ─ tick ─ turn 0 ─ turn 1 ─ … ─ turn of the last part ─────────── wait ─────────── tick ─ …
//! ```
//!
//! At most once a second. While rows come, seldom enough that hardly any of them waits for what a tick makes move. As soon as rows
//! have stopped coming, nobody waits, and figures settle at once.

use std::time::{Duration, Instant};

use super::Epoch;
use crate::views::clusters::PARTS;

/// From one tick to the next, at least.
const TICK: Duration = Duration::from_secs(1);
/// While rows come, so many times as long as the slowest epoch of the last tick took until it was committed.
const SPARING: u32 = 200;
/// And so many times as long as all turns of the last tick took together.
const CALM: u32 = 4;
/// But at most so long.
const LONGEST: Duration = Duration::from_secs(300);

/// The clock of ticks and turns; see the module.
pub(super) struct Ticker {
    next_tick: i64,
    next_turn: i64,
    /// Turns that the last tick still has to bring.
    turns_left: i64,
    /// When the last tick was.
    last: Instant,
    /// The epochs of the last tick and its turns so far, until all are committed.
    under_way: Option<(Epoch, Epoch)>,
    /// The longest that one of these epochs took.
    slowest: Duration,
    /// What they took together.
    together: Duration,
}

impl Ticker {
    pub(super) fn new() -> Ticker {
        Ticker {
            next_tick: 0,
            next_turn: 0,
            turns_left: 0,
            last: Instant::now(),
            under_way: None,
            slowest: Duration::ZERO,
            together: Duration::ZERO,
        }
    }

    /// Whether a tick is due, if no row has come for so long.
    pub(super) fn is_due(&self, quiet: Duration) -> bool {
        let sparing = (self.slowest * SPARING).max(self.together * CALM).clamp(TICK, LONGEST);
        let wait = if quiet >= TICK { TICK } else { sparing };
        self.is_first() || self.under_way.is_none() && self.last.elapsed() >= wait
    }

    /// The number of the tick that is given in this epoch.
    pub(super) fn tick(&mut self, epoch: Epoch) -> i64 {
        self.last = Instant::now();
        // At the start there is nothing to be taken over part by part, and how long it takes says nothing of what comes.
        if !self.is_first() {
            self.turns_left = PARTS;
            self.under_way = Some((epoch, epoch));
            self.slowest = Duration::ZERO;
        }
        self.next_tick += 1;
        self.next_tick - 1
    }

    /// The number of the turn that is given in this epoch, if one is: one an epoch.
    pub(super) fn turn(&mut self, epoch: Epoch) -> Option<i64> {
        let (_, last) = self.under_way.as_mut().filter(|(_, last)| *last < epoch && self.turns_left > 0)?;
        *last = epoch;
        self.turns_left -= 1;
        self.next_turn += 1;
        Some(self.next_turn - 1)
    }

    /// Whether there was no tick yet.
    pub(super) fn is_first(&self) -> bool {
        self.next_tick == 0
    }

    /// Epochs up to this one are committed, this one so long after it was closed.
    pub(super) fn committed(&mut self, epoch: Epoch, took: Duration) {
        let Some((first, last)) = self.under_way else { return };
        if epoch >= first {
            self.slowest = self.slowest.max(took);
        }
        if epoch >= last && self.turns_left == 0 {
            self.together = self.last.elapsed();
            self.under_way = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_a_turn_in_an_epoch_of_its_own_after_a_tick() {
        let mut ticker = Ticker::new();
        assert!(ticker.is_due(Duration::ZERO), "the first tick waits for nothing");
        assert_eq!((ticker.tick(1), ticker.turn(2)), (0, None), "at the start there is nothing to take over");

        assert_eq!(ticker.tick(10), 1);
        assert_eq!(ticker.turn(10), None, "the tick has its epoch to itself");
        for (part, epoch) in (0..PARTS).zip(11..) {
            assert!(!ticker.is_due(LONGEST), "a tick waits until what the last one brought is taken over");
            assert_eq!(ticker.turn(epoch), Some(part));
            assert_eq!(ticker.turn(epoch), None, "one turn an epoch");
            ticker.committed(epoch - 1, Duration::ZERO);
        }
        assert_eq!((ticker.turn(1_000), ticker.under_way.is_some()), (None, true), "the last is not committed");
        ticker.committed(1_000, Duration::ZERO);
        assert!(ticker.under_way.is_none());
    }

    #[test]
    fn a_slow_turn_makes_the_next_tick_wait_while_rows_come() {
        let mut ticker = Ticker::new();
        ticker.tick(1);
        ticker.tick(2);
        for epoch in 3..1_000 {
            ticker.turn(epoch);
            ticker.committed(epoch, Duration::from_millis(if epoch == 30 { 100 } else { 10 }));
        }
        let mut after = |seconds| {
            ticker.last =
                Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine runs for longer");
            [Duration::ZERO, TICK].map(|quiet| ticker.is_due(quiet))
        };
        assert_eq!(after(19), [false, true], "200 times 0.1 s, unless nobody waits");
        assert_eq!(after(21), [true, true]);
    }
}

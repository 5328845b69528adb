//! When what is computed anew as a whole (the centroids of clusters) is computed anew, and who then has a turn to take it over.
//!
//! ```text
//!  epochs  ─ tick ─ turns of some parts ─ turns of the next ─ … ─ turns of the last ───── wait ───── tick ─ …
//! ```
//!
//! At most once a second. While rows come, seldom enough that hardly any of them waits for what a tick makes move. As soon as rows
//! have stopped coming, nobody waits, and figures settle at once: how many parts have their turn in one epoch then follows from how long
//! the epoch before took, so that where fans are few, all are through after some commits.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Epoch;
use crate::views::clusters::PARTS;

/// From one tick to the next, at least.
const TICK: Duration = Duration::from_secs(1);
/// While rows come, so many times as long as the slowest epoch of the last tick took until it was committed, but for this no longer than that.
const SPARING: (u32, Duration) = (200, Duration::from_secs(30));
/// And so many times as long as all turns of the last tick took together.
const CALM: u32 = 4;
/// But at most so long.
const LONGEST: Duration = Duration::from_secs(300);

/// After an epoch that was committed so soon, twice as many parts have their turn in one; after one that took so long, half as many.
const QUICK: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(25);

/// The clock of ticks and turns; see the module.
pub(super) struct Ticker {
    next_tick: i64,
    next_turn: i64,
    /// Turns that the last tick still has to bring.
    turns_left: i64,
    /// So many of them in one epoch.
    at_once: i64,
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
            at_once: 1,
            last: Instant::now(),
            under_way: None,
            slowest: Duration::ZERO,
            together: Duration::ZERO,
        }
    }

    /// Whether a tick is due, if no row has come for so long.
    pub(super) fn is_due(&self, quiet: Duration) -> bool {
        let (times, at_most) = SPARING;
        let sparing = (self.slowest * times).min(at_most).max(self.together * CALM).clamp(TICK, LONGEST);
        let wait = if quiet >= TICK { TICK } else { sparing };
        self.is_first() || self.under_way.is_none() && self.last.elapsed() >= wait
    }

    /// The number of the tick that is given in this epoch.
    pub(super) fn tick(&mut self, epoch: Epoch) -> i64 {
        self.last = Instant::now();
        // At the start there is nothing to be taken over part by part, and how long it takes says nothing of what comes.
        if !self.is_first() {
            self.turns_left = PARTS;
            // The last time perhaps nobody moved.
            self.at_once = 1;
            self.under_way = Some((epoch, epoch));
            self.slowest = Duration::ZERO;
        }
        self.next_tick += 1;
        self.next_tick - 1
    }

    /// The numbers of the turns that are given in this epoch, if some are and no row has come for so long.
    pub(super) fn turns(&mut self, epoch: Epoch, quiet: Duration) -> Option<Range<i64>> {
        let (_, last) = self.under_way.as_mut().filter(|(_, last)| *last < epoch && self.turns_left > 0)?;
        *last = epoch;
        let at_once = if quiet >= TICK { self.at_once } else { 1 };
        let turns = self.next_turn..self.next_turn + at_once.min(self.turns_left);
        self.turns_left -= turns.end - turns.start;
        self.next_turn = turns.end;
        Some(turns)
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
        if epoch > first && took < QUICK {
            self.at_once = (self.at_once * 2).min(PARTS);
        } else if epoch > first && took > SLOW {
            self.at_once = (self.at_once / 2).max(1);
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

    /// The turns of the epochs from this one on, each committed after so long before the next begins, until there are no more.
    fn turns(ticker: &mut Ticker, from: Epoch, took: Duration, quiet: Duration) -> Vec<Range<i64>> {
        let mut all = Vec::new();
        for epoch in from.. {
            let Some(turns) = ticker.turns(epoch, quiet) else { break };
            assert_eq!(ticker.turns(epoch, quiet), None, "once an epoch");
            assert!(!ticker.is_due(LONGEST), "a tick waits until what the last one brought is taken over");
            all.push(turns);
            ticker.committed(epoch, took);
        }
        all
    }

    #[test]
    fn each_part_has_a_turn_after_a_tick() {
        let mut ticker = Ticker::new();
        assert!(ticker.is_due(Duration::ZERO), "the first tick waits for nothing");
        assert_eq!((ticker.tick(1), ticker.turns(2, TICK)), (0, None), "at the start there is nothing to take over");

        assert_eq!(ticker.tick(10), 1);
        assert_eq!(ticker.turns(10, TICK), None, "the tick has its epoch to itself");
        let slow = turns(&mut ticker, 11, 2 * SLOW, TICK);
        assert_eq!(
            slow,
            (0..PARTS).map(|turn| turn..turn + 1).collect::<Vec<_>>(),
            "one by one while commits are slow"
        );

        ticker.tick(1_000);
        let quick = turns(&mut ticker, 1_001, QUICK / 2, TICK);
        assert!(quick.len() < 12, "few epochs where commits are quick: {quick:?}");
        assert!(quick.windows(2).all(|pair| pair[0].end == pair[1].start), "{quick:?}");
        assert_eq!((quick[0].start, quick[quick.len() - 1].end), (PARTS, 2 * PARTS), "each part once: {quick:?}");

        ticker.tick(2_000);
        let again = turns(&mut ticker, 2_001, QUICK / 2, Duration::ZERO);
        assert_eq!(again.len() as i64, PARTS, "one by one while rows come: {again:?}");
    }

    #[test]
    fn a_slow_turn_makes_the_next_tick_wait_while_rows_come() {
        let mut ticker = Ticker::new();
        ticker.tick(1);
        ticker.tick(2);
        for epoch in 3..1_000 {
            ticker.turns(epoch, Duration::ZERO);
            ticker.committed(epoch, Duration::from_millis(if epoch == 30 { 100 } else { 20 }));
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

//! What the dataflow is doing, for `views.status` and the metrics.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::meters;

/// Shared by workers and writer.
#[derive(Debug, Default)]
pub struct Status {
    live: AtomicBool,
    positions: Mutex<BTreeMap<u32, Position>>,
}

/// Where a partition is read.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// The next offset to read.
    next: i64,
    /// The log's end.
    end: i64,
    /// Where the log ended when the job started.
    due: i64,
}

/// What `views.status` tells.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `hydrating` or `live`.
    pub state: &'static str,
    /// Records read of those that hydration has to read.
    pub records_done: i64,
    /// How many these are.
    pub records_due: i64,
    /// Records not yet read, by partition.
    pub lag: BTreeMap<u32, i64>,
}

impl Snapshot {
    /// Tells the metrics.
    pub fn measure(&self) {
        let done = if self.records_due == 0 { 1.0 } else { self.records_done as f64 / self.records_due as f64 };
        meters::hydration(done, self.state == "live");
        for (partition, lag) in &self.lag {
            meters::lag(*partition, *lag);
        }
    }
}

impl Status {
    /// A partition ended here when the job started.
    pub fn set_due(&self, partition: u32, due: i64) {
        self.at(partition, |position| (position.due, position.end) = (due, due));
    }

    /// A partition has been read up to here.
    pub fn set_next(&self, partition: u32, next: i64) {
        self.at(partition, |position| position.next = next);
    }

    /// A partition ends here.
    pub fn set_end(&self, partition: u32, end: i64) {
        self.at(partition, |position| position.end = end);
    }

    fn at(&self, partition: u32, change: impl FnOnce(&mut Position)) {
        let mut positions = self.positions.lock().expect("no thread panics with the lock");
        change(positions.entry(partition).or_default());
    }

    /// The views show the log.
    pub fn set_live(&self) {
        self.live.store(true, Ordering::Relaxed);
    }

    /// What to tell.
    pub fn snapshot(&self) -> Snapshot {
        let live = self.live.load(Ordering::Relaxed);
        let positions = self.positions.lock().expect("no thread panics with the lock");
        let due = positions.values().map(|position| position.due).sum();
        let done = positions.values().map(|position| position.next.min(position.due)).sum();
        Snapshot {
            state: if live { "live" } else { "hydrating" },
            records_done: if live { due } else { done },
            records_due: due,
            lag: positions.iter().map(|(partition, at)| (*partition, (at.end - at.next).max(0))).collect(),
        }
    }
}

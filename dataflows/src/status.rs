//! What the dataflow is doing, for `views.status` and the metrics.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Shared by workers and writer.
#[derive(Debug, Default)]
pub struct Status {
    live: AtomicBool,
    records_done: AtomicI64,
    records_due: AtomicI64,
    /// Next offset to read, and the log's end, by partition.
    positions: Mutex<BTreeMap<u32, (i64, i64)>>,
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

impl Status {
    /// The log's ends when the job started.
    pub fn set_due(&self, due: i64) {
        self.records_due.store(due, Ordering::Relaxed);
    }

    /// So many records more were read.
    pub fn add_done(&self, count: i64) {
        if !self.live.load(Ordering::Relaxed) {
            self.records_done.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// A partition has been read up to here.
    pub fn set_next(&self, partition: u32, next: i64) {
        let mut positions = self.positions.lock().expect("no thread panics with the lock");
        positions.entry(partition).or_default().0 = next;
    }

    /// A partition ends here.
    pub fn set_end(&self, partition: u32, end: i64) {
        let mut positions = self.positions.lock().expect("no thread panics with the lock");
        positions.entry(partition).or_default().1 = end;
    }

    /// The views show the log.
    pub fn set_live(&self) {
        self.live.store(true, Ordering::Relaxed);
    }

    /// What to tell.
    pub fn snapshot(&self) -> Snapshot {
        let live = self.live.load(Ordering::Relaxed);
        let due = self.records_due.load(Ordering::Relaxed);
        let done = self.records_done.load(Ordering::Relaxed).min(due);
        let positions = self.positions.lock().expect("no thread panics with the lock");
        Snapshot {
            state: if live { "live" } else { "hydrating" },
            records_done: if live { due } else { done },
            records_due: due,
            lag: positions.iter().map(|(partition, (next, end))| (*partition, (end - next).max(0))).collect(),
        }
    }
}

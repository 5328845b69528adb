//! Collects the deltas of all views, and hands them to the writer one batch at a time.
//!
//! ```text
//!  rows, bindings ──to worker 0──▶ ahead ──frontier──▶ ready ──writer idle──▶ batch ──▶ writer
//!                                                                               │
//!  output frontier ◀──────────────────── committed ◀────────────────────────────┘
//! ```
//!
//! Invariants
//! 1. A batch holds exactly the deltas of the epochs before the input frontier that no batch held before, consolidated.
//! 2. At most one batch is with the writer; what becomes ready meanwhile is the next one: epochs coalesce under load.
//! 3. The output frontier passes an epoch when its deltas are committed. While the log is read for the first time
//!    (epochs below [`FIRST_LIVE_EPOCH`]) nothing is written, and it passes what is collected; the first batch then holds the whole
//!    state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use differential_dataflow::consolidation::consolidate;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::scheduling::SyncActivator;

use super::progress::Bindings;
use super::row::Row;
use crate::runtime::{Epoch, FIRST_LIVE_EPOCH};
use crate::status::Status;

/// A change that the sink commits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Update {
    /// A row of the view of that number.
    Row(u8, Row),
    /// A partition has been read up to this offset.
    Binding(u32, i64),
    /// A file of this trace counts.
    Trace(String),
}

/// A row of the view of that number, and its multiplicity.
pub type Delta = ((u8, Row), isize);

/// What one transaction commits.
#[derive(Debug)]
pub struct Batch {
    /// The last epoch in it.
    pub epoch: Epoch,
    /// The deltas, in order of view and row; consolidated.
    pub rows: Vec<Delta>,
    /// How far the log had been read.
    pub bindings: Bindings,
    /// Whether the rows are the whole state of all views, to be compared with what is stored.
    pub whole: bool,
    /// The traces of files that count with it, of many the newest.
    pub traces: VecDeque<String>,
}

/// The collecting side's ends of its channels with the writer.
pub struct ToWriter {
    /// Batches to commit.
    pub batches: Sender<Batch>,
    /// Epochs that were committed.
    pub committed: Receiver<Epoch>,
    /// Where the writer finds how to wake the operator.
    pub activator: Sender<SyncActivator>,
    /// Where it is told how far the log was read.
    pub status: Arc<Status>,
}

/// Bindings that alone have moved are committed this often.
const BINDINGS_EVERY: Duration = Duration::from_secs(1);

/// Traces that are told of with one commit.
const MOST_TRACES: usize = 64;

/// See the module. `writer` is there on worker 0 alone.
pub fn collect<'scope>(
    updates: StreamVec<'scope, Epoch, (Update, Epoch, isize)>,
    writer: Option<ToWriter>,
) -> StreamVec<'scope, Epoch, ()> {
    let worker = updates.scope().worker();
    let activator = |path: Vec<usize>| worker.sync_activator_for(path);
    updates.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
        Exchange::new(|_: &(Update, Epoch, isize)| 0),
        "Collect",
        move |capability, info| {
            let mut held = Some(capability);
            if let Some(writer) = &writer {
                // A writer that is gone has told why; the worker stops by itself.
                let _ = writer.activator.send(activator(info.address.to_vec()));
            }
            let mut collected = Collected::default();
            move |(input, frontier), _output| {
                input.for_each(|_, data| collected.ahead.append(data));
                let upper = frontier.frontier().first().copied();
                let Some(writer) = &writer else {
                    held = None;
                    return;
                };
                while let Ok(epoch) = writer.committed.try_recv() {
                    collected.in_flight = false;
                    collected.committed = epoch + 1;
                }
                collected.advance(upper.unwrap_or(Epoch::MAX), &writer.status);
                collected.hand_over(writer);
                match (upper, &mut held) {
                    (Some(upper), Some(held)) => {
                        let reached = collected.reached(upper);
                        if held.time() < &reached {
                            held.downgrade(&reached);
                        }
                    }
                    _ => held = None,
                }
            }
        },
    )
}

#[derive(Default)]
struct Collected {
    /// Of epochs that the frontier has not passed.
    ahead: Vec<(Update, Epoch, isize)>,
    /// Of epochs before `upper`, not yet handed over.
    ready: Vec<Delta>,
    /// How many of `ready` were left when it was last consolidated.
    consolidated: usize,
    bindings: Bindings,
    bindings_moved: bool,
    traces: VecDeque<String>,
    last_batch: Option<Instant>,
    upper: Epoch,
    /// Everything below is committed.
    committed: Epoch,
    in_flight: bool,
    whole_sent: bool,
}

impl Collected {
    fn advance(&mut self, upper: Epoch, status: &Status) {
        if upper == self.upper {
            return;
        }
        self.upper = upper;
        for (update, _, diff) in self.ahead.extract_if(.., |(_, epoch, _)| *epoch < upper) {
            match update {
                Update::Row(view, row) => self.ready.push(((view, row), diff)),
                Update::Binding(partition, offset) => {
                    let known = self.bindings.entry(partition).or_insert(offset);
                    *known = offset.max(*known);
                    status.set_next(partition, *known);
                    self.bindings_moved = true;
                }
                Update::Trace(header) => {
                    if self.traces.len() == MOST_TRACES {
                        self.traces.pop_front();
                    }
                    self.traces.push_back(header);
                }
            }
        }
        if self.ready.len() > 2 * self.consolidated + 10_000 {
            consolidate(&mut self.ready);
            self.consolidated = self.ready.len();
        }
    }

    fn hand_over(&mut self, writer: &ToWriter) {
        if self.in_flight || self.upper < FIRST_LIVE_EPOCH || self.upper == Epoch::MAX {
            return;
        }
        consolidate(&mut self.ready);
        let bindings_due = self.bindings_moved && self.last_batch.is_none_or(|last| last.elapsed() >= BINDINGS_EVERY);
        if self.ready.is_empty() && !bindings_due && self.whole_sent {
            self.committed = self.upper;
            return;
        }
        let batch = Batch {
            epoch: self.upper - 1,
            rows: std::mem::take(&mut self.ready),
            bindings: self.bindings.clone(),
            whole: !self.whole_sent,
            traces: std::mem::take(&mut self.traces),
        };
        self.consolidated = 0;
        self.bindings_moved = false;
        self.whole_sent = true;
        self.last_batch = Some(Instant::now());
        self.in_flight = writer.batches.send(batch).is_ok();
    }

    fn reached(&self, upper: Epoch) -> Epoch {
        if upper < FIRST_LIVE_EPOCH { upper } else { self.committed.min(upper) }
    }
}

//! What operators do, as the engine logs it: how long each works, and how many updates arrangements hold.
//!
//! The engine gives its events to the worker's own thread in small batches. Operators are summed up by their names, which are those
//! of the definitions of the views; a scope's own time is left out, since it is that of the operators in it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

use crate::meters;

/// How often the metrics are told.
const EVERY: Duration = Duration::from_secs(1);

/// An operator that works for so long without a pause holds up all others; the log tells of it.
const SLOW: Duration = Duration::from_secs(2);

/// Measures the operators of dataflows that are built from now on.
pub(super) fn measure(worker: &Worker) {
    let Some(mut register) = worker.log_register() else { return };
    let operators = Rc::new(RefCell::new(Operators::new(worker.index())));
    let of_timely = Rc::clone(&operators);
    register.insert::<TimelyEventBuilder, _>("timely", move |_, events: &mut Option<Vec<(Duration, TimelyEvent)>>| {
        let mut operators = of_timely.borrow_mut();
        for (at, event) in events.iter_mut().flat_map(|events| events.drain(..)) {
            operators.take(at, event);
        }
        operators.tell();
    });
    register.insert::<DifferentialEventBuilder, _>(
        "differential/arrange",
        move |_, events: &mut Option<Vec<(Duration, DifferentialEvent)>>| {
            let mut operators = operators.borrow_mut();
            for (_, event) in events.iter_mut().flat_map(|events| events.drain(..)) {
                operators.take_arranged(&event);
            }
        },
    );
}

/// The operators of a worker, by the number that the engine gave them.
struct Operators {
    worker: usize,
    names: HashMap<usize, Named>,
    /// Where scopes stand.
    scopes: HashSet<Vec<usize>>,
    work: Vec<Work>,
    told: Instant,
}

struct Named {
    name: String,
    address: Vec<usize>,
    busy: metrics::Gauge,
    arranged: Option<metrics::Gauge>,
}

/// What is not told yet.
#[derive(Clone, Copy, Default)]
struct Work {
    started: Option<Duration>,
    busy: Duration,
    records: i64,
}

impl Operators {
    fn new(worker: usize) -> Operators {
        Operators { worker, names: HashMap::new(), scopes: HashSet::new(), work: Vec::new(), told: Instant::now() }
    }

    fn work(&mut self, id: usize) -> &mut Work {
        if self.work.len() <= id {
            self.work.resize(id + 1, Work::default());
        }
        &mut self.work[id]
    }

    fn take(&mut self, at: Duration, event: TimelyEvent) {
        match event {
            TimelyEvent::Schedule(event) => {
                let work = self.work(event.id);
                match event.start_stop {
                    StartStop::Start => work.started = Some(at),
                    StartStop::Stop => {
                        let took = work.started.take().map_or(Duration::ZERO, |started| at.saturating_sub(started));
                        work.busy += took;
                        if took >= SLOW {
                            self.tell_slow(event.id, took);
                        }
                    }
                }
            }
            TimelyEvent::Operates(event) => {
                let scope = event.addr[..event.addr.len().saturating_sub(1)].to_vec();
                self.scopes.insert(scope);
                let busy = meters::busy(&event.name, self.worker);
                self.names.insert(event.id, Named { name: event.name, address: event.addr, busy, arranged: None });
            }
            _ => {}
        }
    }

    fn take_arranged(&mut self, event: &DifferentialEvent) {
        let (operator, change) = match event {
            DifferentialEvent::Batch(batch) => (batch.operator, batch.length as i64),
            DifferentialEvent::Drop(batch) => (batch.operator, -(batch.length as i64)),
            DifferentialEvent::Merge(merge) => match merge.complete {
                Some(length) => (merge.operator, length as i64 - (merge.length1 + merge.length2) as i64),
                None => return,
            },
            _ => return,
        };
        self.work(operator).records += change;
    }

    fn tell_slow(&self, id: usize, took: Duration) {
        let Some(Named { name, address, .. }) = self.names.get(&id) else { return };
        if !self.scopes.contains(address) {
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                operator = name,
                worker = self.worker,
                duration_ms,
                "an operator worked long without a pause"
            );
        }
    }

    fn tell(&mut self) {
        if self.told.elapsed() < EVERY {
            return;
        }
        self.told = Instant::now();
        for (id, work) in self.work.iter_mut().enumerate() {
            let Some(named) = self.names.get_mut(&id) else { continue };
            if !work.busy.is_zero() && !self.scopes.contains(&named.address) {
                named.busy.increment(work.busy.as_secs_f64());
            }
            work.busy = Duration::ZERO;
            if work.records != 0 {
                let name = &named.name;
                let arranged = named.arranged.get_or_insert_with(|| meters::arranged(name, self.worker));
                arranged.increment(work.records as f64);
                work.records = 0;
            }
        }
    }
}

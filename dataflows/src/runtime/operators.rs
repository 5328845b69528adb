//! What operators do, as the engine logs it: how long each works. How much each holds is told by the operators themselves, since
//! none of them keeps the engine's own arrangements.
//!
//! The engine gives its events to the worker's own thread in small batches. Operators are summed up by their names, which are those
//! of the definitions of the views; a scope's own time is left out, since it is that of the operators in it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

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
    let mut operators = Operators::new(worker.index());
    register.insert::<TimelyEventBuilder, _>("timely", move |_, events: &mut Option<Vec<(Duration, TimelyEvent)>>| {
        for (at, event) in events.iter_mut().flat_map(|events| events.drain(..)) {
            operators.take(at, event);
        }
        operators.tell();
    });
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
}

/// What is not told yet.
#[derive(Clone, Copy, Default)]
struct Work {
    started: Option<Duration>,
    busy: Duration,
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
                self.names.insert(event.id, Named { name: event.name, address: event.addr, busy });
            }
            _ => {}
        }
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
            let Some(named) = self.names.get(&id) else { continue };
            if !work.busy.is_zero() && !self.scopes.contains(&named.address) {
                named.busy.increment(work.busy.as_secs_f64());
            }
            work.busy = Duration::ZERO;
        }
    }
}

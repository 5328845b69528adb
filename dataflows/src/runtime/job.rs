//! A worker: reads its partitions, feeds the dataflow, closes epochs, and takes turns with the dataflow.
//!
//! ```text
//!  partitions ─▶ read ─▶ feed ─▶ close epoch ─▶ step ─▶ settle ─┐
//!                 ▲                                              │
//!                 └────────── while few rows are in flight ◀─────┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use timely::dataflow::operators::probe::Handle as Probe;
use timely::worker::Worker;

use super::ticker::Ticker;
use super::{DataflowError, Epoch, Shared, build, operators};
use crate::calendar::Calendar;
use crate::ingest::feed::{Feed, Inputs};
use crate::ingest::reader::{Polled, ReadError, Reader};
use crate::meters::WorkerMeter;
use crate::sink::collect::Update;

/// A worker's part of the dataflow.
pub(super) struct Job {
    shared: Arc<Shared>,
    reader: Reader,
    feed: Feed,
    inputs: Inputs,
    probe: Probe<Epoch>,
    calendar: Calendar,
    today: Option<i32>,
    ticker: Ticker,
    /// What was fed since the epoch began.
    fed: Amount,
    /// Closed epochs that are not committed, what was fed in each, and when it was closed.
    epochs_in_flight: VecDeque<(Epoch, Amount, Instant)>,
    in_flight: Amount,
    closed: Instant,
    hydrating: bool,
    meter: WorkerMeter,
}

/// How much of the log.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    rows: usize,
    bytes: usize,
}

/// An epoch of so many rows is closed even when the one before it is not done.
const EPOCH_ROWS: usize = 100_000;
/// Records that are read before the dataflow is given a turn.
const READ_AT_ONCE: usize = 2_048;
/// An epoch without rows ends after so long, unless rows of another worker wait for that.
const IDLE_TICK: Duration = Duration::from_millis(100);
/// Epochs under way at once.
const EPOCHS_IN_FLIGHT: usize = 2;

impl Job {
    /// Builds the worker's part.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn new(worker: &mut Worker, shared: &Arc<Shared>) -> Result<Job, DataflowError> {
        let reader =
            Reader::new(&shared.kafka, &shared.ends, worker.index(), worker.peers()).map_err(ReadError::from)?;
        let to_writer = match worker.index() {
            0 => shared.to_writer.lock().expect("no worker panics with the lock").take(),
            _ => None,
        };
        if shared.settings.operator_metrics {
            operators::measure(worker);
        }
        let mut inputs = Inputs::new();
        let probe = build(worker, &mut inputs, &shared.settings, to_writer);
        inputs.advance_to(1);
        Ok(Job {
            shared: Arc::clone(shared),
            reader,
            feed: Feed::new(shared.settings.mass_sources.clone()),
            inputs,
            probe,
            calendar: Calendar::new(shared.settings.reporting_tz.clone()),
            today: None,
            ticker: Ticker::new(),
            fed: Amount::default(),
            epochs_in_flight: VecDeque::new(),
            in_flight: Amount::default(),
            closed: Instant::now(),
            hydrating: true,
            meter: WorkerMeter::new(worker.index()),
        })
    }

    /// Runs until all workers are to stop.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub(super) fn run(mut self, worker: &mut Worker) -> Result<(), DataflowError> {
        // Workers of other processes cannot tell that their rows wait for this one.
        let alone = self.shared.settings.cluster.hosts.is_empty();
        let idle_tick = if alone { IDLE_TICK } else { self.shared.settings.epoch };
        let tells_time = worker.index() == 0;
        while !self.shared.stopped() {
            let read = self.read()?;
            if tells_time {
                self.tell_today();
                self.tell_tick();
            }
            if self.epoch_is_due(idle_tick) {
                self.close_epoch();
            }
            if read == 0 && self.has_work() {
                worker.step_or_park(Some(Duration::from_micros(500)));
            } else {
                worker.step();
            }
            self.settle();
        }
        Ok(())
    }

    /// Reads and feeds records; returns how many.
    fn read(&mut self) -> Result<usize, DataflowError> {
        let mut read = 0;
        while read < READ_AT_ONCE && self.has_room() {
            let idle = read == 0 && self.fed.rows == 0 && !self.has_work();
            let wait = if idle { Duration::from_millis(1) } else { Duration::ZERO };
            match self.reader.poll(wait) {
                Polled::Record(record) => {
                    read += 1;
                    self.fed.bytes += record.bytes();
                    self.fed.rows += self.feed.take(&record, &mut self.inputs).max(1);
                }
                Polled::Other => {}
                Polled::Shortened => return Err(ReadError::Shortened.into()),
                Polled::Nothing => break,
            }
        }
        if read > 0 {
            self.shared.rows_came();
        }
        Ok(read)
    }

    /// Whether rows that this worker or another one of this process has closed are not committed: then the dataflow is not to wait for
    /// the log, as what one worker hands on is for all of them to do.
    fn has_work(&self) -> bool {
        !self.epochs_in_flight.is_empty() || self.probe.less_than(&self.shared.closed())
    }

    /// Whether more may be read: else the dataflow or the database is behind, and the log waits for them.
    fn has_room(&self) -> bool {
        let settings = &self.shared.settings;
        self.in_flight.rows + self.fed.rows < settings.max_rows_in_flight
            && self.in_flight.bytes + self.fed.bytes < settings.max_bytes_in_flight
    }

    fn tell_today(&mut self) {
        let today = self.calendar.today();
        if self.today == Some(today) {
            return;
        }
        let epoch = self.inputs.epoch();
        if let Some(before) = self.today.replace(today) {
            self.inputs.today.send((before, epoch, -1));
        }
        self.inputs.today.send((today, epoch, 1));
        self.fed.rows += 1;
    }

    fn tell_tick(&mut self) {
        if self.hydrating && !self.ticker.is_first() {
            return;
        }
        let epoch = self.inputs.epoch();
        if let Some(turns) = self.ticker.turns(epoch, self.shared.quiet()) {
            turns.for_each(|turn| self.inputs.turn(turn));
        } else if self.ticker.is_due(self.shared.quiet()) {
            self.inputs.tick(self.ticker.tick(epoch));
        } else {
            return;
        }
        self.fed.rows += 1;
    }

    fn epoch_is_due(&mut self, idle_tick: Duration) -> bool {
        if self.hydrating {
            return self.fed.rows >= EPOCH_ROWS || (self.fed.rows > 0 && !self.has_room()) || self.reader.reached();
        }
        let age = self.closed.elapsed();
        if self.fed.rows == 0 {
            // Rows of another worker wait until this one is past their epoch.
            return age >= idle_tick || self.inputs.epoch() < self.shared.closed();
        }
        let room = self.epochs_in_flight.len() < EPOCHS_IN_FLIGHT;
        (room && age >= self.shared.settings.epoch)
            || (self.fed.rows >= EPOCH_ROWS && self.epochs_in_flight.len() < 2 * EPOCHS_IN_FLIGHT)
    }

    fn close_epoch(&mut self) {
        let epoch = self.inputs.epoch();
        let mut fed = self.fed;
        for (partition, next) in self.reader.moved() {
            self.inputs.bindings.send((Update::Binding(partition, next), epoch, 1));
            fed.rows = fed.rows.max(1);
        }
        let traces = self.feed.take_traces();
        // What stood on the log before has been told.
        for header in traces.into_iter().filter(|_| !self.hydrating) {
            self.inputs.bindings.send((Update::Trace(header), epoch, 1));
        }
        self.hydrating &= !self.reader.reached();
        let next = if self.hydrating { epoch + 1 } else { now().max(self.shared.first_epoch).max(epoch + 1) };
        self.inputs.advance_to(next);
        if fed.rows > 0 {
            self.shared.rows_closed(next);
            self.meter.fed(fed.rows, fed.bytes);
            self.epochs_in_flight.push_back((epoch, fed, Instant::now()));
            self.in_flight.rows += fed.rows;
            self.in_flight.bytes += fed.bytes;
            self.tell_in_flight();
        }
        self.fed = Amount::default();
        self.closed = Instant::now();
    }

    /// Forgets the epochs that are committed.
    fn settle(&mut self) {
        while let Some(&(epoch, amount, closed)) = self.epochs_in_flight.front() {
            if self.probe.less_equal(&epoch) {
                break;
            }
            self.epochs_in_flight.pop_front();
            self.ticker.committed(epoch, closed.elapsed());
            self.meter.committed(closed);
            self.in_flight.rows -= amount.rows;
            self.in_flight.bytes -= amount.bytes;
            self.tell_in_flight();
        }
        let oldest = self.epochs_in_flight.front().map(|(_, _, closed)| *closed);
        self.meter.turn(oldest, || self.feed.pending_rows());
    }

    fn tell_in_flight(&self) {
        self.meter.in_flight(self.in_flight.rows, self.in_flight.bytes);
    }
}

fn now() -> Epoch {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Epoch)
}

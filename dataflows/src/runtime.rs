//! Workers, epochs, start and stop.
//!
//! ```text
//!              ┌──────────────── a worker ────────────────┐
//!  partitions ─▶ read ─▶ feed ─▶ close epoch ─▶ step ──┐   │──▶ sink (worker 0) ──▶ writer thread
//!              │   ▲                                   │   │
//!              │   └──── while few rows are in flight ◀┘   │
//!              └───────────────────────────────────────────┘
//! ```
//!
//! Invariants
//! 1. An epoch is closed when the one before it has little left to do: under load epochs stretch, and throughput grows
//!    with the batch.
//! 2. A worker reads on only while less than a bound of rows is fed and not yet committed.
//! 3. Epochs are small numbers while the log is read up to where it ended at the start, and milliseconds since the Unix
//!    epoch from then on, greater than any that was committed before.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use differential_dataflow::{AsCollection, VecCollection};
use fandom_services::kafka::KafkaSettings;
use fandom_services::postgres::{PostgresSettings, is_transient};
use fandom_services::retry::Backoff;
use timely::dataflow::Scope;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::probe::{Handle as Probe, Probe as _};
use timely::worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::calendar::Calendar;
use crate::facts::dedup::dedup;
use crate::ingest::feed::{Feed, Inputs};
use crate::ingest::reader::{self, Ends, Polled, ReadError, Reader};
use crate::settings::DataflowSettings;
use crate::sink::changelog::{Changelog, ChangelogError};
use crate::sink::collect::{ToWriter, Update, collect};
use crate::sink::writer::{SinkError, ToCollect, Writer};
use crate::status::Status;
use crate::views::{self, Sources, TABLES};

/// The time of an update; see the module.
pub type Epoch = u64;

/// The first epoch that may be a wall clock's: all below are of hydration.
pub const FIRST_LIVE_EPOCH: Epoch = 1_000_000_000_000;

/// The last epoch of hydration: by then the log has been read up to where it ended at the start.
pub const HYDRATED: Epoch = FIRST_LIVE_EPOCH - 1;

/// Why the dataflow ended.
#[derive(Debug, thiserror::Error)]
pub enum DataflowError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The views cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Their changelogs cannot be written.
    #[error(transparent)]
    Changelog(#[from] ChangelogError),
    /// A worker panicked.
    #[error("worker {worker} panicked: {message}")]
    Panicked {
        /// Which worker.
        worker: usize,
        /// What it said.
        message: String,
    },
    /// A thread or runtime could not be started.
    #[error("the dataflow could not be started: {0}")]
    Start(String),
}

/// Runs the dataflow until `stop`, or until it cannot go on. Blocks; call it from a thread of its own.
///
/// # Errors
/// Why it cannot go on. A lost broker or database is waited for, and no reason to end.
pub fn run(
    settings: DataflowSettings,
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    stop: CancellationToken,
) -> Result<(), DataflowError> {
    let status = Arc::new(Status::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| DataflowError::Start(error.to_string()))?;
    let Some(mut writer) = wait_for_writer(&runtime, &postgres, &status, &stop)? else { return Ok(()) };
    let Some(ends) = wait_for_ends(&kafka, &stop)? else { return Ok(()) };
    reader::check_bindings(&ends, &writer.progress().bindings)?;
    status.set_due(ends.values().sum());
    ends.iter().for_each(|(partition, end)| status.set_end(*partition, *end));
    tracing::info!(
        workers = settings.workers,
        partitions = ends.len(),
        epoch = writer.progress().epoch,
        generation = writer.progress().generation,
        "dataflow is reading the log"
    );

    let give_up = Arc::new(AtomicBool::new(false));
    let changelog = settings.view_topics.then(|| {
        let (changelog, to_changelog) = Changelog::new(kafka.clone(), postgres, &TABLES, Arc::clone(&give_up));
        let stored = writer.progress().views.clone();
        let lacking = changelog.lacks_rows(|view| stored.get(view).map_or(0, |stored| stored.rows))?;
        writer.tell(to_changelog, lacking);
        Ok::<_, ChangelogError>(changelog)
    });
    let changelog = changelog.transpose()?;

    let (batches, to_commit) = channel();
    let (tell_committed, committed) = channel();
    let (tell_activator, activator) = channel();
    let first_epoch = writer.progress().epoch + 1;
    let failure: Arc<Mutex<Option<DataflowError>>> = Arc::default();
    let failed = Arc::new(AtomicBool::new(false));
    let shared = Arc::new(Shared {
        settings,
        kafka: kafka.clone(),
        ends,
        first_epoch,
        to_writer: Mutex::new(Some(ToWriter { batches, committed, activator: tell_activator })),
        status: Arc::clone(&status),
        stop: stop.clone(),
        failed: Arc::clone(&failed),
        failure: Arc::clone(&failure),
    });

    let writing = {
        let (failure, failed) = (Arc::clone(&failure), Arc::clone(&failed));
        let channels = ToCollect { batches: to_commit, committed: tell_committed, activator };
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || {
                if let Err(error) = handle.block_on(writer.run(channels)) {
                    fail(&failure, &failed, error.into());
                }
            })
            .map_err(|error| DataflowError::Start(error.to_string()))?
    };
    let telling = changelog.map(|changelog| {
        let (failure, failed) = (Arc::clone(&failure), Arc::clone(&failed));
        let handle = runtime.handle().clone();
        let tell = move || {
            if let Err(error) = changelog.run(&handle) {
                fail(&failure, &failed, error.into());
            }
        };
        std::thread::Builder::new().name("changelog".to_owned()).spawn(tell)
    });
    let telling = telling.transpose().map_err(|error| DataflowError::Start(error.to_string()))?;
    let watching = watch_ends(kafka, Arc::clone(&shared))?;
    let workers = start_workers(Arc::clone(&shared))?;
    drop(workers.join());
    drop(shared.to_writer.lock().expect("no worker panics with the lock").take());
    failed.store(true, Ordering::SeqCst);
    let _ = writing.join();
    let _ = watching.join();
    if let Some(telling) = telling {
        // What is committed is told, if Kafka takes it soon; if not, the next start does it.
        let until = Instant::now() + LAST_WORDS;
        while !telling.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        give_up.store(true, Ordering::SeqCst);
        let _ = telling.join();
    }
    match failure.lock().expect("no worker panics with the lock").take() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// How long the changelogs are waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What all workers share.
struct Shared {
    settings: DataflowSettings,
    kafka: KafkaSettings,
    ends: Ends,
    first_epoch: Epoch,
    to_writer: Mutex<Option<ToWriter>>,
    status: Arc<Status>,
    stop: CancellationToken,
    failed: Arc<AtomicBool>,
    failure: Arc<Mutex<Option<DataflowError>>>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.is_cancelled() || self.failed.load(Ordering::Relaxed)
    }
}

/// Keeps the first failure, and ends all workers.
fn fail(failure: &Mutex<Option<DataflowError>>, failed: &AtomicBool, error: DataflowError) {
    failure.lock().expect("no worker panics with the lock").get_or_insert(error);
    failed.store(true, Ordering::SeqCst);
}

fn wait_for_writer(
    runtime: &tokio::runtime::Runtime,
    postgres: &PostgresSettings,
    status: &Arc<Status>,
    stop: &CancellationToken,
) -> Result<Option<Writer>, DataflowError> {
    let mut backoff = Backoff::default();
    let mut told = false;
    while !stop.is_cancelled() {
        match runtime.block_on(Writer::claim(postgres.clone(), &TABLES, Arc::clone(status))) {
            Ok(writer) => return Ok(Some(writer)),
            Err(SinkError::Postgres(error)) if is_transient(&error) => {
                if !std::mem::replace(&mut told, true) {
                    let error = fandom_services::postgres::cause(&error);
                    tracing::warn!(error, "database could not be reached; waiting for it");
                }
                std::thread::sleep(backoff.next_wait());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn wait_for_ends(kafka: &KafkaSettings, stop: &CancellationToken) -> Result<Option<Ends>, DataflowError> {
    let mut backoff = Backoff::default();
    let mut told = false;
    while !stop.is_cancelled() {
        match reader::ends(kafka) {
            Ok(ends) => return Ok(Some(ends)),
            Err(ReadError::Kafka(error)) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "broker could not be reached; waiting for it");
                }
                std::thread::sleep(backoff.next_wait());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// How often the log's ends are looked up, to tell how far behind the views are.
const LOOK_AT_ENDS: Duration = Duration::from_secs(2);

fn watch_ends(kafka: KafkaSettings, shared: Arc<Shared>) -> Result<std::thread::JoinHandle<()>, DataflowError> {
    let watch = move || {
        let mut looked = Instant::now();
        while !shared.stopped() {
            std::thread::sleep(Duration::from_millis(100));
            if looked.elapsed() < LOOK_AT_ENDS {
                continue;
            }
            looked = Instant::now();
            let Ok(ends) = reader::ends(&kafka) else { continue };
            ends.iter().for_each(|(partition, end)| shared.status.set_end(*partition, *end));
            if ends.len() != shared.ends.len() {
                let error = DataflowError::Start(format!(
                    "fandom.rows has {} partitions now, {} at the start; start again to read them all",
                    ends.len(),
                    shared.ends.len()
                ));
                fail(&shared.failure, &shared.failed, error);
            }
        }
    };
    std::thread::Builder::new()
        .name("log-ends".to_owned())
        .spawn(watch)
        .map_err(|error| DataflowError::Start(error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "this module runs the engine for all others")]
fn start_workers(shared: Arc<Shared>) -> Result<timely::communication::WorkerGuards<()>, DataflowError> {
    let workers = shared.settings.workers;
    let config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    timely::execute(config, move |worker| {
        let index = worker.index();
        let ran = catch_unwind(AssertUnwindSafe(|| Job::new(worker, &shared).and_then(|job| job.run(worker))));
        match ran {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(&shared.failure, &shared.failed, error),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                fail(&shared.failure, &shared.failed, DataflowError::Panicked { worker: index, message });
            }
        }
        // A dataflow whose peers may be gone is not run to its end.
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    })
    .map_err(DataflowError::Start)
}

/// A worker's part of the dataflow.
struct Job {
    shared: Arc<Shared>,
    reader: Reader,
    feed: Feed,
    inputs: Inputs,
    probe: Probe<Epoch>,
    calendar: Calendar,
    today: Option<i32>,
    /// Rows fed since the epoch began.
    fed: usize,
    /// Closed epochs that are not committed, and their rows.
    in_flight: VecDeque<(Epoch, usize)>,
    rows_in_flight: usize,
    closed: Instant,
    hydrating: bool,
}

/// An epoch of so many rows is closed even when the one before it is not done.
const EPOCH_ROWS: usize = 100_000;
/// Records that are read before the dataflow is given a turn.
const READ_AT_ONCE: usize = 2_048;
/// Epochs under way at once.
const EPOCHS_IN_FLIGHT: usize = 2;

impl Job {
    fn new(worker: &mut Worker, shared: &Arc<Shared>) -> Result<Job, DataflowError> {
        let reader =
            Reader::new(&shared.kafka, &shared.ends, worker.index(), worker.peers()).map_err(ReadError::from)?;
        let to_writer = match worker.index() {
            0 => shared.to_writer.lock().expect("no worker panics with the lock").take(),
            _ => None,
        };
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
            fed: 0,
            in_flight: VecDeque::new(),
            rows_in_flight: 0,
            closed: Instant::now(),
            hydrating: true,
        })
    }

    fn run(mut self, worker: &mut Worker) -> Result<(), DataflowError> {
        let idle_tick = if worker.peers() == 1 { Duration::from_millis(100) } else { self.shared.settings.epoch };
        let tells_today = worker.index() == 0;
        while !self.shared.stopped() {
            let read = self.read();
            if tells_today {
                self.tell_today();
            }
            if self.epoch_is_due(idle_tick) {
                self.close_epoch();
            }
            if read == 0 && !self.in_flight.is_empty() {
                worker.step_or_park(Some(Duration::from_micros(500)));
            } else {
                worker.step();
            }
            self.settle();
        }
        Ok(())
    }

    /// Reads and feeds records; returns how many.
    fn read(&mut self) -> usize {
        let mut read = 0;
        while read < READ_AT_ONCE && self.rows_in_flight + self.fed < self.shared.settings.max_rows_in_flight {
            let idle = read == 0 && self.fed == 0 && self.in_flight.is_empty();
            let wait = if idle { Duration::from_millis(1) } else { Duration::ZERO };
            match self.reader.poll(wait) {
                Polled::Record(record) => {
                    read += 1;
                    self.fed += self.feed.take(&record, &mut self.inputs).max(1);
                }
                Polled::Other => {}
                Polled::Nothing => break,
            }
        }
        self.shared.status.add_done(read as i64);
        read
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
        self.fed += 1;
    }

    fn epoch_is_due(&mut self, idle_tick: Duration) -> bool {
        if self.hydrating {
            return self.fed >= EPOCH_ROWS || self.reader.reached();
        }
        let age = self.closed.elapsed();
        if self.fed == 0 {
            return age >= idle_tick;
        }
        let room = self.in_flight.len() < EPOCHS_IN_FLIGHT;
        (room && age >= self.shared.settings.epoch)
            || (self.fed >= EPOCH_ROWS && self.in_flight.len() < 2 * EPOCHS_IN_FLIGHT)
    }

    fn close_epoch(&mut self) {
        let epoch = self.inputs.epoch();
        let mut fed = self.fed;
        for (partition, next) in self.reader.moved() {
            self.inputs.bindings.send((Update::Binding(partition, next), epoch, 1));
            self.shared.status.set_next(partition, next);
            fed = fed.max(1);
        }
        self.hydrating &= !self.reader.reached();
        let next = if self.hydrating { epoch + 1 } else { now().max(self.shared.first_epoch).max(epoch + 1) };
        self.inputs.advance_to(next);
        if fed > 0 {
            self.in_flight.push_back((epoch, fed));
            self.rows_in_flight += fed;
        }
        self.fed = 0;
        self.closed = Instant::now();
    }

    /// Forgets the epochs that are committed.
    fn settle(&mut self) {
        while let Some(&(epoch, rows)) = self.in_flight.front() {
            if self.probe.less_equal(&epoch) {
                break;
            }
            self.in_flight.pop_front();
            self.rows_in_flight -= rows;
        }
    }
}

/// Builds the dataflow; its probe passes an epoch when its effect is committed.
fn build(
    worker: &mut Worker,
    inputs: &mut Inputs,
    settings: &DataflowSettings,
    to_writer: Option<ToWriter>,
) -> Probe<Epoch> {
    worker.dataflow_named::<Epoch, _, _>("fandom", |scope| {
        let updates = updates(scope, inputs, settings);
        collect(updates.inner, to_writer).probe().0
    })
}

/// From the inputs to the updates that the sink commits.
pub fn updates<'scope>(
    scope: Scope<'scope, Epoch>,
    inputs: &mut Inputs,
    settings: &DataflowSettings,
) -> VecCollection<'scope, Epoch, Update, isize> {
    let messages = dedup(scope.input_from(&mut inputs.messages), "messages");
    let sales = dedup(scope.input_from(&mut inputs.sales), "sales");
    let periods = dedup(scope.input_from(&mut inputs.periods), "periods");
    let reports = dedup(scope.input_from(&mut inputs.reports), "reports");
    let template_days = dedup(scope.input_from(&mut inputs.template_days), "template days");
    let names = dedup(scope.input_from(&mut inputs.names), "names");
    let duplicates = messages
        .duplicates
        .concat(sales.duplicates)
        .concat(periods.duplicates)
        .concat(reports.duplicates)
        .concat(template_days.duplicates);
    let sources = Sources {
        messages: messages.facts,
        sales: sales.facts,
        periods: periods.facts,
        reports: reports.facts,
        template_days: template_days.facts,
        duplicates,
        names: names.facts,
        sheets: scope.input_from(&mut inputs.sheets).as_collection(),
        today: scope.input_from(&mut inputs.today).as_collection(),
    };
    let mut updates = scope.input_from(&mut inputs.bindings).as_collection();
    for view in views::all(&sources, settings) {
        let number = TABLES.iter().position(|table| table.name == view.table.name);
        let number =
            number.and_then(|number| u8::try_from(number).ok()).expect("every view's table is in the registry");
        updates = updates.concat(view.rows.map(move |row| Update::Row(number, row)));
    }
    updates
}

fn now() -> Epoch {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Epoch)
}

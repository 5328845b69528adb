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
//! 2. Processes are one dataflow: partitions are spread over the workers of all of them, and the first alone writes.
//! 3. A worker reads on only while less than a bound of rows is fed and not yet committed.
//! 4. Epochs are small numbers while the log is read up to where it ended at the start, and milliseconds since the Unix
//!    epoch from then on, greater than any that was committed before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use differential_dataflow::{AsCollection, VecCollection};
use fandom_services::kafka::KafkaSettings;
use fandom_services::postgres::{PostgresSettings, is_transient};
use fandom_services::retry::Backoff;
use timely::dataflow::Scope;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::probe::{Handle as Probe, Probe as _};
use timely::worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::facts::dedup::dedup;
use crate::ingest::feed::Inputs;
use crate::ingest::reader::{self, Ends, ReadError};
use crate::meters;
use crate::settings::DataflowSettings;
use crate::sink::changelog::{Changelog, ChangelogError};
use crate::sink::collect::{ToWriter, Update, collect};
use crate::sink::progress;
use crate::sink::writer::{SinkError, ToCollect, Writer};
use crate::status::Status;
use crate::views::{self, Sources, TABLES};
use job::Job;

pub mod cluster;
mod job;
mod operators;
mod ticker;

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
    /// Another of the job's threads panicked.
    #[error("the thread {thread} panicked: {message}")]
    ThreadPanicked {
        /// Which thread.
        thread: String,
        /// What it said.
        message: String,
    },
    /// Another process of the cluster is gone.
    #[error("another process of the cluster is gone; start all of them again, and they go on from the log")]
    LostPeer,
    /// A thread or runtime could not be started.
    #[error("the dataflow could not be started: {0}")]
    Start(String),
}

impl DataflowError {
    /// Whether another dataflow has taken over the views.
    pub fn is_fenced(&self) -> bool {
        matches!(self, DataflowError::Sink(SinkError::Fenced { .. }))
    }
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
    meters::describe_all();
    let status = Arc::new(Status::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| DataflowError::Start(error.to_string()))?;
    let claim = || runtime.block_on(Writer::claim(postgres.clone(), &TABLES, Arc::clone(&status)));
    let look = || runtime.block_on(progress::look(&postgres));
    let (mut writer, progress) = if settings.cluster.writes() {
        let Some(writer) = wait_for_database(&stop, claim)? else { return Ok(()) };
        let progress = writer.progress().clone();
        (Some(writer), progress)
    } else {
        let Some(progress) = wait_for_database(&stop, look)? else { return Ok(()) };
        (None, progress)
    };
    let Some(ends) = wait_for_ends(&kafka, &stop)?.filter(|_| !stop.is_cancelled()) else { return Ok(()) };
    reader::check_bindings(&ends, &progress.bindings)?;
    ends.iter().for_each(|(partition, end)| status.set_due(*partition, *end));
    tracing::info!(
        workers = settings.workers,
        process = settings.cluster.process,
        partitions = ends.len(),
        epoch = progress.epoch,
        generation = progress.generation,
        "dataflow is reading the log"
    );

    let give_up = Arc::new(AtomicBool::new(false));
    let mut changelog = None;
    if let Some(writer) = writer.as_mut().filter(|_| settings.view_topics) {
        let (to_topics, to_changelog) = Changelog::new(kafka.clone(), postgres.clone(), &TABLES, Arc::clone(&give_up));
        let filled = progress.views.iter().filter(|(_, stored)| stored.rows > 0);
        let filled: Vec<&str> = filled.map(|(view, _)| view.as_str()).collect();
        let lacking = to_topics.lacks_any(&filled)?;
        writer.tell(to_changelog, lacking);
        changelog = Some(to_topics);
    }
    let (batches, to_commit) = channel();
    let (tell_committed, committed) = channel();
    let (tell_activator, activator) = channel();
    let failure: Arc<Mutex<Option<DataflowError>>> = Arc::default();
    let failed = Arc::new(AtomicBool::new(false));
    let to_writer = writer.is_some().then_some(ToWriter {
        batches,
        committed,
        activator: tell_activator,
        status: Arc::clone(&status),
    });
    let shared = Arc::new(Shared {
        settings,
        kafka: kafka.clone(),
        ends,
        // The first commit tells the epoch before the first live one: it too must be new.
        first_epoch: progress.epoch + 2,
        to_writer: Mutex::new(to_writer),
        status: Arc::clone(&status),
        stop: stop.clone(),
        failed: Arc::clone(&failed),
        failure: Arc::clone(&failure),
        started: Instant::now(),
        last_record: AtomicU64::new(0),
        closed: AtomicU64::new(0),
    });

    let spawn = |name: &str, work: Box<dyn FnOnce() -> Result<(), DataflowError> + Send>| {
        let (failure, failed) = (Arc::clone(&failure), Arc::clone(&failed));
        let thread = name.to_owned();
        let watched = move || match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(&failure, &failed, error),
            Err(panic) => {
                let message = text_of(&*panic);
                fail(&failure, &failed, DataflowError::ThreadPanicked { thread, message });
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(watched);
        thread.map_err(|error| DataflowError::Start(error.to_string()))
    };
    let writing = writer.map(|writer| {
        let channels = ToCollect { batches: to_commit, committed: tell_committed, activator };
        let handle = runtime.handle().clone();
        spawn("sink", Box::new(move || Ok(handle.block_on(writer.run(channels))?)))
    });
    let writing = writing.transpose()?;
    let telling = changelog.map(|changelog| {
        let handle = runtime.handle().clone();
        spawn("changelog", Box::new(move || Ok(changelog.run(&handle)?)))
    });
    let telling = telling.transpose()?;
    let watching = watch_ends(kafka, Arc::clone(&shared))?;
    let workers = start_workers(Arc::clone(&shared))?;
    // The threads of a cluster's connections panic when one breaks, and their guards with them.
    if catch_unwind(AssertUnwindSafe(|| drop(workers.join()))).is_err() {
        fail(&failure, &failed, DataflowError::LostPeer);
    }
    drop(shared.to_writer.lock().expect("no worker panics with the lock").take());
    failed.store(true, Ordering::SeqCst);
    if let Some(writing) = writing {
        let _ = writing.join();
    }
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
    started: Instant,
    /// When a worker last read a record, in milliseconds since `started`.
    last_record: AtomicU64,
    /// Up to here workers of this process have closed epochs with rows in them.
    closed: AtomicU64,
}

impl Shared {
    fn rows_came(&self) {
        self.last_record.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Notes that a worker has closed all epochs before this one, and that there were rows in the last.
    fn rows_closed(&self, epoch: Epoch) {
        self.closed.fetch_max(epoch, Ordering::Relaxed);
    }

    /// All epochs before this one are closed by a worker of this process, and the last of them had rows.
    fn closed(&self) -> Epoch {
        self.closed.load(Ordering::Relaxed)
    }

    /// For how long no worker of this process has read anything.
    fn quiet(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last_record.load(Ordering::Relaxed)))
    }

    fn stopped(&self) -> bool {
        self.stop.is_cancelled() || self.failed.load(Ordering::Relaxed)
    }
}

/// What a panic said.
fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Keeps the first failure, and ends all workers.
fn fail(failure: &Mutex<Option<DataflowError>>, failed: &AtomicBool, error: DataflowError) {
    failure.lock().expect("no worker panics with the lock").get_or_insert(error);
    failed.store(true, Ordering::SeqCst);
}

/// Asks the database, and waits for it while it is away.
fn wait_for_database<T>(
    stop: &CancellationToken,
    ask: impl Fn() -> Result<T, SinkError>,
) -> Result<Option<T>, DataflowError> {
    let mut backoff = Backoff::default();
    let mut told = false;
    while !stop.is_cancelled() {
        match ask() {
            Ok(answer) => return Ok(Some(answer)),
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
    let config = shared.settings.cluster.config(shared.settings.workers);
    timely::execute(config, move |worker| {
        let index = worker.index();
        let ran = catch_unwind(AssertUnwindSafe(|| Job::new(worker, &shared).and_then(|job| job.run(worker))));
        match ran {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(&shared.failure, &shared.failed, error),
            Err(panic) => {
                let message = text_of(&*panic);
                let error = if cluster::is_lost_peer(&message) {
                    DataflowError::LostPeer
                } else {
                    DataflowError::Panicked { worker: index, message }
                };
                fail(&shared.failure, &shared.failed, error);
            }
        }
        // A dataflow whose peers may be gone is not run to its end.
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    })
    .map_err(DataflowError::Start)
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
        ticks: scope.input_from(&mut inputs.ticks).as_collection(),
        turns: scope.input_from(&mut inputs.turns).as_collection(),
    };
    let bindings = scope.input_from(&mut inputs.bindings).as_collection();
    bindings.concatenate(views::all(&sources, settings).into_iter().map(|view| {
        let number = TABLES.iter().position(|table| table.name == view.table.name);
        let number =
            number.and_then(|number| u8::try_from(number).ok()).expect("every view's table is in the registry");
        view.rows.map(move |row| Update::Row(number, row))
    }))
}

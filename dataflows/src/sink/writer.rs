//! The thread that commits batches.
//!
//! ```text
//!  batch ──▶ begin ─▶ fence ─▶ tables of names ─▶ names beside ids ─▶ other tables ─▶ progress, notify ─▶ commit
//!    ▲                                                                                                     │
//!    └──── again, on a new connection, when the connection was lost and the epoch is not in the database ◀─┘
//! ```
//!
//! Invariants
//! 1. A batch is committed once: after a lost connection, the epoch in the database tells whether it was.
//! 2. A writer that another one has followed commits nothing more.
//! 3. Rows, bindings, counts and checksums change in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use fandom_services::failpoints;
use fandom_services::postgres::{PostgresSettings, cause, is_transient};
use fandom_services::retry::Backoff;
use fandom_services::tasks::Task;
use futures_util::future::{try_join, try_join_all};
use timely::scheduling::SyncActivator;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, Statement, Transaction};
use tracing::{Instrument, Span};

use super::changelog::{Committed, ToChangelog};
use super::collect::{Batch, Delta};
use super::heartbeat::Heartbeat;
use super::hydrate;
use super::progress::{self, Progress, Stored};
use super::spans;
use super::statements::relabel;
use super::table::{Label, Table};
use super::table_writer::{KeyChanges, TableWriter, borrowed};
use crate::meters::{self, SinkMeter};
use crate::runtime::Epoch;
use crate::status::Status;

/// Why the views cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database did not answer as it should.
    #[error("the database refused a statement of the views")]
    Postgres(#[from] tokio_postgres::Error),
    /// Another writer has taken over.
    #[error("another dataflow has taken over these views (generation {theirs}, ours is {ours}); stop one of the two")]
    Fenced {
        /// The generation of this writer.
        ours: i64,
        /// The generation in the database.
        theirs: i64,
    },
    /// The views were written by a newer program.
    #[error("the views were written by a newer program (layout {layout}, this one knows {known}); start that one")]
    TooNew {
        /// The layout in the database.
        layout: i32,
        /// The newest layout that this program knows.
        known: i32,
    },
    /// A table is not what a view needs.
    #[error("views.{table}.{column} is {found}, but must be {wanted}; run `fandom migrate`")]
    TableMismatch {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The type that is needed.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A view has two rows of one key.
    #[error("the view {view} has {count} rows of one key, which is a defect of its definition")]
    Multiplicity {
        /// The view.
        view: &'static str,
        /// How many rows.
        count: isize,
    },
}

/// The kind of the dataflow's task in `app.tasks`.
pub const TASKS: &str = "dataflow";

/// A commit that takes so long is told of, but not each of many.
const SLOW: Duration = Duration::from_secs(1);
const TELL_SLOW_EVERY: Duration = Duration::from_secs(60);

/// Writes the views. See the module.
pub struct Writer {
    postgres: PostgresSettings,
    session: Session,
    progress: Progress,
    status: Arc<Status>,
    tables: Vec<TableWriter>,
    changelog: Option<ToChangelog>,
    /// Whether the changelogs must be compared with the whole state.
    changelog_is_behind: bool,
    meter: SinkMeter,
    task: Task,
    began: Instant,
}

/// A connection, and the statements of every commit.
struct Session {
    client: Client,
    fence: Statement,
    moved: Statement,
    told: Statement,
}

impl Session {
    async fn prepare(client: Client) -> Result<Session, tokio_postgres::Error> {
        let fence = client.prepare("select generation from views.progress for update").await?;
        let moved = "update views.progress set epoch = $1, committed_at = clock_timestamp(), bindings = $2, views = $3";
        let moved = client.prepare(moved).await?;
        let told = client.prepare("select pg_notify('fandom_epoch', $1)").await?;
        Ok(Session { client, fence, moved, told })
    }
}

/// The writer's ends of its channels.
pub struct ToCollect {
    /// Batches to commit.
    pub batches: Receiver<Batch>,
    /// Where to tell the epochs that were committed.
    pub committed: Sender<Epoch>,
    /// Where the operator that collects leaves how to wake it.
    pub activator: Receiver<SyncActivator>,
}

impl Writer {
    /// Takes the right to write, and checks the tables.
    ///
    /// # Errors
    /// When the database cannot be reached, or does not fit.
    pub async fn claim(
        postgres: PostgresSettings,
        tables: &[&'static Table],
        status: Arc<Status>,
    ) -> Result<Writer, SinkError> {
        let client = connect(&postgres).await?;
        progress::check_tables(&client, tables).await?;
        let progress = progress::claim(&client).await?;
        let task = Task::new(TASKS, "dataflow");
        task.hold();
        let meter = SinkMeter::new(tables, progress.generation, progress.epoch);
        let session = Session::prepare(client).await?;
        let tables = tables.iter().map(|table| TableWriter::new(table)).collect();
        Ok(Writer {
            postgres,
            session,
            progress,
            status,
            tables,
            changelog: None,
            changelog_is_behind: false,
            meter,
            task,
            began: Instant::now(),
        })
    }

    /// Hands what is committed to the changelogs of the views; `lacking` says that a topic is empty though its view is not.
    pub fn tell(&mut self, changelog: ToChangelog, lacking: bool) {
        self.changelog = Some(changelog);
        self.changelog_is_behind = lacking || self.progress.published != self.progress.epoch;
    }

    /// Where the views stood when the right was taken.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Commits batches until the collecting side is gone.
    ///
    /// # Errors
    /// When going on is of no use: the writer is fenced off, or the database refuses for good.
    pub async fn run(mut self, channels: ToCollect) -> Result<(), SinkError> {
        let (postgres, status) = (self.postgres.clone(), Arc::clone(&self.status));
        let heartbeat = Heartbeat::start(postgres, status, self.progress.generation, self.task.clone());
        let (mut activator, mut told_slow) = (None, None);
        while let Ok(batch) = channels.batches.recv() {
            let began = Instant::now();
            let (epoch, rows, whole) = (batch.epoch, batch.rows.len(), batch.whole);
            let state = (whole && self.changelog_is_behind).then(|| batch.rows.clone());
            let spans = spans::of_commit(&batch.traces, epoch, rows);
            let within = spans.first().cloned().unwrap_or_else(Span::none);
            let changes = self.commit(batch).instrument(within).await?;
            drop(spans);
            if let Some(changelog) = &self.changelog {
                changelog.send(match state {
                    Some(state) => Committed::State(epoch, state),
                    None => Committed::Changes(epoch, changes),
                });
            }
            let took = began.elapsed();
            self.meter.committed(epoch, rows, took);
            tracing::debug!(epoch, rows, duration_ms = took.as_millis() as u64, "committed");
            if took >= SLOW && !whole && told_slow.is_none_or(|told: Instant| told.elapsed() >= TELL_SLOW_EVERY) {
                told_slow = Some(Instant::now());
                tracing::warn!(epoch, rows, duration_ms = took.as_millis() as u64, "a commit took long");
            }
            if whole {
                tracing::info!(epoch, rows, duration_ms = began.elapsed().as_millis() as u64, "views are live");
                self.status.set_live();
                meters::hydrated(self.began.elapsed());
                heartbeat.beat_now();
            }
            if channels.committed.send(epoch).is_err() {
                break;
            }
            activator = activator.or_else(|| channels.activator.recv().ok());
            if let Some(activator) = &activator {
                // The worker is gone when it stops; then nobody waits.
                let _: Result<(), _> = activator.activate();
            }
        }
        heartbeat.stop().await;
        Ok(())
    }

    /// Commits a batch; returns what changed.
    async fn commit(&mut self, mut batch: Batch) -> Result<Vec<Delta>, SinkError> {
        let mut backoff = Backoff::default();
        loop {
            match self.try_commit(&mut batch).await {
                Ok(()) => return Ok(batch.rows),
                Err(SinkError::Postgres(error)) if is_transient(&error) => {
                    tracing::warn!(epoch = batch.epoch, error = %cause(&error), "database was lost while committing; waiting for it");
                    self.meter.retries();
                    loop {
                        tokio::time::sleep(backoff.next_wait()).await;
                        match self.reconnect().await {
                            Ok(epoch) if epoch == batch.epoch => return Ok(batch.rows),
                            Ok(_) => break,
                            Err(SinkError::Postgres(error)) if is_transient(&error) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    tracing::info!(epoch = batch.epoch, "database is back");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Connects anew; returns the epoch in the database.
    async fn reconnect(&mut self) -> Result<Epoch, SinkError> {
        self.session = Session::prepare(connect(&self.postgres).await?).await?;
        for table in &mut self.tables {
            table.begin_anew();
        }
        let row = self.session.client.query_one("select generation, epoch from views.progress", &[]).await?;
        self.check_generation(row.get(0))?;
        let epoch = row.get::<_, i64>(1).cast_unsigned();
        if epoch > self.progress.epoch {
            // The commit whose answer was lost had succeeded.
            self.progress.views = self.stored_views().await?;
            self.progress.epoch = epoch;
        }
        Ok(epoch)
    }

    async fn stored_views(&self) -> Result<BTreeMap<String, Stored>, SinkError> {
        let row = self.session.client.query_one("select views from views.progress", &[]).await?;
        let Json(views) = row.get(0);
        Ok(views)
    }

    fn check_generation(&self, theirs: i64) -> Result<(), SinkError> {
        let ours = self.progress.generation;
        if theirs == ours { Ok(()) } else { Err(SinkError::Fenced { ours, theirs }) }
    }

    async fn try_commit(&mut self, batch: &mut Batch) -> Result<(), SinkError> {
        let mut views = self.progress.views.clone();
        if batch.whole {
            // Done once: what is left then is a difference, whatever becomes of the transaction. The whole state stays in the
            // batch until the difference is known.
            self.against_stored(batch).await?;
            batch.whole = false;
        }
        for (view, rows) in by_view(&batch.rows) {
            self.tables[usize::from(view)].prepare(&self.session.client, rows.len()).await?;
        }
        let Session { client, fence, moved, told } = &mut self.session;
        let (fence, moved, told) = (&*fence, &*moved, &*told);
        let transaction = client.transaction().await?;
        let mut renamed: Vec<(&'static str, Vec<i64>)> = Vec::new();
        let mut changed: Vec<(&TableWriter, KeyChanges<'_>)> = Vec::new();
        for (view, rows) in by_view(&batch.rows) {
            let writer = &self.tables[usize::from(view)];
            let changes = KeyChanges::of(writer.table, rows)?;
            if view_is_names(writer.table) && !changes.replaced.is_empty() {
                renamed.push((writer.table.name, changes.replaced.clone()));
            }
            changed.push((writer, changes));
            let stored = views.entry(writer.table.name.to_owned()).or_default();
            stored.epoch = batch.epoch;
            for ((_, row), diff) in rows {
                let times = *diff as i64;
                stored.rows += times;
                stored.checksum = stored.checksum.wrapping_add(row.checksum().cast_signed().wrapping_mul(times));
            }
        }
        let ours = self.progress.generation;
        let fenced = async {
            let theirs = transaction.query_one(fence, &[]).await?.get(0);
            if theirs == ours { Ok(()) } else { Err(SinkError::Fenced { ours, theirs }) }
        };
        // Sent one after the other without waiting for answers, which come in the same order: of a small commit, most was waiting.
        if renamed.is_empty() && !changed.iter().any(|(_, changes)| changes.are_many()) {
            let small: Vec<_> = changed.iter().flat_map(|(writer, changes)| writer.small(changes)).collect();
            let sent = small.iter().map(async |(statement, arrays)| {
                Ok::<_, SinkError>(transaction.execute(*statement, &borrowed(arrays)).await?)
            });
            let written = try_join_all(sent);
            let ended = end(&transaction, moved, told, batch, &views);
            try_join(fenced, try_join(written, ended)).await?;
        } else {
            fenced.await?;
            for (writer, changes) in &changed {
                writer.write(&transaction, changes).await?;
            }
            for (writer, label, ids) in relabelled(&self.tables, &renamed) {
                if transaction.execute(&relabel(writer.table, label), &[ids]).await? > 0 {
                    views.entry(writer.table.name.to_owned()).or_default().epoch = batch.epoch;
                }
            }
            end(&transaction, moved, told, batch, &views).await?;
        }
        failpoints::pass("sink.before_commit");
        transaction.commit().await?;
        failpoints::pass("sink.after_commit");
        self.progress.views = views;
        self.progress.epoch = batch.epoch;
        for (view, rows) in by_view(&batch.rows) {
            self.meter.written(view, rows.len());
        }
        Ok(())
    }

    /// Leaves of the whole state in the batch what differs from what is stored. The batch is as it was when this fails.
    async fn against_stored(&self, batch: &mut Batch) -> Result<(), SinkError> {
        let mut differences: Vec<Delta> = Vec::new();
        // Of an empty table the rows are the difference.
        let mut empty = vec![true; self.tables.len()];
        let mut views = by_view(&batch.rows).peekable();
        for (number, writer) in self.tables.iter().enumerate() {
            let rows = views.next_if(|(view, _)| usize::from(*view) == number).map_or(&[][..], |(_, rows)| rows);
            if let Some((_, count)) = rows.iter().find(|(_, count)| *count != 1) {
                return Err(SinkError::Multiplicity { view: writer.table.name, count: *count });
            }
            let stored = self.progress.views.get(writer.table.name).copied().unwrap_or_default();
            let sum = rows.iter().fold(0i64, |sum, ((_, row), _)| sum.wrapping_add(row.checksum().cast_signed()));
            let same = stored.rows == rows.len() as i64 && stored.checksum == sum;
            empty[number] = stored.rows == 0 && !same && self.is_empty(writer.table).await?;
            if same || empty[number] {
                continue;
            }
            let desired = rows.iter().map(|((_, row), _)| row).collect();
            let difference =
                hydrate::difference(&self.session.client, writer.table, &writer.statements, desired).await?;
            let (view, rows) = (writer.table.name, difference.len());
            tracing::info!(view, rows, "a view is brought to the state of the log");
            differences.extend(difference.into_iter().map(|(row, diff)| ((number as u8, row), diff)));
        }
        drop(views);
        batch.rows.retain(|((view, _), _)| empty[usize::from(*view)]);
        batch.rows.append(&mut differences);
        batch.rows.sort_unstable();
        Ok(())
    }

    async fn is_empty(&self, table: &Table) -> Result<bool, SinkError> {
        let any = format!("select not exists (select from views.{})", table.name);
        Ok(self.session.client.query_one(&any, &[]).await?.get(0))
    }
}

/// The last statements of a commit: how far the views are, and that they have changed.
async fn end(
    transaction: &Transaction<'_>,
    moved: &Statement,
    told: &Statement,
    batch: &Batch,
    views: &BTreeMap<String, Stored>,
) -> Result<(), SinkError> {
    let (epoch, bindings, views) = (batch.epoch.cast_signed(), Json(&batch.bindings), Json(views));
    let (notice, parameters) = (batch.epoch.to_string(), [&epoch as &(dyn ToSql + Sync), &bindings, &views]);
    try_join(transaction.execute(moved, &parameters), transaction.execute(told, &[&notice])).await?;
    Ok(())
}

/// Every table that shows names of which some have changed, with the ids of these.
fn relabelled<'a>(
    tables: &'a [TableWriter],
    renamed: &'a [(&'static str, Vec<i64>)],
) -> impl Iterator<Item = (&'a TableWriter, &'static Label, &'a Vec<i64>)> {
    renamed.iter().flat_map(move |(names, ids)| {
        tables.iter().flat_map(move |writer| {
            let labels = writer.table.labels.iter().filter(move |label| label.from == *names);
            labels.map(move |label| (writer, label, ids))
        })
    })
}

/// A session whose locks do not outlive this machine for long: the server gives up one that it hears nothing of.
pub(super) async fn connect(postgres: &PostgresSettings) -> Result<Client, tokio_postgres::Error> {
    let client = postgres.connect().await?;
    let impatient = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;
        set idle_in_transaction_session_timeout = '60s'";
    client.batch_execute(impatient).await?;
    Ok(client)
}

/// Whether other tables take names from this one.
fn view_is_names(table: &Table) -> bool {
    crate::views::TABLES.iter().any(|other| other.labels.iter().any(|label| label.from == table.name))
}

fn by_view(rows: &[Delta]) -> impl Iterator<Item = (u8, &[Delta])> {
    rows.chunk_by(|((a, _), _), ((b, _), _)| a == b).map(|group| (group[0].0.0, group))
}

//! Sessions: each from a connection made to a connection lost, over which the archive holds its lock and writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fandom_services::failpoints;
use fandom_services::kafka::KafkaSettings;
use fandom_services::postgres::{PostgresSettings, cause};
use fandom_services::retry::Backoff;
use fandom_services::sealing::KeyRing;
use fandom_services::tasks::{Task, Went};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::error::{ArchiveError, SessionError};
use crate::settings::ArchiveSettings;
use crate::store::Store;
use crate::{meters, reader};

/// How long Postgres may take to be reached, and to answer what is asked at the beginning.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the lock is asked for while another archive holds it.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A session that lasted this long was a good one: the next failure is a new one.
const GOOD_SESSION: Duration = Duration::from_secs(30);
/// The kind of the archive's task in `app.tasks`.
pub const TASKS: &str = "archive";
/// How often it is noted that the archive is at work, though nothing comes.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often it is told how much was taken in.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// `fandom archive` in eight bytes.
const LOCK: i64 = i64::from_be_bytes(*b"fdm-arch");

/// Keeps the archive up to date with the log, until `stop` is called.
///
/// # Errors
/// When Postgres or Kafka refuse for good, the log was shortened, or texts are sealed with a key that was not given.
pub async fn run(
    settings: ArchiveSettings,
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    stop: CancellationToken,
) -> Result<(), ArchiveError> {
    meters::describe_all();
    let task = Task::new(TASKS, "archive");
    let keys = settings.keys();
    let mut backoff = Backoff::default();
    let mut said = String::new();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let Err(error) = session(keys, &kafka, &postgres, &task, &stop).await else { break };
        let error = match error.permanent() {
            Ok(permanent) => return Err(permanent),
            Err(passing) => passing,
        };
        meters::session_failed();
        let reason = cause(&error);
        if reason != said {
            tracing::warn!(%error, reason, "the archive waits and tries again");
            said = reason;
        }
        if began.elapsed() > GOOD_SESSION {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        task.failed(&postgres, &format!("{error}: {reason}", reason = cause(&error)), wait).await;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }
    tracing::info!("the archive stopped");
    Ok(())
}

async fn session(
    keys: &KeyRing,
    kafka: &KafkaSettings,
    postgres: &PostgresSettings,
    task: &Task,
    stop: &CancellationToken,
) -> Result<(), SessionError> {
    let mut client = in_time(postgres.connect()).await?;
    tokio::select! {
        locked = lock(&client) => locked?,
        () = stop.cancelled() => return Ok(()),
    }
    check_keys(&client, keys).await?;
    let mut store = in_time(Store::prepare(&client)).await?;
    let progress: BTreeMap<(String, i32), i64> =
        in_time(client.query("select topic, partition, next_offset from app.archive_progress", &[]))
            .await?
            .iter()
            .map(|row| ((row.get(0), row.get(1)), row.get(2)))
            .collect();
    tracing::info!(partitions_known = progress.len(), key_id = keys.newest(), "the archive follows the log");
    // The thread ends with the session.
    let reading = stop.child_token();
    let _ended = reading.clone().drop_guard();
    let mut batches = reader::start(kafka.clone(), keys.clone(), progress, reading);
    let mut told = Told::default();
    loop {
        let batch = tokio::select! {
            batch = batches.recv() => batch,
            () = tokio::time::sleep(HEARTBEAT) => {
                task.note(&client, Went::Well(None)).await?;
                continue;
            }
            () = stop.cancelled() => return Ok(()),
        };
        let Some(batch) = batch else { return Ok(()) };
        let batch = batch?;
        let begun = Instant::now();
        write(&mut client, &mut store, &batch).await?;
        meters::commit_took(begun.elapsed());
        task.note(&client, Went::Well(None)).await?;
        for (topic, records) in &batch.records {
            meters::committed(topic, *records);
        }
        told.taken_in(&batch, begun.elapsed());
    }
}

async fn write(client: &mut Client, store: &mut Store, batch: &Batch) -> Result<(), SessionError> {
    let transaction = client.transaction().await?;
    store.write(&transaction, batch).await?;
    failpoints::pass("archive.before_commit");
    transaction.commit().await?;
    failpoints::pass("archive.after_commit");
    Ok(())
}

async fn in_time<T>(asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, SessionError> {
    Ok(tokio::time::timeout(PATIENCE, asked).await.map_err(|_| SessionError::Time)??)
}

/// Waits until this session holds the lock; it goes with the connection.
async fn lock(client: &Client) -> Result<(), SessionError> {
    let session = "set application_name = 'fandom-archive'; set tcp_keepalives_idle = 15; set tcp_keepalives_interval = 5; \
                   set tcp_keepalives_count = 3";
    in_time(client.batch_execute(session)).await?;
    let mut waited = false;
    loop {
        if in_time(client.query_one("select pg_try_advisory_lock($1)", &[&LOCK])).await?.get(0) {
            return Ok(());
        }
        if !std::mem::replace(&mut waited, true) {
            tracing::info!("another archive is at work; waiting until it ends");
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Makes sure that every text can be read with these keys, and notes the one that seals from now on.
async fn check_keys(client: &Client, keys: &KeyRing) -> Result<(), SessionError> {
    if let Some(id) = missing_key(client, keys).await? {
        return Err(ArchiveError::NoKey(id).into());
    }
    let note = "insert into app.archive_keys (key_id) values ($1) on conflict do nothing";
    in_time(client.execute(note, &[&keys.newest()])).await?;
    Ok(())
}

/// A key that texts are sealed with and that is not among these.
pub(crate) async fn missing_key(client: &Client, keys: &KeyRing) -> Result<Option<String>, SessionError> {
    let ids: Vec<&str> = keys.ids().collect();
    let sql = "select key_id from app.archive_keys k
               where key_id <> all($1) and exists (select from app.archive_texts t where t.key_id = k.key_id)
               order by first_used_at desc limit 1";
    let missing = client.query_opt(sql, &[&ids]).await?;
    Ok(missing.map(|row| row.get(0)))
}

/// Tells now and then how much was taken in.
struct Told {
    since: Instant,
    records: u64,
}

impl Default for Told {
    fn default() -> Told {
        Told { since: Instant::now(), records: 0 }
    }
}

impl Told {
    fn taken_in(&mut self, batch: &Batch, took: Duration) {
        self.records += batch.len();
        let commit_ms = took.as_secs_f64() * 1000.0;
        tracing::debug!(records = batch.len(), bytes = batch.bytes, commit_ms, "batch committed");
        if self.since.elapsed() > TELL_EVERY {
            tracing::info!(records = self.records, commit_ms, "records are in the archive");
            *self = Told::default();
        }
    }
}

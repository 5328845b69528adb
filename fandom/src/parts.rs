//! Each part alone in this process, until it is asked to stop.

use std::future::Future;

use anyhow::{Context, anyhow};
use fandom_api::ApiSettings;
use fandom_archive::ArchiveSettings;
use fandom_connectors::ConnectorSettings;
use fandom_connectors::isolation::Isolation;
use fandom_dataflows::DataflowSettings;
use fandom_dataflows::runtime::DataflowError;
use fandom_schemas::rights;
use fandom_services::env::Env;
use fandom_services::kafka::{KafkaSettings, ensure_topics};
use fandom_services::logs::LogSettings;
use fandom_services::metrics::MetricsSettings;
use fandom_services::metrics::process::Disk;
use fandom_services::postgres::PostgresSettings;
use fandom_services::trace::{self, TraceSettings};
use fandom_services::{failpoints, kafka, tasks};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::database_accounts::DatabaseAccounts;
use crate::settings::{finish, unknown};

/// Runs the connectors until SIGTERM or Ctrl-C.
///
/// # Errors
/// When settings cannot be used, or the connectors fail.
pub fn connect(mut env: Env) -> anyhow::Result<()> {
    let settings = (
        ConnectorSettings::from_env(&mut env),
        KafkaSettings::from_env(&mut env),
        PostgresSettings::from_env(&mut env),
    );
    let disks = disks(&env);
    let (mut connectors, kafka, postgres) = begin_part("connect", env, settings, disks)?;
    connectors.isolation = Isolation::of_this_program();
    until_stopped(async |stop| {
        let outcome =
            fandom_connectors::run(connectors, kafka, postgres.clone(), stop).await.map_err(anyhow::Error::from);
        note_end(fandom_connectors::run::TASKS, &postgres, outcome).await
    })
}

/// Runs the dataflow until SIGTERM or Ctrl-C.
///
/// # Errors
/// When settings cannot be used, or the dataflow fails or panics.
pub fn dataflow(mut env: Env) -> anyhow::Result<()> {
    let settings =
        (DataflowSettings::from_env(&mut env), KafkaSettings::from_env(&mut env), PostgresSettings::from_env(&mut env));
    let (dataflow, kafka, postgres) = begin_part("dataflow", env, settings, Vec::new())?;
    let (writes, database) = (dataflow.cluster.writes(), postgres.clone());
    until_stopped(async |stop| {
        // The engine's threads join when they are dropped, so a thread of their own holds them.
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("dataflow".into()).spawn(move || {
            let _ended = ended;
            fandom_dataflows::run(dataflow, kafka, postgres, stop)
        })?;
        let _ = end.await;
        let outcome = match thread.join() {
            Ok(outcome) => outcome.map_err(anyhow::Error::from),
            Err(panic) => Err(anyhow!("the dataflow panicked: {}", panic_text(&*panic))),
        };
        // Once another one has followed, the task is that one's.
        let followed =
            outcome.as_ref().err().and_then(anyhow::Error::downcast_ref).is_some_and(DataflowError::is_fenced);
        if writes && !followed {
            note_end(fandom_dataflows::sink::writer::TASKS, &database, outcome).await
        } else {
            outcome
        }
    })
}

/// Runs the API until SIGTERM or Ctrl-C.
///
/// # Errors
/// When settings cannot be used, or the API fails.
pub fn api(mut env: Env) -> anyhow::Result<()> {
    let settings = (ApiSettings::from_env(&mut env), PostgresSettings::from_env(&mut env));
    let disks = disks(&env);
    let (api, postgres) = begin_part("api", env, settings, disks)?;
    until_stopped(|stop| fandom_api::run(api, postgres, stop))
}

/// Runs the message archive until SIGTERM or Ctrl-C.
///
/// # Errors
/// When settings cannot be used, or the archive fails.
pub fn archive(mut env: Env) -> anyhow::Result<()> {
    let settings =
        (ArchiveSettings::from_env(&mut env), KafkaSettings::from_env(&mut env), PostgresSettings::from_env(&mut env));
    let (archive, kafka, postgres) = begin_part("archive", env, settings, Vec::new())?;
    until_stopped(async |stop| {
        let outcome = fandom_archive::run(archive, kafka, postgres.clone(), stop).await.map_err(anyhow::Error::from);
        note_end(fandom_archive::run::TASKS, &postgres, outcome).await
    })
}

/// Seals every text of the message archive with the newest key.
///
/// # Errors
/// When settings cannot be used, Postgres does not answer, or a text cannot be read.
pub fn rotate(mut env: Env) -> anyhow::Result<()> {
    let settings = (ArchiveSettings::from_env(&mut env), PostgresSettings::from_env(&mut env));
    let (archive, postgres) = begin(env, settings)?;
    let rotated = runtime()?.block_on(fandom_archive::rotate(&archive, &postgres))?;
    let fandom_archive::rotate::Rotated { texts, key_id, put_away } = rotated;
    tracing::info!(texts, key_id, ?put_away, "every text of the archive is sealed with the newest key");
    Ok(())
}

/// Brings the database to the newest schema, and makes the accounts of the parts that have a password.
///
/// # Errors
/// When settings cannot be used, or the database cannot be reached or migrated.
pub fn migrate(mut env: Env) -> anyhow::Result<()> {
    let settings = (PostgresSettings::from_env(&mut env), DatabaseAccounts::from_env(&mut env));
    let (settings, accounts) = begin(env, settings)?;
    runtime()?.block_on(async {
        let applied = migrate_database(&settings, &accounts).await?;
        tracing::info!(applied = applied.len(), migrations = ?applied, "the database has the newest schema");
        Ok(())
    })
}

/// Makes the topics that are missing.
///
/// # Errors
/// When settings cannot be used, or the broker cannot be reached or refuses.
pub fn topics(mut env: Env) -> anyhow::Result<()> {
    let settings = KafkaSettings::from_env(&mut env);
    let settings = begin(env, settings)?;
    runtime()?.block_on(async {
        let made = ensure_topics(&settings, &view_names()).await.with_context(|| unreachable_broker(&settings))?;
        tracing::info!(made = made.len(), topics = ?made, "every topic is there");
        Ok(())
    })
}

/// The names of all views, whose changelogs are topics.
pub fn view_names() -> Vec<&'static str> {
    fandom_dataflows::views::TABLES.iter().map(|table| table.name).collect()
}

/// Brings a database to the newest schema, with these accounts; returns the migrations that it lacked.
///
/// # Errors
/// When it cannot be reached or migrated, or may not make accounts.
pub async fn migrate_database(settings: &PostgresSettings, accounts: &DatabaseAccounts) -> anyhow::Result<Vec<String>> {
    let mut client = settings.connect().await.context("could not connect to the database of DATABASE_URL")?;
    rights::make_accounts(&client, accounts.passwords()).await.context(
        "could not make the accounts of the parts; DATABASE_URL has to name an owner who may make roles, or the settings no passwords of them",
    )?;
    Ok(fandom_schemas::migrations::run(&mut client).await?)
}

/// What stands before the error of a broker.
pub fn unreachable_broker(settings: &kafka::KafkaSettings) -> String {
    format!("could not make the topics on the broker {}", settings.bootstrap_servers)
}

/// Notes in the database that a part's tasks have ended, and why.
async fn note_end(kind: &'static str, postgres: &PostgresSettings, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    let reason = outcome.as_ref().err().map(|error| format!("{error:#}"));
    tasks::ended(kind, postgres, reason.as_deref()).await;
    outcome
}

/// The directories that files come from, go to, or lie in for a while.
fn disks(env: &Env) -> Vec<Disk> {
    let named = [("inbox", "FANDOM_INBOX"), ("uploads", "FANDOM_UPLOADS_DIR")];
    let named = named.into_iter().filter_map(|(name, variable)| Some(Disk { name, dir: env.text(variable)?.into() }));
    named.chain([Disk { name: "temporary", dir: std::env::temp_dir() }]).collect()
}

/// Reports all bad settings, or begins to log.
///
/// # Errors
/// When settings cannot be used.
pub fn begin<T>(env: Env, settings: T) -> anyhow::Result<T> {
    begin_with(env, settings, |logs| {
        logs.start();
        Ok(())
    })
}

fn begin_with<T>(
    mut env: Env,
    settings: T,
    start: impl FnOnce(&LogSettings) -> anyhow::Result<()>,
) -> anyhow::Result<T> {
    let logs = LogSettings::from_env(&mut env);
    failpoints::arm(&mut env);
    let unknown = unknown(&env);
    let settings = finish(env, settings)?;
    start(&logs)?;
    for variable in unknown {
        tracing::warn!(variable, "this variable looks like a setting and is none; see `fandom --help`");
    }
    Ok(settings)
}

/// The same of a part that goes on: it begins to measure too, watches these disks, and sends its spans where they are asked for.
///
/// # Errors
/// When settings cannot be used, or the port of metrics is taken.
fn begin_part<T>(part: &'static str, mut env: Env, settings: T, disks: Vec<Disk>) -> anyhow::Result<T> {
    let (metrics, traces) = (MetricsSettings::from_env(&mut env), TraceSettings::from_env(&mut env));
    let settings = begin_with(env, settings, |logs| Ok(logs.start_and_trace(&traces, part)?))?;
    metrics.start(part, disks).context("FANDOM_METRICS_PORT: metrics cannot be served")?;
    Ok(settings)
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime could not be started")
}

/// Runs a part. The first signal asks it to stop, the second ends the process at once.
///
/// # Errors
/// When the part fails.
pub fn until_stopped<F, E>(part: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), E>>,
    E: Into<anyhow::Error>,
{
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        let signals = stop_signals()?;
        tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut signals = signals;
                if signals.recv().await.is_some() {
                    tracing::info!("stopping");
                    stop.cancel();
                }
                if signals.recv().await.is_some() {
                    std::process::exit(130);
                }
            }
        });
        part(stop).await.map_err(Into::into)
    });
    // What still blocks a thread, such as a last flush that found no broker, must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    trace::end();
    outcome
}

/// Every SIGTERM, SIGINT and SIGHUP from now on.
///
/// # Errors
/// When the operating system refuses.
pub fn stop_signals() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(()).await.is_ok() {} });
    }
    Ok(receiver)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for a reason that is not text")
}

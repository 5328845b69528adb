//! The loop that ties source, table and log together.
//!
//! Each source is served by itself, all of them alike. All is done within a *session*: a connection to Postgres that holds the lock of the source, and a producer. One connector at a
//! time has it; another waits. Whatever is lost (the connection, the lock, the broker's trust in the producer) ends the
//! session: what was under way is called off, what was queued is thrown away, and the next session takes up from
//! `app.uploads` where this one ended.

mod inspect;
mod plan;
mod readings;
mod root;
mod session;
mod wake;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fandom_schemas::mappings::UPLOADS;
use fandom_services::kafka::KafkaSettings;
use fandom_services::postgres::{PostgresSettings, cause};
use fandom_services::retry::Backoff;
use fandom_services::tasks::Task;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::isolation::Isolation;
use crate::meters;
use crate::publish::{Broker, LogError, PublishError};
use crate::reading::Reading;
use crate::settings::ConnectorSettings;
use crate::source::Source;
use crate::source::drive::DriveSource;
use crate::source::folder::FolderSource;
use crate::uploads::StoreError;
use crate::workbook::ReadOptions;
use session::Session;

/// Why the connectors cannot go on. What passes by itself is waited for and is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// A zone that this program does not know.
    #[error("the zone `{0}` is not known")]
    Zone(String),
    /// Postgres refuses for good.
    #[error("Postgres refuses: {0}; check DATABASE_URL, and that `fandom migrate` was run")]
    Postgres(String),
    /// Kafka refuses for good.
    #[error("Kafka refuses: {0}; check KAFKA_BOOTSTRAP_SERVERS and the FANDOM_KAFKA_ settings")]
    Kafka(String),
    /// OpenSSL cannot be set up.
    #[error("no TLS client can be made: {0}; check the system's certificates")]
    Tls(String),
}

/// What ended a session, or kept it from beginning.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("Postgres could not be reached")]
    Connect(#[from] tokio_postgres::Error),
    #[error("Postgres could not be reached within {} s", PATIENCE.as_secs())]
    ConnectTime,
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The kind of the connectors' tasks in `app.tasks`.
pub const TASKS: &str = "source";

/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// A session that lasted this long was a good one: the next failure is a new one.
const GOOD_SESSION: Duration = Duration::from_secs(30);

impl SessionError {
    /// The error to end with, if there is no use in trying again.
    fn permanent(&self) -> Option<ConnectorError> {
        match self {
            SessionError::Connect(error) if !fandom_services::postgres::is_transient(error) => {
                Some(ConnectorError::Postgres(cause(error)))
            }
            SessionError::Publish(PublishError::Store(error)) if !error.is_transient() => {
                Some(ConnectorError::Postgres(cause(error)))
            }
            SessionError::Publish(PublishError::Log(error)) if error.is_permanent() => {
                Some(ConnectorError::Kafka(error.to_string()))
            }
            _ => None,
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> SessionError {
        SessionError::Publish(error.into())
    }
}

impl From<LogError> for SessionError {
    fn from(error: LogError) -> SessionError {
        SessionError::Publish(error.into())
    }
}

/// Publishes what the sources hold, until `stop` is called. Returns within a few seconds then; a file that was under way is taken
/// up again at the next start.
///
/// # Errors
/// When Postgres or Kafka refuse for good.
pub async fn run(
    settings: ConnectorSettings,
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    stop: CancellationToken,
) -> Result<(), ConnectorError> {
    let zone = TimeZone::get(&settings.source_tz).map_err(|_| ConnectorError::Zone(settings.source_tz.clone()))?;
    let options = ReadOptions {
        zone,
        zone_name: settings.source_tz.clone(),
        default_platform: settings.default_platform.clone(),
        limits: settings.limits.clone(),
        mappings: Default::default(),
    };
    // One source that cannot go on ends the others in order.
    let stop = stop.child_token();
    let folder = settings.inbox.as_ref().map(|inbox| {
        tracing::info!(source = settings.source, folder = %inbox.display(), zone = settings.source_tz, "connector started");
        FolderSource::new(&settings.source, inbox, settings.poll, settings.settle).accepting(settings.inbox_moved)
    });
    let uploads = settings.uploads.as_ref().map(|folder| {
        tracing::info!(source = UPLOADS, folder = %folder.display(), zone = settings.source_tz, "connector started");
        // The API makes it with the first upload; until then it would be a trouble.
        let _ = std::fs::create_dir(folder);
        // Files are put there whole.
        FolderSource::new(UPLOADS, folder, settings.poll, Duration::ZERO).accepting(settings.inbox_moved)
    });
    let drive = match &settings.drive {
        Some(drive) => {
            let folders: Vec<&str> = drive.folders.iter().map(|folder| folder.id.as_str()).collect();
            let account = &drive.credentials.client_email;
            tracing::info!(source = drive.source, ?folders, account, zone = settings.source_tz, "connector started");
            let source = DriveSource::new(drive, &options, postgres.clone(), stop.clone());
            Some(source.map_err(|error| ConnectorError::Tls(error.to_string()))?)
        }
        None => None,
    };
    let sources = [folder.as_ref().map(paced), uploads.as_ref().map(paced), drive.as_ref().map(paced)];
    let sources: Vec<(&str, Duration)> = sources.into_iter().flatten().collect();
    meters::describe_all(&sources);
    let (wake, woken) = watch::channel(0);
    tokio::spawn(wake::listen(postgres.clone(), wake, stop.clone()));
    let servers = Servers { kafka, broker: Arc::default(), postgres, isolation: settings.isolation, woken };
    let (files_at_once, reading) = (settings.files_at_once, Arc::new(Reading::new(options)));
    let (folder, uploads, drive) = tokio::join!(
        serve(folder, files_at_once, &reading, &servers, &stop),
        serve(uploads, files_at_once, &reading, &servers, &stop),
        serve(drive, files_at_once, &reading, &servers, &stop),
    );
    folder.and(uploads).and(drive)
}

/// The name of a source, and how often it is looked at.
fn paced<S: Source>(source: &S) -> (&str, Duration) {
    (source.name(), source.every())
}

/// What every source is served with.
struct Servers {
    kafka: KafkaSettings,
    broker: Arc<Broker>,
    postgres: PostgresSettings,
    isolation: Isolation,
    /// Moves on when the API asks something, or a mapping or a folder's settings change.
    woken: watch::Receiver<u64>,
}

/// Publishes what a source holds, session by session.
async fn serve<S: Source>(
    source: Option<S>,
    files_at_once: usize,
    reading: &Arc<Reading>,
    Servers { kafka, broker, postgres, isolation, woken }: &Servers,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let Some(source) = source.map(Arc::new) else { return Ok(()) };
    let task = Arc::new(Task::new(TASKS, format!("source {}", source.name())));
    let mut backoff = Backoff::default();
    let mut said = String::new();
    loop {
        let began = Instant::now();
        let (kafka, reading) = ((kafka, broker), (reading, isolation));
        let opening = Session::open(files_at_once, kafka, postgres, reading, (&source, &task), woken.clone(), stop);
        let ended = match opening.await {
            Ok(Some(mut session)) => {
                said.clear();
                session.run(stop).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let Err(error) = ended else { break };
        if stop.is_cancelled() {
            break;
        }
        if let Some(permanent) = error.permanent() {
            stop.cancel();
            return Err(permanent);
        }
        meters::session_lost(source.name());
        let reason = cause(&error);
        if reason != said {
            tracing::warn!(source = source.name(), %error, reason, "connector waits and tries again");
            said = reason;
        }
        if began.elapsed() > GOOD_SESSION {
            backoff.reset();
        }
        let wait = backoff.next_wait();
        task.failed(postgres, &format!("{error}: {}", cause(&error)), wait).await;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => break,
        }
    }
    tracing::info!(source = source.name(), "connector stopped");
    Ok(())
}

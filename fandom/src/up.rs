//! Everything on one machine: servers, schema, topics, sample, parts; stopped together and in order.
//!
//! ```text
//!  settings ─▶ lock ─▶ Kafka, Postgres ─▶ schema, topics ─▶ sample ─▶ API, connectors, dataflow, archive ─▶ ready
//!                                    stop: API ─▶ connectors ─▶ dataflow ─▶ archive ─▶ Kafka ─▶ Postgres
//! ```
//!
//! - [`progress`]: what is said on the way.
//! - [`servers`]: the local servers, and starting them again when they end.
//! - [`supervisor`]: the parts, each a process of its own, started again when it ends.
//! - [`topics`]: waits until topics can be used.
//! - [`samples`]: fills the inbox at the first start.
//! - [`readiness`]: whether the API, and what it stands on, answers.
//! - [`connection`]: where everything is, for other programs.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fandom_services::env::Env;
use fandom_services::kafka::ensure_topics;
use fandom_services::postgres::PostgresSettings;
use fandom_services::retry::Backoff;
use fandom_services::sealing::{self, KeyRing};
use tokio::sync::mpsc::Receiver;

use crate::command::UpArgs;
use crate::database_accounts::DatabaseAccounts;
use crate::local::lock::DirLock;
use crate::local::ports;
use crate::parts::{migrate_database, stop_signals, unreachable_broker, view_names};
use crate::settings::{AllSettings, finish, unknown};

pub mod connection;
pub mod progress;
pub mod readiness;
pub mod samples;
pub mod servers;
pub mod supervisor;
pub mod topics;

use connection::Connection;
use progress::say;
use servers::Servers;
use supervisor::Supervisor;

/// How long a server that is named in the settings may be out of reach at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long all parts and servers together may take to stop, each as long as the ones before it have left. Killing the last of
/// them takes a moment more, and ten seconds are promised.
const STOP_PATIENCE: Duration = Duration::from_secs(9);

/// The keys that are made where none is set: variable, file in the data directory, and the parts that are given it.
const KEYS: [(&str, &str, &[&str]); 2] =
    [(sealing::ARCHIVE, "archive.key", &["api", "archive"]), (sealing::SECRETS, "secrets.key", &["api"])];
/// Stands for a key until the data directory is there to keep one.
const PLACE_OF_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// What `up` was asked for, by options and environment.
struct Plan {
    data: PathBuf,
    inbox: PathBuf,
    uploads: PathBuf,
    port: u16,
    /// Whether the API shows a certificate.
    over_tls: bool,
    workers: usize,
    sample: bool,
    /// The broker to use instead of a local one.
    kafka: Option<String>,
    /// The database to use instead of a local one.
    database_url: Option<String>,
    /// Of which variables keys are made.
    makes_keys: Vec<&'static str>,
}

/// Starts everything, and runs it until SIGTERM or Ctrl-C.
///
/// # Errors
/// When settings cannot be used, something needed is missing, or something cannot be started.
pub fn run(args: &UpArgs, env: Env) -> anyhow::Result<()> {
    let (plan, settings) = plan(args, env)?;
    settings.logs.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut signals = stop_signals()?;
        let mut up = Up { plan, servers: Servers::default(), parts: Vec::new(), _lock: None };
        let outcome = tokio::select! {
            outcome = up.start_and_watch(settings) => outcome,
            _ = signals.recv() => Ok(()),
        };
        up.stop(signals).await;
        outcome
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

/// Reads and checks the settings of all parts as these will see them.
fn plan(args: &UpArgs, env: Env) -> anyhow::Result<(Plan, AllSettings)> {
    let given = |variable| env.text(variable);
    let data =
        args.data.clone().or_else(|| given("FANDOM_DATA").map(PathBuf::from)).unwrap_or_else(|| ".fandom".into());
    let inbox = args.inbox.clone().or_else(|| given("FANDOM_INBOX").map(PathBuf::from));
    let (kafka, database_url) = (given("KAFKA_BOOTSTRAP_SERVERS"), given("DATABASE_URL"));
    for variable in unknown(&env) {
        say("warning", format!("{variable} looks like a setting and is none; see `fandom --help`"));
    }

    let log = given("FANDOM_LOG").is_none().then(|| "warn".to_owned());
    let mut env = env;
    let (makes, variables) = (!env.is_production(), KEYS.map(|(variable, ..)| variable));
    let makes_keys: Vec<&str> = variables.into_iter().filter(|key| makes && env.text(key).is_none()).collect();
    let stands_for = |key| makes_keys.contains(&key).then(|| PLACE_OF_KEY.to_owned());
    let mut env = env
        .with("FANDOM_PORT", args.port.map(|port| port.to_string()))
        .with("FANDOM_WORKERS", args.workers.map(|workers| workers.to_string()))
        // What will be started here is not missing.
        .with("KAFKA_BOOTSTRAP_SERVERS", kafka.is_none().then(|| "127.0.0.1:9092".to_owned()))
        .with("DATABASE_URL", database_url.is_none().then(|| "postgresql://127.0.0.1/fandom".to_owned()))
        // As what will be made here is not; this is the shape of a key and never used.
        .with(sealing::ARCHIVE, stands_for(sealing::ARCHIVE))
        .with(sealing::SECRETS, stands_for(sealing::SECRETS))
        // This process has little to log that it does not say; the parts log as they are told.
        .with("FANDOM_LOG", log);
    let settings = AllSettings::from_env(&mut env);
    let settings = finish(env, settings)?;

    let absolute = |path: &Path| std::path::absolute(path).with_context(|| format!("{} is no path", path.display()));
    let data = absolute(&data)?;
    let inbox = inbox.map_or_else(|| Ok(data.join("inbox")), |inbox| absolute(&inbox))?;
    let uploads = settings.api.uploads.as_deref().map_or_else(|| Ok(data.join("uploads")), absolute)?;
    let (port, over_tls, workers) = (settings.api.port, settings.api.tls.is_some(), settings.dataflow.workers);
    Ok((
        Plan {
            data,
            inbox,
            uploads,
            port,
            over_tls,
            workers,
            sample: !args.no_sample,
            kafka,
            database_url,
            makes_keys,
        },
        settings,
    ))
}

/// What runs.
struct Up {
    plan: Plan,
    servers: Servers,
    /// In the order in which they are stopped.
    parts: Vec<Supervisor>,
    _lock: Option<DirLock>,
}

impl Up {
    /// Starts everything and says so; returns only with an error.
    async fn start_and_watch(&mut self, settings: AllSettings) -> anyhow::Result<()> {
        let begun = Instant::now();
        let data = self.plan.data.clone();
        make_data_dir(&data)?;
        make_uploads_dir(&self.plan.uploads)?;
        say("data", data.display().to_string());
        self._lock = Some(DirLock::take(&data)?);
        Connection::remove(&data)?;
        self.take_port()?;

        self.servers.start(&data, self.plan.kafka.as_deref(), self.plan.database_url.as_deref()).await?;
        let (mut kafka, database_url) = (settings.kafka, self.servers.database_url());
        kafka.bootstrap_servers = self.servers.bootstrap_servers();
        let postgres = PostgresSettings::parse(&database_url).map_err(anyhow::Error::msg)?;
        // On a server of its own, each part is an account of its own. Another one belongs to whoever named it.
        let accounts = match self.plan.database_url {
            None => DatabaseAccounts::with_new_passwords(),
            Some(_) => settings.accounts,
        };
        let applied = patiently("Postgres", || migrate_database(&postgres, &accounts)).await?;
        say(
            "schema",
            if applied.is_empty() { "is the newest".into() } else { format!("brought up by {}", applied.join(", ")) },
        );
        let make = || async { ensure_topics(&kafka, &view_names()).await.with_context(|| unreachable_broker(&kafka)) };
        let made = patiently("Kafka", make).await?;
        topics::wait(&kafka).await;
        say("topics", if made.is_empty() { "are there".into() } else { format!("made {}", made.join(", ")) });
        samples::fill(&data, &self.plan.inbox, self.plan.sample, &settings.connectors.source_tz).await?;

        let heartbeat = readiness::heartbeat(&postgres).await;
        let logs = data.join("logs");
        let environment = vec![
            ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), kafka.bootstrap_servers.clone()),
            ("FANDOM_INBOX".to_owned(), self.plan.inbox.display().to_string()),
            ("FANDOM_UPLOADS_DIR".to_owned(), self.plan.uploads.display().to_string()),
            ("FANDOM_PORT".to_owned(), self.plan.port.to_string()),
            ("FANDOM_WORKERS".to_owned(), self.plan.workers.to_string()),
        ];
        let mut keys = Vec::new();
        for (variable, file, parts) in KEYS.into_iter().filter(|(key, ..)| self.plan.makes_keys.contains(key)) {
            keys.push((variable, KeyRing::of_file(variable, &data.join(file))?.1, parts));
        }
        let key = settings.api.key.clone().unwrap_or_else(fandom_api::command::new_key);
        let parts = [("api", 2000), ("connect", 1200), ("dataflow", 1500), ("archive", 1000)];
        for (place, (name, patience)) in (0u16..).zip(parts) {
            let patience = Duration::from_millis(patience);
            let mut environment = environment.clone();
            environment.push(("DATABASE_URL".to_owned(), accounts.url(&database_url, name)));
            let own = keys.iter().filter(|(.., parts)| parts.contains(&name));
            environment.extend(own.map(|(variable, key, _)| ((*variable).to_owned(), key.clone())));
            if name == "api" {
                environment.push(("FANDOM_API_KEY".to_owned(), key.clone()));
            }
            if settings.metrics.port != 0 {
                let port = settings.metrics.port.saturating_add(place);
                environment.push(("FANDOM_METRICS_PORT".to_owned(), port.to_string()));
            }
            self.parts.push(Supervisor::start(name, environment, &logs, patience)?);
        }
        readiness::wait((self.plan.port, self.plan.over_tls), &postgres, &self.parts, heartbeat).await;

        let scheme = if self.plan.over_tls { "https" } else { "http" };
        let api = format!("{scheme}://127.0.0.1:{}", self.plan.port);
        let inbox = self.plan.inbox.clone();
        Connection { api: api.clone(), key, database_url, kafka: kafka.bootstrap_servers, inbox: inbox.clone() }
            .write(&data)?;
        let administration = fandom_api::command::Administration::new(postgres.clone())?;
        if let Some(admin) = administration.first_admin("admin@fandom.localhost").await? {
            say("sign in", format!("as {} with {} (told once)", admin.email, admin.password));
        }
        say("inbox", format!("drop spreadsheets into {}", inbox.display()));
        say("stop", "with Ctrl-C".into());
        say("ready", format!("{api}/ after {:.1} s", begun.elapsed().as_secs_f64()));
        self.servers.watch().await
    }

    /// Makes sure that the port is free; chooses one if it is 0, the same at every start.
    fn take_port(&mut self) -> anyhow::Result<()> {
        let port = &mut self.plan.port;
        if *port == 0 {
            [*port] = ports::kept(&self.plan.data.join("port"))?;
        } else if !ports::is_free(*port) {
            bail!(
                "port {port} on 127.0.0.1 is in use by another program; end that one, or choose another port with --port N \
                 (--port 0 takes a free one)"
            );
        }
        Ok(())
    }

    /// Stops everything in order. Another signal meanwhile ends all of it at once.
    async fn stop(mut self, mut signals: Receiver<()>) {
        let begun = Instant::now();
        let _ = Connection::remove(&self.plan.data);
        let in_order = async {
            for part in std::mem::take(&mut self.parts) {
                say("stopping", part.name().into());
                part.stop(begun + STOP_PATIENCE).await;
            }
            self.servers.stop(begun + STOP_PATIENCE).await;
        };
        tokio::select! {
            () = in_order => say("stopped", format!("after {:.1} s", begun.elapsed().as_secs_f64())),
            // What is still running is killed with its handles.
            _ = signals.recv() => say("stopped", "at once; what was under way is taken up at the next start".into()),
        }
    }
}

/// Makes the data directory and those in it. Only its owner reads it; started by root, others may pass through it, since
/// PostgreSQL runs as another user.
fn make_data_dir(data: &Path) -> anyhow::Result<()> {
    let cannot = || format!("could not use {} (--data takes another directory)", data.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(cannot)?;
    if rustix::process::geteuid().is_root() {
        let mode = std::fs::metadata(data).with_context(cannot)?.permissions().mode();
        std::fs::set_permissions(data, std::fs::Permissions::from_mode(mode | 0o011)).with_context(cannot)?;
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data.join("logs")).with_context(cannot)
}

/// Makes the folder of uploads.
fn make_uploads_dir(uploads: &Path) -> anyhow::Result<()> {
    let cannot = || format!("could not make {} (FANDOM_UPLOADS_DIR takes another folder)", uploads.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(uploads).with_context(cannot)
}

/// Tries until it succeeds, for as long as a server may need to come up.
async fn patiently<T, F: Future<Output = anyhow::Result<T>>>(
    server: &str,
    mut attempt: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(3));
    loop {
        match attempt().await {
            Err(error) if is_transient(&error) && begun.elapsed() < PATIENCE => {
                say("waiting", format!("for {server}: {error:#}"));
                tokio::time::sleep(backoff.next_wait()).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether the same may succeed later. What a broker refuses it may accept when it has come up.
fn is_transient(error: &anyhow::Error) -> bool {
    match error.chain().find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()) {
        Some(error) => fandom_services::postgres::is_transient(error),
        None => !error.chain().any(|cause| cause.is::<fandom_schemas::migrations::MigrationError>()),
    }
}

//! The local servers, and starting them again when they end.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use fandom_services::retry::Backoff;

use super::progress::say;
use crate::local::process::{Process, log_tail};
use crate::local::{Jars, Kafka, LocalError, Postgres};

/// Kafka and Postgres: local ones, or those that the settings name.
#[derive(Default)]
pub struct Servers {
    kafka: Option<Kafka>,
    postgres: Option<Postgres>,
    named_kafka: String,
    named_database: String,
}

impl Servers {
    /// Starts those that are not named, both at the same time.
    ///
    /// # Errors
    /// When something needed is missing, or a server does not start.
    pub async fn start(&mut self, data: &Path, kafka: Option<&str>, database_url: Option<&str>) -> anyhow::Result<()> {
        let broker = async {
            match kafka {
                Some(named) => {
                    say("kafka", format!("uses {named}"));
                    Ok(None)
                }
                None => start_kafka(data).await.map(Some),
            }
        };
        let database = async {
            match database_url {
                Some(_) => {
                    say("postgres", "uses the server of DATABASE_URL".into());
                    Ok(None)
                }
                None => start_postgres(data).await.map(Some),
            }
        };
        let (kafka_started, postgres_started) = tokio::join!(broker, database);
        self.named_kafka = kafka.unwrap_or_default().to_owned();
        self.named_database = database_url.unwrap_or_default().to_owned();
        // Each is kept before the other's failure is told, so that it is stopped in order.
        let failures = [
            kafka_started.map(|started| self.kafka = started).err(),
            postgres_started.map(|started| self.postgres = started).err(),
        ];
        match failures
            .into_iter()
            .flatten()
            .map(|error| format!("{:#}", anyhow::Error::from(error)))
            .collect::<Vec<_>>()
        {
            none if none.is_empty() => Ok(()),
            some => bail!("{}", some.join("\nfandom: ")),
        }
    }

    /// Where clients reach Kafka.
    pub fn bootstrap_servers(&self) -> String {
        self.kafka.as_ref().map_or_else(|| self.named_kafka.clone(), |kafka| kafka.bootstrap_servers.clone())
    }

    /// The database's connection string.
    pub fn database_url(&self) -> String {
        self.postgres.as_ref().map_or_else(|| self.named_database.clone(), |postgres| postgres.database_url.clone())
    }

    /// Starts a local server again when it ends; returns only with an error.
    ///
    /// # Errors
    /// When a server cannot be started again where its clients look for it.
    pub async fn watch(&mut self) -> anyhow::Result<()> {
        match (&mut self.kafka, &mut self.postgres) {
            (None, None) => std::future::pending().await,
            (Some(kafka), None) => keep_up(kafka).await,
            (None, Some(postgres)) => keep_up(postgres).await,
            (Some(kafka), Some(postgres)) => {
                tokio::select! {
                    error = keep_up(kafka) => error,
                    error = keep_up(postgres) => error,
                }
            }
        }
    }

    /// Stops them until `deadline`: Kafka, then Postgres.
    pub async fn stop(&mut self, deadline: Instant) {
        if let Some(kafka) = self.kafka.take() {
            say("stopping", "kafka".into());
            kafka.stop_within(deadline.saturating_duration_since(Instant::now())).await;
        }
        if let Some(postgres) = self.postgres.take() {
            say("stopping", "postgres".into());
            postgres.stop_within(deadline.saturating_duration_since(Instant::now())).await;
        }
    }
}

async fn start_kafka(data: &Path) -> Result<Kafka, LocalError> {
    let begun = Instant::now();
    let home = data.join("kafka");
    let jars = match std::env::var_os("FANDOM_KAFKA_JARS").filter(|dir| !dir.is_empty()) {
        Some(dir) => Jars::in_dir(dir),
        None => Jars::found_from_here(&home.join("jars")),
    };
    if !jars.are_there() {
        say("kafka", format!("fetching Apache Kafka {} with Maven (about 45 MB)", crate::local::jars::KAFKA_VERSION));
        jars.fetch(|bytes| say("kafka", format!("fetching, {} MB so far", bytes >> 20))).await?;
    }
    say("kafka", "starting".into());
    let kafka = Kafka::start(&home, &jars).await?;
    say("kafka", format!("answers on {} after {:.1} s", kafka.bootstrap_servers, begun.elapsed().as_secs_f64()));
    Ok(kafka)
}

async fn start_postgres(data: &Path) -> Result<Postgres, LocalError> {
    let begun = Instant::now();
    say("postgres", "starting".into());
    let postgres = Postgres::start(&data.join("postgres")).await?;
    if let Some(place) = postgres.elsewhere() {
        let reason = "since its user cannot enter the data directory";
        say("postgres", format!("stands in {}, {reason}", place.display()));
    }
    let address = postgres.database_url.rsplit('@').next().unwrap_or_default();
    say("postgres", format!("answers on {address} after {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(postgres)
}

/// A local server, as seen by what keeps it up.
trait Server: Send {
    const NAME: &'static str;
    fn process(&self) -> &Process;
    fn address(&self) -> String;
    fn last_words(&self) -> String;
    fn start_again(&mut self) -> impl Future<Output = Result<(), LocalError>> + Send;
}

impl Server for Kafka {
    const NAME: &'static str = "kafka";
    fn process(&self) -> &Process {
        Kafka::process(self)
    }
    fn address(&self) -> String {
        self.bootstrap_servers.clone()
    }
    fn last_words(&self) -> String {
        log_tail(&self.log_file(), 0, 3)
    }
    fn start_again(&mut self) -> impl Future<Output = Result<(), LocalError>> + Send {
        Kafka::start_again(self)
    }
}

impl Server for Postgres {
    const NAME: &'static str = "postgres";
    fn process(&self) -> &Process {
        Postgres::process(self)
    }
    fn address(&self) -> String {
        self.database_url.clone()
    }
    fn last_words(&self) -> String {
        log_tail(&self.log_file(), 0, 3)
    }
    fn start_again(&mut self) -> impl Future<Output = Result<(), LocalError>> + Send {
        Postgres::start_again(self)
    }
}

async fn keep_up<S: Server>(server: &mut S) -> anyhow::Result<()> {
    let mut backoff = Backoff::default();
    let address = server.address();
    loop {
        let status = server.process().ended().await;
        say(S::NAME, format!("ended unexpectedly ({status}); the end of its log:\n{}", server.last_words()));
        loop {
            tokio::time::sleep(backoff.next_wait()).await;
            let begun = Instant::now();
            match server.start_again().await {
                Ok(()) => {
                    say(S::NAME, format!("answers again after {:.1} s", begun.elapsed().as_secs_f64()));
                    break;
                }
                Err(error) => {
                    say(S::NAME, format!("did not start again: {:#}", anyhow::Error::from(error)));
                }
            }
            if begun.elapsed() > Duration::from_secs(60) {
                backoff.reset();
            }
        }
        if server.address() != address {
            bail!("another program took the port of {} while it was down; start again", S::NAME);
        }
    }
}

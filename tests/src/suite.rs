//! A broker, a database and the parts of the suite, each of which can be killed and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fandom::database_accounts::DatabaseAccounts;
use fandom::local::{Jars, Kafka, Postgres, ports};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio_postgres::{Client, NoTls};

/// The parts that run as processes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `fandom connect`.
    Connect,
    /// `fandom dataflow`.
    Dataflow,
    /// The second process of a dataflow of two.
    Peer,
    /// `fandom api`.
    Api,
    /// `fandom archive`.
    Archive,
}

impl Part {
    fn command(self) -> &'static str {
        match self {
            Part::Connect => "connect",
            Part::Dataflow | Part::Peer => "dataflow",
            Part::Api => "api",
            Part::Archive => "archive",
        }
    }

    fn log_name(self) -> &'static str {
        match self {
            Part::Peer => "peer",
            other => other.command(),
        }
    }
}

/// Everything, on a directory of its own. What it started is killed when it is dropped.
pub struct Suite {
    /// The broker.
    pub kafka: Kafka,
    /// The database.
    pub postgres: Postgres,
    /// The folder that the connectors watch.
    pub inbox: PathBuf,
    /// Settings of the parts, beside those of the servers.
    pub settings: Vec<(String, String)>,
    accounts: DatabaseAccounts,
    parts: Vec<(Part, Child)>,
    dir: tempfile::TempDir,
    _seat: SemaphorePermit<'static>,
}

/// What the API seals its secrets in the database with.
const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The key with which the tests ask the API.
pub const KEY: &str = "a-key-of-the-tests-that-opens-nothing-else";

/// So many suites run at a time. A test mostly waits, but each suite is a broker, a database and the parts.
static SEATS: Semaphore = Semaphore::const_new(2);
/// The broker's program, which is fetched once.
static JARS: OnceCell<Jars> = OnceCell::const_new();

async fn jars() -> anyhow::Result<&'static Jars> {
    let fetched = JARS.get_or_try_init(async || {
        let jars = Jars::in_dir(repository().join("kafka/target/jars"));
        jars.fetch(|_| ()).await.map(|_| jars)
    });
    Ok(fetched.await?)
}

impl Suite {
    /// Starts broker and database, migrates, and makes the topics. No part runs yet.
    pub async fn start(settings: &[(&str, &str)]) -> anyhow::Result<Suite> {
        let seat = SEATS.acquire().await?;
        let dir = tempfile::tempdir()?;
        let jars = jars().await?;
        let (kafka_dir, postgres_dir) = (dir.path().join("kafka"), dir.path().join("postgres"));
        let (kafka, postgres) = tokio::try_join!(Kafka::start(&kafka_dir, jars), Postgres::start(&postgres_dir))?;
        let inbox = dir.path().join("inbox");
        std::fs::create_dir(&inbox)?;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let accounts = DatabaseAccounts::with_new_passwords();
        let suite = Suite { kafka, postgres, inbox, settings, accounts, parts: Vec::new(), dir, _seat: seat };
        for mut command in [suite.migration(), suite.command("topics")] {
            let output = command.output()?;
            anyhow::ensure!(
                output.status.success(),
                "fandom {:?}: {}",
                command.get_args(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(suite)
    }

    /// The command `fandom <name>` with the settings of this suite.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(binary());
        command
            .arg(name)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| !name.starts_with("FANDOM_") && !name.starts_with("OTEL_")))
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.kafka.bootstrap_servers)
            .env("DATABASE_URL", self.database_url(name))
            .env("FANDOM_INBOX", &self.inbox)
            .env("FANDOM_API_KEY", KEY)
            .env("FANDOM_SECRETS_KEY", SECRETS_KEY)
            .env("FANDOM_API_RATE", "0")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// The command `fandom migrate`, which makes the accounts of the parts.
    pub fn migration(&self) -> Command {
        let mut command = self.command("migrate");
        command.envs(self.accounts.passwords().iter().map(|(account, password)| (account.variable, password)));
        command
    }

    /// The connection string of what a command is for: of a part by its own account, else the owner's.
    pub fn database_url(&self, command: &str) -> String {
        self.accounts.url(&self.postgres.database_url, command)
    }

    /// Starts a part.
    pub fn run(&mut self, part: Part) {
        self.run_with(part, &[]);
    }

    /// Starts a part with further settings.
    #[expect(clippy::disallowed_methods, reason = "the suite kills what it started, and killing is what the tests do")]
    pub fn run_with(&mut self, part: Part, settings: &[(&str, &str)]) {
        let log = std::fs::File::options().create(true).append(true).open(self.log(part)).expect("a log can be opened");
        let mut command = self.command(part.command());
        if part == Part::Peer {
            command.args(["--process", "1"]);
        }
        let child = command.envs(settings.iter().copied()).stdout(Stdio::null()).stderr(log).spawn();
        self.parts.push((part, child.expect("the part can be started")));
    }

    /// Kills a part as `kill -9` does, if it runs.
    pub fn kill(&mut self, part: Part) {
        for (_, mut child) in self.parts.extract_if(.., |(other, _)| *other == part) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks a part to stop, and waits until it has; kills it if that takes long.
    pub async fn stop(&mut self, part: Part) {
        if let Some(pid) = self.pid(part).and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let begun = Instant::now();
            while self.ended(part).is_none() && begun.elapsed() < Duration::from_secs(10) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self.kill(part);
    }

    /// How a part ended, if it has.
    pub fn ended(&mut self, part: Part) -> Option<std::process::ExitStatus> {
        let (_, child) = self.parts.iter_mut().find(|(other, _)| *other == part)?;
        child.try_wait().ok().flatten()
    }

    /// The number of a part's process.
    pub fn pid(&self, part: Part) -> Option<u32> {
        self.parts.iter().find(|(other, _)| *other == part).map(|(_, child)| child.id())
    }

    /// The most memory that the process of a part ever held, in bytes, as Linux tells.
    pub fn most_memory(&self, part: Part) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid(part)?)).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
        kib.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// The file of a part's log.
    pub fn log(&self, part: Part) -> PathBuf {
        self.dir.path().join(format!("{}.log", part.log_name()))
    }

    /// The last lines of the parts' logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        let tail = |part: Part| {
            let text = std::fs::read_to_string(self.log(part)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("--- {}\n{}\n", part.log_name(), lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        [Part::Connect, Part::Dataflow, Part::Peer, Part::Api, Part::Archive].map(tail).concat()
    }

    /// A connection to the database, without the suite's own code.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.postgres.database_url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Waits until `check` finds nothing to complain about.
    ///
    /// # Panics
    /// With the last complaint and the logs, when that takes longer than `patience`.
    pub async fn eventually<F>(&self, what: &str, patience: Duration, mut check: impl FnMut(Client) -> F)
    where
        F: Future<Output = anyhow::Result<Vec<String>>>,
    {
        let begun = Instant::now();
        loop {
            let complaints = match self.client().await {
                Ok(client) => check(client).await.unwrap_or_else(|error| vec![format!("{error:#}")]),
                Err(error) => vec![format!("{error:#}")],
            };
            if complaints.is_empty() {
                return;
            }
            if begun.elapsed() > patience {
                let shown: Vec<String> = complaints.iter().take(12).cloned().collect();
                panic!(
                    "{what}: not right after {} s; {} differences:\n{}\n{}",
                    patience.as_secs(),
                    complaints.len(),
                    shown.join("\n"),
                    self.logs()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        for part in [Part::Api, Part::Archive, Part::Connect, Part::Dataflow, Part::Peer] {
            self.kill(part);
        }
    }
}

/// Addresses on this machine that nothing listens on.
pub fn free_addresses(count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(ports::free(&found).expect("a free port"));
    }
    found.iter().map(|port| format!("127.0.0.1:{port}")).collect()
}

/// The top of the source tree.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the repository")
}

/// The program under test, which `cargo test --workspace` builds beside the tests: these stand in `target/<profile>/deps`, a
/// program that uses the suite in `target/<profile>`.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let mut places = own.ancestors().skip(1).take(2).map(|folder| folder.join("fandom"));
    places
        .find(|place| place.is_file())
        .expect("`fandom` stands beside it: build it with `cargo build --release -p fandom`")
}

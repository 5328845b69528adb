//! One Apache Kafka broker on this machine: KRaft, broker and controller in one process, on loopback ports.
//!
//! A directory holds `log/` (the data), `ports`, `server.properties` (written at each start), `tmp/` (emptied at each start,
//! since a broker that is killed leaves the libraries that it unpacked) and `server.log`. The data is formatted under another
//! name and then renamed, so that a directory that is half formatted is never taken for a log.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rustix::process::Signal;

use super::lock::DirLock;
use super::process::{Process, Spec, find_program, log_tail, open_log, run};
use super::{Jars, LocalError, file_error, leftovers, made_absolute, ports, private_dir, remove_dir};

const SETTINGS: &str = include_str!("../../../kafka/server.properties");
const LOGGING: &str = include_str!("../../../kafka/log4j2.properties");

/// How long a broker may take to answer. A log that was not closed is checked first, which takes a while if it is big.
const START_PATIENCE: Duration = Duration::from_secs(180);
/// How long a broker may take to stop before it is killed; it loses nothing by that.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// A broker. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Kafka {
    /// Where clients reach it, `127.0.0.1:port`. It stays the same as long as its port is not taken by another process.
    pub bootstrap_servers: String,
    dir: PathBuf,
    jars: PathBuf,
    java: PathBuf,
    process: Process,
    _lock: DirLock,
}

impl Kafka {
    /// Starts a broker on `dir`, which is made if it is missing, and waits until it answers. What an earlier broker on
    /// this directory has left running is ended first.
    ///
    /// # Errors
    /// When the directory is in use, Java is missing, or the broker ends or stays silent.
    pub async fn start(dir: &Path, jars: &Jars) -> Result<Kafka, LocalError> {
        let java = java().await?;
        private_dir(dir)?;
        let dir = made_absolute(dir)?;
        let lock = DirLock::take(&dir)?;
        leftovers::end_all(&dir, "java", Signal::KILL).await?;
        let jars = jars.dir().canonicalize().map_err(file_error("could not find the jars of Kafka in", jars.dir()))?;
        let (process, port) = launch(&dir, &jars, &java).await?;
        Ok(Kafka { bootstrap_servers: format!("127.0.0.1:{port}"), dir, jars, java, process, _lock: lock })
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process, to wait for its end or to signal it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where it writes what it has to say.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Kills it, as `kill -9` does.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts it again after it was killed or stopped, on the same data and, unless another process has taken it, the same
    /// port.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn start_again(&mut self) -> Result<(), LocalError> {
        self.process.kill().await;
        let (process, port) = launch(&self.dir, &self.jars, &self.java).await?;
        self.process = process;
        self.bootstrap_servers = format!("127.0.0.1:{port}");
        Ok(())
    }

    /// Stops it in order; kills it if that takes more than some seconds.
    pub async fn stop(&self) {
        self.stop_within(STOP_PATIENCE).await;
    }

    /// As [`Kafka::stop`], with at most this patience.
    pub async fn stop_within(&self, patience: Duration) {
        self.process.stop(Signal::TERM, patience.min(STOP_PATIENCE)).await;
    }
}

/// The oldest Java on which Apache Kafka runs.
const JAVA_WANTED: u32 = 17;

/// The Java launcher.
async fn java() -> Result<PathBuf, LocalError> {
    let home =
        std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java")).filter(|path| path.is_file());
    let hint = || {
        format!(
            "Apache Kafka needs Java {JAVA_WANTED} or newer: install it (Debian: apt-get install default-jre-headless) or set \
             JAVA_HOME to its directory, or set KAFKA_BOOTSTRAP_SERVERS to a running broker"
        )
    };
    let java =
        home.or_else(|| find_program("java")).ok_or_else(|| LocalError::Missing { program: "java", hint: hint() })?;
    let mut command = Command::new(&java);
    command.arg("--version").stdin(std::process::Stdio::null());
    let found = match run(command).await {
        Ok(printed) => java_version(&printed),
        // Java 8 and older do not know the option.
        Err(LocalError::Failed { .. }) => None,
        Err(error) => return Err(error),
    };
    if found.is_none_or(|found| found < JAVA_WANTED) {
        let found = found.map_or_else(|| "8 or older".to_owned(), |found| found.to_string());
        return Err(LocalError::TooOld { path: java, found, hint: hint() });
    }
    Ok(java)
}

/// The first number of the version that `java --version` prints: of `openjdk 21.0.4 2024-07-16`, 21.
fn java_version(printed: &str) -> Option<u32> {
    let version = printed.split_whitespace().nth(1)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Starts the broker and waits until it answers; returns its port. Another process may take a port between the moment in
/// which it was found free and the moment in which the broker listens: then other ports are tried.
async fn launch(dir: &Path, jars: &Path, java: &Path) -> Result<(Process, u16), LocalError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let [port, controller_port] = ports::kept(&dir.join("ports"))?;
        match launch_on(dir, jars, java, port, controller_port).await {
            Err(LocalError::Failed { output, .. }) if attempts < 4 && output.contains("Address already in use") => {
                tracing::warn!(port, controller_port, "another process took the broker's port; trying others");
            }
            result => return Ok((result?, port)),
        }
    }
}

async fn launch_on(
    dir: &Path,
    jars: &Path,
    java: &Path,
    port: u16,
    controller_port: u16,
) -> Result<Process, LocalError> {
    let logging = dir.join("log4j2.properties");
    std::fs::write(&logging, LOGGING).map_err(file_error("could not write", &logging))?;
    remove_dir(&temporary(dir))?;
    private_dir(&temporary(dir))?;
    let data = dir.join("log");
    if !data.is_dir() {
        let fresh = dir.join("log.new");
        remove_dir(&fresh)?;
        let settings = write_settings(dir, &fresh, port, controller_port)?;
        let id = cluster_id();
        let args = ["kafka.tools.StorageTool", "format", "--cluster-id", &id, "--config"];
        let mut format = jvm(dir, jars, java, "64m");
        format.args.extend(args.map(String::from));
        format.args.push(settings.display().to_string());
        run(format.command()).await?;
        std::fs::rename(&fresh, &data).map_err(file_error("could not make", &data))?;
    }
    let settings = write_settings(dir, &data, port, controller_port)?;

    let log = dir.join("server.log");
    let output = open_log(&log)?;
    let log_start = output.metadata().map_err(file_error("could not read", &log))?.len();
    let errors = output.try_clone().map_err(file_error("could not open", &log))?;
    let mut broker = jvm(dir, jars, java, "384m");
    broker.args.extend(["kafka.Kafka".into(), settings.display().to_string()]);
    let mut command: Command = broker.command();
    command.stdout(output).stderr(errors);
    let process = Process::spawn(command)?;

    let begun = Instant::now();
    loop {
        if let Some(status) = process.status() {
            let output = log_tail(&log, log_start, 20);
            return Err(LocalError::Failed { program: "Apache Kafka".into(), status, output });
        }
        if begun.elapsed() > START_PATIENCE {
            process.kill().await;
            let output = log_tail(&log, log_start, 20);
            return Err(LocalError::Silent { server: "Apache Kafka", waited: START_PATIENCE, output });
        }
        if answers(port).await {
            return Ok(process);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Where the broker unpacks its native libraries.
fn temporary(dir: &Path) -> PathBuf {
    dir.join("tmp")
}

/// A Java machine with a small heap, and the class path of Kafka.
fn jvm(dir: &Path, jars: &Path, java: &Path, heap: &str) -> Spec {
    let logging = dir.join("log4j2.properties");
    Spec {
        program: java.to_owned(),
        args: vec![
            format!("-Xmx{heap}"),
            "-Xms64m".into(),
            "-XX:+UseSerialGC".into(),
            "-XX:+ExitOnOutOfMemoryError".into(),
            "-XX:-UsePerfData".into(),
            "-Djava.awt.headless=true".into(),
            format!("-Djava.io.tmpdir={}", temporary(dir).display()),
            format!("-Dlog4j2.configurationFile={}", logging.display()),
            "-cp".into(),
            format!("{}/*", jars.display()),
        ],
        env: Vec::new(),
        dir: Some(dir.to_owned()),
        user: None,
        on_parent_death: "KILL",
    }
}

/// Writes `server.properties`: the settings of every machine, then those of this one.
fn write_settings(dir: &Path, data: &Path, port: u16, controller_port: u16) -> Result<PathBuf, LocalError> {
    let path = dir.join("server.properties");
    let text = format!(
        "{SETTINGS}\n# Of this machine:\n\
         listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=BROKER://127.0.0.1:{port}\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         log.dirs={}\n",
        data.display().to_string().replace('\\', "\\\\")
    );
    std::fs::write(&path, text).map_err(file_error("could not write", &path))?;
    Ok(path)
}

/// A new id for a cluster: 16 random bytes in URL-safe base64, which must not begin with a dash.
fn cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: u128 = rand::random::<u128>() >> 1;
    // 128 bits are 21 digits of six bits and one of two, which stands highest in the last digit.
    (0..22)
        .map(|at| if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 })
        .map(|digit| char::from(ALPHABET[(digit & 63) as usize]))
        .collect()
}

/// Whether a broker answers a client on this port.
async fn answers(port: u16) -> bool {
    // A plain connection first: the client would log every attempt that is refused.
    if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        return false;
    }
    let ask = move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", format!("127.0.0.1:{port}")).set("client.id", "fandom-local");
        let admin: AdminClient<DefaultClientContext> = config.create().ok()?;
        let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(5)).ok()?;
        (!metadata.brokers().is_empty()).then_some(())
    };
    tokio::task::spawn_blocking(ask).await.is_ok_and(|answer| answer.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_java_is_read() {
        for (printed, version) in [
            ("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)\n", Some(17)),
            ("openjdk 21 2023-09-19\n", Some(21)),
            ("java 25-ea 2025-09-16\n", Some(25)),
            ("openjdk 11.0.2 2019-01-15\n", Some(11)),
            ("", None),
        ] {
            assert_eq!(java_version(printed), version, "{printed}");
        }
    }

    #[test]
    fn cluster_ids_are_128_bits_in_base64() {
        for _ in 0..200 {
            let id = cluster_id();
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'), "{id}");
            assert!("AQgw".contains(&id[21..]), "the last digit holds two bits: {id}");
        }
    }
}

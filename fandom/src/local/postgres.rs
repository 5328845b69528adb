//! One private PostgreSQL cluster on this machine, on a unix socket and a loopback port.
//!
//! A directory holds `data/` (the cluster), `socket/`, `password`, `ports` and `server.log`. PostgreSQL refuses to run as
//! root; started by root, it runs as another user, and where that user cannot enter the directory the cluster stands
//! elsewhere (see [`place`]). The cluster is made under another name and then renamed, so that one that is half made is
//! never started.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio_postgres::{Config, NoTls};

use super::lock::DirLock;
use super::process::{Process, Spec, log_tail, open_log, run};
use super::{LocalError, file_error, leftovers, made_absolute, ports, private_dir, remove_dir};

pub mod installation;
pub mod place;

use installation::Installation;
use place::Place;

/// The user of the database, who owns it.
const USER: &str = "fandom";
/// The name of the database.
const DATABASE: &str = "fandom";
/// How long a server may take to answer; after a crash it reads its log first.
const START_PATIENCE: Duration = Duration::from_secs(180);
/// How long a server may take to write out what it holds before it is told to leave that to the next start.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// How long it may take to stop at once before it is killed.
const QUIT_PATIENCE: Duration = Duration::from_millis(500);
/// The longest path of a unix socket is 107 bytes, of which the server adds this many.
const SOCKET_NAME: usize = "/.s.PGSQL.65535".len();

/// A Postgres server. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Postgres {
    /// A connection string with the password. It stays the same as long as its port is not taken by another process.
    pub database_url: String,
    dir: PathBuf,
    place: Place,
    installation: Installation,
    password: String,
    process: Process,
    _lock: DirLock,
}

impl Postgres {
    /// Starts a server on `dir`, which is made if it is missing, and waits until it answers and has its database. What an
    /// earlier server on this directory has left running is ended first.
    ///
    /// # Errors
    /// When the directory is in use, PostgreSQL is missing or of another version than the data, or the server ends or
    /// stays silent.
    pub async fn start(dir: &Path) -> Result<Postgres, LocalError> {
        private_dir(dir)?;
        let dir = made_absolute(dir)?;
        let lock = DirLock::take(&dir)?;
        let place = Place::for_dir(&dir).await?;
        let installation = Installation::find(&place.data())?;
        let password = make_cluster(&place, &installation).await?;
        let (process, port) = launch(&dir, &place, &installation, &password).await?;
        make_database(port, &password).await?;
        let database_url = url(port, &password);
        Ok(Postgres { database_url, dir, place, installation, password, process, _lock: lock })
    }

    /// The number of the server's first process.
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

    /// Where the cluster stands, if not in the directory itself.
    pub fn elsewhere(&self) -> Option<&Path> {
        self.place.elsewhere()
    }

    /// Kills it, as `kill -9` does.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts it again after it was killed or stopped, on the same data and, unless another process has taken it, the same
    /// port.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn start_again(&mut self) -> Result<(), LocalError> {
        self.process.kill().await;
        let (process, port) = launch(&self.dir, &self.place, &self.installation, &self.password).await?;
        self.process = process;
        self.database_url = url(port, &self.password);
        Ok(())
    }

    /// Stops it in order. If that takes more than some seconds it stops at once, and reads its log at the next start.
    pub async fn stop(&self) {
        self.stop_within(STOP_PATIENCE + QUIT_PATIENCE).await;
    }

    /// As [`Postgres::stop`], with at most this patience in all.
    pub async fn stop_within(&self, patience: Duration) {
        self.process.signal(Signal::INT);
        let in_order = patience.saturating_sub(QUIT_PATIENCE).min(STOP_PATIENCE);
        if tokio::time::timeout(in_order, self.process.ended()).await.is_err() {
            self.process.stop(Signal::QUIT, QUIT_PATIENCE).await;
        }
    }
}

fn url(port: u16, password: &str) -> String {
    format!("postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}")
}

/// Makes the cluster if it is missing; returns its password.
async fn make_cluster(place: &Place, installation: &Installation) -> Result<String, LocalError> {
    let password_file = place.root().join("password");
    if place.data().is_dir() {
        let password = std::fs::read_to_string(&password_file).map_err(file_error("could not read", &password_file))?;
        return Ok(password.trim().to_owned());
    }
    let password = format!("{:032x}", rand::random::<u128>());
    std::fs::write(&password_file, &password).map_err(file_error("could not write", &password_file))?;
    std::fs::set_permissions(&password_file, std::fs::Permissions::from_mode(0o600))
        .map_err(file_error("could not protect", &password_file))?;
    place.give(&password_file)?;
    let fresh = place.root().join("data.new");
    remove_dir(&fresh)?;
    let args = [
        format!("--pgdata={}", fresh.display()),
        format!("--username={USER}"),
        format!("--pwfile={}", password_file.display()),
        "--auth-local=trust".into(),
        "--auth-host=scram-sha-256".into(),
        "--encoding=UTF8".into(),
        "--no-locale".into(),
        "--no-instructions".into(),
    ];
    let initdb = spec(place, installation.program("initdb"), args.into(), place.root());
    run(initdb.command()).await?;
    std::fs::rename(&fresh, place.data()).map_err(file_error("could not make", &place.data()))?;
    Ok(password)
}

fn spec(place: &Place, program: PathBuf, args: Vec<String>, dir: &Path) -> Spec {
    // `QUIT` lets the server end its own processes at once; what it has not written out is in its log.
    let env = vec![("LC_ALL".into(), "C".into()), ("TZ".into(), "UTC".into())];
    Spec { program, args, env, dir: Some(dir.to_owned()), user: place.user(), on_parent_death: "QUIT" }
}

/// Starts the server and waits until it answers; returns its port. Another process may take the port between the moment in
/// which it was found free and the moment in which the server listens: then another port is tried.
async fn launch(
    dir: &Path,
    place: &Place,
    installation: &Installation,
    password: &str,
) -> Result<(Process, u16), LocalError> {
    leftovers::end_all(&place.data(), "postgres", Signal::QUIT).await?;
    if Path::new("/proc/self").exists() {
        // Nothing works on the cluster now, so a pid file is out of date; its number may be another process's by now, which
        // would keep the server from starting.
        let _ = std::fs::remove_file(place.data().join("postmaster.pid"));
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        let [port] = ports::kept(&dir.join("ports"))?;
        match launch_on(dir, place, installation, password, port).await {
            Err(LocalError::Failed { output, .. }) if attempts < 4 && output.contains("Address already in use") => {
                tracing::warn!(port, "another process took the port of Postgres; trying another");
            }
            result => return Ok((result?, port)),
        }
    }
}

async fn launch_on(
    dir: &Path,
    place: &Place,
    installation: &Installation,
    password: &str,
    port: u16,
) -> Result<Process, LocalError> {
    let socket = place.root().join("socket");
    remove_dir(&socket)?;
    private_dir(&socket)?;
    place.give(&socket)?;
    let settings = place.data().join("postgresql.conf");
    std::fs::write(&settings, server_settings(&socket, port)).map_err(file_error("could not write", &settings))?;
    place.give(&settings)?;

    let log = dir.join("server.log");
    let output = open_log(&log)?;
    let log_start = output.metadata().map_err(file_error("could not read", &log))?.len();
    let errors = output.try_clone().map_err(file_error("could not open", &log))?;
    let args = vec!["-D".into(), place.data().display().to_string()];
    let mut command = spec(place, installation.program("postgres"), args, &place.data()).command();
    command.stdout(output).stderr(errors);
    let process = Process::spawn(command)?;

    let begun = Instant::now();
    loop {
        if let Some(status) = process.status() {
            let output = log_tail(&log, log_start, 20);
            return Err(LocalError::Failed { program: "PostgreSQL".into(), status, output });
        }
        if begun.elapsed() > START_PATIENCE {
            process.kill().await;
            let output = log_tail(&log, log_start, 20);
            return Err(LocalError::Silent { server: "PostgreSQL", waited: START_PATIENCE, output });
        }
        match connect(port, password).await {
            Ok(_) => return Ok(process),
            // It answers, but not as the server that was started: say so rather than wait.
            Err(error) if error.code().is_some_and(|code| code.code().starts_with("28")) => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }
}

/// Connects to the database that every cluster has.
async fn connect(port: u16, password: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).password(password).dbname("postgres");
    config.connect_timeout(Duration::from_secs(5)).application_name("fandom-local");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Makes the database if it is missing.
async fn make_database(port: u16, password: &str) -> Result<(), LocalError> {
    let client = connect(port, password).await?;
    let there = client.query_opt("select 1 from pg_database where datname = $1", &[&DATABASE]).await?.is_some();
    if !there {
        client.batch_execute(&format!("create database {DATABASE}")).await?;
    }
    Ok(())
}

/// The whole `postgresql.conf`. What an operator wants otherwise goes to `alter system`, which overrides it.
fn server_settings(socket: &Path, port: u16) -> String {
    let socket = socket.display().to_string();
    let socket = if socket.len() + SOCKET_NAME > 107 { String::new() } else { socket.replace('\'', "''") };
    format!(
        "# Written at each start; `alter system set …` overrides it.\n\
         listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = '{socket}'\n\
         max_connections = 100\n\
         shared_buffers = 256MB\n\
         work_mem = 16MB\n\
         maintenance_work_mem = 128MB\n\
         effective_cache_size = 1GB\n\
         # A commit is on the disk when it is confirmed.\n\
         fsync = on\n\
         synchronous_commit = on\n\
         full_page_writes = on\n\
         # No replicas read this cluster, so its log need not hold what only they would need.\n\
         wal_level = minimal\n\
         max_wal_senders = 0\n\
         wal_buffers = 16MB\n\
         min_wal_size = 256MB\n\
         max_wal_size = 2GB\n\
         checkpoint_timeout = 15min\n\
         # Views are changed row by row: keep up with what that leaves behind.\n\
         autovacuum_naptime = 15s\n\
         random_page_cost = 1.1\n\
         # Short queries beside a pipeline that uses every core.\n\
         jit = off\n\
         max_parallel_workers_per_gather = 0\n\
         max_parallel_maintenance_workers = 0\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         datestyle = 'iso, ymd'\n\
         log_destination = 'stderr'\n\
         log_line_prefix = '%m [%p] '\n\
         log_min_messages = warning\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_is_too_long_is_left_out() {
        let short = server_settings(Path::new("/tmp/a/socket"), 5432);
        assert!(short.contains("unix_socket_directories = '/tmp/a/socket'\n"));
        let long = server_settings(Path::new(&format!("/{}", "x".repeat(100))), 5432);
        assert!(long.contains("unix_socket_directories = ''\n"));
    }
}

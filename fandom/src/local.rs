//! Servers for a machine that has none: Apache Kafka from its own jars, and a private Postgres cluster.
//!
//! - [`jars`]: where the broker's jars are, and how they get there.
//! - [`kafka`]: one broker, in a directory of its own.
//! - [`postgres`]: one Postgres cluster, in a directory of its own.
//! - [`process`]: child processes that never outlive this one.
//! - [`ports`]: ports on the loopback interface that stay the same from one start to the next.
//! - [`leftovers`]: what an earlier run that was killed has left running.
//! - [`lock`]: one owner for each directory.
//!
//! Several servers may run side by side, each in its own directory. A server can be killed and started again on the
//! same directory and port, so that a test can show what its clients make of that.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

pub mod jars;
pub mod kafka;
pub mod leftovers;
pub mod lock;
pub mod ports;
pub mod postgres;
pub mod process;

pub use jars::Jars;
pub use kafka::Kafka;
pub use postgres::Postgres;

/// Why a server could not be started, stopped or found.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A file or directory could not be made, read or removed.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried, such as `could not make`.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another process holds the directory.
    #[error("{} is in use by another process{}; stop that one or choose another directory", path.display(), holder(*pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, where it can be told.
        pid: Option<u32>,
    },
    /// A program is not installed.
    #[error("{program} was not found; {hint}")]
    Missing {
        /// The program.
        program: &'static str,
        /// How to get it.
        hint: String,
    },
    /// A program is too old.
    #[error("{} is of version {found}; {hint}", path.display())]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: String,
        /// How to get a newer one.
        hint: String,
    },
    /// A program could not be run at all.
    #[error("{program} could not be run")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program that should have done something ended with an error.
    #[error("{program} failed ({status}){}", detail(output))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        output: String,
    },
    /// A server did not answer in time.
    #[error("{server} did not answer within {} s{}", waited.as_secs(), detail(output))]
    Silent {
        /// The server.
        server: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        output: String,
    },
    /// Nothing is free in the range of ports.
    #[error("no port is free on 127.0.0.1 between {from} and {to}")]
    NoPort {
        /// The first port of the range.
        from: u16,
        /// The port after the last.
        to: u16,
    },
    /// What an earlier run left behind could not be ended.
    #[error("process {pid} of an earlier run in {} could not be ended; end it and start again", path.display())]
    Leftover {
        /// The process.
        pid: u32,
        /// The directory in which it works.
        path: PathBuf,
    },
    /// The data is of another version of the server.
    #[error("{} was made by PostgreSQL {found} and {wanted} is installed; install PostgreSQL {found}, or remove the directory to start over", path.display())]
    Version {
        /// The directory.
        path: PathBuf,
        /// The version that made it.
        found: String,
        /// The version that is installed.
        wanted: String,
    },
    /// The server answered, and refused.
    #[error("the local Postgres server refused to make the database")]
    Database(#[from] tokio_postgres::Error),
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn detail(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() { String::new() } else { format!(":\n{output}") }
}

/// What a file operation failed with, and on what.
fn file_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LocalError {
    move |source| LocalError::File { what, path: path.to_owned(), source }
}

/// Makes a directory that only its owner enters, and those above it.
fn private_dir(path: &Path) -> Result<(), LocalError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file_error("could not make", path))
}

/// Removes a directory and what is in it; a directory that is not there is fine.
fn remove_dir(path: &Path) -> Result<(), LocalError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error("could not remove", path)(error)),
        _ => Ok(()),
    }
}

/// An absolute path without links, of a directory that is made if it is missing.
fn made_absolute(path: &Path) -> Result<PathBuf, LocalError> {
    std::fs::create_dir_all(path).map_err(file_error("could not make", path))?;
    path.canonicalize().map_err(file_error("could not find", path))
}

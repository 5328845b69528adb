//! Where everything is, for other programs: `connection.json` in the data directory, there while everything runs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What `connection.json` holds. It has a key and the database's password, so only its owner reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Address of the API and the page, without a slash at its end.
    pub api: String,
    /// A key of the API that holds while it runs, for programs on this machine; it may do everything.
    pub key: String,
    /// Connection string of the database.
    pub database_url: String,
    /// Brokers, `host:port` separated by commas.
    pub kafka: String,
    /// The folder that is watched.
    pub inbox: PathBuf,
}

/// The file in a data directory.
pub fn file(data: &Path) -> PathBuf {
    data.join("connection.json")
}

impl Connection {
    /// Reads the file of a data directory.
    ///
    /// # Errors
    /// When nothing runs on that directory.
    pub fn read(data: &Path) -> anyhow::Result<Connection> {
        let path = file(data);
        let text = File::open(&path).with_context(|| format!("{} is not there: nothing runs", path.display()))?;
        serde_json::from_reader(text).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// Writes the file, all at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, data: &Path) -> anyhow::Result<()> {
        let (path, fresh) = (file(data), data.join("connection.json.new"));
        let write = || -> anyhow::Result<()> {
            let _ = std::fs::remove_file(&fresh);
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
            Ok(std::fs::rename(&fresh, &path)?)
        };
        write().with_context(|| format!("could not write {}", path.display()))
    }

    /// Removes the file, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(data: &Path) -> anyhow::Result<()> {
        let path = file(data);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owner_reads_what_is_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let connection = Connection {
            api: "http://127.0.0.1:8080".into(),
            key: "fandom_secret".into(),
            database_url: "postgresql://fandom:secret@127.0.0.1:15432/fandom".into(),
            kafka: "127.0.0.1:19092".into(),
            inbox: "/data/inbox".into(),
        };
        connection.write(dir.path()).expect("it can be written");
        connection.write(dir.path()).expect("it can be written again");
        assert_eq!(Connection::read(dir.path()).expect("it can be read"), connection);
        let mode = std::fs::metadata(file(dir.path())).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Connection::remove(dir.path()).expect("it can be removed");
        Connection::remove(dir.path()).expect("it is gone already");
        assert!(Connection::read(dir.path()).is_err());
    }
}

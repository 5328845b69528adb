//! Which PostgreSQL is installed on this machine.

use std::path::{Path, PathBuf};

use super::super::LocalError;
use super::super::process::find_program;

/// The oldest version that the schemas run on.
const OLDEST: u32 = 14;

/// A directory with PostgreSQL's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    bin: PathBuf,
    version: u32,
}

impl Installation {
    /// The version that made the cluster in `data`; the newest installed one if there is no cluster yet.
    ///
    /// # Errors
    /// When none is installed, or not the one that made the cluster.
    pub fn find(data: &Path) -> Result<Installation, LocalError> {
        let mut installed = installed();
        installed.retain(|installation| installation.version >= OLDEST);
        let newest = installed.iter().max_by_key(|installation| installation.version).cloned();
        let newest = newest.ok_or_else(|| LocalError::Missing {
            program: "PostgreSQL",
            hint: format!(
                "install version {OLDEST} or newer (Debian: apt-get install postgresql), or set DATABASE_URL to a running server"
            ),
        })?;
        let Ok(made_by) = std::fs::read_to_string(data.join("PG_VERSION")) else { return Ok(newest) };
        let made_by = made_by.trim();
        installed.into_iter().find(|installation| installation.version.to_string() == made_by).ok_or_else(|| {
            LocalError::Version { path: data.to_owned(), found: made_by.to_owned(), wanted: newest.version.to_string() }
        })
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// Debian's place, which holds a directory for each version and is not in `PATH`; then `PATH`.
fn installed() -> Vec<Installation> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<Installation> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some(Installation { bin: entry.path().join("bin"), version })
        })
        .collect();
    if let Some(initdb) = find_program("initdb") {
        let bin = initdb.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
        let answer = std::process::Command::new(&initdb).arg("--version").output().ok();
        let version = answer.and_then(|output| version_of(&String::from_utf8_lossy(&output.stdout)));
        if let (Some(bin), Some(version)) = (bin, version) {
            found.push(Installation { bin, version });
        }
    }
    found.retain(|installation| installation.program("initdb").is_file() && installation.program("postgres").is_file());
    found
}

/// The version in what `initdb --version` prints, such as `initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version_of(text: &str) -> Option<u32> {
    let number = text.split("(PostgreSQL)").nth(1)?.trim_start();
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_of("initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(version_of("initdb (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(version_of("initdb"), None);
    }

    #[test]
    fn a_cluster_of_a_version_that_is_not_installed_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("PG_VERSION"), "9\n").expect("a file");
        let error = Installation::find(dir.path()).expect_err("no such version is installed").to_string();
        assert!(error.contains("PostgreSQL 9") || error.contains("was not found"), "{error}");
    }
}

//! The jars of Apache Kafka: where they are, and how they get there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::lock::DirLock;
use super::process::{Spec, find_program, run};
use super::{LocalError, file_error, made_absolute, remove_dir};

/// The version of Apache Kafka that runs locally.
pub const KAFKA_VERSION: &str = "4.4.0";

/// What Maven fetches.
const POM: &str = include_str!("../../../kafka/pom.xml");

/// A directory that holds, or shall hold, the jars of Apache Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jars {
    dir: PathBuf,
}

impl Jars {
    /// The jars in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Jars {
        Jars { dir: dir.into() }
    }

    /// The jars where they are looked for unless a directory is named: `kafka/target/jars` of the source tree in which the
    /// working directory lies, else `otherwise`.
    pub fn found_from_here(otherwise: &Path) -> Jars {
        let here = std::env::current_dir().unwrap_or_default();
        let tree = here.ancestors().find(|dir| dir.join("kafka/pom.xml").is_file());
        Jars::in_dir(tree.map_or_else(|| otherwise.to_owned(), |tree| tree.join("kafka/target/jars")))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the jars are there.
    pub fn are_there(&self) -> bool {
        self.dir.join(format!("kafka_2.13-{KAFKA_VERSION}.jar")).is_file()
    }

    /// Fetches the jars with Maven if they are missing. `progress` is told now and then how many bytes have arrived. Several
    /// processes may call this at once: one fetches, the others wait.
    ///
    /// # Errors
    /// When they are missing and Maven is not installed, or fails.
    pub async fn fetch(&self, progress: impl Fn(u64)) -> Result<(), LocalError> {
        if self.are_there() {
            return Ok(());
        }
        let maven = find_program("mvn").ok_or_else(|| LocalError::Missing {
            program: "mvn",
            hint: format!(
                "Maven fetches Apache Kafka {KAFKA_VERSION} into {}: install it (Debian: apt-get install maven), or set \
                 FANDOM_KAFKA_JARS to a directory that holds the jars, or KAFKA_BOOTSTRAP_SERVERS to a running broker",
                self.dir.display()
            ),
        })?;
        let work = made_absolute(&self.dir.with_added_extension("work"))?;
        let lock = loop {
            match DirLock::take(&work) {
                Err(LocalError::InUse { .. }) if !self.are_there() => {
                    tokio::time::sleep(Duration::from_millis(200)).await
                }
                taken => break taken,
            }
        };
        if self.are_there() {
            return Ok(());
        }
        let _lock = lock?;
        let pom = work.join("pom.xml");
        std::fs::write(&pom, POM).map_err(file_error("could not write", &pom))?;
        let fetched = work.join("jars");
        remove_dir(&fetched)?;
        let maven = Spec {
            program: maven,
            args: vec![
                "--batch-mode".into(),
                "--quiet".into(),
                "--file".into(),
                pom.display().to_string(),
                "dependency:copy-dependencies".into(),
                "-DincludeScope=runtime".into(),
                format!("-DoutputDirectory={}", fetched.display()),
            ],
            env: Vec::new(),
            dir: None,
            user: None,
            on_parent_death: "KILL",
        };
        let mut maven = std::pin::pin!(run(maven.command()));
        let mut told = Instant::now();
        loop {
            match tokio::time::timeout(Duration::from_secs(1), &mut maven).await {
                Ok(result) => {
                    result?;
                    break;
                }
                Err(_) if told.elapsed() >= Duration::from_secs(3) => {
                    told = Instant::now();
                    progress(size_of_dir(&fetched));
                }
                Err(_) => {}
            }
        }
        remove_dir(&self.dir)?;
        std::fs::rename(&fetched, &self.dir).map_err(file_error("could not make", &self.dir))
    }
}

fn size_of_dir(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_maven_fetches() {
        assert!(
            POM.contains(&format!("<artifactId>kafka_2.13</artifactId>\n      <version>{KAFKA_VERSION}</version>"))
        );
    }
}

//! The workbooks of an invented agency, and the truth about them.
//!
//! `tests/data/<agency>/` holds workbooks and `expected.json`. Where the generator of these (`exports/make.py`, beside the
//! repository in `shared/`) and what it needs are there, further agencies are made with other seeds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::suite::repository;

/// An agency's workbooks, and what they must lead to.
pub struct Agency {
    /// Its name, for messages.
    pub name: String,
    /// The truth.
    pub expected: Value,
    folder: PathBuf,
    _made: Option<tempfile::TempDir>,
}

impl Agency {
    /// An agency that is checked in.
    pub fn checked_in(name: &str) -> Agency {
        Agency::of_folder(name, repository().join("tests/data").join(name), None)
    }

    /// An agency made by the generator, where that is there.
    ///
    /// # Errors
    /// Why it could not be made.
    pub fn generated(seed: u64, options: &[&str]) -> Result<Agency, String> {
        let generator = repository().join("../shared/exports/make.py");
        if !generator.is_file() {
            return Err("the generator shared/exports/make.py is not beside the repository".to_owned());
        }
        let made = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = Command::new(python()?)
            .arg(&generator)
            .args(["--seed", &seed.to_string(), "--out"])
            .arg(made.path())
            .args(options)
            .output()
            .map_err(|error| format!("python3 could not be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("make.py failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(Agency::of_folder(&format!("seed {seed}"), made.path().to_owned(), Some(made)))
    }

    fn of_folder(name: &str, folder: PathBuf, made: Option<tempfile::TempDir>) -> Agency {
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("the agency has its truth");
        let expected = serde_json::from_str(&text).expect("the truth is JSON");
        Agency { name: name.to_owned(), expected, folder, _made: made }
    }

    /// The settings under which the truth holds.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        let settings = &self.expected["settings"];
        let text = |name: &str| settings[name].as_str().expect("a setting is text");
        vec![
            ("FANDOM_REPORTING_TZ", text("reporting_tz")),
            ("FANDOM_SOURCE_TZ", text("source_tz")),
            ("FANDOM_DEFAULT_PLATFORM", text("default_platform")),
            ("FANDOM_AS_OF", "data"),
        ]
    }

    /// The files of a stage (`a` to `d`).
    pub fn files(&self, stage: &str) -> Vec<String> {
        let files = self.expected["stages"][stage]["files"].as_array().expect("a stage has files");
        files.iter().map(|file| file.as_str().expect("a file's name is text").to_owned()).collect()
    }

    /// Makes the inbox hold exactly these files, each moved there in one step with the time of its export.
    pub fn place(&self, inbox: &Path, files: &[String]) {
        for there in listed(inbox, inbox) {
            if !files.contains(&there) {
                std::fs::remove_file(inbox.join(there)).expect("a file can be removed");
            }
        }
        for file in files {
            let target = inbox.join(file);
            if !target.exists() {
                self.put(file, &target);
            }
        }
    }

    /// Moves a file to `target` in one step, with the time of its export.
    pub fn put(&self, file: &str, target: &Path) {
        let parent = target.parent().expect("a file stands in a folder");
        std::fs::create_dir_all(parent).expect("a folder can be made");
        let half = parent.join(".half-written");
        std::fs::copy(self.folder.join(file), &half).expect("a file can be copied");
        let copy = std::fs::File::options().write(true).open(&half).expect("a copy can be opened");
        copy.set_modified(self.modified_at(file)).expect("a file's time can be set");
        std::fs::rename(&half, target).expect("a file can be moved");
    }

    /// The bytes of a file, and when it was exported, in milliseconds since the Unix epoch.
    pub fn content(&self, file: &str) -> (Vec<u8>, i64) {
        let bytes = std::fs::read(self.folder.join(file)).expect("a file can be read");
        let at = self.modified_at(file).duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        (bytes, i64::try_from(at.as_millis()).expect("before the year 292 million"))
    }

    fn modified_at(&self, file: &str) -> SystemTime {
        let records = self.expected["files"].as_array().expect("the truth lists files");
        let record = records.iter().find(|record| record["file"] == file).expect("the truth knows the file");
        let at: jiff::Timestamp = record["modified_at"].as_str().and_then(|at| at.parse().ok()).expect("an instant");
        SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_second().unsigned_abs())
    }
}

/// A Python that has what the generator needs: the system's, else one of our own in `target/`.
fn python() -> Result<PathBuf, String> {
    let has_all = |python: &Path| {
        let tried =
            Command::new(python).args(["-c", "import openpyxl, zoneinfo; zoneinfo.ZoneInfo('Asia/Kolkata')"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let system = PathBuf::from("python3");
    if has_all(&system) {
        return Ok(system);
    }
    let own = repository().join("target/exports-python");
    let python = own.join("bin/python");
    if !has_all(&python) {
        let run = |program: &Path, arguments: &[&str]| match Command::new(program).args(arguments).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        };
        run(&system, &["-m", "venv", &own.to_string_lossy()])?;
        run(&python, &["-m", "pip", "install", "--quiet", "openpyxl", "tzdata"])?;
    }
    Ok(python)
}

fn listed(folder: &Path, root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the inbox can be read");
    let paths = entries.map(|entry| entry.expect("the inbox can be read").path());
    let files = paths.flat_map(|path| match path.is_dir() {
        true => listed(&path, root),
        false => vec![path.strip_prefix(root).expect("it stands below").to_string_lossy().into_owned()],
    });
    files.collect()
}

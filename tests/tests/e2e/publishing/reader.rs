//! What a reader of the log finds.

use std::collections::{BTreeMap, BTreeSet};

use fandom_schemas::keys::parse_row_key;
use fandom_schemas::manifest::{Checksum, FileState, Manifest};
use fandom_tests::suite::Suite;
use fandom_tests::topic::each_record;

/// What a reader finds who reads the log from its beginning to its end.
#[derive(Debug, Default)]
pub struct Found {
    /// By file: version and rows of its last manifest; none for one that is gone.
    files: BTreeMap<String, (u64, Option<u64>)>,
    /// What no reader may ever find.
    pub violations: Vec<String>,
}

impl Found {
    /// How many rows of a file count; none if it is gone.
    pub fn rows(&self, name: &str) -> Option<u64> {
        self.files.get(&format!("inbox:{name}")).and_then(|(_, rows)| *rows)
    }

    /// The version of a file's last manifest.
    pub fn version(&self, name: &str) -> Option<u64> {
        self.files.get(&format!("inbox:{name}")).map(|(version, _)| *version)
    }
}

/// Reads rows and texts from the beginning. At each manifest the rows of its version must be there, all of them and with the
/// right checksum; at the end there must be nothing else.
pub fn read_log(suite: &Suite) -> Found {
    let mut found = Found::default();
    let mut rows: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    each_record(suite, "fandom.rows", |key, kind, value| {
        let Some(value) = value else {
            rows.remove(key);
            return;
        };
        if kind != Some("manifest") {
            rows.insert(key.to_owned(), value.to_vec());
            return;
        }
        let manifest: Manifest = serde_json::from_slice(value).expect("a manifest");
        let Manifest { file, version, state, .. } = &manifest;
        if found.files.get(file).is_some_and(|(newest, _)| newest > version) {
            found.violations.push(format!("{file}: the manifest of {version} follows that of a newer version"));
        }
        let mut checksum = Checksum::default();
        let mut count = 0;
        for (key, value) in of_version(&rows, file, *version) {
            checksum.add(key.as_bytes(), value);
            count += 1;
        }
        let live = *state == FileState::Live;
        if live && (count, checksum.to_hex().as_str()) != (manifest.rows, manifest.checksum.as_str()) {
            found
                .violations
                .push(format!("{file}: {count} rows, or others, at the manifest of {version}: {manifest:?}"));
        }
        found.files.insert(file.clone(), (*version, live.then_some(manifest.rows)));
    });
    let mut left: BTreeSet<&str> = rows.keys().map(String::as_str).collect();
    for (file, (version, count)) in &found.files {
        let keys: Vec<&str> = of_version(&rows, file, *version).map(|(key, _)| key.as_str()).collect();
        if keys.len() as u64 != count.unwrap_or(0) {
            found.violations.push(format!("{file}: {} rows of {version} are left of {count:?}", keys.len()));
        }
        keys.iter().for_each(|key| {
            left.remove(key);
        });
    }
    found.violations.extend(left.iter().take(3).map(|key| format!("{} rows count nothing, such as {key}", left.len())));
    let mut texts = BTreeSet::new();
    each_record(suite, "fandom.texts", |key, _, value| {
        if value.is_some() {
            texts.insert(key.to_owned())
        } else {
            texts.remove(key)
        };
    });
    if !texts.iter().eq(rows.keys()) {
        found.violations.push(format!("{} texts of {} messages", texts.len(), rows.len()));
    }
    found
}

fn of_version<'a>(
    rows: &'a BTreeMap<String, Vec<u8>>,
    file: &'a str,
    version: u64,
) -> impl Iterator<Item = (&'a String, &'a Vec<u8>)> {
    rows.range(format!("{file}/")..)
        .take_while(move |(key, _)| key.starts_with(file))
        .filter(move |(key, _)| parse_row_key(key).is_some_and(|(of, number, _)| of == file && number == version))
}

/// Reads the log; fails where a reader would find what none may ever find.
pub fn expect_sound(suite: &Suite, what: &str) -> Found {
    let found = read_log(suite);
    assert!(found.violations.is_empty(), "{what}: {:#?}\n{}", found.violations, suite.logs());
    found
}

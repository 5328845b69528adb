//! What ends a version of a file on the log, and makes its rows count, all at once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rows::Kind;

/// The record header `kind` of a manifest.
pub const MANIFEST_KIND: &str = "manifest";

/// Whether a file's rows count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its rows count.
    Live,
    /// The file was deleted or trashed: it has no rows.
    Gone,
}

/// A version of a file. Rows of that version count from here on, those of any earlier version no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The file's id: unique over all sources, kept over its versions.
    pub file: String,
    /// Greater than that of every earlier version of the file.
    pub version: u64,
    /// Whether the rows count.
    pub state: FileState,
    /// The file's name or path, as its source shows it.
    pub name: String,
    /// The zone in which naive times were read where the sheet's header names none (IANA).
    pub zone: String,
    /// When it was exported, in seconds since the Unix epoch: the stamp in its name, else `modified_at`.
    pub exported_at: i64,
    /// When it was last changed, in seconds since the Unix epoch.
    pub modified_at: i64,
    /// How many rows this version has on `fandom.rows`: ordinals 0 to `rows` − 1.
    pub rows: u64,
    /// Wrapping sum of the 64-bit XXH3 of each row's key and value, in 16 hexadecimal digits. See [`Checksum`].
    pub checksum: String,
    /// The workbook's sheets, in its order.
    pub sheets: Vec<Sheet>,
}

/// What was read from a sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sheet {
    /// 0-based position in the workbook.
    pub position: u16,
    /// The sheet's name; `null` where the format has none (.csv).
    pub name: Option<String>,
    /// What it was recognised as; `null` if as nothing.
    pub kind: Option<Kind>,
    /// Rows below the header that are not blank.
    pub rows_read: u64,
    /// Rows that count.
    pub accepted: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// The first rejected rows (at most [`REJECTS_LISTED`]); all of them are on `fandom.rejects`.
    pub rejects: Vec<SheetReject>,
    /// Accepted rows whose local time occurs twice or never.
    pub doubtful_times: u64,
    /// Other warnings, with how often each occurred.
    #[serde(default)]
    pub warnings: BTreeMap<String, u64>,
}

/// How many rejected rows a manifest lists of a sheet.
pub const REJECTS_LISTED: usize = 100;

/// A rejected row, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SheetReject {
    /// 1-based row of the sheet.
    pub row: u32,
    /// Why, such as `unreadable price`.
    pub reason: String,
}

/// The checksum of a version's rows: independent of their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// Adds a record of `fandom.rows`.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let seed = xxhash_rust::xxh3::xxh3_64(key);
        self.0 = self.0.wrapping_add(xxhash_rust::xxh3::xxh3_64_with_seed(value, seed));
    }

    /// As a manifest writes it.
    pub fn to_hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

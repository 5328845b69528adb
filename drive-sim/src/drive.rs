//! What the simulated Drive holds: files, folders, shortcuts, shared drives, and the feeds of their changes.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::{Hasher, MessageDigest};
use sha2::{Digest, Sha256};

/// The media types of folders, shortcuts and Google's own spreadsheets.
pub const FOLDER: &str = "application/vnd.google-apps.folder";
/// See [`FOLDER`].
pub const SHORTCUT: &str = "application/vnd.google-apps.shortcut";
/// See [`FOLDER`].
pub const SHEET: &str = "application/vnd.google-apps.spreadsheet";

/// Whether a media type is one of Google's own, which have no bytes.
pub(crate) fn is_native(mime: &str) -> bool {
    mime.starts_with("application/vnd.google-apps.")
}

/// Everything that is held. Each change moves the version of its item and the feed of its drive on.
#[derive(Default)]
pub struct Drive(Mutex<Held>);

#[derive(Default)]
pub(crate) struct Held {
    pub entries: BTreeMap<String, Entry>,
    /// Which items changed, and in which drive's feed that is, in order.
    pub changes: Vec<(Option<String>, String)>,
    /// Changes before this one are not known any more.
    pub oldest_change: usize,
    made: u64,
}

/// An item.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: String,
    pub name: String,
    pub mime: String,
    pub parent: Option<String>,
    /// The shared drive.
    pub drive: Option<String>,
    pub content: Content,
    pub modified_ms: i64,
    pub version: u64,
    pub trashed: bool,
    pub shared: bool,
    pub target: Option<String>,
}

/// Bytes, and what Drive says of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub bytes: Bytes,
    pub size: u64,
    pub md5: String,
    pub sha256: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    Held(Arc<[u8]>),
    File(PathBuf),
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Held(Arc::default())
    }
}

impl Drive {
    /// A folder in another one; `None` for one of its own.
    pub fn folder(&self, parent: Option<&str>, name: &str) -> String {
        self.add(parent, name, FOLDER, Content::default(), None, now_ms())
    }

    /// A shared drive; its id is that of its top folder too.
    pub fn shared_drive(&self, name: &str) -> String {
        let mut held = self.held();
        let id = held.new_id(name);
        let entry = Entry { drive: Some(id.clone()), ..entry(&id, name, FOLDER, None) };
        held.put(entry);
        id
    }

    /// A file with that content, changed at that millisecond since the Unix epoch.
    pub fn file(&self, parent: &str, name: &str, bytes: &[u8], modified_ms: i64) -> String {
        self.add(Some(parent), name, media_type(name), Content::of(bytes), None, modified_ms)
    }

    /// One of Google's own spreadsheets, which is exported as this workbook.
    pub fn sheet(&self, parent: &str, name: &str, xlsx: &[u8], modified_ms: i64) -> String {
        self.add(Some(parent), name, SHEET, Content::of(xlsx), None, modified_ms)
    }

    /// A shortcut to an item.
    pub fn shortcut(&self, parent: &str, name: &str, target: &str) -> String {
        self.add(Some(parent), name, SHORTCUT, Content::default(), Some(target), now_ms())
    }

    /// Gives a file other content.
    pub fn replace(&self, id: &str, bytes: &[u8], modified_ms: i64) {
        let content = Content::of(bytes);
        self.change(id, |entry| {
            entry.content = content;
            entry.modified_ms = modified_ms;
        });
    }

    /// Gives an item another name.
    pub fn rename(&self, id: &str, name: &str) {
        self.change(id, |entry| name.clone_into(&mut entry.name));
    }

    /// Moves an item into another folder.
    pub fn move_to(&self, id: &str, parent: &str) {
        let drive = self.held().entries.get(parent).and_then(|parent| parent.drive.clone());
        self.change(id, |entry| {
            entry.parent = Some(parent.to_owned());
            entry.drive = drive;
        });
    }

    /// Moves an item to the trash, with all that is below it.
    pub fn trash(&self, id: &str) {
        self.change(id, |entry| entry.trashed = true);
    }

    /// Takes an item out of the trash.
    pub fn untrash(&self, id: &str) {
        self.change(id, |entry| entry.trashed = false);
    }

    /// Takes the account's right to an item away, and to all that is below it.
    pub fn unshare(&self, id: &str) {
        self.change(id, |entry| entry.shared = false);
    }

    /// Gives it back.
    pub fn share(&self, id: &str) {
        self.change(id, |entry| entry.shared = true);
    }

    /// Raises the version of an item without changing anything that can be seen.
    pub fn touch_version(&self, id: &str) {
        self.change(id, |_| ());
    }

    /// Deletes an item for good.
    pub fn delete(&self, id: &str) {
        let mut held = self.held();
        if let Some(entry) = held.entries.remove(id) {
            held.changes.push((entry.drive, id.to_owned()));
        }
    }

    /// Forgets where changes went on: every page token that was given is of no use.
    pub fn expire_page_tokens(&self) {
        let mut held = self.held();
        held.changes.push((None, String::new()));
        held.oldest_change = held.changes.len();
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(
        &self,
        parent: Option<&str>,
        name: &str,
        mime: &str,
        content: Content,
        target: Option<&str>,
        modified_ms: i64,
    ) -> String {
        let mut held = self.held();
        let id = held.new_id(name);
        let drive = parent.and_then(|parent| held.entries.get(parent)?.drive.clone());
        let target = target.map(str::to_owned);
        let entry = Entry { drive, content, target, modified_ms, ..entry(&id, name, mime, parent) };
        held.put(entry);
        id
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Entry)) {
        let mut held = self.held();
        let Some(entry) = held.entries.get(id) else { return };
        let mut entry = entry.clone();
        let drive = entry.drive.clone();
        change(&mut entry);
        entry.version += 1;
        // What leaves a drive is told to those who follow it.
        if entry.drive != drive {
            held.changes.push((drive, id.to_owned()));
        }
        held.put(entry);
    }
}

impl Held {
    /// Puts an item in the place of the one with its id, and tells so.
    pub fn put(&mut self, entry: Entry) {
        self.changes.push((entry.drive.clone(), entry.id.clone()));
        self.entries.insert(entry.id.clone(), entry);
    }

    /// An id in Drive's form.
    pub fn new_id(&mut self, name: &str) -> String {
        self.made += 1;
        let digest = Sha256::digest(format!("{} {name}", self.made));
        format!("1{}", URL_SAFE_NO_PAD.encode(digest).chars().take(32).collect::<String>())
    }

    /// An item that the account may see, and whether it is in the trash, itself or with a folder above it.
    pub fn visible(&self, id: &str) -> Option<(&Entry, bool)> {
        let found = self.entries.get(id)?;
        let (mut entry, mut trashed, mut passed) = (found, false, HashSet::new());
        loop {
            if !entry.shared || !passed.insert(entry.id.as_str()) {
                return None;
            }
            trashed |= entry.trashed;
            match entry.parent.as_ref().and_then(|parent| self.entries.get(parent)) {
                Some(parent) => entry = parent,
                None => return Some((found, trashed)),
            }
        }
    }
}

impl Content {
    fn of(bytes: &[u8]) -> Content {
        let mut digests = Digests::default();
        digests.take(bytes);
        digests.content(Bytes::Held(bytes.into()))
    }

    /// The content of a file of this machine, which is read again whenever it is asked for.
    pub(crate) fn of_file(path: &Path) -> io::Result<Content> {
        let (mut file, mut digests, mut buffer) = (File::open(path)?, Digests::default(), vec![0; 256 * 1024]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(digests.content(Bytes::File(path.to_owned()))),
                read => digests.take(&buffer[..read]),
            }
        }
    }
}

struct Digests {
    size: u64,
    md5: Hasher,
    sha256: Sha256,
}

impl Default for Digests {
    fn default() -> Digests {
        let md5 = Hasher::new(MessageDigest::md5()).expect("OpenSSL has MD5");
        Digests { size: 0, md5, sha256: Sha256::new() }
    }
}

impl Digests {
    fn take(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.md5.update(bytes).expect("OpenSSL has MD5");
        self.sha256.update(bytes);
    }

    fn content(mut self, bytes: Bytes) -> Content {
        let md5 = hex(&self.md5.finish().expect("OpenSSL has MD5"));
        Content { bytes, size: self.size, md5, sha256: hex(&self.sha256.finalize()) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn entry(id: &str, name: &str, mime: &str, parent: Option<&str>) -> Entry {
    Entry {
        id: id.to_owned(),
        name: name.to_owned(),
        mime: mime.to_owned(),
        parent: parent.map(str::to_owned),
        drive: None,
        content: Content::default(),
        modified_ms: now_ms(),
        version: 1,
        trashed: false,
        shared: true,
        target: None,
    }
}

/// What Drive takes a file of that name for.
pub(crate) fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("xlsm") => "application/vnd.ms-excel.sheet.macroEnabled.12",
        Some("xlsb") => "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
        Some("xls") => "application/vnd.ms-excel",
        Some("ods") => "application/vnd.oasis.opendocument.spreadsheet",
        Some("csv") => "text/csv",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

//! Looking through a folder tree, once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::Stamp;
use crate::source::PassedOver;

/// What is below a folder.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub files: Vec<Found>,
    /// Relative paths (a folder's ends in `/`) of what could not be read.
    pub unreadable: Vec<String>,
    pub passed_over: Vec<PassedOver>,
    /// Device and inode of the folder itself.
    pub root: Option<(u64, u64)>,
}

/// A workbook, by its name.
#[derive(Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    /// Path relative to the folder, its parts joined by `/`. Bytes that are not UTF-8 are written as `\xHH`.
    pub relative: String,
    pub stamp: Stamp,
    pub unusable: Option<&'static str>,
}

/// Extensions of workbooks.
const WORKBOOKS: [&str; 6] = ["xlsx", "xlsm", "xls", "xlsb", "ods", "csv"];

/// The longest relative path that can be an id, in bytes: ids are keys in Postgres.
const LONGEST: usize = 1000;

const NOT_UTF8: &str = "the name is not valid UTF-8; rename the file";

/// Every workbook below `root`. Links are followed; a folder that several links lead to is entered once, and by its own path
/// where it has one, so links that lead back or across end.
///
/// # Errors
/// When `root` itself cannot be read, or another folder took its place meanwhile.
pub(super) fn walk(root: &Path) -> io::Result<Walked> {
    let mut walk = Walk { walked: Walked::default(), entered: HashSet::new(), links: Vec::new() };
    let metadata = fs::metadata(root)?;
    walk.walked.root = identity(&metadata);
    walk.entered.extend(walk.walked.root);
    walk.folder(root, "", true)?;
    // Breadth first: a link found behind a link waits for all links found before it.
    let mut next = 0;
    while next < walk.links.len() {
        let (path, relative, utf8) = walk.links[next].clone();
        next += 1;
        walk.enter(&path, relative, utf8);
    }
    if identity(&fs::metadata(root)?) != walk.walked.root {
        return Err(io::Error::other("another folder took its place while it was looked through"));
    }
    Ok(walk.walked)
}

struct Walk {
    walked: Walked,
    entered: HashSet<(u64, u64)>,
    links: Vec<(PathBuf, String, bool)>,
}

impl Walk {
    fn folder(&mut self, path: &Path, relative: &str, utf8: bool) -> io::Result<()> {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let (shown, name_utf8) = shown(&name);
            if shown.starts_with('.') || shown.starts_with("~$") {
                continue;
            }
            let (path, relative, utf8) = (entry.path(), format!("{relative}{shown}"), utf8 && name_utf8);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.enter(&path, format!("{relative}/"), utf8),
                Ok(kind) => self.file(path, relative, utf8, kind.is_symlink()),
                Err(error) => self.unreadable(relative, &error),
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: &Path, relative: String, utf8: bool) {
        let entered = fs::metadata(path).and_then(|metadata| match identity(&metadata) {
            Some(identity) if !self.entered.insert(identity) => {
                self.pass_over(&relative, "a link to a folder that was looked through already");
                Ok(())
            }
            _ => self.folder(path, &relative, utf8),
        });
        if let Err(error) = entered {
            self.unreadable(relative, &error);
        }
    }

    fn file(&mut self, path: PathBuf, relative: String, utf8: bool, link: bool) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Where the link led to a folder, perhaps to a disk that is not mounted now, its files are not taken for deleted.
            Err(_) if link => {
                self.pass_over(&relative, "a link that leads nowhere");
                return self.walked.unreadable.push(format!("{relative}/"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(relative, &error),
        };
        if metadata.is_dir() {
            return self.links.push((path, format!("{relative}/"), utf8));
        }
        if !metadata.is_file() {
            return self.pass_over(&relative, "not a regular file");
        }
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        if !WORKBOOKS.contains(&extension.as_str()) {
            return self.pass_over(&relative, "no workbook by its extension");
        }
        if relative.len() > LONGEST {
            return self.pass_over(&relative, "the path is longer than 1000 bytes; shorten it");
        }
        let unusable = (!utf8).then_some(NOT_UTF8);
        self.walked.files.push(Found { path, relative, stamp: Stamp::from_metadata(&metadata), unusable });
    }

    fn pass_over(&mut self, name: &str, reason: &'static str) {
        self.walked.passed_over.push(PassedOver { name: name.to_owned(), reason });
    }

    fn unreadable(&mut self, relative: String, error: &io::Error) {
        tracing::debug!(name = %relative, %error, "part of the folder could not be read");
        self.pass_over(&relative, "could not be read; what is known of it stays");
        self.walked.unreadable.push(relative);
    }
}

/// A name as text, and whether it is the name itself.
fn shown(name: &OsStr) -> (String, bool) {
    if let Some(name) = name.to_str() {
        return (name.to_owned(), true);
    }
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    (text, false)
}

/// Device and inode of a file.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Device and inode of a file, which this system does not tell.
#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

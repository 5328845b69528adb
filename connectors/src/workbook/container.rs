//! The zip in which a workbook comes: opened with care, its entries inflated under limits.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::ZipArchive;
use zip::read::Config;
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::meter::{EntryLimit, Meter, Metered};
use super::{Limits, ReadError};

/// Entries of up to this size are free of the limit of inflation: a small sheet of equal rows shrinks a thousandfold.
const FREE_OF_RATIO: u64 = 16 << 20;

/// Bytes of an entry that says how the workbook is built (styles, relations, list of sheets).
pub(crate) const STRUCTURE_BYTES: u64 = 64 << 20;

/// Bytes of a zip's directory for each entry that there may be: the parser keeps names and comments, of up to 64 KiB each.
const DIRECTORY_BYTES: u64 = 1 << 10;

/// Bytes that are read while the directory is looked for.
const SEARCH_BYTES: u64 = 4 << 20;

/// The bytes of an entry, inflated as they are read.
pub(crate) type Entry<'a> = BufReader<Metered<'a, zip::read::ZipFile<'a, BufReader<Rationed>>>>;

/// An open zip.
pub(crate) struct Container<'l> {
    archive: ZipArchive<BufReader<Rationed>>,
    names: HashMap<String, usize>,
    limits: &'l Limits,
}

impl<'l> Container<'l> {
    /// Opens a zip: counts its entries before their names are read, and refuses entries that claim to inflate beyond the limits.
    /// (What they do inflate to is counted when they are read.)
    pub(crate) fn open(file: &File, limits: &'l Limits) -> Result<Container<'l>, ReadError> {
        let left =
            Rc::new(Cell::new(limits.max_zip_entries.saturating_mul(DIRECTORY_BYTES).saturating_add(SEARCH_BYTES)));
        let reader =
            || Ok::<_, ReadError>(BufReader::new(Rationed { file: file.try_clone()?, left: Rc::clone(&left) }));
        let of_directory = |error: ZipError| match left.get() {
            0 => {
                let most = limits.max_zip_entries;
                ReadError::too_large("a directory too long for its zip entries", "FANDOM_MAX_ZIP_ENTRIES", most)
            }
            _ => of_zip(error),
        };
        let ends = ZipIterable::try_new(reader()?, Config::default()).map_err(of_directory)?;
        check_entries(ends.len(), limits)?;
        let mut archive = ZipArchive::new(reader()?).map_err(of_directory)?;
        left.set(u64::MAX);
        check_entries(archive.len(), limits)?;
        let mut names = HashMap::with_capacity(archive.len());
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(of_zip)?;
            let (packed, claimed) = (entry.compressed_size(), entry.size());
            if claimed > most_of(packed, limits) {
                let what = format!("an entry of {packed} bytes that inflates to {claimed}");
                return Err(ReadError::too_large(what, "FANDOM_MAX_INFLATION_RATIO", limits.max_inflation_ratio));
            }
            names.entry(plain_name(&String::from_utf8_lossy(entry.name_raw()))).or_insert(index);
        }
        Ok(Container { archive, names, limits })
    }

    /// What a file may cost at most.
    pub(crate) fn limits(&self) -> &'l Limits {
        self.limits
    }

    /// Whether there is an entry of that name, in any case.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(&plain_name(name))
    }

    /// Opens an entry for reading; `None` if there is none of that name. `most` bounds its size when inflated, with the name
    /// and value of the limit for the error.
    pub(crate) fn entry<'a>(
        &'a mut self,
        name: &str,
        meter: &'a Meter,
        bound: Option<(u64, &'static str, u64)>,
    ) -> Result<Option<Entry<'a>>, ReadError> {
        let Some(&index) = self.names.get(&plain_name(name)) else {
            return Ok(None);
        };
        let entry = self.archive.by_index(index).map_err(of_zip)?;
        let by_ratio = most_of(entry.compressed_size(), self.limits);
        let limit = match bound {
            Some((most, setting, allows)) if most < by_ratio => EntryLimit { inflated: 0, most, setting, allows },
            _ => EntryLimit {
                inflated: 0,
                most: by_ratio,
                setting: "FANDOM_MAX_INFLATION_RATIO",
                allows: self.limits.max_inflation_ratio,
            },
        };
        Ok(Some(BufReader::with_capacity(64 << 10, Metered::inflating(entry, meter, limit))))
    }

    /// Opens an entry that says how the workbook is built.
    pub(crate) fn structure<'a>(&'a mut self, name: &str, meter: &'a Meter) -> Result<Option<Entry<'a>>, ReadError> {
        self.entry(name, meter, Some((STRUCTURE_BYTES, "the reader", STRUCTURE_BYTES)))
    }
}

/// A file of which only so many bytes may be read.
#[derive(Debug)]
pub(crate) struct Rationed {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for Rationed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("beyond a limit"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        self.left.set(left - count as u64);
        Ok(count)
    }
}

impl Seek for Rationed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn most_of(packed: u64, limits: &Limits) -> u64 {
    packed.saturating_mul(limits.max_inflation_ratio).max(FREE_OF_RATIO)
}

fn check_entries(count: usize, limits: &Limits) -> Result<(), ReadError> {
    if count as u64 > limits.max_zip_entries {
        return Err(ReadError::too_large(
            format!("{count} zip entries"),
            "FANDOM_MAX_ZIP_ENTRIES",
            limits.max_zip_entries,
        ));
    }
    Ok(())
}

/// Names are compared without case, with forward slashes and without a leading one.
fn plain_name(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

/// What a fault of the zip says about the file.
pub(crate) fn of_zip(error: ZipError) -> ReadError {
    match error {
        ZipError::Io(cause) => of_io(cause),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ReadError::PasswordProtected
        }
        // The directory stands at the end.
        ZipError::InvalidArchive(detail) if detail.contains("EOCD") => ReadError::damaged("it ends too early"),
        ZipError::InvalidArchive(detail) => {
            ReadError::damaged(format!("its zip container is broken: {}", lower(&detail)))
        }
        other => ReadError::damaged(format!("its zip container cannot be read: {}", lower(&other.to_string()))),
    }
}

/// What a failed read says: bytes that are missing or wrong are the file's fault, all else the machine's.
pub(crate) fn of_io(cause: io::Error) -> ReadError {
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::damaged("it ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            ReadError::damaged(format!("its zip container is broken: {}", lower(&cause.to_string())))
        }
        _ => ReadError::Io(cause),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

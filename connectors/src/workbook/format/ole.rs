//! The container of `.xls`, and of Office files that are protected by a password: directories and streams in chained sectors
//! (MS-CFB). A sector is part of one chain, so all chains together are no longer than the file, however they are knotted.
//!
//! Only what stands in the root folder is the file's own: an object that is embedded in a workbook brings a folder with a
//! `Workbook`, or an `EncryptedPackage`, of its own.

use std::cell::Cell;
use std::collections::HashSet;

use super::super::ReadError;

const FREE_OR_END: u32 = 0xffff_fffc;

/// Where the directory names no entry.
const NO_ENTRY: u32 = 0xffff_ffff;

/// A container in memory.
pub(super) struct Ole<'b> {
    bytes: &'b [u8],
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini_stream: Vec<u8>,
    mini_cutoff: u64,
    /// The streams and folders in the root.
    directory: Vec<DirectoryEntry>,
    /// Sectors that were not read yet.
    left: Cell<usize>,
}

struct DirectoryEntry {
    name: String,
    first: u32,
    length: u64,
    /// The entries of the same folder on either side of it.
    beside: [u32; 2],
    /// An entry of the folder that it is.
    child: u32,
}

const MINI_SECTOR: usize = 64;

impl<'b> Ole<'b> {
    /// Reads the directory of a container.
    pub(super) fn new(bytes: &'b [u8]) -> Result<Ole<'b>, ReadError> {
        let shift = u16_at(bytes, 30).filter(|shift| matches!(shift, 9 | 12)).ok_or_else(broken)?;
        let sector = 1usize << shift;
        let mut ole = Ole {
            bytes,
            sector,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini_stream: Vec::new(),
            mini_cutoff: u64::from(u32_at(bytes, 56).ok_or_else(broken)?),
            directory: Vec::new(),
            left: Cell::new(bytes.len() / sector + 1),
        };
        ole.fat = ole.allocation_table()?;
        let directory = ole.chain(u32_at(bytes, 48).ok_or_else(broken)?)?;
        let entries: Vec<_> = directory.chunks_exact(128).map(directory_entry).collect();
        // Where there are none, some programs still name a first sector.
        if u32_at(bytes, 64).ok_or_else(broken)? > 0 {
            ole.mini_fat = words(&ole.chain(u32_at(bytes, 60).ok_or_else(broken)?)?);
        }
        if let Some(Some(root)) = entries.first() {
            if root.length > 0 {
                ole.mini_stream = whole(ole.chain(root.first)?, root.length)?;
            }
            let child = root.child;
            ole.directory = folder(entries, child);
        }
        Ok(ole)
    }

    /// Whether there is a stream or folder of that name in the root.
    pub(super) fn has(&self, name: &str) -> bool {
        self.directory.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// The bytes of a stream in the root.
    pub(super) fn stream(&self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(entry) = self.directory.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let content =
            if entry.length < self.mini_cutoff { self.mini_chain(entry.first)? } else { self.chain(entry.first)? };
        whole(content, entry.length).map(Some)
    }

    /// Which sector follows which: from the sectors that the header lists, and those that they list.
    fn allocation_table(&self) -> Result<Vec<u32>, ReadError> {
        let mut sectors: Vec<u32> = (0..109).filter_map(|place| u32_at(self.bytes, 76 + 4 * place)).collect();
        let mut next = u32_at(self.bytes, 68).ok_or_else(broken)?;
        let most = self.bytes.len() / self.sector + 1;
        for _ in 0..most {
            if next >= FREE_OR_END {
                break;
            }
            let mut listed = words(self.sector_at(next)?);
            next = listed.pop().unwrap_or(FREE_OR_END);
            sectors.extend(listed);
        }
        let mut table = Vec::new();
        for sector in sectors.into_iter().filter(|sector| *sector < FREE_OR_END).take(most) {
            table.extend(words(self.sector_at(sector)?));
        }
        Ok(table)
    }

    fn sector_at(&self, number: u32) -> Result<&'b [u8], ReadError> {
        let start =
            (number as usize).checked_add(1).and_then(|place| place.checked_mul(self.sector)).ok_or_else(broken)?;
        let end = start.saturating_add(self.sector).min(self.bytes.len());
        let sector = self.bytes.get(start..end).filter(|sector| !sector.is_empty()).ok_or_else(broken)?;
        self.left.set(self.left.get().checked_sub(1).ok_or_else(broken)?);
        Ok(sector)
    }

    /// The sectors of a chain, one after the other.
    fn chain(&self, first: u32) -> Result<Vec<u8>, ReadError> {
        let follow = |next: u32| self.fat.get(next as usize).copied().ok_or_else(broken);
        let (mut next, mut sectors) = (first, 0);
        while next < FREE_OR_END {
            sectors += 1;
            if sectors > self.left.get() {
                return Err(broken());
            }
            next = follow(next)?;
        }
        let mut content = Vec::with_capacity(sectors * self.sector);
        next = first;
        while next < FREE_OR_END {
            content.extend_from_slice(self.sector_at(next)?);
            next = follow(next)?;
        }
        Ok(content)
    }

    fn mini_chain(&self, first: u32) -> Result<Vec<u8>, ReadError> {
        let mut content = Vec::new();
        let mut next = first;
        // A chain that is longer than its table leads back into itself.
        for _ in 0..=self.mini_fat.len() {
            if next >= FREE_OR_END {
                return Ok(content);
            }
            let start = next as usize * MINI_SECTOR;
            let end = (start + MINI_SECTOR).min(self.mini_stream.len());
            let sector = self.mini_stream.get(start..end).filter(|sector| !sector.is_empty()).ok_or_else(broken)?;
            content.extend_from_slice(sector);
            next = *self.mini_fat.get(next as usize).ok_or_else(broken)?;
        }
        Err(broken())
    }
}

/// The entries of the folder of which `child` is one.
fn folder(mut entries: Vec<Option<DirectoryEntry>>, child: u32) -> Vec<DirectoryEntry> {
    let (mut found, mut seen, mut next) = (Vec::new(), HashSet::new(), vec![child]);
    while let Some(at) = next.pop() {
        if at == NO_ENTRY || !seen.insert(at) {
            continue;
        }
        if let Some(entry) = entries.get_mut(at as usize).and_then(Option::take) {
            next.extend(entry.beside);
            found.push(entry);
        }
    }
    found
}

/// Content that is as long as the directory says; where its chain is shorter, a part of it is lost.
fn whole(mut content: Vec<u8>, length: u64) -> Result<Vec<u8>, ReadError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= content.len()).ok_or_else(broken)?;
    content.truncate(length);
    Ok(content)
}

fn directory_entry(bytes: &[u8]) -> Option<DirectoryEntry> {
    let length = usize::from(u16_at(bytes, 64)?).checked_sub(2).filter(|length| *length <= 62)?;
    let (name, _) = encoding_rs::UTF_16LE.decode_without_bom_handling(&bytes[..length]);
    // The upper half of the length means nothing in containers of 512-byte sectors, and no stream is that long.
    Some(DirectoryEntry {
        name: name.into_owned(),
        first: u32_at(bytes, 116)?,
        length: u64::from(u32_at(bytes, 120)?),
        beside: [u32_at(bytes, 68)?, u32_at(bytes, 72)?],
        child: u32_at(bytes, 76)?,
    })
}

fn broken() -> ReadError {
    ReadError::damaged("its OLE container is broken")
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

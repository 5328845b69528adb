//! The container of `.xls`, and of Office files that are protected by a password: directories and streams in chained sectors
//! (MS-CFB). A sector is part of one chain, so all chains together are no longer than the file, however they are knotted.

use std::cell::Cell;

use super::super::ReadError;

const FREE_OR_END: u32 = 0xffff_fffc;

/// A container in memory.
pub(super) struct Ole<'b> {
    bytes: &'b [u8],
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini_stream: Vec<u8>,
    mini_cutoff: u64,
    directory: Vec<DirectoryEntry>,
    /// Sectors that were not read yet.
    left: Cell<usize>,
}

struct DirectoryEntry {
    name: String,
    first: u32,
    length: u64,
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
        ole.directory = directory.chunks_exact(128).filter_map(directory_entry).collect();
        // Where there are none, some programs still name a first sector.
        if u32_at(bytes, 64).ok_or_else(broken)? > 0 {
            ole.mini_fat = words(&ole.chain(u32_at(bytes, 60).ok_or_else(broken)?)?);
        }
        if let Some(root) = ole.directory.first().filter(|root| root.length > 0) {
            ole.mini_stream = ole.chain(root.first)?;
        }
        Ok(ole)
    }

    /// Whether there is a stream or folder of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.directory.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// The bytes of a stream.
    pub(super) fn stream(&self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(entry) = self.directory.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let mut content =
            if entry.length < self.mini_cutoff { self.mini_chain(entry.first)? } else { self.chain(entry.first)? };
        content.truncate(usize::try_from(entry.length).unwrap_or(usize::MAX));
        Ok(Some(content))
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
        while next < FREE_OR_END {
            if content.len() > self.mini_stream.len() {
                return Err(broken());
            }
            let start = next as usize * MINI_SECTOR;
            let end = (start + MINI_SECTOR).min(self.mini_stream.len());
            content.extend_from_slice(self.mini_stream.get(start..end).ok_or_else(broken)?);
            next = *self.mini_fat.get(next as usize).ok_or_else(broken)?;
        }
        Ok(content)
    }
}

fn directory_entry(bytes: &[u8]) -> Option<DirectoryEntry> {
    let length = usize::from(u16_at(bytes, 64)?).checked_sub(2).filter(|length| *length <= 62)?;
    let (name, _) = encoding_rs::UTF_16LE.decode_without_bom_handling(&bytes[..length]);
    // The upper half of the length means nothing in containers of 512-byte sectors, and no stream is that long.
    Some(DirectoryEntry { name: name.into_owned(), first: u32_at(bytes, 116)?, length: u64::from(u32_at(bytes, 120)?) })
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

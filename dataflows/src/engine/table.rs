//! A hash table for millions of small entries.
//!
//! ```text
//!  index: hash ─▶ u32 (5 bytes a slot)      entries: chunks of (key, value), each allocated once
//! ```
//!
//! A hash map that holds its entries inline pays for its empty slots with whole entries, and moves every entry when it
//! grows. Here a slot is a number, entries never move, and a free place is used again.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Entries of a chunk.
const CHUNK: usize = 1 << 10;

/// See the module.
pub struct Table<K, V> {
    index: HashTable<u32>,
    chunks: Vec<Vec<Option<(K, V)>>>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Table<K, V> {
        Table { index: HashTable::new(), chunks: Vec::new(), free: Vec::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where the entry of a key is.
    pub fn find(&self, key: &K) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |place| self.entry(*place as usize).0 == *key).map(|place| *place as usize)
    }

    /// Where the entry of a key is, or where it now is.
    pub fn find_or_insert(&mut self, key: K, value: impl FnOnce() -> V) -> usize {
        match self.find(&key) {
            Some(place) => place,
            None => self.insert(key, value()),
        }
    }

    /// Puts in an entry whose key is not there.
    pub fn insert(&mut self, key: K, value: V) -> usize {
        let hash = self.hasher.hash_one(&key);
        let place = match self.free.pop() {
            Some(place) => place as usize,
            None => {
                if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                    self.chunks.push(Vec::with_capacity(if self.chunks.is_empty() { 1 } else { CHUNK }));
                }
                let full = (self.chunks.len() - 1) * CHUNK;
                let chunk = self.chunks.last_mut().expect("a chunk was just made");
                chunk.push(None);
                full + chunk.len() - 1
            }
        };
        self.chunks[place / CHUNK][place % CHUNK] = Some((key, value));
        let number = u32::try_from(place).expect("a worker holds fewer than 2^32 entries of a kind");
        let (chunks, hasher) = (&self.chunks, &self.hasher);
        self.index.insert_unique(hash, number, |place| {
            let entry = chunks[*place as usize / CHUNK][*place as usize % CHUNK].as_ref();
            hasher.hash_one(&entry.expect("what the index names is there").0)
        });
        place
    }

    /// The entry at a place.
    pub fn entry(&self, place: usize) -> &(K, V) {
        self.chunks[place / CHUNK][place % CHUNK].as_ref().expect("what the index names is there")
    }

    /// The entry at a place, where there is one; the value may change.
    pub fn at_mut(&mut self, place: usize) -> Option<(&K, &mut V)> {
        self.chunks[place / CHUNK][place % CHUNK].as_mut().map(|(key, value)| (&*key, value))
    }

    /// The value at a place.
    pub fn value_mut(&mut self, place: usize) -> &mut V {
        &mut self.chunks[place / CHUNK][place % CHUNK].as_mut().expect("what the index names is there").1
    }

    /// Takes out the entry at a place.
    pub fn remove(&mut self, place: usize) -> V {
        let (key, value) = self.chunks[place / CHUNK][place % CHUNK].take().expect("what the index names is there");
        let hash = self.hasher.hash_one(&key);
        if let Ok(slot) = self.index.find_entry(hash, |other| *other as usize == place) {
            slot.remove();
        }
        self.free.push(place as u32);
        value
    }

    /// Bytes that it has allocated, without what entries have.
    pub fn bytes(&self) -> usize {
        let places: usize = self.chunks.iter().map(Vec::capacity).sum();
        self.index.allocation_size() + places * size_of::<Option<(K, V)>>() + self.free.capacity() * size_of::<u32>()
    }

    /// Places are below this.
    pub fn places(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }
}

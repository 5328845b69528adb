//! A sorted sequence in which both "what stands at position i" and "how many are less" are quick.
//!
//! Items stand in buckets of bounded length, in order. A change moves the items of one bucket; a look-up counts along the
//! buckets: for a million items, some thousand steps of a few nanoseconds.

/// A bucket is cut in two when it is longer.
const BUCKET: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub struct Ranked<T> {
    buckets: Vec<Vec<T>>,
    len: usize,
    /// Taken out by [`Ranked::update`] before they came.
    owed: Vec<T>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Ranked<T> {
        Ranked { buckets: Vec::new(), len: 0, owed: Vec::new() }
    }
}

impl<T: Ord + Copy> Ranked<T> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.owed.is_empty()
    }

    /// Puts in an item.
    pub fn insert(&mut self, item: T) {
        self.len += 1;
        let place = self.bucket_of(&item);
        let Some(bucket) = self.buckets.get_mut(place) else {
            self.buckets.push(vec![item]);
            return;
        };
        bucket.insert(bucket.partition_point(|other| *other < item), item);
        if bucket.len() > BUCKET {
            let upper = bucket.split_off(BUCKET / 2);
            bucket.shrink_to_fit();
            self.buckets.insert(place + 1, upper);
        }
    }

    /// Takes out an item; tells whether it was there.
    pub fn remove(&mut self, item: &T) -> bool {
        let place = self.bucket_of(item);
        let Some(bucket) = self.buckets.get_mut(place) else { return false };
        let Ok(within) = bucket.binary_search(item) else { return false };
        bucket.remove(within);
        if bucket.is_empty() {
            self.buckets.remove(place);
        }
        self.len -= 1;
        true
    }

    /// Puts in an item so many times, or takes it out so many times, in whichever order that comes.
    pub fn update(&mut self, item: T, times: isize) {
        for _ in times..0 {
            if !self.remove(&item) {
                self.owed.push(item);
            }
        }
        for _ in 0..times {
            match self.owed.iter().position(|owed| *owed == item) {
                Some(place) => drop(self.owed.swap_remove(place)),
                None => self.insert(item),
            }
        }
    }

    /// The item at a position (0-based, ascending).
    pub fn get(&self, position: usize) -> Option<T> {
        let mut before = 0;
        for bucket in &self.buckets {
            if position < before + bucket.len() {
                return Some(bucket[position - before]);
            }
            before += bucket.len();
        }
        None
    }

    /// How many items come before the first for which `is_before` is false; it must be true for a start of the sequence.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let place = self.buckets.partition_point(|bucket| bucket.last().is_some_and(&is_before));
        let full: usize = self.buckets[..place].iter().map(Vec::len).sum();
        full + self.buckets.get(place).map_or(0, |bucket| bucket.partition_point(is_before))
    }

    /// The items from the first that `is_before` is false of, ascending.
    pub fn iter_from(&self, is_before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let place = self.buckets.partition_point(|bucket| bucket.last().is_some_and(&is_before));
        self.buckets[place..].iter().flatten().skip_while(move |item| is_before(item))
    }

    /// Bytes that it has allocated.
    pub fn heap_bytes(&self) -> usize {
        let items: usize = self.buckets.iter().chain([&self.owed]).map(Vec::capacity).sum();
        self.buckets.capacity() * size_of::<Vec<T>>() + items * size_of::<T>()
    }

    /// The bucket that holds an item, or would.
    fn bucket_of(&self, item: &T) -> usize {
        let place = self.buckets.partition_point(|bucket| bucket.last().is_some_and(|last| last < item));
        place.min(self.buckets.len().saturating_sub(1))
    }
}

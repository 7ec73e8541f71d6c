//! A hash table that never takes long to grow or shrink, and that is no larger than what it holds needs.
//!
//! It is made of parts, each a table of some hundred entries. As it grows one part after the other is divided in two, and
//! as it shrinks they are joined again, one at a time (linear hashing). So the longest step moves the entries of one part,
//! where a single table would move all of them at once.

use hashbrown::HashTable;
use std::mem;

/// Entries of a part on average, before one is divided; a part has up to twice as many. (Twice as many are a little less
/// than what a table of 1,024 places holds.)
const FULL: usize = 400;

/// Fewer on average, and two parts are joined.
const SPARSE: usize = FULL / 4;

/// The entries, whose hashes the caller knows.
#[derive(Debug)]
pub struct Table<T> {
    parts: Vec<HashTable<T>>,
    len: usize,
    /// Bytes that the tables of the parts take.
    bytes: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { parts: Vec::new(), len: 0, bytes: 0 }
    }
}

impl<T> Table<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes that it takes, without what its entries hold.
    pub fn memory(&self) -> usize {
        self.parts.capacity().saturating_mul(size_of::<HashTable<T>>()).saturating_add(self.bytes)
    }

    /// The entry of this hash that `is` agrees to.
    pub fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        self.parts.get(part_of(hash, self.parts.len()))?.find(hash, is)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&mut T> {
        let part = part_of(hash, self.parts.len());
        self.parts.get_mut(part)?.find_mut(hash, is)
    }

    /// Adds an entry that is not there yet; `hash_of` tells the hashes of others, which may move.
    pub fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        if self.len >= self.parts.len().saturating_mul(FULL) {
            self.divide(&hash_of);
        }
        let part = part_of(hash, self.parts.len());
        self.at(part, |part| {
            part.insert_unique(hash, entry, hash_of);
        });
        self.len = self.len.saturating_add(1);
    }

    /// Lets `change` change the entry of this hash that `is` agrees to; where it answers false the entry is removed.
    /// Returns whether there was such an entry.
    pub fn update(
        &mut self,
        hash: u64,
        is: impl Fn(&T) -> bool,
        change: impl FnOnce(&mut T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> bool {
        let part = part_of(hash, self.parts.len());
        let (found, removed) = self.at(part, |part| {
            let Ok(mut entry) = part.find_entry(hash, is) else { return (false, false) };
            if change(entry.get_mut()) {
                return (true, false);
            }
            entry.remove();
            // What a crowd of entries took is given back when it has gone.
            if part.len() <= part.capacity() / 4 {
                part.shrink_to(part.len().saturating_mul(2), &hash_of);
            }
            (true, true)
        });
        if removed {
            self.len = self.len.saturating_sub(1);
            self.shrink(hash_of);
        }
        found
    }

    /// Changes a part, and counts what it takes.
    fn at<R: Default>(&mut self, part: usize, change: impl FnOnce(&mut HashTable<T>) -> R) -> R {
        let Some(part) = self.parts.get_mut(part) else { return R::default() };
        let before = part.allocation_size();
        let done = change(part);
        self.bytes = self.bytes.saturating_add(part.allocation_size()).saturating_sub(before);
        done
    }

    /// Takes a part's table away.
    fn take(&mut self, part: usize) -> HashTable<T> {
        let taken = self.parts.get_mut(part).map(mem::take).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(taken.allocation_size());
        taken
    }

    /// Puts a table where there is an empty part.
    fn put(&mut self, part: usize, table: HashTable<T>) {
        self.bytes = self.bytes.saturating_add(table.allocation_size());
        if let Some(place) = self.parts.get_mut(part) {
            *place = table;
        }
    }

    /// One part more, with those entries of another that belong there now.
    fn divide(&mut self, hash_of: impl Fn(&T) -> u64) {
        let new = self.parts.len();
        self.parts.push(HashTable::new());
        let Some(old) = buddy(new) else { return };
        let entries = self.take(old);
        let half = entries.len() / 2;
        let (mut stay, mut go) = (HashTable::with_capacity(half), HashTable::with_capacity(half));
        for entry in entries {
            let hash = hash_of(&entry);
            let part = if part_of(hash, self.parts.len()) == new { &mut go } else { &mut stay };
            part.insert_unique(hash, entry, &hash_of);
        }
        self.put(old, stay);
        self.put(new, go);
    }

    /// One part less where there are many for few entries; none where there are no entries.
    fn shrink(&mut self, hash_of: impl Fn(&T) -> u64) {
        if self.len == 0 {
            *self = Table::default();
            return;
        }
        let Some(last) = self.parts.len().checked_sub(1) else { return };
        let Some(old) = buddy(last).filter(|_| self.len < last.saturating_mul(SPARSE)) else { return };
        let entries = self.take(last);
        self.parts.pop();
        self.at(old, |part| {
            for entry in entries {
                part.insert_unique(hash_of(&entry), entry, &hash_of);
            }
        });
        if self.parts.len() <= self.parts.capacity() / 4 {
            self.parts.shrink_to(self.parts.len().saturating_mul(2));
        }
    }

    /// The entries of the part that a position belongs to, and the position of the next part; none where it is the last.
    /// From position 0 on every entry is seen that stays, however the table grows or shrinks in between: the positions of
    /// a part's entries are one range, divided and joined with the part.
    pub fn part_at(&self, position: u64) -> (impl Iterator<Item = &T>, Option<u64>) {
        let count = self.parts.len();
        let part = part_of(hash_at(position), count);
        // By how many bits of its entries' positions the part is told from others: one more where it has been divided.
        let low = count.checked_ilog2().unwrap_or(0);
        let half = 1usize.checked_shl(low).unwrap_or(0);
        let divided = part_in(mix(hash_at(position)), low).saturating_add(half) < count;
        let bits = low.saturating_add(u32::from(divided));
        let size = 1u64.checked_shl(64u32.saturating_sub(bits));
        let next = size.and_then(|size| (position & !size.wrapping_sub(1)).checked_add(size));
        (self.parts.get(part).into_iter().flatten(), next)
    }
}

/// The bits of a hash that tell the part. (The parts themselves place entries by the lowest and the highest bits.)
fn mix(hash: u64) -> u64 {
    hash.rotate_right(32)
}

/// The position of a hash. In this order the entries of a part are neighbours.
pub fn position_of(hash: u64) -> u64 {
    mix(hash).reverse_bits()
}

/// The hash that stands at a position.
fn hash_at(position: u64) -> u64 {
    position.reverse_bits().rotate_left(32)
}

/// The part told by so many bits.
fn part_in(mixed: u64, bits: u32) -> usize {
    let mask = 1u64.checked_shl(bits).map_or(u64::MAX, |size| size.wrapping_sub(1));
    usize::try_from(mixed & mask).unwrap_or(usize::MAX)
}

/// The part of a hash where there are `count` parts.
#[inline]
fn part_of(hash: u64, count: usize) -> usize {
    let low = count.checked_ilog2().unwrap_or(0);
    let (mixed, wide) = (mix(hash), low.saturating_add(1));
    let part = part_in(mixed, wide);
    if part < count {
        part
    } else {
        part_in(mixed, low)
    }
}

/// The part that this one was divided from.
fn buddy(part: usize) -> Option<usize> {
    Some(part & !1usize.checked_shl(part.checked_ilog2()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, RandomState};

    #[derive(Default)]
    struct Numbers {
        table: Table<u32>,
        hasher: RandomState,
    }

    impl Numbers {
        fn add(&mut self, n: u32) {
            let hash_of = |n: &u32| self.hasher.hash_one(n);
            if self.table.find(hash_of(&n), |m| *m == n).is_none() {
                self.table.insert(hash_of(&n), n, hash_of);
            }
        }

        fn remove(&mut self, n: u32) -> bool {
            let hash_of = |n: &u32| self.hasher.hash_one(n);
            self.table.update(hash_of(&n), |m| *m == n, |_| false, hash_of)
        }

        fn counted(&self) -> usize {
            let tables: usize = self.table.parts.iter().map(HashTable::allocation_size).sum();
            tables + self.table.parts.capacity() * size_of::<HashTable<u32>>()
        }
    }

    #[test]
    fn it_grows_and_shrinks_by_small_steps_and_leaves_nothing() {
        let mut numbers = Numbers::default();
        let mut parts = 0;
        for n in 0..100_000 {
            numbers.add(n);
            assert!(numbers.table.parts.len() <= parts + 1);
            parts = numbers.table.parts.len();
        }
        assert_eq!(numbers.table.len(), 100_000);
        assert!(numbers.table.parts.iter().all(|part| part.len() < 3 * FULL), "parts are small");
        assert_eq!(numbers.table.memory(), numbers.counted());
        assert!((0..100_000).all(|n| numbers.table.find(numbers.hasher.hash_one(n), |m| *m == n) == Some(&n)));
        for n in 0..100_000 {
            assert!(numbers.remove(n) && !numbers.remove(n));
            assert!(numbers.table.parts.len() + 1 >= parts || numbers.table.len() == 0);
            parts = numbers.table.parts.len();
            if n % 1000 == 0 {
                assert_eq!(numbers.table.memory(), numbers.counted());
            }
        }
        assert_eq!((numbers.table.len(), numbers.table.memory()), (0, 0));
    }

    #[test]
    fn few_entries_take_little() {
        let mut numbers = Numbers::default();
        numbers.add(1);
        assert!(numbers.table.memory() < 256, "{}", numbers.table.memory());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_walk_sees_what_stays(before in 0..8000u32, steps in prop::collection::vec((any::<bool>(), 1..4000u32), 1..8)) {
            let mut numbers = Numbers::default();
            (0..before).for_each(|n| numbers.add(n));
            // Of what was there at the beginning, every tenth stays.
            let (mut seen, mut position, mut steps) = (BTreeSet::new(), Some(0), steps.into_iter().cycle());
            let (mut added, mut gone, mut turns) = (before, 0, 0);
            while let Some(at) = position {
                let (part, next) = numbers.table.part_at(at);
                seen.extend(part.copied());
                position = next;
                turns += 1;
                match steps.next() {
                    Some((true, n)) if turns < 30 => {
                        (added..added + n).for_each(|n| numbers.add(n));
                        added += n;
                    }
                    Some((false, n)) => {
                        (gone..(gone + n).min(added)).filter(|n| n % 10 != 0).for_each(|n| { numbers.remove(n); });
                        gone = (gone + n).min(added);
                    }
                    _ => {}
                }
            }
            prop_assert!((0..before).filter(|n| n % 10 == 0).all(|n| seen.contains(&n)));
        }
    }
}

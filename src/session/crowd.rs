//! A user with many sessions, and what is known of each of them beside its key, so that they are counted, listed and capped
//! without opening them.
//!
//! The sessions stand in slots without gaps. A hash table finds the slot of a key, and four orders hold slots: by when a
//! session was created, by when it was accessed, by when it ends, and those of which nothing is known yet by when they
//! came. Snapshots are in none of the four: they are never live. In an order sessions of the same time stand by their
//! slots; the ties are broken when it is asked, which costs the number of those that tie, and a change nothing.

use super::order::Order;
use super::packed_key::{PackedKey, Prefixes};
use super::table::Table;
use super::time::Millis;
use std::cmp::Ordering;
use std::hash::RandomState;

type Bytes = Box<[u8]>;

/// What is known of a session beside its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// When it began.
    pub created: Millis,
    /// When it was last used.
    pub accessed: Millis,
    /// The first millisecond at which it is no longer live; [`Millis::MAX`] where there is none.
    pub ends: Millis,
    /// Whether it is the snapshot of a session that was rotated.
    pub snapshot: bool,
}

/// What sessions are ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// When they began.
    Created,
    /// When they were last used.
    Accessed,
}

impl By {
    /// The time that sessions are ordered by, and the one that those of the same are.
    pub fn times(self, created: Millis, accessed: Millis) -> (Millis, Millis) {
        match self {
            By::Created => (created, accessed),
            By::Accessed => (accessed, created),
        }
    }
}

/// Up to this many sessions of a user are no crowd.
pub const FEW: usize = 16;

/// A crowd that has shrunk to this is none any more.
pub const AGAIN_FEW: usize = FEW / 2;

/// Slots of a block.
const BLOCK: usize = 256;

/// A user with many sessions.
#[derive(Debug)]
pub struct Crowd {
    name: Bytes,
    /// The sessions by their slots, in blocks, so that none is moved to make room for more.
    blocks: Vec<Vec<Entry>>,
    len: usize,
    /// The slots by their keys.
    slots: Table<u32>,
    orders: Orders,
    /// How many sessions ever came.
    arrivals: Millis,
    /// Bytes of text that the keys hold.
    text: usize,
}

/// A session of a crowd.
#[derive(Debug)]
struct Entry {
    key: PackedKey<Bytes>,
    stamp: Option<Stamp>,
    /// The how manieth it was.
    arrival: Millis,
}

#[derive(Default, Debug)]
struct Orders {
    created: Order,
    accessed: Order,
    /// Without those that never end.
    ends: Order,
    /// Those that nothing is known of, by their arrival.
    unknown: Order,
}

impl Orders {
    fn all(&mut self) -> [&mut Order; 4] {
        [&mut self.created, &mut self.accessed, &mut self.ends, &mut self.unknown]
    }
}

impl Entry {
    /// Where it stands in each of the orders.
    fn times(&self) -> [Option<Millis>; 4] {
        match self.stamp {
            None => [None, None, None, Some(self.arrival)],
            Some(stamp) if stamp.snapshot => [None; 4],
            Some(stamp) => {
                let ends = Some(stamp.ends).filter(|ends| *ends != Millis::MAX);
                [Some(stamp.created), Some(stamp.accessed), ends, None]
            }
        }
    }

    /// Its stamp where it is live.
    fn live(&self, now: Millis) -> Option<&Stamp> {
        self.stamp.as_ref().filter(|stamp| (stamp.ends > now || stamp.ends == Millis::MAX) && !stamp.snapshot)
    }
}

impl Crowd {
    /// The crowd of this name, without a session.
    pub fn new(name: &[u8]) -> Self {
        Crowd {
            name: name.into(),
            blocks: Vec::new(),
            len: 0,
            slots: Table::default(),
            orders: Orders::default(),
            arrivals: 0,
            text: 0,
        }
    }

    /// The name of the user.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many sessions are noted.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Of how many of them nothing is known.
    pub fn unknown_len(&self) -> usize {
        self.orders.unknown.len()
    }

    /// Bytes that it takes, estimated.
    pub fn memory(&self) -> usize {
        let Orders { created, accessed, ends, unknown } = &self.orders;
        [created, accessed, ends, unknown]
            .map(Order::memory)
            .into_iter()
            .chain([size_of::<Crowd>(), self.name.len(), self.text, self.slots.memory()])
            .fold(self.len.saturating_mul(size_of::<Entry>()), usize::saturating_add)
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.blocks.get(slot as usize / BLOCK)?.get(slot as usize % BLOCK)
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.blocks.get_mut(slot as usize / BLOCK)?.get_mut(slot as usize % BLOCK)
    }

    fn slot(&self, hasher: &RandomState, key: PackedKey<&[u8]>) -> Option<u32> {
        let is = |slot: &u32| self.entry(*slot).is_some_and(|entry| entry.key.view() == key);
        self.slots.find(key.hash(hasher), is).copied()
    }

    /// Whether a session is noted, and what is known of it.
    pub fn find(&self, hasher: &RandomState, key: PackedKey<&[u8]>) -> Option<Option<Stamp>> {
        Some(self.entry(self.slot(hasher, key)?)?.stamp)
    }

    /// Notes a session, with what is known of it. Returns whether it is new. One that is noted already stays where it is
    /// among those that arrived.
    pub fn insert(&mut self, hasher: &RandomState, key: PackedKey<&[u8]>, stamp: Option<Stamp>) -> bool {
        if let Some(slot) = self.slot(hasher, key) {
            self.stamp(slot, stamp);
            return false;
        }
        let Ok(slot) = u32::try_from(self.len) else { return false };
        let entry = Entry { key: key.to_owned(), stamp, arrival: self.arrivals };
        for (order, time) in self.orders.all().into_iter().zip(entry.times()) {
            time.into_iter().for_each(|time| order.insert(time, slot));
        }
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(entry),
            _ => self.blocks.push(vec![entry]),
        }
        self.len = self.len.saturating_add(1);
        self.arrivals = self.arrivals.saturating_add(1);
        self.text = self.text.saturating_add(key.text_len());
        let blocks = &self.blocks;
        self.slots.insert(key.hash(hasher), slot, |slot| hash_in(blocks, hasher, *slot));
        true
    }

    /// Notes what is known of a session. Returns whether it is one of the crowd's.
    pub fn note(&mut self, hasher: &RandomState, key: PackedKey<&[u8]>, stamp: Stamp) -> bool {
        let slot = self.slot(hasher, key);
        slot.into_iter().for_each(|slot| self.stamp(slot, Some(stamp)));
        slot.is_some()
    }

    fn stamp(&mut self, slot: u32, stamp: Option<Stamp>) {
        let Some(entry) = self.entry_mut(slot) else { return };
        let before = entry.times();
        entry.stamp = stamp;
        let after = entry.times();
        for (order, (before, after)) in self.orders.all().into_iter().zip(before.into_iter().zip(after)) {
            if before != after {
                before.into_iter().for_each(|time| order.remove(time, slot));
                after.into_iter().for_each(|time| order.insert(time, slot));
            }
        }
    }

    /// Notes that a session is not this user's any more. Returns whether it was.
    pub fn remove(&mut self, hasher: &RandomState, key: PackedKey<&[u8]>) -> bool {
        let Some(slot) = self.slot(hasher, key) else { return false };
        let Crowd { blocks, slots, orders, .. } = self;
        for (order, time) in orders.all().into_iter().zip(times_in(blocks, slot)) {
            time.into_iter().for_each(|time| order.remove(time, slot));
        }
        let hash_of = |slot: &u32| hash_in(blocks, hasher, *slot);
        slots.update(key.hash(hasher), |s| *s == slot, |_| false, hash_of);
        // The last takes the place of the one that goes, so that the slots stay without gaps.
        let last = self.len.saturating_sub(1) as u32;
        if last != slot {
            let moved = |s: &mut u32| {
                *s = slot;
                true
            };
            slots.update(hash_of(&last), |s| *s == last, moved, hash_of);
            for (order, time) in orders.all().into_iter().zip(times_in(blocks, last)) {
                time.into_iter().for_each(|time| order.rename(time, last, slot));
            }
        }
        // Where it is the last itself that goes, there is no such place any more.
        if let (Some(moved), Some(place)) = (self.pop(), self.entry_mut(slot)) {
            *place = moved;
        }
        self.text = self.text.saturating_sub(key.text_len());
        true
    }

    /// Takes the last entry.
    fn pop(&mut self) -> Option<Entry> {
        let block = self.blocks.last_mut()?;
        let entry = block.pop();
        if block.is_empty() {
            self.blocks.pop();
        }
        self.len = self.len.saturating_sub(1);
        entry
    }

    /// All sessions in the order in which they arrived. O(sessions), where few have left.
    pub fn each(&self, mut tell: impl FnMut(PackedKey<&[u8]>, Option<Stamp>)) {
        let mut entries: Vec<&Entry> = self.blocks.iter().flatten().collect();
        // Those that were never moved stand in order, which this sort makes use of.
        entries.sort_by_key(|entry| entry.arrival);
        entries.into_iter().for_each(|entry| tell(entry.key.view(), entry.stamp));
    }

    /// The sessions of one part of the table, see [`Table::part_at`].
    pub fn each_at(&self, position: u64, mut tell: impl FnMut(PackedKey<&[u8]>, Option<Stamp>)) -> Option<u64> {
        let (part, next) = self.slots.part_at(position);
        part.filter_map(|slot| self.entry(*slot)).for_each(|entry| tell(entry.key.view(), entry.stamp));
        next
    }

    /// So many of those of which nothing is known, the first to arrive first.
    pub fn unknown(&self, most: usize) -> impl Iterator<Item = PackedKey<&[u8]>> + '_ {
        self.orders.unknown.iter().take(most).filter_map(|(_, slot)| Some(self.entry(slot)?.key.view()))
    }

    /// How many are live, of those that are known and are none of `but`. Its cost is a fraction of those that have ended.
    pub fn live(&self, hasher: &RandomState, now: Millis, but: &[PackedKey<&[u8]>]) -> usize {
        let live = self.orders.accessed.len().saturating_sub(self.orders.ends.until(now));
        let but = self.slots_of(hasher, but);
        let but_live = but.into_iter().filter(|slot| self.entry(*slot).is_some_and(|entry| entry.live(now).is_some()));
        live.saturating_sub(but_live.count())
    }

    /// The slots of these keys, each once.
    fn slots_of(&self, hasher: &RandomState, keys: &[PackedKey<&[u8]>]) -> Vec<u32> {
        let mut slots: Vec<u32> = keys.iter().filter_map(|key| self.slot(hasher, *key)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The live sessions, the latest access first, ties by the text of their keys: `count` of them, the first `offset` left
    /// out. O((offset + count) log count), and those on the way that have ended or tie with the last.
    pub fn latest(
        &self,
        prefixes: &Prefixes,
        now: Millis,
        offset: usize,
        count: usize,
    ) -> impl Iterator<Item = PackedKey<&[u8]>> + '_ {
        let live = self.orders.accessed.iter().rev().filter_map(|(time, slot)| {
            let entry = self.entry(slot)?;
            entry.live(now).map(|_| (time, entry))
        });
        let by_key = |a: &&Entry, b: &&Entry| prefixes.compare(a.key.view(), b.key.view());
        least_of_runs(live, offset, count, by_key).into_iter().map(|entry| entry.key.view())
    }

    /// The `n` live sessions, none of `but`, that began first or were used first, in that order; ties by the other of these
    /// times, then the earlier to arrive. O(n log n), and those on the way that have ended or tie with the last.
    pub fn first(
        &self,
        hasher: &RandomState,
        by: By,
        now: Millis,
        n: usize,
        but: &[PackedKey<&[u8]>],
    ) -> impl Iterator<Item = (Stamp, PackedKey<&[u8]>)> + '_ {
        let but = self.slots_of(hasher, but);
        let order = match by {
            By::Created => &self.orders.created,
            By::Accessed => &self.orders.accessed,
        };
        let live = order.iter().filter(|(_, slot)| but.binary_search(slot).is_err()).filter_map(|(time, slot)| {
            let entry = self.entry(slot)?;
            let stamp = entry.live(now)?;
            Some((time, (by.times(stamp.created, stamp.accessed).1, entry.arrival, *stamp, entry)))
        });
        let first = least_of_runs(live, 0, n, |a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        first.into_iter().map(|(_, _, stamp, entry)| (stamp, entry.key.view()))
    }
}

fn times_in(blocks: &[Vec<Entry>], slot: u32) -> [Option<Millis>; 4] {
    entry_in(blocks, slot).map(Entry::times).unwrap_or_default()
}

fn hash_in(blocks: &[Vec<Entry>], hasher: &RandomState, slot: u32) -> u64 {
    entry_in(blocks, slot).map(|entry| entry.key.view().hash(hasher)).unwrap_or_default()
}

fn entry_in(blocks: &[Vec<Entry>], slot: u32) -> Option<&Entry> {
    blocks.get(slot as usize / BLOCK)?.get(slot as usize % BLOCK)
}

/// Of things that come in runs of the same time, `count` behind the first `offset`, each run in the order of `tie`. No more
/// is looked at than the run that the last of them is in, and no more of that is held than twice what is wanted.
fn least_of_runs<T>(
    things: impl Iterator<Item = (Millis, T)>,
    offset: usize,
    count: usize,
    tie: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    let (mut skip, mut wanted, mut chosen) = (offset, count, Vec::new());
    let mut run = Least { things: Vec::new(), seen: 0, room: 0, bar: false };
    let mut things = things.peekable();
    while wanted > 0 {
        let Some((time, first)) = things.next() else { break };
        run.start(skip.saturating_add(wanted));
        run.push(first, &tie);
        while let Some((_, thing)) = things.next_if(|(t, _)| *t == time) {
            run.push(thing, &tie);
        }
        if run.seen <= skip {
            skip = skip.saturating_sub(run.seen);
            continue;
        }
        run.settle(&tie);
        run.things.sort_unstable_by(&tie);
        let before = chosen.len();
        chosen.extend(run.things.drain(..).skip(skip));
        skip = 0;
        wanted = wanted.saturating_sub(chosen.len().saturating_sub(before));
    }
    chosen
}

/// The least of what is pushed, as many as there is room for.
struct Least<T> {
    things: Vec<T>,
    seen: usize,
    room: usize,
    /// Whether the thing at the end of the room is the greatest that may still be chosen.
    bar: bool,
}

impl<T> Least<T> {
    fn start(&mut self, room: usize) {
        self.things.clear();
        (self.seen, self.room, self.bar) = (0, room, false);
    }

    fn push(&mut self, thing: T, tie: impl Fn(&T, &T) -> Ordering) {
        self.seen = self.seen.saturating_add(1);
        let bar = self.things.get(self.room.saturating_sub(1)).filter(|_| self.bar);
        if bar.is_some_and(|bar| tie(bar, &thing).is_le()) {
            return;
        }
        self.things.push(thing);
        if self.things.len() >= self.room.saturating_mul(2).max(32) {
            self.settle(tie);
        }
    }

    /// Leaves those that have room.
    fn settle(&mut self, tie: impl Fn(&T, &T) -> Ordering) {
        if self.things.len() > self.room {
            self.things.select_nth_unstable_by(self.room.saturating_sub(1), tie);
            self.things.truncate(self.room);
            self.bar = true;
        }
    }
}

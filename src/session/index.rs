//! The index from users to the keys of their sessions, for each database.
//!
//! It holds candidates: a reader opens each key and reports what is there, live, and that user's. Of a user with many
//! sessions, a crowd, it also knows when each was created, was accessed and ends, so that only those are opened that are
//! listed or ended. Users are hashed with a random key, so that names chosen to collide do not.

use super::crowd::{By, Crowd, Stamp, AGAIN_FEW, FEW};
use super::packed_key::{PackedKey, Prefixes};
use super::table::{position_of, Table};
use super::time::Millis;
use super::wire::{bytes_len, put_bytes, Reader};
use std::hash::{BuildHasher, RandomState};

type Bytes = Box<[u8]>;

/// Memory is handed out in multiples of this.
const GRAIN: usize = 16;

/// Bytes of entries that are put off, see [`Index::add_later`].
const PUT_OFF: usize = 16 * 1024 * 1024;

/// Parts of a table that are looked through at once for crowds: some tens of microseconds.
const PARTS: usize = 32;

/// The index of all databases.
#[derive(Default, Debug)]
pub struct Index {
    dbs: Vec<Db>,
    prefixes: Prefixes,
    hasher: RandomState,
    later: Later,
}

/// Entries that are put off.
#[derive(Default, Debug)]
struct Later {
    /// Of each the hash of its user, its database, and where it begins in `packed`.
    order: Vec<(u64, u32, u32)>,
    /// User and key of each.
    packed: Vec<u8>,
}

/// The index of one database.
#[derive(Default, Debug)]
pub struct Db {
    users: Table<User>,
    sessions: usize,
    tally: Tally,
}

/// What is counted of all users of a database together.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    /// Bytes that they take, estimated, beside their places in the table.
    bytes: usize,
    /// Sessions of crowds of which nothing is known.
    unknown: usize,
}

/// A user and its keys: few of them in one packed list behind its name, in the order in which they came.
#[derive(Debug)]
enum User {
    /// The name and the keys, one behind the other.
    Few(Bytes),
    Many(Box<Crowd>),
}

/// How far a walk through the index has come, see [`Index::walk`]. The default is its beginning.
#[derive(Debug)]
pub struct Cursor {
    db: usize,
    /// Where in the table of users; nothing behind the last.
    position: Option<u64>,
    /// The crowds of the part before that position that have not been walked through.
    crowds: Vec<Bytes>,
    /// Where in the last of them.
    within: u64,
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { db: 0, position: Some(0), crowds: Vec::new(), within: 0 }
    }
}

impl Cursor {
    /// Where in the table of its database it stands; behind the last it moves on to the next database.
    fn here(&mut self) -> u64 {
        if self.position.is_none() {
            self.db = self.db.saturating_add(1);
        }
        *self.position.get_or_insert(0)
    }
}

impl Index {
    fn db_mut(&mut self, db: usize) -> Option<&mut Db> {
        if db >= self.dbs.len() {
            self.dbs.resize_with(db.checked_add(1)?, Db::default);
        }
        self.dbs.get_mut(db)
    }

    /// Notes that the session at `key` is this user's, and what is known of it; nothing is known where no key can be
    /// opened. Returns whether the user is a crowd, so that each change of the session is to be told by [`Index::note`].
    pub fn add(&mut self, db: usize, user: &[u8], key: &[u8], stamp: Option<Stamp>) -> bool {
        self.settle();
        let key = self.prefixes.note(key);
        let (hasher, hash) = (self.hasher.clone(), self.hasher.hash_one(user));
        self.db_mut(db).is_some_and(|db| db.add(&hasher, hash, user, key, stamp))
    }

    /// The same, put off until the index is asked or changed otherwise, or many have come; nothing is known of the session.
    /// A file's sessions come in no order: each would find its place in the index far from the last one's. Put in order
    /// before, many cost a fraction.
    pub fn add_later(&mut self, db: usize, user: &[u8], key: &[u8]) {
        let (Ok(number), Ok(start)) = (u32::try_from(db), u32::try_from(self.later.packed.len())) else {
            self.add(db, user, key, None);
            return;
        };
        self.later.order.push((self.hasher.hash_one(user), number, start));
        put_bytes(&mut self.later.packed, user);
        self.prefixes.note(key).pack(&mut self.later.packed);
        if self.later.packed.len() >= PUT_OFF {
            self.settle();
        }
    }

    /// Notes what was put off.
    pub fn settle(&mut self) {
        if self.later.order.is_empty() {
            return;
        }
        let Later { mut order, packed } = std::mem::take(&mut self.later);
        // Those of a part of the table stand together, and those of a user, in the order in which they came.
        order.sort_unstable_by_key(|(hash, db, start)| (*db, position_of(*hash), *start));
        let hasher = self.hasher.clone();
        for (hash, db, start) in order {
            let mut reader = Reader::new(packed.get(start as usize..).unwrap_or_default());
            let (Some(user), Some(key)) = (reader.bytes(), PackedKey::unpack(&mut reader)) else {
                debug_assert!(false, "what was put off is read back");
                continue;
            };
            if let Some(db) = self.db_mut(db as usize) {
                db.add(&hasher, hash, user, key, None);
            }
        }
    }

    /// Notes what is known of a session of a crowd. Does nothing and returns false where the user is none, or where the
    /// session is not noted as its.
    pub fn note(&mut self, db: usize, user: &[u8], key: &[u8], stamp: Stamp) -> bool {
        self.settle();
        let (key, hash) = (self.prefixes.find(key), self.hasher.hash_one(user));
        let hasher = &self.hasher;
        let Some(Db { users, tally, .. }) = self.dbs.get_mut(db) else { return false };
        let Some(user @ User::Many(_)) = users.find_mut(hash, |u| u.name() == user) else { return false };
        tally.of_change(user, |user| match user {
            User::Many(crowd) => crowd.note(hasher, key, stamp),
            User::Few(_) => false,
        })
    }

    /// Notes that the session at `key` is not this user's, or is no more.
    pub fn remove(&mut self, db: usize, user: &[u8], key: &[u8]) {
        self.settle();
        let key = self.prefixes.find(key);
        if let Some(db) = self.dbs.get_mut(db) {
            db.remove(&self.hasher, user, key);
        }
        self.trim();
    }

    /// Gives back what empty databases behind the last one in use take.
    fn trim(&mut self) {
        while self.dbs.pop_if(|db| db.sessions == 0).is_some() {}
        if self.dbs.len() <= self.dbs.capacity() / 4 {
            self.dbs.shrink_to(self.dbs.len().saturating_mul(2));
        }
    }

    fn user(&self, db: usize, name: &[u8]) -> Option<&User> {
        self.dbs.get(db)?.users.find(self.hasher.hash_one(name), |user| user.name() == name)
    }

    fn crowd(&self, db: usize, name: &[u8]) -> Option<&Crowd> {
        match self.user(db, name)? {
            User::Few(_) => None,
            User::Many(crowd) => Some(crowd),
        }
    }

    /// Makes something of each key.
    fn texts<'k, T>(
        &self,
        keys: impl Iterator<Item = PackedKey<&'k [u8]>>,
        mut make: impl FnMut(&[u8]) -> T,
    ) -> Vec<T> {
        let mut bytes = Vec::with_capacity(64);
        let text = |key| {
            self.prefixes.write(key, &mut bytes);
            make(&bytes)
        };
        keys.map(text).collect()
    }

    /// Whether a user is a crowd.
    pub fn is_crowd(&mut self, db: usize, user: &[u8]) -> bool {
        self.settle();
        self.crowd(db, user).is_some()
    }

    /// Whether the session at `key` is noted as this user's, and what is known of it.
    pub fn find(&mut self, db: usize, user: &[u8], key: &[u8]) -> Option<Option<Stamp>> {
        self.settle();
        let key = self.prefixes.find(key);
        match self.user(db, user)? {
            User::Few(packed) => List::of(packed).any(|(_, k)| k == key).then_some(None),
            User::Many(crowd) => crowd.find(&self.hasher, key),
        }
    }

    /// The keys that are noted for a user, in the order in which they arrived, each as `make` takes it from its parts.
    /// O(sessions of the user).
    pub fn keys<T>(&mut self, db: usize, user: &[u8], mut make: impl FnMut(&[u8]) -> T) -> Vec<T> {
        self.entries(db, user, |key, _| make(key))
    }

    /// The same, and what is known of each.
    pub fn entries<T>(&mut self, db: usize, user: &[u8], mut make: impl FnMut(&[u8], Option<Stamp>) -> T) -> Vec<T> {
        self.settle();
        let Some(user) = self.user(db, user) else { return Vec::new() };
        let mut bytes = Vec::with_capacity(64);
        let mut all = Vec::with_capacity(user.len());
        user.each(|key, stamp| {
            self.prefixes.write(key, &mut bytes);
            all.push(make(&bytes, stamp));
        });
        all
    }

    /// Keys of a crowd of which nothing is known, at most so many, in the order in which they arrived. The caller opens
    /// each and tells what it finds by [`Index::note`] or [`Index::remove`].
    pub fn unknown<T>(&mut self, db: usize, user: &[u8], most: usize, make: impl FnMut(&[u8]) -> T) -> Vec<T> {
        self.settle();
        let Some(crowd) = self.crowd(db, user) else { return Vec::new() };
        self.texts(crowd.unknown(most), make)
    }

    /// How many sessions of a crowd are live, of those that are known and not at one of the keys `but`. Its cost is a
    /// fraction of those that have ended and are still noted.
    pub fn live(&mut self, db: usize, user: &[u8], now: Millis, but: &[&[u8]]) -> usize {
        self.settle();
        let Some(crowd) = self.crowd(db, user) else { return 0 };
        crowd.live(&self.hasher, now, &self.packed(but))
    }

    /// The keys of the live sessions of a crowd, of those that are known: the latest access first, ties by key; `count` of
    /// them, the first `offset` left out. O((offset + count) log count), and those on the way that have ended or tie with
    /// the last.
    pub fn latest<T>(
        &mut self,
        db: usize,
        user: &[u8],
        now: Millis,
        (offset, count): (usize, usize),
        make: impl FnMut(&[u8]) -> T,
    ) -> Vec<T> {
        self.settle();
        let Some(crowd) = self.crowd(db, user) else { return Vec::new() };
        self.texts(crowd.latest(&self.prefixes, now, offset, count), make)
    }

    /// The `n` live sessions of a crowd, of those that are known and not at one of the keys `but`, that began first or were
    /// used first, in that order; ties by the other of these times, then the earlier to arrive. O(n log n), and those on
    /// the way that have ended or tie with the last.
    pub fn first<T>(
        &mut self,
        (db, user): (usize, &[u8]),
        by: By,
        now: Millis,
        n: usize,
        but: &[&[u8]],
        mut make: impl FnMut(&[u8], Stamp) -> T,
    ) -> Vec<T> {
        self.settle();
        let Some(crowd) = self.crowd(db, user) else { return Vec::new() };
        let mut bytes = Vec::with_capacity(64);
        let first = crowd.first(&self.hasher, by, now, n, &self.packed(but));
        let made = first.map(|(stamp, key)| {
            self.prefixes.write(key, &mut bytes);
            make(&bytes, stamp)
        });
        made.collect()
    }

    fn packed<'k>(&self, keys: &[&'k [u8]]) -> Vec<PackedKey<&'k [u8]>> {
        keys.iter().map(|key| self.prefixes.find(key)).collect()
    }

    /// Empties a database, or all of them; what was in it is handed over, to be freed where there is time.
    pub fn clear(&mut self, db: Option<usize>) -> Vec<Db> {
        let Some(db) = db else {
            self.later = Later::default();
            // Nothing is held any more whose prefix would have to be known.
            self.prefixes = Prefixes::default();
            return std::mem::take(&mut self.dbs);
        };
        self.settle();
        let cleared = self.dbs.get_mut(db).map(|db| vec![std::mem::take(db)]).unwrap_or_default();
        self.trim();
        cleared
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.settle();
        if a != b && a.min(b) < self.dbs.len() && self.db_mut(a.max(b)).is_some() {
            self.dbs.swap(a, b);
            self.trim();
        }
    }

    /// Sessions noted, of all databases; here and below without those put off.
    pub fn sessions(&self) -> usize {
        self.total(|db| db.sessions)
    }

    /// Users with a session noted, those of each database counted.
    pub fn users(&self) -> usize {
        self.total(|db| db.users.len())
    }

    /// Sessions of crowds of which nothing is known.
    #[cfg(test)]
    pub fn unknowns(&self) -> usize {
        self.total(|db| db.tally.unknown)
    }

    /// Bytes that the index takes: its tables as they are, its entries estimated; with what is put off.
    pub fn memory(&self) -> usize {
        let Later { order, packed } = &self.later;
        let later = order.capacity().saturating_mul(size_of::<(u64, u32, u32)>()).saturating_add(packed.capacity());
        let dbs = self.dbs.capacity().saturating_mul(size_of::<Db>());
        self.total(|db| db.users.memory().saturating_add(db.tally.bytes)).saturating_add(dbs).saturating_add(later)
    }

    fn total(&self, of: impl Fn(&Db) -> usize) -> usize {
        self.dbs.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Tells some of what is noted: database, user, key, and what is known of the session; the next time, with the same
    /// cursor, what follows. Returns false where nothing follows. What is told at once are some hundred users, or some
    /// hundred sessions of a crowd. Between two steps the index may change: what stays is told, some of it perhaps twice.
    /// (Databases must not be exchanged.)
    pub fn walk(&mut self, cursor: &mut Cursor, mut tell: impl FnMut(usize, &[u8], &[u8], Option<Stamp>)) -> bool {
        self.settle();
        let mut bytes = Vec::with_capacity(64);
        let position = if cursor.crowds.is_empty() { cursor.here() } else { 0 };
        let db = cursor.db;
        let mut tell = |user: &[u8], key: PackedKey<&[u8]>, stamp| {
            self.prefixes.write(key, &mut bytes);
            tell(db, user, &bytes, stamp);
        };
        if let Some(name) = cursor.crowds.last() {
            cursor.within = match self.user(db, name) {
                Some(User::Many(crowd)) => crowd.each_at(cursor.within, |key, stamp| tell(name, key, stamp)),
                Some(few) => {
                    few.each(|key, stamp| tell(name, key, stamp));
                    None
                }
                None => None,
            }
            .unwrap_or_default();
            if cursor.within == 0 {
                cursor.crowds.pop();
            }
            return true;
        }
        let Some(users) = self.dbs.get(db).map(|db| &db.users) else { return false };
        let (part, next) = users.part_at(position);
        for user in part {
            match user {
                User::Few(_) => user.each(|key, stamp| tell(user.name(), key, stamp)),
                User::Many(crowd) => cursor.crowds.push(crowd.name().into()),
            }
        }
        cursor.position = next;
        true
    }

    /// Some of the sessions of crowds of which nothing is known, by database, user and key; the next time, with the same
    /// cursor, what follows; `None` where nothing follows. The caller opens each, as for [`Index::unknown`]. May be empty
    /// before the end.
    pub fn walk_unknown<T>(
        &mut self,
        cursor: &mut Cursor,
        mut make: impl FnMut(usize, &[u8], &[u8]) -> T,
    ) -> Option<Vec<T>> {
        self.settle();
        let mut found = Vec::new();
        if !cursor.crowds.is_empty() {
            self.walk(cursor, |db, user, key, stamp| {
                if stamp.is_none() {
                    found.push(make(db, user, key));
                }
            });
            return Some(found);
        }
        for _ in 0..PARTS {
            let position = cursor.here();
            let db = self.dbs.get(cursor.db)?;
            if db.tally.unknown == 0 {
                cursor.position = None;
                continue;
            }
            let (part, next) = db.users.part_at(position);
            let crowds = part.filter_map(|user| match user {
                User::Many(crowd) if crowd.unknown_len() > 0 => Some(Bytes::from(crowd.name())),
                _ => None,
            });
            cursor.crowds.extend(crowds);
            cursor.position = next;
            if !cursor.crowds.is_empty() {
                break;
            }
        }
        Some(found)
    }
}

impl Tally {
    fn of(user: &User) -> Self {
        match user {
            User::Few(packed) => Tally { bytes: grains(packed.len()), unknown: 0 },
            User::Many(crowd) => Tally { bytes: crowd.memory(), unknown: crowd.unknown_len() },
        }
    }

    /// Counts what a change of a user changes.
    fn of_change<T>(&mut self, user: &mut User, change: impl FnOnce(&mut User) -> T) -> T {
        let before = Tally::of(user);
        let done = change(user);
        self.moves(before, Tally::of(user));
        done
    }

    fn moves(&mut self, before: Tally, after: Tally) {
        self.bytes = self.bytes.saturating_add(after.bytes).saturating_sub(before.bytes);
        self.unknown = self.unknown.saturating_add(after.unknown).saturating_sub(before.unknown);
    }
}

/// What so many bytes take in memory.
fn grains(bytes: usize) -> usize {
    bytes.div_ceil(GRAIN).saturating_mul(GRAIN)
}

impl Db {
    /// Sessions noted.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    fn add(
        &mut self,
        hasher: &RandomState,
        hash: u64,
        name: &[u8],
        key: PackedKey<&[u8]>,
        stamp: Option<Stamp>,
    ) -> bool {
        let (added, crowd) = match self.users.find_mut(hash, |user| user.name() == name) {
            Some(user) => {
                let added = self.tally.of_change(user, |user| user.insert(hasher, key, stamp));
                (added, matches!(user, User::Many(_)))
            }
            None => {
                let user = User::of(name, key);
                self.tally.moves(Tally::default(), Tally::of(&user));
                self.users.insert(hash, user, |user| hasher.hash_one(user.name()));
                (true, false)
            }
        };
        self.sessions = self.sessions.saturating_add(usize::from(added));
        crowd
    }

    fn remove(&mut self, hasher: &RandomState, name: &[u8], key: PackedKey<&[u8]>) {
        let Db { users, sessions, tally } = self;
        let change = |user: &mut User| {
            if user.is_only(key) {
                tally.moves(Tally::of(user), Tally::default());
                *sessions = sessions.saturating_sub(1);
                return false;
            }
            let removed = tally.of_change(user, |user| user.remove(hasher, key));
            *sessions = sessions.saturating_sub(usize::from(removed));
            true
        };
        let is = |user: &User| user.name() == name;
        users.update(hasher.hash_one(name), is, change, |user| hasher.hash_one(user.name()));
    }
}

impl User {
    fn of(name: &[u8], key: PackedKey<&[u8]>) -> Self {
        let mut packed = Vec::with_capacity(bytes_len(name).saturating_add(key.packed_len()));
        put_bytes(&mut packed, name);
        key.pack(&mut packed);
        User::Few(packed.into())
    }

    fn name(&self) -> &[u8] {
        match self {
            User::Few(packed) => Reader::new(packed).bytes().unwrap_or_default(),
            User::Many(crowd) => crowd.name(),
        }
    }

    /// Whether it has this key and no other.
    fn is_only(&self, key: PackedKey<&[u8]>) -> bool {
        matches!(self, User::Few(packed) if List::of(packed).next() == Some((0, key)))
    }

    fn insert(&mut self, hasher: &RandomState, key: PackedKey<&[u8]>, stamp: Option<Stamp>) -> bool {
        match self {
            User::Few(packed) => {
                let (mut n, mut known) = (0usize, false);
                List::of(packed).for_each(|(_, k)| {
                    n = n.saturating_add(1);
                    known |= k == key;
                });
                if known {
                    return false;
                }
                if n < FEW {
                    let mut longer = Vec::with_capacity(packed.len().saturating_add(key.packed_len()));
                    longer.extend_from_slice(packed);
                    key.pack(&mut longer);
                    *packed = longer.into();
                } else {
                    let mut crowd = Crowd::new(Reader::new(packed).bytes().unwrap_or_default());
                    List::of(packed).for_each(|(_, key)| {
                        crowd.insert(hasher, key, None);
                    });
                    crowd.insert(hasher, key, stamp);
                    *self = User::Many(Box::new(crowd));
                }
                true
            }
            User::Many(crowd) => crowd.insert(hasher, key, stamp),
        }
    }

    fn remove(&mut self, hasher: &RandomState, key: PackedKey<&[u8]>) -> bool {
        match self {
            User::Few(packed) => {
                let Some((rest, _)) = List::of(packed).find(|(_, k)| *k == key) else { return false };
                let start = packed.len().saturating_sub(rest).saturating_sub(key.packed_len());
                let (before, after) = (packed.get(..start), packed.get(packed.len().saturating_sub(rest)..));
                *packed = [before.unwrap_or_default(), after.unwrap_or_default()].concat().into();
                true
            }
            User::Many(crowd) => {
                let removed = crowd.remove(hasher, key);
                if crowd.len() <= AGAIN_FEW {
                    let mut packed = Vec::new();
                    put_bytes(&mut packed, crowd.name());
                    crowd.each(|key, _| key.pack(&mut packed));
                    *self = User::Few(packed.into());
                }
                removed
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            User::Few(packed) => List::of(packed).count(),
            User::Many(crowd) => crowd.len(),
        }
    }

    /// Tells its keys in the order in which they arrived.
    fn each(&self, mut tell: impl FnMut(PackedKey<&[u8]>, Option<Stamp>)) {
        match self {
            User::Few(packed) => List::of(packed).for_each(|(_, key)| tell(key, None)),
            User::Many(crowd) => crowd.each(tell),
        }
    }
}

/// The keys behind a user's name, each with how many bytes stand behind it.
struct List<'a>(Reader<'a>);

impl<'a> List<'a> {
    fn of(packed: &'a [u8]) -> Self {
        let mut reader = Reader::new(packed);
        reader.bytes();
        List(reader)
    }
}

impl<'a> Iterator for List<'a> {
    type Item = (usize, PackedKey<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = PackedKey::unpack(&mut self.0)?;
        Some((self.0.rest().len(), key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::limit::{Cap, Crowded, Full, Other, Policy};
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Keys of all forms, in an order of text that is not that of their numbers.
    fn key(k: u16) -> Vec<u8> {
        let uuid = format!("{:08x}-0000-4000-8000-{:012x}", k.wrapping_mul(40_503), k);
        let text = match k % 5 {
            0 => format!("z:{uuid}"),
            1 | 2 => format!("sess:{uuid}"),
            3 => format!("sess:{{{k:04x}}}{uuid}"),
            _ => format!("s{}", k.wrapping_mul(31)),
        };
        text.into()
    }

    #[derive(Clone, Debug)]
    enum Op {
        Add(usize, u8, u16, Option<Stamp>),
        Later(usize, u8, u16),
        Note(usize, u8, u16, Stamp),
        NoteUnknown(usize, u8, usize, Stamp),
        Settle,
        Remove(usize, u8, u16),
        AddMany(usize, u8, u16, u16, Stamp),
        RemoveMany(usize, u8, u16, u16),
        Clear(Option<usize>),
        Swap(usize, usize),
        Ask(Millis, usize, usize, Vec<u16>),
    }

    fn stamp() -> impl Strategy<Value = Stamp> {
        let ends = prop_oneof![3 => 0..8i64, 1 => Just(Millis::MAX)];
        (0..4i64, 0..4i64, ends, prop::bool::weighted(0.1)).prop_map(|(created, accessed, ends, snapshot)| Stamp {
            created,
            accessed,
            ends,
            snapshot,
        })
    }

    fn op(keys: u16) -> impl Strategy<Value = Op> {
        let (d, u, k) = (|| 0..2usize, || prop_oneof![5 => Just(0u8), 1 => 1..3u8], move || 0..keys);
        let many = move || 1..keys;
        prop_oneof![
            30 => (d(), u(), k(), prop::option::of(stamp())).prop_map(|(d, u, k, s)| Op::Add(d, u, k, s)),
            10 => (d(), u(), k()).prop_map(|(d, u, k)| Op::Later(d, u, k)),
            30 => (d(), u(), k(), stamp()).prop_map(|(d, u, k, s)| Op::Note(d, u, k, s)),
            4 => (d(), u(), 0..30usize, stamp()).prop_map(|(d, u, n, s)| Op::NoteUnknown(d, u, n, s)),
            18 => (d(), u(), k()).prop_map(|(d, u, k)| Op::Remove(d, u, k)),
            4 => (d(), u(), k(), many(), stamp()).prop_map(|(d, u, k, n, s)| Op::AddMany(d, u, k, n, s)),
            2 => (d(), u(), k(), many()).prop_map(|(d, u, k, n)| Op::RemoveMany(d, u, k, n)),
            3 => Just(Op::Settle),
            1 => prop::option::of(d()).prop_map(Op::Clear),
            1 => (0..4usize, 0..4usize).prop_map(|(a, b)| Op::Swap(a, b)),
            20 => (0..9i64, 0..6usize, 0..12usize, prop::collection::vec(k(), 0..3))
                .prop_map(|(now, offset, n, but)| Op::Ask(now, offset, n, but)),
        ]
    }

    /// The sessions of a user in the order in which they arrived, and whether it is a crowd.
    #[derive(Default)]
    struct Plain {
        sessions: Vec<(Vec<u8>, Option<Stamp>)>,
        crowd: bool,
    }

    #[derive(Default)]
    struct Model(BTreeMap<(usize, u8), Plain>);

    impl Model {
        fn add(&mut self, d: usize, u: u8, key: Vec<u8>, stamp: Option<Stamp>) -> bool {
            let user = self.0.entry((d, u)).or_default();
            let stamp_of = |crowd: bool| stamp.filter(|_| crowd);
            match user.sessions.iter_mut().find(|(k, _)| *k == key) {
                Some((_, s)) => *s = stamp_of(user.crowd),
                None => {
                    user.crowd |= user.sessions.len() == FEW;
                    user.sessions.push((key, stamp_of(user.crowd)));
                }
            }
            user.crowd
        }

        fn note(&mut self, d: usize, u: u8, key: &[u8], stamp: Stamp) -> bool {
            let crowd = self.0.get_mut(&(d, u)).filter(|user| user.crowd);
            let noted = crowd.and_then(|user| user.sessions.iter_mut().find(|(k, _)| k == key));
            noted.map(|(_, s)| *s = Some(stamp)).is_some()
        }

        fn remove(&mut self, d: usize, u: u8, key: &[u8]) {
            let Some(user) = self.0.get_mut(&(d, u)) else { return };
            user.sessions.retain(|(k, _)| k != key);
            if user.crowd && user.sessions.len() <= AGAIN_FEW {
                user.crowd = false;
                user.sessions.iter_mut().for_each(|(_, stamp)| *stamp = None);
            }
            if user.sessions.is_empty() {
                self.0.remove(&(d, u));
            }
        }
    }

    impl Plain {
        fn unknown(&self) -> Vec<Vec<u8>> {
            let unknown = self.sessions.iter().filter(|(_, stamp)| self.crowd && stamp.is_none());
            unknown.map(|(key, _)| key.clone()).collect()
        }

        /// The live ones with their arrival, none of `but`.
        fn live(&self, now: Millis, but: &[Vec<u8>]) -> Vec<(usize, Vec<u8>, Stamp)> {
            let known = self.sessions.iter().enumerate().filter_map(|(n, (key, s))| Some((n, key.clone(), (*s)?)));
            known.filter(|(_, key, s)| s.ends > now && !s.snapshot && !but.contains(key)).collect()
        }
    }

    fn check_answers(
        index: &mut Index,
        model: &Model,
        now: Millis,
        offset: usize,
        n: usize,
        but: &[Vec<u8>],
    ) -> Result<(), TestCaseError> {
        let but_keys: Vec<&[u8]> = but.iter().map(Vec::as_slice).collect();
        for (&(d, u), user) in &model.0 {
            let name = [u];
            let keys: Vec<_> = user.sessions.iter().map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(index.keys(d, &name, <[u8]>::to_vec), keys);
            prop_assert_eq!(index.is_crowd(d, &name), user.crowd);
            for (key, stamp) in &user.sessions {
                prop_assert_eq!(index.find(d, &name, key), Some(*stamp));
            }
            let mut unknown = user.unknown();
            prop_assert_eq!(index.unknown(d, &name, usize::MAX, <[u8]>::to_vec), unknown.clone());
            unknown.truncate(n);
            prop_assert_eq!(index.unknown(d, &name, n, <[u8]>::to_vec), unknown);
            let mut latest = user.live(now, &[]);
            prop_assert_eq!(index.live(d, &name, now, &[]), latest.len());
            latest.sort_by(|a, b| b.2.accessed.cmp(&a.2.accessed).then_with(|| a.1.cmp(&b.1)));
            for (offset, count) in [(offset, n), (0, n), (offset, usize::MAX), (usize::MAX, usize::MAX)] {
                let page: Vec<_> = latest.iter().skip(offset).take(count).map(|(_, key, _)| key.clone()).collect();
                prop_assert_eq!(index.latest(d, &name, now, (offset, count), <[u8]>::to_vec), page);
            }
            let others = user.live(now, but);
            prop_assert_eq!(index.live(d, &name, now, &but_keys), others.len());
            for by in [By::Created, By::Accessed] {
                let mut first = others.clone();
                first.sort_by_key(|(arrival, _, s)| (by.times(s.created, s.accessed), *arrival));
                let first: Vec<_> = first.into_iter().take(n).map(|(_, key, s)| (key, s)).collect();
                let told = index.first((d, &name), by, now, n, &but_keys, |key, s| (key.to_vec(), s));
                prop_assert_eq!(told, first);
            }
            if user.crowd {
                // The cap decides the same by what the index tells as by what would be found by opening them all.
                let opened = |(_, key, s): (usize, Vec<u8>, Stamp)| Other {
                    created: s.created,
                    accessed: s.accessed,
                    key: key.into(),
                };
                let opened: Vec<Other> = others.into_iter().map(opened).collect();
                for policy in [Policy::Reject, Policy::Oldest, Policy::Lru] {
                    for joins in [false, true] {
                        let cap = Cap { most: n + 1, policy };
                        let crowded = Crowded { index, db: d, user: &name, now, written: &but_keys };
                        let ended = cap.make_room(crowded, joins);
                        let excess = opened.len().saturating_sub(n);
                        let full = policy == Policy::Reject && joins && excess > 0;
                        prop_assert_eq!(ended == Err(Full), full);
                        prop_assert_eq!(ended, cap.make_room(opened.clone(), joins));
                    }
                }
            }
        }
        Ok(())
    }

    fn check(ops: Vec<Op>) -> Result<(), TestCaseError> {
        let (mut index, mut model) = (Index::default(), Model::default());
        for op in ops {
            match op {
                Op::Add(d, u, k, s) => prop_assert_eq!(index.add(d, &[u], &key(k), s), model.add(d, u, key(k), s)),
                Op::Later(d, u, k) => {
                    index.add_later(d, &[u], &key(k));
                    model.add(d, u, key(k), None);
                    continue;
                }
                Op::Note(d, u, k, s) => {
                    prop_assert_eq!(index.note(d, &[u], &key(k), s), model.note(d, u, &key(k), s));
                }
                Op::NoteUnknown(d, u, n, s) => {
                    for key in index.unknown(d, &[u], n, <[u8]>::to_vec) {
                        prop_assert!(index.note(d, &[u], &key, s) && model.note(d, u, &key, s));
                    }
                }
                Op::Settle => index.settle(),
                Op::Remove(d, u, k) => {
                    index.remove(d, &[u], &key(k));
                    model.remove(d, u, &key(k));
                }
                Op::AddMany(d, u, k, n, s) => {
                    for k in k..k + n {
                        // Some of them have a time of their own.
                        let s = Stamp { accessed: s.accessed + Millis::from(k % 7 / 5), ..s };
                        index.add(d, &[u], &key(k), Some(s));
                        model.add(d, u, key(k), Some(s));
                    }
                }
                Op::RemoveMany(d, u, k, n) => {
                    for k in k..k + n {
                        index.remove(d, &[u], &key(k));
                        model.remove(d, u, &key(k));
                    }
                }
                Op::Clear(db) => {
                    index.clear(db);
                    model.0.retain(|(d, _), _| db.is_some_and(|db| db != *d));
                }
                Op::Swap(a, b) => {
                    index.swap(a, b);
                    let swap = |d| {
                        if d == a {
                            b
                        } else if d == b {
                            a
                        } else {
                            d
                        }
                    };
                    model.0 = std::mem::take(&mut model.0).into_iter().map(|((d, u), p)| ((swap(d), u), p)).collect();
                }
                Op::Ask(now, offset, n, but) => {
                    let but: Vec<_> = but.into_iter().map(key).collect();
                    check_answers(&mut index, &model, now, offset, n, &but)?;
                }
            }
            index.settle();
            prop_assert_eq!(index.sessions(), model.0.values().map(|user| user.sessions.len()).sum::<usize>());
            prop_assert_eq!(index.unknowns(), model.0.values().map(|user| user.unknown().len()).sum::<usize>());
            prop_assert_eq!(index.users(), model.0.len());
            prop_assert_eq!(index.memory() == 0, model.0.is_empty(), "{}", index.memory());
        }
        check_answers(&mut index, &model, 3, 2, 5, &[])?;
        let (mut cursor, mut walked, mut told) = (Cursor::default(), BTreeMap::new(), 0);
        while index.walk(&mut cursor, |d, u, key, s| {
            told += 1;
            walked.insert((d, u[0], key.to_vec()), s);
        }) {}
        let entries =
            model.0.iter().flat_map(|((d, u), user)| user.sessions.iter().map(|(k, s)| ((*d, *u, k.clone()), *s)));
        prop_assert_eq!(told, walked.len(), "while nothing changes each is told once");
        prop_assert_eq!(walked, entries.collect::<BTreeMap<_, _>>());
        let (mut cursor, mut unknown) = (Cursor::default(), BTreeSet::new());
        while let Some(some) = index.walk_unknown(&mut cursor, |d, u, key| (d, u[0], key.to_vec())) {
            unknown.extend(some);
        }
        let model_unknown = model.0.iter().flat_map(|((d, u), user)| user.unknown().into_iter().map(|k| (*d, *u, k)));
        prop_assert_eq!(unknown, model_unknown.collect::<BTreeSet<_>>());
        Ok(())
    }

    proptest! {
        #[test]
        fn it_answers_as_a_plain_list_does(ops in prop::collection::vec(op(30), 0..300)) {
            check(ops)?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn with_hundreds_of_sessions_too(ops in prop::collection::vec(op(1500), 0..40)) {
            check(ops)?;
        }

        #[test]
        fn a_walk_tells_what_stays_whatever_comes_and_goes(
            users in 1..3000u32,
            crowd in 0..3000u32,
            steps in prop::collection::vec((any::<bool>(), 1..3000u32), 1..6),
        ) {
            let mut index = Index::default();
            // One user in 500 is a crowd; of all sessions those whose number is divisible by ten stay.
            let of = |n: u32| if n < users { (0, n.to_le_bytes()) } else { (usize::from(n.is_multiple_of(2)), 0u32.to_le_bytes()) };
            let all = users + crowd;
            (0..all).for_each(|n| { index.add(of(n).0, &of(n).1, &n.to_le_bytes(), None); });
            let (mut cursor, mut seen, mut steps) = (Cursor::default(), BTreeSet::new(), steps.into_iter());
            let (mut gone, mut new) = (0, all);
            while index.walk(&mut cursor, |d, u, key, _| { seen.insert((d, u.to_vec(), key.to_vec())); }) {
                match steps.next() {
                    Some((true, n)) => {
                        (new..new + n).for_each(|n| { index.add(of(n).0, &of(n).1, &n.to_le_bytes(), None); });
                        new += n;
                    }
                    Some((false, n)) => {
                        let go = (gone..gone + n).filter(|n| n % 10 != 0);
                        go.for_each(|n| index.remove(of(n).0, &of(n).1, &n.to_le_bytes()));
                        gone += n;
                    }
                    None => {}
                }
            }
            let stayed = (0..all).filter(|n| n % 10 == 0);
            let stayed: Vec<_> = stayed.map(|n| (of(n).0, of(n).1.to_vec(), n.to_le_bytes().to_vec())).collect();
            prop_assert!(stayed.iter().all(|entry| seen.contains(entry)));
        }
    }

    #[test]
    fn a_user_takes_16_bytes_in_its_table() {
        assert_eq!(std::mem::size_of::<User>(), 16);
    }

    #[test]
    fn what_is_put_off_is_bounded_and_counted() {
        let mut index = Index::default();
        let key = [b'k'; 1000];
        for i in 0..20_000u32 {
            index.add_later(0, &i.to_le_bytes(), &key);
        }
        assert!(index.sessions() > 10_000 && index.later.packed.len() < PUT_OFF);
        assert!(index.memory() > 20_000 * 1000);
        index.settle();
        assert_eq!((index.sessions(), index.later.packed.capacity()), (20_000, 0));
    }

    #[test]
    fn many_users_come_and_go_and_leave_nothing() {
        let mut index = Index::default();
        for i in 0..50_000u32 {
            index.add(0, &i.to_le_bytes(), b"key", None);
        }
        assert_eq!((index.users(), index.keys(0, &7u32.to_le_bytes(), |_| ()).len()), (50_000, 1));
        for i in 0..50_000u32 {
            index.remove(0, &i.to_le_bytes(), b"key");
        }
        assert_eq!((index.users(), index.memory(), index.dbs.capacity()), (0, 0, 0));
    }

    #[test]
    fn a_database_costs_little_where_it_holds_little() {
        let mut index = Index::default();
        for db in 0..4000 {
            index.add(db, b"u", b"key", None);
        }
        assert!(index.memory() < 4000 * 512, "{}", index.memory());
        (0..4000).for_each(|db| index.remove(db, b"u", b"key"));
        assert_eq!(index.memory(), 0);
    }

    #[test]
    fn of_sessions_made_in_the_same_millisecond_the_later_made_stays() {
        let mut index = Index::default();
        let stamp = Stamp { created: 5, accessed: 5, ends: Millis::MAX, snapshot: false };
        // The later made have the lesser keys, and one is renamed: it has arrived again.
        for k in (100..200u8).rev() {
            index.add(0, b"u", &[k], Some(stamp));
        }
        index.unknown(0, b"u", 16, <[u8]>::to_vec).iter().for_each(|key| assert!(index.note(0, b"u", key, stamp)));
        index.remove(0, b"u", &[199]);
        index.add(0, b"u", &[200], Some(stamp));
        for by in [By::Created, By::Accessed] {
            assert_eq!(index.first((0, b"u"), by, 9, 3, &[], |key, _| key[0]), [198, 197, 196]);
            assert_eq!(index.first((0, b"u"), by, 9, 100, &[], |key, _| key[0]).last(), Some(&200));
        }
    }
}

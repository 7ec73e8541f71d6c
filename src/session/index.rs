//! The index from users to the keys of their sessions, for each database.
//!
//! It holds candidates: a reader opens each key and reports what is there, live, and that user's. Users are hashed with a
//! random key, so that names chosen to collide do not, and spread over many small tables, so that none ever takes long
//! to grow.

use super::key::{Key, Prefixes};
use super::wire::{int_len, put_bytes, Reader};
use hashbrown::HashTable;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

type Bytes = Box<[u8]>;

/// Tables of a database. At ten million users each has 2,500: growing one takes some tens of microseconds.
const SHARDS: usize = 4096;

/// What a user costs beside its name and its keys: its place in a table, and the slack of what holds it.
const USER: usize = 40;

/// What a key costs in a tree beside its text: its place, and the slack of the tree.
const IN_TREE: usize = 36;

/// Bytes of entries that are put off, see [`Index::add_later`].
const PUT_OFF: usize = 16 * 1024 * 1024;

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
    /// Empty until there is a user.
    shards: Box<[HashTable<User>]>,
    users: usize,
    sessions: usize,
    bytes: usize,
}

/// A user and its keys: few of them in one packed list behind its name, many in a tree. (A hash table would stall when it
/// grows.)
#[derive(Debug)]
enum User {
    /// The name and the keys, one behind the other.
    Few(Bytes),
    Many(Box<Crowd>),
}

#[derive(Debug)]
struct Crowd {
    name: Bytes,
    keys: BTreeSet<Key<Bytes>>,
    /// Bytes of text that the keys hold.
    text: usize,
}

impl Index {
    fn db_mut(&mut self, db: usize) -> Option<&mut Db> {
        if db >= self.dbs.len() {
            self.dbs.resize_with(db.checked_add(1)?, Db::default);
        }
        self.dbs.get_mut(db)
    }

    /// Notes that the session at `key` is this user's. O(log sessions of the user).
    pub fn add(&mut self, db: usize, user: &[u8], key: &[u8]) {
        self.settle();
        let key = self.prefixes.note(key);
        let (hasher, hash) = (self.hasher.clone(), self.hasher.hash_one(user));
        if let Some(db) = self.db_mut(db) {
            db.add(&hasher, hash, user, key);
        }
    }

    /// The same, put off until the index is asked or changed otherwise, or many have come. A file's sessions come in no
    /// order: each would find its place in the index far from the last one's. Put in order before, many cost a fraction.
    pub fn add_later(&mut self, db: usize, user: &[u8], key: &[u8]) {
        let (Ok(number), Ok(start)) = (u32::try_from(db), u32::try_from(self.later.packed.len())) else {
            return self.add(db, user, key);
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
        // Those of a table stand together, and those of a user.
        order.sort_unstable_by_key(|(hash, ..)| (shard(*hash), *hash));
        let hasher = self.hasher.clone();
        for (hash, db, start) in order {
            let mut reader = Reader::new(packed.get(start as usize..).unwrap_or_default());
            let (Some(user), Some(key)) = (reader.bytes(), Key::unpack(&mut reader)) else { continue };
            if let Some(db) = self.db_mut(db as usize) {
                db.add(&hasher, hash, user, key);
            }
        }
    }

    /// Notes that the session at `key` is not this user's, or is no more. O(log sessions of the user).
    pub fn remove(&mut self, db: usize, user: &[u8], key: &[u8]) {
        self.settle();
        let key = self.prefixes.note(key);
        if let Some(db) = self.dbs.get_mut(db) {
            db.remove(&self.hasher, user, key);
        }
    }

    /// The keys that are noted for a user, in no order, each as `make` takes it from its parts. O(sessions of the user).
    pub fn keys<T>(&mut self, db: usize, user: &[u8], mut make: impl FnMut(&[u8]) -> T) -> Vec<T> {
        self.settle();
        let hash = self.hasher.hash_one(user);
        let Some(user) = self.dbs.get(db).and_then(|db| db.user(hash, user)) else { return Vec::new() };
        let mut bytes = Vec::with_capacity(64);
        let mut all = Vec::with_capacity(user.len());
        user.each(|key| {
            self.prefixes.write(key, &mut bytes);
            all.push(make(&bytes));
        });
        all
    }

    /// Empties a database, or all of them; what was in it is handed over, to be freed where there is time.
    pub fn clear(&mut self, db: Option<usize>) -> Vec<Db> {
        self.settle();
        match db {
            None => std::mem::take(&mut self.dbs),
            Some(db) => self.dbs.get_mut(db).map(|db| vec![std::mem::take(db)]).unwrap_or_default(),
        }
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.settle();
        if a != b && self.db_mut(a.max(b)).is_some() {
            self.dbs.swap(a, b);
        }
    }

    /// Sessions noted, of all databases; here and below without those put off.
    pub fn sessions(&self) -> usize {
        self.total(|db| db.sessions)
    }

    /// Users with a session noted, those of each database counted.
    pub fn users(&self) -> usize {
        self.total(|db| db.users)
    }

    /// Bytes that the index takes, estimated from its entries.
    pub fn memory(&self) -> usize {
        self.total(|db| db.bytes)
    }

    fn total(&self, of: impl Fn(&Db) -> usize) -> usize {
        self.dbs.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Tells everything that is noted: database, user, key.
    pub fn each(&mut self, mut tell: impl FnMut(usize, &[u8], &[u8])) {
        self.settle();
        let mut bytes = Vec::new();
        for (n, db) in self.dbs.iter().enumerate() {
            for user in db.shards.iter().flatten() {
                user.each(|key| {
                    self.prefixes.write(key, &mut bytes);
                    tell(n, user.name(), &bytes);
                });
            }
        }
    }
}

impl Db {
    /// Sessions noted.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    fn user(&self, hash: u64, name: &[u8]) -> Option<&User> {
        self.shards.get(shard(hash))?.find(hash, |user| user.name() == name)
    }

    fn add(&mut self, hasher: &RandomState, hash: u64, name: &[u8], key: Key<&[u8]>) {
        if self.shards.is_empty() {
            self.shards = std::iter::repeat_with(HashTable::new).take(SHARDS).collect();
        }
        let Some(shard) = self.shards.get_mut(shard(hash)) else { return };
        let (before, after, added) = match shard.find_mut(hash, |user| user.name() == name) {
            Some(user) => {
                let before = user.memory();
                let added = user.insert(key);
                (before, user.memory(), added)
            }
            None => {
                let user = User::of(name, key);
                let memory = user.memory();
                shard.insert_unique(hash, user, |user| hasher.hash_one(user.name()));
                self.users = self.users.saturating_add(1);
                (0, memory, true)
            }
        };
        self.bytes = self.bytes.saturating_add(after).saturating_sub(before);
        self.sessions = self.sessions.saturating_add(usize::from(added));
    }

    fn remove(&mut self, hasher: &RandomState, name: &[u8], key: Key<&[u8]>) {
        let hash = hasher.hash_one(name);
        let Some(shard) = self.shards.get_mut(shard(hash)) else { return };
        let Ok(mut entry) = shard.find_entry(hash, |user| user.name() == name) else { return };
        let before = entry.get().memory();
        let removed = entry.get_mut().remove(key);
        let (after, left) = (entry.get().memory(), entry.get().len());
        self.bytes = self.bytes.saturating_add(after).saturating_sub(before);
        self.sessions = self.sessions.saturating_sub(usize::from(removed));
        if left == 0 {
            entry.remove();
            self.users = self.users.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(after);
            // What a crowd of users took is given back when it has gone.
            if shard.len() <= shard.capacity() / 4 {
                shard.shrink_to(shard.len().saturating_mul(2), |user| hasher.hash_one(user.name()));
            }
        }
    }
}

/// Which table a hash belongs to. (The tables themselves place entries by the low and the highest bits.)
fn shard(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % SHARDS
}

impl User {
    /// Up to this many keys are a list.
    const FEW: usize = 16;

    fn of(name: &[u8], key: Key<&[u8]>) -> Self {
        let room = [int_len(name.len() as u64), name.len(), key.packed_len()];
        let mut packed = Vec::with_capacity(room.into_iter().fold(0, usize::saturating_add));
        put_bytes(&mut packed, name);
        key.pack(&mut packed);
        User::Few(packed.into())
    }

    fn name(&self) -> &[u8] {
        match self {
            User::Few(packed) => Reader::new(packed).bytes().unwrap_or_default(),
            User::Many(crowd) => &crowd.name,
        }
    }

    fn insert(&mut self, key: Key<&[u8]>) -> bool {
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
                if n < Self::FEW {
                    let mut longer = Vec::with_capacity(packed.len().saturating_add(key.packed_len()));
                    longer.extend_from_slice(packed);
                    key.pack(&mut longer);
                    *packed = longer.into();
                } else {
                    let keys: BTreeSet<_> = List::of(packed).map(|(_, k)| k).chain([key]).map(Key::to_owned).collect();
                    let text = keys.iter().map(|key| key.view().text_len()).fold(0, usize::saturating_add);
                    *self = User::Many(Box::new(Crowd { name: self.name().into(), keys, text }));
                }
                true
            }
            User::Many(crowd) => {
                let added = crowd.keys.insert(key.to_owned());
                crowd.text = crowd.text.saturating_add(if added { key.text_len() } else { 0 });
                added
            }
        }
    }

    fn remove(&mut self, key: Key<&[u8]>) -> bool {
        match self {
            User::Few(packed) => {
                let Some((rest, _)) = List::of(packed).find(|(_, k)| *k == key) else { return false };
                let start = packed.len().saturating_sub(rest).saturating_sub(key.packed_len());
                let (before, after) = (packed.get(..start), packed.get(packed.len().saturating_sub(rest)..));
                *packed = [before.unwrap_or_default(), after.unwrap_or_default()].concat().into();
                true
            }
            User::Many(crowd) => {
                let removed = crowd.keys.remove(&key.to_owned());
                crowd.text = crowd.text.saturating_sub(if removed { key.text_len() } else { 0 });
                if crowd.keys.len() <= Self::FEW / 2 {
                    let mut packed = Vec::new();
                    put_bytes(&mut packed, &crowd.name);
                    crowd.keys.iter().for_each(|key| key.view().pack(&mut packed));
                    *self = User::Few(packed.into());
                }
                removed
            }
        }
    }

    /// Bytes that it takes, estimated.
    fn memory(&self) -> usize {
        let bytes = match self {
            User::Few(packed) => packed.len(),
            User::Many(crowd) => crowd.keys.len().saturating_mul(IN_TREE).saturating_add(crowd.text),
        };
        bytes.saturating_add(USER)
    }

    fn len(&self) -> usize {
        match self {
            User::Few(packed) => List::of(packed).count(),
            User::Many(crowd) => crowd.keys.len(),
        }
    }

    fn each(&self, mut tell: impl FnMut(Key<&[u8]>)) {
        match self {
            User::Few(packed) => List::of(packed).for_each(|(_, key)| tell(key)),
            User::Many(crowd) => crowd.keys.iter().for_each(|key| tell(key.view())),
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
    type Item = (usize, Key<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = Key::unpack(&mut self.0)?;
        Some((self.0.rest().len(), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Op {
        Add(usize, u8, u8),
        Later(usize, u8, u8),
        Settle,
        Remove(usize, u8, u8),
        Clear(Option<usize>),
        Swap(usize, usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            20 => (0..3usize, 0..3u8, 0..30u8).prop_map(|(d, u, k)| Op::Add(d, u, k)),
            10 => (0..3usize, 0..3u8, 0..30u8).prop_map(|(d, u, k)| Op::Later(d, u, k)),
            18 => (0..3usize, 0..3u8, 0..30u8).prop_map(|(d, u, k)| Op::Remove(d, u, k)),
            10 => Just(Op::Settle),
            1 => prop::option::of(0..3usize).prop_map(Op::Clear),
            1 => (0..4usize, 0..4usize).prop_map(|(a, b)| Op::Swap(a, b)),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_set_holds(ops in prop::collection::vec(op(), 0..300)) {
            let (mut index, mut model) = (Index::default(), BTreeSet::new());
            for op in ops {
                match op {
                    Op::Add(d, u, k) => { index.add(d, &[u], &[k]); model.insert((d, u, k)); }
                    Op::Later(d, u, k) => { index.add_later(d, &[u], &[k]); model.insert((d, u, k)); continue; }
                    Op::Settle => index.settle(),
                    Op::Remove(d, u, k) => { index.remove(d, &[u], &[k]); model.remove(&(d, u, k)); }
                    Op::Clear(db) => { index.clear(db); model.retain(|(d, ..)| db.is_some_and(|db| db != *d)); }
                    Op::Swap(a, b) => {
                        index.swap(a, b);
                        let swap = |d| if d == a { b } else if d == b { a } else { d };
                        model = model.into_iter().map(|(d, u, k)| (swap(d), u, k)).collect();
                    }
                }
                prop_assert_eq!(index.sessions(), model.len());
                prop_assert_eq!(index.memory() == 0, model.is_empty());
            }
            let mut held = BTreeSet::new();
            index.each(|d, u, k| { held.insert((d, u[0], k[0])); });
            prop_assert_eq!(&held, &model);
            let users: BTreeSet<_> = model.iter().map(|(d, u, _)| (*d, *u)).collect();
            prop_assert_eq!(index.users(), users.len());
            for (d, u) in users {
                let keys: BTreeSet<_> = index.keys(d, &[u], |k| (d, u, k[0])).into_iter().collect();
                let of_user = model.iter().filter(|(md, mu, _)| (*md, *mu) == (d, u)).copied().collect();
                prop_assert_eq!(keys, of_user);
            }
        }
    }

    #[test]
    fn a_user_takes_16_bytes_in_its_table() {
        assert_eq!(std::mem::size_of::<User>(), 16);
    }

    #[test]
    fn what_is_put_off_is_bounded() {
        let mut index = Index::default();
        let key = [b'k'; 1000];
        for i in 0..20_000u32 {
            index.add_later(0, &i.to_le_bytes(), &key);
        }
        assert!(index.sessions() > 10_000 && index.later.packed.len() < PUT_OFF);
        index.settle();
        assert_eq!((index.sessions(), index.later.packed.capacity()), (20_000, 0));
    }

    #[test]
    fn many_users_come_and_go_and_leave_nothing() {
        let mut index = Index::default();
        for i in 0..50_000u32 {
            index.add(0, &i.to_le_bytes(), b"key");
        }
        assert_eq!((index.users(), index.keys(0, &7u32.to_le_bytes(), |_| ()).len()), (50_000, 1));
        for i in 0..50_000u32 {
            index.remove(0, &i.to_le_bytes(), b"key");
        }
        assert_eq!((index.users(), index.memory()), (0, 0));
        assert_eq!(index.dbs[0].shards.iter().map(HashTable::capacity).sum::<usize>(), 0);
    }
}

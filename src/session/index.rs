//! The index from users to the keys of their sessions, for each database.
//!
//! It holds candidates: a reader opens each key and reports what is there, live, and that user's. Users are hashed with a
//! random key, so that names chosen to collide do not, and spread over many small tables, so that none ever takes long
//! to grow.

use super::key::{Key, Prefixes};
use hashbrown::HashTable;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

type Bytes = Box<[u8]>;

/// Tables of a database. At ten million users each has 2,500: growing one takes some tens of microseconds.
const SHARDS: usize = 4096;

/// What an entry costs beside its bytes: its pointer, and the slack of what holds it.
const ENTRY: usize = 32;

/// The index of all databases.
#[derive(Default, Debug)]
pub struct Index {
    dbs: Vec<Db>,
    prefixes: Prefixes,
    hasher: RandomState,
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

#[derive(Debug)]
struct User {
    name: Bytes,
    keys: Keys,
}

/// The keys of a user: a few in a list, many in a tree. (A hash table would stall when it grows.)
#[derive(Debug)]
#[allow(clippy::box_collection, reason = "most users have a list, and are 8 bytes smaller for it")]
enum Keys {
    Few(Vec<Key>),
    Many(Box<BTreeSet<Key>>),
}

impl Index {
    fn db_mut(&mut self, db: usize) -> Option<&mut Db> {
        if db >= self.dbs.len() {
            self.dbs.resize_with(db.checked_add(1)?, Db::default);
        }
        self.dbs.get_mut(db)
    }

    fn hash(&self, user: &[u8]) -> u64 {
        self.hasher.hash_one(user)
    }

    /// Notes that the session at `key` is this user's. O(log sessions of the user).
    pub fn add(&mut self, db: usize, user: &[u8], key: &[u8]) {
        let key = self.prefixes.note(key);
        let hasher = self.hasher.clone();
        if let Some(db) = self.db_mut(db) {
            db.add(&hasher, user, key);
        }
    }

    /// Notes that the session at `key` is not this user's, or is no more. O(log sessions of the user).
    pub fn remove(&mut self, db: usize, user: &[u8], key: &[u8]) {
        let key = self.prefixes.note(key);
        if let Some(db) = self.dbs.get_mut(db) {
            db.remove(&self.hasher, user, &key);
        }
    }

    /// The keys that are noted for a user, in no order, each as `make` takes it from its parts. O(sessions of the user).
    pub fn keys<T>(&self, db: usize, user: &[u8], mut make: impl FnMut(&[u8]) -> T) -> Vec<T> {
        let Some(user) = self.dbs.get(db).and_then(|db| db.user(self.hash(user), user)) else { return Vec::new() };
        let mut bytes = Vec::new();
        let mut all = Vec::with_capacity(user.keys.len());
        user.keys.each(|key| {
            self.prefixes.write(key, &mut bytes);
            all.push(make(&bytes));
        });
        all
    }

    /// Empties a database, or all of them; what was in it is handed over, to be freed where there is time.
    pub fn clear(&mut self, db: Option<usize>) -> Vec<Db> {
        match db {
            None => std::mem::take(&mut self.dbs),
            Some(db) => self.dbs.get_mut(db).map(|db| vec![std::mem::take(db)]).unwrap_or_default(),
        }
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        if a != b && self.db_mut(a.max(b)).is_some() {
            self.dbs.swap(a, b);
        }
    }

    /// Sessions noted, of all databases.
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
    pub fn each(&self, mut tell: impl FnMut(usize, &[u8], &[u8])) {
        let mut bytes = Vec::new();
        for (n, db) in self.dbs.iter().enumerate() {
            for user in db.shards.iter().flatten() {
                user.keys.each(|key| {
                    self.prefixes.write(key, &mut bytes);
                    tell(n, &user.name, &bytes);
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
        self.shards.get(shard(hash))?.find(hash, |user| *user.name == *name)
    }

    fn add(&mut self, hasher: &RandomState, name: &[u8], key: Key) {
        if self.shards.is_empty() {
            self.shards = std::iter::repeat_with(HashTable::new).take(SHARDS).collect();
        }
        let hash = hasher.hash_one(name);
        let Some(shard) = self.shards.get_mut(shard(hash)) else { return };
        let cost = key.memory();
        let added = match shard.find_mut(hash, |user| *user.name == *name) {
            Some(user) => user.keys.insert(key),
            None => {
                let user = User { name: name.into(), keys: Keys::Few(vec![key]) };
                shard.insert_unique(hash, user, |user| hasher.hash_one(&*user.name));
                self.users = self.users.saturating_add(1);
                self.bytes = self.bytes.saturating_add(user_cost(name));
                true
            }
        };
        if added {
            self.sessions = self.sessions.saturating_add(1);
            self.bytes = self.bytes.saturating_add(cost);
        }
    }

    fn remove(&mut self, hasher: &RandomState, name: &[u8], key: &Key) {
        let hash = hasher.hash_one(name);
        let Some(shard) = self.shards.get_mut(shard(hash)) else { return };
        let Ok(mut entry) = shard.find_entry(hash, |user| *user.name == *name) else { return };
        if entry.get_mut().keys.remove(key) {
            self.sessions = self.sessions.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(key.memory());
        }
        if entry.get().keys.len() == 0 {
            entry.remove();
            self.users = self.users.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(user_cost(name));
            // What a crowd of users took is given back when it has gone.
            if shard.len() <= shard.capacity() / 4 {
                shard.shrink_to(shard.len().saturating_mul(2), |user| hasher.hash_one(&*user.name));
            }
        }
    }
}

/// Which table a hash belongs to. (The tables themselves place entries by the low and the highest bits.)
fn shard(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) % SHARDS
}

impl Keys {
    /// Up to this many keys are a list.
    const FEW: usize = 16;

    fn insert(&mut self, key: Key) -> bool {
        match self {
            Keys::Few(list) if list.contains(&key) => false,
            Keys::Few(list) if list.len() < Self::FEW => {
                list.reserve_exact(1);
                list.push(key);
                true
            }
            Keys::Few(list) => {
                let tree = std::mem::take(list).into_iter().chain([key]).collect();
                *self = Keys::Many(Box::new(tree));
                true
            }
            Keys::Many(tree) => tree.insert(key),
        }
    }

    fn remove(&mut self, key: &Key) -> bool {
        match self {
            Keys::Few(list) => match list.iter().position(|k| k == key) {
                Some(at) => {
                    list.swap_remove(at);
                    list.shrink_to_fit();
                    true
                }
                None => false,
            },
            Keys::Many(tree) => {
                let removed = tree.remove(key);
                if tree.len() <= Self::FEW / 2 {
                    *self = Keys::Few(std::mem::take(&mut **tree).into_iter().collect());
                }
                removed
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Keys::Few(list) => list.len(),
            Keys::Many(tree) => tree.len(),
        }
    }

    fn each(&self, tell: impl FnMut(&Key)) {
        match self {
            Keys::Few(list) => list.iter().for_each(tell),
            Keys::Many(tree) => tree.iter().for_each(tell),
        }
    }
}

fn user_cost(user: &[u8]) -> usize {
    user.len().saturating_add(std::mem::size_of::<User>()).saturating_add(ENTRY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Op {
        Add(usize, u8, u8),
        Remove(usize, u8, u8),
        Clear(Option<usize>),
        Swap(usize, usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            20 => (0..3usize, 0..3u8, 0..30u8).prop_map(|(d, u, k)| Op::Add(d, u, k)),
            12 => (0..3usize, 0..3u8, 0..30u8).prop_map(|(d, u, k)| Op::Remove(d, u, k)),
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

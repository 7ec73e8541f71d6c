//! The index from users to the keys of their sessions, for each database.
//!
//! It holds candidates: a reader opens each key and reports what is there, live, and that user's. Both tables hash with
//! a random key, so that names chosen to collide do not.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

type Bytes = Box<[u8]>;
type Users = HashMap<Bytes, HashSet<Bytes>>;

/// What one entry costs beside its bytes: a slot of the hash table (at its usual load) and the allocator's rounding.
const ENTRY: usize = 40;

/// The index of all databases.
#[derive(Default, Debug)]
pub struct Index {
    dbs: Vec<Db>,
}

/// The index of one database.
#[derive(Default, Debug)]
pub struct Db {
    users: Users,
    sessions: usize,
    bytes: usize,
}

impl Index {
    fn db(&self, db: usize) -> Option<&Db> {
        self.dbs.get(db)
    }

    fn db_mut(&mut self, db: usize) -> Option<&mut Db> {
        if db >= self.dbs.len() {
            self.dbs.resize_with(db.checked_add(1)?, Db::default);
        }
        self.dbs.get_mut(db)
    }

    /// Notes that the session at `key` is this user's. O(1).
    pub fn add(&mut self, db: usize, user: &[u8], key: &[u8]) {
        if let Some(db) = self.db_mut(db) {
            db.add(user, key);
        }
    }

    /// Notes that the session at `key` is not this user's, or is no more. O(1).
    pub fn remove(&mut self, db: usize, user: &[u8], key: &[u8]) {
        if let Some(db) = self.dbs.get_mut(db) {
            db.remove(user, key);
        }
    }

    /// The keys that are noted for a user, in no order. O(sessions of the user).
    pub fn keys(&self, db: usize, user: &[u8]) -> Vec<Bytes> {
        self.db(db).and_then(|db| db.users.get(user)).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
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
        self.dbs.iter().map(|db| db.sessions).fold(0, usize::saturating_add)
    }

    /// Users with a session noted, those of each database counted.
    pub fn users(&self) -> usize {
        self.dbs.iter().map(|db| db.users.len()).fold(0, usize::saturating_add)
    }

    /// Bytes that the index takes, estimated from its entries.
    pub fn memory(&self) -> usize {
        self.dbs.iter().map(|db| db.bytes).fold(0, usize::saturating_add)
    }

    /// Everything that is noted: database, user, key.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &[u8], &[u8])> {
        self.dbs.iter().enumerate().flat_map(|(n, db)| {
            db.users.iter().flat_map(move |(user, keys)| keys.iter().map(move |key| (n, &**user, &**key)))
        })
    }
}

impl Db {
    /// Sessions noted.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    fn add(&mut self, user: &[u8], key: &[u8]) {
        if !self.users.contains_key(user) {
            self.users.insert(user.into(), HashSet::with_capacity(1));
            self.bytes = self.bytes.saturating_add(user_cost(user));
        }
        if self.users.get_mut(user).is_some_and(|keys| keys.insert(key.into())) {
            self.sessions = self.sessions.saturating_add(1);
            self.bytes = self.bytes.saturating_add(key_cost(key));
        }
    }

    fn remove(&mut self, user: &[u8], key: &[u8]) {
        let Some(keys) = self.users.get_mut(user) else { return };
        if keys.remove(key) {
            self.sessions = self.sessions.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(key_cost(key));
        }
        if keys.is_empty() {
            if let Entry::Occupied(entry) = self.users.entry(user.into()) {
                entry.remove();
                self.bytes = self.bytes.saturating_sub(user_cost(user));
            }
        }
    }
}

fn key_cost(key: &[u8]) -> usize {
    key.len().saturating_add(ENTRY)
}

fn user_cost(user: &[u8]) -> usize {
    user.len().saturating_add(std::mem::size_of::<HashSet<Bytes>>()).saturating_add(ENTRY)
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
            8 => (0..3usize, 0..4u8, 0..6u8).prop_map(|(d, u, k)| Op::Add(d, u, k)),
            4 => (0..3usize, 0..4u8, 0..6u8).prop_map(|(d, u, k)| Op::Remove(d, u, k)),
            1 => prop::option::of(0..3usize).prop_map(Op::Clear),
            1 => (0..4usize, 0..4usize).prop_map(|(a, b)| Op::Swap(a, b)),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_set_holds(ops in prop::collection::vec(op(), 0..80)) {
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
                let held: BTreeSet<_> = index.entries().map(|(d, u, k)| (d, u[0], k[0])).collect();
                prop_assert_eq!(&held, &model);
                prop_assert_eq!(index.sessions(), model.len());
                let users: BTreeSet<_> = model.iter().map(|(d, u, _)| (*d, *u)).collect();
                prop_assert_eq!(index.users(), users.len());
                prop_assert_eq!(index.memory() == 0, model.is_empty());
                for (d, u) in users {
                    let keys: BTreeSet<_> = index.keys(d, &[u]).into_iter().map(|k| (d, u, k[0])).collect();
                    let of_user = model.iter().filter(|(md, mu, _)| (*md, *mu) == (d, u)).copied().collect();
                    prop_assert_eq!(keys, of_user);
                }
            }
        }
    }
}

//! The self-audit: the index held against every key of every database.

use super::api::api;
use super::call::Call;
use super::guard::guard;
use super::index;
use super::key::{Access, Key};
use super::name::{Name, OwnedName};
use super::server;
use super::value::Value;
use crate::session::index::Cursor;
use crate::session::Session;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleKey, RedisModuleScanCursor, RedisModuleString};
use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::ptr;

/// What an audit found.
#[derive(Default)]
pub struct Audit {
    /// Sessions in the keyspace, of users and anonymous.
    pub sessions: usize,
    /// Entries of the index.
    pub indexed: usize,
    /// Sessions of a user that the index did not know.
    pub missing: usize,
    /// Entries of the index without such a session.
    pub stale: usize,
    /// How many of these were mended.
    pub fixed: usize,
}

type Entry = (usize, Box<[u8]>, Box<[u8]>);

/// What a scan has seen so far, of the database that it is in.
struct Seen {
    db: usize,
    sessions: usize,
    entries: HashSet<Entry>,
}

impl Call<'_> {
    /// Holds the index against every key of every database; `fix` mends it (in memory only). O(keys of the server).
    pub fn audit(&self, fix: bool) -> Audit {
        let seen = self.scan();
        let mut indexed: HashSet<Entry> = HashSet::new();
        index::with(|index| {
            let mut cursor = Cursor::default();
            while index.walk(&mut cursor, |db, user, key, _| {
                indexed.insert((db, user.into(), key.into()));
            }) {}
        });
        let missing: Vec<_> = seen.entries.difference(&indexed).collect();
        let mut stale: Vec<_> = indexed.difference(&seen.entries).collect();
        stale.retain(|entry| !self.holds(entry));
        let found = Audit {
            sessions: seen.sessions,
            indexed: indexed.len(),
            missing: missing.len(),
            stale: stale.len(),
            fixed: if fix { missing.len().saturating_add(stale.len()) } else { 0 },
        };
        if fix {
            index::with(|index| {
                missing.into_iter().for_each(|(db, user, key)| {
                    index.add(*db, user, key, None);
                });
                stale.into_iter().for_each(|(db, user, key)| index.remove(*db, user, key));
            });
        }
        found
    }

    /// Whether the session of an entry is there although the scan has not come by it: the server leaves out keys of slots
    /// that are on their way to this node.
    fn holds(&self, (db, user, key): &Entry) -> bool {
        let name = OwnedName::new(key);
        self.in_db(*db, || {
            let key = Key::open(self.ctx(), name.name(), Access::Audit);
            let held = key.session().is_ok_and(|session| session.is_some_and(|s| s.user == Some(user)));
            held
        })
        .unwrap_or(false)
    }

    /// Does something in another database; nothing if there is no such.
    fn in_db<T>(&self, db: usize, work: impl FnOnce() -> T) -> Option<T> {
        let selected = c_int::try_from(self.db()).unwrap_or(0);
        // SAFETY: the context is that of the running command; the server refuses a number past its last database.
        let select = |db| unsafe { api!(RedisModule_SelectDb(self.ctx(), db)) } == OK;
        let done = select(c_int::try_from(db).ok()?).then(work);
        select(selected);
        done
    }

    fn scan(&self) -> Seen {
        let mut seen = Seen { db: 0, sessions: 0, entries: HashSet::new() };
        while self.in_db(seen.db, || self.scan_db(&mut seen)).is_some() {
            seen.db = seen.db.saturating_add(1);
        }
        seen
    }

    fn scan_db(&self, seen: &mut Seen) {
        // SAFETY: the cursor is ours; the callback gets `seen` back, which outlives the scan.
        unsafe {
            let cursor: *mut RedisModuleScanCursor = api!(RedisModule_ScanCursorCreate());
            while api!(RedisModule_Scan(self.ctx(), cursor, Some(on_key), ptr::from_mut(seen).cast())) != 0 {}
            api!(RedisModule_ScanCursorDestroy(cursor));
        }
    }
}

const OK: c_int = raw::REDISMODULE_OK as c_int;

unsafe extern "C" fn on_key(
    ctx: *mut RedisModuleCtx,
    name: *mut RedisModuleString,
    key: *mut RedisModuleKey,
    seen: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes on what `scan` gave it.
        let seen = unsafe { &mut *seen.cast::<Seen>() };
        // SAFETY: the server holds the name while it calls.
        let name = unsafe { Name::new(name) };
        if key.is_null() {
            // It could not hand the key over; we open it ourselves.
            if let Ok(Some(session)) = Key::open(ctx, name, Access::Peek).session() {
                seen.note(name, session);
            }
            return;
        }
        // SAFETY: the key is open while the server calls; a value of our type is one of ours.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType(key)) == server::data_type() {
                if let Some(value) = Value::from_ptr(api!(RedisModule_ModuleTypeGetValue(key))) {
                    seen.note(name, Session::of(value.record()));
                }
            }
        }
    });
}

impl Seen {
    fn note(&mut self, name: Name<'_>, session: Session<'_>) {
        self.sessions = self.sessions.saturating_add(1);
        if let Some(user) = session.user {
            self.entries.insert((self.db, user.into(), name.bytes().into()));
        }
    }
}

//! The self-audit: the index held against every key of every database.

use super::api::api;
use super::call::Call;
use super::guard::guard;
use super::index;
use super::key::{Access, Key};
use super::name::Name;
use super::server;
use super::value::Value;
use crate::session::Session;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleKey, RedisModuleScanCursor, RedisModuleString};
use std::collections::HashSet;
use std::ffi::{c_int, c_void};

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
        index::with(|index| {
            let mut indexed: HashSet<Entry> = HashSet::new();
            index.each(|db, user, key| {
                indexed.insert((db, user.into(), key.into()));
            });
            let missing: Vec<_> = seen.entries.difference(&indexed).collect();
            let stale: Vec<_> = indexed.difference(&seen.entries).collect();
            let (n_missing, n_stale) = (missing.len(), stale.len());
            if fix {
                missing.into_iter().for_each(|(db, user, key)| index.add(*db, user, key));
                stale.into_iter().for_each(|(db, user, key)| index.remove(*db, user, key));
            }
            Audit {
                sessions: seen.sessions,
                indexed: indexed.len(),
                missing: n_missing,
                stale: n_stale,
                fixed: if fix { n_missing.saturating_add(n_stale) } else { 0 },
            }
        })
    }

    fn scan(&self) -> Seen {
        let selected = self.db();
        let mut seen = Seen { db: 0, sessions: 0, entries: HashSet::new() };
        // SAFETY: the context is that of the running command; the server refuses a number past its last database.
        while unsafe { api!(RedisModule_SelectDb(self.ctx(), c_int::try_from(seen.db).unwrap_or(-1))) } == OK {
            // SAFETY: the cursor is ours; the callback gets `seen` back, which outlives the scan.
            unsafe {
                let cursor: *mut RedisModuleScanCursor = api!(RedisModule_ScanCursorCreate());
                while api!(RedisModule_Scan(self.ctx(), cursor, Some(on_key), (&raw mut seen).cast())) != 0 {}
                api!(RedisModule_ScanCursorDestroy(cursor));
            }
            seen.db = seen.db.saturating_add(1);
        }
        // SAFETY: as above; the database was selected before.
        unsafe { api!(RedisModule_SelectDb(self.ctx(), c_int::try_from(selected).unwrap_or(0))) };
        seen
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

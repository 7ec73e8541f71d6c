//! The self-audit: the index held against every key of every database, in memory that does not grow with them.

use super::api::api;
use super::call::Call;
use super::database::in_db;
use super::guard::guard;
use super::index;
use super::key::{Handle, Look};
use super::name::{Name, OwnedName};
use crate::session::index::Cursor;
use crate::session::{Session, Stamp};
use redis_module::raw::{RedisModuleCtx, RedisModuleKey, RedisModuleScanCursor, RedisModuleString};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
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
    /// Entries of the index without such a session, or with other times than it has.
    pub stale: usize,
    /// How many of these were mended.
    pub fixed: usize,
}

/// A scan of a database under way.
struct Scan<'a> {
    db: usize,
    fix: bool,
    audit: &'a mut Audit,
}

impl Call<'_> {
    /// Holds the index against every key of every database; `fix` mends it (in memory only). O(keys of the server).
    pub fn audit(&self, fix: bool) -> Audit {
        let mut audit = Audit::default();
        index::with(|index| index.settle());
        for db in 0.. {
            if in_db(self.ctx(), db, || self.scan(Scan { db, fix, audit: &mut audit })).is_none() {
                break;
            }
        }
        self.check_entries(&mut audit, fix);
        audit.indexed = index::with(|index| index.sessions());
        audit
    }

    /// Looks at every key of the selected database.
    fn scan(&self, mut scan: Scan<'_>) {
        // SAFETY: the cursor is ours; the callback gets `scan` back, which outlives the scan.
        unsafe {
            let cursor: *mut RedisModuleScanCursor = api!(RedisModule_ScanCursorCreate());
            while api!(RedisModule_Scan(self.ctx(), cursor, Some(on_key), ptr::from_mut(&mut scan).cast())) != 0 {}
            api!(RedisModule_ScanCursorDestroy(cursor));
        }
    }

    /// Looks for the session of every entry. (A scan does not tell: the server leaves out keys of slots that are on their
    /// way to this node.)
    fn check_entries(&self, audit: &mut Audit, fix: bool) {
        let (mut cursor, mut more) = (Cursor::default(), true);
        while more {
            let mut entries = Vec::new();
            more = index::with(|index| {
                index.walk(&mut cursor, |db, user, key, _| entries.push((db, user.to_vec(), OwnedName::new(key))))
            });
            for (db, user, name) in entries {
                let held = in_db(self.ctx(), db, || {
                    let key = self.read(name.name(), Look::Audit);
                    key.is_ok_and(|key| key.session().is_some_and(|session| session.user == Some(&user)))
                });
                if held != Some(true) {
                    audit.stale = audit.stale.saturating_add(1);
                    if fix {
                        audit.fixed = audit.fixed.saturating_add(1);
                        index::with(|index| index.remove(db, &user, name.name().bytes()));
                    }
                }
            }
        }
    }
}

unsafe extern "C" fn on_key(
    ctx: *mut RedisModuleCtx,
    name: *mut RedisModuleString,
    key: *mut RedisModuleKey,
    scan: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes on what `scan` gave it.
        let scan = unsafe { &mut *scan.cast::<Scan<'_>>() };
        // SAFETY: the server holds the name while it calls.
        let name = unsafe { Name::new(name) };
        if key.is_null() {
            // It could not hand the key over; we open it ourselves.
            scan.look_at(name, &Handle::read(ctx, name, Look::Audit));
        } else {
            // SAFETY: the key is open while the server calls, which closes it: we do not.
            scan.look_at(name, &ManuallyDrop::new(unsafe { Handle::borrowed(key) }));
        }
    });
}

impl Scan<'_> {
    /// Holds a key against the index.
    fn look_at(&mut self, name: Name<'_>, handle: &Handle) {
        let Ok(Some(value)) = handle.value() else { return };
        self.audit.sessions = self.audit.sessions.saturating_add(1);
        // SAFETY: the value lives while the key is open, and nobody changes it meanwhile.
        let session = Session::of(unsafe { value.record() });
        let Some(user) = session.user else { return };
        let stamp: Stamp = handle.stamp(&session);
        match index::with(|index| index.find(self.db, user, name.bytes())) {
            None => self.audit.missing = self.audit.missing.saturating_add(1),
            Some(Some(known)) if known != stamp => self.audit.stale = self.audit.stale.saturating_add(1),
            Some(_) => return,
        }
        if self.fix {
            self.audit.fixed = self.audit.fixed.saturating_add(1);
            index::with(|index| index.remove(self.db, user, name.bytes()));
            value.mark(index::add(self.db, user, name.bytes(), Some(stamp)));
        }
    }
}

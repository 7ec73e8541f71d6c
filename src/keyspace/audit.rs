//! The self-audit: the index held against every key of every database, in memory that does not grow with them.

use super::api::api;
use super::call::Call;
use super::database::in_db;
use super::guard::guard;
use super::index;
use super::key::{Handle, Look};
use super::name::{Name, OwnedName};
use super::value::Value;
use crate::session::index::Cursor;
use crate::session::Session;
use redis_module::raw::{RedisModuleCtx, RedisModuleKey, RedisModuleScanCursor, RedisModuleString};
use std::collections::{BTreeMap, HashMap};
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
    /// How many entries there are whose session a scan came by.
    right: usize,
}

/// What a scan of a database does with the sessions that it comes by.
trait Visitor {
    /// A session of a user, in an open key.
    fn visit(&mut self, name: Name<'_>, user: Option<&[u8]>, key: (&Handle, Value, &Session<'_>));
}

/// Holds every session against the index.
struct Compare<'a> {
    db: usize,
    fix: bool,
    audit: &'a mut Audit,
}

/// Entries whose session was not found where the index says, of one database: key and user.
type Doubtful = HashMap<Box<[u8]>, Box<[u8]>>;

/// At most so many at a time.
const MOST_DOUBTFUL: usize = 50_000;

impl Call<'_> {
    /// Holds the index against every key of every database; `fix` mends it (in memory only). O(keys of the server).
    pub fn audit(&self, fix: bool) -> Audit {
        let indexed = index::with(|index| {
            index.settle();
            index.sessions()
        });
        let mut audit = Audit { indexed, ..Audit::default() };
        for db in 0.. {
            let compared = in_db(self.ctx(), db, || self.scan(&mut Compare { db, fix, audit: &mut audit }));
            if compared.is_none() {
                break;
            }
        }
        // As a rule that was all of them, and nothing need be opened to look for the rest.
        if audit.right < index::with(|index| index.sessions()) {
            self.check_entries(&mut audit, fix);
        }
        audit
    }

    /// Shows every session of the selected database.
    fn scan(&self, mut visitor: &mut dyn Visitor) {
        // SAFETY: the cursor is ours; the callback gets `visitor` back, which outlives the scan.
        unsafe {
            let cursor: *mut RedisModuleScanCursor = api!(RedisModule_ScanCursorCreate());
            while api!(RedisModule_Scan(self.ctx(), cursor, Some(on_key), ptr::from_mut(&mut visitor).cast())) != 0 {}
            api!(RedisModule_ScanCursorDestroy(cursor));
        }
    }

    /// Looks for the session of every entry.
    fn check_entries(&self, audit: &mut Audit, fix: bool) {
        let (mut cursor, mut more) = (Cursor::default(), true);
        let mut doubtful: BTreeMap<usize, Doubtful> = BTreeMap::new();
        while more {
            let mut entries = Vec::new();
            more = index::with(|index| {
                index.walk(&mut cursor, |db, user, key, _| entries.push((db, Box::from(user), OwnedName::new(key))))
            });
            for (db, user, name) in entries {
                if !self.holds(db, &user, name.name()) {
                    doubtful.entry(db).or_default().insert(name.name().bytes().into(), user);
                }
            }
            if !more || doubtful.values().map(HashMap::len).sum::<usize>() > MOST_DOUBTFUL {
                self.give_up(std::mem::take(&mut doubtful), audit, fix);
            }
        }
    }

    /// Whether a key is seen to hold a session of this user.
    fn holds(&self, db: usize, user: &[u8], name: Name<'_>) -> bool {
        let held = in_db(self.ctx(), db, || {
            let key = self.read(name, Look::Audit);
            key.is_ok_and(|key| key.session().is_some_and(|session| session.user == Some(user)))
        });
        held == Some(true)
    }

    /// Counts entries as stale whose session no scan comes by. (It sees what opening hides: a key past its expiry that a
    /// replica must keep. And opening sees what a scan leaves out: keys of slots that are on their way to this node.)
    fn give_up(&self, doubtful: BTreeMap<usize, Doubtful>, audit: &mut Audit, fix: bool) {
        for (db, mut entries) in doubtful {
            in_db(self.ctx(), db, || self.scan(&mut entries));
            audit.stale = audit.stale.saturating_add(entries.len());
            if fix {
                audit.fixed = audit.fixed.saturating_add(entries.len());
                entries.iter().for_each(|(key, user)| index::remove(db, user, key));
            }
        }
    }
}

impl Visitor for Doubtful {
    fn visit(&mut self, name: Name<'_>, user: Option<&[u8]>, _: (&Handle, Value, &Session<'_>)) {
        if self.get(name.bytes()).is_some_and(|noted| Some(&**noted) == user) {
            self.remove(name.bytes());
        }
    }
}

unsafe extern "C" fn on_key(
    ctx: *mut RedisModuleCtx,
    name: *mut RedisModuleString,
    key: *mut RedisModuleKey,
    visitor: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes on what `scan` gave it.
        let visitor = unsafe { &mut **visitor.cast::<&mut dyn Visitor>() };
        // SAFETY: the server holds the name while it calls.
        let name = unsafe { Name::new(name) };
        if key.is_null() {
            // It could not hand the key over; we open it ourselves.
            show(visitor, name, &Handle::read(ctx, name, Look::Audit));
        } else {
            // SAFETY: the key is open while the server calls, which closes it: we do not.
            show(visitor, name, &ManuallyDrop::new(unsafe { Handle::borrowed(key) }));
        }
    });
}

fn show(visitor: &mut dyn Visitor, name: Name<'_>, handle: &Handle) {
    if let Ok(Some(value)) = handle.value() {
        // SAFETY: the value lives while the key is open, and nobody changes it meanwhile.
        let session = Session::of(unsafe { value.record() });
        visitor.visit(name, session.user, (handle, value, &session));
    }
}

impl Visitor for Compare<'_> {
    fn visit(&mut self, name: Name<'_>, user: Option<&[u8]>, (handle, value, session): (&Handle, Value, &Session<'_>)) {
        self.audit.sessions = self.audit.sessions.saturating_add(1);
        let Some(user) = user else { return };
        let stamp = handle.stamp(session);
        let known = index::with(|index| index.find(self.db, user, name.bytes()));
        if known.is_some() || self.fix {
            self.audit.right = self.audit.right.saturating_add(1);
        }
        match known {
            None => self.audit.missing = self.audit.missing.saturating_add(1),
            Some(Some(known)) if known != stamp => self.audit.stale = self.audit.stale.saturating_add(1),
            Some(_) => return,
        }
        if self.fix {
            self.audit.fixed = self.audit.fixed.saturating_add(1);
            value.mark(index::add(self.db, user, name.bytes(), Some(stamp)));
        }
    }
}

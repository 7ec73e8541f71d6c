//! The server's events that keep the index exact.
//!
//! A session enters the index when one of our commands stores it, when a file is loaded (`loaded`), or when the server puts
//! it under a key (`rename_to`, `move_to`, `copy_to`, `restore`); it leaves when the key is unlinked (a callback of the data
//! type), or its database is flushed or exchanged. The event `new` would tell as well, but costs every new key of any type.

use super::api::api;
use super::guard::{fault_point, guard};
use super::index;
use super::key::{Handle, Look};
use super::name::{Name, OwnedName};
use super::report;
use super::server;
use super::value::Value;
use crate::info::Counter;
use crate::session::Session;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};
use std::ffi::{c_char, c_int, c_void, CStr};

const OK: c_int = raw::REDISMODULE_OK as c_int;

/// Subscribes to what the index needs to hear of. Returns whether the server agreed.
pub fn subscribe(ctx: *mut RedisModuleCtx) -> bool {
    let events = |id, callback| {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the context is that of the module being loaded; the callback has the type that is asked for.
        unsafe { api!(RedisModule_SubscribeToServerEvent(ctx, event, callback)) }
    };
    // Redis 8.4 and later drop the slots that they have given away in the background, and tell of no key, unless a module
    // listens to this event: then they unlink key by key, in slices.
    let trimmed = if server::reports_trimmed_keys(ctx) { raw::REDISMODULE_NOTIFY_KEY_TRIMMED } else { 0 };
    // One listener for all: the server goes through all of them at every event of every key.
    let classes = GENERIC | LOADED | EXPIRED | EVICTED | trimmed;
    [
        // SAFETY: as above.
        unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(ctx, classes, Some(on_key))) },
        events(raw::REDISMODULE_EVENT_FLUSHDB, Some(on_flush)),
        events(raw::REDISMODULE_EVENT_SWAPDB, Some(on_swap)),
        events(raw::REDISMODULE_EVENT_LOADING, Some(on_loading)),
    ]
    .iter()
    .all(|done| *done == OK)
}

const GENERIC: c_int = raw::REDISMODULE_NOTIFY_GENERIC;
const LOADED: c_int = raw::REDISMODULE_NOTIFY_LOADED;
const EXPIRED: c_int = raw::REDISMODULE_NOTIFY_EXPIRED;
const EVICTED: c_int = raw::REDISMODULE_NOTIFY_EVICTED;

/// Something happened to a key of any type.
unsafe extern "C" fn on_key(
    ctx: *mut RedisModuleCtx,
    class: c_int,
    event: *const c_char,
    key: *mut RedisModuleString,
) -> c_int {
    guard((), || {
        // SAFETY: the server calls with a string that lives meanwhile.
        let event = unsafe { CStr::from_ptr(event) }.to_bytes();
        // SAFETY: the server holds the name while it calls.
        let name = || unsafe { Name::new(key) };
        if class == GENERIC {
            report::goes_on(name().bytes());
        }
        match (class, event) {
            (GENERIC, b"restore") if !server::looks_leave_no_trace() => restored(name()),
            (GENERIC, b"rename_to" | b"move_to" | b"copy_to" | b"restore") => appeared(ctx, name()),
            // Only of users with many sessions does the index know when they end.
            (GENERIC, b"expire" | b"persist") if index::knows_times() => expiry_changed(ctx, name()),
            (LOADED, _) => loaded(name()),
            (EXPIRED, _) => report::ended_by_server(Counter::Expired, name().bytes()),
            (EVICTED, _) => report::ended_by_server(Counter::Evicted, name().bytes()),
            // Among others a key of a slot that was given away: the type's `unlink` has heard of it.
            _ => {}
        }
    });
    OK
}

/// Looks at the session in a key that the server tells of, if it holds one.
fn look_at(ctx: *mut RedisModuleCtx, name: Name<'_>, look: impl FnOnce(&Handle, Value, usize, &[u8])) {
    // Whether every server's name here can be opened by is not sure: some stand on the stack. A copy can.
    let name = OwnedName::new(name.bytes());
    let handle = Handle::read(ctx, name.name(), Look::Peek);
    if let (Ok(Some(value)), Some(db)) = (handle.value(), handle.db()) {
        look(&handle, value, db, name.name().bytes());
    }
}

/// A key appeared: if it is a session with a user, the index notes it.
fn appeared(ctx: *mut RedisModuleCtx, name: Name<'_>) {
    fault_point("event", || name.bytes());
    look_at(ctx, name, |handle, value, db, key| {
        value.forget_loaded();
        // SAFETY: the value lives while the key is open, and nobody changes it meanwhile.
        let session = Session::of(unsafe { value.record() });
        let stamp = handle.stamp(&session);
        value.mark(session.user.is_some_and(|user| index::add(db, user, key, Some(stamp))));
    });
}

/// A key was restored, of whatever type. Before 7.2 to open it would count as an access, which RESTORE may have set back: what
/// was loaded last tells whether it is a session. (Its expiry is not known here; nobody but a crowd has to know it yet.)
fn restored(name: Name<'_>) {
    fault_point("event", || name.bytes());
    let Some((value, db)) = Value::take_loaded() else { return };
    let Ok(db) = usize::try_from(db) else { return };
    // SAFETY: the value was not freed, or it would have been forgotten; nobody changes it while the server calls.
    let user = Session::user_of(unsafe { value.record() });
    value.mark(user.is_some_and(|user| index::add(db, user, name.bytes(), None)));
}

/// The expiry of a key was changed by hand.
fn expiry_changed(ctx: *mut RedisModuleCtx, name: Name<'_>) {
    look_at(ctx, name, |handle, value, db, key| {
        if value.is_marked() {
            // SAFETY: as above.
            let session = Session::of(unsafe { value.record() });
            let stamp = handle.stamp(&session);
            value.mark(session.user.is_some_and(|user| index::with(|index| index.note(db, user, key, stamp))));
        }
    });
}

/// A key was loaded from a file: right after its value, so that nothing need be looked for.
fn loaded(name: Name<'_>) {
    fault_point("event", || name.bytes());
    let Some((value, db)) = Value::take_loaded() else { return };
    let Ok(db) = usize::try_from(db) else {
        return debug_assert!(false, "a file's sessions have a database");
    };
    // SAFETY: the value was not freed, or it would have been forgotten; nobody changes it while the server calls.
    let record = unsafe { value.record() };
    if let Some(user) = Session::user_of(record) {
        index::with(|index| index.add_later(db, user, name.bytes()));
    }
}

/// A database is flushed, or all are (-1): nothing is unlinked key by key.
unsafe extern "C" fn on_flush(_: *mut RedisModuleCtx, _: raw::RedisModuleEvent, subevent: u64, data: *mut c_void) {
    if subevent != raw::REDISMODULE_SUBEVENT_FLUSHDB_START || data.is_null() {
        return;
    }
    // SAFETY: the data of this event is this structure.
    let info = unsafe { &*data.cast::<raw::RedisModuleFlushInfoV1>() };
    guard((), || index::clear(usize::try_from(info.dbnum).ok()));
}

/// A file begins or ends to be loaded; at its end, what was put off is noted, and of users with many sessions the times,
/// which nobody waits for yet.
unsafe extern "C" fn on_loading(ctx: *mut RedisModuleCtx, _: raw::RedisModuleEvent, subevent: u64, _: *mut c_void) {
    guard((), || {
        index::with(|index| index.settle());
        // No event that is to come tells of what was loaded before.
        Value::take_loaded();
        if subevent == raw::REDISMODULE_SUBEVENT_LOADING_ENDED {
            index::learn_all(ctx);
        }
    });
}

/// Two databases are exchanged.
unsafe extern "C" fn on_swap(_: *mut RedisModuleCtx, _: raw::RedisModuleEvent, _: u64, data: *mut c_void) {
    if data.is_null() {
        return;
    }
    // SAFETY: the data of this event is this structure.
    let info = unsafe { &*data.cast::<raw::RedisModuleSwapDbInfoV1>() };
    if let (Ok(a), Ok(b)) = (usize::try_from(info.dbnum_first), usize::try_from(info.dbnum_second)) {
        guard((), || index::with(|index| index.swap(a, b)));
    }
}

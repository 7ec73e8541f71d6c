//! Events: those that we publish, and those of the server that keep the index exact.
//!
//! A session enters the index when its key appears (`new`, `loaded`) or its user changes, and leaves it when the key is
//! unlinked (a callback of the data type), its database flushed or exchanged.

use super::api::api;
use super::guard::{guard, trip};
use super::index;
use super::key::{Access, Key};
use super::name::{Name, OwnedName};
use super::report;
use super::server::{self, selected_db};
use super::value::Value;
use crate::session::index::Index;
use crate::session::Session;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};
use std::ffi::{c_char, c_int, c_void, CStr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// An event of a session's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// `session.set`: written, or made.
    Set,
    /// `session.touch`: kept alive.
    Touch,
    /// `session.adjust`: its timeouts changed.
    Adjust,
    /// `session.rotate`: took a new key, or gave up its old one.
    Rotate,
    /// `session.del`: ended by a SESSION command.
    Del,
    /// The generic `del`.
    Deleted,
}

impl Event {
    fn parts(self) -> (c_int, &'static CStr) {
        match self {
            Event::Set => (raw::REDISMODULE_NOTIFY_MODULE, c"session.set"),
            Event::Touch => (raw::REDISMODULE_NOTIFY_MODULE, c"session.touch"),
            Event::Adjust => (raw::REDISMODULE_NOTIFY_MODULE, c"session.adjust"),
            Event::Rotate => (raw::REDISMODULE_NOTIFY_MODULE, c"session.rotate"),
            Event::Del => (raw::REDISMODULE_NOTIFY_MODULE, c"session.del"),
            Event::Deleted => (raw::REDISMODULE_NOTIFY_GENERIC, c"del"),
        }
    }
}

const OK: c_int = raw::REDISMODULE_OK as c_int;

/// Publishes an event.
pub fn notify(ctx: *mut RedisModuleCtx, event: Event, name: Name<'_>) {
    let (class, text) = event.parts();
    // SAFETY: the context is that of the running command, the strings outlive the call.
    unsafe { api!(RedisModule_NotifyKeyspaceEvent(ctx, class, text.as_ptr(), name.raw())) };
}

/// Set while we store a session ourselves, and note it in the index ourselves.
static CREATING: AtomicBool = AtomicBool::new(false);

/// Runs `store` without hearing of the key that it makes.
pub fn creating<T>(store: impl FnOnce() -> T) -> T {
    CREATING.store(true, Relaxed);
    let done = store();
    CREATING.store(false, Relaxed);
    done
}

/// Subscribes to what the index needs to hear of. Returns whether the server agreed.
pub fn subscribe(ctx: *mut RedisModuleCtx) -> bool {
    let appear = raw::REDISMODULE_NOTIFY_NEW | raw::REDISMODULE_NOTIFY_LOADED;
    let end = raw::REDISMODULE_NOTIFY_EXPIRED | raw::REDISMODULE_NOTIFY_EVICTED;
    let events = |id, callback| {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the context is that of the module being loaded; the callback has the type that is asked for.
        unsafe { api!(RedisModule_SubscribeToServerEvent(ctx, event, callback)) }
    };
    // SAFETY: as above.
    let keys = |classes, callback| unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(ctx, classes, callback)) };
    // Redis 8.4 and later drop the slots that they have given away in the background, and tell of no key, unless a module
    // listens to this event: then they unlink key by key, in slices.
    let trimmed = server::reports_trimmed_keys(ctx);
    [
        if trimmed { keys(raw::REDISMODULE_NOTIFY_KEY_TRIMMED, Some(on_trimmed)) } else { OK },
        keys(appear, Some(on_key)),
        keys(end, Some(on_end)),
        events(raw::REDISMODULE_EVENT_FLUSHDB, Some(on_flush)),
        events(raw::REDISMODULE_EVENT_SWAPDB, Some(on_swap)),
        events(raw::REDISMODULE_EVENT_LOADING, Some(on_loading)),
    ]
    .iter()
    .all(|done| *done == OK)
}

/// A key appeared: if it is a session with a user, the index notes it.
unsafe extern "C" fn on_key(
    ctx: *mut RedisModuleCtx,
    class: c_int,
    _event: *const c_char,
    key: *mut RedisModuleString,
) -> c_int {
    if !CREATING.load(Relaxed) {
        guard((), || {
            // SAFETY: the server holds the name while it calls.
            let name = unsafe { Name::new(key) };
            trip("event", name.bytes());
            if class == raw::REDISMODULE_NOTIFY_LOADED as c_int {
                loaded(ctx, name);
            } else {
                // The name may stand on the server's stack, where a key cannot be opened by it: take a copy.
                Key::open(ctx, OwnedName::new(name.bytes()).name(), Access::Peek).index();
            }
        });
    }
    OK
}

/// A key of a slot that was given away is gone. That the type's `unlink` has heard of it is what we wanted.
unsafe extern "C" fn on_trimmed(
    _: *mut RedisModuleCtx,
    _: c_int,
    _: *const c_char,
    _: *mut RedisModuleString,
) -> c_int {
    OK
}

/// A key was loaded from a file: right after its value, so that nothing need be looked for.
fn loaded(ctx: *mut RedisModuleCtx, name: Name<'_>) {
    let Some(value) = Value::take_loaded() else { return };
    // SAFETY: the value was not freed, or it would have been forgotten; nobody changes it while the server calls.
    let record = unsafe { value.record() };
    if let Some(user) = Session::user_of(record) {
        index::with(|index| index.add_later(selected_db(ctx), user, name.bytes()));
    }
}

/// The server ended a key on its own account.
unsafe extern "C" fn on_end(
    _: *mut RedisModuleCtx,
    class: c_int,
    _: *const c_char,
    key: *mut RedisModuleString,
) -> c_int {
    // SAFETY: the server holds the name while it calls.
    guard((), || report::ended_by_server(class, unsafe { Name::new(key) }.bytes()));
    OK
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

/// A file begins or ends to be loaded; at its end, what was put off is noted.
unsafe extern "C" fn on_loading(_: *mut RedisModuleCtx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    guard((), || index::with(Index::settle));
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

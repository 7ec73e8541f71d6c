//! What this server is and can do, found out once at load, and its clock.

use super::api::api;
use crate::session::Millis;
use redis_module::raw;
use std::ffi::{c_int, CStr};
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering::Relaxed};

/// Flags with which a key is opened to be looked at: nothing of it is touched, counted, notified or expired. 0 on servers
/// before 7.2, which know no such flags.
static PEEK: AtomicI32 = AtomicI32::new(0);

/// The server's handle of our data type.
static DATA_TYPE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(std::ptr::null_mut());

/// The same flags, and those by which a key is seen that is past its expiry, or in a slot that is being dropped.
static AUDIT: AtomicI32 = AtomicI32::new(0);

/// Finds out what this server can do.
pub fn detect() {
    // SAFETY: the crate filled the static at load; the function takes nothing.
    let known = unsafe { raw::RedisModule_GetOpenKeyModesAll.map_or(0, |all| all()) };
    let wanted = raw::REDISMODULE_OPEN_KEY_NOTOUCH
        | raw::REDISMODULE_OPEN_KEY_NONOTIFY
        | raw::REDISMODULE_OPEN_KEY_NOSTATS
        | raw::REDISMODULE_OPEN_KEY_NOEXPIRE;
    let hidden = raw::REDISMODULE_OPEN_KEY_ACCESS_EXPIRED | raw::REDISMODULE_OPEN_KEY_ACCESS_TRIMMED;
    PEEK.store(known & wanted as c_int, Relaxed);
    AUDIT.store(known & (wanted | hidden) as c_int, Relaxed);
}

/// See [`PEEK`].
pub fn peek_flags() -> c_int {
    PEEK.load(Relaxed)
}

/// See [`AUDIT`].
pub fn audit_flags() -> c_int {
    AUDIT.load(Relaxed)
}

/// The server's handle of our data type; null until it is registered.
pub fn data_type() -> *mut raw::RedisModuleType {
    DATA_TYPE.load(Relaxed)
}

/// Remembers the handle of our data type.
pub fn set_data_type(handle: *mut raw::RedisModuleType) {
    DATA_TYPE.store(handle, Relaxed);
}

/// The database that is selected where a command or a callback runs.
pub fn selected_db(ctx: *mut raw::RedisModuleCtx) -> usize {
    // SAFETY: the context is that of a running command or callback.
    usize::try_from(unsafe { api!(RedisModule_GetSelectedDb(ctx)) }).unwrap_or(0)
}

/// The version of a Valkey server; nothing on Redis.
pub fn valkey_version(ctx: *mut raw::RedisModuleCtx) -> Option<String> {
    // SAFETY: the context is that of the module being loaded; the text lives until the information is freed.
    unsafe {
        let info = api!(RedisModule_GetServerInfo(ctx, c"server".as_ptr()));
        if info.is_null() {
            return None;
        }
        let text = api!(RedisModule_ServerInfoGetFieldC(info, c"valkey_version".as_ptr()));
        let version = (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned());
        api!(RedisModule_FreeServerInfo(ctx, info));
        version
    }
}

/// Whether this server tells of keys that it drops with a slot that it has given away (Redis 8.4).
pub fn reports_trimmed_keys(ctx: *mut raw::RedisModuleCtx) -> bool {
    // SAFETY: the crate filled the static at load; the function takes nothing.
    let known = unsafe { raw::RedisModule_GetKeyspaceNotificationFlagsAll.map_or(0, |all| all()) };
    // Valkey may give the bit another meaning.
    known & raw::REDISMODULE_NOTIFY_KEY_TRIMMED != 0 && valkey_version(ctx).is_none()
}

/// The time by which the server itself judges expiry: that at which the running command began, where it tells (7.2).
pub fn now() -> Millis {
    // SAFETY: the crate filled the static at load; neither function takes anything.
    unsafe {
        match raw::RedisModule_CachedMicroseconds {
            Some(cached) => cached() / 1000,
            None => api!(RedisModule_Milliseconds()),
        }
    }
}

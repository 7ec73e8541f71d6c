//! What this server is and can do, found out once at load, and its clock.

use super::api::{self, api};
use super::call_reply::CallReply;
use super::guard::log_warning;
use crate::session::Millis;
use redis_module::raw;
use std::ffi::{c_int, CStr};
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering::Relaxed};
use std::sync::OnceLock;

/// Flags with which a key is opened to be looked at: nothing of it is touched, counted, notified or expired. 0 on servers
/// before 7.2, which know no such flags.
static PEEK: AtomicI32 = AtomicI32::new(0);

/// The server's handle of our data type.
static DATA_TYPE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(std::ptr::null_mut());

/// The same flags, and those by which a key is seen that is past its expiry, or in a slot that is being dropped.
static AUDIT: AtomicI32 = AtomicI32::new(0);

/// Whether a key is ended on replicas and in the AOF by UNLINK, because this server has no DEL.
static UNLINKS: AtomicBool = AtomicBool::new(false);

/// Whether this server can be asked if it would run a command (7.2).
static RUNS_DRY: AtomicBool = AtomicBool::new(false);

/// Refuses a server that lacks what this module cannot do without, and says what is needed. The first thing that loading
/// does: nothing else of this module may be called on such a server.
pub fn check_version(ctx: *mut raw::RedisModuleCtx) -> Result<(), String> {
    match api::missing() {
        None => Ok(()),
        Some(name) => {
            let version = version(ctx, c"redis_version").unwrap_or("older".into());
            Err(format!("it needs Redis 7.0 or Valkey 8.0, or a later one; this server, {version}, has no {name}"))
        }
    }
}

/// Finds out what this server can do; an error says what it cannot that we need.
pub fn detect(ctx: *mut raw::RedisModuleCtx) -> Result<(), String> {
    // SAFETY: the crate filled the static at load; the function takes nothing.
    let known = unsafe { raw::RedisModule_GetOpenKeyModesAll.map_or(0, |all| all()) };
    let wanted = raw::REDISMODULE_OPEN_KEY_NOTOUCH
        | raw::REDISMODULE_OPEN_KEY_NONOTIFY
        | raw::REDISMODULE_OPEN_KEY_NOSTATS
        | raw::REDISMODULE_OPEN_KEY_NOEXPIRE;
    let hidden = raw::REDISMODULE_OPEN_KEY_ACCESS_EXPIRED | raw::REDISMODULE_OPEN_KEY_ACCESS_TRIMMED;
    PEEK.store(known & wanted as c_int, Relaxed);
    AUDIT.store(known & (wanted | hidden) as c_int, Relaxed);
    RUNS_DRY.store(reads_flag_of_dry_runs(ctx), Relaxed);
    check_commands(ctx)
}

/// Whether the server knows the flag "D" of RM_Call, with which it replies to a command that is not there. One that does
/// not know it replies nothing at all.
fn reads_flag_of_dry_runs(ctx: *mut raw::RedisModuleCtx) -> bool {
    // SAFETY: the context is that of the module being loaded; "D" takes no arguments, and a reply is ours.
    let reply = unsafe { CallReply::adopt(api!(RedisModule_Call(ctx, c"session.nosuch".as_ptr(), c"D".as_ptr()))) };
    reply.is_some()
}

/// See [`RUNS_DRY`].
pub fn runs_dry() -> bool {
    RUNS_DRY.load(Relaxed)
}

/// Looks for the server's commands that we send and ask: `rename-command` takes them away under their name. (It is carried
/// out before modules are loaded, so our own are always there.)
fn check_commands(ctx: *mut raw::RedisModuleCtx) -> Result<(), String> {
    UNLINKS.store(!has_command(ctx, c"DEL"), Relaxed);
    if !has_command(ctx, deletion()) {
        return Err("rename-command has taken away both DEL and UNLINK, by which replicas and the AOF learn that a \
                    session has ended; leave it one of them"
            .into());
    }
    // SAFETY: the context is that of the module being loaded.
    let flags = unsafe { api!(RedisModule_GetContextFlags(ctx)) }.unsigned_abs();
    if flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0 && !has_command(ctx, c"CLUSTER") {
        return Err("rename-command has taken away CLUSTER, which this module asks for the node's slots".into());
    }
    Ok(())
}

/// Whether the server has a command of this name that needs an argument. It is called without one, so that it does
/// nothing.
fn has_command(ctx: *mut raw::RedisModuleCtx, name: &CStr) -> bool {
    // SAFETY: the context is that of the module being loaded; "" takes no arguments, and the reply is ours.
    let reply = unsafe { CallReply::adopt(api!(RedisModule_Call(ctx, name.as_ptr(), c"".as_ptr()))) };
    reply.is_some() || Error::last_os_error().kind() != ErrorKind::NotFound
}

/// Judges a user, a command with its arguments, and a database; the last argument is for a reason, and may be null.
pub type CheckPermissions = unsafe extern "C" fn(
    *mut raw::RedisModuleUser,
    *mut *mut raw::RedisModuleString,
    c_int,
    c_int,
    *mut c_int,
) -> c_int;

/// See [`check_permissions`].
static CHECK_PERMISSIONS: OnceLock<Option<CheckPermissions>> = OnceLock::new();

/// The server's judgement of commands by database, where it has one (Valkey 9.1; the crate does not know it).
pub fn check_permissions() -> Option<CheckPermissions> {
    *CHECK_PERMISSIONS.get_or_init(|| {
        let mut function: Option<CheckPermissions> = None;
        // SAFETY: the crate filled the static at load; the server writes the address of a function of that name and type,
        // or nothing.
        unsafe {
            let get = raw::RedisModule_GetApi?;
            get(c"RedisModule_ACLCheckPermissions".as_ptr(), (&raw mut function).cast());
        }
        function
    })
}

/// The command that ends a key on replicas and in the AOF.
pub fn deletion() -> &'static CStr {
    if UNLINKS.load(Relaxed) {
        c"UNLINK"
    } else {
        c"DEL"
    }
}

/// See [`PEEK`].
pub fn peek_flags() -> c_int {
    PEEK.load(Relaxed)
}

/// Whether a key can be opened so that nothing comes of it (7.2): before, a look at an expired key ends it.
pub fn looks_leave_no_trace() -> bool {
    peek_flags() & raw::REDISMODULE_OPEN_KEY_NOEXPIRE as c_int != 0
}

/// See [`AUDIT`].
pub fn audit_flags() -> c_int {
    AUDIT.load(Relaxed)
}

/// Looks at what a replicating call says. It looks its command up by name, and [`detect`] has found those that we send, so
/// it cannot fail; if it does all the same, replicas and the AOF lack what was done here, and the log says so.
pub fn check_sent(said: c_int) {
    if said != raw::REDISMODULE_OK as c_int {
        debug_assert!(false, "a command was not sent");
        log_warning("session: CRITICAL: the server did not pass a change on to replicas and the AOF: compare them");
    }
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
    let db = unsafe { api!(RedisModule_GetSelectedDb(ctx)) };
    debug_assert!(db >= 0, "a database has a number");
    usize::try_from(db).unwrap_or(0)
}

/// The version of a Valkey server; nothing on Redis.
pub fn valkey_version(ctx: *mut raw::RedisModuleCtx) -> Option<String> {
    version(ctx, c"valkey_version")
}

/// A version that the server tells in INFO; nothing where it does not. (Checked by hand, for it is asked of old servers.)
fn version(ctx: *mut raw::RedisModuleCtx, field: &CStr) -> Option<String> {
    // SAFETY: the crate filled the statics at load; the context is that of the module being loaded; the text lives until
    // the information is freed.
    unsafe {
        let (get, read) = (raw::RedisModule_GetServerInfo?, raw::RedisModule_ServerInfoGetFieldC?);
        let info = get(ctx, c"server".as_ptr());
        if info.is_null() {
            return None;
        }
        let text = read(info, field.as_ptr());
        let version = (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned());
        raw::RedisModule_FreeServerInfo?(ctx, info);
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

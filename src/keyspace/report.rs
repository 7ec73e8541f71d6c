//! The section of `INFO`, and the counts that only the server's own events tell.

use super::api::api;
use super::guard::guard;
use super::index;
use super::server;
use super::value;
use crate::info::{self, Counter, COUNTERS};
use crate::session::Millis;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleInfoCtx};
use std::ffi::{c_int, CString};
use std::sync::{Mutex, PoisonError};

/// The key of the session that was unlinked last, and when: what the `expired` or `evicted` event right after it is about.
static LAST_GONE: Mutex<(Vec<u8>, Millis)> = Mutex::new((Vec::new(), 0));

/// Notes that the session at `key` is unlinked.
pub fn gone(key: &[u8]) {
    let mut last = LAST_GONE.lock().unwrap_or_else(PoisonError::into_inner);
    last.0.clear();
    last.0.extend_from_slice(key);
    last.1 = server::now();
}

/// A second, in milliseconds: longer than the server may be kept from running between the two.
const RIGHT_AFTER: Millis = 1000;

/// An event says what became of `key`; whether it was the session that is gone. The event comes right after.
fn was_session(key: &[u8]) -> bool {
    let mut last = LAST_GONE.lock().unwrap_or_else(PoisonError::into_inner);
    let was = last.0.as_slice() == key && (0..=RIGHT_AFTER).contains(&server::now().saturating_sub(last.1));
    last.0.clear();
    was
}

/// Another event of `key`, of the kind that every command gives which ends it, brings it, or has it expire: the next that
/// tells of an end is not about the session that is gone.
pub fn goes_on(key: &[u8]) {
    let mut last = LAST_GONE.lock().unwrap_or_else(PoisonError::into_inner);
    if last.0.as_slice() == key {
        last.0.clear();
    }
}

/// Registers the section. Returns whether the server agreed.
pub fn register(ctx: *mut RedisModuleCtx) -> bool {
    // SAFETY: the context is that of the module being loaded; the callback has the type that is asked for. (It takes the
    // place of the crate's, which captures a backtrace in a crash report.)
    unsafe { api!(RedisModule_RegisterInfoFunc(ctx, Some(on_info))) == raw::REDISMODULE_OK as c_int }
}

unsafe extern "C" fn on_info(ctx: *mut RedisModuleInfoCtx, _for_crash_report: c_int) {
    guard((), || {
        // SAFETY: the context is that of the report; no name means the section of the module itself.
        if unsafe { api!(RedisModule_InfoAddSection(ctx, std::ptr::null())) } != raw::REDISMODULE_OK as c_int {
            return; // not asked for
        }
        field(ctx, "sessions", value::count() as u64);
        // A crash report may come while the index is in use.
        let now = index::try_with(|index| {
            [("indexed_sessions", index.sessions()), ("indexed_users", index.users()), ("index_bytes", index.memory())]
        });
        for (name, value) in now.into_iter().flatten() {
            field(ctx, name, value as u64);
        }
        for (counter, name) in COUNTERS {
            field(ctx, name, info::counted(counter));
        }
    });
}

fn field(ctx: *mut RedisModuleInfoCtx, name: &str, value: u64) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: the context is that of the report, the name outlives the call.
    unsafe { api!(RedisModule_InfoAddFieldULongLong(ctx, name.as_ptr(), value)) };
}

/// Counts the end of a session that the server itself decided.
pub fn ended_by_server(how: Counter, key: &[u8]) {
    if was_session(key) {
        info::count(how);
    }
}

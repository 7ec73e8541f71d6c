//! The type `sess-hash` and what the server asks of it.
//!
//! The value is the session's record and holds nothing but its own bytes: the server may free it in any thread, and RENAME
//! hands the same value to another key.

use super::api::api;
use super::guard::{fault_point, guard, log_warning};
use super::index;
use super::name::Name;
use super::report;
use super::server;
use super::value::{unframe, Value};
use crate::session::{check_record, keeping_ttl, Malformed, Session};
use redis_module::raw::{
    self, RedisModuleCtx, RedisModuleDigest, RedisModuleIO, RedisModuleKeyOptCtx, RedisModuleString,
};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};

/// The name of the type: what `TYPE key` and `SCAN … TYPE` call it.
const NAME: &std::ffi::CStr = c"sess-hash";

/// The number of the encoding in files. The payload carries a format number of its own; this one changes only when
/// what stands around the payload does.
const ENCODING: c_int = 1;

/// Registers the type. Returns whether the server agreed.
pub fn register(ctx: *mut RedisModuleCtx) -> bool {
    let mut methods = raw::RedisModuleTypeMethods {
        version: 4, // the first with `unlink2` and its kind
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        digest: Some(digest),
        free: Some(free),
        mem_usage2: Some(mem_usage),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
        mem_usage: None,
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: None,
        aux_save2: None,
    };
    // SAFETY: the context is that of the module being loaded; the server copies the methods.
    let handle = unsafe { api!(RedisModule_CreateDataType(ctx, NAME.as_ptr(), ENCODING, &mut methods)) };
    server::set_data_type(handle);
    !handle.is_null()
}

/// The record behind a value of our type.
///
/// # Safety
/// `value` is one that the server was given by this module and has not freed.
unsafe fn record<'v>(value: *const c_void) -> &'v [u8] {
    // SAFETY: by the promise of the caller; the server calls back only while nothing is being changed.
    unsafe { Value::from_ptr(value).map_or(&[], |value| value.record()) }
}

unsafe extern "C" fn rdb_load(io: *mut RedisModuleIO, encoding: c_int) -> *mut c_void {
    guard(ptr::null_mut(), || {
        if encoding != ENCODING {
            log_warning(&format!("session: data of encoding {encoding}, this module knows {ENCODING}"));
            return ptr::null_mut();
        }
        let mut len = 0;
        // SAFETY: the server calls with the stream to read from; what it gives is ours.
        let Some(buffer) = NonNull::new(unsafe { api!(RedisModule_LoadStringBuffer(io, &mut len)) }) else {
            return ptr::null_mut(); // cut short: the server knows
        };
        let buffer = Loaded(buffer.cast());
        // SAFETY: the server gave `len` bytes there.
        if let Err(why) = check(unsafe { std::slice::from_raw_parts(buffer.0.as_ptr(), len) }) {
            log_warning(&format!("session: {why}"));
            return ptr::null_mut();
        }
        // SAFETY: the buffer is of the server's allocator and ours, and was found to be a value.
        let value = unsafe { Value::adopt(buffer.keep()) };
        // SAFETY: the stream is the server's; it tells -1 where there is no database.
        value.note_loaded(unsafe { api!(RedisModule_GetDbIdFromIO(io)) });
        value.as_ptr()
    })
}

fn check(bytes: &[u8]) -> Result<(), Malformed> {
    fault_point("load", || bytes);
    check_record(unframe(bytes).ok_or(Malformed::Bad)?)
}

/// A buffer that the server gave us. It is freed where nobody keeps it.
struct Loaded(NonNull<u8>);

impl Loaded {
    fn keep(self) -> NonNull<u8> {
        std::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: the buffer is ours and not used any more.
        unsafe { api!(RedisModule_Free(self.0.as_ptr().cast())) };
    }
}

unsafe extern "C" fn rdb_save(io: *mut RedisModuleIO, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server calls with a value of ours.
        let Some(value) = (unsafe { Value::from_ptr(value) }) else { return };
        let save = |bytes: &[u8]| {
            // SAFETY: the server calls with the stream to write to, and copies the bytes.
            unsafe { api!(RedisModule_SaveStringBuffer(io, bytes.as_ptr().cast::<c_char>(), bytes.len())) };
        };
        // SAFETY: nothing changes the value while the server calls.
        unsafe { value.with_bytes(save) };
    });
}

unsafe extern "C" fn aof_rewrite(io: *mut RedisModuleIO, key: *mut RedisModuleString, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server calls with a value of ours.
        let payload = keeping_ttl(unsafe { record(value) }); // the server writes the key's expiry itself, as it is
        let (start, len) = (payload.as_ptr().cast::<c_char>(), payload.len());
        // SAFETY: the server calls with the stream to write to; "sb" takes a string and a buffer with its length.
        unsafe { api!(RedisModule_EmitAOF(io, c"SESSION.APPLY".as_ptr(), c"sb".as_ptr(), key, start, len)) };
    });
}

unsafe extern "C" fn digest(digest: *mut RedisModuleDigest, value: *mut c_void) {
    guard((), || {
        // SAFETY: the server calls with a value of ours.
        let record = unsafe { record(value) };
        fault_point("digest", || record);
        // SAFETY: the server calls with a digest to add to, and takes the bytes in.
        unsafe {
            api!(RedisModule_DigestAddStringBuffer(digest, record.as_ptr().cast::<c_char>(), record.len()));
            api!(RedisModule_DigestEndSequence(digest));
        }
    });
}

/// Frees a value, in any thread.
unsafe extern "C" fn free(value: *mut c_void) {
    guard((), || {
        // SAFETY: the server gives up a value of ours.
        if let Some(value) = unsafe { Value::from_ptr(value) } {
            // Freed even where a panic is injected here.
            let _freed = Freed(value);
            // SAFETY: nobody else has the value any more.
            fault_point("free", || unsafe { value.record() });
        }
    });
}

/// Frees its value when it goes.
struct Freed(Value);

impl Drop for Freed {
    fn drop(&mut self) {
        // SAFETY: made by `free` alone, of a value that nobody uses any more.
        unsafe { self.0.free() };
    }
}

unsafe extern "C" fn mem_usage(_: *mut RedisModuleKeyOptCtx, value: *const c_void, _: usize) -> usize {
    memory(value)
}

/// Bytes that a value takes.
fn memory(value: *const c_void) -> usize {
    // SAFETY: the server calls with a value of ours.
    guard(0, || unsafe { Value::from_ptr(value) }.map_or(0, Value::memory))
}

/// A session is one allocation whatever it holds; one of megabytes takes the allocator long enough to be freed in the
/// background (the server does so above 64).
unsafe extern "C" fn free_effort(_: *mut RedisModuleKeyOptCtx, value: *const c_void) -> usize {
    const A_UNIT: usize = 16 * 1024;
    memory(value).wrapping_div(A_UNIT).saturating_add(1)
}

/// The key goes, for whatever reason: the index forgets it.
unsafe extern "C" fn unlink(ctx: *mut RedisModuleKeyOptCtx, value: *const c_void) {
    guard((), || {
        // SAFETY: the server calls with the context of the key, and holds its name meanwhile.
        let (db, key) = unsafe {
            let key = api!(RedisModule_GetKeyNameFromOptCtx(ctx));
            (api!(RedisModule_GetDbIdFromOptCtx(ctx)), (!key.is_null()).then(|| Name::new(key.cast_mut())))
        };
        let (Ok(db), Some(key)) = (usize::try_from(db), key) else { return };
        report::gone(key.bytes());
        // SAFETY: the server calls with a value of ours.
        let record = unsafe { record(value) };
        if let Some(user) = Session::user_of(record) {
            index::remove(db, user, key.bytes());
        }
        fault_point("unlink", || record);
    });
}

unsafe extern "C" fn copy(_: *mut RedisModuleKeyOptCtx, value: *const c_void) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: the server calls with a value of ours; the copy becomes the server's.
        let record = unsafe { record(value) };
        fault_point("copy", || record);
        Value::new(record).as_ptr()
    })
}

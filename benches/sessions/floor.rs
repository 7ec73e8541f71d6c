//! A module that does nothing but make the server's own calls which the commands of sessions cannot do without: the floor
//! under what they cost. It knows no index, checks nothing and holds a value of constant bytes; `make bench` loads it into
//! a server of its own and prints what its commands take beside ours.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "every line is a call of the server, made as its documentation asks: contexts and strings of the running command"
)]

use redis_module::raw::{self, RedisModuleCtx, RedisModuleIO, RedisModuleKey, RedisModuleString, RedisModuleUser};
use std::ffi::{c_char, c_int, c_long, c_void, CStr};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// A function of the server. All that are named here are there since 7.0.
macro_rules! api {
    ($name:ident($($arg:expr),* $(,)?)) => { raw::$name.unwrap_unchecked()($($arg),*) };
}

const OK: c_int = raw::REDISMODULE_OK as c_int;
const READ: c_int = raw::REDISMODULE_READ as c_int;
const WRITE: c_int = (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as c_int;

/// As many bytes as the record of a small session, and as the effect of a touch.
const RECORD: [u8; 184] = [b'x'; 184];
const EFFECT: [u8; 22] = [b'x'; 22];

/// A time far ahead: the year 2286.
const LATER: i64 = 9_999_999_999_999;

static TYPE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(ptr::null_mut());

type Args = *mut *mut RedisModuleString;

unsafe fn args<'a>(argv: Args, argc: c_int) -> &'a [*mut RedisModuleString] {
    std::slice::from_raw_parts(argv, usize::try_from(argc).unwrap_or(0)).get(1..).unwrap_or_default()
}

unsafe fn replicate(ctx: *mut RedisModuleCtx, name: *mut RedisModuleString, payload: &[u8]) {
    let (start, len) = (payload.as_ptr().cast::<c_char>(), payload.len());
    api!(RedisModule_Replicate(ctx, c"FLOORED.APPLY".as_ptr(), c"sb".as_ptr(), name, start, len));
}

unsafe fn notify(ctx: *mut RedisModuleCtx, class: c_int, event: &CStr, name: *mut RedisModuleString) {
    api!(RedisModule_NotifyKeyspaceEvent(ctx, class, event.as_ptr(), name));
}

unsafe fn open(ctx: *mut RedisModuleCtx, name: *mut RedisModuleString, mode: c_int) -> *mut RedisModuleKey {
    api!(RedisModule_OpenKey(ctx, name, mode)).cast()
}

/// `FLOOR.SET key`
unsafe extern "C" fn set(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    for name in args(argv, argc) {
        let key = open(ctx, *name, WRITE);
        let value = api!(RedisModule_Alloc(RECORD.len()));
        ptr::copy_nonoverlapping(RECORD.as_ptr(), value.cast(), RECORD.len());
        api!(RedisModule_ModuleTypeSetValue(key, TYPE.load(Relaxed), value));
        api!(RedisModule_SetAbsExpire(key, LATER));
        replicate(ctx, *name, &RECORD);
        api!(RedisModule_SignalModifiedKey(ctx, *name));
        notify(ctx, raw::REDISMODULE_NOTIFY_MODULE, c"floor.set", *name);
        api!(RedisModule_CloseKey(key));
    }
    api!(RedisModule_ReplyWithLongLong(ctx, 1))
}

/// `FLOOR.TOUCH key`
unsafe extern "C" fn touch(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    for name in args(argv, argc) {
        let key = open(ctx, *name, WRITE);
        api!(RedisModule_SetAbsExpire(key, LATER));
        replicate(ctx, *name, &EFFECT);
        notify(ctx, raw::REDISMODULE_NOTIFY_MODULE, c"floor.touch", *name);
        api!(RedisModule_CloseKey(key));
    }
    api!(RedisModule_ReplyWithLongLong(ctx, 1))
}

/// Who calls, and whether the rules have selectors.
unsafe fn caller(ctx: *mut RedisModuleCtx) -> *mut RedisModuleUser {
    api!(RedisModule_GetContextFlags(ctx));
    let name = api!(RedisModule_GetClientUserNameById(ctx, api!(RedisModule_GetClientId(ctx))));
    let user = api!(RedisModule_GetModuleUserFromUserName(name));
    api!(RedisModule_FreeString(ptr::null_mut(), name));
    api!(RedisModule_FreeString(ptr::null_mut(), api!(RedisModule_GetModuleUserACLString(user))));
    user
}

/// Opens a copy of each key's name, as what stands in no argument is opened, and judges it.
unsafe fn each(
    ctx: *mut RedisModuleCtx,
    names: &[*mut RedisModuleString],
    mode: c_int,
    visit: impl Fn(*mut RedisModuleKey, *mut RedisModuleString, &[u8]),
) {
    let user = caller(ctx);
    for name in names {
        let mut len = 0;
        let bytes = api!(RedisModule_StringPtrLen(*name, &mut len));
        let own = api!(RedisModule_CreateString(ptr::null_mut(), bytes, len));
        let key = open(ctx, own, mode);
        api!(RedisModule_ACLCheckKeyPermissions(user, own, raw::REDISMODULE_CMD_KEY_ACCESS as c_int));
        visit(key, own, std::slice::from_raw_parts(bytes.cast(), len));
        api!(RedisModule_CloseKey(key));
        api!(RedisModule_FreeString(ptr::null_mut(), own));
    }
    api!(RedisModule_FreeModuleUser(user));
}

unsafe fn bulk(ctx: *mut RedisModuleCtx, bytes: &[u8]) {
    api!(RedisModule_ReplyWithStringBuffer(ctx, bytes.as_ptr().cast::<c_char>(), bytes.len()));
}

/// `FLOOR.BYUSER key …`
unsafe extern "C" fn by_user(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    let names = args(argv, argc);
    api!(RedisModule_ReplyWithArray(ctx, c_long::try_from(names.len()).unwrap_or(0)));
    each(ctx, names, READ, |_, _, name| bulk(ctx, name));
    OK
}

/// `FLOOR.META key …`
unsafe extern "C" fn meta(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    let names = args(argv, argc);
    api!(RedisModule_ReplyWithArray(ctx, c_long::try_from(names.len()).unwrap_or(0)));
    each(ctx, names, READ, |_, _, name| {
        api!(RedisModule_ReplyWithMap(ctx, 10));
        for (label, text) in [(&b"key"[..], name), (b"user", b"user:12345")] {
            bulk(ctx, label);
            bulk(ctx, text);
        }
        for (label, number) in [
            (&b"created"[..], Some(LATER)),
            (b"accessed", Some(LATER)),
            (b"idle", Some(1_800_000)),
            (b"lifetime", None),
            (b"end", None),
            (b"deadline", Some(LATER)),
            (b"version", Some(1)),
            (b"grace", None),
        ] {
            bulk(ctx, label);
            match number {
                Some(number) => api!(RedisModule_ReplyWithLongLong(ctx, number)),
                None => api!(RedisModule_ReplyWithNull(ctx)),
            };
        }
    });
    OK
}

/// `FLOOR.REVOKE key …`
unsafe extern "C" fn revoke(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    each(ctx, args(argv, argc), WRITE, |key, name, _| {
        api!(RedisModule_UnlinkKey(key));
        api!(RedisModule_Replicate(ctx, c"DEL".as_ptr(), c"s".as_ptr(), name));
        api!(RedisModule_SignalModifiedKey(ctx, name));
        notify(ctx, raw::REDISMODULE_NOTIFY_MODULE, c"floor.del", name);
        notify(ctx, raw::REDISMODULE_NOTIFY_GENERIC, c"del", name);
    });
    api!(RedisModule_ReplyWithLongLong(ctx, 3))
}

/// `FLOORED.APPLY`: there to be propagated.
unsafe extern "C" fn apply(ctx: *mut RedisModuleCtx, _: Args, _: c_int) -> c_int {
    api!(RedisModule_ReplyWithNull(ctx))
}

unsafe extern "C" fn free(value: *mut c_void) {
    api!(RedisModule_Free(value));
}

unsafe extern "C" fn load(io: *mut RedisModuleIO, _: c_int) -> *mut c_void {
    api!(RedisModule_LoadStringBuffer(io, ptr::null_mut())).cast()
}

unsafe extern "C" fn save(io: *mut RedisModuleIO, value: *mut c_void) {
    api!(RedisModule_SaveStringBuffer(io, value.cast(), RECORD.len()));
}

unsafe extern "C" fn rewrite(_: *mut RedisModuleIO, _: *mut RedisModuleString, _: *mut c_void) {}

type Command = unsafe extern "C" fn(*mut RedisModuleCtx, Args, c_int) -> c_int;

/// Registers the commands and the type of their values.
///
/// # Safety
/// The server calls it when it loads the module.
#[no_mangle]
#[allow(non_snake_case, reason = "the name that the server looks for")]
pub unsafe extern "C" fn RedisModule_OnLoad(ctx: *mut RedisModuleCtx, _: Args, _: c_int) -> c_int {
    if raw::Export_RedisModule_Init(ctx, c"floor".as_ptr(), 1, raw::REDISMODULE_APIVER_1 as c_int) != OK {
        return raw::REDISMODULE_ERR as c_int;
    }
    api!(RedisModule_SetModuleOptions(ctx, raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED as c_int));
    let mut methods = std::mem::zeroed::<raw::RedisModuleTypeMethods>();
    methods.version = 4;
    methods.rdb_load = Some(load);
    methods.rdb_save = Some(save);
    methods.aof_rewrite = Some(rewrite);
    methods.free = Some(free);
    TYPE.store(api!(RedisModule_CreateDataType(ctx, c"floor-val".as_ptr(), 1, &mut methods)), Relaxed);
    let commands: [(&CStr, Command, &CStr); 6] = [
        (c"floor.set", set, c"write deny-oom"),
        (c"floor.touch", touch, c"write fast"),
        (c"floor.byuser", by_user, c"readonly"),
        (c"floor.meta", meta, c"readonly"),
        (c"floor.revoke", revoke, c"write"),
        (c"floored.apply", apply, c"write"),
    ];
    let made = commands.iter().all(|(name, command, flags)| {
        api!(RedisModule_CreateCommand(ctx, name.as_ptr(), Some(*command), flags.as_ptr(), 1, -1, 1)) == OK
    });
    if made {
        OK
    } else {
        raw::REDISMODULE_ERR as c_int
    }
}

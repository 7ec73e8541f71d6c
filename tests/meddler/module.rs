//! Another module in the same server, for tests alone: it runs any command as modules may, with or without the caller's
//! rights, and does what it is told in the midst of an event of ours. Not part of what is installed.
//!
//! - `MEDDLER.CALL flags command [argument …]`: RM_Call with these flags (`-` for none); its reply.
//! - `MEDDLER.AS user flags command [argument …]`: the same, with that user set on the context; one that the server does not
//!   know is made for the call, as modules may, and may do anything.
//! - `MEDDLER.LATER timer|thread flags command [argument …]`: the same in a timer or in a thread of its own, where no client
//!   stands behind the context.
//! - `MEDDLER.ON event action [argument …]`: at the next keyspace event of this name, once: `call flags command …`, or, on the key
//!   itself, `delete key`, `unlink key` or `write key text` (each also sent to replicas). It takes the place of one before it.
//! - `MEDDLER.DONE`: how many of these have run; `MEDDLER.SAID`: what the last call of a timer, a thread or an event said.
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    reason = "every line is a call of the server, made as its documentation asks: contexts and strings of the running command"
)]

use redis_module::raw::{self, RedisModuleCallReply, RedisModuleCtx, RedisModuleString};
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::io::Error;
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::Mutex;

/// A function of the server. All that are named here are there since 7.0.
macro_rules! api {
    ($name:ident($($arg:expr),* $(,)?)) => { raw::$name.unwrap_unchecked()($($arg),*) };
}

const OK: c_int = raw::REDISMODULE_OK as c_int;
const WRITE: c_int = (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as c_int;

type Args = *mut *mut RedisModuleString;
type Words = Vec<Vec<u8>>;

/// An event, and what to do at it.
static ORDER: Mutex<Option<(Vec<u8>, Words)>> = Mutex::new(None);
static DONE: AtomicI64 = AtomicI64::new(0);
static SAID: Mutex<String> = Mutex::new(String::new());

unsafe fn words(argv: Args, argc: c_int) -> Words {
    let args = std::slice::from_raw_parts(argv, usize::try_from(argc).unwrap_or(0));
    args.iter().skip(1).map(|arg| bytes(*arg)).collect()
}

unsafe fn bytes(string: *mut RedisModuleString) -> Vec<u8> {
    let mut len = 0;
    let start = api!(RedisModule_StringPtrLen(string, &mut len));
    std::slice::from_raw_parts(start.cast(), len).to_vec()
}

unsafe fn string(word: &[u8]) -> *mut RedisModuleString {
    api!(RedisModule_CreateString(ptr::null_mut(), word.as_ptr().cast::<c_char>(), word.len()))
}

unsafe fn free(string: *mut RedisModuleString) {
    api!(RedisModule_FreeString(ptr::null_mut(), string));
}

/// Runs `flags command argument …`; null where the server would not, see `errno`.
unsafe fn run(ctx: *mut RedisModuleCtx, words: &[Vec<u8>]) -> *mut RedisModuleCallReply {
    let [flags, command, args @ ..] = words else { return ptr::null_mut() };
    let flags = String::from_utf8_lossy(flags).replace('-', "");
    let (command, format) = (CString::new(command.clone()).unwrap(), CString::new(flags + "v").unwrap());
    let mut args: Vec<_> = args.iter().map(|word| string(word)).collect();
    let reply = api!(RedisModule_Call(ctx, command.as_ptr(), format.as_ptr(), args.as_mut_ptr(), args.len()));
    let failed = Error::last_os_error();
    args.into_iter().for_each(|arg| free(arg));
    if reply.is_null() {
        // The code stays for who asks, whatever freeing did to it.
        *SAID.lock().unwrap() = format!("ERR {failed}");
    }
    reply
}

/// Runs them, and keeps what the server says.
unsafe fn run_aside(ctx: *mut RedisModuleCtx, words: &[Vec<u8>]) {
    let reply = run(ctx, words);
    if !reply.is_null() {
        *SAID.lock().unwrap() = text(reply);
        api!(RedisModule_FreeCallReply(reply));
    }
    DONE.fetch_add(1, SeqCst);
}

/// A reply in one line.
unsafe fn text(reply: *mut RedisModuleCallReply) -> String {
    match api!(RedisModule_CallReplyType(reply)) as isize {
        raw::REDISMODULE_REPLY_INTEGER => api!(RedisModule_CallReplyInteger(reply)).to_string(),
        raw::REDISMODULE_REPLY_ARRAY => {
            let parts = (0..api!(RedisModule_CallReplyLength(reply)))
                .map(|i| text(api!(RedisModule_CallReplyArrayElement(reply, i))));
            format!("[{}]", parts.collect::<Vec<_>>().join(", "))
        }
        raw::REDISMODULE_REPLY_STRING | raw::REDISMODULE_REPLY_ERROR => {
            let mut len = 0;
            let start = api!(RedisModule_CallReplyStringPtr(reply, &mut len));
            String::from_utf8_lossy(std::slice::from_raw_parts(start.cast(), len)).into_owned()
        }
        _ => "nil".into(),
    }
}

unsafe fn answer(ctx: *mut RedisModuleCtx, reply: *mut RedisModuleCallReply) -> c_int {
    if reply.is_null() {
        let said = CString::new(SAID.lock().unwrap().clone()).unwrap();
        return api!(RedisModule_ReplyWithError(ctx, said.as_ptr()));
    }
    api!(RedisModule_ReplyWithCallReply(ctx, reply));
    api!(RedisModule_FreeCallReply(reply));
    OK
}

/// `MEDDLER.CALL flags command [argument …]`
unsafe extern "C" fn call(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    answer(ctx, run(ctx, &words(argv, argc)))
}

/// `MEDDLER.AS user flags command [argument …]`
unsafe extern "C" fn call_as(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    let words = words(argv, argc);
    let [name, words @ ..] = &words[..] else { return api!(RedisModule_WrongArity(ctx)) };
    let name = string(name);
    let mut user = api!(RedisModule_GetModuleUserFromUserName(name));
    free(name);
    if user.is_null() {
        user = api!(RedisModule_CreateModuleUser(c"nobody".as_ptr()));
        for rule in [c"on", c"allcommands", c"allkeys"] {
            api!(RedisModule_SetModuleUserACL(user, rule.as_ptr()));
        }
    }
    api!(RedisModule_SetContextUser(ctx, user));
    let reply = run(ctx, words);
    api!(RedisModule_SetContextUser(ctx, ptr::null()));
    api!(RedisModule_FreeModuleUser(user));
    answer(ctx, reply)
}

/// `MEDDLER.LATER timer|thread flags command [argument …]`
unsafe extern "C" fn later(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    let mut words = words(argv, argc);
    let place = words.remove(0);
    if place == b"timer" {
        api!(RedisModule_CreateTimer(ctx, 1, Some(on_timer), Box::into_raw(Box::new(words)).cast()));
    } else {
        std::thread::spawn(move || {
            let ctx = api!(RedisModule_GetThreadSafeContext(ptr::null_mut()));
            api!(RedisModule_ThreadSafeContextLock(ctx));
            run_aside(ctx, &words);
            api!(RedisModule_ThreadSafeContextUnlock(ctx));
            api!(RedisModule_FreeThreadSafeContext(ctx));
        });
    }
    api!(RedisModule_ReplyWithSimpleString(ctx, c"OK".as_ptr()))
}

unsafe extern "C" fn on_timer(ctx: *mut RedisModuleCtx, words: *mut c_void) {
    run_aside(ctx, &Box::from_raw(words.cast::<Words>()));
}

/// `MEDDLER.ON event action [argument …]`
unsafe extern "C" fn on(ctx: *mut RedisModuleCtx, argv: Args, argc: c_int) -> c_int {
    let mut words = words(argv, argc);
    let event = words.remove(0);
    *ORDER.lock().unwrap() = Some((event, words));
    api!(RedisModule_ReplyWithSimpleString(ctx, c"OK".as_ptr()))
}

/// A key event: an order for it is carried out, and is no more.
unsafe extern "C" fn on_event(
    ctx: *mut RedisModuleCtx,
    _: c_int,
    event: *const c_char,
    _: *mut RedisModuleString,
) -> c_int {
    let event = CStr::from_ptr(event).to_bytes();
    let order = ORDER.lock().unwrap().take_if(|(wanted, _)| wanted == event);
    match order.as_ref().map(|(_, words)| &words[..]) {
        Some([action, words @ ..]) if action == b"call" => run_aside(ctx, words),
        Some([action, millis]) if action == b"sleep" => {
            let millis = String::from_utf8_lossy(millis).parse().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(millis));
        }
        Some([action, key, text @ ..]) => {
            meddle(ctx, action, key, text);
            DONE.fetch_add(1, SeqCst);
        }
        _ => {}
    }
    OK
}

/// Does something to a key through the key itself, and sends it on.
unsafe fn meddle(ctx: *mut RedisModuleCtx, action: &[u8], name: &[u8], text: &[Vec<u8>]) {
    let name = string(name);
    let key = api!(RedisModule_OpenKey(ctx, name, WRITE)).cast();
    if action == b"write" {
        let text = string(&text.concat());
        api!(RedisModule_StringSet(key, text));
        api!(RedisModule_Replicate(ctx, c"SET".as_ptr(), c"ss".as_ptr(), name, text));
        free(text);
    } else {
        let end = if action == b"delete" { raw::RedisModule_DeleteKey } else { raw::RedisModule_UnlinkKey };
        end.unwrap_unchecked()(key);
        api!(RedisModule_Replicate(ctx, c"DEL".as_ptr(), c"s".as_ptr(), name));
    }
    api!(RedisModule_CloseKey(key));
    free(name);
}

/// `MEDDLER.DONE`
unsafe extern "C" fn done(ctx: *mut RedisModuleCtx, _: Args, _: c_int) -> c_int {
    api!(RedisModule_ReplyWithLongLong(ctx, DONE.load(SeqCst)))
}

/// `MEDDLER.SAID`
unsafe extern "C" fn said(ctx: *mut RedisModuleCtx, _: Args, _: c_int) -> c_int {
    let said = SAID.lock().unwrap();
    api!(RedisModule_ReplyWithStringBuffer(ctx, said.as_ptr().cast::<c_char>(), said.len()))
}

type Command = unsafe extern "C" fn(*mut RedisModuleCtx, Args, c_int) -> c_int;

/// Registers the commands.
///
/// # Safety
/// The server calls it when it loads the module.
#[no_mangle]
#[allow(non_snake_case, reason = "the name that the server looks for")]
pub unsafe extern "C" fn RedisModule_OnLoad(ctx: *mut RedisModuleCtx, _: Args, _: c_int) -> c_int {
    if raw::Export_RedisModule_Init(ctx, c"meddler".as_ptr(), 1, raw::REDISMODULE_APIVER_1 as c_int) != OK {
        return raw::REDISMODULE_ERR as c_int;
    }
    let commands: [(&CStr, Command); 6] = [
        (c"meddler.call", call),
        (c"meddler.as", call_as),
        (c"meddler.later", later),
        (c"meddler.on", on),
        (c"meddler.done", done),
        (c"meddler.said", said),
    ];
    let made = commands.iter().all(|(name, command)| {
        api!(RedisModule_CreateCommand(ctx, name.as_ptr(), Some(*command), c"write".as_ptr(), 0, 0, 0)) == OK
    });
    let classes = raw::REDISMODULE_NOTIFY_MODULE
        | raw::REDISMODULE_NOTIFY_GENERIC
        | raw::REDISMODULE_NOTIFY_STRING
        | raw::REDISMODULE_NOTIFY_EXPIRED
        | raw::REDISMODULE_NOTIFY_NEW;
    if made && api!(RedisModule_SubscribeToKeyspaceEvents(ctx, classes as c_int, Some(on_event))) == OK {
        OK
    } else {
        raw::REDISMODULE_ERR as c_int
    }
}

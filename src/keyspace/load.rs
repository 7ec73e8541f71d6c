//! Loading the module: everything is registered, or the server is told to refuse it.

use super::api;
use super::data_type;
use super::events;
use super::guard::{guard, install_panic_hook, log_warning};
use super::name::Name;
use super::register;
use super::report;
use super::server;
use super::topology;
use crate::{commands, config};
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};
use redis_module::Context;
use std::ffi::c_int;

/// The version that `MODULE LIST` shows: 0.1.0.
const VERSION: c_int = 100;

/// Slot migration of Valkey 9 asks modules to say that their values travel as commands, with this bit.
const HANDLE_ATOMIC_SLOT_MIGRATION: c_int = 1 << 5;

const OK: c_int = raw::REDISMODULE_OK as c_int;

/// What the server calls when it loads the module. Where that cannot be, one line of the log says why, and the server
/// is told so: nothing was registered that it cannot take back.
///
/// # Safety
/// Called by the server alone, with the context and the arguments of a module that is being loaded.
#[no_mangle]
#[allow(non_snake_case, reason = "the name that the server looks for")]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut RedisModuleCtx,
    argv: *mut *mut RedisModuleString,
    argc: c_int,
) -> c_int {
    // Every server has what this asks for. Nothing can be allocated before, for our allocator is the server's.
    // SAFETY: the context is that of the module being loaded, the name outlives the call.
    let begun = unsafe {
        raw::Export_RedisModule_Init(ctx, c"session".as_ptr(), VERSION, raw::REDISMODULE_APIVER_1 as c_int) == OK
    };
    install_panic_hook();
    let load = || {
        server::check_version(ctx)?;
        if !begun {
            return Err("a module of the name session is loaded already".into());
        }
        // SAFETY: the server hands over `argc` strings that live until this returns.
        let args = unsafe { arguments(argv, argc) };
        try_load(ctx, &args)
    };
    match guard(Err("see the line before".into()), load) {
        Ok(()) => OK,
        Err(why) => {
            log_warning(&format!("session: not loaded: {why}"));
            raw::REDISMODULE_ERR as c_int
        }
    }
}

/// # Safety
/// `argv` is null, or an array of so many strings of the server.
unsafe fn arguments(argv: *mut *mut RedisModuleString, argc: c_int) -> Vec<String> {
    let args = match usize::try_from(argc) {
        Ok(argc) if !argv.is_null() => std::slice::from_raw_parts(argv, argc),
        _ => &[],
    };
    args.iter().map(|arg| String::from_utf8_lossy(Name::new(*arg).bytes()).into_owned()).collect()
}

fn try_load(ctx: *mut RedisModuleCtx, args: &[String]) -> Result<(), String> {
    let defaults = config::check_args(args)?;
    server::detect(ctx)?;
    defaults.register(&Context::new(ctx));
    // SAFETY: the context is that of the module being loaded. It stops at the first value that it refuses; a module that
    // loads all the same is unloaded by some servers, which crashes them.
    if unsafe { api::api!(RedisModule_LoadConfigs(ctx)) } != OK {
        return Err("a value of a session.* setting is refused, the line before says which".into());
    }
    warn(ctx);
    set_options(ctx);
    if !data_type::register(ctx) {
        return Err("the data type could not be registered".into());
    }
    register::categories(ctx);
    for spec in commands::TABLE {
        register::command(ctx, spec).map_err(|why| format!("{}: {why}", spec.name))?;
    }
    topology::register_questions(ctx)?;
    if !report::register(ctx) {
        return Err("the section of INFO could not be registered".into());
    }
    if !events::subscribe(ctx) {
        return Err("the server's events could not be subscribed to".into());
    }
    Ok(())
}

/// Tells of what this server does wrong as soon as any module listens to its keys.
fn warn(ctx: *mut RedisModuleCtx) {
    let Some(version) = server::valkey_version(ctx) else { return };
    if version.starts_with("8.1.") || version.starts_with("9.0.") {
        log_warning(&format!(
            "session: on Valkey {version}, with any module that listens to key events, MOVE and COPY ... DB of any key may \
             leave the client in the other database. Do not use them on this server; Valkey 9.1 has it mended (valkey PR 4024)"
        ));
    }
}

fn set_options(ctx: *mut RedisModuleCtx) {
    let options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS | raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED;
    // SAFETY: the context is that of the module being loaded; servers keep bits that they do not know and ignore them.
    unsafe { api::api!(RedisModule_SetModuleOptions(ctx, options as c_int | HANDLE_ATOMIC_SLOT_MIGRATION)) };
}

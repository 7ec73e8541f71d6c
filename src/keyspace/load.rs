//! Loading the module: everything is registered, or the server is told to refuse it.

use super::api;
use super::data_type;
use super::events;
use super::guard::{install_panic_hook, log_warning};
use super::register;
use super::report;
use super::server;
use crate::{commands, config};
use redis_module::raw::{self, RedisModuleCtx};
use redis_module::{Context, RedisString, Status};
use std::ffi::c_int;

/// Slot migration of Valkey 9 asks modules to say that their values travel as commands, with this bit.
const HANDLE_ATOMIC_SLOT_MIGRATION: c_int = 1 << 5;

/// Registers the module with the server that is loading it.
pub fn load(ctx: &Context, args: &[RedisString]) -> Status {
    install_panic_hook();
    match try_load(ctx.ctx, args) {
        Ok(()) => Status::Ok,
        Err(why) => {
            log_warning(&format!("session: not loaded: {why}"));
            Status::Err
        }
    }
}

fn try_load(ctx: *mut RedisModuleCtx, args: &[RedisString]) -> Result<(), String> {
    if let Some(name) = api::missing() {
        return Err(format!("this server has no {name}; Redis 7.0 or Valkey 8.0 is the earliest that does"));
    }
    let args: Vec<String> = args.iter().map(RedisString::to_string_lossy).collect();
    config::check_args(&args)?;
    config::check_all_set()?;
    server::detect();
    warn(ctx);
    set_options(ctx);
    if !data_type::register(ctx) {
        return Err("the data type could not be registered".into());
    }
    register::categories(ctx);
    for spec in commands::TABLE {
        register::command(ctx, spec).map_err(|why| format!("{}: {why}", spec.name))?;
    }
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

//! Looking into another database than the selected one.

use super::api::api;
use super::server::selected_db;
use redis_module::raw::{self, RedisModuleCtx};
use std::ffi::c_int;

/// Does something in a database; nothing if there is no such.
pub fn in_db<T>(ctx: *mut RedisModuleCtx, db: usize, work: impl FnOnce() -> T) -> Option<T> {
    let selected = c_int::try_from(selected_db(ctx)).ok()?;
    // SAFETY: the context is that of a running command or callback; the server refuses a number past its last database.
    let select = |db| unsafe { api!(RedisModule_SelectDb(ctx, db)) } == raw::REDISMODULE_OK as c_int;
    let done = select(c_int::try_from(db).ok()?).then(work);
    select(selected);
    done
}

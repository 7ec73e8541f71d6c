//! A command that is being run: its arguments, its time and its reply.

use super::api::api;
use super::error::{Error, Result};
use super::guard::{guard, trip};
use super::key::{Access, Key};
use super::name::Name;
use super::server;
use crate::session::Millis;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};
use std::cell::Cell;
use std::ffi::c_int;

/// A command's code.
pub trait Handler {
    /// Parses, decides, applies and replies. On an error nothing has been changed or replied.
    fn run(call: &Call<'_>) -> Result<()>;
}

/// What the server calls for a command.
pub type Entry = unsafe extern "C" fn(*mut RedisModuleCtx, *mut *mut RedisModuleString, c_int) -> c_int;

/// The entry point of a command: the arguments are borrowed as they stand, an error is replied, a panic stops here.
///
/// # Safety
/// Called by the server alone, with the context and the arguments of a running command.
pub unsafe extern "C" fn entry<H: Handler>(
    ctx: *mut RedisModuleCtx,
    argv: *mut *mut RedisModuleString,
    argc: c_int,
) -> c_int {
    let args = match usize::try_from(argc) {
        // SAFETY: the server hands over `argc` strings that live until the command returns.
        Ok(argc) if !argv.is_null() => unsafe { std::slice::from_raw_parts(argv, argc) },
        _ => &[],
    };
    let call = Call { ctx, args, now: Cell::new(None), flags: Cell::new(None), replied: Cell::new(false) };
    let failed = Error::text("ERR internal error, see the server's log");
    let run = || {
        trip("command", call.arg(1).map_or(&[], Name::bytes));
        H::run(&call)
    };
    if let Err(error) = guard(Err(failed), run) {
        // After a panic in the middle of a reply there is nothing left to say.
        if !call.replied.get() {
            call.error(&error);
        }
    }
    raw::REDISMODULE_OK as c_int
}

/// A command that is being run.
pub struct Call<'c> {
    ctx: *mut RedisModuleCtx,
    args: &'c [*mut RedisModuleString],
    now: Cell<Option<Millis>>,
    flags: Cell<Option<u32>>,
    replied: Cell<bool>,
}

impl<'c> Call<'c> {
    /// The argument at `i`; 0 is the command's name.
    #[inline]
    pub fn arg(&self, i: usize) -> Option<Name<'c>> {
        // SAFETY: the server's strings live until the command returns, which is 'c.
        self.args.get(i).map(|raw| unsafe { Name::new(*raw) })
    }

    /// How many arguments there are, the command's name included.
    pub fn arg_count(&self) -> usize {
        self.args.len()
    }

    /// The time of this command: one for all of it.
    pub fn now(&self) -> Millis {
        self.now.get().unwrap_or_else(|| {
            let now = server::now();
            self.now.set(Some(now));
            now
        })
    }

    /// The selected database.
    pub fn db(&self) -> usize {
        server::selected_db(self.ctx)
    }

    /// Opens a key.
    pub fn open<'k>(&'k self, name: Name<'k>, access: Access) -> Key<'k> {
        Key::open(self.ctx, name, access)
    }

    /// Opens a key to write to the session in it. One that is past its deadline is ended first.
    pub fn open_session<'k>(&'k self, name: Name<'k>) -> Result<Key<'k>> {
        let mut key = self.open(name, Access::Write);
        if key.has_ended(self.now())? {
            key.end_expired();
        }
        Ok(key)
    }

    /// Passes this command on to replicas and the AOF as it came.
    pub fn replicate_verbatim(&self) {
        // SAFETY: the context is that of the running command.
        server::check_sent(unsafe { api!(RedisModule_ReplicateVerbatim(self.ctx)) });
    }

    /// What the server says of this command and of itself: the same all through it.
    pub(super) fn flags(&self) -> u32 {
        self.flags.get().unwrap_or_else(|| {
            // SAFETY: the context is that of the running command.
            let flags = unsafe { api!(RedisModule_GetContextFlags(self.ctx)) }.unsigned_abs();
            self.flags.set(Some(flags));
            flags
        })
    }

    pub(super) fn ctx(&self) -> *mut RedisModuleCtx {
        self.ctx
    }

    /// The context to reply on.
    pub(super) fn start_reply(&self) -> *mut RedisModuleCtx {
        self.replied.set(true);
        self.ctx
    }
}

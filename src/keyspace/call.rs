//! A command that is being run: its arguments, its time, and the keys that it opens.

use super::api::api;
use super::error::{Error, Result};
use super::guard::{fault_point, guard, log_warning};
use super::key::{Left, Look, ReadKey, WriteKey};
use super::name::{Name, OwnedName};
use super::publish::Pending;
use super::reply::Reply;
use super::server;
use crate::session::{Millis, State};
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};
use std::cell::{Cell, RefCell};
use std::ffi::c_int;

/// A command's code.
pub trait Handler {
    /// Parses, decides, applies and replies. On an error nothing has been changed or replied.
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()>;
}

/// What the server calls for a command.
pub type Entry = unsafe extern "C" fn(*mut RedisModuleCtx, *mut *mut RedisModuleString, c_int) -> c_int;

/// The entry point of a command: the arguments are borrowed as they stand, an error is replied, a panic stops here. What
/// happened is published at the very end.
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
    let (mut call, reply) = (Call::of(ctx, Arguments(args)), Reply::on(ctx));
    let failed = Error::text("ERR internal error, see the server's log");
    let run = || {
        fault_point("command", || call.args.get(1).map_or(&[], Name::bytes));
        H::run(&mut call, &reply)
    };
    if let Err(error) = guard(Err(failed), run) {
        // After a panic in the middle of a reply there is nothing left to say.
        if !reply.has_begun() {
            reply.error(&error);
        }
    }
    guard((), || std::mem::take(&mut call.pending).publish(ctx));
    raw::REDISMODULE_OK as c_int
}

/// A command that is being run.
pub struct Call<'c> {
    ctx: *mut RedisModuleCtx,
    args: Arguments<'c>,
    now: Cell<Option<Millis>>,
    flags: Cell<Option<u32>>,
    pending: Pending<'c>,
    /// Names that were made for this command and live as long as it.
    names: RefCell<Vec<OwnedName>>,
}

impl<'c> Call<'c> {
    fn of(ctx: *mut RedisModuleCtx, args: Arguments<'c>) -> Self {
        let (now, flags) = (Cell::new(None), Cell::new(None));
        Call { ctx, args, now, flags, pending: Pending::default(), names: RefCell::default() }
    }

    /// All arguments, the command's name first.
    pub fn args(&self) -> Arguments<'c> {
        self.args
    }

    /// A name of these bytes that lives as long as the command.
    pub fn name(&self, bytes: &[u8]) -> Name<'c> {
        let name = OwnedName::new(bytes);
        let raw = name.name().raw();
        self.names.borrow_mut().push(name);
        // SAFETY: the string is freed with the call, which nothing outlives that the command holds.
        unsafe { Name::new(raw) }
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

    /// Opens a key to look at the session in it, live or not; `WRONGTYPE` for another type.
    pub fn read<'k>(&'k self, name: Name<'k>, look: Look) -> Result<ReadKey<'k>> {
        ReadKey::open(self.ctx, name, look)
    }

    /// The same for a command that shows it: a snapshot whose session is no more is not there.
    pub fn find<'k>(&'k self, name: Name<'k>, look: Look) -> Result<ReadKey<'k>> {
        let key = self.read(name, look)?;
        let Some(left) = key.session().as_ref().and_then(Left::of) else { return Ok(key) };
        // Looked up while nothing is open: on 7.0 even a look may end an expired key, and who hears of that may do anything.
        drop(key);
        let goes_on = self.goes_on(left);
        let key = self.read(name, Look::Peek)?;
        Ok(if goes_on { key } else { key.hidden() })
    }

    /// What a reader finds in a key at the time of the command.
    pub fn state_of<'s>(&self, key: &'s ReadKey<'_>) -> State<'s> {
        State::of(key.session(), self.now())
    }

    /// Opens a key to write to the session in it. One that has ended while its key stayed is ended first.
    pub fn write<'k>(&'k mut self, name: Name<'c>) -> Result<WriteKey<'k, 'c>> {
        WriteKey::open(self, name)?.without_what_is_over()
    }

    /// The same, but for a snapshot whose session is no more: that stays.
    pub fn write_with_snapshot<'k>(&'k mut self, name: Name<'c>) -> Result<WriteKey<'k, 'c>> {
        let mut key = WriteKey::open(self, name)?;
        key.end_past_deadline();
        Ok(key)
    }

    /// Opens a key to write to it as it stands.
    pub fn write_as_it_stands<'k>(&'k mut self, name: Name<'c>) -> Result<WriteKey<'k, 'c>> {
        WriteKey::open(self, name)
    }

    /// Whether the session of a snapshot goes on: whether there is one under its new key, or that is a snapshot, too, and
    /// the same holds of it. What this very command has ended was there when it began, whatever the order of its keys.
    ///
    /// A rotation counts the version on, so that an earlier version under the new key is another session that has taken its
    /// place. So, too, no ring of snapshots is ever followed to where it began.
    pub(super) fn goes_on(&self, left: Left) -> bool {
        /// How many further rotations are followed. More of them within a grace are no client that lost a reply.
        const HOPS: usize = 256;
        let mut left = left;
        for _ in 0..HOPS {
            let name = OwnedName::new(&left.successor);
            let Ok(found) = self.read(name.name(), Look::Peek) else { return false };
            left = match State::of(found.session(), self.now()) {
                State::Missing => {
                    let ended = self.pending.ended_version(&left.successor);
                    return ended.map_or_else(|| self.may_be_elsewhere(&left.successor), |v| v > left.version);
                }
                State::Live(session) => return session.version > left.version,
                State::Frozen(session) if session.version <= left.version => return false,
                State::Frozen(session) => match Left::of(&session) {
                    Some(left) => left,
                    None => return false,
                },
            };
        }
        false
    }

    /// Passes this command on to replicas and the AOF as it came.
    pub fn replicate_verbatim(&self) {
        // SAFETY: the context is that of the running command.
        server::check_sent(unsafe { api!(RedisModule_ReplicateVerbatim(self.ctx)) });
    }

    /// Ends the server if it is loading a file of its own, which holds what this version cannot read. The server itself would
    /// go on after the error of a command, without that session, and the next rewrite of the file would leave it out for ever;
    /// of an RDB file, or of a command that it does not know, it does the same as this. (What is damaged no version can read:
    /// the server logs the error, and goes on.)
    pub fn refuse_file(&self, why: &str) {
        if self.flags() & raw::REDISMODULE_CTX_FLAGS_LOADING != 0 {
            log_warning(&format!("session: {why}. Start the server with the version that wrote this file. Exiting."));
            std::process::exit(1);
        }
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

    /// What is published at the end.
    pub(super) fn pending(&mut self) -> &mut Pending<'c> {
        &mut self.pending
    }
}

/// The arguments of a command, the command's name first.
#[derive(Clone, Copy)]
pub struct Arguments<'c>(&'c [*mut RedisModuleString]);

impl<'c> Arguments<'c> {
    /// The one at `i`.
    #[inline]
    pub fn get(&self, i: usize) -> Option<Name<'c>> {
        // SAFETY: the server's strings live until the command returns, which is 'c.
        self.0.get(i).map(|raw| unsafe { Name::new(*raw) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

//! What the server tells of its cluster when it is asked by its own commands.

use super::api::api;
use super::call::Call;
use super::call_reply::CallReply;
use super::error::{Error, Result};
use super::name::OwnedName;
use super::register;
use super::server;
use crate::session::slot::{Node, Slots};
use crate::session::Millis;
use redis_module::raw::{self, RedisModuleCtx, RedisModuleString};
use std::ffi::{c_int, CStr};
use std::io::{Error as OsError, ErrorKind};
use std::sync::{Mutex, PoisonError};

/// What a command wants with a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To show it.
    Read,
    /// To make it, or to end it.
    Write,
}

/// The commands that do nothing, see [`Call::would_run`].
const ASK_READ: &CStr = c"session._ask-read";
const ASK_WRITE: &CStr = c"session._ask-write";

/// Tells the server of the commands by which it is asked about keys, where it needs them.
pub fn register_questions(ctx: *mut RedisModuleCtx) -> std::result::Result<(), String> {
    if server::runs_dry() {
        return Ok(());
    }
    register::plain(ctx, ASK_READ, do_nothing, c"fast admin no-monitor no-slowlog")?;
    register::plain(ctx, ASK_WRITE, do_nothing, c"write fast admin no-monitor no-slowlog")
}

/// What they do.
unsafe extern "C" fn do_nothing(ctx: *mut RedisModuleCtx, _: *mut *mut RedisModuleString, _: c_int) -> c_int {
    // SAFETY: the context is that of the running command.
    unsafe { api!(RedisModule_ReplyWithNull(ctx)) };
    raw::REDISMODULE_OK as c_int
}

/// For how long what the node said of its slots is not asked for again. (It is only a first guess: the server is asked
/// about each key.)
const FRESH: Millis = 1000;

/// What the node said of its slots, and when.
static NODE: Mutex<Option<(Millis, Node)>> = Mutex::new(None);

impl Call<'_> {
    /// Whether the server would run a command on this key here, for this client: not on a key of another node's slot, nor
    /// on a replica without READONLY, nor on a key that is not there of a slot that is being given away. No key is open
    /// meanwhile.
    pub(super) fn serves(&self, key: &[u8], wanted: Wanted) -> Result<bool> {
        let Err(why) = self.would_run(key, wanted) else { return Ok(true) };
        match why.kind() {
            ErrorKind::PermissionDenied => Ok(false),
            ErrorKind::NetworkDown | ErrorKind::ReadOnlyFilesystem => {
                Err(self.refusal("CLUSTERDOWN", "The cluster is down"))
            }
            _ => Err(Error::text(format!("ERR the server does not tell whose slot a key is in: {why}"))),
        }
    }

    /// What this node says of its slots, asked for anew where it has not been for a while, or must be `fresh`.
    pub(super) fn node(&self, fresh: bool) -> Result<Node> {
        let now = self.now();
        let known = || NODE.lock().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some((at, node))) = (fresh, &*known()) {
            if (0..FRESH).contains(&now.saturating_sub(*at)) {
                return Ok(node.clone());
            }
        }
        let said = self.run(c"CLUSTER", &[b"NODES"]).map(|reply| reply.whole().text());
        let node = said.ok().and_then(|nodes| Node::read(&nodes));
        let node = node.ok_or(Error::text("ERR the server does not tell which slots it serves"))?;
        *known() = Some((now, node.clone()));
        Ok(node)
    }

    /// Where the primary of a slot is to be reached, by the reply of `CLUSTER SLOTS`: ranges of slots, each with its nodes,
    /// the primary first. The endpoint may be nothing: then clients take the one that they know.
    pub(super) fn address(&self, slot: u16) -> Option<String> {
        let ranges = self.run(c"CLUSTER", &[b"SLOTS"]).ok()?;
        let range = ranges.whole().elements().find(|range| {
            let [first, last] = [0, 1].map(|i| range.element(i).and_then(|bound| u16::try_from(bound.integer()).ok()));
            first.is_some_and(|first| first <= slot) && last.is_some_and(|last| slot <= last)
        })?;
        let primary = range.element(2)?;
        let endpoint = primary.element(0).map(|endpoint| endpoint.text()).unwrap_or_default();
        Some(format!("{endpoint}:{}", primary.element(1)?.integer()))
    }

    /// The slots that this node is receiving at once (Redis 8.4, Valkey 9), of which another one has the say until it has
    /// them all. Servers without such a thing answer an error.
    pub(super) fn arriving(&self) -> Slots {
        let questions: [&[&[u8]]; 2] = [&[b"MIGRATION", b"STATUS", b"ALL"], &[b"GETSLOTMIGRATIONS"]];
        let mut arriving = Slots::default();
        for reply in questions.iter().filter_map(|words| self.run(c"CLUSTER", words).ok()) {
            for job in reply.whole().elements() {
                let said = |names: [&str; 2]| {
                    let mut at = job.elements().step_by(2).zip(job.elements().skip(1).step_by(2));
                    at.find(|(name, _)| names.contains(&name.text().as_str())).map(|(_, value)| value.text())
                };
                let [operation, state, ranges] = [["operation"; 2], ["state"; 2], ["slots", "slot_ranges"]]
                    .map(|names| said(names).unwrap_or_default());
                const OVER: [&str; 5] = ["completed", "success", "failed", "canceled", "cancelled"];
                if operation.eq_ignore_ascii_case("import") && !OVER.contains(&state.as_str()) {
                    arriving.add(&ranges);
                }
            }
        }
        arriving
    }

    /// Asks the server to run a command of ours on a key, and has it stop before it does. (Ours are always there, for
    /// `rename-command` cannot touch them.) Nothing of it can be seen: no key is touched, MONITOR, the slow log and the
    /// statistics do not know of it. Servers before 7.2 cannot stop: for them there are two commands that do nothing, which
    /// their statistics count under those names.
    fn would_run(&self, key: &[u8], wanted: Wanted) -> std::result::Result<(), OsError> {
        let dry = server::runs_dry();
        let command = match wanted {
            Wanted::Read if dry => c"SESSION.INFO",
            Wanted::Write if dry => c"SESSION.DEL",
            Wanted::Read => ASK_READ,
            Wanted::Write => ASK_WRITE,
        };
        let (key, format) = (OwnedName::new(key), if dry { c"DEs" } else { c"Es" });
        // SAFETY: the context is that of the running command; "s" takes a string, which lives for the call; a reply is
        // ours.
        unsafe {
            // With "E" there is a reply to a command that would not run, and none to one that would have, but for "D".
            let reply = api!(RedisModule_Call(self.ctx(), command.as_ptr(), format.as_ptr(), key.name().raw()));
            let why = OsError::last_os_error();
            let refused = match CallReply::adopt(reply) {
                Some(reply) => reply.whole().is_error(),
                None => !dry,
            };
            if refused {
                Err(why)
            } else {
                Ok(())
            }
        }
    }

    /// What the server replies to one of its commands; where it would not run it, the error says why.
    fn run(&self, command: &CStr, args: &[&[u8]]) -> std::result::Result<CallReply, OsError> {
        let args: Vec<OwnedName> = args.iter().map(|arg| OwnedName::new(arg)).collect();
        let mut argv: Vec<_> = args.iter().map(|arg| arg.name().raw()).collect();
        // SAFETY: the context is that of the running command; "v" takes strings, which live for the call, and their number;
        // the reply is ours.
        unsafe {
            let (command, format) = (command.as_ptr(), c"v".as_ptr());
            let reply = api!(RedisModule_Call(self.ctx(), command, format, argv.as_mut_ptr(), argv.len()));
            CallReply::adopt(reply).ok_or_else(OsError::last_os_error)
        }
    }
}

//! The events that a command publishes, once it has made all its changes, handed all their effects to replication, closed
//! its keys and decided its reply.
//!
//! A module that hears one may do anything at once, to these same keys, too. Nothing of ours is open or undecided then.

use super::api::api;
use super::name::Name;
use redis_module::raw::{self, RedisModuleCtx};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, CStr};

/// What is published of a session that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// `session.set`: written, or made.
    Set,
    /// `session.touch`: kept alive.
    Touch,
    /// `session.adjust`: its timeouts changed.
    Adjust,
    /// `session.rotate`: took a new key, or gave up its old one.
    Rotate,
}

impl Event {
    fn text(self) -> &'static CStr {
        match self {
            Event::Set => c"session.set",
            Event::Touch => c"session.touch",
            Event::Adjust => c"session.adjust",
            Event::Rotate => c"session.rotate",
        }
    }
}

/// What a session's end is published as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A command that names it ended it: `session.del` and `del`.
    Command,
    /// It was signed out from elsewhere, or made room for another session of its user: `session.revoke` and `del`.
    Revocation,
    /// A rotation took it elsewhere: `session.rotate` and `del`.
    Rotation,
    /// It was past its deadline while its key was still there: `del` alone.
    Deadline,
}

impl Ending {
    /// Whether a command ended it for good.
    pub fn is_final(self) -> bool {
        matches!(self, Ending::Command | Ending::Revocation)
    }
}

/// What is to be published, in the order in which it happened: first of the sessions that ended, then of those that were
/// written.
#[derive(Default)]
pub struct Pending<'c> {
    ended: Vec<Ended<'c>>,
    /// Most commands write one session.
    first: Option<(Name<'c>, Event)>,
    written: Vec<(Name<'c>, Event)>,
    /// Of the first so many of `ended` the versions by their keys, once they are looked for.
    looked_up: RefCell<LookedUp<'c>>,
}

/// How many were looked up, and what was found.
type LookedUp<'c> = (usize, Option<HashMap<&'c [u8], u64>>);

/// A session that ended.
struct Ended<'c> {
    name: Name<'c>,
    ending: Ending,
    version: u64,
}

impl<'c> Pending<'c> {
    /// A session was written.
    pub fn written(&mut self, name: Name<'c>, event: Event) {
        match self.first {
            None => self.first = Some((name, event)),
            Some(_) => self.written.push((name, event)),
        }
    }

    /// A session of this version ended.
    pub fn ended(&mut self, name: Name<'c>, ending: Ending, version: u64) {
        self.ended.push(Ended { name, ending, version });
    }

    /// The version of the session of a key that this command has ended.
    pub fn ended_version(&self, key: &[u8]) -> Option<u64> {
        let mut looked_up = self.looked_up.try_borrow_mut().ok()?;
        let (known, versions) = &mut *looked_up;
        let versions = versions.get_or_insert_default();
        let new = self.ended.get(*known..).unwrap_or_default().iter();
        versions.extend(new.filter(|e| e.ending.is_final()).map(|e| (e.name.bytes(), e.version)));
        *known = self.ended.len();
        versions.get(key).copied()
    }

    /// Publishes it all.
    pub fn publish(self, ctx: *mut RedisModuleCtx) {
        for Ended { name, ending, .. } in self.ended {
            match ending {
                Ending::Command => notify(ctx, MODULE, c"session.del", name),
                Ending::Revocation => notify(ctx, MODULE, c"session.revoke", name),
                Ending::Rotation => notify(ctx, MODULE, c"session.rotate", name),
                Ending::Deadline => {}
            }
            notify(ctx, raw::REDISMODULE_NOTIFY_GENERIC as c_int, c"del", name);
        }
        for (name, event) in self.first.into_iter().chain(self.written) {
            notify(ctx, MODULE, event.text(), name);
        }
    }
}

/// The class of our own events.
const MODULE: c_int = raw::REDISMODULE_NOTIFY_MODULE as c_int;

fn notify(ctx: *mut RedisModuleCtx, class: c_int, text: &CStr, name: Name<'_>) {
    // SAFETY: the context is that of the running command, the strings outlive the call.
    unsafe { api!(RedisModule_NotifyKeyspaceEvent(ctx, class, text.as_ptr(), name.raw())) };
}

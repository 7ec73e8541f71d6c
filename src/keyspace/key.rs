//! A key that is open: the session in it, and the three things that happen to one: it begins, changes or ends.

use super::api::api;
use super::error::{Error, Result};
use super::events::{self, Event};
use super::guard::trip;
use super::index;
use super::name::Name;
use super::server;
use super::value::Value;
use crate::info::{self, Counter};
use crate::session::write::Change;
use crate::session::{patch, Effect, Fields, Meta, Millis, Session, State};
use redis_module::raw::{self, RedisModuleCtx, RedisModuleKey};
use std::ffi::{c_char, c_int};
use std::ptr;

/// What a key is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read on behalf of a client.
    Read,
    /// To be looked at, without trace where the server can (7.2): no touch, no statistics, no expiry.
    Peek,
    /// To be looked at as it stands in memory: past its expiry, or in a slot that is being dropped (where the server can,
    /// 8.4).
    Audit,
    /// To be written.
    Write,
}

/// An open key.
///
/// Two of the same name must not be open at once where one of them is written: ending the one leaves the other with a
/// value that is gone. Commands with several keys open them one after the other.
pub struct Key<'c> {
    ctx: *mut RedisModuleCtx,
    handle: *mut RedisModuleKey,
    name: Name<'c>,
}

impl<'c> Key<'c> {
    pub(super) fn open(ctx: *mut RedisModuleCtx, name: Name<'c>, access: Access) -> Self {
        let mode = match access {
            Access::Read => raw::REDISMODULE_READ as c_int,
            Access::Peek => raw::REDISMODULE_READ as c_int | server::peek_flags(),
            Access::Audit => raw::REDISMODULE_READ as c_int | server::audit_flags(),
            Access::Write => (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as c_int,
        };
        // SAFETY: the context is that of a running command or callback, the name lives as long as the key.
        let handle = unsafe { api!(RedisModule_OpenKey(ctx, name.raw(), mode)) };
        Key { ctx, handle: handle.cast(), name }
    }

    /// The key's name.
    pub fn name(&self) -> Name<'c> {
        self.name
    }

    /// Whether there is nothing at this key, of any type.
    pub fn is_empty(&self) -> bool {
        // SAFETY: the handle is open, or null, which the call allows.
        let kind = unsafe { api!(RedisModule_KeyType(self.handle)) };
        kind as isize == raw::REDISMODULE_KEYTYPE_EMPTY
    }

    /// The session in it, live or not; `WRONGTYPE` for another type.
    pub fn session(&self) -> Result<Option<Session<'_>>> {
        // SAFETY: the value lives while the key is open, and is changed by `&mut self` alone.
        Ok(self.value()?.map(|value| Session::of(unsafe { value.record() })))
    }

    /// The record of the session in it, to be copied.
    pub fn record(&self) -> Option<&[u8]> {
        // SAFETY: as above.
        self.value().ok().flatten().map(|value| unsafe { value.record() })
    }

    /// Whether there is a session in it that is past its deadline; `WRONGTYPE` for another type.
    pub(super) fn has_ended(&self, now: Millis) -> Result<bool> {
        // SAFETY: as above.
        Ok(self.value()?.is_some_and(|value| Meta::of(unsafe { value.record() }).ended(now)))
    }

    /// What the session in it is at this time.
    pub fn state(&self, now: Millis) -> Result<State<'_>> {
        self.session().map(|session| State::of(session, now))
    }

    fn value(&self) -> Result<Option<Value>> {
        // SAFETY: the handle is open, or null, which the calls allow; a value of our type is one of ours.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType(self.handle)) == server::data_type() && !self.handle.is_null() {
                return Ok(Value::from_ptr(api!(RedisModule_ModuleTypeGetValue(self.handle))));
            }
        }
        if self.is_empty() {
            Ok(None)
        } else {
            Err(Error::WrongType)
        }
    }

    /// Carries out what was decided, here and on replicas and in the AOF.
    pub fn commit(&mut self, change: Change<'_>) -> Result<()> {
        if !change.effect.keep_ttl && self.value()?.is_none() {
            return self.begin(&change.effect);
        }
        let payload = change.effect.encode();
        self.apply(change, &payload)?;
        self.replicate(&payload);
        Ok(())
    }

    /// Begins a session: what is stored is what is sent, and is written once.
    fn begin(&mut self, effect: &Effect<'_>) -> Result<()> {
        let value = encoded(effect);
        self.put(value, effect.user.after(None))?;
        trip("applied", self.name.bytes());
        self.expire_at(effect.meta.deadline());
        // SAFETY: the value lives while the key is open, and nobody changes it meanwhile.
        self.replicate(unsafe { value.record() });
        Ok(())
    }

    /// Carries out a change here alone; `payload` is the encoding of its effect.
    pub fn apply(&mut self, change: Change<'_>, payload: &[u8]) -> Result<()> {
        let Change { effect, fields } = change;
        match self.value()? {
            None => {
                let session = effect.after(Session::default(), None);
                // What is sent is what is stored, but for the expiry's flag.
                if effect.keep_ttl {
                    self.put(stored(session), session.user)?;
                } else {
                    self.put(Value::new(payload), session.user)?;
                }
            }
            Some(value) => self.alter(value, &effect, fields.as_ref(), payload)?,
        }
        trip("applied", self.name.bytes());
        if !effect.keep_ttl {
            self.expire_at(effect.meta.deadline());
        }
        Ok(())
    }

    fn alter(&mut self, value: Value, effect: &Effect<'_>, fields: Option<&Fields>, payload: &[u8]) -> Result<()> {
        // SAFETY: the key is open for writing and `&mut self` is the only way to its value; no callback of the server
        // reads it before these references end.
        if effect.only_meta() && patch(unsafe { value.record_mut() }, payload) {
            return Ok(());
        }
        // SAFETY: as above; the old value is freed below, when nothing of it is used any more.
        let before = Session::of(unsafe { value.record() });
        let after = effect.after(before, fields);
        if before.user != after.user {
            let (db, key) = (self.db(), self.name.bytes());
            index::with(|index| {
                before.user.into_iter().for_each(|user| index.remove(db, user, key));
                after.user.into_iter().for_each(|user| {
                    index.add(db, user, key, None);
                });
            });
        }
        let new = stored(after);
        let (ours, mut old) = (server::data_type(), ptr::null_mut());
        // SAFETY: the handle is open for writing; the server takes the new value and hands back the old one.
        let done = unsafe { api!(RedisModule_ModuleTypeReplaceValue(self.handle, ours, new.as_ptr(), &mut old)) };
        // SAFETY: whichever of the two the server does not have is ours, and nobody uses it.
        unsafe {
            match done {
                OK => Value::from_ptr(old).into_iter().for_each(|old| old.free()),
                _ => new.free(),
            }
        }
        written(done)
    }

    /// Stores a new session.
    fn put(&mut self, value: Value, user: Option<&[u8]>) -> Result<()> {
        // The server's event for a new key would make us open it again to learn the user that we know.
        let done = events::creating(|| {
            // SAFETY: the handle is open for writing; the server owns the value from here on and frees it through
            // our type.
            unsafe { api!(RedisModule_ModuleTypeSetValue(self.handle, server::data_type(), value.as_ptr())) }
        });
        if done != OK {
            // SAFETY: the server has not taken the value, so it is still ours.
            unsafe { value.free() };
        } else if let Some(user) = user {
            index::with(|index| index.add(self.db(), user, self.name.bytes(), None));
        }
        written(done)
    }

    fn expire_at(&mut self, deadline: Option<Millis>) {
        let deadline = deadline.unwrap_or(raw::REDISMODULE_NO_EXPIRE.into());
        // SAFETY: the handle is open for writing.
        unsafe { api!(RedisModule_SetAbsExpire(self.handle, deadline)) };
    }

    fn replicate(&self, payload: &[u8]) {
        let (name, start, len) = (self.name.raw(), payload.as_ptr().cast::<c_char>(), payload.len());
        // SAFETY: the context is that of the running command; "sb" takes a string and a buffer with its length.
        let sent = unsafe {
            api!(RedisModule_Replicate(self.ctx, c"SESSION.APPLY".as_ptr(), c"sb".as_ptr(), name, start, len))
        };
        server::check_sent(sent);
    }

    /// Ends whatever is at this key, here and on replicas and in the AOF. (The index follows by the type's `unlink`.)
    pub fn end(&mut self) {
        // SAFETY: the handle is open for writing; the context is that of the running command; "s" takes a string.
        let sent = unsafe {
            api!(RedisModule_UnlinkKey(self.handle));
            api!(RedisModule_Replicate(self.ctx, server::deletion().as_ptr(), c"s".as_ptr(), self.name.raw()))
        };
        server::check_sent(sent);
        self.modified();
        self.notify(Event::Deleted);
    }

    /// Ends a session that is past its deadline while the key is still there.
    pub fn end_expired(&mut self) {
        info::count(Counter::Expired);
        self.end();
    }

    /// Tells `WATCH` and client-side caches that the data changed.
    pub fn modified(&self) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_SignalModifiedKey(self.ctx, self.name.raw())) };
    }

    /// Publishes a keyspace event.
    pub fn notify(&self, event: Event) {
        events::notify(self.ctx, event, self.name);
    }

    fn db(&self) -> usize {
        server::selected_db(self.ctx)
    }

    /// Notes the session of this key in the index.
    pub(super) fn index(&self) {
        if let Ok(Some(value)) = self.value() {
            value.forget_loaded();
        }
        if let Ok(Some(user)) = self.session().map(|s| s.and_then(|s| s.user)) {
            index::with(|index| index.add(self.db(), user, self.name.bytes(), None));
        }
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by us and is closed once; null is allowed.
        unsafe { api!(RedisModule_CloseKey(self.handle)) };
        self.handle = ptr::null_mut();
    }
}

/// The value of a session.
fn stored(session: Session<'_>) -> Value {
    encoded(&Effect::snapshot(session))
}

/// An effect as the value that it makes.
fn encoded(effect: &Effect<'_>) -> Value {
    Value::build(effect.encoded_len(), |out| effect.encode_to(out))
}

/// An effect from a payload as a change, for a session that is there or not.
pub fn change_of<'e>(effect: Effect<'e>, session: Option<Session<'_>>) -> Change<'e> {
    let fields = session.and_then(|s| effect.merged(s.fields));
    Change { effect, fields }
}

const OK: c_int = raw::REDISMODULE_OK as c_int;

fn written(done: c_int) -> Result<()> {
    if done == OK {
        Ok(())
    } else {
        Err(Error::text("ERR the key could not be written"))
    }
}

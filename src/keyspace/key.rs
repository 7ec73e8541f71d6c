//! A key that is open: the session in it, and the three things that happen to one: it begins, changes or ends.
//!
//! A key that is open to be written borrows the call, so that nothing else is open meanwhile: what is written or ended
//! cannot be somebody else's open value.

use super::api::api;
use super::call::Call;
use super::error::{Error, Result};
use super::guard::fault_point;
use super::index;
use super::name::Name;
use super::publish::{Ending, Event};
use super::server;
use super::value::Value;
use crate::info::{self, Counter};
use crate::session::buffer::Buffer;
use crate::session::layout::HEAD;
use crate::session::write::Change;
use crate::session::{Effect, Millis, Session, Stamp, State, Times};
use redis_module::raw::{self, RedisModuleCtx, RedisModuleKey};
use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

/// How a key is opened to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// On behalf of a client that asked for it.
    Client,
    /// Without trace where the server can (7.2): no touch, no statistics, no expiry.
    Peek,
    /// As it stands in memory: past its expiry, or in a slot that is being dropped (where the server can, 8.4).
    Audit,
}

/// The server's handle of an open key.
pub(super) struct Handle(*mut RedisModuleKey);

impl Handle {
    /// A handle that the server has opened, and closes: it must not be dropped.
    ///
    /// # Safety
    /// The key stays open for as long as this is used.
    pub(super) unsafe fn borrowed(key: *mut RedisModuleKey) -> Self {
        Handle(key)
    }

    /// Opens a key to be read; the handle is null where there is nothing.
    pub(super) fn read(ctx: *mut RedisModuleCtx, name: Name<'_>, look: Look) -> Self {
        let extra = match look {
            Look::Client => 0,
            Look::Peek => server::peek_flags(),
            Look::Audit => server::audit_flags(),
        };
        Self::open(ctx, name, raw::REDISMODULE_READ as c_int | extra)
    }

    fn open(ctx: *mut RedisModuleCtx, name: Name<'_>, mode: c_int) -> Self {
        // SAFETY: the context is that of a running command or callback, the name lives for the call.
        Handle(unsafe { api!(RedisModule_OpenKey(ctx, name.raw(), mode)) }.cast())
    }

    /// The session's value; none where there is nothing, and `WRONGTYPE` for another type.
    #[inline]
    pub(super) fn value(&self) -> Result<Option<Value>> {
        if self.0.is_null() {
            return Ok(None);
        }
        // SAFETY: the handle is open; a value of our type is one of ours.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType(self.0)) == server::data_type() {
                return Ok(Value::from_ptr(api!(RedisModule_ModuleTypeGetValue(self.0))));
            }
            match api!(RedisModule_KeyType(self.0)) as isize {
                raw::REDISMODULE_KEYTYPE_EMPTY => Ok(None),
                _ => Err(Error::WrongType),
            }
        }
    }

    /// The database that it is in.
    pub(super) fn db(&self) -> Option<usize> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: the handle is open.
        usize::try_from(unsafe { api!(RedisModule_GetDbIdFromModuleKey(self.0)) }).ok()
    }

    /// The key's own expiry.
    fn expiry(&self) -> Option<Millis> {
        // SAFETY: the handle is open, or null, which the call allows.
        let at = unsafe { api!(RedisModule_GetAbsExpire(self.0)) };
        (at >= 0).then_some(at)
    }

    /// What the index of a user with many sessions keeps of the one in here.
    pub(super) fn stamp(&self, session: &Session<'_>) -> Stamp {
        stamp(session, self.expiry())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the handle was opened by us and is closed once.
            unsafe { api!(RedisModule_CloseKey(self.0)) };
        }
    }
}

fn stamp(session: &Session<'_>, expiry: Option<Millis>) -> Stamp {
    // At its deadline a session has ended; the server's own expiry comes a millisecond later.
    let ends = [session.deadline(), expiry.map(|at| at.saturating_add(1))].into_iter().flatten().min();
    Stamp {
        created: session.times.created,
        accessed: session.times.accessed,
        ends: ends.unwrap_or(Millis::MAX),
        snapshot: session.snapshot.is_some(),
    }
}

/// What a snapshot was left for.
pub(super) struct Left {
    /// The key that its session has now.
    pub successor: Vec<u8>,
    /// Its version, after which the session's counts on.
    pub version: u64,
}

impl Left {
    /// Of a session, if it is a snapshot.
    pub fn of(session: &Session<'_>) -> Option<Self> {
        let successor = session.snapshot?.successor.to_vec();
        Some(Left { successor, version: session.version })
    }
}

/// A key that is open to be read.
pub struct ReadKey<'k> {
    handle: Handle,
    /// Read once, from a value that lives while the handle is open; lent for no longer than that.
    session: Option<Session<'static>>,
    call: PhantomData<&'k ()>,
}

impl<'k> ReadKey<'k> {
    pub(super) fn open(ctx: *mut RedisModuleCtx, name: Name<'k>, look: Look) -> Result<Self> {
        let handle = Handle::read(ctx, name, look);
        // SAFETY: the value lives while the handle is open, and nobody writes meanwhile: who opens a key to write has
        // borrowed the call for himself, which this key has borrowed, too.
        let session = handle.value()?.map(|value| Session::of(unsafe { value.record() }));
        Ok(ReadKey { handle, session, call: PhantomData })
    }

    /// The session in it, live or not.
    pub fn session(&self) -> Option<Session<'_>> {
        self.session
    }

    /// A copy of the record of the session in it; empty if there is none.
    pub(super) fn record(&self) -> Vec<u8> {
        // SAFETY: the value lives while the handle is open, and nobody writes meanwhile.
        let record = |value: Value| unsafe { value.record() }.to_vec();
        self.handle.value().ok().flatten().map(record).unwrap_or_default()
    }

    /// The same key as one in which nothing is found.
    pub(super) fn hidden(mut self) -> Self {
        self.session = None;
        self
    }

    /// The handle, for what the index wants to know.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Says whether the index keeps the times of the session in it.
    pub(super) fn mark(&self, marked: bool) {
        if let Ok(Some(value)) = self.handle.value() {
            value.mark(marked);
        }
    }
}

/// A key that is open to be written.
pub struct WriteKey<'k, 'c> {
    call: &'k mut Call<'c>,
    handle: Handle,
    name: Name<'c>,
    value: Option<Value>,
    /// What is in `value`, read when that was stored; lent for no longer than until it changes.
    session: Option<Session<'static>>,
}

impl<'k, 'c> WriteKey<'k, 'c> {
    /// Opens a key as it stands: what is in it may be past its deadline.
    pub(super) fn open(call: &'k mut Call<'c>, name: Name<'c>) -> Result<Self> {
        let handle = Handle::open(call.ctx(), name, (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as c_int);
        let value = handle.value()?;
        let mut key = WriteKey { call, handle, name, value: None, session: None };
        key.holds(value);
        Ok(key)
    }

    /// The same, after what has ended while its key stayed was ended.
    pub(super) fn without_what_is_over(mut self) -> Result<Self> {
        self.end_past_deadline();
        let Some(left) = self.session.as_ref().and_then(Left::of) else { return Ok(self) };
        // A snapshot lives no longer than the session that it was left for. That is looked up while nothing is open.
        let name = self.name;
        let WriteKey { call, handle, .. } = self;
        drop(handle);
        let goes_on = call.goes_on(left);
        let mut key = WriteKey::open(call, name)?;
        if !goes_on && key.session.is_some() {
            key.end_as_over();
        }
        Ok(key)
    }

    /// Notes what is in it now.
    fn holds(&mut self, value: Option<Value>) {
        self.value = value;
        // SAFETY: the value lives while the key is open and is not replaced, which is when this is asked again; it is
        // changed through `&mut self` alone, while nothing that was lent of it is alive.
        self.session = value.map(|value| Session::of(unsafe { value.record() }));
    }

    /// The session in it, live or not.
    pub fn session(&self) -> Option<Session<'_>> {
        self.session
    }

    /// What the session in it is at the time of the command.
    pub fn state(&self) -> State<'_> {
        State::of(self.session, self.call.now())
    }

    /// Slides the deadline of the session in it, or changes its timeouts.
    pub fn retime(&mut self, times: Times, event: Event) -> Result<()> {
        let Some(session) = self.session else { return Ok(()) };
        self.commit(Change { effect: Effect::times(times, session.version), fields: None }, event)
    }

    /// Carries out what was decided, here and on replicas and in the AOF; `event` is published when the command is over.
    pub fn commit(&mut self, change: Change<'_>, event: Event) -> Result<()> {
        let begins = self.session.is_none();
        self.apply(&change)?;
        match self.value {
            // A session that begins is stored as it is sent, and was encoded once.
            // SAFETY: the value lives while the key is open, and nobody changes it meanwhile.
            Some(value) if begins && !change.effect.keep_ttl => self.replicate(unsafe { value.record() }),
            _ => {
                let mut payload = Buffer::new();
                change.effect.encode_to(&mut payload);
                self.replicate(&payload);
            }
        }
        self.published(event);
        Ok(())
    }

    /// Carries out a change here alone.
    pub fn apply(&mut self, change: &Change<'_>) -> Result<()> {
        let (effect, before) = (&change.effect, self.session);
        // What was there is freed when all is done: the index is told of its user.
        let _old = match (before, self.value) {
            (Some(before), Some(value)) if effect.only_times(&before) => {
                // SAFETY: nothing was lent of the bytes of fixed width: a session is read into numbers and what stands behind.
                Session::set_times(unsafe { value.head_mut(HEAD) }, effect.times);
                self.session = Some(Session { times: effect.times, ..before });
                None
            }
            (Some(before), Some(_)) => {
                let after = effect.after(before, Some(change.fields_after(before.fields)));
                self.replace(encoded(&Effect::whole(after)))?
            }
            _ if effect.keep_ttl => self.put(encoded(&Effect::whole(effect.after(Session::default(), None))))?,
            _ => self.put(encoded(effect))?,
        };
        if !effect.keep_ttl {
            self.expire_at_deadline();
        }
        self.index(before, effect.keep_ttl);
        fault_point("applied", || self.name.bytes());
        Ok(())
    }

    /// Stores a new session.
    fn put(&mut self, value: Value) -> Result<Option<Unused>> {
        // SAFETY: the handle is open for writing; the server owns the value from here on and frees it through our type.
        let done = unsafe { api!(RedisModule_ModuleTypeSetValue(self.handle.0, server::data_type(), value.as_ptr())) };
        self.stored(done, value)?;
        Ok(None)
    }

    /// Stores a session in place of another one, which is handed back.
    fn replace(&mut self, value: Value) -> Result<Option<Unused>> {
        value.mark(self.value.is_some_and(Value::is_marked));
        let (ours, mut old) = (server::data_type(), ptr::null_mut());
        // SAFETY: the handle is open for writing; the server takes the new value and hands back the old one.
        let done = unsafe { api!(RedisModule_ModuleTypeReplaceValue(self.handle.0, ours, value.as_ptr(), &mut old)) };
        self.stored(done, value)?;
        // SAFETY: the server has given the old value up to us.
        Ok(unsafe { Value::from_ptr(old) }.map(Unused))
    }

    fn stored(&mut self, done: c_int, value: Value) -> Result<()> {
        if done != OK {
            drop(Unused(value)); // the server has not taken it
            return Err(Error::text("ERR the key could not be written"));
        }
        self.holds(Some(value));
        Ok(())
    }

    fn expire_at_deadline(&mut self) {
        let deadline = self.session.and_then(|session| session.deadline());
        // SAFETY: the handle is open for writing.
        let done = unsafe {
            api!(RedisModule_SetAbsExpire(self.handle.0, deadline.unwrap_or(raw::REDISMODULE_NO_EXPIRE.into())))
        };
        debug_assert_eq!(done, OK, "a key with a session takes an expiry");
    }

    /// Tells the index of the session in here, which was this one before.
    fn index(&self, before: Option<Session<'_>>, keep_ttl: bool) {
        let (Some(value), Some(after)) = (self.value, self.session) else { return };
        let same_user = before.is_some_and(|before| before.user == after.user);
        if same_user && !value.is_marked() {
            return; // as nearly always
        }
        let expiry = if keep_ttl { self.handle.expiry() } else { None };
        let (stamp, db, key) = (stamp(&after, expiry), self.call.db(), self.name.bytes());
        if same_user {
            return value.mark(after.user.is_some_and(|user| index::with(|index| index.note(db, user, key, stamp))));
        }
        if let Some(user) = before.and_then(|before| before.user) {
            index::remove(db, user, key);
        }
        value.mark(after.user.is_some_and(|user| index::add(db, user, key, Some(stamp))));
    }

    fn replicate(&self, payload: &[u8]) {
        debug_assert!(Effect::decode(payload).is_ok(), "what is sent can be read: {payload:?}");
        let (name, start, len) = (self.name.raw(), payload.as_ptr().cast::<c_char>(), payload.len());
        let command = c"SESSION.APPLY".as_ptr();
        // SAFETY: the context is that of the running command; "sb" takes a string and a buffer with its length.
        let sent = unsafe { api!(RedisModule_Replicate(self.call.ctx(), command, c"sb".as_ptr(), name, start, len)) };
        server::check_sent(sent);
    }

    /// Ends the session in here, on behalf of a command that ends it or takes it elsewhere.
    pub fn end(&mut self, ending: Ending) {
        if ending.is_final() {
            info::count(Counter::Ended);
        }
        // SAFETY: the handle is open for writing; the context is that of the running command; "s" takes a string.
        let sent = unsafe {
            api!(RedisModule_UnlinkKey(self.handle.0));
            api!(RedisModule_Replicate(self.call.ctx(), server::deletion().as_ptr(), c"s".as_ptr(), self.name.raw()))
        };
        server::check_sent(sent);
        // The index has followed by the type's `unlink`.
        let version = self.session.map_or(0, |session| session.version);
        self.holds(None);
        self.modified();
        self.call.pending().ended(self.name, ending, version);
    }

    /// Ends a session that is past its deadline while its key is still there.
    pub(super) fn end_past_deadline(&mut self) {
        if self.session.is_some_and(|session| session.ended(self.call.now())) {
            self.end_as_over();
        }
    }

    fn end_as_over(&mut self) {
        info::count(Counter::Expired);
        self.end(Ending::Deadline);
    }

    /// What is published of a session that was written; but for a touch, `WATCH` and client-side caches are told that the
    /// data changed.
    pub fn published(&mut self, event: Event) {
        if event != Event::Touch {
            self.modified();
        }
        self.call.pending().written(self.name, event);
    }

    fn modified(&self) {
        // SAFETY: the context is that of the running command.
        let done = unsafe { api!(RedisModule_SignalModifiedKey(self.call.ctx(), self.name.raw())) };
        debug_assert_eq!(done, OK);
    }
}

/// A value that nobody uses any more.
struct Unused(Value);

impl Drop for Unused {
    fn drop(&mut self) {
        // SAFETY: the server has given the value up, or not taken it; what was read of it is not used after this.
        unsafe { self.0.free() };
    }
}

/// An effect as the value that it makes.
fn encoded(effect: &Effect<'_>) -> Value {
    Value::build(effect.encoded_len(), |out| effect.encode_to(out))
}

const OK: c_int = raw::REDISMODULE_OK as c_int;

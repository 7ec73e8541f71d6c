//! Replies. Maps and nulls come out as the client's protocol has them (flat arrays and nil in RESP2).

use super::api::api;
use super::error::Error;
use redis_module::raw::{self, RedisModuleCtx};
use std::cell::Cell;
use std::ffi::{c_char, c_long, CString};

/// The reply of a running command.
pub struct Reply {
    ctx: *mut RedisModuleCtx,
    begun: Cell<bool>,
}

impl Reply {
    pub(super) fn on(ctx: *mut RedisModuleCtx) -> Self {
        Reply { ctx, begun: Cell::new(false) }
    }

    /// Whether something of it has been said.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// The context to reply on.
    fn start(&self) -> *mut RedisModuleCtx {
        self.begun.set(true);
        self.ctx
    }

    /// An integer.
    pub fn integer(&self, value: i64) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithLongLong(self.start(), value)) };
    }

    /// A number of things.
    pub fn count(&self, n: usize) {
        self.integer(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// `OK`.
    pub fn ok(&self) {
        // SAFETY: the context is that of the running command, the text is one of ours without line breaks.
        unsafe { api!(RedisModule_ReplyWithSimpleString(self.start(), c"OK".as_ptr())) };
    }

    /// Bytes.
    pub fn bulk(&self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast::<c_char>(), bytes.len());
        // SAFETY: the context is that of the running command; the server copies the bytes.
        unsafe { api!(RedisModule_ReplyWithStringBuffer(self.start(), start, len)) };
    }

    /// Nil.
    pub fn null(&self) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithNull(self.start())) };
    }

    /// An array of `len` replies that follow.
    pub fn array(&self, len: usize) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithArray(self.start(), c_long::try_from(len).unwrap_or(0))) };
    }

    /// An array of as many replies as will be counted: nothing is said before the first.
    pub fn list(&self) -> List<'_> {
        List { reply: self, len: Cell::new(0), announced: Cell::new(false) }
    }

    /// A map of `len` pairs of replies that follow.
    pub fn map(&self, len: usize) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithMap(self.start(), c_long::try_from(len).unwrap_or(0))) };
    }

    /// An error.
    pub(super) fn error(&self, error: &Error) {
        let text = match error {
            Error::WrongArity => return self.wrong_arity(),
            Error::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Error::Text(text) => text,
        };
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = CString::new(clean).unwrap_or_default();
        // SAFETY: the context is that of the running command; the text is copied.
        unsafe { api!(RedisModule_ReplyWithError(self.start(), text.as_ptr())) };
    }

    fn wrong_arity(&self) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_WrongArity(self.start())) };
    }
}

/// An array whose length may not be known before its elements. Nothing is said before the first of them.
pub struct List<'r> {
    reply: &'r Reply,
    /// How many elements were said.
    len: Cell<c_long>,
    /// Whether the length was said before them.
    announced: Cell<bool>,
}

impl List<'_> {
    /// So many elements follow. (It costs the server less to know.)
    pub fn announce(&self, len: usize) {
        self.announced.set(true);
        self.reply.array(len);
    }

    /// The reply that follows is an element.
    pub fn count_one(&self) {
        if self.announced.get() {
            return;
        }
        if self.len.get() == 0 {
            // SAFETY: the context is that of the running command; the length is set when the list is dropped.
            unsafe { api!(RedisModule_ReplyWithArray(self.reply.start(), raw::REDISMODULE_POSTPONED_LEN.into())) };
        }
        self.len.set(self.len.get().saturating_add(1));
    }

    /// No more elements follow.
    pub fn end(self) {
        if self.len.get() == 0 && !self.announced.get() {
            self.reply.array(0);
        }
    }
}

impl Drop for List<'_> {
    fn drop(&mut self) {
        if self.len.get() > 0 {
            // SAFETY: the context is that of the running command; the array was begun without a length.
            unsafe { api!(RedisModule_ReplySetArrayLength(self.reply.ctx, self.len.get())) };
        }
    }
}

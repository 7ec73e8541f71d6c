//! Replies. Maps and nulls come out as the client's protocol has them (flat arrays and nil in RESP2).

use super::api::api;
use super::call::Call;
use super::error::Error;
use std::ffi::{c_char, c_long, CString};

impl Call<'_> {
    /// An integer.
    pub fn integer(&self, value: i64) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithLongLong(self.start_reply(), value)) };
    }

    /// A number of things.
    pub fn count(&self, n: usize) {
        self.integer(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// `OK`.
    pub fn ok(&self) {
        // SAFETY: the context is that of the running command, the text is one of ours without line breaks.
        unsafe { api!(RedisModule_ReplyWithSimpleString(self.start_reply(), c"OK".as_ptr())) };
    }

    /// Bytes.
    pub fn bulk(&self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast::<c_char>(), bytes.len());
        // SAFETY: the context is that of the running command; the server copies the bytes.
        unsafe { api!(RedisModule_ReplyWithStringBuffer(self.start_reply(), start, len)) };
    }

    /// Nil.
    pub fn null(&self) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithNull(self.start_reply())) };
    }

    /// An array of `len` replies that follow.
    pub fn array(&self, len: usize) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithArray(self.start_reply(), c_long::try_from(len).unwrap_or(0))) };
    }

    /// A map of `len` pairs of replies that follow.
    pub fn map(&self, len: usize) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_ReplyWithMap(self.start_reply(), c_long::try_from(len).unwrap_or(0))) };
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
        unsafe { api!(RedisModule_ReplyWithError(self.start_reply(), text.as_ptr())) };
    }

    fn wrong_arity(&self) {
        // SAFETY: the context is that of the running command.
        unsafe { api!(RedisModule_WrongArity(self.start_reply())) };
    }
}

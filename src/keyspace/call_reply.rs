//! What the server replies when the module runs one of its commands.

use super::api::api;
use redis_module::raw::{self, RedisModuleCallReply};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A reply that is ours.
pub struct CallReply(NonNull<RedisModuleCallReply>);

/// A reply, or a part of one.
#[derive(Clone, Copy)]
pub struct Part<'r> {
    raw: NonNull<RedisModuleCallReply>,
    held: PhantomData<&'r CallReply>,
}

impl CallReply {
    /// # Safety
    /// `raw` is null, or a reply of RM_Call that nobody else frees.
    pub unsafe fn adopt(raw: *mut RedisModuleCallReply) -> Option<Self> {
        NonNull::new(raw).map(CallReply)
    }

    /// The reply, to be read.
    pub fn whole(&self) -> Part<'_> {
        Part { raw: self.0, held: PhantomData }
    }
}

impl Drop for CallReply {
    fn drop(&mut self) {
        // SAFETY: adopted by the promise that it is ours, and freed once.
        unsafe { api!(RedisModule_FreeCallReply(self.0.as_ptr())) };
    }
}

impl<'r> Part<'r> {
    /// Whether it is an error.
    pub fn is_error(self) -> bool {
        // SAFETY: the reply lives for 'r, and with it its parts.
        let kind = unsafe { api!(RedisModule_CallReplyType(self.raw.as_ptr())) };
        kind == raw::REDISMODULE_REPLY_ERROR as i32
    }

    /// The elements of an array; none of anything else.
    pub fn elements(self) -> impl Iterator<Item = Part<'r>> {
        (0..).map_while(move |i| self.element(i))
    }

    /// An element of an array; nothing past its end, or of anything else.
    pub fn element(self, i: usize) -> Option<Part<'r>> {
        // SAFETY: the reply lives for 'r, and with it its parts; the server checks the type and the index.
        let part = unsafe {
            if api!(RedisModule_CallReplyType(self.raw.as_ptr())) != raw::REDISMODULE_REPLY_ARRAY as i32
                || i >= api!(RedisModule_CallReplyLength(self.raw.as_ptr()))
            {
                return None;
            }
            api!(RedisModule_CallReplyArrayElement(self.raw.as_ptr(), i))
        };
        NonNull::new(part).map(|raw| Part { raw, held: PhantomData })
    }

    /// An integer; of anything else some number that means nothing.
    pub fn integer(self) -> i64 {
        // SAFETY: the reply lives; the server checks the type.
        unsafe { api!(RedisModule_CallReplyInteger(self.raw.as_ptr())) }
    }

    /// A string; nothing of anything else.
    pub fn text(self) -> String {
        let mut len = 0;
        // SAFETY: the reply lives, and with it the bytes that the server tells the number of; it checks the type.
        let bytes = unsafe {
            let start = api!(RedisModule_CallReplyStringPtr(self.raw.as_ptr(), &mut len));
            if start.is_null() {
                return String::new();
            }
            std::slice::from_raw_parts(start.cast(), len)
        };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

//! Strings of the server: arguments and names of keys.

use super::api::api;
use redis_module::raw::RedisModuleString;
use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr;

/// A string that the server holds at least for `'c`.
#[derive(Clone, Copy)]
pub struct Name<'c> {
    raw: *mut RedisModuleString,
    held: PhantomData<&'c ()>,
}

impl<'c> Name<'c> {
    /// # Safety
    /// `raw` is a string of the server that lives, unchanged, for `'c`.
    pub(super) unsafe fn new(raw: *mut RedisModuleString) -> Self {
        Name { raw, held: PhantomData }
    }

    pub(super) fn raw(self) -> *mut RedisModuleString {
        self.raw
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(self) -> &'c [u8] {
        let mut len = 0;
        // SAFETY: `raw` lives for 'c by the promise made to `new`; the server gives its bytes and their number.
        unsafe {
            let bytes = api!(RedisModule_StringPtrLen(self.raw, &mut len));
            if bytes.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(bytes.cast(), len)
        }
    }
}

/// A string of the server that is ours.
pub struct OwnedName {
    raw: *mut RedisModuleString,
}

impl OwnedName {
    /// A new string of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        // SAFETY: a null context makes a string that we free; the bytes are copied.
        let raw =
            unsafe { api!(RedisModule_CreateString(ptr::null_mut(), bytes.as_ptr().cast::<c_char>(), bytes.len())) };
        OwnedName { raw }
    }

    /// # Safety
    /// `raw` is a string of the server whose reference is ours to give back.
    pub(super) unsafe fn adopt(raw: *mut RedisModuleString) -> Self {
        OwnedName { raw }
    }

    /// The string, to use.
    pub fn name(&self) -> Name<'_> {
        Name { raw: self.raw, held: PhantomData }
    }
}

impl Drop for OwnedName {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and given back once.
        unsafe { api!(RedisModule_FreeString(ptr::null_mut(), self.raw)) };
    }
}

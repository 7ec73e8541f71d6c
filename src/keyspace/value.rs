//! A session as the server holds it: one allocation with the length of its record (four bytes, the lowest first) and the
//! record. The same bytes stand in files, so that what is read from one is the value.
//!
//! The length leaves room for a bit that stands in no file: the mark of a session whose times the index keeps, because its
//! user has many. It tells a writer to tell the index, so that writers of all other sessions need not ask.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};

/// The record's length stands before it.
const PREFIX: usize = size_of::<u32>();

/// The mark, beside the length. (No record is nearly so long, see the caps.)
const MARK: u32 = 1 << 31;

/// The value that was loaded last, until the server tells where it has put it, and for which database it was loaded. See
/// [`Value::take_loaded`].
static LOADED: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LOADED_DB: AtomicI32 = AtomicI32::new(-1);

/// How many values there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The record in bytes from a file, if they are a value.
pub fn unframe(bytes: &[u8]) -> Option<&[u8]> {
    let (len, record) = bytes.split_first_chunk::<PREFIX>()?;
    (u32::from_le_bytes(*len) as usize == record.len()).then_some(record)
}

/// How many sessions this server holds, of users and anonymous, snapshots included; those that wait to be freed in the
/// background count until then.
pub fn count() -> usize {
    COUNT.load(Relaxed)
}

/// A pointer that the server was given as a value of our type.
#[derive(Clone, Copy)]
pub struct Value(NonNull<u8>);

impl Value {
    /// Stores a record. (None is longer than the caps allow, far below 4 GiB.)
    pub fn new(record: &[u8]) -> Self {
        Self::build(record.len(), |out| out.extend_from_slice(record))
    }

    /// Stores the record of `len` bytes that `write` appends.
    pub fn build(len: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(len.saturating_add(PREFIX));
        bytes.extend_from_slice(&[0; PREFIX]);
        write(&mut bytes);
        let written = u32::try_from(bytes.len().saturating_sub(PREFIX)).unwrap_or(u32::MAX);
        debug_assert!(written < MARK, "a record is within the caps");
        if let Some(prefix) = bytes.first_chunk_mut() {
            *prefix = written.to_le_bytes();
        }
        COUNT.fetch_add(1, Relaxed);
        Value(NonNull::from(Box::leak(bytes.into_boxed_slice())).cast())
    }

    /// Makes a value of bytes that are one already.
    ///
    /// # Safety
    /// `bytes` came from the server's allocator (as all that is ours does), is nobody else's,
    /// and [`unframe`] has found a record in it.
    pub unsafe fn adopt(bytes: NonNull<u8>) -> Self {
        COUNT.fetch_add(1, Relaxed);
        Value(bytes)
    }

    /// Remembers that this value was just loaded, for a database.
    pub fn note_loaded(self, db: i32) {
        LOADED_DB.store(db, Relaxed);
        LOADED.store(self.0.as_ptr(), Release);
    }

    /// The value that was loaded last, and its database. Where the server says that it has loaded a key, that is the key's
    /// value if it is of our type: one that was freed or has been found in its place otherwise is forgotten. Once only.
    pub fn take_loaded() -> Option<(Self, i32)> {
        let value = NonNull::new(LOADED.swap(ptr::null_mut(), AcqRel)).map(Value)?;
        Some((value, LOADED_DB.load(Relaxed)))
    }

    /// No event is to come that tells of this value.
    pub fn forget_loaded(self) {
        let _ = LOADED.compare_exchange(self.0.as_ptr(), ptr::null_mut(), AcqRel, Acquire);
    }

    /// The value behind a pointer of the server; none if it is null.
    ///
    /// # Safety
    /// The pointer is null, or came from [`Value::as_ptr`] and has not been freed.
    pub unsafe fn from_ptr(value: *const c_void) -> Option<Self> {
        NonNull::new(value.cast_mut().cast()).map(Value)
    }

    /// The pointer to give to the server.
    pub fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// The length and the mark. Threads that free values read them while nobody writes; the bytes may stand at any address,
    /// which the allocator makes one that suits.
    fn prefix(&self) -> &AtomicU32 {
        // SAFETY: a value begins with four bytes of an allocation (of our allocator, which aligns all to eight at least)
        // that lives as long as the value.
        unsafe { self.0.cast::<AtomicU32>().as_ref() }
    }

    fn len(self) -> u32 {
        u32::from_le(self.prefix().load(Relaxed)) & !MARK
    }

    /// Whether the index keeps this session's times.
    pub fn is_marked(self) -> bool {
        u32::from_le(self.prefix().load(Relaxed)) & MARK != 0
    }

    /// Says whether the index keeps this session's times.
    pub fn mark(self, marked: bool) {
        let mark = if marked { MARK } else { 0 };
        self.prefix().store((self.len() | mark).to_le(), Relaxed);
    }

    /// Its record.
    ///
    /// # Safety
    /// For `'v` the value is not freed, and not changed through [`Value::head_mut`].
    pub unsafe fn record<'v>(self) -> &'v [u8] {
        // SAFETY: the record stands behind the prefix; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.0.add(PREFIX).as_ptr(), self.len() as usize) }
    }

    /// Lends all its bytes, as they stand in a file.
    ///
    /// # Safety
    /// As for [`Value::record`], while `take` runs.
    pub unsafe fn with_bytes<T>(self, take: impl FnOnce(&[u8]) -> T) -> T {
        // SAFETY: the allocation is the prefix and the record; the rest is the caller's promise.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.memory()) };
        if !self.is_marked() {
            return take(bytes);
        }
        // The mark stands in no file. It is taken off a copy: a child that saves must not write to what it saves, or the
        // kernel copies all of it.
        let mut clean = bytes.to_vec();
        if let Some(prefix) = clean.first_chunk_mut() {
            *prefix = self.len().to_le_bytes();
        }
        take(&clean)
    }

    /// The beginning of its record, of so many bytes at most, to change it in place.
    ///
    /// # Safety
    /// For `'v` the value is not freed, and this is the only reference to these bytes.
    pub unsafe fn head_mut<'v>(self, len: usize) -> &'v mut [u8] {
        let len = len.min(self.len() as usize);
        // SAFETY: the record stands behind the prefix, and is that long; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(PREFIX).as_ptr(), len) }
    }

    /// Bytes that it takes.
    pub fn memory(self) -> usize {
        PREFIX.saturating_add(self.len() as usize)
    }

    /// Frees it, in any thread.
    ///
    /// # Safety
    /// Nobody uses the value any more.
    pub unsafe fn free(self) {
        self.forget_loaded();
        COUNT.fetch_sub(1, Relaxed);
        let bytes = ptr::slice_from_raw_parts_mut(self.0.as_ptr(), self.memory());
        // SAFETY: leaked by `build`, or adopted from the same allocator; the rest is the caller's promise.
        drop(unsafe { Box::from_raw(bytes) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_kept_and_can_be_changed_in_place() {
        for len in [0usize, 1, 5, 1000] {
            let record: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let value = Value::new(&record);
            // SAFETY: the value is ours, and no other reference to it lives.
            unsafe {
                assert_eq!(value.record(), record);
                value.head_mut(len + 1).fill(7);
                assert_eq!(Value::from_ptr(value.as_ptr()).unwrap().record(), vec![7; len]);
                assert_eq!(value.memory(), len + 4);
                value.mark(true);
                assert_eq!((value.is_marked(), value.memory()), (true, len + 4));
                value.with_bytes(|bytes| {
                    assert_eq!(unframe(bytes), Some(&[7; 1000][..len]));
                    assert_eq!(unframe(&bytes[1..]), None);
                });
                assert!(value.is_marked());
                value.note_loaded(3);
                value.free();
                assert!(Value::take_loaded().is_none(), "what is freed is forgotten");
            }
        }
    }

    #[test]
    fn a_length_that_is_not_the_records_is_refused() {
        assert_eq!(unframe(&[0, 0, 0, 0]), Some(&[][..]));
        assert_eq!(unframe(&[2, 0, 0, 0, 7, 8]), Some(&[7, 8][..]));
        for bad in [&[][..], &[0, 0, 0], &[1, 0, 0, 0], &[1, 0, 0, 0, 7, 8], &[0, 0, 0, 1, 7], &[255; 6]] {
            assert_eq!(unframe(bad), None);
        }
    }
}

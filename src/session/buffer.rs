//! Buffers that are used again: a command packs what it was given into one, and allocates nothing for it.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// How many buffers a thread keeps. A command uses two or three at a time.
const KEPT: usize = 4;

/// A larger buffer is given back to the allocator, so that one large session does not cost its size for good.
const LARGEST: usize = 64 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes to append to. Its memory goes back to the thread's pool when it is dropped.
#[derive(Default, Debug)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty one.
    pub fn new() -> Self {
        let pooled = POOL.try_with(|pool| pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop()));
        Buffer(pooled.ok().flatten().unwrap_or_default())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() == 0 || self.0.capacity() > LARGEST {
            return;
        }
        let mut bytes = std::mem::take(&mut self.0);
        bytes.clear();
        // While the thread ends there is no pool any more: then the memory is simply freed.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut() {
                if pool.len() < KEPT {
                    pool.push(bytes);
                }
            }
        });
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Buffer::new();
        copy.extend_from_slice(self);
        copy
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Buffer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_what_was_in_it_is_gone() {
        let mut first = Buffer::new();
        first.extend_from_slice(&[7; 1000]);
        let (place, capacity) = (first.as_ptr(), first.capacity());
        drop(first);
        let again = Buffer::new();
        assert_eq!((again.as_ptr(), again.capacity(), again.len()), (place, capacity, 0));
        let other = Buffer::new();
        assert_ne!(other.as_ptr(), again.as_ptr());
    }

    #[test]
    fn a_large_one_is_given_back() {
        let mut large = Buffer::new();
        large.reserve(LARGEST + 1);
        drop(large);
        assert!((0..=KEPT).map(|_| Buffer::new()).collect::<Vec<_>>().iter().all(|b| b.capacity() <= LARGEST));
    }
}

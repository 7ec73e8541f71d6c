//! The one index of this server.
//!
//! It is locked for single steps that call nothing of the server, so that no callback can come upon it locked; `try_lock`
//! is for the crash report, which may come at any point.

use crate::session::index::Index;
use lazy_static::lazy_static;
use std::sync::{Mutex, PoisonError};

lazy_static! {
    static ref INDEX: Mutex<Index> = Mutex::new(Index::default());
}

/// Reads or changes the index. `step` calls nothing of the server.
pub fn with<T>(step: impl FnOnce(&mut Index) -> T) -> T {
    step(&mut INDEX.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The same where the index is free.
pub fn try_with<T>(step: impl FnOnce(&mut Index) -> T) -> Option<T> {
    INDEX.try_lock().ok().map(|mut index| step(&mut index))
}

/// Empties a database's part, or all (`None`). What was in it is freed in a thread of its own when it is large.
pub fn clear(db: Option<usize>) {
    const LARGE: usize = 1000;
    let dropped = with(|index| index.clear(db));
    if dropped.iter().any(|db| db.sessions() > LARGE) {
        // Where no thread can be had, the closure is dropped here, and with it what it holds.
        let _ = std::thread::Builder::new().name("session-free".into()).spawn(move || drop(dropped));
    }
}

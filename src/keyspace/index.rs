//! The one index of this server.
//!
//! It is locked for single steps that call nothing of the server, so that no callback can come upon it locked; `try_lock`
//! is for the crash report, which may come at any point.

use super::database::in_db;
use super::key::{Look, ReadKey};
use super::name::OwnedName;
use crate::session::index::{Cursor, Index};
use crate::session::Stamp;
use lazy_static::lazy_static;
use redis_module::raw::RedisModuleCtx;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

lazy_static! {
    static ref INDEX: Mutex<Index> = Mutex::new(Index::default());
}

/// Whether any user has had so many sessions that the index keeps their times.
static KNOWS_TIMES: AtomicBool = AtomicBool::new(false);

/// Reads or changes the index. `step` calls nothing of the server that could come back here.
pub fn with<T>(step: impl FnOnce(&mut Index) -> T) -> T {
    step(&mut INDEX.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The same where the index is free.
pub fn try_with<T>(step: impl FnOnce(&mut Index) -> T) -> Option<T> {
    INDEX.try_lock().ok().map(|mut index| step(&mut index))
}

/// Whether any user has had so many sessions that the index keeps their times: then somebody's writers have to tell.
pub fn knows_times() -> bool {
    KNOWS_TIMES.load(Relaxed)
}

/// Notes that the session at a key is this user's. Whether the index keeps its times, which is for the value's mark.
pub fn add(db: usize, user: &[u8], key: &[u8], stamp: Option<Stamp>) -> bool {
    let crowd = with(|index| index.add(db, user, key, stamp));
    if crowd && !knows_times() {
        KNOWS_TIMES.store(true, Relaxed);
    }
    crowd
}

/// Notes that the session at a key is not this user's, or is no more.
pub fn remove(db: usize, user: &[u8], key: &[u8]) {
    with(|index| index.remove(db, user, key));
}

/// Tells the index of a session in a key, of which it knew no more than that it might be this user's.
pub fn learn(db: usize, user: &[u8], name: &[u8], key: &ReadKey<'_>) {
    // Nothing that is seen is no proof, see `Call::write_session_of`.
    let Some(session) = key.session() else { return };
    if session.user != Some(user) {
        return remove(db, user, name);
    }
    let stamp = key.handle().stamp(&session);
    key.mark(with(|index| index.note(db, user, name, stamp)));
}

/// Learns of all sessions of crowds that a file brought.
pub fn learn_all(ctx: *mut RedisModuleCtx) {
    let mut cursor = Cursor::default();
    let next = |cursor: &mut Cursor| {
        with(|index| index.walk_unknown(cursor, |db, user, key| (db, user.to_vec(), OwnedName::new(key))))
    };
    while let Some(slice) = next(&mut cursor) {
        if !slice.is_empty() {
            KNOWS_TIMES.store(true, Relaxed);
        }
        for (db, user, name) in slice {
            in_db(ctx, db, || {
                if let Ok(key) = ReadKey::open(ctx, name.name(), Look::Peek) {
                    learn(db, &user, name.name().bytes(), &key);
                }
            });
        }
    }
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

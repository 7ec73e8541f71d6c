//! The sessions of a user.
//!
//! The index holds candidates: what is listed, counted or ended is opened and found to be a live session of that user. Of a
//! user with many sessions the index knows enough to open no more than those.

use super::access::{Caller, Permission};
use super::call::Call;
use super::error::{Error, Result};
use super::index;
use super::key::{Look, ReadKey, WriteKey};
use super::name::{Name, OwnedName};
use super::reply::List;
use super::server;
use super::topology::Wanted;
use crate::session::limit::{Cap, Crowded, Full, Other, Policy};
use crate::session::slot::slot_of;
use crate::session::Stamp;
use crate::session::{Millis, Session, Times};
use std::cmp::Ordering;

/// A part of a list.
#[derive(Clone, Copy)]
pub struct Page {
    /// How many are left out at its beginning.
    pub offset: usize,
    /// The most that are listed.
    pub count: usize,
}

impl Default for Page {
    fn default() -> Self {
        Page { offset: 0, count: usize::MAX }
    }
}

impl Page {
    /// Of a list in any order, this part in order.
    fn of<T>(self, mut all: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
        let end = self.offset.saturating_add(self.count);
        if end < all.len() {
            all.select_nth_unstable_by(end, &order);
            all.truncate(end);
        }
        all.sort_unstable_by(order);
        all.drain(..self.offset.min(all.len()));
        all
    }
}

/// What is shown of each session of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Its key.
    Key,
    /// Metadata, too.
    Meta,
    /// Data, too: for callers who may run `SESSION.GET` on its key.
    Data,
}

/// A live session of a user that was found.
struct Live<'k> {
    name: Name<'k>,
    times: Times,
    held: Held<'k>,
}

/// What is kept of a session that was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// That it is there, and its times.
    Times,
    /// All of it.
    Session,
}

/// How a session is kept.
enum Held<'k> {
    /// Not at all.
    Not,
    /// In its key, which stays open.
    Open(ReadKey<'k>),
    /// As a copy of its record: before 7.2 the look at the next key may end that one, and who hears of it may end this one.
    Copy(Vec<u8>),
}

impl Live<'_> {
    fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    fn session(&self) -> Option<Session<'_>> {
        match &self.held {
            Held::Not => None,
            Held::Open(key) => key.session(),
            Held::Copy(record) => Some(Session::of(record)),
        }
    }
}

/// The order of a list, of the times of access and the names: the latest access first, ties by key.
fn latest_first(a: (Millis, Name<'_>), b: (Millis, Name<'_>)) -> Ordering {
    b.0.cmp(&a.0).then_with(|| a.1.bytes().cmp(b.1.bytes()))
}

impl<'c> Call<'c> {
    /// The names of the keys that may hold a session of this user, in the order in which they came to be its, as far as
    /// the server has seen it.
    pub fn names_of(&self, user: &[u8]) -> Vec<Name<'c>> {
        let db = self.db();
        index::with(|index| index.keys(db, user, |key| self.name(key)))
    }

    /// Opens a key to end the session of this user in it, or the snapshot of one; nothing if it holds none. What is not this
    /// user's stays as it is, even past its deadline.
    pub fn write_session_of<'k>(&'k mut self, user: &[u8], name: Name<'c>) -> Option<WriteKey<'k, 'c>> {
        let db = self.db();
        let key = WriteKey::open(self, name);
        match key.as_ref().map(|key| key.session().map(|session| session.user == Some(user))) {
            Ok(Some(true)) => key.ok()?.without_what_is_over().ok().filter(|key| key.session().is_some()),
            // Nothing is seen. That is no proof: a replica hides a key whose expiry its primary may yet move.
            Ok(None) => None,
            // Something else is there: where the index said otherwise it was wrong, and is put right.
            Ok(Some(false)) | Err(_) => {
                index::remove(db, user, name.bytes());
                None
            }
        }
    }

    /// Shows a page of the live sessions of a user that the caller may read, the latest access first, ties by key; in a
    /// cluster, of those that this node answers for. Nothing is shown to who asks for data that are not theirs to read.
    pub fn list_sessions(
        &self,
        user: &[u8],
        page: Page,
        list: &List<'_>,
        shown: Shown,
        mut show: impl FnMut(&[u8], Option<&Session<'_>>),
    ) -> Result<()> {
        self.check_node(Wanted::Read)?;
        let keep = if shown == Shown::Key { Keep::Times } else { Keep::Session };
        if !self.is_crowd(user) {
            let names = self.candidates(user);
            let found = page.of(self.open_live(user, &names, keep)?, |a, b| {
                latest_first((a.times.accessed, a.name), (b.times.accessed, b.name))
            });
            self.check_shown(shown, found.iter().map(|found| found.name))?;
            list.announce(found.len());
            found.iter().for_each(|found| show(found.name(), found.session().as_ref()));
            return Ok(());
        }
        let names = self.crowd_page(user, page)?;
        self.check_shown(shown, names.iter().map(OwnedName::name))?;
        for name in names {
            if let Some(found) = self.live_session_of(user, name.name(), keep) {
                list.count_one();
                show(found.name(), found.session().as_ref());
            }
        }
        Ok(())
    }

    fn check_shown<'n>(&self, shown: Shown, mut names: impl Iterator<Item = Name<'n>>) -> Result<()> {
        if shown != Shown::Data {
            return Ok(());
        }
        let caller = self.caller();
        // Who may read no data is told so of a user without sessions, too.
        let may = match names.next() {
            None => caller.may_get_some(),
            Some(first) => caller.may_get(first) && names.all(|name| caller.may_get(name)),
        };
        if may {
            return Ok(());
        }
        Err(Error::text("NOPERM data of sessions are for users who may run 'session.get' on their keys"))
    }

    /// How many live sessions a user has of those that [`Call::list_sessions`] shows.
    pub fn count_sessions(&self, user: &[u8]) -> Result<usize> {
        self.check_node(Wanted::Read)?;
        if !self.is_crowd(user) {
            return Ok(self.open_live(user, &self.candidates(user), Keep::Times)?.len());
        }
        let caller = self.caller();
        if self.sees_all(&caller) {
            let (db, now) = (self.db(), self.now());
            return Ok(index::with(|index| index.live(db, user, now, &[])));
        }
        Ok(self.crowd_in_sight(user, &caller)?.len())
    }

    /// Which of the user's other sessions must end so that the one being written can be, within the cap: of those that the
    /// caller may write, in a cluster of those in the same slot.
    pub fn others_over(
        &self,
        cap: Cap,
        user: &[u8],
        joins: bool,
        written: &[Name<'_>],
    ) -> std::result::Result<Vec<Other>, Full> {
        if cap.policy == Policy::Reject && !joins {
            return Ok(Vec::new());
        }
        let (db, now, caller) = (self.db(), self.now(), self.caller());
        let crowd = self.is_crowd(user);
        if crowd && self.sees_all(&caller) {
            let written: Vec<&[u8]> = written.iter().map(|name| name.bytes()).collect();
            return index::with(|index| cap.make_room(Crowded { index, db, user, now, written: &written }, joins));
        }
        let slot = written.first().filter(|_| self.in_cluster()).map(|name| slot_of(name.bytes()));
        let counts = |name: Name<'_>| {
            slot.is_none_or(|slot| slot == slot_of(name.bytes()))
                && written.iter().all(|other| other.bytes() != name.bytes())
                && caller.may(Permission::Write, name)
        };
        let other = |name: Name<'_>, created, accessed| Other { created, accessed, key: name.bytes().into() };
        let others: Vec<Other> = if crowd {
            let live = self.crowd_live(user).into_iter().filter(|(name, _)| counts(name.name()));
            live.map(|(name, stamp)| other(name.name(), stamp.created, stamp.accessed)).collect()
        } else {
            let mut names = self.candidates(user);
            names.retain(|name| counts(name.name()));
            let live = names.iter().filter_map(|name| self.live_session_of(user, name.name(), Keep::Times));
            live.map(|found| other(found.name, found.times.created, found.times.accessed)).collect()
        };
        cap.make_room(others, joins)
    }

    /// Names of keys that are opened to be read.
    fn candidates(&self, user: &[u8]) -> Vec<OwnedName> {
        let db = self.db();
        index::with(|index| index.keys(db, user, OwnedName::new))
    }

    /// Those of these keys that hold a live session of the user which the caller may read, and this node may show.
    fn open_live<'n>(&'n self, user: &[u8], names: &'n [OwnedName], keep: Keep) -> Result<Vec<Live<'n>>> {
        let caller = self.caller();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            match self.live_session_of(user, name.name(), keep) {
                Some(live) if caller.may(Permission::Read, live.name) => found.push(live),
                _ => {}
            }
        }
        self.keep_served(&mut found, |live| live.name())?;
        Ok(found)
    }

    /// Finds a live session of this user in a key; nothing if it holds none.
    fn live_session_of<'n>(&'n self, user: &[u8], name: Name<'n>, keep: Keep) -> Option<Live<'n>> {
        let db = self.db();
        let Ok(key) = self.read(name, Look::Peek) else {
            index::remove(db, user, name.bytes());
            return None;
        };
        let session = key.session()?; // that nothing is seen is no proof, see above
        if session.user != Some(user) {
            index::remove(db, user, name.bytes());
            return None;
        }
        if !session.live(self.now()) {
            return None;
        }
        let times = session.times;
        let held = match keep {
            Keep::Times => Held::Not,
            Keep::Session if server::looks_leave_no_trace() => Held::Open(key),
            Keep::Session => Held::Copy(key.record()),
        };
        Some(Live { name, times, held })
    }

    /// Whether the user has so many sessions that the index keeps their times; then it knows those of all.
    fn is_crowd(&self, user: &[u8]) -> bool {
        let db = self.db();
        if !index::knows_times() || !index::with(|index| index.is_crowd(db, user)) {
            return false;
        }
        // Where a user's sessions have just become many, those that were there before are not known yet: sixteen. (More where
        // a replica's clock was wrong when it was filled, so that it saw none of them.)
        for name in index::with(|index| index.unknown(db, user, usize::MAX, OwnedName::new)) {
            if let Ok(key) = self.read(name.name(), Look::Peek) {
                index::learn(db, user, name.name().bytes(), &key);
            }
        }
        // What was found to be gone may have left few.
        index::with(|index| index.is_crowd(db, user))
    }

    /// Whether the caller is shown all keys that there are.
    fn sees_all(&self, caller: &Caller<'_>) -> bool {
        !self.in_cluster() && caller.may_all()
    }

    /// A page of the live sessions of a crowd.
    fn crowd_page(&self, user: &[u8], page: Page) -> Result<Vec<OwnedName>> {
        let (db, now, caller) = (self.db(), self.now(), self.caller());
        if self.sees_all(&caller) {
            let Page { offset, count } = page;
            return Ok(index::with(|index| index.latest(db, user, now, (offset, count), OwnedName::new)));
        }
        let seen = self.crowd_in_sight(user, &caller)?;
        let page =
            page.of(seen, |(a, of_a), (b, of_b)| latest_first((of_a.accessed, a.name()), (of_b.accessed, b.name())));
        Ok(page.into_iter().map(|(name, _)| name).collect())
    }

    /// The live sessions of a crowd that the caller may read, and this node may show.
    fn crowd_in_sight(&self, user: &[u8], caller: &Caller<'_>) -> Result<Vec<(OwnedName, Stamp)>> {
        let mut live = self.crowd_live(user);
        live.retain(|(name, _)| caller.may(Permission::Read, name.name()));
        self.keep_served(&mut live, |(name, _)| name.name().bytes())?;
        Ok(live)
    }

    /// The live sessions of a crowd, as the index knows them, in the order in which they arrived.
    fn crowd_live(&self, user: &[u8]) -> Vec<(OwnedName, Stamp)> {
        let (db, now): (_, Millis) = (self.db(), self.now());
        let all = index::with(|index| index.entries(db, user, |key, stamp| (OwnedName::new(key), stamp)));
        let known = all.into_iter().filter_map(|(name, stamp)| Some((name, stamp?)));
        known.filter(|(_, stamp)| !stamp.snapshot && stamp.ends > now).collect()
    }
}

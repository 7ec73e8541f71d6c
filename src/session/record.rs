//! A session: its metadata, its user and its fields, and what a command finds of it.

use super::fields::FieldsView;
use super::time::{Millis, Times};

/// All that a session is but its user and its fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Meta {
    /// When it began, when it was last used, what ends it.
    pub times: Times,
    /// 1 at creation; a change of data adds 1.
    pub version: u64,
    /// Set on the snapshot that a rotation leaves behind for requests in flight: when it goes.
    pub grace: Option<Millis>,
}

impl Meta {
    /// When the session ends if it is not used again. A snapshot ends at its grace or at the deadline that the session
    /// had, whichever comes first.
    pub fn deadline(&self) -> Option<Millis> {
        match (self.grace, self.times.deadline()) {
            (Some(grace), Some(deadline)) => Some(grace.min(deadline)),
            (grace, deadline) => grace.or(deadline),
        }
    }

    /// Whether it is of a live session, no snapshot.
    pub fn live(&self, now: Millis) -> bool {
        self.grace.is_none() && !self.ended(now)
    }

    /// Whether the deadline has come. At the deadline itself it has.
    pub fn ended(&self, now: Millis) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }
}

/// A session, as it is read from its record: the bytes of [`super::Effect::snapshot`], which are the value in memory, in a
/// file and on the way to a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Session<'s> {
    /// Its metadata.
    pub meta: Meta,
    /// Whose it is; nobody's while anonymous.
    pub user: Option<&'s [u8]>,
    /// Its data.
    pub fields: FieldsView<'s>,
}

/// What a command finds at a key.
#[derive(Clone, Copy, Debug)]
pub enum State<'s> {
    /// Nothing, or a session past its deadline.
    Missing,
    /// A live session.
    Live(Session<'s>),
    /// The snapshot that a rotation left behind: to be read, not to be written.
    Frozen(Session<'s>),
}

impl<'s> State<'s> {
    /// What a stored session is at this time.
    pub fn of(session: Option<Session<'s>>, now: Millis) -> Self {
        match session {
            Some(s) if s.meta.ended(now) => State::Missing,
            Some(s) if s.meta.grace.is_some() => State::Frozen(s),
            Some(s) => State::Live(s),
            None => State::Missing,
        }
    }

    /// The session that a read sees.
    pub fn readable(self) -> Option<Session<'s>> {
        match self {
            State::Missing => None,
            State::Live(s) | State::Frozen(s) => Some(s),
        }
    }

    /// The session, if it is live and no snapshot.
    pub fn live(self) -> Option<Session<'s>> {
        match self {
            State::Live(s) => Some(s),
            State::Missing | State::Frozen(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::End;
    use super::*;

    fn session(grace: Option<Millis>) -> Session<'static> {
        let times = Times { created: 0, accessed: 0, idle: Some(100), end: End::Never };
        Session { meta: Meta { times, version: 1, grace }, ..Session::default() }
    }

    #[test]
    fn a_session_is_missing_from_its_deadline_on() {
        let s = session(None);
        assert!(State::of(Some(s), 99).live().is_some());
        assert!(State::of(Some(s), 100).readable().is_none());
        assert!(State::of(None, 0).readable().is_none());
    }

    #[test]
    fn a_snapshot_goes_at_its_grace_or_at_its_old_deadline() {
        let s = session(Some(10));
        assert!(State::of(Some(s), 9).live().is_none());
        assert!(State::of(Some(s), 9).readable().is_some());
        assert!(State::of(Some(s), 10).readable().is_none());
        assert_eq!(session(Some(1_000)).meta.deadline(), Some(100));
    }
}

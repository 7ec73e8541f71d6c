//! A session: its times, its user and its fields, how it is read from its bytes, and what a command finds of it.

use super::fields::FieldsView;
use super::layout::{part, word, Head, HEAD};
use super::time::{Millis, Times, MAX_TIME};
use super::wire::{bytes_len, put_bytes, Reader};

/// A session. It is read from its record: the bytes that are the value in memory, in a file and on the way to a replica,
/// see [`super::layout`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Session<'s> {
    /// When it began, when it was last used, what ends it.
    pub times: Times,
    /// 1 at creation; a change of data adds 1.
    pub version: u64,
    /// Whose it is; nobody's while anonymous.
    pub user: Option<&'s [u8]>,
    /// What makes it the snapshot that a rotation left behind.
    pub snapshot: Option<Snapshot<'s>>,
    /// Its data.
    pub fields: FieldsView<'s>,
}

/// What a rotation leaves with the snapshot at the old key, for requests in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot<'s> {
    /// When it goes.
    pub grace: Millis,
    /// A fingerprint of the rotation's arguments: the same request again is answered, and not carried out.
    pub request: u64,
    /// The key that the session has now. A secret: whoever has the old id must not learn it.
    pub successor: &'s [u8],
}

impl Snapshot<'_> {
    /// Appends it.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let [g0, g1, g2, g3, g4, g5, ..] = word(self.grace, MAX_TIME);
        out.extend_from_slice(&[g0, g1, g2, g3, g4, g5]);
        out.extend_from_slice(&self.request.to_le_bytes());
        put_bytes(out, self.successor);
    }

    /// How many bytes [`Snapshot::put`] appends.
    pub(super) fn len(&self) -> usize {
        const FIXED: usize = 14;
        bytes_len(self.successor).saturating_add(FIXED)
    }
}

impl<'s> Snapshot<'s> {
    /// Takes one from the front of what is read.
    pub(super) fn read(r: &mut Reader<'s>) -> Option<Self> {
        let [g0, g1, g2, g3, g4, g5] = r.array()?;
        let request = u64::from_le_bytes(r.array()?);
        let grace = Millis::from_le_bytes([g0, g1, g2, g3, g4, g5, 0, 0]);
        Some(Snapshot { grace, request, successor: r.bytes()? })
    }
}

impl<'s> Session<'s> {
    /// Reads a record, which was checked when it was stored.
    #[inline]
    pub fn of(record: &'s [u8]) -> Self {
        let read = Self::read(record);
        debug_assert!(read.is_some(), "a stored record is whole: {record:?}");
        read.unwrap_or_default()
    }

    #[inline]
    fn read(record: &'s [u8]) -> Option<Self> {
        let (head, rest) = record.split_first_chunk::<HEAD>()?;
        let Head { parts, times } = Head::read(head);
        let mut r = Reader::new(rest);
        let version = r.int()?;
        let user = if parts & part::USER != 0 { Some(r.bytes()?) } else { None };
        let snapshot = if parts & part::SNAPSHOT != 0 { Some(Snapshot::read(&mut r)?) } else { None };
        let fields = if parts & part::FIELDS != 0 {
            let count = r.int()?;
            FieldsView::trusted(count, r.rest())
        } else {
            FieldsView::default()
        };
        Some(Session { times, version, user, snapshot, fields })
    }

    /// The user alone.
    pub fn user_of(record: &'s [u8]) -> Option<&'s [u8]> {
        let (head, rest) = record.split_first_chunk::<HEAD>()?;
        let mut r = Reader::new(rest);
        r.int()?;
        if Head::read(head).parts & part::USER != 0 {
            r.bytes()
        } else {
            None
        }
    }

    /// Writes other times into a record. What else it holds stays, and where it stands.
    pub fn set_times(record: &mut [u8], times: Times) {
        if let Some(head) = record.first_chunk_mut::<HEAD>() {
            *head = Head { parts: Head::read(head).parts, times }.bytes();
        }
    }

    /// When the session ends if it is not used again. A snapshot ends at its grace or at the deadline that the session
    /// had, whichever comes first.
    pub fn deadline(&self) -> Option<Millis> {
        match (self.snapshot, self.times.deadline()) {
            (Some(Snapshot { grace, .. }), Some(deadline)) => Some(grace.min(deadline)),
            (snapshot, deadline) => snapshot.map(|s| s.grace).or(deadline),
        }
    }

    /// Whether the deadline has come. At the deadline itself it has.
    pub fn ended(&self, now: Millis) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether it is a live session, and no snapshot.
    pub fn live(&self, now: Millis) -> bool {
        self.snapshot.is_none() && !self.ended(now)
    }
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
    #[inline]
    pub fn of(session: Option<Session<'s>>, now: Millis) -> Self {
        match session {
            Some(s) if s.ended(now) => State::Missing,
            Some(s) if s.snapshot.is_some() => State::Frozen(s),
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
        let snapshot = grace.map(|grace| Snapshot { grace, request: 1, successor: b"new" });
        Session { times, version: 1, snapshot, ..Session::default() }
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
        assert_eq!(session(Some(1_000)).deadline(), Some(100));
    }
}

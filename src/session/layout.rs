//! The layout of a session's bytes: one for the value in memory, for files, and for the effects that replicas and the AOF
//! get.
//!
//! ```text
//! offset
//!  0       format       1 byte: 1
//!  1       parts        2 bytes: which parts follow, and what is done with them; see [`part`]
//!  3       created      6 bytes   ┐
//!  9       accessed     6 bytes   │ Unix times and spans in milliseconds, the lowest byte first. Their places are fixed, so
//! 15       idle         5 bytes   │ that a touch stores six bytes and copies nothing. An idle timeout of 0 is none.
//! 20       end          6 bytes   ┘ The end is a span (LIFETIME), a time (ENDS_AT), or 0
//! 26       version      an integer, from 1 to that of 63 bits
//!          user         length and bytes, if USER
//!          snapshot     grace (6 bytes), request (8 bytes), successor (length and bytes), if SNAPSHOT
//!          removed      count, then length and bytes of each name, if REMOVED
//!          fields       count, then entries as in [`super::fields`], if FIELDS
//! ```
//!
//! Integers without a width are LEB128 in their shortest form. A part is there only where it says something, so that equal
//! sessions are equal bytes. Bits that this version does not know stand for parts of a later one: it refuses them.

use super::time::{End, Millis, Times, MAX_TIME, MAX_TIMEOUT};

/// The number of the layout.
pub const FORMAT: u8 = 1;

/// The highest version: the highest integer of a reply. There it stays.
pub const MAX_VERSION: u64 = i64::MAX as u64;

/// Bytes before the version.
pub const HEAD: usize = 26;

/// The bits of `parts`.
pub mod part {
    /// A user follows.
    pub const USER: u16 = 1;
    /// Fields follow.
    pub const FIELDS: u16 = 1 << 1;
    /// What makes it a snapshot follows.
    pub const SNAPSHOT: u16 = 1 << 2;
    /// The end is a span after the creation.
    pub const LIFETIME: u16 = 1 << 3;
    /// The end is a point in time.
    pub const ENDS_AT: u16 = 1 << 4;
    /// The session becomes what follows, whatever it was. In every stored session.
    pub const WHOLE: u16 = 1 << 5;
    /// Of an effect: the key's own expiry stays as it is.
    pub const KEEPTTL: u16 = 1 << 6;
    /// Of an effect: the session becomes nobody's.
    pub const NOUSER: u16 = 1 << 7;
    /// Of an effect: names of removed fields follow.
    pub const REMOVED: u16 = 1 << 8;
    /// Of an effect: all fields go before those that follow are set.
    pub const CLEAR: u16 = 1 << 9;
    /// All of these.
    pub const KNOWN: u16 = (1 << 10) - 1;
}

/// What has fixed places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Which parts follow.
    pub parts: u16,
    /// The session's times.
    pub times: Times,
}

impl Head {
    /// As bytes.
    pub fn bytes(&self) -> [u8; HEAD] {
        let (kind, end) = match self.times.end {
            End::Never => (0, 0),
            End::Lifetime(span) => (part::LIFETIME, span),
            End::At(time) => (part::ENDS_AT, time),
        };
        let [p0, p1] = (self.parts & !(part::LIFETIME | part::ENDS_AT) | kind).to_le_bytes();
        let [c0, c1, c2, c3, c4, c5, ..] = word(self.times.created, MAX_TIME);
        let [a0, a1, a2, a3, a4, a5, ..] = word(self.times.accessed, MAX_TIME);
        let [i0, i1, i2, i3, i4, ..] = word(self.times.idle.unwrap_or(0), MAX_TIMEOUT);
        let [e0, e1, e2, e3, e4, e5, ..] = word(end, MAX_TIME);
        [FORMAT, p0, p1, c0, c1, c2, c3, c4, c5, a0, a1, a2, a3, a4, a5, i0, i1, i2, i3, i4, e0, e1, e2, e3, e4, e5]
    }

    /// Reads bytes that were checked when they were stored.
    #[inline]
    pub fn read(bytes: &[u8; HEAD]) -> Self {
        let [_, p0, p1, c0, c1, c2, c3, c4, c5, a0, a1, a2, a3, a4, a5, i0, i1, i2, i3, i4, e0, e1, e2, e3, e4, e5] =
            *bytes;
        let parts = u16::from_le_bytes([p0, p1]);
        let number = Millis::from_le_bytes;
        let idle = number([i0, i1, i2, i3, i4, 0, 0, 0]);
        let end = number([e0, e1, e2, e3, e4, e5, 0, 0]);
        let times = Times {
            created: number([c0, c1, c2, c3, c4, c5, 0, 0]),
            accessed: number([a0, a1, a2, a3, a4, a5, 0, 0]),
            idle: (idle > 0).then_some(idle),
            end: match parts & (part::LIFETIME | part::ENDS_AT) {
                part::LIFETIME => End::Lifetime(end),
                part::ENDS_AT => End::At(end),
                _ => End::Never,
            },
        };
        Head { parts, times }
    }

    /// Reads bytes from outside: nothing where they are not what [`Head::bytes`] would have written.
    pub fn check(bytes: &[u8; HEAD]) -> Option<Self> {
        let head = Head::read(bytes);
        let Times { created, accessed, idle, end } = head.times;
        let fits = |time: Millis, most: Millis| (0..=most).contains(&time);
        let end_fits = match end {
            End::Never => true,
            End::Lifetime(span) => span > 0 && fits(span, MAX_TIMEOUT),
            End::At(time) => time > 0 && fits(time, MAX_TIME),
        };
        let all_fit = fits(created, MAX_TIME) && fits(accessed, MAX_TIME) && fits(idle.unwrap_or(0), MAX_TIMEOUT);
        (all_fit && end_fits && head.bytes() == *bytes).then_some(head)
    }
}

/// A time as bytes, within what its place holds.
#[inline]
pub fn word(time: Millis, most: Millis) -> [u8; 8] {
    time.clamp(0, most).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_times_fit_their_places() {
        const { assert!(MAX_TIME < 1 << 48 && MAX_TIMEOUT < 1 << 40) };
        let times = Times { created: MAX_TIME, accessed: MAX_TIME, idle: Some(MAX_TIMEOUT), end: End::At(MAX_TIME) };
        let head = Head { parts: part::WHOLE | part::ENDS_AT, times };
        assert_eq!(Head::check(&head.bytes()), Some(head));
    }

    #[test]
    fn an_end_of_both_kinds_or_of_none_is_refused() {
        let times = Times { created: 1, accessed: 2, idle: None, end: End::Lifetime(3) };
        let good = Head { parts: part::LIFETIME, times }.bytes();
        for parts in [0, part::LIFETIME | part::ENDS_AT] {
            let mut bad = good;
            bad[1] = parts as u8;
            assert_eq!(Head::check(&bad), None, "{parts}");
        }
        let mut nothing = Head { parts: 0, times: Times { end: End::Never, ..times } }.bytes();
        assert!(Head::check(&nothing).is_some());
        nothing[1] = part::LIFETIME as u8;
        assert_eq!(Head::check(&nothing), None, "a lifetime of 0");
    }
}

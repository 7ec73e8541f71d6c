//! The layout of a session's bytes: one for the value in memory, for files, and for the effects that replicas and the AOF
//! get.
//!
//! ```text
//! offset
//!  0       format, parts      2 bytes: 4 bits, the number of this layout, 1; and 12 bits, which parts follow, and what
//!                             is done with them; see [`part`]
//!  2       created, accessed  11 bytes: 44 bits each   ┐ Unix times and spans in milliseconds, the lowest byte first.
//! 13       idle               5 bytes                  │ Their places are fixed, so that a touch stores some bytes and
//! 18       end                6 bytes                  ┘ copies nothing. An idle timeout of 0 is none; the end is a span
//!                             (LIFETIME), a time (ENDS_AT), or 0
//! 24       version            an integer, from 1 to that of 63 bits
//!          user               length and bytes, if USER
//!          snapshot           grace (6 bytes), request (8 bytes), successor (length and bytes), if SNAPSHOT
//!          removed            count, then length and bytes of each name, if REMOVED
//!          fields             count, then entries as in [`super::fields`], if FIELDS
//! ```
//!
//! Integers without a width are LEB128 in their shortest form. A part is there only where it says something, so that equal
//! sessions are equal bytes. Bits that this version does not know stand for parts of a later one: it refuses them.

use super::time::{End, Millis, Times, MAX_TIME, MAX_TIMEOUT};

/// The number of the layout.
pub const FORMAT: u8 = 1;

/// The highest version: the highest integer of a reply. There it stays.
pub const MAX_VERSION: u64 = i64::MAX as u64;

/// The latest time of a clock that a session can hold, of its creation or access: 44 bits, in the year 2527. (Its end may be
/// later.)
pub const MAX_CLOCK: Millis = (1 << CLOCK) - 1;

/// Bits of such a time.
const CLOCK: u32 = 44;

/// Bytes before the version.
pub const HEAD: usize = 24;

/// Bits of the format, before those of the parts.
const FORMAT_BITS: u32 = 4;

/// The bits of `parts`, twelve at most; the last of them will say that more follow.
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
        let parts = self.parts & !(part::LIFETIME | part::ENDS_AT) | kind;
        let [p0, p1] = (parts << FORMAT_BITS | u16::from(FORMAT)).to_le_bytes();
        let clock = |time: Millis| u128::from(time.clamp(0, MAX_CLOCK).unsigned_abs());
        let both = clock(self.times.created) | clock(self.times.accessed) << CLOCK;
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, ..] = both.to_le_bytes();
        let [i0, i1, i2, i3, i4, ..] = word(self.times.idle.unwrap_or(0), MAX_TIMEOUT);
        let [e0, e1, e2, e3, e4, e5, ..] = word(end, MAX_TIME);
        [p0, p1, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, i0, i1, i2, i3, i4, e0, e1, e2, e3, e4, e5]
    }

    /// The number of the layout and the parts, of bytes that begin so; nothing of fewer.
    pub fn format_and_parts(bytes: &[u8]) -> Option<(u8, u16)> {
        let word = u16::from_le_bytes(*bytes.first_chunk()?);
        Some(((word & 0x0f) as u8, word >> FORMAT_BITS))
    }

    /// Reads bytes that were checked when they were stored.
    #[inline]
    pub fn read(bytes: &[u8; HEAD]) -> Self {
        let [p0, p1, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, i0, i1, i2, i3, i4, e0, e1, e2, e3, e4, e5] = *bytes;
        let parts = u16::from_le_bytes([p0, p1]) >> FORMAT_BITS;
        let number = Millis::from_le_bytes;
        let idle = number([i0, i1, i2, i3, i4, 0, 0, 0]);
        let end = number([e0, e1, e2, e3, e4, e5, 0, 0]);
        let created = number([t0, t1, t2, t3, t4, t5, 0, 0]) & MAX_CLOCK;
        // The other time begins in the middle of a byte.
        let accessed = number([t5, t6, t7, t8, t9, ta, 0, 0]) >> (CLOCK % 8);
        let times = Times {
            created,
            accessed,
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
        let all_fit = fits(created, MAX_CLOCK) && fits(accessed, MAX_CLOCK) && fits(idle.unwrap_or(0), MAX_TIMEOUT);
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
        const { assert!(MAX_TIME < 1 << 48 && MAX_TIMEOUT < 1 << 40 && part::KNOWN < 1 << 12) };
        let times = Times { created: MAX_CLOCK, accessed: MAX_CLOCK, idle: Some(MAX_TIMEOUT), end: End::At(MAX_TIME) };
        let head = Head { parts: part::WHOLE | part::ENDS_AT, times };
        assert_eq!(Head::check(&head.bytes()), Some(head));
    }

    #[test]
    fn two_times_share_a_byte_and_are_apart() {
        for (created, accessed) in [(0, MAX_CLOCK), (MAX_CLOCK, 0), (1, 1 << 43), (1 << 43, 1), (1_700_000_000_000, 5)]
        {
            let times = Times { created, accessed, idle: None, end: End::Never };
            assert_eq!(Head::read(&Head { parts: 0, times }.bytes()).times, times);
        }
    }

    #[test]
    fn an_end_of_both_kinds_or_of_none_is_refused() {
        let times = Times { created: 1, accessed: 2, idle: None, end: End::Lifetime(3) };
        let good = Head { parts: part::LIFETIME, times }.bytes();
        for parts in [0, part::LIFETIME | part::ENDS_AT] {
            let mut bad = good;
            bad[0..2].copy_from_slice(&(parts << FORMAT_BITS | u16::from(FORMAT)).to_le_bytes());
            assert_eq!(Head::check(&bad), None, "{parts}");
        }
        let mut nothing = Head { parts: 0, times: Times { end: End::Never, ..times } }.bytes();
        assert!(Head::check(&nothing).is_some());
        nothing[0..2].copy_from_slice(&(part::LIFETIME << FORMAT_BITS | u16::from(FORMAT)).to_le_bytes());
        assert_eq!(Head::check(&nothing), None, "a lifetime of 0");
    }
}

//! What `INFO session` tells: what is there now, and what happened since the start.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Something that is counted, on the server where the command ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// Sessions begun by SET and NEW.
    Created,
    /// Sessions ended by a SESSION command, in whatever way.
    Ended,
    /// Sessions that ran out.
    Expired,
    /// Sessions that the server gave up for memory.
    Evicted,
    /// Of those ended: by REVOKE.
    Revoked,
    /// Sessions that took a new key.
    Rotated,
    /// Sessions kept alive by TOUCH and GETEX.
    Touched,
    /// Touches that `session.touch-interval-ms` absorbed.
    TouchesAbsorbed,
    /// Writes refused by MAXSESSIONS.
    LimitRejected,
    /// Of those ended: to make room under MAXSESSIONS.
    LimitEnded,
}

/// All counters with their names, in the order in which they are shown.
pub const COUNTERS: [(Counter, &str); 10] = [
    (Counter::Created, "created"),
    (Counter::Ended, "ended"),
    (Counter::Expired, "expired"),
    (Counter::Evicted, "evicted"),
    (Counter::Revoked, "revoked"),
    (Counter::Rotated, "rotated"),
    (Counter::Touched, "touched"),
    (Counter::TouchesAbsorbed, "touches_absorbed"),
    (Counter::LimitRejected, "limit_rejected"),
    (Counter::LimitEnded, "limit_ended"),
];

static COUNTS: [AtomicU64; COUNTERS.len()] = [const { AtomicU64::new(0) }; COUNTERS.len()];

/// Counts one.
pub fn count(counter: Counter) {
    if let Some(count) = COUNTS.get(counter as usize) {
        count.fetch_add(1, Relaxed);
    }
}

/// How many there have been since the start.
pub fn counted(counter: Counter) -> u64 {
    COUNTS.get(counter as usize).map_or(0, |count| count.load(Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_own_place() {
        for (i, (counter, _)) in COUNTERS.iter().enumerate() {
            assert_eq!(*counter as usize, i);
        }
        count(Counter::LimitEnded);
        assert_eq!((counted(Counter::LimitEnded), counted(Counter::LimitRejected)), (1, 0));
    }
}

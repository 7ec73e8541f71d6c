//! Deadlines: an idle timeout that slides and an end that does not.

/// Unix time, or a span of it, in milliseconds.
pub type Millis = i64;

/// The longest idle timeout and the longest lifetime: 10 years of 365 days.
pub const MAX_TIMEOUT: Millis = 10 * 365 * 24 * 3600 * 1000;

/// The latest point in time that a command or a payload may name: the last millisecond of the year 9999.
pub const MAX_TIME: Millis = 253_402_300_799_999;

/// The absolute limit of a session, which no access moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum End {
    /// None: only the idle timeout, if any, ends the session.
    #[default]
    Never,
    /// This long after the session's creation.
    Lifetime(Millis),
    /// At this time.
    At(Millis),
}

/// When a session began, when it was last used, and what ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// When the session began for its present user.
    pub created: Millis,
    /// When it was last written or touched.
    pub accessed: Millis,
    /// How long it may go without access.
    pub idle: Option<Millis>,
    /// What ends it whatever happens.
    pub end: End,
}

impl Times {
    /// When the session ends whatever happens.
    pub fn end_at(&self) -> Option<Millis> {
        match self.end {
            End::Never => None,
            End::Lifetime(span) => Some(self.created.saturating_add(span)),
            End::At(time) => Some(time),
        }
    }

    /// When the session ends if it is not used again: the earlier of its idle timeout and its end.
    pub fn deadline(&self) -> Option<Millis> {
        let idle = self.idle.map(|idle| self.accessed.saturating_add(idle));
        match (idle, self.end_at()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Whether a command says nothing of timeouts that is not so already.
    pub fn agree_with(&self, change: &TimesChange) -> bool {
        change.idle.is_none_or(|idle| idle == self.idle) && change.end.is_none_or(|end| end == self.end)
    }

    /// Applies what a command says of timeouts; what it leaves out stays.
    pub fn adjust(&mut self, change: &TimesChange) {
        if let Some(idle) = change.idle {
            self.idle = idle;
        }
        if let Some(end) = change.end {
            self.end = end;
        }
    }
}

/// A time of `n` units of so many milliseconds, if it is from 1 ms to `most`.
pub fn timeout(n: i64, unit: Millis, most: Millis) -> Option<Millis> {
    n.checked_mul(unit).filter(|time| (1..=most).contains(time))
}

/// What a command says of timeouts: `[EX | PX | PERSIST] [LIFETIME | PLIFETIME | EXAT | PXAT | NOLIFETIME]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimesChange {
    /// A new idle timeout, or none from now on.
    pub idle: Option<Option<Millis>>,
    /// A new end.
    pub end: Option<End>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(idle: Option<Millis>, end: End) -> Times {
        Times { created: 1_000, accessed: 5_000, idle, end }
    }

    #[test]
    fn the_deadline_is_the_earlier_of_idle_and_end() {
        assert_eq!(times(None, End::Never).deadline(), None);
        assert_eq!(times(Some(100), End::Never).deadline(), Some(5_100));
        assert_eq!(times(None, End::Lifetime(9_000)).deadline(), Some(10_000));
        assert_eq!(times(Some(100), End::Lifetime(9_000)).deadline(), Some(5_100));
        assert_eq!(times(Some(100), End::At(5_050)).deadline(), Some(5_050));
    }

    #[test]
    fn far_times_saturate() {
        let far = Times { created: Millis::MAX, accessed: Millis::MAX, idle: Some(1), end: End::Lifetime(1) };
        assert_eq!(far.deadline(), Some(Millis::MAX));
    }

    #[test]
    fn a_change_of_one_timeout_leaves_the_other() {
        let mut t = times(Some(100), End::Lifetime(9_000));
        t.adjust(&TimesChange { idle: Some(None), end: None });
        assert_eq!((t.idle, t.end), (None, End::Lifetime(9_000)));
        t.adjust(&TimesChange { idle: Some(Some(7)), end: Some(End::Never) });
        assert_eq!((t.idle, t.end), (Some(7), End::Never));
    }
}

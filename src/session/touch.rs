//! What keeping a session alive decides, and changing its timeouts: one question, since an application may name its
//! timeouts on every request.

use super::record::Session;
use super::time::{Millis, Times, TimesChange};

/// What a touch comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Nothing: the session was touched a moment ago.
    Absorbed,
    /// The deadline slides.
    Slid(Times),
    /// The timeouts change, and the idle clock restarts.
    Adjusted(Times),
    /// With these timeouts the session would be past its deadline: it ends.
    End,
}

impl Session<'_> {
    /// Touches it, with other timeouts where they are given. Where it has them already, this is a touch like any other: it
    /// is absorbed if the last one was less than `interval` ago, and less than a tenth of the idle timeout ago.
    pub fn touch(&self, change: &TimesChange, interval: Millis, now: Millis) -> Touch {
        let mut times = self.times;
        let changes = !times.agree_with(change);
        if !changes {
            let span = times.idle.map_or(interval, |idle| interval.min(idle / 10));
            if (0..span).contains(&now.saturating_sub(times.accessed)) {
                return Touch::Absorbed;
            }
        }
        times.accessed = now;
        times.adjust(change);
        match times.deadline() {
            Some(deadline) if deadline <= now => Touch::End,
            _ if changes => Touch::Adjusted(times),
            _ => Touch::Slid(times),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::End;
    use super::*;

    fn session(idle: Option<Millis>) -> Session<'static> {
        let times = Times { created: 0, accessed: 1_000, idle, end: End::At(9_000) };
        Session { times, version: 1, ..Session::default() }
    }

    fn at(session: Session<'_>, interval: Millis, now: Millis) -> bool {
        session.touch(&TimesChange::default(), interval, now) == Touch::Absorbed
    }

    #[test]
    fn a_touch_is_absorbed_within_the_interval_and_a_tenth_of_the_idle_timeout() {
        assert!(!at(session(Some(1_000)), 0, 1_000));
        assert!(at(session(Some(1_000)), 500, 1_099));
        assert!(!at(session(Some(1_000)), 500, 1_100));
        assert!(at(session(None), 500, 1_499));
        assert!(!at(session(None), 500, 1_500));
        assert!(!at(session(None), 500, 999), "a clock that went back");
    }

    #[test]
    fn times_that_it_has_are_a_touch_and_others_are_not() {
        let s = session(Some(1_000));
        let times = Times { accessed: 1_050, ..s.times };
        let change = |idle, end| TimesChange { idle, end };
        let same = change(Some(Some(1_000)), Some(End::At(9_000)));
        assert_eq!(s.touch(&same, 0, 1_050), Touch::Slid(times));
        assert_eq!(s.touch(&same, 100, 1_050), Touch::Absorbed);
        let other = change(Some(None), None);
        assert_eq!(s.touch(&other, 100, 1_050), Touch::Adjusted(Times { idle: None, ..times }));
        // The same point in time, said in another way, is another end.
        let end = change(None, Some(End::Lifetime(9_000)));
        assert!(matches!(s.touch(&end, 100, 1_050), Touch::Adjusted(_)));
    }

    #[test]
    fn an_end_that_is_past_ends_it() {
        let change = TimesChange { idle: None, end: Some(End::At(1_050)) };
        assert_eq!(session(None).touch(&change, 0, 1_050), Touch::End);
        assert!(matches!(session(None).touch(&change, 0, 1_049), Touch::Adjusted(_)));
    }
}

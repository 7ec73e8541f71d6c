//! What a write decides, given the session that is there, the request and the time.

use super::caps;
use super::effect::{Effect, UserChange};
use super::fields::{Field, Fields, FieldsView, Kind};
use super::record::{Meta, Session, State};
use super::time::{Millis, Times, TimesChange};
use std::fmt;

/// When a write is carried out at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only if there is no session: `NX`.
    Missing,
    /// Only if there is one: `XX`.
    Exists,
    /// Only if there is one of this version: `IFVERSION`, compare-and-set.
    Version(u64),
}

/// A write as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Write<'a> {
    /// When to carry it out.
    pub condition: Condition,
    /// Whether fields that are not named go.
    pub replace: bool,
    /// What becomes of the user.
    pub user: UserChange<'a>,
    /// What becomes of the timeouts.
    pub times: TimesChange,
    /// Whether the deadline stays where it is instead of sliding.
    pub keep_ttl: bool,
    /// Fields to remove.
    pub removed: Vec<&'a [u8]>,
    /// Fields to set.
    pub fields: FieldsView<'a>,
    /// Whether it names data, so that the version counts on, even if the bytes stay equal.
    pub names_data: bool,
}

/// The rules of this server for writes of clients.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The timeouts of a new session that brings none.
    pub idle: Option<Millis>,
    /// The end of a new session that brings none.
    pub end: super::End,
    /// The most fields of a session.
    pub max_fields: usize,
    /// The most bytes of names and values of a session.
    pub max_bytes: usize,
}

/// Why a write is refused; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The key holds the snapshot of a rotated session.
    Gone,
    /// It would pass the most fields.
    Fields(usize),
    /// It would pass the most bytes.
    Bytes(usize),
    /// The value of the field is not an integer, or the sum is out of range.
    NotInteger,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Gone => f.write_str("SESSIONGONE the session was rotated, this is its frozen snapshot"),
            Refusal::Fields(max) => write!(f, "ERR session would have more than {max} fields (session.max-fields)"),
            Refusal::Bytes(max) => write!(f, "ERR session would have more than {max} bytes (session.max-bytes)"),
            Refusal::NotInteger => f.write_str("ERR value is not an integer or out of range"),
        }
    }
}

/// A change that was decided on.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// What to apply and to propagate.
    pub effect: Effect<'a>,
    /// The fields afterwards, where they change on a session that is there.
    pub fields: Option<Fields>,
}

/// What a write comes to.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The condition is not met: nothing happens.
    Unmet,
    /// The session changes, or begins.
    Change(Change<'a>),
    /// The session would be past its deadline: it ends, or does not begin. The version that it would have had.
    End(u64),
}

impl<'a> Write<'a> {
    /// Decides: checks everything, changes nothing. O(bytes of the session).
    pub fn decide(&self, state: State<'_>, rules: &Rules, now: Millis) -> Result<Outcome<'a>, Refusal> {
        let Some(session) = self.target(state)? else { return Ok(Outcome::Unmet) };
        let (effect, fields) = match session {
            None => (self.begin(rules, now), None),
            Some(session) => {
                let effect = self.alter(&session, now);
                let fields = effect.merged(session.fields);
                (effect, fields)
            }
        };
        let after = fields.as_ref().map_or(effect.fields, Fields::view);
        check_size(session.map(|s| s.fields).unwrap_or_default(), after, rules)?;
        if effect.meta.ended(now) {
            return Ok(Outcome::End(effect.meta.version));
        }
        Ok(Outcome::Change(Change { effect, fields }))
    }

    /// The session that is written to, none where one begins; nothing where the condition is not met.
    pub fn target<'s>(&self, state: State<'s>) -> Result<Option<Option<Session<'s>>>, Refusal> {
        match (state, self.condition) {
            (State::Live(_) | State::Frozen(_), Condition::Missing) => Ok(None),
            (State::Frozen(_), _) => Err(Refusal::Gone),
            (State::Missing, Condition::Exists | Condition::Version(_)) => Ok(None),
            (State::Live(s), Condition::Version(v)) if s.meta.version != v => Ok(None),
            (State::Missing, _) => Ok(Some(None)),
            (State::Live(s), _) => Ok(Some(Some(s))),
        }
    }

    /// The same for a rotation: of a session that is there, and always a new version.
    pub fn of_existing(mut self) -> Self {
        if self.condition == Condition::None {
            self.condition = Condition::Exists;
        }
        self.names_data = true;
        self
    }

    fn begin(&self, rules: &Rules, now: Millis) -> Effect<'a> {
        let mut times = Times { created: now, accessed: now, idle: rules.idle, end: rules.end };
        times.adjust(&self.times);
        Effect {
            meta: Meta { times, version: 1, grace: None },
            whole: true,
            user: if let UserChange::Set(_) = self.user { self.user } else { UserChange::Keep },
            fields: self.fields,
            ..Effect::default()
        }
    }

    fn alter(&self, session: &Session<'_>, now: Millis) -> Effect<'a> {
        let meta = self.meta(session, now);
        Effect {
            meta,
            whole: false,
            // A deadline that moves without an access, because `created` restarts or a timeout changes, takes the key's
            // expiry along.
            keep_ttl: self.keep_ttl && meta.deadline() == session.meta.deadline(),
            clear: self.replace,
            user: self.user,
            removed: if self.replace { Vec::new() } else { self.removed.clone() },
            fields: self.fields,
        }
    }

    /// The metadata of `session` after this write.
    fn meta(&self, session: &Session<'_>, now: Millis) -> Meta {
        let mut meta = session.meta;
        if !self.keep_ttl {
            meta.times.accessed = now;
        }
        meta.times.adjust(&self.times);
        let keeps_user = match self.user {
            UserChange::Keep => true,
            UserChange::Set(user) => session.user == Some(user),
            UserChange::Clear => session.user.is_none(),
        };
        if !keeps_user {
            meta.times.created = now;
        }
        if self.names_data {
            meta.version = meta.version.saturating_add(1);
        }
        meta
    }
}

/// A write that would pass a limit is refused; one that only leaves a session less far past it is not.
fn check_size(before: FieldsView<'_>, after: FieldsView<'_>, rules: &Rules) -> Result<(), Refusal> {
    let (max_fields, max_bytes) = (rules.max_fields.min(caps::FIELDS), rules.max_bytes.min(caps::BYTES));
    if after.len() > max_fields && after.len() > before.len() {
        return Err(Refusal::Fields(max_fields));
    }
    // What is packed is larger than what it holds: most sessions need no count.
    if after.packed().len() <= max_bytes {
        return Ok(());
    }
    let size = after.size();
    if size > max_bytes && size > before.size() {
        return Err(Refusal::Bytes(max_bytes));
    }
    Ok(())
}

impl Meta {
    /// The metadata after a touch, or nothing where the touch is absorbed: the session was touched less than `interval`
    /// ago, and less than a tenth of its idle timeout ago.
    pub fn touched(&self, now: Millis, interval: Millis) -> Option<Meta> {
        let span = self.times.idle.map_or(interval, |idle| interval.min(idle / 10));
        let since = now.saturating_sub(self.times.accessed);
        if (0..span).contains(&since) {
            return None;
        }
        let mut meta = *self;
        meta.times.accessed = now;
        Some(meta)
    }
}

impl Session<'_> {
    /// A counter's field after adding `by` to it: the value as it is to be stored, and the sum. A counter that is not
    /// there yet starts at 0 and is JSON.
    pub fn incremented(&self, name: &[u8], by: i64) -> Result<(i64, Kind), Refusal> {
        let (value, kind) = match self.fields.get(name) {
            None => (0, Kind::Json),
            Some(Field { value, kind, .. }) => (parse_int(value).ok_or(Refusal::NotInteger)?, kind),
        };
        Ok((value.checked_add(by).ok_or(Refusal::NotInteger)?, kind))
    }
}

/// An integer as Redis reads one: decimal, nothing around it, no leading zeros or plus sign, within 64 bits.
pub fn parse_int(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match digits {
        b"0" if bytes.len() > 1 => None,
        [b'0', _, ..] | [b'+', ..] => None,
        _ => std::str::from_utf8(bytes).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::End;
    use super::*;

    const RULES: Rules = Rules { idle: Some(1_000), end: End::Never, max_fields: 3, max_bytes: 20 };

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::of(&pairs.iter().map(|(n, v)| Field::raw(n.as_bytes(), v.as_bytes())).collect::<Vec<_>>())
    }

    fn session(fields: &Fields) -> Session<'_> {
        let times = Times { created: 0, accessed: 100, idle: Some(500), end: End::Lifetime(10_000) };
        let meta = Meta { times, version: 7, grace: None };
        Session { meta, user: Some(b"ann"), fields: fields.view() }
    }

    fn two() -> Fields {
        fields(&[("a", "1"), ("b", "2")])
    }

    fn change<'a>(write: &Write<'a>, state: State<'_>, now: Millis) -> Change<'a> {
        match write.decide(state, &RULES, now) {
            Ok(Outcome::Change(change)) => change,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_session_has_the_default_timeouts_and_version_1() {
        let f = fields(&[("a", "1")]);
        let write = Write { user: UserChange::Set(b"ann"), fields: f.view(), names_data: true, ..Write::default() };
        let effect = change(&write, State::Missing, 50).effect;
        assert!(effect.whole);
        assert_eq!(effect.meta.version, 1);
        assert_eq!(effect.meta.times, Times { created: 50, accessed: 50, idle: Some(1_000), end: End::Never });
        assert_eq!(effect.after(Session::default(), None).user, Some(&b"ann"[..]));
    }

    #[test]
    fn a_merge_counts_on_and_slides() {
        let two = two();
        let s = session(&two);
        let f = fields(&[("b", "3"), ("c", "4")]);
        let write = Write { fields: f.view(), removed: vec![b"a"], names_data: true, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!((done.effect.meta.version, done.effect.meta.times.accessed), (8, 200));
        assert_eq!(done.effect.meta.times.created, 0);
        assert_eq!(done.fields, Some(fields(&[("b", "3"), ("c", "4")])));
    }

    #[test]
    fn keepttl_does_not_slide_and_times_alone_do_not_count() {
        let two = two();
        let s = session(&two);
        let write = Write { keep_ttl: true, names_data: true, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!((done.effect.meta.times.accessed, done.effect.meta.version), (100, 8));
        let times = TimesChange { idle: Some(None), end: None };
        let done = change(&Write { times, ..Write::default() }, State::Live(s), 200);
        assert_eq!((done.effect.meta.version, done.effect.meta.times.idle), (7, None));
        assert!(done.fields.is_none());
    }

    #[test]
    fn under_keepttl_the_expiry_follows_a_deadline_that_moves_all_the_same() {
        let two = two();
        let mut s = session(&two);
        s.meta.times = Times { idle: None, ..s.meta.times };
        let times = TimesChange { idle: Some(Some(300)), end: None };
        for (write, kept, deadline) in [
            (Write::default(), true, 10_000),
            (Write { user: UserChange::Set(b"bob"), ..Write::default() }, false, 10_200),
            (Write { times, ..Write::default() }, false, 400),
        ] {
            let effect = change(&Write { keep_ttl: true, ..write }, State::Live(s), 200).effect;
            assert_eq!((effect.keep_ttl, effect.meta.deadline()), (kept, Some(deadline)));
        }
    }

    #[test]
    fn replace_drops_the_other_fields_and_leaves_user_times_and_created() {
        let two = two();
        let s = session(&two);
        let f = fields(&[("z", "9")]);
        let write = Write { replace: true, fields: f.view(), names_data: true, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!(done.fields, Some(f.clone()));
        let payload = done.effect.encode();
        let there = Effect::decode(&payload).unwrap();
        let merged = there.merged(s.fields);
        let after = there.after(s, merged.as_ref());
        assert_eq!((after.user, after.meta.times.created, after.fields), (s.user, 0, f.view()));
    }

    #[test]
    fn a_change_of_user_restarts_created() {
        let two = two();
        let s = session(&two);
        for (user, created) in [
            (UserChange::Keep, 0),
            (UserChange::Set(b"ann"), 0),
            (UserChange::Set(b"bob"), 200),
            (UserChange::Clear, 200),
        ] {
            let write = Write { user, names_data: true, ..Write::default() };
            assert_eq!(change(&write, State::Live(s), 200).effect.meta.times.created, created);
        }
    }

    #[test]
    fn conditions() {
        let two = two();
        let s = session(&two);
        let frozen = Session { meta: Meta { grace: Some(9_000), ..s.meta }, ..s };
        let cases = [
            (Condition::None, "change", "change", "gone"),
            (Condition::Missing, "change", "unmet", "unmet"),
            (Condition::Exists, "unmet", "change", "gone"),
            (Condition::Version(7), "unmet", "change", "gone"),
            (Condition::Version(6), "unmet", "unmet", "gone"),
        ];
        for (condition, missing, live, graced) in cases {
            let write = Write { condition, ..Write::default() };
            let said = |state| match write.decide(state, &RULES, 200) {
                Ok(Outcome::Unmet) => "unmet",
                Ok(Outcome::Change(_)) => "change",
                Ok(Outcome::End(_)) => "end",
                Err(_) => "gone",
            };
            assert_eq!(
                [said(State::Missing), said(State::Live(s)), said(State::Frozen(frozen))],
                [missing, live, graced],
                "{condition:?}"
            );
        }
    }

    #[test]
    fn a_deadline_that_is_past_ends_the_session() {
        let two = two();
        let s = session(&two);
        for end in [End::At(200), End::At(1), End::Lifetime(200)] {
            let write = Write { times: TimesChange { idle: None, end: Some(end) }, ..Write::default() };
            assert!(matches!(write.decide(State::Live(s), &RULES, 200), Ok(Outcome::End(7))));
        }
        let write = Write { times: TimesChange { idle: None, end: Some(End::At(200)) }, ..Write::default() };
        assert!(matches!(write.decide(State::Missing, &RULES, 200), Ok(Outcome::End(1))));
    }

    #[test]
    fn limits_refuse_growth_only() {
        let two = two();
        let s = session(&two);
        let three = fields(&[("a", "1"), ("c", "3"), ("d", "4")]);
        let write = Write { fields: three.view(), ..Write::default() };
        assert_eq!(write.decide(State::Live(s), &RULES, 200).unwrap_err(), Refusal::Fields(3));
        let long = fields(&[("a", "12345678901234567890")]);
        let write = Write { fields: long.view(), ..Write::default() };
        assert_eq!(write.decide(State::Missing, &RULES, 200).unwrap_err(), Refusal::Bytes(20));
        let tight = Rules { max_fields: 1, max_bytes: 1, ..RULES };
        let write = Write { removed: vec![b"a"], ..Write::default() };
        assert!(write.decide(State::Live(s), &tight, 200).is_ok());
    }

    #[test]
    fn a_touch_within_the_interval_is_absorbed() {
        let two = two();
        let s = session(&two);
        assert_eq!(s.meta.touched(149, 60_000), None, "a tenth of the idle timeout is 50 ms");
        assert_eq!(s.meta.touched(150, 60_000).unwrap().times.accessed, 150);
        assert_eq!(s.meta.touched(109, 10), None);
        assert_eq!(s.meta.touched(110, 10).unwrap().times.accessed, 110);
        assert!(s.meta.touched(100, 0).is_some(), "no interval: every touch counts");
        assert!(s.meta.touched(99, 10).is_some(), "a clock that went back is followed");
    }

    #[test]
    fn counters() {
        let two = two();
        let s = session(&two);
        assert_eq!(s.incremented(b"a", 2), Ok((3, Kind::Raw)));
        assert_eq!(s.incremented(b"new", -2), Ok((-2, Kind::Json)));
        assert_eq!(s.incremented(b"a", i64::MAX), Err(Refusal::NotInteger));
        for bad in ["", " 1", "1 ", "+1", "01", "-0", "1.0", "x", "9223372036854775808"] {
            assert_eq!(parse_int(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_int(b"0"), Some(0));
    }
}

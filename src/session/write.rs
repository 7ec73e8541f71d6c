//! What a write decides, given the session that is there, the request and the time.

use super::caps;
use super::effect::{Effect, UserChange};
use super::fields::{Fields, FieldsView, Kind};
use super::layout::MAX_VERSION;
use super::record::{Session, State};
use super::time::{End, Millis, Times, TimesChange};
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

/// Whether a write adds 1 to the version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Counts {
    /// No: it changes times alone.
    #[default]
    No,
    /// Yes, even if the bytes stay equal: it names data.
    Yes,
    /// If a field that it removes is there.
    IfFound,
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
    pub removed: &'a [&'a [u8]],
    /// Fields to set.
    pub fields: FieldsView<'a>,
    /// Whether the version counts on.
    pub counts: Counts,
}

/// The rules of this server for writes of clients.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The timeouts of a new session that brings none.
    pub idle: Option<Millis>,
    /// The end of a new session that brings none.
    pub end: End,
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
    /// The value of a counter is not an integer.
    NotInteger,
    /// A counter would pass 64 bits.
    Overflow,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Gone => f.write_str("SESSIONGONE the session was rotated, this is its frozen snapshot"),
            Refusal::Fields(max) => write!(f, "ERR session would have more than {max} fields (session.max-fields)"),
            Refusal::Bytes(max) => write!(f, "ERR session would have more than {max} bytes (session.max-bytes)"),
            Refusal::NotInteger => f.write_str("ERR value is not an integer or out of range"),
            Refusal::Overflow => f.write_str("ERR increment or decrement would overflow"),
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

impl<'a> Change<'a> {
    /// What an effect does to a session that is there, or to none.
    pub fn of(mut effect: Effect<'a>, session: Option<&Session<'_>>) -> Self {
        let fields = match session {
            Some(_) if effect.whole => None,
            Some(_) if effect.clear => Some(effect.fields.to_owned()),
            Some(session) if !effect.removed.is_empty() || !effect.fields.is_empty() => {
                let (fields, found) = session.fields.merge(&effect.removed, effect.fields);
                // Only what was there needs to be told, once: nothing that a client names makes an effect longer than its
                // session.
                effect.removed = found;
                Some(fields)
            }
            _ => None,
        };
        Change { effect, fields }
    }

    /// The fields afterwards, of a session that has these now.
    pub fn fields_after<'s>(&'s self, before: FieldsView<'s>) -> FieldsView<'s> {
        match &self.fields {
            Some(fields) => fields.view(),
            None if self.effect.whole => self.effect.fields,
            None => before,
        }
    }
}

impl<'a> Write<'a> {
    /// Decides: checks everything, changes nothing. O(bytes of the session).
    pub fn decide(&self, state: State<'_>, rules: &Rules, now: Millis) -> Result<Outcome<'a>, Refusal> {
        let Some(session) = self.target(state)? else { return Ok(Outcome::Unmet) };
        let change = match &session {
            None => Change { effect: self.begin(rules, now), fields: None },
            Some(session) => self.alter(session, now),
        };
        let before = session.map(|s| s.fields).unwrap_or_default();
        if change.fields.is_some() || session.is_none() {
            check_size(before, change.fields_after(before), rules)?;
        }
        if change.effect.times.deadline().is_some_and(|deadline| deadline <= now) {
            return Ok(Outcome::End(change.effect.version));
        }
        Ok(Outcome::Change(change))
    }

    /// The session that is written to, none where one begins; nothing where the condition is not met.
    pub fn target<'s>(&self, state: State<'s>) -> Result<Option<Option<Session<'s>>>, Refusal> {
        match (state, self.condition) {
            (State::Live(_) | State::Frozen(_), Condition::Missing) => Ok(None),
            (State::Frozen(_), _) => Err(Refusal::Gone),
            (State::Missing, Condition::Exists | Condition::Version(_)) => Ok(None),
            (State::Live(s), Condition::Version(v)) if s.version != v => Ok(None),
            (State::Missing, _) => Ok(Some(None)),
            (State::Live(s), _) => Ok(Some(Some(s))),
        }
    }

    fn begin(&self, rules: &Rules, now: Millis) -> Effect<'a> {
        let mut times = Times { created: now, accessed: now, idle: rules.idle, end: rules.end };
        times.adjust(&self.times);
        Effect {
            times,
            version: 1,
            whole: true,
            user: if let UserChange::Set(_) = self.user { self.user } else { UserChange::Keep },
            fields: self.fields,
            ..Effect::default()
        }
    }

    fn alter(&self, session: &Session<'_>, now: Millis) -> Change<'a> {
        let times = self.times_after(session, now);
        let mut change = Change::of(
            Effect {
                times,
                version: session.version,
                whole: false,
                // A deadline that moves without an access, because `created` restarts or a timeout changes, takes the
                // key's expiry along.
                keep_ttl: self.keep_ttl && times.deadline() == session.times.deadline(),
                clear: self.replace,
                user: self.user,
                snapshot: None,
                removed: if self.replace { Vec::new() } else { self.removed.to_vec() },
                fields: self.fields,
            },
            Some(session),
        );
        let counts = match self.counts {
            Counts::No => false,
            Counts::Yes => true,
            Counts::IfFound => !change.effect.removed.is_empty(),
        };
        if counts {
            change.effect.version = session.version.saturating_add(1).min(MAX_VERSION);
        } else if change.effect.removed.is_empty() && self.fields.is_empty() && !self.replace {
            change.fields = None;
        }
        change
    }

    /// The times of `session` after this write.
    fn times_after(&self, session: &Session<'_>, now: Millis) -> Times {
        let mut times = session.times;
        if !self.keep_ttl {
            times.accessed = now;
        }
        times.adjust(&self.times);
        if self.user.after(session.user) != session.user {
            times.created = now;
        }
        times
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

/// A counter after adding `by` to it, and what its value is: a counter that is not there yet starts at 0 and is JSON.
pub fn incremented(fields: FieldsView<'_>, name: &[u8], by: i64) -> Result<(i64, Kind), Refusal> {
    let (value, kind) = match fields.get(name) {
        None => (0, Kind::Json),
        Some(field) => (parse_int(field.value).ok_or(Refusal::NotInteger)?, field.kind),
    };
    Ok((value.checked_add(by).ok_or(Refusal::Overflow)?, kind))
}

/// An integer as Redis reads one: decimal, nothing around it, no leading zeros or plus sign, within 64 bits.
pub fn parse_int(bytes: &[u8]) -> Option<i64> {
    // Most numbers are short: no overflow to look for.
    if let [first @ b'1'..=b'9', rest @ ..] = bytes {
        if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit) {
            let digit = |byte: &u8| i64::from(byte.wrapping_sub(b'0'));
            return Some(rest.iter().fold(digit(first), |n, byte| n.wrapping_mul(10).wrapping_add(digit(byte))));
        }
    }
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match digits {
        b"0" if bytes.len() > 1 => None,
        [b'0', _, ..] | [b'+', ..] => None,
        _ => std::str::from_utf8(bytes).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::Field;
    use super::super::record::Snapshot;
    use super::*;

    const RULES: Rules = Rules { idle: Some(1_000), end: End::Never, max_fields: 3, max_bytes: 20 };

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::pack(pairs.iter().map(|(n, v)| Field::raw(n.as_bytes(), v.as_bytes())))
    }

    fn session(fields: &Fields) -> Session<'_> {
        let times = Times { created: 0, accessed: 100, idle: Some(500), end: End::Lifetime(10_000) };
        Session { times, version: 7, user: Some(b"ann"), snapshot: None, fields: fields.view() }
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
        let write = Write { user: UserChange::Set(b"ann"), fields: f.view(), counts: Counts::Yes, ..Write::default() };
        let effect = change(&write, State::Missing, 50).effect;
        assert!(effect.whole);
        assert_eq!(effect.version, 1);
        assert_eq!(effect.times, Times { created: 50, accessed: 50, idle: Some(1_000), end: End::Never });
        assert_eq!(effect.after(Session::default(), None).user, Some(&b"ann"[..]));
    }

    #[test]
    fn a_merge_counts_on_and_slides() {
        let two = two();
        let s = session(&two);
        let f = fields(&[("b", "3"), ("c", "4")]);
        let write = Write { fields: f.view(), removed: &[b"a"], counts: Counts::Yes, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!((done.effect.version, done.effect.times.accessed), (8, 200));
        assert_eq!(done.effect.times.created, 0);
        assert_eq!(done.fields, Some(fields(&[("b", "3"), ("c", "4")])));
    }

    #[test]
    fn keepttl_does_not_slide_and_times_alone_do_not_count() {
        let two = two();
        let s = session(&two);
        let write = Write { keep_ttl: true, counts: Counts::Yes, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!((done.effect.times.accessed, done.effect.version), (100, 8));
        let times = TimesChange { idle: Some(None), end: None };
        let done = change(&Write { times, ..Write::default() }, State::Live(s), 200);
        assert_eq!((done.effect.version, done.effect.times.idle), (7, None));
        assert!(done.fields.is_none());
    }

    #[test]
    fn under_keepttl_the_expiry_follows_a_deadline_that_moves_all_the_same() {
        let two = two();
        let mut s = session(&two);
        s.times = Times { idle: None, ..s.times };
        let times = TimesChange { idle: Some(Some(300)), end: None };
        for (write, kept, deadline) in [
            (Write::default(), true, 10_000),
            (Write { user: UserChange::Set(b"bob"), ..Write::default() }, false, 10_200),
            (Write { times, ..Write::default() }, false, 400),
        ] {
            let effect = change(&Write { keep_ttl: true, ..write }, State::Live(s), 200).effect;
            assert_eq!((effect.keep_ttl, effect.times.deadline()), (kept, Some(deadline)));
        }
    }

    #[test]
    fn replace_drops_the_other_fields_and_leaves_user_times_and_created() {
        let two = two();
        let s = session(&two);
        let f = fields(&[("z", "9")]);
        let write = Write { replace: true, fields: f.view(), counts: Counts::Yes, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!(done.fields, Some(f.clone()));
        let payload = done.effect.encode();
        let there = Effect::decode(&payload).unwrap();
        let there = Change::of(there, Some(&s));
        let after = there.effect.after(s, Some(there.fields_after(s.fields)));
        assert_eq!((after.user, after.times.created, after.fields), (s.user, 0, f.view()));
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
            let write = Write { user, counts: Counts::Yes, ..Write::default() };
            assert_eq!(change(&write, State::Live(s), 200).effect.times.created, created);
        }
    }

    #[test]
    fn conditions() {
        let two = two();
        let s = session(&two);
        let snapshot = Some(Snapshot { grace: 9_000, request: 0, successor: b"new" });
        let frozen = Session { snapshot, ..s };
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
        let write = Write { removed: &[b"a"], ..Write::default() };
        assert!(write.decide(State::Live(s), &tight, 200).is_ok());
    }

    #[test]
    fn removing_counts_where_something_was_there_and_tells_each_name_once() {
        let two = two();
        let s = session(&two);
        let names: Vec<&[u8]> = [&b"x"[..], b"b", b"x", b"b"].into_iter().cycle().take(70_000).collect();
        let write = Write { removed: &names, counts: Counts::IfFound, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert_eq!((done.effect.version, &done.effect.removed[..]), (8, &[&b"b"[..]][..]));
        assert!(Effect::decode(&done.effect.encode()).is_ok());
        let write = Write { removed: &[b"x"], counts: Counts::IfFound, ..Write::default() };
        let done = change(&write, State::Live(s), 200);
        assert!(done.effect.only_times(&s) && done.fields.is_none());
        let write = Write { removed: &[b"x"], counts: Counts::Yes, ..Write::default() };
        assert_eq!(change(&write, State::Live(s), 200).effect.version, 8);
    }

    #[test]
    fn counters() {
        let two = two();
        let s = session(&two);
        assert_eq!(incremented(s.fields, b"a", 2), Ok((3, Kind::Raw)));
        assert_eq!(incremented(s.fields, b"new", -2), Ok((-2, Kind::Json)));
        assert_eq!(incremented(s.fields, b"a", i64::MAX), Err(Refusal::Overflow));
        for bad in ["", " 1", "1 ", "+1", "01", "-0", "1.0", "x", "9223372036854775808"] {
            assert_eq!(parse_int(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_int(b"0"), Some(0));
        assert_eq!(parse_int(b"1234567890123456789"), Some(1_234_567_890_123_456_789));
        assert_eq!(parse_int(b"123456789012345678"), Some(123_456_789_012_345_678));
        assert_eq!(parse_int(b"12a"), None);
    }
}

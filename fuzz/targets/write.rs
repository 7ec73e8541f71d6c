//! Any write of any session, and any effect: what a primary decides is decoded as it was encoded, makes on a replica the record
//! that it makes here, which can be read back, with the fields that a plain list would hold.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use redis_session_fuzz::session::json::is_canonical;
use redis_session_fuzz::session::time::{Times, TimesChange, MAX_TIME, MAX_TIMEOUT};
use redis_session_fuzz::session::write::{Change, Condition, Counts, Outcome, Rules, Write};
use redis_session_fuzz::session::{check_record, Effect, End, Fields, Millis, Session, Snapshot, State, UserChange};
use redis_session_fuzz::{applied, encoded, field, plain, Plain};

fuzz_target!(|bytes: &[u8]| {
    // Bytes that run out are no case.
    let _ = case(&mut Unstructured::new(bytes));
});

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    let of = |list: Vec<Plain>| Fields::of(&list.iter().map(field).collect::<Vec<_>>());
    let (before, changed) = (of(fields(u)?), of(fields(u)?));
    let (users, successor) = ([name(u)?, name(u)?], name(u)?);
    let session = Session {
        times: times(u)?,
        version: u.arbitrary()?,
        user: if u.arbitrary()? { Some(&users[0]) } else { None },
        snapshot: snapshot(u, &successor)?,
        fields: before.view(),
    };
    let record = encoded(&Effect::whole(session));
    assert_eq!(check_record(&record), Ok(()), "{session:?}");
    assert_eq!(Session::of(&record), session);
    let there = if u.ratio(1, 8)? { None } else { Some(Session::of(&record)) };

    let removed = names(u)?;
    let removed: Vec<&[u8]> = removed.iter().map(Vec::as_slice).collect();
    let user = match u.int_in_range(0..=3)? {
        0 => UserChange::Clear,
        1 => UserChange::Set(&users[1]),
        2 => UserChange::Set(&users[0]),
        _ => UserChange::Keep,
    };
    if u.arbitrary()? {
        let write = write(u, user, &removed, &changed, session.version)?;
        let rules = Rules { idle: idle(u)?, end: end(u)?, max_fields: u.int_in_range(1..=20)?, max_bytes: 4096 };
        let now = time(u)?;
        if let Ok(Outcome::Change(change)) = write.decide(State::of(there, now), &rules, now) {
            let there = there.filter(|session| !session.ended(now));
            let replaced = there.is_none() || write.replace;
            check(&change, there, replaced, &removed, &changed);
        }
        return Ok(());
    }
    let (whole, clear) = [(true, false), (false, true), (false, false), (false, false)][u.int_in_range(0..=3)?];
    if !whole && there.is_none() {
        return Ok(()); // refused
    }
    let effect = Effect {
        times: times(u)?,
        version: u.arbitrary()?,
        whole,
        keep_ttl: u.arbitrary()?,
        clear,
        user: if whole && user == UserChange::Clear { UserChange::Keep } else { user },
        snapshot: snapshot(u, &successor)?,
        removed: if whole || clear { Vec::new() } else { removed.clone() },
        fields: changed.view(),
    };
    assert_eq!(Effect::decode(&encoded(&effect)).as_ref(), Ok(&effect));
    check(&Change::of(effect, there.as_ref()), there, whole || clear, &removed, &changed);
    Ok(())
}

/// Checks a change of a session that is there, or of none, whose other fields go or stay.
fn check(change: &Change<'_>, there: Option<Session<'_>>, replaced: bool, removed: &[&[u8]], set: &Fields) {
    let payload = encoded(&change.effect);
    let effect = Effect::decode(&payload);
    assert_eq!(effect.as_ref(), Ok(&change.effect));
    let after = applied(change, there);
    assert_eq!(check_record(&after), Ok(()), "{change:?} of {there:?}");
    let repeated = applied(&Change::of(effect.unwrap(), there.as_ref()), there);
    assert_eq!(repeated, after, "a replica has another session: {change:?} of {there:?}");
    assert!(payload.len() <= encoded(&Effect::whole(there.unwrap_or_default())).len() + after.len(), "a long effect");

    let mut expected = if replaced { Vec::new() } else { there.map(|s| plain(s.fields)).unwrap_or_default() };
    let set = plain(set.view());
    expected.retain(|(name, ..)| !removed.contains(&name.as_slice()) || set.iter().any(|(n, ..)| n == name));
    for new in set {
        match expected.iter_mut().find(|(name, ..)| *name == new.0) {
            Some(old) => *old = new,
            None => expected.push(new),
        }
    }
    let after = Session::of(&after);
    assert_eq!(plain(after.fields), expected, "{change:?} of {there:?}");
    assert_eq!((after.times, after.version), (change.effect.times, change.effect.version));
    let old = if change.effect.whole { None } else { there.and_then(|s| s.user) };
    assert_eq!(after.user, change.effect.user.after(old));
}

fn write<'a>(
    u: &mut Unstructured<'_>,
    user: UserChange<'a>,
    removed: &'a [&'a [u8]],
    changed: &'a Fields,
    version: u64,
) -> Result<Write<'a>> {
    let condition = match u.int_in_range(0..=5)? {
        0 => Condition::Missing,
        1 => Condition::Exists,
        2 => Condition::Version(version),
        _ => Condition::None,
    };
    let times = TimesChange {
        idle: if u.arbitrary()? { Some(idle(u)?) } else { None },
        end: if u.arbitrary()? { Some(end(u)?) } else { None },
    };
    let counts = [Counts::No, Counts::Yes, Counts::IfFound][u.int_in_range(0..=2)?];
    let (replace, keep_ttl) = (u.arbitrary()?, u.arbitrary()?);
    Ok(Write { condition, replace, user, times, keep_ttl, removed, fields: changed.view(), counts })
}

fn snapshot<'a>(u: &mut Unstructured<'_>, successor: &'a [u8]) -> Result<Option<Snapshot<'a>>> {
    Ok(if u.ratio(1, 4)? { Some(Snapshot { grace: time(u)?, request: u.arbitrary()?, successor }) } else { None })
}

fn times(u: &mut Unstructured<'_>) -> Result<Times> {
    Ok(Times { created: time(u)?, accessed: time(u)?, idle: idle(u)?, end: end(u)? })
}

/// Mostly one of few times, so that they meet.
fn time(u: &mut Unstructured<'_>) -> Result<Millis> {
    if u.ratio(7, 8)? {
        u.int_in_range(1..=20)
    } else {
        u.int_in_range(0..=MAX_TIME)
    }
}

fn idle(u: &mut Unstructured<'_>) -> Result<Option<Millis>> {
    Ok(if u.arbitrary()? { Some(u.int_in_range(1..=MAX_TIMEOUT)?) } else { None })
}

fn end(u: &mut Unstructured<'_>) -> Result<End> {
    Ok(match u.int_in_range(0..=2)? {
        0 => End::Never,
        1 => End::Lifetime(u.int_in_range(1..=MAX_TIMEOUT)?),
        _ => End::At(u.int_in_range(1..=MAX_TIME)?),
    })
}

fn fields(u: &mut Unstructured<'_>) -> Result<Vec<Plain>> {
    (0..u.int_in_range(0..=24)?)
        .map(|_| {
            let (name, value) = (name(u)?, u.arbitrary::<Vec<u8>>()?);
            let json = u.arbitrary::<bool>()? && is_canonical(&value);
            Ok((name, value, json))
        })
        .collect()
}

fn names(u: &mut Unstructured<'_>) -> Result<Vec<Vec<u8>>> {
    (0..u.int_in_range(0..=24)?).map(|_| name(u)).collect()
}

/// One of few names, so that they meet; some are long.
fn name(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let byte = u.int_in_range(0..=255u8)?;
    let len = if byte < 250 { 1 + usize::from(byte / 80) } else { usize::from(byte - 249) * 100 };
    Ok(vec![b'a' + byte % 20; len])
}

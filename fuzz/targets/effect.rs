//! Any effect on any session: it is decoded as it was encoded, makes a record that can be read back, and the fields of that
//! are those that a plain list would hold.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use redis_session_fuzz::session::time::{Times, MAX_TIME, MAX_TIMEOUT};
use redis_session_fuzz::session::{check_record, json, Effect, End, Fields, Meta, Session, UserChange};
use redis_session_fuzz::{applied, encoded, field, plain, Plain};

fuzz_target!(|bytes: &[u8]| {
    // Bytes that run out are no case.
    let _ = case(&mut Unstructured::new(bytes));
});

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    let (before, changed, user, removed) = (fields(u)?, fields(u)?, name(u)?, u.arbitrary::<u8>()?);
    let of = |list: &[Plain]| Fields::of(&list.iter().map(field).collect::<Vec<_>>());
    let (before, changed) = (of(&before), of(&changed));
    let there = plain(before.view());
    let session = Session { meta: meta(u)?, user: u.arbitrary::<bool>()?.then_some(&user), fields: before.view() };
    let record = encoded(&Effect::snapshot(session));
    assert_eq!(check_record(&record), Ok(()), "{session:?}");
    let session = Session::of(&record);
    assert_eq!(plain(session.fields), there);

    // Names that are there go, each once, but for those that are set.
    let is_set = |name: &[u8]| changed.view().iter().any(|f| f.name == name);
    let gone = there.iter().enumerate().filter(|(i, _)| removed.wrapping_shr(*i as u32) & 1 == 1);
    let gone: Vec<&[u8]> = gone.map(|(_, (name, ..))| name.as_slice()).filter(|name| !is_set(name)).collect();
    let (whole, clear) = match u.int_in_range(0..=3)? {
        0 => (true, false),
        1 => (false, true),
        _ => (false, false),
    };
    let effect = Effect {
        meta: meta(u)?,
        whole,
        clear,
        keep_ttl: u.arbitrary()?,
        user: match u.int_in_range(0..=2)? {
            0 => UserChange::Keep,
            1 => UserChange::Set(&user),
            _ if whole => UserChange::Keep,
            _ => UserChange::Clear,
        },
        removed: if whole || clear { Vec::new() } else { gone.clone() },
        fields: changed.view(),
    };
    let payload = encoded(&effect);
    assert_eq!(Effect::decode(&payload).as_ref(), Ok(&effect));

    let after = applied(&effect, session);
    assert_eq!(check_record(&after), Ok(()), "{effect:?} of {session:?}");
    let after = Session::of(&after);
    let mut expected = if whole || clear { Vec::new() } else { there.clone() };
    expected.retain(|(name, ..)| !gone.contains(&name.as_slice()));
    for new in plain(changed.view()) {
        match expected.iter_mut().find(|(name, ..)| *name == new.0) {
            Some(old) => *old = new,
            None => expected.push(new),
        }
    }
    assert_eq!(plain(after.fields), expected, "{effect:?} of {session:?}");
    let old = if whole { None } else { session.user };
    assert_eq!((after.user, after.meta), (effect.user.after(old), effect.meta));
    Ok(())
}

/// Few different names, so that they meet; some values JSON.
fn fields(u: &mut Unstructured<'_>) -> Result<Vec<Plain>> {
    (0..u.int_in_range(0..=12)?)
        .map(|_| {
            let (name, value) = (name(u)?, u.arbitrary::<Vec<u8>>()?);
            let json = u.arbitrary::<bool>()? && json::is_canonical(&value);
            Ok((name, value, json))
        })
        .collect()
}

fn name(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let name = u.bytes(1)?[0];
    let len = if name < 250 { 1 } else { usize::from(name - 250) * 100 };
    Ok(vec![b'a' + name % 16; len])
}

fn meta(u: &mut Unstructured<'_>) -> Result<Meta> {
    let (created, accessed) = (u.int_in_range(0..=MAX_TIME)?, u.int_in_range(0..=MAX_TIME)?);
    let idle = if u.arbitrary()? { Some(u.int_in_range(1..=MAX_TIMEOUT)?) } else { None };
    let end = match u.int_in_range(0..=2)? {
        0 => End::Never,
        1 => End::Lifetime(u.int_in_range(1..=MAX_TIMEOUT)?),
        _ => End::At(u.int_in_range(1..=MAX_TIME)?),
    };
    let grace = if u.arbitrary()? { Some(u.int_in_range(0..=MAX_TIME)?) } else { None };
    Ok(Meta { times: Times { created, accessed, idle, end }, version: u.arbitrary()?, grace })
}

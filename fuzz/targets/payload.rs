//! Any bytes: a payload that is not refused is its own encoding, and as a record it is read as it was decoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_fuzz::session::write::Change;
use redis_session_fuzz::session::{check_record, keeping_ttl, Effect, Session, UserChange};
use redis_session_fuzz::{applied, encoded};

fuzz_target!(|payload: &[u8]| {
    let Ok(effect) = Effect::decode(payload) else {
        assert!(check_record(payload).is_err(), "a record that is no payload");
        return;
    };
    assert_eq!(encoded(&effect), payload, "two encodings of one effect");
    if check_record(payload).is_err() {
        assert!(!effect.whole || effect.keep_ttl, "a whole session that is no record: {effect:?}");
        return;
    }
    let session = Session::of(payload);
    let user = if let UserChange::Set(user) = effect.user { Some(user) } else { None };
    assert_eq!((session.user, Session::user_of(payload)), (user, user));
    assert_eq!(session.fields.iter().count(), session.fields.len());
    assert_eq!(encoded(&Effect::whole(session)), payload, "a record that is read otherwise than decoded");
    for before in [None, Some(session)] {
        let change = Change::of(effect.clone(), before.as_ref());
        assert_eq!(applied(&change, before), payload, "a record that replaces makes another");
    }
    let mut record = payload.to_vec();
    Session::set_times(&mut record, session.times);
    assert_eq!(record, payload, "the same times change a record");
    let kept = keeping_ttl(payload);
    let kept = Effect::decode(&kept).expect("what an AOF is rewritten to is a payload");
    assert!(kept.keep_ttl);
    assert_eq!(Effect { keep_ttl: false, ..kept }, effect);
});

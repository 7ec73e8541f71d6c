//! Any bytes as JSON: an object that is taken comes back the same from what it is written as, and what another parser takes
//! is refused for the few reasons that there are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_fuzz::session::fields::Kind;
use redis_session_fuzz::session::json::{is_canonical, parse_object, write_object};
use redis_session_fuzz::session::{Field, Fields};

fuzz_target!(|text: &[u8]| {
    let members = match parse_object(text) {
        Ok(members) => members,
        Err(why) => {
            assert!(why.len() < 1000, "{why}");
            let ours = ["nesting deeper", "duplicate member"].iter().any(|reason| why.contains(reason));
            let other = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text);
            assert!(ours || other.is_err(), "refused: {why}");
            return;
        }
    };
    for member in &members {
        assert!(member.kind == Kind::Raw || is_canonical(&member.value), "{member:?}");
    }
    let fields: Vec<Field> = members.iter().map(|member| member.field()).collect();
    let fields = Fields::of(&fields);
    assert_eq!(fields.view().len(), members.len());
    let written = write_object(fields.view()).expect("what came from JSON can be written as JSON");
    assert_eq!(parse_object(&written).as_ref(), Ok(&members), "{}", String::from_utf8_lossy(&written));
});

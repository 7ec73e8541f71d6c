//! Any bytes as JSON, and any room: an object that is taken comes back the same from what it is written as; what another
//! parser takes is refused for the few reasons that there are; less room changes nothing but whether it fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_session_fuzz::session::json::{parse_object, write_object, Refused, Room};
use redis_session_fuzz::session::{caps, FieldsView};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[few, little], text)) = bytes.split_first_chunk() else { return };
    let ample = Room { max_fields: caps::FIELDS, max_bytes: caps::BYTES };
    let tight = Room { max_fields: few.into(), max_bytes: usize::from(little) * 4 };
    let mut packed = Vec::new();
    let mut other = b"before".to_vec();
    let (taken, again) = (parse_object(text, ample, &mut packed), parse_object(text, tight, &mut other));
    if again.is_err() {
        assert_eq!(other, b"before", "a refused object leaves something");
    }
    let taken = match taken {
        Ok(taken) => taken,
        Err(refused) => {
            assert!(packed.is_empty() && again.is_err(), "{refused:?}, {again:?}");
            let Refused::Malformed(why) = refused else { panic!("{refused:?} of {} bytes", text.len()) };
            assert!(why.len() < 1000, "{why}");
            let ours = ["nesting deeper", "duplicate member"].iter().any(|reason| why.contains(reason));
            let parsed = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text);
            assert!(ours || parsed.is_err(), "refused: {why}");
            return;
        }
    };
    let fits = taken.count <= tight.max_fields && taken.size <= tight.max_bytes;
    match again {
        Ok(again) => assert!(fits && again == taken && other[6..] == packed),
        Err(Refused::TooManyFields) => assert!(taken.count > tight.max_fields, "{taken:?}"),
        Err(Refused::TooManyBytes) => assert!(taken.size > tight.max_bytes, "{taken:?}"),
        Err(Refused::Malformed(why)) => panic!("{why}"),
    }
    let fields = FieldsView::decode(taken.count as u64, &packed).expect("what was packed is what a file may hold");
    assert_eq!((fields.len(), fields.size()), (taken.count, taken.size));
    let (mut written, mut repacked) = (Vec::new(), Vec::new());
    write_object(fields, &mut written).expect("what came from JSON can be written as JSON");
    let shown = String::from_utf8_lossy(&written);
    assert_eq!(parse_object(&written, ample, &mut repacked), Ok(taken), "{shown}");
    assert_eq!(repacked, packed, "{shown}");
});

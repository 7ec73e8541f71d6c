//! What clients get of the commands that redis-cli does not show: the protocol's shapes, any bytes, transactions,
//! client-side caches, events and limits.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::subscriber::Subscriber;
use common::wire::{Raw, Replica};
use common::workload::BINARY;
use common::{shown, Server};
use redis::Value;
use std::collections::BTreeMap;

/// The fields of a session.
fn fields_of(s: &mut Server, key: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let Ok(Value::Array(parts)) = s.send(&[b"SESSION.GET", key]) else { panic!("no session") };
    let bytes = |value: &Value| match value {
        Value::BulkString(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    parts.chunks(2).map(|pair| (bytes(&pair[0]), bytes(&pair[1]))).collect()
}

// ---- Shapes

#[test]
fn resp3_has_maps_and_nulls() {
    let s = Server::new();
    let mut c = Raw::new(&s);
    c.say("HELLO 3");
    c.says("SESSION.SET a PERSIST FIELDS 1 name Ann", ":1");
    c.says("SESSION.SET a NX", "_");
    c.says("SESSION.GET a", "%1 $4 name $3 Ann");
    c.says("SESSION.GET a FIELDS 2 name none", "*2 $3 Ann _");
    c.says("SESSION.GET a JSON", "$14 {\"name\":\"Ann\"}");
    c.says("SESSION.GET none", "_");
    c.says("SESSION.GETEX none", "_");
    c.says("SESSION.INFO none", "_");
    c.says("SESSION.SET none XX", "_");
    c.says("SESSION.BYUSER none", "*0");
    let times = c.say("SESSION.INFO a");
    assert!(times.starts_with("%11 $4 user _ $7 created :"), "{times}");
    assert!(times
        .ends_with("$4 idle _ $8 lifetime _ $3 end _ $8 deadline _ $7 version :1 $6 fields :1 $5 bytes :7 $5 grace _"));
    let with_meta = c.say("SESSION.GET a WITHMETA FIELDS 1 name");
    assert!(with_meta.starts_with("%10 $4 user _ $7 created :"), "{with_meta}");
    assert!(with_meta.ends_with("$7 version :1 $5 grace _ $4 data *1 $3 Ann"), "{with_meta}");
    c.says("SESSION.SET a USER alice", ":2");
    c.says("SESSION.BYUSER alice", "*1 $1 a");
    c.says("SESSION.BYUSER alice FIELDS 2 name none", "*1 %2 $3 key $1 a $4 data %1 $4 name $3 Ann");
    let listed = c.say("SESSION.BYUSER alice WITHMETA");
    assert!(listed.starts_with("*1 %10 $3 key $1 a $4 user $5 alice"), "{listed}");
    let listed = c.say("SESSION.BYUSER alice WITHMETA FIELDS 1 none");
    assert!(listed.starts_with("*1 %11 $3 key $1 a") && listed.ends_with("$4 data %0"), "{listed}");
}

#[test]
fn resp2_has_flat_arrays_and_nils() {
    let s = Server::new();
    let mut c = Raw::new(&s);
    c.says("SESSION.SET a PERSIST FIELDS 1 name Ann", ":1");
    c.says("SESSION.SET a NX", "$-1");
    c.says("SESSION.GET a", "*2 $4 name $3 Ann");
    c.says("SESSION.GET a FIELDS 2 name none", "*2 $3 Ann $-1");
    c.says("SESSION.GET none", "$-1");
    c.says("SESSION.BYUSER none", "*0");
    let times = c.say("SESSION.INFO a");
    assert!(times.starts_with("*22 $4 user $-1 $7 created :"), "{times}");
    let with_meta = c.say("SESSION.GET a WITHMETA");
    assert!(
        with_meta.starts_with("*20 $4 user $-1") && with_meta.ends_with("$4 data *2 $4 name $3 Ann"),
        "{with_meta}"
    );
    c.says("SESSION.SET a USER alice", ":2");
    c.says("SESSION.BYUSER alice FIELDS 2 name none", "*1 *4 $3 key $1 a $4 data *2 $4 name $3 Ann");
}

#[test]
fn named_metadata_come_in_the_order_named_and_the_data_behind() {
    let mut s = Server::new();
    let mut c = Raw::new(&s);
    s.says("SESSION.SET a USER alice PERSIST FIELDS 1 name Ann JSON {\"n\":5}", "1");
    c.says("SESSION.GET a META 2 version user FIELDS 1 name", "*6 $7 version :1 $4 user $5 alice $4 data *1 $3 Ann");
    c.says("SESSION.GET a META 1 IDLE JSON FIELDS 1 n", "*4 $4 idle $-1 $4 data $7 {\"n\":5}");
    c.say("HELLO 3");
    c.says(
        "SESSION.GET a META 3 End version User FIELDS 1 n",
        "%4 $3 end _ $7 version :1 $4 user $5 alice $4 data *1 $1 5",
    );
    c.says("SESSION.GETEX a META 1 version FIELDS 2 n none", "%2 $7 version :1 $4 data *2 $1 5 _");
    c.says("SESSION.GET none META 1 version", "_");
    c.says("SESSION.BYUSER alice META 1 version", "*1 %2 $3 key $1 a $7 version :1");
    c.says("SESSION.BYUSER alice META 1 grace FIELDS 1 n", "*1 %3 $3 key $1 a $5 grace _ $4 data %1 $1 n $1 5");
    c.says("SESSION.BYUSER alice JSON FIELDS 1 n", "*1 %2 $3 key $1 a $4 data $7 {\"n\":5}");
    for name in ["user", "created", "accessed", "idle", "lifetime", "end", "deadline", "version", "grace"] {
        let said = c.say(&format!("SESSION.GET a META 1 {name} JSON FIELDS 1 n"));
        assert!(
            said.starts_with(&format!("%2 ${} {name} ", name.len())) && said.ends_with("$4 data $7 {\"n\":5}"),
            "{said}"
        );
    }
    c.says("SESSION.ADJUST a EX 100 LIFETIME 1000", ":1");
    let with_meta = s.session("a");
    let named = c.say("SESSION.GET a META 5 deadline end lifetime idle created FIELDS 1 n");
    for name in ["deadline", "end", "lifetime", "idle", "created"] {
        assert!(named.contains(&format!(" {name} :{} ", with_meta[name])), "{name}: {named}");
    }
}

#[test]
fn json_with_fields_is_the_object_of_those_that_are_there_each_once() {
    let mut s = Server::new();
    let mut c = Raw::new(&s);
    s.says("SESSION.SET a USER alice FIELDS 1 text 5 JSON {\"n\":5}", "1");
    s.send(&[b"SESSION.SET", b"a", b"FIELDS", b"1", b"raw", b"\xff"]).unwrap();
    for command in ["SESSION.GET a", "SESSION.GETEX a"] {
        c.says(&format!("{command} JSON FIELDS 4 n none n n"), "$7 {\"n\":5}");
        c.says(&format!("{command} FIELDS 1 text JSON"), "$12 {\"text\":\"5\"}");
        c.says(&format!("{command} JSON FIELDS 1 none"), "$2 {}");
        for all in ["JSON", "JSON FIELDS 1 raw"] {
            let said = c.say(&format!("{command} {all}"));
            assert!(said.starts_with("-ERR ") && said.contains("raw"), "{command} {all}: {said}");
        }
    }
    // One session does not spoil the list.
    s.says("SESSION.SET b USER alice JSON {\"n\":6}", "1");
    s.says("SESSION.TOUCH a", "1");
    s.tick();
    s.says("SESSION.TOUCH b", "1");
    s.says("SESSION.BYUSER alice JSON", "[[key, b, data, {\"n\":6}], [key, a, data, nil]]");
    s.says("SESSION.BYUSER alice JSON FIELDS 1 n", "[[key, b, data, {\"n\":6}], [key, a, data, {\"n\":5}]]");
    s.says("SESSION.BYUSER alice JSON FIELDS 2 raw n LIMIT 1 1", "[[key, a, data, nil]]");
}

#[test]
fn fields_and_json_are_written_together() {
    let mut s = Server::new();
    s.says("SESSION.SET a FIELDS 2 odd [1] text 5 JSON {\"n\":5,\"s\":\"x\"}", "1");
    s.says("SESSION.GET a JSON FIELDS 1 odd", "{\"odd\":\"[1]\"}");
    s.says("SESSION.GET a JSON FIELDS 1 n", "{\"n\":5}");
    assert_eq!(s.session("a")["fields"], "4");
    s.says("SESSION.SET a UNSET 1 s JSON {\"m\":null} FIELDS 1 odd y", "2");
    assert_eq!(s.session("a")["fields"], "4");
    let key = s.say("SESSION.NEW JSON {\"n\":5} FIELDS 1 odd [1]");
    s.says(&format!("SESSION.GET {key} JSON FIELDS 1 odd"), "{\"odd\":\"[1]\"}");
    s.says("SESSION.ROTATE a b JSON {\"n\":6} FIELDS 1 text 7 UNSET 1 odd", "3");
    s.says("SESSION.GET b FIELDS 4 n text odd m", "[6, 7, nil, null]");
    let before = s.say("SESSION.INFO b");
    for data in ["FIELDS 1 n 1 JSON {\"n\":1}", "JSON {\"n\":1} UNSET 1 n", "UNSET 1 n FIELDS 1 n 1", "JSON {} JSON {}"]
    {
        for command in ["SESSION.SET b", "SESSION.SET fresh", "SESSION.ROTATE b c", "SESSION.ROTATE none c"] {
            let said = s.say(&format!("{command} {data}"));
            assert!(said.starts_with("ERR "), "{command} {data} said {said}");
        }
    }
    let said = s.say("SESSION.NEW FIELDS 1 n 1 JSON {\"n\":1}");
    assert!(said.starts_with("ERR "), "{said}");
    s.says("SESSION.INFO b", &before);
    // An empty object names data, too.
    s.says("SESSION.SET b JSON {}", "4");
}

#[test]
fn a_session_without_fields_is_an_empty_map_and_not_nil() {
    let mut s = Server::new();
    let mut c = Raw::new(&s);
    s.says("SESSION.SET a", "1");
    c.says("SESSION.GET a", "*0");
    c.says("SESSION.GET a JSON", "$2 {}");
    c.say("HELLO 3");
    c.says("SESSION.GET a", "%0");
}

// ---- Bytes

#[test]
fn keys_users_fields_and_values_are_any_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    let mut s = Server::new();
    for bytes in [BINARY, b"", &all[..], b"\xff", b"\0"] {
        let what = bytes.escape_ascii();
        s.says("FLUSHALL", "OK");
        // A user is never empty.
        let user = if bytes.is_empty() { b"somebody" } else { bytes };
        let set = s.send(&[b"SESSION.SET", bytes, b"USER", user, b"FIELDS", b"2", bytes, bytes, b"other", b""]);
        assert_eq!(set, Ok(Value::Int(1)), "{what}");
        let data = BTreeMap::from([(bytes.to_vec(), bytes.to_vec()), (b"other".to_vec(), vec![])]);
        assert_eq!(fields_of(&mut s, bytes), data, "{what}");
        let itself = Value::BulkString(bytes.into());
        let list = Value::Array(vec![itself.clone()]);
        assert_eq!(s.send(&[b"SESSION.GET", bytes, b"FIELDS", b"1", bytes]), Ok(list.clone()), "{what}");
        assert_eq!(s.send(&[b"SESSION.GETEX", bytes, b"FIELDS", b"1", bytes]), Ok(list.clone()), "{what}");
        assert_eq!(s.send(&[b"SESSION.BYUSER", user]), Ok(list), "{what}");
        assert_eq!(s.send(&[b"SESSION.COUNT", user]), Ok(Value::Int(1)), "{what}");
        let Ok(Value::Array(info)) = s.send(&[b"SESSION.INFO", bytes]) else { panic!("{what}") };
        assert_eq!(info[1], Value::BulkString(user.into()), "{what}");
        assert_eq!(s.send(&[b"SESSION.TOUCH", bytes]), Ok(Value::Int(1)), "{what}");
        assert_eq!(s.send(&[b"SESSION.ADJUST", bytes, b"100"]), Ok(Value::Int(1)), "{what}");
        assert_eq!(s.send(&[b"SESSION.SET", bytes, b"UNSET", b"1", bytes]), Ok(Value::Int(2)), "{what}");
        assert_eq!(fields_of(&mut s, bytes).len(), 1, "{what}");
        assert_eq!(s.send(&[b"SESSION.REVOKE", user, b"EXCEPT", b"1", bytes]), Ok(Value::Int(0)), "{what}");
        assert_eq!(s.send(&[b"SESSION.REVOKE", user, b"ONLY", b"1", bytes]), Ok(Value::Int(1)), "{what}");
        assert_eq!(s.send(&[b"SESSION.SET", bytes]), Ok(Value::Int(1)), "{what}");
        assert_eq!(s.send(&[b"SESSION.DEL", bytes]), Ok(Value::Int(1)), "{what}");
        let new = s.send(&[b"SESSION.NEW", b"PREFIX", bytes]).unwrap();
        assert!(matches!(new, Value::BulkString(key) if key.starts_with(bytes) && key.len() > bytes.len()), "{what}");
    }
}

#[test]
fn an_error_that_names_a_field_of_any_bytes_is_one_line() {
    let mut s = Server::new();
    s.send(&[b"SESSION.SET", b"a", b"FIELDS", b"1", BINARY, b"x"]).unwrap();
    let error = s.send(&[b"SESSION.GET", b"a", b"JSON"]).unwrap_err();
    assert!(error.contains(r"\x00\r\n") && error.contains(r"\xff"), "{error}");
    let both = s.send(&[b"SESSION.SET", b"a", b"UNSET", b"1", BINARY, b"FIELDS", b"1", BINARY, b"x"]);
    assert!(both.unwrap_err().contains(r"\xff"));
    s.says("SESSION.INFO none", "nil");
}

#[test]
fn a_user_is_at_most_1_kb() {
    let mut s = Server::new();
    let (fits, long) = ("u".repeat(1024), "u".repeat(1025));
    s.says(&format!("SESSION.SET a USER {fits}"), "1");
    s.says(&format!("SESSION.COUNT {fits}"), "1");
    for command in ["SESSION.SET a USER", "SESSION.NEW USER", "SESSION.COUNT", "SESSION.BYUSER", "SESSION.REVOKE"] {
        let said = s.say(&format!("{command} {long}"));
        assert!(said.starts_with("ERR "), "{command} said {said}");
    }
    s.says("DBSIZE", "1");
}

#[test]
fn a_user_is_not_empty() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice", "1");
    let before = s.say("SESSION.INFO a");
    let commands: [&[&[u8]]; 7] = [
        &[b"SESSION.SET", b"a", b"USER", b""],
        &[b"SESSION.SET", b"b", b"USER", b""],
        &[b"SESSION.NEW", b"USER", b""],
        &[b"SESSION.ROTATE", b"a", b"b", b"USER", b""],
        &[b"SESSION.BYUSER", b""],
        &[b"SESSION.COUNT", b""],
        &[b"SESSION.REVOKE", b""],
    ];
    for command in commands {
        let said = s.send(command);
        assert!(said.as_ref().is_err_and(|error| error.starts_with("ERR ")), "{command:?} said {said:?}");
    }
    s.says("SESSION.INFO a", &before);
    s.says("DBSIZE", "1");
}

// ---- Transactions and client-side caches

/// Commands that another client runs on session `a` of alice, and whether they change it: data, times or being there.
/// Reads and touches do not.
const CHANGES: &[(&str, bool)] = &[
    ("SESSION.GET a", false),
    ("SESSION.INFO a", false),
    ("SESSION.BYUSER alice", false),
    ("SESSION.TOUCH a", false),
    ("SESSION.TOUCH a a other", false),
    ("SESSION.GETEX a", false),
    ("SESSION.GETEX a EX 50", true),
    ("SESSION.GETEX a EX 1800", false),
    ("SESSION.GETEX a PX 1800000", false),
    ("SESSION.ADJUST a 100", true),
    ("SESSION.ADJUST a 1800", false),
    ("SESSION.ADJUST a EX 1800 NOLIFETIME", false),
    ("SESSION.ADJUST a EX 1800 LIFETIME 9000", true),
    ("SESSION.SET a EX 1800", true),
    ("SESSION.SET a FIELDS 1 raw x JSON {}", true),
    ("SESSION.SET a FIELDS 1 name Ann", true),
    ("SESSION.SET a USER bob", true),
    ("SESSION.SET a EX 60", true),
    ("SESSION.SET a NX FIELDS 1 name Eve", false),
    ("SESSION.SET a IFVERSION 77 FIELDS 1 name Eve", false),
    ("SESSION.SET a PXAT 1", true),
    ("SESSION.SET other USER alice MAXSESSIONS 1 OLDEST", true),
    ("SESSION.SET other USER alice MAXSESSIONS 1 REJECT", false),
    ("SESSION.NEW USER alice MAXSESSIONS 1 LRU", true),
    ("SESSION.UNSET a FIELDS 1 name", true),
    ("SESSION.UNSET a FIELDS 1 none", false),
    ("SESSION.POP a FIELDS 1 name", true),
    ("SESSION.POP a FIELDS 1 none", false),
    ("SESSION.POP a IFVERSION 77 FIELDS 1 name", false),
    ("SESSION.INCRBY a n 1", true),
    ("SESSION.INCRBY a name 1", false),
    ("SESSION.ROTATE a b", true),
    ("SESSION.ROTATE a b REPLACE", true),
    ("SESSION.ROTATE a b PGRACE 1000", true),
    ("SESSION.ROTATE a b GRACE 10", true),
    ("SESSION.ROTATE other a", false),
    ("SESSION.DEL a", true),
    ("SESSION.DEL other", false),
    ("SESSION.REVOKE alice", true),
    ("SESSION.REVOKE alice EXCEPT 1 a", false),
    ("SESSION.REVOKE alice ONLY 1 a", true),
    ("SESSION.REVOKE alice ONLY 1 other", false),
    ("SESSION.REVOKE bob ONLY 1 a", false),
    ("SESSION.REVOKE bob", false),
];

#[test]
fn changes_break_a_watch_and_touches_do_not() {
    let mut s = Server::new();
    let mut watcher = s.client();
    for (command, changes) in CHANGES {
        s.says("FLUSHALL", "OK");
        s.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
        watcher.says("WATCH a", "OK");
        s.say(command);
        watcher.says("MULTI", "OK");
        watcher.says("PING", "QUEUED");
        assert_eq!(watcher.say("EXEC"), if *changes { "nil" } else { "[PONG]" }, "{command}");
    }
}

#[test]
fn a_watch_of_a_session_to_be_is_broken_by_its_beginning() {
    let mut s = Server::new();
    let mut watcher = s.client();
    watcher.says("WATCH a", "OK");
    s.says("SESSION.SET a", "1");
    watcher.says("MULTI", "OK");
    watcher.says("EXEC", "nil");
    watcher.says("WATCH b", "OK");
    s.says("SESSION.ROTATE a b", "2");
    watcher.says("MULTI", "OK");
    watcher.says("EXEC", "nil");
}

#[test]
fn changes_invalidate_client_side_caches_and_touches_do_not() {
    let mut s = Server::new();
    let mut listener = Subscriber::to_invalidations(&s);
    let mut cache = s.client();
    cache.says(&format!("CLIENT TRACKING ON REDIRECT {}", listener.id), "OK");
    for (command, changes) in CHANGES {
        s.says("FLUSHALL", "OK");
        s.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
        cache.says("SESSION.GET a", "[name, Ann]");
        listener.heard(&mut s);
        let expected: &[&str] = if *changes { &["[a]"] } else { &[] };
        listener.hears(&mut s, command, expected);
    }
}

#[test]
fn commands_in_a_transaction_see_each_other() {
    let mut s = Server::new();
    s.says("MULTI", "OK");
    let commands =
        ["SET a USER alice FIELDS 1 n 1", "COUNT alice", "SET b USER alice", "REVOKE alice EXCEPT 1 b", "BYUSER alice"];
    for command in commands {
        s.says(&format!("SESSION.{command}"), "QUEUED");
    }
    s.says("EXEC", "[1, 1, 1, 1, [b]]");
}

// ---- Events

#[test]
fn every_write_publishes_its_event() {
    let mut s = Server::new();
    let mut l = Subscriber::to_events(&mut s);
    let s = &mut s;
    l.hears(s, "SESSION.SET a USER alice FIELDS 1 n 1", &["session.set a"]);
    l.hears(s, "SESSION.SET a FIELDS 1 n 2", &["session.set a"]);
    l.hears(s, "SESSION.SET a EX 100", &["session.set a"]);
    l.hears(s, "SESSION.SET a NX", &[]);
    l.hears(s, "SESSION.SET a IFVERSION 9", &[]);
    l.hears(s, "SESSION.SET none XX", &[]);
    l.hears(s, "SESSION.GET a", &[]);
    l.hears(s, "SESSION.GETEX a", &["session.touch a"]);
    l.hears(s, "SESSION.GETEX a PX 70000", &["session.adjust a"]);
    l.hears(s, "SESSION.TOUCH a none", &["session.touch a"]);
    l.hears(s, "SESSION.GETEX a PX 70000", &["session.touch a"]);
    l.hears(s, "SESSION.ADJUST a 70", &["session.touch a"]);
    l.hears(s, "SESSION.ADJUST a 100", &["session.adjust a"]);
    l.hears(s, "SESSION.ADJUST a EX 100 NOLIFETIME", &["session.touch a"]);
    l.hears(s, "SESSION.ADJUST a EX 100 LIFETIME 5000", &["session.adjust a"]);
    l.hears(s, "SESSION.ADJUST a PLIFETIME 5000000", &["session.touch a"]);
    l.hears(s, "SESSION.ADJUST a NOLIFETIME", &["session.adjust a"]);
    l.hears(s, "SESSION.ADJUST none 100", &[]);
    l.hears(s, "SESSION.SET b USER alice MAXSESSIONS 1 LRU", &["session.revoke a", "del a", "session.set b"]);
    l.hears(s, "SESSION.ADJUST b PXAT 1", &["session.del b", "del b"]);
    l.hears(s, "SESSION.SET none PXAT 1", &[]);
    l.hears(s, "SESSION.SET c USER alice", &["session.set c"]);
    l.hears(s, "SESSION.INCRBY c n 1", &["session.set c"]);
    l.hears(s, "SESSION.POP c FIELDS 1 n", &["session.set c"]);
    l.hears(s, "SESSION.UNSET c FIELDS 1 n", &["session.touch c"]);
    l.hears(s, "SESSION.UNSET c KEEPTTL FIELDS 1 n", &[]);
    // What becomes of the old key is told before what stands at the new one.
    s.says("SESSION.ROTATE c d", "4");
    let heard = l.heard(s);
    assert_eq!(heard.last().unwrap(), "session.rotate d", "{heard:?}");
    assert!(heard.contains(&"del c".to_string()), "{heard:?}");
    l.hears(s, "SESSION.ROTATE d c PGRACE 60000", &["session.rotate c", "session.rotate d"]);
    l.hears(s, "SESSION.ROTATE c d", &[]);
    l.hears(s, "SESSION.DEL d", &["session.del d", "del d"]);
    l.hears(s, "SESSION.REVOKE alice ONLY 2 none c", &["session.revoke c", "del c"]);
    l.hears(s, "SESSION.SET d", &["session.set d"]);
    l.hears(s, "SESSION.DEL d none", &["session.del d", "del d"]);
    let key = s.say("SESSION.NEW");
    assert_eq!(l.heard(s), [format!("session.set {key}")]);
    l.hears(s, "SELECT 2", &[]);
    l.hears(s, "SESSION.SET a", &["session.set a @2"]);
    l.hears(s, "SESSION.DEL a", &["session.del a @2", "del a @2"]);
}

#[test]
fn what_ended_is_told_before_what_was_written() {
    let mut s = Server::new();
    let mut l = Subscriber::to_events(&mut s);
    let s = &mut s;
    for key in ["a", "b", "c"] {
        s.says(&format!("SESSION.SET {key} USER alice"), "1");
        s.tick();
    }
    l.heard(s);
    let ended = ["session.revoke a", "del a", "session.revoke b", "del b"];
    let and = |written: &[&'static str]| [&ended[..], written].concat();
    l.hears(s, "SESSION.SET d USER alice MAXSESSIONS 2 OLDEST", &and(&["session.set d"]));
    s.tick();
    s.says("SESSION.SET e", "1");
    l.heard(s);
    s.says("SESSION.ROTATE e f USER alice MAXSESSIONS 1 LRU GRACE 60", "2");
    let heard = l.heard(s);
    assert_eq!(heard[..4], ["session.revoke c", "del c", "session.revoke d", "del d"], "{heard:?}");
    let mut written = heard[4..].to_vec();
    written.sort();
    assert_eq!(written, ["session.rotate e", "session.rotate f"]);
    // The session in its way was already past its deadline.
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    s.says("SESSION.SET g PX 100", "1");
    s.says("PERSIST g", "1");
    let deadline = s.session_number("g", "deadline");
    s.wait_for(deadline);
    l.heard(s);
    l.hears(s, "SESSION.SET g", &["del g", "session.set g"]);
    l.hears(s, "SESSION.DEL g f", &["session.del g", "del g", "session.del f", "del f"]);
}

#[test]
fn an_expired_session_publishes_expired_and_one_kept_too_long_by_hand_del() {
    let mut s = Server::new();
    let mut l = Subscriber::to_events(&mut s);
    let s = &mut s;
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    s.says("SESSION.SET a PX 1", "1");
    // In the millisecond of the deadline itself the session has ended, and the key has not yet expired.
    s.tick();
    s.tick();
    l.heard(s);
    l.hears(s, "SESSION.TOUCH a", &["expired a"]);
    s.says("SESSION.SET a PX 200", "1");
    s.says("PERSIST a", "1");
    let deadline = s.session_number("a", "deadline");
    s.wait_for(deadline);
    l.heard(s);
    l.hears(s, "SESSION.GET a", &[]);
    l.hears(s, "SESSION.TOUCH a", &["del a"]);
}

#[test]
fn nothing_is_published_unless_it_is_asked_for() {
    let mut s = Server::new();
    let mut l = Subscriber::to_events(&mut s);
    s.says("CONFIG SET notify-keyspace-events Eg", "OK");
    l.hears(&mut s, "SESSION.SET a", &[]);
    l.hears(&mut s, "SESSION.DEL a", &["del a"]);
    s.says("CONFIG SET notify-keyspace-events Ed", "OK");
    l.hears(&mut s, "SESSION.SET a", &["session.set a"]);
    l.hears(&mut s, "SESSION.DEL a", &["session.del a"]);
}

// ---- Touching

#[test]
fn a_touch_within_the_interval_writes_and_sends_nothing_and_counts_as_live() {
    let mut s = Server::start(&["touch-interval-ms", "600000"]);
    let mut l = Subscriber::to_events(&mut s);
    let mut replica = Replica::of(&mut s);
    s.says("SESSION.SET a USER alice EX 100000 FIELDS 1 name Ann", "1");
    s.tick();
    let before = s.say("SESSION.INFO a");
    l.heard(&mut s);
    replica.sent(&mut s);
    l.hears(&mut s, "SESSION.TOUCH a none", &[]);
    l.hears(&mut s, "SESSION.GETEX a", &[]);
    replica.gets(&mut s, "SESSION.TOUCH a a", &[]);
    s.says("SESSION.TOUCH a a none", "2");
    s.says("SESSION.GETEX a", "[name, Ann]");
    s.says("SESSION.INFO a", &before);
    // So does naming the times that it has.
    for same in [
        "SESSION.GETEX a EX 100000",
        "SESSION.GETEX a PX 100000000",
        "SESSION.ADJUST a 100000",
        "SESSION.ADJUST a PX 100000000",
        "SESSION.ADJUST a NOLIFETIME",
        "SESSION.ADJUST a NOLIFETIME EX 100000",
    ] {
        l.hears(&mut s, same, &[]);
        replica.gets(&mut s, same, &[]);
        s.says("SESSION.INFO a", &before);
    }
    l.hears(&mut s, "SESSION.ADJUST a EX 100000 LIFETIME 900000", &["session.adjust a"]);
    assert_eq!(replica.sent(&mut s), ["SESSION.APPLY a …"]);
    l.hears(&mut s, "SESSION.ADJUST a LIFETIME 900000", &[]);
    // The same moment, said in another way, is another end.
    let end = s.session_number("a", "end");
    l.hears(&mut s, &format!("SESSION.ADJUST a PXAT {end}"), &["session.adjust a"]);
    l.hears(&mut s, &format!("SESSION.ADJUST a PXAT {end}"), &[]);
    s.says("SESSION.ADJUST a NOLIFETIME", "1");
    let before = s.say("SESSION.INFO a");
    replica.sent(&mut s);

    s.says("CONFIG SET session.touch-interval-ms 0", "OK");
    s.tick();
    replica.gets(&mut s, "SESSION.TOUCH a", &["SESSION.APPLY a …"]);
    assert_ne!(s.say("SESSION.INFO a"), before);
}

#[test]
fn the_replication_offset_stands_still_under_absorbed_touches() {
    let mut s = Server::start(&["touch-interval-ms", "600000"]);
    let _replica = Replica::of(&mut s);
    s.says("SESSION.SET a EX 100000", "1");
    let offset = s.info("replication", "master_repl_offset");
    s.says("SESSION.TOUCH a", "1");
    assert_eq!(s.info("replication", "master_repl_offset"), offset);
    s.says("SESSION.ADJUST a 100", "1");
    assert_ne!(s.info("replication", "master_repl_offset"), offset);
}

#[test]
fn a_tenth_of_the_idle_timeout_bounds_the_interval_and_changes_are_never_absorbed() {
    let mut s = Server::start(&["touch-interval-ms", "600000"]);
    s.says("SESSION.SET a PX 300", "1");
    let accessed = s.session_number("a", "accessed");
    s.wait_for(accessed + 30);
    s.says("SESSION.TOUCH a", "1");
    assert!(s.session_number("a", "accessed") >= accessed + 30);
    s.says("SESSION.SET b EX 100000 FIELDS 1 n 1", "1");
    for change in ["SESSION.GETEX b EX 200000", "SESSION.ADJUST b EX 300000", "SESSION.SET b FIELDS 1 n 1"] {
        let accessed = s.session_number("b", "accessed");
        s.tick();
        s.say(change);
        assert!(s.session_number("b", "accessed") > accessed, "{change}");
    }
}

// ---- Limits

#[test]
fn a_write_that_would_pass_max_fields_is_refused_and_changes_nothing() {
    let mut s = Server::start(&["max-fields", "3"]);
    s.says("SESSION.SET a FIELDS 3 x 1 y 2 z 3", "1");
    let before = s.say("SESSION.INFO a");
    let refused = "ERR session would have more than 3 fields (session.max-fields)";
    s.says("SESSION.SET a FIELDS 1 more 4", refused);
    s.says("SESSION.SET a JSON {\"more\":4}", refused);
    s.says("SESSION.SET b FIELDS 4 x 1 y 2 z 3 more 4", refused);
    s.says("SESSION.NEW FIELDS 4 x 1 y 2 z 3 more 4", refused);
    s.says("SESSION.SET b FIELDS 2 x 1 y 2 JSON {\"z\":3,\"more\":4}", refused);
    s.says("SESSION.ROTATE a b JSON {\"more\":4}", refused);
    s.says("SESSION.INFO a", &before);
    s.says("DBSIZE", "1");
    s.says("SESSION.SET a UNSET 1 x FIELDS 1 more 4", "2");
    s.says("SESSION.SET a REPLACE FIELDS 3 p 1 q 2 r 3", "3");
    // One that was there before the limit can be read, and written if it does not grow.
    s.says("CONFIG SET session.max-fields 1", "OK");
    s.says("SESSION.GET a", "[p, 1, q, 2, r, 3]");
    s.says("SESSION.SET a FIELDS 1 p 9", "4");
    s.says("SESSION.SET a UNSET 1 p", "5");
    s.says("SESSION.SET a FIELDS 1 p 1", "ERR session would have more than 1 fields (session.max-fields)");
}

fn send(s: &mut Server, words: &[Vec<u8>]) -> Result<Value, String> {
    s.send(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn a_json_text_that_cannot_fit_is_refused_before_it_takes_memory() {
    let mut s = Server::new();
    let members: Vec<String> = (0..1_000_000).map(|i| format!("\"{i:07}\":1")).collect();
    let many = format!("{{{}}}", members.join(","));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(many.len()));
    let nested = format!("{{\"a\":[{}1]}}", "1,".repeat(many.len() / 2));
    let escaped = format!("{{\"a\":\"{}\"}}", "\\u0041".repeat(many.len() / 6));
    s.says("SESSION.SET a USER alice", "1");
    let before = s.say("SESSION.INFO a");
    // What the server itself takes for an argument of that length.
    let asked = |text: &str| vec![b"EXISTS".to_vec(), text.into()];
    let mut base = 0;
    for text in [&many, &long, &nested, &escaped, &many] {
        base = base.max(s.peak_during(|s| drop(send(s, &asked(text)))));
    }
    for (text, cap) in [
        (&many, "session.max-fields"),
        (&long, "session.max-bytes"),
        (&nested, "session.max-bytes"),
        (&escaped, "session.max-bytes"),
    ] {
        for command in ["SESSION.SET a JSON", "SESSION.NEW JSON", "SESSION.ROTATE a b JSON"] {
            let mut words: Vec<Vec<u8>> = command.split(' ').map(Into::into).collect();
            words.push(text.clone().into());
            let peak = s.peak_during(|s| {
                let said = send(s, &words);
                assert!(said.as_ref().is_err_and(|e| e.starts_with("ERR ") && e.contains(cap)), "{cap}: {said:?}");
            });
            assert!(peak < base + 8_000_000, "{command} takes {peak} bytes, an argument of that length {base}");
        }
    }
    s.says("SESSION.INFO a", &before);
    // What fits is taken, however much white space is around it.
    let roomy = format!("{{{} \"a\" : [ 1 ,{} 2 ] }}", " ".repeat(1_500_000), "\n".repeat(1_500_000));
    assert_eq!(s.send(&[b"SESSION.SET", b"a", b"JSON", roomy.as_bytes()]), Ok(Value::Int(2)));
    s.says("SESSION.GET a JSON", "{\"a\":[1,2]}");
}

#[test]
fn a_counter_that_would_overflow_says_so() {
    let mut s = Server::new();
    s.says(&format!("SESSION.SET a FIELDS 3 high {} low {} word x", i64::MAX, i64::MIN), "1");
    let before = s.say("SESSION.INFO a");
    for step in ["high 1", "high 9223372036854775807", "low -1", "low -9223372036854775808"] {
        let said = s.say(&format!("SESSION.INCRBY a {step}"));
        assert!(said.starts_with("ERR increment or decrement would overflow"), "{step} said {said}");
    }
    for step in ["word 1", "high 9223372036854775808", "high x", "high 1.5", "none -9223372036854775809"] {
        let said = s.say(&format!("SESSION.INCRBY a {step}"));
        assert!(said.starts_with("ERR value is not an integer or out of range"), "{step} said {said}");
    }
    s.says("SESSION.INFO a", &before);
    s.says("SESSION.INCRBY a high -1", &(i64::MAX - 1).to_string());
    s.says("SESSION.INCRBY a low 1", &(i64::MIN + 1).to_string());
}

#[test]
fn a_write_that_would_pass_max_bytes_is_refused_and_changes_nothing() {
    let mut s = Server::start(&["max-bytes", "10"]);
    s.says("SESSION.SET a FIELDS 2 12 345 67 890", "1");
    assert_eq!(s.session("a")["bytes"], "10");
    let refused = "ERR session would have more than 10 bytes (session.max-bytes)";
    s.says("SESSION.SET a FIELDS 1 12 3456", refused);
    s.says("SESSION.SET b FIELDS 1 name 1234567", refused);
    s.says("SESSION.NEW FIELDS 1 name 1234567", refused);
    s.says("SESSION.GET a", "[12, 345, 67, 890]");
    s.says("DBSIZE", "1");
    s.says("SESSION.SET a FIELDS 1 12 543", "2");
    s.says("SESSION.SET a UNSET 1 12 FIELDS 1 21 543", "3");
}

#[test]
fn a_command_on_several_keys_changes_nothing_if_one_holds_another_type() {
    let mut s = Server::new();
    s.says("SET string x", "OK");
    s.says("SESSION.SET a USER alice", "1");
    let before = s.say("SESSION.INFO a");
    s.tick();
    for command in ["SESSION.TOUCH", "SESSION.DEL"] {
        for keys in ["a string", "string a", "a none string", "string"] {
            let said = s.say(&format!("{command} {keys}"));
            assert!(said.starts_with("WRONGTYPE "), "{command} {keys} said {said}");
        }
    }
    s.says("SESSION.INFO a", &before);
    s.says("SESSION.COUNT alice", "1");
    s.says("GET string", "x");
}

#[test]
fn no_command_takes_another_type_for_a_session() {
    let mut s = Server::new();
    s.says("RPUSH list x", "1");
    for command in [
        "SET list",
        "SET list NX",
        "SET list XX",
        "GET list",
        "GETEX list",
        "ADJUST list 10",
        "INFO list",
        "UNSET list FIELDS 1 x",
        "POP list FIELDS 1 x",
        "INCRBY list x 1",
        "ROTATE list new",
    ] {
        let said = s.say(&format!("SESSION.{command}"));
        assert!(said.starts_with("WRONGTYPE "), "{command} said {said}");
    }
    s.says("SESSION.SET a", "1");
    let said = s.say("GET a");
    assert!(said.starts_with("WRONGTYPE "), "{said}");
    s.says("TYPE a", "sess-hash");
    s.says("SCAN 0 TYPE sess-hash", "[0, [a]]");
}

#[test]
fn the_same_key_twice_is_touched_twice_and_ended_once() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.TOUCH a a", "2");
    s.says("SESSION.DEL a a", "1");
    s.says("SESSION.COUNT alice", "0");
    s.says("SESSION.DEL a a", "0");
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.REVOKE alice EXCEPT 2 a a", "0");
}

#[test]
fn a_server_out_of_memory_keeps_sessions_alive_and_ends_them() {
    let mut s = Server::new();
    for key in ["a", "b", "c"] {
        s.says(&format!("SESSION.SET {key} USER alice FIELDS 1 name Ann"), "1");
    }
    s.says("CONFIG SET maxmemory-policy noeviction maxmemory 1", "OK");
    for command in ["SET a FIELDS 1 name Eve", "SET d", "NEW USER alice", "INCRBY a n 1", "ROTATE a d"] {
        let command = format!("SESSION.{command}");
        let said = s.say(&command);
        assert!(said.starts_with("OOM "), "{command} said {said}");
    }
    s.says("SESSION.GET a", "[name, Ann]");
    s.says("SESSION.GETEX a", "[name, Ann]");
    s.says("SESSION.TOUCH a b c", "3");
    s.says("SESSION.ADJUST a 100", "1");
    s.says("SESSION.UNSET b FIELDS 1 name", "1");
    s.says("SESSION.POP c FIELDS 1 name", "[Ann]");
    s.says("SESSION.COUNT alice", "3");
    s.says("SESSION.DEL b", "1");
    s.says("SESSION.REVOKE alice", "2");
    s.says("DBSIZE", "0");
}

// ---- Lists

#[test]
fn pages_of_a_users_sessions_add_up_to_all_of_them_latest_first() {
    let mut s = Server::new();
    for key in ["c", "a", "e", "b", "d"] {
        s.says(&format!("SESSION.SET {key} USER alice"), "1");
        s.tick();
    }
    s.says("SESSION.BYUSER alice", "[d, b, e, a, c]");
    for (limit, page) in
        [("0 2", "[d, b]"), ("2 2", "[e, a]"), ("4 2", "[c]"), ("5 2", "[]"), ("0 0", "[]"), ("1 99", "[b, e, a, c]")]
    {
        s.says(&format!("SESSION.BYUSER alice LIMIT {limit}"), page);
    }
    s.says("SESSION.TOUCH c", "1");
    s.says("SESSION.BYUSER alice LIMIT 0 2", "[c, d]");
    s.says("SESSION.BYUSER alice FIELDS 1 none LIMIT 1 1", "[[key, d, data, []]]");
    s.says(&format!("SESSION.BYUSER alice LIMIT {} {}", i64::MAX, i64::MAX), "[]");
    assert!(s.say("SESSION.BYUSER alice LIMIT -1 2").starts_with("ERR "));
    // Equal times: by key.
    s.says("MULTI", "OK");
    s.says("SESSION.TOUCH e b d a c", "QUEUED");
    s.says("EXEC", "[5]");
    s.says("SESSION.BYUSER alice", "[a, b, c, d, e]");
}

#[test]
fn a_thousand_fields_merge_like_a_map() {
    let mut s = Server::new();
    let mut model = BTreeMap::new();
    let mut dice: u32 = 1;
    let mut roll = |sides: u32| {
        dice = dice.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (dice >> 16) % sides
    };
    s.says("SESSION.SET a", "1");
    for round in 2..200 {
        let set: BTreeMap<String, String> =
            (0..40).map(|_| (format!("field-{}", roll(1024)), "v".repeat(roll(20) as usize))).collect();
        let unset: Vec<String> =
            (0..10).map(|_| format!("field-{}", roll(1024))).filter(|name| !set.contains_key(name)).collect();
        let pairs: Vec<_> = set.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let write =
            format!("SESSION.SET a UNSET {} {} FIELDS {} {}", unset.len(), unset.join(" "), set.len(), pairs.join(" "));
        s.says(&write, &round.to_string());
        unset.iter().for_each(|name| drop(model.remove(name.as_bytes())));
        model.extend(set.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())));
        assert_eq!(fields_of(&mut s, b"a"), model);
    }
    assert!(model.len() > 500);
    let all: String = (0..1024).map(|i| format!(" field-{i} {i}")).collect();
    s.says(&format!("SESSION.SET a FIELDS 1024{all}"), "200");
    assert_eq!(s.session("a")["fields"], "1024");
    s.says("SESSION.GET a FIELDS 2 field-0 field-1023", "[0, 1023]");
}

#[test]
fn a_field_that_is_given_twice_has_its_last_value() {
    let mut s = Server::new();
    s.says("SESSION.SET a FIELDS 3 x 1 y 2 x 3", "1");
    let data = fields_of(&mut s, b"a");
    assert_eq!(data, BTreeMap::from([(b"x".to_vec(), b"3".to_vec()), (b"y".to_vec(), b"2".to_vec())]));
    s.says("SESSION.GET a FIELDS 3 x x none", "[3, 3, nil]");
    s.says("SESSION.SET a UNSET 2 x x", "2");
    assert_eq!(shown(&s.send(&[b"SESSION.GET", b"a"]).unwrap()), "[y, 2]");
}

// ---- Arguments

#[test]
fn counts_that_do_not_match_are_errors_and_change_nothing() {
    let mut s = Server::new();
    s.says("SESSION.SET a FIELDS 1 name Ann", "1");
    let huge = i64::MAX;
    for options in [
        "FIELDS",
        "FIELDS 0",
        "FIELDS 1",
        "FIELDS 1 x",
        "FIELDS 2 x 1 y",
        "FIELDS -1 x 1",
        "FIELDS x 1 2",
        "FIELDS 1 x 1 y",
        "UNSET 0 x",
        "UNSET 2 x",
        "UNSET 1 x UNSET 1 y",
        "NX XX",
        "NX IFVERSION 1",
        "USER",
        "USER u NOUSER",
        "EX 1 PX 1",
        "EX 0",
        "EX -1",
        "EX 315360001",
        "EX x",
        "PX 0",
        "LIFETIME 1 EXAT 1",
        "EX 1 PERSIST",
        "MAXSESSIONS 0 LRU",
        "MAXSESSIONS 1",
        "MAXSESSIONS 1 FIRST",
        "JSON",
        "JSON [] ",
        "JSON {} JSON {}",
        "JSON {\"a\":1} FIELDS 1 a b",
        "JSON {\"a\":1} UNSET 1 a",
        "META 1 version",
        "GRACE 1",
        "ONLY 1 a",
        "NONSENSE",
        "UNSET 1 name FIELDS 1 name x",
        "REPLACE REPLACE",
        "IFVERSION",
        "IFVERSION x",
    ]
    .map(str::to_string)
    .into_iter()
    .chain([
        format!("FIELDS {huge} x 1"),
        format!("UNSET {huge} x"),
        format!("EX {huge}"),
        format!("FIELDS {huge}0 x 1"),
    ]) {
        let said = s.say(&format!("SESSION.SET a {options}"));
        assert!(said.starts_with("ERR "), "{options} said {said}");
    }
    s.says("SESSION.GET a", "[name, Ann]");
    assert_eq!(s.session("a")["version"], "1");
}

#[test]
fn a_prefix_of_new_keys_has_a_limit() {
    let mut s = Server::new();
    let said = s.say(&format!("SESSION.NEW PREFIX {}", "{".repeat(256)));
    assert_eq!(said.len(), 256 + 36);
    s.says(&format!("SESSION.NEW PREFIX {}", "{".repeat(257)), "ERR prefix is longer than 256 bytes");
    s.says("DBSIZE", "1");
}

#[test]
fn what_is_asked_of_metadata_is_checked() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice", "1");
    for command in
        ["SESSION.GET a", "SESSION.GET none", "SESSION.GETEX a", "SESSION.BYUSER alice", "SESSION.BYUSER nobody"]
    {
        for read in [
            "META",
            "META 0",
            "META -1 version",
            "META x version",
            "META 1",
            "META 2 version",
            "META 1 data",
            "META 1 key",
            "META 1 fields",
            "META 1 bytes",
            "META 1 nonsense",
            "META 2 version VERSION",
            "META 3 user version user",
            "META 1 version META 1 user",
            "META 1 version WITHMETA",
            "WITHMETA META 1 version",
            "WITHMETA WITHMETA",
            "JSON JSON",
            "FIELDS 1 x FIELDS 1 y",
            "FIELDS 0",
            "META 9223372036854775807 version",
        ] {
            let said = s.say(&format!("{command} {read}"));
            assert!(said.starts_with("ERR "), "{command} {read} said {said}");
        }
    }
    for read in ["META 1 version WITHMETA", "WITHMETA META 1 version"] {
        let said = s.say(&format!("SESSION.GET a {read}"));
        assert!(said.starts_with("ERR syntax error"), "{read} said {said}");
    }
}

#[test]
fn an_error_says_where() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice FIELDS 1 n x", "1");
    for (command, error) in [
        ("SESSION.GET a name", "ERR syntax error at 'name' (argument 2)"),
        ("SESSION.SET a nonsense", "ERR syntax error at 'nonsense' (argument 2)"),
        ("SESSION.SET a EX 10 name", "ERR syntax error at 'name' (argument 4)"),
        ("SESSION.SET a EX x", "ERR value is not an integer or out of range: EX"),
        ("SESSION.SET a PX 1.5", "ERR value is not an integer or out of range: PX"),
        ("SESSION.SET a EX 0", "ERR invalid expire time in 'session.set' command"),
        ("SESSION.GETEX a EX -1", "ERR invalid expire time in 'session.getex' command"),
        ("SESSION.ADJUST a LIFETIME 0", "ERR invalid expire time in 'session.adjust' command"),
        ("SESSION.ROTATE a b GRACE 0", "ERR invalid expire time in 'session.rotate' command"),
        ("SESSION.REVOKE alice ONLY 1 a EXCEPT 1 b", "ERR syntax error"),
        ("SESSION.REVOKE alice EXCEPT 1 b ONLY 1 a", "ERR syntax error"),
        ("SESSION.REVOKE alice ONLY 1 a ONLY 1 b", "ERR syntax error"),
        ("SESSION.COUNT", "ERR wrong number of arguments"),
    ] {
        let said = s.say(command);
        assert!(said.starts_with(error), "{command} said {said}");
    }
    s.says("SESSION.COUNT alice", "1");
}

#[test]
fn a_grace_is_one_millisecond_to_five_minutes() {
    let mut s = Server::new();
    s.says("SESSION.SET a", "1");
    for grace in [
        "GRACE 0",
        "GRACE -1",
        "GRACE 301",
        "GRACE 300000",
        "GRACE x",
        "GRACE",
        "PGRACE 0",
        "PGRACE 300001",
        "PGRACE",
        "GRACE 1 PGRACE 1",
        "PGRACE 1 GRACE 1",
        "GRACE 1 GRACE 1",
        "GRACE 9223372036854775807",
    ] {
        let said = s.say(&format!("SESSION.ROTATE a b {grace}"));
        assert!(said.starts_with("ERR "), "{grace} said {said}");
    }
    for (i, (grace, ms)) in [("GRACE 1", 1_000), ("GRACE 300", 300_000), ("PGRACE 300000", 300_000)].iter().enumerate()
    {
        s.says(&format!("SESSION.SET old:{i} FIELDS 1 x y"), "1");
        s.says(&format!("SESSION.ROTATE old:{i} new:{i} {grace}"), "2");
        let rotated = s.session_number(&format!("new:{i}"), "accessed");
        assert_eq!(s.session_number(&format!("old:{i}"), "grace"), rotated + ms, "{grace}");
    }
    s.says("SESSION.ROTATE a b PGRACE 1", "2");
    common::wait_until("the grace to pass", || s.say("SESSION.GET a") == "nil");
}

// ---- Sign out this device

#[test]
fn revoke_only_ends_the_given_keys_of_this_user_and_nothing_else() {
    let mut s = Server::new();
    for (key, user) in [("a", "alice"), ("b", "alice"), ("c", "alice"), ("d", "bob"), ("old", "alice")] {
        s.says(&format!("SESSION.SET {key} USER {user}"), "1");
    }
    s.says("SESSION.SET nobody", "1");
    s.says("SET string x", "OK");
    s.says("SESSION.ROTATE old new USER bob GRACE 100", "2");
    s.says("SESSION.REVOKE bob ONLY 6 a b nobody string none old", "0");
    s.says("SESSION.REVOKE alice ONLY 1 none", "0");
    // A key twice counts once; a snapshot is still the former user's.
    s.says("SESSION.REVOKE alice ONLY 8 a a d nobody string none old new", "2");
    s.says("EXISTS a old", "0");
    s.says("EXISTS b c d nobody string new", "6");
    s.says("SESSION.COUNT alice", "2");
    s.says("SESSION.COUNT bob", "2");
    for wrong in ["ONLY", "ONLY 0", "ONLY 1", "ONLY 2 b", "ONLY -1 b", "ONLY x b", "ONLY 1 b c", "ONLY 1 b ONLY 1 c"] {
        let said = s.say(&format!("SESSION.REVOKE alice {wrong}"));
        assert!(said.starts_with("ERR "), "{wrong} said {said}");
    }
    s.says("SESSION.COUNT alice", "2");
    s.check_index("after it");
}

// ---- Order of arrival

#[test]
fn of_sessions_made_in_the_same_millisecond_the_first_made_is_ended_first() {
    for policy in ["OLDEST", "LRU"] {
        for n in [2, 3, 16, 17, 40] {
            let mut s = Server::new();
            // Their keys' own order is another one.
            let keys: Vec<String> = (0..n).map(|i| format!("{:02}", (i * 7 + 3) % 41)).collect();
            common::wait_until("all to begin in one millisecond", || {
                s.says("FLUSHALL", "OK");
                s.says("MULTI", "OK");
                keys.iter().for_each(|key| s.says(&format!("SESSION.SET {key} USER alice"), "QUEUED"));
                s.say("EXEC");
                let began: Vec<i64> = keys.iter().map(|key| s.session_number(key, "created")).collect();
                began.iter().all(|at| *at == began[0])
            });
            s.tick();
            for (i, key) in keys.iter().enumerate() {
                s.says(&format!("SESSION.SET later:{i} USER alice MAXSESSIONS {n} {policy}"), "1");
                s.says(&format!("EXISTS {key}"), "0");
                s.says("SESSION.COUNT alice", &n.to_string());
                if i > 3 {
                    break;
                }
            }
        }
    }
}

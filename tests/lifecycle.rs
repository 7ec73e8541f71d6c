//! What the server does to keys, and what sessions and index are afterwards.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{shown, wait_until, Server};
use redis::Value;

/// Something that happens to session `a`, made with these options; then, which keys hold such a session in its own
/// database, and which in the other one.
type Path = (&'static str, &'static str, fn(&mut Server, &Place), &'static [&'static str], &'static [&'static str]);

/// Where it happens.
struct Place {
    db: usize,
    other: usize,
}

const PATHS: &[Path] = &[
    ("nothing", "", |_, _| {}, &["a"], &[]),
    ("DEL", "", |s, _| s.says("DEL a", "1"), &[], &[]),
    ("UNLINK", "", |s, _| s.says("UNLINK a", "1"), &[], &[]),
    ("SESSION.DEL", "", |s, _| s.says("SESSION.DEL a", "1"), &[], &[]),
    ("SESSION.REVOKE", "", |s, _| drop(s.say("SESSION.REVOKE alice") + &s.say("DEL a")), &[], &[]),
    ("SESSION.ROTATE", "", |s, _| s.says("SESSION.ROTATE a b", "2"), &["b"], &[]),
    ("idle timeout", "PX 20", |s, _| wait_until_gone(s, "a"), &[], &[]),
    ("lifetime", "PLIFETIME 20", |s, _| wait_until_gone(s, "a"), &[], &[]),
    ("fixed end", "PERSIST PXAT {soon}", |s, _| wait_until_gone(s, "a"), &[], &[]),
    ("an end that is past", "", |s, _| s.says("SESSION.ADJUST a PXAT 1", "1"), &[], &[]),
    ("PEXPIRE", "", |s, _| expire_by_hand(s, "20"), &[], &[]),
    ("PEXPIRE that is past", "", |s, _| s.says("PEXPIRE a -1", "1"), &[], &[]),
    ("PEXPIRE to no avail", "PX 150", |s, _| outlive(s, "PEXPIRE a 100000"), &[], &[]),
    ("PERSIST to no avail", "PX 150", |s, _| outlive(s, "PERSIST a"), &[], &[]),
    ("RESTORE", "", |s, _| restore(s, &[b"0"]), &["a", "b"], &[]),
    ("RESTORE with a TTL", "", |s, _| restore(s, &[b"100000"]), &["a", "b"], &[]),
    ("RESTORE of what is past", "", |s, _| restore(s, &[b"1", b"ABSTTL"]), &["a"], &[]),
    ("RESTORE over another session", "", |s, _| over(s, |s| restore(s, &[b"0", b"REPLACE"])), &["a", "b"], &[]),
    (
        "RESTORE of what is past over another session",
        "",
        |s, _| over(s, |s| restore(s, &[b"1", b"ABSTTL", b"REPLACE"])),
        &["a"],
        &[],
    ),
    ("RENAME", "", |s, _| s.says("RENAME a b", "OK"), &["b"], &[]),
    ("RENAME there and back", "", |s, _| there_and_back(s, "RENAME a b", "RENAME b a"), &["a"], &[]),
    ("RENAME to itself", "", |s, _| s.says("RENAME a a", "OK"), &["a"], &[]),
    ("RENAME over another session", "", |s, _| over(s, |s| s.says("RENAME a b", "OK")), &["b"], &[]),
    ("RENAME of another session over it", "", |s, _| over(s, |s| s.says("RENAME b a", "OK")), &[], &[]),
    ("RENAME over a string", "", |s, _| over_string(s, "RENAME a b", "OK"), &["b"], &[]),
    ("RENAME of a string over it", "", |s, _| over_string(s, "RENAME b a", "OK"), &[], &[]),
    ("COPY", "", |s, _| s.says("COPY a b", "1"), &["a", "b"], &[]),
    ("COPY over another session", "", |s, _| over(s, |s| s.says("COPY a b REPLACE", "1")), &["a", "b"], &[]),
    ("COPY of another session over it", "", |s, _| over(s, |s| s.says("COPY b a REPLACE", "1")), &[], &[]),
    ("COPY over a string", "", |s, _| over_string(s, "COPY a b REPLACE", "1"), &["a", "b"], &[]),
    ("COPY elsewhere", "", |s, at| s.says(&format!("COPY a b DB {}", at.other), "1"), &["a"], &["b"]),
    ("MOVE", "", |s, at| s.says(&format!("MOVE a {}", at.other), "1"), &[], &["a"]),
    ("SWAPDB", "", |s, at| s.says(&format!("SWAPDB {} {}", at.db, at.other), "OK"), &[], &["a"]),
    ("SWAPDB to itself", "", |s, at| s.says(&format!("SWAPDB {0} {0}", at.db), "OK"), &["a"], &[]),
    ("FLUSHDB", "", |s, _| s.says("FLUSHDB SYNC", "OK"), &[], &[]),
    ("FLUSHDB ASYNC", "", |s, _| s.says("FLUSHDB ASYNC", "OK"), &[], &[]),
    ("FLUSHDB elsewhere", "", flush_elsewhere, &["a"], &[]),
    ("FLUSHALL", "", |s, _| s.says("FLUSHALL SYNC", "OK"), &[], &[]),
    ("FLUSHALL ASYNC", "", |s, _| s.says("FLUSHALL ASYNC", "OK"), &[], &[]),
    ("SET", "", |s, _| s.says("SET a string", "OK"), &[], &[]),
    ("a result stored over it", "", |s, _| over_set(s, "SUNIONSTORE a b", "1"), &[], &[]),
    ("an empty result stored over it", "", |s, _| s.says("SUNIONSTORE a b", "0"), &[], &[]),
    ("eviction", "", |s, _| evict(s), &[], &[]),
    ("DEBUG RELOAD", "", |s, _| s.says("DEBUG RELOAD", "OK"), &["a"], &[]),
];

fn wait_until_gone(s: &mut Server, key: &str) {
    wait_until("a session to expire", || s.say(&format!("EXISTS {key}")) == "0");
}

fn expire_by_hand(s: &mut Server, ms: &str) {
    s.says(&format!("PEXPIRE a {ms}"), "1");
    wait_until_gone(s, "a");
}

/// A command that would have the key outlive the session in it.
fn outlive(s: &mut Server, command: &str) {
    s.say(command);
    wait_until("a session to end", || s.say("SESSION.GET a") == "nil");
}

/// Restores `b` from the payload of `a`, with this TTL and options.
fn restore(s: &mut Server, options: &[&[u8]]) {
    let Ok(Value::BulkString(payload)) = s.send(&[b"DUMP", b"a"]) else { panic!("no payload") };
    let mut command: Vec<&[u8]> = vec![b"RESTORE", b"b", options[0], &payload];
    command.extend(&options[1..]);
    assert_eq!(s.send(&command), Ok(Value::Okay));
}

/// What happens where `b` is another user's session.
fn over(s: &mut Server, happen: fn(&mut Server)) {
    s.says("SESSION.SET b USER bob FIELDS 1 name Bob", "1");
    s.says("SESSION.COUNT bob", "1");
    happen(s);
}

fn over_string(s: &mut Server, command: &str, expected: &str) {
    s.says("SET b string", "OK");
    s.says(command, expected);
}

fn over_set(s: &mut Server, command: &str, expected: &str) {
    s.says("SADD b member", "1");
    s.says(command, expected);
}

fn there_and_back(s: &mut Server, there: &str, back: &str) {
    s.says(there, "OK");
    s.says(back, "OK");
}

fn flush_elsewhere(s: &mut Server, at: &Place) {
    s.says(&format!("SELECT {}", at.other), "OK");
    s.says("SESSION.SET b USER alice", "1");
    s.says("FLUSHDB", "OK");
    s.says(&format!("SELECT {}", at.db), "OK");
}

fn evict(s: &mut Server) {
    s.says("CONFIG SET maxmemory-policy allkeys-random maxmemory 1", "OK");
    wait_until("a session to be evicted", || s.say("DBSIZE") == "0");
    s.says("CONFIG SET maxmemory 0", "OK");
}

/// Fails unless these keys hold the session in the selected database, and no others do.
fn check(s: &mut Server, user: &str, value: &str, expected: &[&str], what: &str) {
    for key in ["a", "b"] {
        let data = s.send(&[b"SESSION.GET", key.as_bytes()]).map_or_else(|error| error, |value| shown(&value));
        if expected.contains(&key) {
            assert!(data == format!("[name, Ann, value, {value}]"), "GET {key} {what}: {:.100}", data);
            assert_eq!(s.session(key)["user"], if user.is_empty() { "nil" } else { user }, "{what}");
        } else {
            assert!(
                data == "nil" || data.starts_with("WRONGTYPE") || data == "[name, Bob]",
                "{key} {what}: {data:.100}"
            );
        }
    }
    let expected: Vec<_> = if user.is_empty() { vec![] } else { expected.into() };
    let mut listed = s.send(&[b"SESSION.BYUSER", b"alice"]).map(|value| match value {
        Value::Array(keys) => keys.iter().map(shown).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    listed.as_mut().unwrap().sort();
    assert_eq!(listed.unwrap(), expected, "BYUSER {what}");
    assert_eq!(s.say("SESSION.COUNT alice"), expected.len().to_string(), "COUNT {what}");
    s.check_index(what);
    // Bob's session has the name of one of alice's keys, so it is there or it is not.
    let bob = ["a", "b"].iter().filter(|key| s.say(&format!("SESSION.GET {key}")) == "[name, Bob]").count();
    assert_eq!(s.say("SESSION.COUNT bob"), bob.to_string(), "{what}");
}

fn walk_all_paths(value: &str) {
    let mut primary = Server::new();
    let mut replica = Server::new();
    replica.follow(&mut primary);
    primary.says("CONFIG SET session.max-bytes 4000000", "OK");
    let skipped: &[&str] = if primary.loses_its_database() { &["MOVE", "COPY elsewhere"] } else { &[] };
    for place in [Place { db: 0, other: 1 }, Place { db: 1, other: 0 }] {
        for user in ["alice", ""] {
            for (name, options, happen, here, there) in PATHS.iter().filter(|path| !skipped.contains(&path.0)) {
                let what = format!("after {name} in database {} for user '{user}'", place.db);
                let s = &mut primary;
                s.says("FLUSHALL", "OK");
                s.says(&format!("SELECT {}", place.db), "OK");
                let options = options.replace("{soon}", &(s.now() + 20).to_string());
                let owner = if user.is_empty() { String::new() } else { format!("USER {user} ") };
                let set = format!("SESSION.SET a {owner}{options} FIELDS 2 name Ann value {value}").replace("  ", " ");
                assert_eq!(s.say(&set), "1", "{what}");
                happen(s, &place);
                replica.catch_up(&mut primary);
                for (server, whose) in [(&mut primary, "primary"), (&mut replica, "replica")] {
                    for (db, expected) in [(place.db, here), (place.other, there)] {
                        server.says(&format!("SELECT {db}"), "OK");
                        check(server, user, value, expected, &format!("{what} on the {whose} in {db}"));
                    }
                }
            }
        }
    }
}

#[test]
fn small_sessions_and_the_index_follow_whatever_happens_to_a_key() {
    walk_all_paths("small");
}

#[test]
fn large_sessions_that_are_freed_in_the_background_do_too() {
    walk_all_paths(&"x".repeat(1_200_000));
}

#[test]
fn only_a_large_session_is_freed_in_the_background() {
    let mut s = Server::start(&["max-bytes", "4000000"]);
    s.says("SESSION.SET small USER alice FIELDS 1 value small", "1");
    s.says("UNLINK small", "1");
    s.says(&format!("SESSION.SET large USER alice FIELDS 1 value {}", "x".repeat(1_200_000)), "1");
    s.says("UNLINK large", "1");
    wait_until("the large one to be freed", || s.info("memory", "lazyfreed_objects") == "1");
    s.says("SESSION.COUNT alice", "0");
}

#[test]
fn an_rdb_reload_keeps_sessions_and_index() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice EX 100 FIELDS 1 name Ann", "1");
    s.says("SESSION.SET b USER alice NOLIFETIME", "1");
    s.says("SESSION.SET c", "1");
    let digest = s.say("DEBUG DIGEST");
    s.says("DEBUG RELOAD", "OK");
    s.says("DEBUG DIGEST", &digest);
    s.says("SESSION.COUNT alice", "2");
    s.says("SESSION.GET a", "[name, Ann]");
}

#[test]
fn a_snapshot_of_a_rotated_session_stays_out_of_the_lists_whatever_happens_to_its_key() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.ROTATE a b PGRACE 100000", "2");
    for command in ["COPY a c", "RENAME a d", "DEBUG RELOAD"] {
        s.say(command);
        s.says("SESSION.BYUSER alice", "[b]");
        s.says("SESSION.COUNT alice", "1");
        s.check_index(command);
    }
    s.says("SESSION.GET c", "[]");
    s.says("SESSION.GET d", "[]");
    s.says("SESSION.REVOKE alice", "3");
    s.says("DBSIZE", "0");
}

#[test]
fn migrate_takes_a_session_and_its_place_in_the_index_along() {
    let (mut from, mut to) = (Server::new(), Server::new());
    from.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
    let before = from.say("SESSION.INFO a");
    from.says(&format!("MIGRATE 127.0.0.1 {} a 2 5000", to.port), "OK");
    from.says("SESSION.COUNT alice", "0");
    from.says("SESSION.GET a", "nil");
    to.says("SELECT 2", "OK");
    to.says("SESSION.BYUSER alice", "[a]");
    to.says("SESSION.GET a", "[name, Ann]");
    to.says("SESSION.INFO a", &before);
}

#[test]
fn expire_by_hand_shortens_until_the_next_touch() {
    let mut s = Server::new();
    s.says("SESSION.SET a EX 1000", "1");
    let deadline = s.session("a")["deadline"].clone();
    s.says("PEXPIRETIME a", &deadline);
    s.says("EXPIRE a 10", "1");
    assert!(s.say("PEXPIRETIME a") < deadline);
    s.says("SESSION.TOUCH a", "1");
    let deadline = s.session("a")["deadline"].clone();
    s.says("PEXPIRETIME a", &deadline);
}

#[test]
fn a_change_of_user_that_moves_the_end_moves_the_keys_expiry_under_keepttl_too() {
    let mut s = Server::new();
    s.says("SESSION.SET a PERSIST LIFETIME 1000", "1");
    s.tick();
    s.says("SESSION.SET a USER alice KEEPTTL", "2");
    let deadline = s.session("a")["deadline"].clone();
    s.says("PEXPIRETIME a", &deadline);
}

#[test]
fn a_key_without_a_ttl_does_not_keep_a_session_past_its_deadline() {
    let mut s = Server::new();
    for writer in ["SESSION.TOUCH a", "SESSION.ADJUST a 100", "SESSION.DEL a", "SESSION.GETEX a", "SESSION.SET a XX"] {
        s.says("SESSION.SET a USER alice PX 200", "1");
        s.says("PERSIST a", "1");
        let deadline = s.session_number("a", "deadline");
        s.wait_for(deadline);
        for reader in ["SESSION.GET a", "SESSION.INFO a"] {
            s.says(reader, "nil");
        }
        s.says("SESSION.COUNT alice", "0");
        s.says("SESSION.BYUSER alice", "[]");
        s.says("EXISTS a", "1");
        let said = s.say(writer);
        assert!(["0", "nil"].contains(&&said[..]), "{writer} said {said}");
        assert_eq!(s.say("EXISTS a"), "0", "{writer} left the key");
    }
}

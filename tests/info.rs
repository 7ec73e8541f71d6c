//! `INFO session`: what is there, and what happened since the start.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{shown, wait_until, Server};
use redis::Value;

#[track_caller]
fn shows(server: &mut Server, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(server.info("session", &format!("session_{name}")), value.to_string(), "{name}");
    }
}

#[test]
fn what_happens_is_counted() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.SET a FIELDS 1 x y", "2");
    s.say("SESSION.NEW USER alice");
    s.says("SESSION.SET b", "1");
    shows(&mut s, &[("created", 3), ("ended", 0), ("indexed_sessions", 2), ("indexed_users", 1)]);
    s.says("SESSION.TOUCH a b", "2");
    s.says("SESSION.GETEX a", "[x, y]");
    s.says("CONFIG SET session.touch-interval-ms 60000", "OK");
    s.says("SESSION.TOUCH a", "1");
    shows(&mut s, &[("touched", 3), ("touches_absorbed", 1)]);
    s.says("SESSION.ROTATE b c USER bob", "2");
    assert!(s.say("SESSION.SET d USER alice MAXSESSIONS 2 REJECT").starts_with("SESSIONLIMIT"));
    s.says("SESSION.SET d USER alice MAXSESSIONS 2 OLDEST", "1");
    shows(&mut s, &[("rotated", 1), ("limit_rejected", 1), ("limit_ended", 1), ("ended", 1)]);
    s.says("SESSION.REVOKE alice", "2");
    s.says("SESSION.DEL c", "1");
    shows(&mut s, &[("revoked", 2), ("ended", 4), ("indexed_sessions", 0), ("indexed_users", 0), ("index_bytes", 0)]);
}

#[test]
fn what_the_server_ends_is_counted_and_other_types_are_not() {
    let mut s = Server::new();
    s.says("SESSION.SET a PX 20", "1");
    s.says("SET text x PX 20", "OK");
    wait_until("both to expire", || s.say("DBSIZE") == "0");
    shows(&mut s, &[("expired", 1), ("evicted", 0), ("ended", 0)]);
    for i in 0..200 {
        s.says(&format!("SESSION.SET key:{i}"), "1");
    }
    s.says("CONFIG SET maxmemory-policy allkeys-random", "OK");
    s.says("CONFIG SET maxmemory 1", "OK");
    s.say("SESSION.SET one:more");
    wait_until("all to be evicted", || s.say("DBSIZE") == "0");
    shows(&mut s, &[("expired", 1), ("evicted", 200)]);
}

#[test]
fn a_replica_shows_its_index_and_counts_what_its_own_clients_do() {
    let mut primary = Server::new();
    let mut replica = Server::new();
    replica.follow(&mut primary);
    primary.says("SESSION.SET a USER alice", "1");
    replica.catch_up(&mut primary);
    shows(&mut replica, &[("indexed_sessions", 1), ("created", 0)]);
}

/// Waits until this many sessions are in memory: what is freed in the background is still there for a moment.
#[track_caller]
fn holds(server: &mut Server, sessions: u64, what: &str) {
    let expected = sessions.to_string();
    wait_until(what, || server.info("session", "session_sessions") == expected);
}

#[test]
fn all_sessions_in_memory_are_counted_those_of_nobody_and_snapshots_too() {
    let (mut s, mut replica) = (Server::start(&["max-bytes", "4000000"]), Server::new());
    replica.follow(&mut s);
    holds(&mut s, 0, "none");
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.SET b", "1");
    s.says("SESSION.ROTATE a c GRACE 200", "2");
    s.says("SET string x", "OK");
    holds(&mut s, 3, "a live one, one of nobody, a snapshot");
    shows(&mut s, &[("indexed_sessions", 2), ("indexed_users", 1)]);
    for (command, sessions) in [
        ("COPY b copy", 4),
        ("RENAME copy moved", 4),
        ("COPY b other DB 1", 5),
        ("SET moved string", 4),
        ("SESSION.SET b FIELDS 1 x y", 4),
        ("SESSION.SET none XX", 4),
        ("SESSION.SET none PXAT 1", 4),
        ("DEBUG RELOAD", 4),
        ("UNLINK b", 3),
        ("SESSION.DEL a", 2),
        ("SWAPDB 0 1", 2),
        ("FLUSHDB SYNC", 1),
        ("SWAPDB 0 1", 1),
        ("FLUSHALL SYNC", 0),
    ] {
        s.client().say(command);
        holds(&mut s, sessions, command);
        // One server sends what goes to another database to the wrong one.
        if !s.loses_its_database() {
            replica.catch_up(&mut s);
            holds(&mut replica, sessions, &format!("{command} on the replica"));
        }
    }
    let large = "x".repeat(1_200_000);
    for i in 0..5 {
        s.says(&format!("SESSION.SET large:{i} FIELDS 1 value {large}"), "1");
    }
    holds(&mut s, 5, "large ones");
    s.says("UNLINK large:0", "1");
    holds(&mut s, 4, "a large one freed in the background");
    s.says("FLUSHALL ASYNC", "OK");
    holds(&mut s, 0, "all freed in the background");
    s.says("SESSION.SET a PX 20", "1");
    wait_until("its expiry", || s.say("DBSIZE") == "0");
    holds(&mut s, 0, "an expiry");
    // What is refused leaves nothing behind.
    s.say("RESTORE bad 0 nonsense");
    s.say("SESSION.APPLY bad nonsense");
    holds(&mut s, 0, "refusals");
}

#[test]
fn only_sessions_that_expire_are_counted_as_expired() {
    let mut s = Server::new();
    for (overwrite, end) in [
        ("SET a text", "PEXPIRE a 1"),
        ("SADD a member", "PEXPIRE a 1"),
        ("HSET a field value", "PEXPIRE a 1"),
        ("SET a text PX 5", "PING"),
    ] {
        s.says("SESSION.SET a USER alice", "1");
        if overwrite.starts_with("SET") {
            s.says(overwrite, "OK");
        } else {
            s.says("DEL a", "1");
            s.says(overwrite, "1");
        }
        s.say(end);
        wait_until("the other type to expire", || s.say("DBSIZE") == "0");
    }
    s.says("SESSION.SET a USER alice", "1");
    s.says("RENAME a b", "OK");
    s.says("SET a text PX 5", "OK");
    wait_until("the string to expire", || s.say("DBSIZE") == "1");
    s.says("SET c text PX 500", "OK");
    s.says("SESSION.SET c PX 20", "WRONGTYPE Operation against a key holding the wrong kind of value");
    wait_until("the string to expire", || s.say("DBSIZE") == "1");
    shows(&mut s, &[("expired", 0)]);
    s.says("PEXPIRE b 1", "1");
    wait_until("the session to expire", || s.say("DBSIZE") == "0");
    shows(&mut s, &[("expired", 1)]);
    // One that had nobody, and one that a reader comes upon.
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    s.says("SESSION.SET a PX 5", "1");
    let end = s.now() + 10;
    s.wait_for(end);
    s.says("EXISTS a", "0");
    s.says("SESSION.TOUCH a", "0");
    shows(&mut s, &[("expired", 2)]);
}

/// Sends commands all at once; fails if one is refused.
fn all_at_once(s: &Server, commands: &[Vec<String>]) {
    for reply in s.client().send_all(commands) {
        assert!(reply.is_ok(), "{reply:?}");
    }
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(Into::into).collect()
}

fn used_memory(s: &mut Server) -> i64 {
    s.info("memory", "used_memory").parse().unwrap()
}

fn index_bytes(s: &mut Server) -> i64 {
    s.info("session", "session_index_bytes").parse().unwrap()
}

#[test]
fn the_index_of_each_of_many_databases_is_small_and_counted_and_given_back() {
    const DATABASES: i64 = 4000;
    let mut s = Server::start(&["--databases", "4000"]);
    let in_each = |command: &str| -> Vec<Vec<String>> {
        (0..DATABASES).flat_map(|db| [words(&format!("SELECT {db}")), words(command)]).collect()
    };
    // The server makes tables of its own for a database that is used.
    all_at_once(&s, &in_each("SET a x EX 1000"));
    all_at_once(&s, &in_each("DEL a"));
    let base = used_memory(&mut s);
    all_at_once(&s, &in_each("SESSION.SET a USER alice"));
    let (taken, counted) = (used_memory(&mut s) - base, index_bytes(&mut s));
    shows(&mut s, &[("sessions", 4000), ("indexed_sessions", 4000), ("indexed_users", 4000)]);
    assert!(taken < DATABASES * 8000, "{taken} bytes");
    assert!(counted > DATABASES * 20, "{counted} bytes counted");
    assert!(taken - counted < DATABASES * 2000, "{taken} bytes taken, {counted} of them counted");
    s.check_index("in many databases");
    all_at_once(&s, &in_each("SESSION.REVOKE alice"));
    shows(&mut s, &[("sessions", 0), ("indexed_sessions", 0), ("indexed_users", 0), ("index_bytes", 0)]);
    let left = used_memory(&mut s) - base;
    assert!(left < DATABASES * 500, "{left} bytes not given back");
    // The same by what the server itself does to keys.
    all_at_once(&s, &in_each("SESSION.SET a USER alice"));
    s.says("FLUSHALL SYNC", "OK");
    wait_until("the index to be given back", || index_bytes(&mut s) == 0);
}

#[test]
fn a_crowds_part_of_the_index_is_counted_and_given_back() {
    let mut s = Server::new();
    let each = |command: &str| -> Vec<Vec<String>> {
        (0..20_000).map(|i| words(&command.replace("KEY", &format!("key:{i}")))).collect()
    };
    all_at_once(&s, &each("SESSION.SET KEY"));
    let base = used_memory(&mut s);
    all_at_once(&s, &each("SESSION.SET KEY USER alice"));
    let (taken, counted) = (used_memory(&mut s) - base, index_bytes(&mut s));
    assert!(counted > 20_000 * 20, "{counted} bytes counted");
    // A user's name is part of each session, and a value may be rounded up.
    assert!(taken < counted + 20_000 * 64, "{taken} bytes taken, {counted} counted");
    s.check_index("of a crowd");
    all_at_once(&s, &each("SESSION.SET KEY NOUSER"));
    shows(&mut s, &[("indexed_sessions", 0), ("indexed_users", 0), ("index_bytes", 0)]);
}

#[test]
fn to_verify_four_hundred_thousand_sessions_takes_little_memory() {
    let mut s = Server::new();
    let script = "for i = ARGV[1], ARGV[2] do redis.call('SESSION.SET', 'sess:' .. i, 'USER', 'user' .. i % 1000) end";
    for first in (0..400_000).step_by(10_000) {
        let (first, last) = (first.to_string(), (first + 9_999).to_string());
        let said = s.send(&[b"EVAL", script.as_bytes(), b"0", first.as_bytes(), last.as_bytes()]);
        assert_eq!(said.map(|value| shown(&value)), Ok(shown(&Value::Nil)));
    }
    let idle = s.peak_during(|s| s.says("PING", "PONG"));
    let expected = "[sessions, 400000, indexed, 400000, missing, 0, stale, 0, fixed, 0]";
    for command in ["SESSION.VERIFY", "SESSION.VERIFY FIX"] {
        let peak = s.peak_during(|s| s.says(command, expected));
        assert!(peak < idle + 24_000_000, "{command}: {peak} bytes, {idle} before");
    }
}

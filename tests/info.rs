//! `INFO session`: what is there, and what happened since the start.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{wait_until, Server};

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

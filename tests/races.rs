//! What other stores leave to races between commands.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::Server;
use std::sync::Barrier;
use std::thread;

/// A hundred clients send their command at once; what they were told.
fn at_once(server: &Server, command: impl Fn(usize) -> String + Sync) -> Vec<String> {
    let start = Barrier::new(100);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..100)
            .map(|i| {
                let (start, command) = (&start, &command);
                let mut client = server.client();
                scope.spawn(move || {
                    start.wait();
                    client.say(&command(i))
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn a_hundred_logins_at_once_leave_exactly_as_many_sessions_as_allowed() {
    for policy in ["OLDEST", "LRU", "REJECT"] {
        let mut s = Server::new();
        let said = at_once(&s, |i| match i % 2 {
            0 => format!("SESSION.SET sess:{i} USER alice MAXSESSIONS 7 {policy}"),
            _ => format!("SESSION.NEW PREFIX sess: USER alice MAXSESSIONS 7 {policy}"),
        });
        s.says("SESSION.COUNT alice", "7");
        s.says("DBSIZE", "7");
        let refused = said.iter().filter(|reply| reply.starts_with("SESSIONLIMIT")).count();
        assert_eq!(refused, if policy == "REJECT" { 93 } else { 0 });
        s.says("SESSION.VERIFY", "[sessions, 7, indexed, 7, missing, 0, stale, 0, fixed, 0]");
    }
}

#[test]
fn a_hundred_rotations_at_once_leave_as_many_sessions_as_allowed() {
    let mut s = Server::new();
    for i in 0..100 {
        s.says(&format!("SESSION.SET anonymous:{i}"), "1");
    }
    at_once(&s, |i| format!("SESSION.ROTATE anonymous:{i} sess:{i} USER alice MAXSESSIONS 3 LRU"));
    s.says("SESSION.COUNT alice", "3");
    s.says("DBSIZE", "3");
}

#[test]
fn under_reject_the_sessions_that_are_there_can_always_be_saved() {
    let mut s = Server::new();
    for key in ["a", "b", "c"] {
        s.says(&format!("SESSION.SET {key} USER alice"), "1");
    }
    s.says("SESSION.SET a USER alice MAXSESSIONS 2 REJECT FIELDS 1 x y", "2");
    s.says("SESSION.ROTATE b d MAXSESSIONS 1 REJECT", "2");
    assert!(s.say("SESSION.SET e USER alice MAXSESSIONS 3 REJECT").starts_with("SESSIONLIMIT"));
    s.says("SESSION.SET f USER bob", "1");
    assert!(s.say("SESSION.SET f USER alice MAXSESSIONS 3 REJECT FIELDS 1 lost x").starts_with("SESSIONLIMIT"));
    s.says("SESSION.GET f", "[]");
    s.says("SESSION.BYUSER bob", "[f]");
    s.says("SESSION.COUNT alice", "3");
}

#[test]
fn two_requests_that_write_different_fields_keep_both() {
    let mut s = Server::new();
    s.says("SESSION.SET sess USER alice FIELDS 1 n 0", "1");
    at_once(&s, |i| format!("SESSION.SET sess XX FIELDS 1 field:{i} {i}"));
    assert_eq!(s.say("SESSION.GET sess").matches("field:").count(), 100);
    at_once(&s, |_| "SESSION.INCRBY sess n 1".into());
    s.says("SESSION.GET sess FIELDS 1 n", "[100]");
}

#[test]
fn of_a_hundred_writers_of_one_version_one_wins() {
    let mut s = Server::new();
    s.says("SESSION.SET sess FIELDS 1 cart empty", "1");
    let said = at_once(&s, |i| format!("SESSION.SET sess IFVERSION 1 FIELDS 1 cart {i}"));
    assert_eq!(said.iter().filter(|reply| *reply == "2").count(), 1);
    assert_eq!(said.iter().filter(|reply| *reply == "nil").count(), 99);
}

#[test]
fn a_one_time_value_is_given_once() {
    let mut s = Server::new();
    s.says("SESSION.SET sess FIELDS 1 token secret", "1");
    let said = at_once(&s, |_| "SESSION.POP sess FIELDS 1 token".into());
    assert_eq!(said.iter().filter(|reply| *reply == "[secret]").count(), 1);
    assert_eq!(said.iter().filter(|reply| *reply == "[nil]").count(), 99);
}

#[test]
fn a_late_write_brings_nothing_back() {
    for end in ["SESSION.DEL sess", "SESSION.REVOKE alice", "DEL sess", "SESSION.ROTATE sess sess:new"] {
        let mut s = Server::new();
        s.says("SESSION.SET sess USER alice FIELDS 1 a b", "1");
        s.say(end);
        for late in [
            "SESSION.SET sess XX FIELDS 1 a c",
            "SESSION.SET sess IFVERSION 1 FIELDS 1 a c",
            "SESSION.POP sess FIELDS 1 a",
            "SESSION.INCRBY sess n 1",
            "SESSION.ROTATE sess sess:other",
            "SESSION.GETEX sess",
            "SESSION.UNSET sess IFVERSION 1 FIELDS 1 a",
        ] {
            s.says(late, "nil");
        }
        s.says("SESSION.TOUCH sess", "0");
        s.says("SESSION.ADJUST sess 60", "0");
        s.says("SESSION.UNSET sess FIELDS 1 a", "0");
        s.says("EXISTS sess sess:other", "0");
    }
}

/// Every command against the snapshot that a rotation leaves for requests in flight.
#[test]
fn a_graced_key_is_read_and_not_written() {
    let mut s = Server::new();
    s.says("SESSION.SET old EX 60 FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new USER alice PGRACE 30000 FIELDS 1 a c", "2");
    let deadline = s.say("PEXPIRETIME old");
    s.says("SESSION.GET old", "[a, b]");
    s.says("SESSION.GETEX old EX 5", "[a, b]");
    s.says("SESSION.TOUCH old new", "1");
    for write in [
        "SESSION.SET old FIELDS 1 a d",
        "SESSION.SET old XX",
        "SESSION.SET old IFVERSION 1",
        "SESSION.ADJUST old 60",
        "SESSION.UNSET old FIELDS 1 a",
        "SESSION.POP old FIELDS 1 a",
        "SESSION.INCRBY old n 1",
        "SESSION.ROTATE old other",
    ] {
        assert!(s.say(write).starts_with("SESSIONGONE"), "{write}");
    }
    s.says("SESSION.SET old NX", "nil");
    s.says("PEXPIRETIME old", &deadline);
    s.says("SESSION.GET old", "[a, b]");
    s.says("SESSION.GET new", "[a, c]");
    let info = s.say("SESSION.INFO old");
    assert!(info.contains(&format!("grace, {deadline}")) && info.contains("user, nil"), "{info}");
    s.says("SESSION.DEL old", "1");
    s.says("SESSION.DEL old", "0");
}

#[test]
fn a_graced_key_belongs_to_the_old_user_and_counts_for_nobody() {
    let mut s = Server::new();
    s.says("SESSION.SET old USER alice", "1");
    s.says("SESSION.ROTATE old new PGRACE 30000", "2");
    s.says("SESSION.BYUSER alice", "[new]");
    s.says("SESSION.COUNT alice", "1");
    s.says("SESSION.SET other USER alice MAXSESSIONS 2 REJECT", "1");
    s.says("SESSION.VERIFY", "[sessions, 3, indexed, 3, missing, 0, stale, 0, fixed, 0]");
    s.says("SESSION.REVOKE alice EXCEPT 2 new other", "1");
    s.says("EXISTS old", "0");
}

#[test]
fn a_graced_key_stays_what_it_is_through_files_copies_and_replication() {
    let mut s = Server::start(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    let mut replica = Server::new();
    replica.follow(&mut s);
    s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new PGRACE 200000", "2");
    s.says("COPY old copy", "1");
    let digest = s.say("DEBUG DIGEST");
    replica.catch_up(&mut s);
    replica.says("DEBUG DIGEST", &digest);
    replica.says("SESSION.BYUSER alice", "[new]");
    s.says("DEBUG RELOAD", "OK");
    s.says("DEBUG DIGEST", &digest);
    s.restart();
    s.says("DEBUG DIGEST", &digest);
    for key in ["old", "copy"] {
        assert!(s.say(&format!("SESSION.SET {key}")).starts_with("SESSIONGONE"));
        s.says(&format!("SESSION.GET {key}"), "[a, b]");
    }
    s.says("SESSION.BYUSER alice", "[new]");
    s.says("SESSION.REVOKE alice", "3");
}

#[test]
fn neither_persist_nor_expire_prolongs_a_grace() {
    let mut s = Server::new();
    s.says("SESSION.SET old", "1");
    s.says("SESSION.ROTATE old new PGRACE 30", "2");
    s.says("PERSIST old", "1");
    common::wait_until("the grace to pass", || s.say("SESSION.GET old") == "nil");
    s.says("SESSION.INFO old", "nil");
    s.says("SESSION.SET old NX FIELDS 1 fresh start", "1");
    s.says("SESSION.GET old", "[fresh, start]");
}

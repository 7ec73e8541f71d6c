//! What other stores leave to races between commands.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::subscriber::Subscriber;
use common::wire::Replica;
use common::{wait_until, Server};
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
        "SESSION.ROTATE old new",
        "SESSION.ROTATE old other IFVERSION 77",
        "SESSION.UNSET old IFVERSION 77 FIELDS 1 a",
        "SESSION.POP old IFVERSION 77 FIELDS 1 a",
        "SESSION.INCRBY old n 1 IFVERSION 77",
        "SESSION.ADJUST old EX 60",
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

// ---- The same rotation again

#[test]
fn the_same_rotation_again_answers_the_version_and_changes_nothing() {
    let mut s = Server::new();
    let mut l = Subscriber::to_events(&mut s);
    let mut replica = Replica::of(&mut s);
    s.says("SET taken x", "OK");
    for rotation in [
        "SESSION.ROTATE old new GRACE 100",
        "SESSION.ROTATE old new PGRACE 100000",
        "SESSION.ROTATE old new USER bob GRACE 100",
        "SESSION.ROTATE old new IFVERSION 2 NOUSER PGRACE 200001 EX 70 LIFETIME 900",
        "SESSION.ROTATE old new REPLACE USER bob GRACE 100 MAXSESSIONS 1 REJECT UNSET 1 a FIELDS 1 b c JSON {\"n\":1}",
    ] {
        s.says("SESSION.DEL old new", "0");
        s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
        s.says("SESSION.SET old FIELDS 1 b b", "2");
        s.says(rotation, "3");
        let before = [s.say("DEBUG DIGEST"), s.say("SESSION.INFO new"), s.say("SESSION.INFO old")];
        l.heard(&mut s);
        replica.sent(&mut s);
        s.tick();
        s.says(rotation, "3");
        assert_eq!([s.say("DEBUG DIGEST"), s.say("SESSION.INFO new"), s.say("SESSION.INFO old")], before, "{rotation}");
        l.hears(&mut s, rotation, &[]);
        replica.gets(&mut s, rotation, &[]);
        // The version is that of the session as it is now.
        s.says("SESSION.SET new FIELDS 1 later x", "4");
        s.says(rotation, "4");
        s.says("SESSION.SET new USER carol", "5");
        s.says(rotation, "5");
        s.says("SESSION.GET new FIELDS 1 later", "[x]");
        for other in [
            rotation.replace(" new", " newer"),
            rotation.replace(" new", " taken"),
            rotation.replace("GRACE 1", "GRACE 2"),
        ] {
            let said = s.say(&other);
            assert!(other == rotation || said.starts_with("SESSIONGONE"), "{other} said {said}");
        }
        s.says("EXISTS newer", "0");
        s.says("SESSION.GET new FIELDS 1 later", "[x]");
        s.says("SESSION.DEL old new", "2");
        l.heard(&mut s);
        replica.sent(&mut s);
    }
    s.check_index("after it");
}

#[test]
fn another_users_name_or_data_in_a_rotation_that_is_sent_again_is_refused() {
    let mut s = Server::new();
    s.says("SESSION.SET old FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new USER alice GRACE 100 FIELDS 1 x 1", "2");
    for other in [
        "SESSION.ROTATE old new USER mallory GRACE 100 FIELDS 1 x 1",
        "SESSION.ROTATE old new USER alice GRACE 101 FIELDS 1 x 1",
        "SESSION.ROTATE old new USER alice GRACE 100 FIELDS 1 x 2",
        "SESSION.ROTATE old new USER alice GRACE 100 FIELDS 1 y 1",
        "SESSION.ROTATE old new USER alice GRACE 100 FIELDS 2 x 1 y 1",
        "SESSION.ROTATE old new USER alice GRACE 100",
        "SESSION.ROTATE old new USER alice FIELDS 1 x 1",
        "SESSION.ROTATE old new GRACE 100 FIELDS 1 x 1",
        "SESSION.ROTATE old new REPLACE USER alice GRACE 100 FIELDS 1 x 1",
        "SESSION.ROTATE old new USER alice GRACE 100 JSON {\"x\":1}",
        "SESSION.ROTATE old new IFVERSION 1 USER alice GRACE 100 FIELDS 1 x 1",
        "SESSION.ROTATE old new USER alice EX 1800 GRACE 100 FIELDS 1 x 1",
        "SESSION.ROTATE old new USER alice MAXSESSIONS 5 LRU GRACE 100 FIELDS 1 x 1",
        "SESSION.ROTATE old new USER alice GRACE 100 FIELDS 1 x 1 UNSET 1 y",
    ] {
        let said = s.say(other);
        assert!(said.starts_with("SESSIONGONE"), "{other} said {said}");
    }
    s.says("SESSION.ROTATE old new USER alice GRACE 100 FIELDS 1 x 1", "2");
    s.says("SESSION.BYUSER alice", "[new]");
    s.says("SESSION.GET new", "[a, b, x, 1]");
}

#[test]
fn without_grace_nothing_tells_of_a_rotation() {
    let mut s = Server::new();
    s.says("SESSION.SET old", "1");
    s.says("SESSION.ROTATE old new", "2");
    s.says("SESSION.ROTATE old new", "nil");
    s.says("SESSION.GET new", "[]");
}

#[test]
fn a_hundred_clients_that_send_the_same_rotation_are_all_told_of_one() {
    let mut s = Server::new();
    s.says("SESSION.SET old FIELDS 1 a b", "1");
    let said = at_once(&s, |_| "SESSION.ROTATE old new USER alice GRACE 100".into());
    assert_eq!(said.iter().filter(|reply| *reply == "2").count(), 100, "{said:?}");
    s.says("SESSION.COUNT alice", "1");
    s.says("DBSIZE", "2");
    s.says("SESSION.SET other", "1");
    let said = at_once(&s, |_| "SESSION.ROTATE other another USER alice".into());
    assert_eq!(said.iter().filter(|reply| *reply == "2").count(), 1);
    assert_eq!(said.iter().filter(|reply| *reply == "nil").count(), 99);
}

#[test]
fn replace_in_a_rotation_leaves_the_old_fields_behind() {
    let mut s = Server::new();
    s.says("SESSION.SET old USER alice EX 500 LIFETIME 5000 FIELDS 2 role admin cart full", "1");
    let before = s.session("old");
    s.tick();
    s.says("SESSION.ROTATE old new REPLACE GRACE 100 FIELDS 1 theme dark", "2");
    s.says("SESSION.GET new", "[theme, dark]");
    s.says("SESSION.GET old FIELDS 1 role", "[admin]");
    let after = s.session("new");
    for same in ["user", "created", "idle", "lifetime", "end"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    s.says("SESSION.ROTATE new newer REPLACE USER bob", "3");
    s.says("SESSION.GET newer", "[]");
    assert!(s.session_number("newer", "created") > before["created"].parse::<i64>().unwrap());
}

// ---- A snapshot lives no longer than the session that it was left for

/// What every command says to a key that holds no session.
const TO_A_MISSING_KEY: &[(&str, &str)] = &[
    ("SESSION.GET old", "nil"),
    ("SESSION.GET old WITHMETA", "nil"),
    ("SESSION.INFO old", "nil"),
    ("SESSION.GETEX old", "nil"),
    ("SESSION.TOUCH old", "0"),
    ("SESSION.ADJUST old 60", "0"),
    ("SESSION.SET old XX", "nil"),
    ("SESSION.SET old IFVERSION 1", "nil"),
    ("SESSION.UNSET old FIELDS 1 a", "0"),
    ("SESSION.POP old FIELDS 1 a", "nil"),
    ("SESSION.INCRBY old n 1", "nil"),
    ("SESSION.DEL old", "0"),
    ("SESSION.REVOKE alice", "0"),
    ("SESSION.REVOKE alice ONLY 1 old", "0"),
    ("SESSION.SET old NX FIELDS 1 fresh start", "1"),
    ("SESSION.SET old FIELDS 1 fresh start", "1"),
    ("SESSION.SET old USER alice MAXSESSIONS 1 REJECT", "1"),
];

#[test]
fn a_snapshot_is_missing_once_its_session_has_ended() {
    let mut s = Server::new();
    for end in [
        "SESSION.DEL new",
        "SESSION.REVOKE bob",
        "SESSION.REVOKE bob ONLY 1 new",
        "DEL new",
        "UNLINK new",
        "PEXPIREAT new 1",
        "SESSION.ADJUST new PXAT 1",
        "SESSION.ROTATE new newer",
        "SESSION.SET fresh USER bob MAXSESSIONS 1 LRU",
        "SET new string",
        "RENAME new newer",
    ] {
        for (command, reply) in TO_A_MISSING_KEY {
            s.says("FLUSHALL", "OK");
            s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
            s.says("SESSION.ROTATE old new USER bob GRACE 100", "2");
            s.says("SESSION.GET old", "[a, b]");
            s.say(end);
            assert_eq!(s.say(command), *reply, "{command} after {end}");
            s.check_index(command);
            s.says("EXISTS other", "0");
        }
    }
}

#[test]
fn a_snapshot_is_missing_once_its_sessions_deadline_has_passed_though_keys_are_there() {
    let mut s = Server::new();
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new PX 500 GRACE 100", "2");
    s.says("PERSIST new", "1");
    s.says("PERSIST old", "1");
    let deadline = s.session_number("new", "deadline");
    s.says("SESSION.GET old", "[a, b]");
    s.wait_for(deadline);
    s.says("SESSION.GET old", "nil");
    s.says("EXISTS old new", "2");
    // By the key's own expiry, too.
    s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new GRACE 100", "2");
    s.says("PEXPIRE new 20", "1");
    wait_until("the session to end", || s.say("SESSION.GET old") == "nil");
    s.says("SESSION.GET new", "nil");
}

#[test]
fn a_snapshot_does_not_come_back_with_another_session_under_its_sessions_key() {
    let mut s = Server::new();
    s.says("SESSION.SET old USER alice FIELDS 1 secret x", "1");
    s.says("SESSION.ROTATE old new GRACE 300", "2");
    s.says("SESSION.GET old", "[secret, x]");
    s.says("SESSION.DEL new", "1");
    s.says("SESSION.SET new FIELDS 1 theme dark", "1");
    s.says("SESSION.GET old", "nil");
    assert!(s.say("SESSION.ROTATE old new GRACE 300").starts_with("SESSIONGONE"));
    s.says("SESSION.SET old XX FIELDS 1 a b", "nil");
    s.says("EXISTS old", "0");
}

#[test]
fn a_snapshot_is_not_counted_with_another_session_that_one_command_ends_under_its_sessions_key() {
    let mut s = Server::new();
    s.says("SESSION.SET old USER alice", "1");
    s.says("SESSION.ROTATE old new GRACE 300", "2");
    s.says("RENAME new elsewhere", "OK");
    s.says("SESSION.SET new USER alice", "1");
    s.says("SESSION.DEL new old", "1");
    s.says("SESSION.DEL elsewhere", "1");
}

#[test]
fn many_snapshots_end_with_their_sessions_in_one_command_and_each_counts() {
    let mut s = Server::new();
    let (mut new, mut old) = (Vec::new(), Vec::new());
    for n in 0..2000 {
        s.says(&format!("SESSION.SET old{n} USER alice"), "1");
        s.says(&format!("SESSION.ROTATE old{n} new{n} GRACE 300"), "2");
        new.push(format!("new{n}"));
        old.push(format!("old{n}"));
    }
    s.says(&format!("SESSION.DEL {} {}", new[..500].join(" "), old[..500].join(" ")), "1000");
    s.says("DEBUG RELOAD", "OK");
    s.says("SESSION.REVOKE alice", "3000");
    s.says("DBSIZE", "0");
}

#[test]
fn a_snapshot_follows_its_session_through_further_rotations_with_grace() {
    let mut s = Server::new();
    s.says("SESSION.SET k1 USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE k1 k2 GRACE 100", "2");
    s.says("SESSION.ROTATE k2 k3 USER bob GRACE 100", "3");
    s.says("SESSION.ROTATE k3 k4 GRACE 100", "4");
    for key in ["k1", "k2", "k3"] {
        s.says(&format!("SESSION.GET {key}"), "[a, b]");
        let said = s.say(&format!("SESSION.SET {key} FIELDS 1 a c"));
        assert!(said.starts_with("SESSIONGONE"), "{said}");
    }
    // At k2 there is no live session any more, so that nobody can be told its version.
    for again in ["SESSION.ROTATE k1 k2 GRACE 100", "SESSION.ROTATE k2 k3 USER bob GRACE 100"] {
        let said = s.say(again);
        assert!(said.starts_with("SESSIONGONE"), "{again} said {said}");
    }
    s.says("SESSION.ROTATE k3 k4 GRACE 100", "4");
    s.says("SESSION.COUNT bob", "1");
    s.says("SESSION.DEL k4", "1");
    for key in ["k1", "k2", "k3"] {
        s.says(&format!("SESSION.GET {key}"), "nil");
    }
    s.says("SESSION.REVOKE alice", "0");
    s.check_index("after it");
}

#[test]
fn snapshots_that_stand_for_each_other_are_missing_and_do_no_harm() {
    let mut s = Server::new();
    // Two snapshots, each of which remembers the other's key.
    s.says("SESSION.SET a USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE a b GRACE 100", "2");
    s.says("RENAME a kept", "OK");
    s.says("SESSION.ROTATE b a GRACE 100", "3");
    s.says("SESSION.DEL a", "1");
    s.says("RENAME kept a", "OK");
    // One that remembers its own.
    s.says("SESSION.SET c USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE c d GRACE 100", "2");
    s.says("RENAME c d", "OK");
    for key in ["a", "b", "d"] {
        s.says(&format!("SESSION.GET {key}"), "nil");
        s.says(&format!("SESSION.INFO {key}"), "nil");
        s.says(&format!("SESSION.TOUCH {key}"), "0");
    }
    s.says("SESSION.COUNT alice", "0");
    s.check_index("of rings");
    s.says("SESSION.REVOKE alice", "0");
    s.check_index("after it");
}

#[test]
fn a_long_line_of_snapshots_is_not_followed_for_ever() {
    let mut s = Server::new();
    s.says("SESSION.SET k0 USER alice FIELDS 1 a b", "1");
    for i in 0..10_000 {
        s.says(&format!("SESSION.ROTATE k{i} k{} GRACE 300", i + 1), &(i + 2).to_string());
    }
    // The latest ones are read; a question about the first costs no more than a few keys.
    s.says("SESSION.GET k9999", "[a, b]");
    s.says("SESSION.GET k0", "nil");
    s.says("SESSION.COUNT alice", "1");
    s.check_index("of a long line");
    s.says("SESSION.DEL k10000", "1");
    s.says("SESSION.GET k9999", "nil");
}

#[test]
fn a_session_and_its_snapshot_are_both_ended_and_counted_in_any_order() {
    let mut s = Server::new();
    let begin = |s: &mut Server| {
        s.says("FLUSHALL", "OK");
        s.says("SESSION.SET old USER alice", "1");
        s.says("SESSION.ROTATE old new GRACE 100", "2");
    };
    for command in [
        "SESSION.DEL old new",
        "SESSION.DEL new old",
        "SESSION.REVOKE alice",
        "SESSION.REVOKE alice ONLY 2 old new",
        "SESSION.REVOKE alice ONLY 2 new old",
    ] {
        begin(&mut s);
        assert_eq!(s.say(command), "2", "{command}");
        s.says("DBSIZE", "0");
    }
}

//! What replicas are sent, and that they hold the same.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::wire::{Primary, Replica};
use common::{tail, wait_until, workload, Server};

#[test]
fn a_replica_and_its_replica_hold_the_same_as_the_primary() {
    let (mut primary, mut replica, mut chained) = (Server::new(), Server::new(), Server::new());
    replica.follow(&mut primary);
    chained.follow(&mut replica);
    workload::run(&mut primary);
    replica.catch_up(&mut primary);
    chained.catch_up(&mut replica);
    let view = workload::view(&mut primary);
    assert_eq!(workload::view(&mut replica), view);
    assert_eq!(workload::view(&mut chained), view);
    for s in [&mut primary, &mut replica, &mut chained] {
        s.check_index("after the workload");
    }
}

#[test]
fn a_full_sync_brings_all_and_forgets_what_was_there() {
    let (mut primary, mut replica) = (Server::new(), Server::new());
    replica.says("SESSION.SET old USER alice", "1");
    replica.says("SELECT 3", "OK");
    replica.says("SESSION.SET old USER mallory", "1");
    workload::run(&mut primary);
    replica.follow(&mut primary);
    assert_eq!(workload::view(&mut replica), workload::view(&mut primary));
    replica.says("SESSION.COUNT mallory", "0");
    replica.check_index("after a full sync");
}

/// Commands on sessions `a` (of alice) and `b` (of nobody), and what a replica is sent.
const EFFECTS: &[(&str, &[&str])] = &[
    ("SESSION.SET a FIELDS 1 name Ann", &["SESSION.APPLY a …"]),
    ("SESSION.SET c USER alice EX 10", &["SESSION.APPLY c …"]),
    ("SESSION.SET a NX", &[]),
    ("SESSION.SET a IFVERSION 99 USER bob", &[]),
    ("SESSION.SET c XX", &[]),
    ("SESSION.SET c PXAT 1", &[]),
    ("SESSION.SET a PXAT 1", &["DEL a"]),
    ("SESSION.SET c USER alice MAXSESSIONS 1 LRU", &["MULTI", "DEL a", "SESSION.APPLY c …", "EXEC"]),
    ("SESSION.SET c USER alice MAXSESSIONS 1 REJECT", &[]),
    ("SESSION.SET c FIELDS 2 name", &[]),
    ("SESSION.NEW PREFIX p PXAT 1", &[]),
    ("SESSION.GET a", &[]),
    ("SESSION.INFO a", &[]),
    ("SESSION.BYUSER alice WITHMETA", &[]),
    ("SESSION.COUNT alice", &[]),
    ("SESSION.GETEX a", &["SESSION.APPLY a …"]),
    ("SESSION.GETEX c", &[]),
    ("SESSION.TOUCH a", &["SESSION.APPLY a …"]),
    ("SESSION.TOUCH a c b", &["MULTI", "SESSION.APPLY a …", "SESSION.APPLY b …", "EXEC"]),
    ("SESSION.ADJUST a 10", &["SESSION.APPLY a …"]),
    ("SESSION.ADJUST c 10", &[]),
    ("SESSION.ADJUST a 1800", &["SESSION.APPLY a …"]),
    ("SESSION.GETEX a EX 1800", &["SESSION.APPLY a …"]),
    ("SESSION.GETEX a JSON FIELDS 1 x", &["SESSION.APPLY a …"]),
    ("SESSION.GET a META 1 version", &[]),
    ("SESSION.SET a FIELDS 1 raw [1] JSON {\"n\":1}", &["SESSION.APPLY a …"]),
    ("SESSION.SET a FIELDS 1 n x JSON {\"n\":1}", &[]),
    ("SESSION.UNSET a FIELDS 1 x", &["SESSION.APPLY a …"]),
    ("SESSION.UNSET a IFVERSION 99 FIELDS 1 x", &[]),
    ("SESSION.POP a FIELDS 1 x", &["SESSION.APPLY a …"]),
    ("SESSION.INCRBY a n 3", &["SESSION.APPLY a …"]),
    ("SESSION.INCRBY a x 3", &[]),
    ("SESSION.ROTATE a c", &["MULTI", "SESSION.APPLY c …", "DEL a", "EXEC"]),
    ("SESSION.ROTATE a c PGRACE 9999", &["MULTI", "SESSION.APPLY c …", "SESSION.APPLY a …", "EXEC"]),
    ("SESSION.ROTATE a b", &[]),
    ("SESSION.DEL a c", &["DEL a"]),
    ("SESSION.DEL a b", &["MULTI", "DEL a", "DEL b", "EXEC"]),
    ("SESSION.REVOKE alice", &["DEL a"]),
    ("SESSION.REVOKE alice EXCEPT 1 a", &[]),
    ("SESSION.REVOKE alice ONLY 3 b a a", &["DEL a"]),
    ("SESSION.REVOKE alice ONLY 2 b c", &[]),
    ("SESSION.ROTATE a c REPLACE GRACE 30", &["MULTI", "SESSION.APPLY c …", "SESSION.APPLY a …", "EXEC"]),
    ("SESSION.INCRBY a n 9223372036854775808", &[]),
];

#[test]
fn replicas_are_sent_effects_only() {
    let mut s = Server::new();
    let mut replica = Replica::of(&mut s);
    for (command, sent) in EFFECTS {
        s.says("FLUSHALL", "OK");
        s.says("SESSION.SET a USER alice FIELDS 1 x y", "1");
        s.says("SESSION.SET b", "1");
        replica.sent(&mut s);
        replica.gets(&mut s, command, sent);
    }
    let key = s.say("SESSION.NEW USER alice");
    assert_eq!(replica.sent(&mut s), [format!("SESSION.APPLY {key} …")]);
}

#[test]
fn transactions_and_scripts_are_sent_as_effects_too() {
    let mut s = Server::new();
    let mut replica = Replica::of(&mut s);
    s.says("MULTI", "OK");
    for command in ["SESSION.SET a USER alice", "SESSION.GET a", "SESSION.TOUCH a", "SESSION.REVOKE alice"] {
        s.says(command, "QUEUED");
    }
    s.says("EXEC", "[1, [], 1, 1]");
    assert_eq!(replica.sent(&mut s), ["MULTI", "SESSION.APPLY a …", "SESSION.APPLY a …", "DEL a", "EXEC"]);

    let script = "redis.call('SESSION.SET',KEYS[1],'USER','alice','FIELDS','1','n',ARGV[1]); \
                  redis.call('SESSION.TOUCH',KEYS[1]); \
                  return {redis.call('SESSION.COUNT','alice'),redis.call('SESSION.GET',KEYS[1])}";
    let said = s.send(&[b"EVAL", script.as_bytes(), b"1", b"a", b"7"]).unwrap();
    assert_eq!(common::shown(&said), "[1, [n, 7]]");
    assert_eq!(replica.sent(&mut s), ["MULTI", "SESSION.APPLY a …", "SESSION.APPLY a …", "EXEC"]);
}

#[test]
fn an_effect_carries_only_what_changed() {
    let mut s = Server::new();
    let mut replica = Replica::of(&mut s);
    let large = "x".repeat(100_000);
    s.says(&format!("SESSION.SET a USER alice FIELDS 1 large {large}"), "1");
    let mut size = |s: &mut Server, command: &str| {
        s.say(command);
        replica.commands(s)[0][2].len()
    };
    assert!(size(&mut s, "SESSION.GET a") > 100_000, "the first is whole");
    for command in
        ["SESSION.TOUCH a", "SESSION.ADJUST a 10", "SESSION.SET a FIELDS 1 name Ann", "SESSION.SET a USER bob"]
    {
        assert!(size(&mut s, command) < 100, "{command}");
    }
}

/// More names than an effect can hold: only those that are there need to be in it, once.
const NAMES: usize = 65_537;

/// Commands on session `k` of alice with fields `role` and `x`, with one name very often; and the reply.
const LONG_LISTS: &[(&str, &str)] = &[
    ("SESSION.SET k NOUSER FIELDS 1 role none UNSET {n} {x}", "2"),
    ("SESSION.SET k NOUSER FIELDS 1 role none UNSET {n} {absent}", "2"),
    ("SESSION.SET k UNSET {n} {distinct}", "2"),
    ("SESSION.SET k REPLACE FIELDS 1 role none UNSET {n} {x}", "2"),
    ("SESSION.SET k FIELDS {n} {pairs}", "2"),
    ("SESSION.SET k JSON {\"role\":null} UNSET {n} {absent}", "2"),
    ("SESSION.UNSET k FIELDS {n} {x}", "1"),
    ("SESSION.UNSET k FIELDS {n} {absent}", "0"),
    ("SESSION.UNSET k FIELDS {n} {distinct}", "1"),
    ("SESSION.ROTATE k l USER bob UNSET {n} {x}", "2"),
    ("SESSION.ROTATE k l USER bob GRACE 100 UNSET {n} {x}", "2"),
    ("SESSION.ROTATE k l USER bob GRACE 100 FIELDS {n} {pairs}", "2"),
    ("SESSION.REVOKE alice ONLY {n} {keys}", "1"),
    ("SESSION.REVOKE alice EXCEPT {n} {keys}", "0"),
];

fn long(command: &str) -> String {
    let repeated = |word: &str| vec![word; NAMES].join(" ");
    let distinct = || {
        let names: Vec<String> = (1..NAMES).map(|i| format!("absent:{i}")).collect();
        format!("{} x", names.join(" "))
    };
    command
        .replace("{n}", &NAMES.to_string())
        .replace("{x}", &repeated("x"))
        .replace("{absent}", &repeated("absent"))
        .replace("{distinct}", &distinct())
        .replace("{pairs}", &repeated("x 1"))
        .replace("{keys}", &repeated("k"))
}

#[test]
fn what_is_acknowledged_reaches_replicas_and_files_however_many_names_it_lists() {
    let mut s = Server::start(&["--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no"]);
    let mut replica = Server::new();
    replica.follow(&mut s);
    for (command, reply) in LONG_LISTS {
        s.says("FLUSHALL", "OK");
        s.says("SESSION.SET k USER alice FIELDS 2 role admin x y", "1");
        assert_eq!(s.say(&long(command)), *reply, "{command}");
        replica.catch_up(&mut s);
        let view = workload::view(&mut s);
        assert_eq!(workload::view(&mut replica), view, "{command}");
        replica.check_index(command);
        s.kill_and_restart();
        assert_eq!(workload::view(&mut s), view, "{command} after a crash");
        replica.wait_for_link();
        replica.catch_up(&mut s);
    }
    assert!(!replica.log().contains("CRITICAL"), "{}", replica.log());
}

#[test]
fn a_pop_of_many_names_reaches_replicas() {
    let (mut s, mut replica) = (Server::new(), Server::new());
    replica.follow(&mut s);
    s.says("SESSION.SET k USER alice FIELDS 2 role admin x y", "1");
    let said = s.say(&long("SESSION.POP k FIELDS {n} {distinct}"));
    assert!(said.starts_with("[nil, nil, ") && said.ends_with(", y]"), "{said:.100}");
    replica.catch_up(&mut s);
    assert_eq!(workload::view(&mut replica), workload::view(&mut s));
    replica.says("SESSION.GET k", "[role, admin]");
}

#[test]
fn a_snapshot_is_missing_on_a_replica_too_once_its_session_has_ended() {
    let (mut s, mut replica) = (Server::new(), Server::new());
    replica.follow(&mut s);
    s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new GRACE 200", "2");
    replica.catch_up(&mut s);
    replica.says("SESSION.GET old", "[a, b]");
    s.says("SESSION.DEL new", "1");
    replica.catch_up(&mut s);
    replica.says("SESSION.GET old", "nil");
    replica.says("SESSION.INFO old", "nil");
    replica.check_index("with a snapshot of nothing");
    assert_eq!(replica.say("DEBUG DIGEST"), s.say("DEBUG DIGEST"));
    // A new primary knows what the rotation was.
    s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
    s.says("SESSION.ROTATE old new USER bob GRACE 200", "2");
    s.says("SESSION.SET new FIELDS 1 a c", "3");
    replica.catch_up(&mut s);
    replica.says("REPLICAOF NO ONE", "OK");
    replica.says("SESSION.ROTATE old new USER bob GRACE 200", "3");
    let other = replica.say("SESSION.ROTATE old new USER carol GRACE 200");
    assert!(other.starts_with("SESSIONGONE"), "{other}");
}

#[test]
fn a_replica_reads_and_does_not_write() {
    let (mut primary, mut replica) = (Server::new(), Server::new());
    primary.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
    primary.says("SESSION.SET b USER alice", "1");
    replica.follow(&mut primary);
    let view = workload::view(&mut primary);
    replica.says("SESSION.GET a", "[name, Ann]");
    replica.says("SESSION.COUNT alice", "2");
    let listed = primary.say("SESSION.BYUSER alice WITHMETA FIELDS 1 name");
    replica.says("SESSION.BYUSER alice WITHMETA FIELDS 1 name", &listed);
    for command in [
        "SET a",
        "SET c",
        "NEW",
        "GETEX a",
        "TOUCH a",
        "ADJUST a 10",
        "DEL a",
        "REVOKE alice",
        "ROTATE a c",
        "UNSET a FIELDS 1 name",
        "POP a FIELDS 1 name",
        "INCRBY a n 1",
        "APPLY a x",
    ] {
        let said = replica.say(&format!("SESSION.{command}"));
        assert!(said.starts_with("READONLY "), "{command} said {said}");
    }
    assert_eq!(workload::view(&mut replica), view);
}

#[test]
fn a_promoted_replica_goes_on_where_its_primary_ended() {
    let (mut primary, mut replica) = (Server::new(), Server::new());
    replica.follow(&mut primary);
    workload::run(&mut primary);
    replica.catch_up(&mut primary);
    let view = workload::view(&mut primary);
    primary.kill();
    replica.says("REPLICAOF NO ONE", "OK");
    assert_eq!(workload::view(&mut replica), view);
    replica.check_index("after promotion");
    let before: i64 = replica.say("SESSION.COUNT alice").parse().unwrap();
    replica.says("SESSION.SET fresh USER alice", "1");
    replica.says("SESSION.COUNT alice", &(before + 1).to_string());
    // One of them is a snapshot of a rotated session, which is ended, though it was not listed.
    replica.says("SESSION.REVOKE alice EXCEPT 1 fresh", &(before + 1).to_string());
    replica.says("SESSION.BYUSER alice", "[fresh]");
}

#[test]
fn an_expiry_reaches_replicas_as_a_deletion() {
    let mut s = Server::new();
    let mut replica = Replica::of(&mut s);
    s.says("SESSION.SET a USER alice PX 20", "1");
    replica.sent(&mut s);
    wait_until("the expiry", || s.say("DBSIZE") == "0");
    let sent = replica.sent(&mut s);
    // The one or the other by the server's setting of `lazyfree-lazy-expire`.
    assert!(sent == ["DEL a"] || sent == ["UNLINK a"], "{sent:?}");
}

#[test]
fn a_session_whose_key_outlives_it_reaches_replicas_as_a_deletion_with_the_next_write() {
    let mut s = Server::new();
    let mut replica = Replica::of(&mut s);
    s.says("SESSION.SET a PX 200", "1");
    s.says("PERSIST a", "1");
    let deadline = s.session_number("a", "deadline");
    s.wait_for(deadline);
    replica.sent(&mut s);
    replica.gets(&mut s, "SESSION.GET a", &[]);
    replica.gets(&mut s, "SESSION.SET a", &["MULTI", "DEL a", "SESSION.APPLY a …", "EXEC"]);
}

#[test]
fn a_replica_hides_what_has_expired_and_leaves_it_to_its_primary() {
    let (mut primary, mut replica) = (Server::new(), Server::new());
    primary.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    replica.follow(&mut primary);
    primary.says("SESSION.SET a USER alice PX 20", "1");
    primary.says("SESSION.SET b USER alice", "1");
    let end = primary.now() + 20;
    primary.wait_for(end);
    replica.catch_up(&mut primary);
    replica.says("SESSION.GET a", "nil");
    replica.says("SESSION.INFO a", "nil");
    replica.says("SESSION.BYUSER alice", "[b]");
    replica.says("SESSION.COUNT alice", "1");
    replica.says("DBSIZE", "2");
    primary.says("SESSION.TOUCH a", "0");
    replica.catch_up(&mut primary);
    replica.says("DBSIZE", "1");
    replica.check_index("after an expiry");
}

#[test]
fn a_session_that_a_replica_saw_expire_is_back_once_the_primary_is_heard_to_have_kept_it() {
    let mut source = Server::new();
    source.says("SAVE", "OK");
    let empty = tail(&source.dir().join("dump.rdb"), 0);
    let mut effects = Replica::of(&mut source);
    source.says("SESSION.SET a USER alice PX 400", "1");
    source.says("SESSION.SET b USER alice", "1");
    let deadline = source.session_number("a", "deadline");
    let begin = effects.commands(&mut source);
    source.says("SESSION.ADJUST a 100", "1");
    let kept = effects.commands(&mut source);

    let mut replica = Server::new();
    let mut primary = Primary::of(&mut replica, &empty);
    primary.send(&mut replica, &begin);
    replica.wait_for(deadline);
    replica.says("SESSION.BYUSER alice", "[b]");
    replica.says("SESSION.COUNT alice", "1");
    primary.send(&mut replica, &kept);
    replica.says("SESSION.COUNT alice", "2");
    replica.says("SESSION.GET a", "[]");
    replica.check_index("after the late news");
}

#[test]
fn a_replica_writes_what_it_is_sent_into_its_own_aof() {
    let mut primary = Server::new();
    let mut replica = Server::start(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    replica.follow(&mut primary);
    wait_until("its first AOF", || replica.info("persistence", "aof_rewrite_in_progress") == "0");
    workload::run(&mut primary);
    replica.catch_up(&mut primary);
    replica.says("REPLICAOF NO ONE", "OK");
    let view = workload::view(&mut replica);
    replica.restart();
    assert_eq!(workload::view(&mut replica), view);
    assert_eq!(workload::view(&mut primary), view);
}

/// A replica hides a key past its expiry until its primary has said what becomes of it. That is no proof that there is no
/// session: what VERIFY FIX forgets, nobody finds again.
#[test]
fn verify_fix_on_a_replica_keeps_what_is_hidden() {
    let (mut s, mut replica) = (Server::new(), Server::new());
    replica.follow(&mut s);
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    s.says("SESSION.SET a USER ann PX 1500 FIELDS 1 f 1", "1");
    replica.catch_up(&mut s);
    // The primary slides the deadline in time, but its replica hears of that late.
    let mut busy = s.client();
    let slow = std::thread::spawn(move || {
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        busy.send_all(&[words("SESSION.ADJUST a 1000"), words("DEBUG SLEEP 3")])
    });
    wait_until("the replica hides it", || replica.say("SESSION.GET a") == "nil" || replica.say("EXISTS a") == "0");
    replica.tick();
    replica.tick();
    replica.say("SESSION.VERIFY FIX");
    let said: Vec<String> = slow.join().unwrap().into_iter().map(|said| common::shown(&said.unwrap())).collect();
    assert_eq!(said, ["1", "OK"]);
    replica.catch_up(&mut s);
    replica.says("EXISTS a", "1");
    replica.says("SESSION.COUNT ann", "1");
    replica.says("REPLICAOF NO ONE", "OK");
    replica.says("SESSION.REVOKE ann", "1");
}

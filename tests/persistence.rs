//! What files keep.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::wire::{self, Replica};
use common::{wait_until, workload, Server};
use redis::Value;
use std::collections::BTreeSet;

const RDB: &[&str] = &["--save", "3600 1"];
const AOF: &[&str] = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0"];
const AOF_WITH_RDB: &[&str] =
    &["--appendonly", "yes", "--aof-use-rdb-preamble", "yes", "--auto-aof-rewrite-percentage", "0"];

fn rewrite_aof(s: &mut Server) {
    wait_until("an earlier rewrite", || s.info("persistence", "aof_rewrite_in_progress") == "0");
    let before = s.info("persistence", "aof_rewrites");
    s.say("BGREWRITEAOF");
    wait_until("the rewrite", || {
        s.info("persistence", "aof_rewrite_in_progress") == "0"
            && s.info("persistence", "aof_rewrite_scheduled") == "0"
            && s.info("persistence", "aof_rewrites") != before
    });
    assert_eq!(s.info("persistence", "aof_last_bgrewrite_status"), "ok");
}

/// Fails unless all is the same after what happens to the server.
fn survives(options: &[&str], happen: fn(&mut Server)) {
    let mut s = Server::start(options);
    workload::run(&mut s);
    let before = workload::view(&mut s);
    happen(&mut s);
    assert_eq!(workload::view(&mut s), before);
    s.check_index("after it");
}

#[test]
fn no_effect_makes_a_session_that_a_file_could_not_hold() {
    let mut source = Server::start(&["max-fields", "65536"]);
    let mut replica = Replica::of(&mut source);
    // Two effects, each within the cap of 65,536 fields, that together pass it.
    let mut effects = ["a", "b"].map(|prefix| {
        source.says("SESSION.SET k", "1");
        let whole = replica.commands(&mut source).remove(0);
        let fields: Vec<String> = (0..40_000).map(|i| format!("{prefix}{i} x")).collect();
        source.says(&format!("SESSION.SET k FIELDS 40000 {}", fields.join(" ")), "2");
        let change = replica.commands(&mut source).remove(0);
        source.says("SESSION.DEL k", "1");
        replica.sent(&mut source);
        [whole, change]
    });
    let mut s = Server::new();
    let mut send = |effect: &wire::Command| s.send(&effect.iter().map(Vec::as_slice).collect::<Vec<_>>());
    effects[0].iter_mut().for_each(|effect| drop(send(effect).unwrap()));
    let said = send(&effects[1][1]).unwrap_err();
    assert!(said.starts_with("ERR "), "{said}");
    assert_eq!(s.session("k")["fields"], "40000");
    s.says("DEBUG RELOAD", "OK");
    s.says("DBSIZE", "1");
}

#[test]
fn sessions_survive_in_an_rdb_file() {
    survives(RDB, Server::restart);
}

#[test]
fn sessions_survive_in_an_rdb_file_that_was_saved_before_a_crash() {
    survives(&[], |s| {
        s.says("SAVE", "OK");
        s.kill_and_restart();
    });
}

#[test]
fn sessions_survive_in_an_aof() {
    survives(AOF, Server::restart);
}

#[test]
fn sessions_survive_in_an_aof_with_an_rdb_preamble() {
    survives(AOF_WITH_RDB, Server::restart);
}

#[test]
fn sessions_survive_in_a_rewritten_aof() {
    survives(AOF, |s| {
        rewrite_aof(s);
        s.restart();
    });
}

#[test]
fn sessions_survive_in_a_rewritten_aof_with_an_rdb_preamble() {
    survives(AOF_WITH_RDB, |s| {
        rewrite_aof(s);
        s.restart();
    });
}

#[test]
fn sessions_survive_in_an_aof_that_grew_after_it_was_rewritten() {
    for options in [AOF, AOF_WITH_RDB] {
        let mut s = Server::start(options);
        s.says("SESSION.SET before USER alice FIELDS 1 n 1", "1");
        s.says("SESSION.SET gone USER alice", "1");
        rewrite_aof(&mut s);
        s.says("SESSION.SET before FIELDS 1 n 2", "2");
        s.says("SESSION.DEL gone", "1");
        workload::run(&mut s);
        let view = workload::view(&mut s);
        s.restart();
        assert_eq!(workload::view(&mut s), view);
        s.says("SESSION.GET before", "[n, 2]");
        s.check_index("after it");
    }
}

#[test]
fn an_acknowledged_write_survives_a_kill_under_appendfsync_always() {
    survives(&[AOF, &["--appendfsync", "always"]].concat(), Server::kill_and_restart);
}

#[test]
fn sessions_survive_debug_reload_and_loadaof() {
    survives(AOF, |s| {
        s.says("DEBUG RELOAD", "OK");
        s.says("DEBUG LOADAOF", "OK");
    });
}

#[test]
fn metadata_and_data_come_back_to_the_bit() {
    for options in [RDB, AOF] {
        let mut s = Server::start(options);
        s.says("SESSION.SET a USER alice PX 500000 PXAT 4000000000000 JSON {\"n\":1e400,\"list\":[1,\"x\"],\"name\":\"Ann\"}", "1");
        s.tick();
        s.says("SESSION.SET a FIELDS 1 raw [1]", "2");
        let (info, json) = (s.say("SESSION.INFO a"), s.say("SESSION.GET a JSON"));
        assert!(json.contains("1e400") && json.contains("\"[1]\""), "{json}");
        s.restart();
        s.says("SESSION.INFO a", &info);
        s.says("SESSION.GET a JSON", &json);
        s.says("SESSION.BYUSER alice", "[a]");
        s.says("SESSION.SET a IFVERSION 2 FIELDS 1 name Eve", "3");
    }
}

#[test]
fn an_aof_holds_effects_and_deletions_only() {
    let mut s = Server::start(AOF);
    for command in [
        "SET a USER alice FIELDS 1 name Ann",
        "SET b USER alice EX 100",
        "SET b FIELDS 1 x y UNSET 1 z",
        "SET c NX USER alice MAXSESSIONS 2 LRU",
        "TOUCH b c",
        "GETEX b EX 50",
        "ADJUST c LIFETIME 100",
        "UNSET b FIELDS 1 x",
        "POP b FIELDS 1 x",
        "INCRBY c n 1",
        "NEW USER bob",
        "ROTATE b d PGRACE 60000",
        "ROTATE c e",
        "ROTATE e f REPLACE GRACE 30 FIELDS 1 x y JSON {\"n\":1}",
        "ROTATE e f REPLACE GRACE 30 FIELDS 1 x y JSON {\"n\":1}",
        "ADJUST f EX 77",
        "ADJUST f EX 77",
        "GETEX f EX 77 META 1 version",
        "REVOKE alice ONLY 1 none",
        "DEL f",
        "REVOKE alice",
        "REVOKE bob",
    ] {
        let said = s.say(&format!("SESSION.{command}"));
        assert!(!said.contains("ERR") && said != "nil", "{command} said {said}");
    }
    let names = |commands: &[wire::Command]| -> BTreeSet<String> {
        commands.iter().map(|command| String::from_utf8(command[0].clone()).unwrap()).collect()
    };
    let expected = ["DEL", "EXEC", "MULTI", "SELECT", "SESSION.APPLY"].map(str::to_string);
    assert_eq!(names(&wire::aof(&s, "incr")), BTreeSet::from(expected));

    s.says("SESSION.SET a EX 100", "1");
    s.says("SESSION.SET b PERSIST", "1");
    rewrite_aof(&mut s);
    let mut rewritten: Vec<String> = wire::aof(&s, "base").iter().map(wire::line).collect();
    rewritten.sort();
    let expiry = s.say("PEXPIRETIME a");
    let expected =
        [format!("PEXPIREAT a {expiry}"), "SELECT 0".into(), "SESSION.APPLY a …".into(), "SESSION.APPLY b …".into()];
    assert_eq!(rewritten, expected);
}

#[test]
fn what_ended_while_the_server_was_down_is_gone() {
    for options in [RDB, AOF, AOF_WITH_RDB] {
        let mut s = Server::start(options);
        s.says("SESSION.SET idle USER alice PX 300", "1");
        s.says("SESSION.SET end USER alice PERSIST PLIFETIME 300", "1");
        s.says("SESSION.SET persisted USER alice PX 300", "1");
        s.says("PERSIST persisted", "1");
        s.says("SESSION.SET stays USER alice", "1");
        s.says("SESSION.COUNT alice", "4");
        let deadline = s.session_number("persisted", "deadline");
        let mut watch = Server::new();
        s.shut_down();
        watch.wait_for(deadline);
        s.launch_again();
        s.says("SESSION.COUNT alice", "1");
        s.says("SESSION.BYUSER alice", "[stays]");
        for key in ["idle", "end", "persisted"] {
            s.says(&format!("SESSION.GET {key}"), "nil");
        }
        s.says("SESSION.REVOKE alice", "1");
        wait_until("all keys to go", || s.say("DBSIZE") == "0");
    }
}

// ---- Payloads that are not what they should be

/// A session's payload as DUMP makes it, and where in it the module's own record begins and ends.
fn dump(s: &mut Server, key: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    let Ok(Value::BulkString(payload)) = s.send(&[b"DUMP", key]) else { panic!("no payload") };
    // In front the type, 1 byte, the module's id, 9, what comes next, 1, and the length of the record; behind an end mark,
    // 1, the version, 2, a checksum, 8.
    let (end, header) = (payload.len() - 11, if payload[11] < 64 { 1 } else { 2 });
    let own = 11 + header..end;
    assert_eq!(payload[11..own.start], frame(own.len()), "one record, not compressed");
    (payload, own)
}

/// A length as the server writes it.
fn frame(len: usize) -> Vec<u8> {
    match len {
        0..64 => vec![len as u8],
        64..16384 => vec![0x40 | (len >> 8) as u8, len as u8],
        _ => panic!("{len}"),
    }
}

/// A server that does not look at the checksum of a payload, so that the module sees what is wrong with it.
fn trusting() -> Server {
    let mut s = Server::start(&["--rdbcompression", "no"]);
    s.says("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK");
    s.says("SESSION.SET a USER alice EX 1000 LIFETIME 100000 FIELDS 2 name Ann empty ", "1");
    s.says("SESSION.SET rotated USER alice FIELDS 1 name Ann JSON {\"n\":[1]}", "1");
    s.says("SESSION.ROTATE rotated new USER bob GRACE 200", "2");
    s
}

/// A session, and a snapshot.
const DUMPED: [&[u8]; 2] = [b"a", b"rotated"];

#[test]
fn restore_refuses_a_payload_cut_anywhere_and_the_server_lives() {
    let mut s = trusting();
    for key in DUMPED {
        let (payload, own) = dump(&mut s, key);
        assert_eq!(s.send(&[b"RESTORE", b"whole", b"0", &payload, b"REPLACE"]), Ok(Value::Okay));
        let session = &payload[own.clone()];
        for len in 0..session.len() {
            let short = [&payload[..11], &frame(len), &session[..len], &payload[own.end..]].concat();
            let said = s.send(&[b"RESTORE", b"b", b"0", &short]);
            assert!(said.as_ref().is_err_and(|error| error.contains("Bad data format")), "cut at {len}: {said:?}");
        }
        // Cut without a frame around it: what the server then takes for the rest ends in the middle of something.
        let footer = [&payload[payload.len() - 10..payload.len() - 8], &[0xff; 8]].concat();
        for cut in 11..own.end {
            let said = s.send(&[b"RESTORE", b"b", b"0", &[&payload[..cut], &footer].concat()]);
            assert!(said.as_ref().is_err_and(|error| error.contains("Bad data format")), "short from {cut}: {said:?}");
        }
    }
    s.says("EXISTS b", "0");
    s.says("SESSION.DEL whole", "1");
    s.says("SESSION.COUNT alice", "1");
    s.says("SESSION.COUNT bob", "1");
}

#[test]
fn restore_of_a_payload_with_any_byte_changed_is_refused_or_a_session_and_the_server_lives() {
    let mut s = trusting();
    let (mut refused, mut taken) = (0, 0);
    for key in DUMPED {
        let (payload, own) = dump(&mut s, key);
        for at in own {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = payload.clone();
                changed[at] ^= change;
                match s.send(&[b"RESTORE", b"b", b"0", &changed, b"REPLACE"]) {
                    Ok(_) => {
                        taken += 1;
                        s.says("TYPE b", "sess-hash");
                        s.say("SESSION.GET b");
                        s.say("SESSION.INFO b");
                        s.check_index("after a change");
                        // What was taken can be written and read again.
                        let digest = s.say("DEBUG DIGEST-VALUE b");
                        s.says("DEBUG RELOAD", "OK");
                        s.says("DEBUG DIGEST-VALUE b", &digest);
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(error.contains("Bad data format"), "{error}");
                    }
                }
            }
        }
    }
    assert!(refused > 20 && taken > 20, "{refused} {taken}");
    s.says("SESSION.GET a FIELDS 1 name", "[Ann]");
}

#[test]
fn restore_refuses_a_later_format() {
    let mut s = trusting();
    let (payload, own) = dump(&mut s, b"a");
    // The number is half a byte.
    let of_later_format = own.filter(|at| payload[*at] & 0x0f == 1).any(|at| {
        let mut newer = payload.clone();
        newer[at] = payload[at] & 0xf0 | 2;
        let said = s.send(&[b"RESTORE", b"b", b"0", &newer]);
        if said.is_ok() {
            s.says("DEL b", "1");
        }
        s.log().contains("format 2") && said.is_err_and(|error| error.contains("Bad data format"))
    });
    assert!(of_later_format, "the format's number is nowhere: {}", s.log());
    s.says("EXISTS b", "0");
}

#[test]
fn apply_refuses_a_malformed_effect_and_changes_nothing() {
    let mut s = Server::new();
    let mut replica = Replica::of(&mut s);
    s.says("SESSION.SET a USER alice FIELDS 2 name Ann theme dark", "1");
    let whole = replica.commands(&mut s)[0][2].clone();
    s.says("SESSION.SET a USER bob FIELDS 1 name Eve UNSET 1 theme", "2");
    let change = replica.commands(&mut s)[0][2].clone();
    let view = workload::view(&mut s);
    for payload in [&whole, &change] {
        for cut in 0..payload.len() {
            let said = s.send(&[b"SESSION.APPLY", b"a", &payload[..cut]]);
            assert!(said.as_ref().is_err_and(|error| error.starts_with("ERR ")), "cut at {cut}: {said:?}");
        }
        let longer = [&payload[..], b"\0"].concat();
        assert!(s.send(&[b"SESSION.APPLY", b"a", &longer]).is_err());
    }
    let orphan = s.send(&[b"SESSION.APPLY", b"none", &change]);
    assert!(orphan.is_err_and(|error| error.starts_with("ERR no session")));
    s.says("SET string x", "OK");
    assert!(s.send(&[b"SESSION.APPLY", b"string", &whole]).is_err_and(|error| error.starts_with("WRONGTYPE")));
    s.says("DEL string", "1");
    assert_eq!(workload::view(&mut s), view);

    assert_eq!(s.send(&[b"SESSION.APPLY", b"b", &whole]), Ok(Value::Okay));
    s.says("SESSION.COUNT alice", "1");
    assert_eq!(s.send(&[b"SESSION.APPLY", b"b", &change]), Ok(Value::Okay));
    s.says("SESSION.COUNT alice", "0");
    assert_eq!(replica.sent(&mut s), ["SET string x", "DEL string", "SESSION.APPLY b …", "SESSION.APPLY b …"]);
    s.says("SESSION.COUNT bob", "2");
    s.says("SESSION.GET b", "[name, Eve]");
    s.check_index("after effects by hand");
}

#[test]
fn what_a_snapshot_remembers_comes_back_from_files() {
    for options in [RDB, AOF, AOF_WITH_RDB] {
        let mut s = Server::start(options);
        s.says("SESSION.SET old USER alice FIELDS 1 a b", "1");
        s.says("SESSION.ROTATE old new USER bob GRACE 250 JSON {\"n\":1}", "2");
        s.says("SESSION.SET gone USER alice FIELDS 1 a b", "1");
        s.says("SESSION.ROTATE gone nowhere GRACE 250", "2");
        s.says("SESSION.DEL nowhere", "1");
        let digest = s.say("DEBUG DIGEST");
        for happen in [Server::restart, |s: &mut Server| {
            if s.info("persistence", "aof_enabled") == "1" {
                rewrite_aof(s);
            }
            s.restart();
        }] {
            happen(&mut s);
            s.says("DEBUG DIGEST", &digest);
            s.says("SESSION.ROTATE old new USER bob GRACE 250 JSON {\"n\":1}", "2");
            let other = s.say("SESSION.ROTATE old new USER bob GRACE 251 JSON {\"n\":1}");
            assert!(other.starts_with("SESSIONGONE"), "{other}");
            s.says("SESSION.GET old", "[a, b]");
            s.says("SESSION.GET gone", "nil");
            s.says("SESSION.COUNT alice", "0");
            s.says("SESSION.COUNT bob", "1");
            s.says("DEBUG DIGEST", &digest);
            s.check_index("after a restart");
        }
        s.says("SESSION.REVOKE alice", "1");
        s.says("DBSIZE", "1");
    }
}

fn send_all(s: &mut Server, n: usize, command: impl Fn(usize) -> String) {
    let mut client = s.client();
    for start in (0..n).step_by(1000) {
        let commands: Vec<Vec<String>> =
            (start..(start + 1000).min(n)).map(|i| command(i).split(' ').map(String::from).collect()).collect();
        client.send_all(&commands).into_iter().for_each(|said| drop(said.unwrap()));
    }
}

/// The memory that saving in the background has the kernel copy.
fn copied_by_a_save(s: &mut Server) -> u64 {
    s.say("BGSAVE");
    wait_until("the file is saved", || s.info("persistence", "rdb_bgsave_in_progress") == "0");
    s.info("persistence", "rdb_last_cow_size").parse().unwrap()
}

/// A forked child that writes to the values it saves has the kernel copy all of them: a server of 10 GB needs 10 GB more.
#[test]
fn saving_in_the_background_copies_no_memory() {
    let mut s = Server::new();
    send_all(&mut s, 100_000, |i| format!("SESSION.SET s{i} FIELDS 1 f {}", "x".repeat(300)));
    let copied = copied_by_a_save(&mut s);
    let used: u64 = s.info("memory", "used_memory_dataset").parse().unwrap();
    assert!(copied < used / 4, "{copied} bytes of {used} were copied");
}

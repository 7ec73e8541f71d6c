//! A panic in the module is an error in the module: the server goes on.
//!
//! The module under test is a build that panics where a key or a field asks for it (`--features inject-panics`).
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::Server;
use std::sync::Once;

/// A server with the module that panics. A backtrace is asked for, which some servers do not survive: none may be taken.
fn server(options: &[&str]) -> Server {
    common::use_checked_module();
    static ENVIRONMENT: Once = Once::new();
    ENVIRONMENT.call_once(|| std::env::set_var("RUST_BACKTRACE", "1"));
    Server::start(options)
}

/// How often the log tells of an internal error at this place.
fn logged(s: &Server, place: &str) -> usize {
    let log = s.log();
    log.lines().filter(|line| line.contains("internal error") && line.contains(&format!("injected at {place}"))).count()
}

const INTERNAL: &str = "ERR internal error, see the server's log";

#[test]
fn a_panic_before_anything_is_applied_changes_nothing() {
    let mut s = server(&[]);
    s.says("SESSION.SET a USER alice", "1");
    let digest = s.say("DEBUG DIGEST");
    for command in
        ["SET panic:command FIELDS 1 a b", "GET panic:command", "TOUCH panic:command a", "BYUSER panic:command"]
    {
        s.says(&format!("SESSION.{command}"), INTERNAL);
    }
    s.says("DEBUG DIGEST", &digest);
    s.says("SESSION.COUNT alice", "1");
    assert_eq!(logged(&s, "command"), 4);
    assert!(!s.log().contains("stack backtrace"));
}

#[test]
fn after_a_panic_in_the_middle_of_a_command_the_server_and_the_index_go_on() {
    let mut s = server(&[]);
    s.says("SESSION.SET panic:applied USER alice", INTERNAL);
    assert_eq!(logged(&s, "applied"), 1);
    // What was applied is there and indexed; the operator can hold the two against each other.
    s.says("SESSION.BYUSER alice", "[panic:applied]");
    s.says("SESSION.VERIFY", "[sessions, 1, indexed, 1, missing, 0, stale, 0, fixed, 0]");
    s.says("SESSION.SET b USER alice", "1");
    s.says("SESSION.COUNT alice", "2");
}

#[test]
fn a_panic_in_a_script_or_a_transaction_is_an_error_there() {
    let mut s = server(&[]);
    s.says("MULTI", "OK");
    s.says("SESSION.SET panic:command", "QUEUED");
    s.says("SET plain x", "QUEUED");
    assert!(s.say("EXEC").contains("internal error"));
    s.says("GET plain", "x");
    let said = s.say("EVAL return{redis.pcall('SESSION.GET','panic:command')['err']} 0");
    assert!(said.contains("internal error"), "{said}");
}

#[test]
fn a_panic_in_a_callback_does_not_reach_the_server() {
    let mut s = server(&[]);
    for (place, command) in [
        ("unlink", "DEL key"),
        ("free", "UNLINK key"),
        ("copy", "COPY key other"),
        ("digest", "DEBUG DIGEST"),
        ("event", "RENAME key panic:event"),
    ] {
        s.says("FLUSHALL", "OK");
        s.says(&format!("SESSION.SET key USER alice FIELDS 1 panic:{place} x"), "1");
        s.say(command);
        assert!(s.is_running(), "{place}");
        assert_eq!(logged(&s, place), 1, "{place}");
        s.says("PING", "PONG");
    }
}

#[test]
fn a_payload_whose_loading_panics_is_refused() {
    let mut s = server(&[]);
    s.says("SESSION.SET key FIELDS 1 panic:load x", "1");
    let payload = match s.send(&[b"DUMP", b"key"]).unwrap() {
        redis::Value::BulkString(payload) => payload,
        other => panic!("{other:?}"),
    };
    let said = s.send(&[b"RESTORE", b"other", b"0", &payload]).unwrap_err();
    assert!(said.contains("Bad data format"), "{said}");
    s.says("EXISTS other", "0");
    assert_eq!(logged(&s, "load"), 1);
}

#[test]
fn a_panic_while_the_index_hears_of_a_key_is_mended_by_verify() {
    let mut s = server(&[]);
    s.says("SESSION.SET key USER alice", "1");
    s.says("RENAME key panic:event", "OK");
    s.says("SESSION.COUNT alice", "0");
    s.says("SESSION.VERIFY", "[sessions, 1, indexed, 0, missing, 1, stale, 0, fixed, 0]");
    s.says("SESSION.VERIFY FIX", "[sessions, 1, indexed, 0, missing, 1, stale, 0, fixed, 1]");
    s.says("SESSION.BYUSER alice", "[panic:event]");
}

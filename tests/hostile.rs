//! Random argument vectors: every command answers, in its protocol, and nothing is left in disorder.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{wait_until, Client, Server};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const COMMANDS: [&str; 17] = [
    "SET", "NEW", "GET", "GETEX", "TOUCH", "ADJUST", "BYUSER", "COUNT", "DEL", "REVOKE", "ROTATE", "UNSET", "POP",
    "INCRBY", "INFO", "VERIFY", "APPLY",
];

const WORDS: [&str; 37] = [
    "NX",
    "XX",
    "IFVERSION",
    "REPLACE",
    "USER",
    "NOUSER",
    "EX",
    "PX",
    "PERSIST",
    "LIFETIME",
    "PLIFETIME",
    "EXAT",
    "PXAT",
    "NOLIFETIME",
    "KEEPTTL",
    "MAXSESSIONS",
    "REJECT",
    "OLDEST",
    "LRU",
    "UNSET",
    "FIELDS",
    "JSON",
    "PREFIX",
    "WITHMETA",
    "LIMIT",
    "EXCEPT",
    "GRACE",
    "FIX",
    "a",
    "b",
    "alice",
    "{\"a\":1}",
    "{\"a\":{\"b\":[1e400]}}",
    "nan",
    "SET",
    "\0",
    "\r\n",
];

const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "00",
    "+1",
    "1.5",
    "100000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551616",
    "1e3",
];

fn argument() -> impl Strategy<Value = Vec<u8>> {
    let pick = |words: &'static [&'static str]| prop::sample::select(words).prop_map(|w| w.as_bytes().to_vec());
    prop_oneof![
        8 => pick(&WORDS),
        4 => pick(&NUMBERS),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(vec![b'x'; 2000]),
    ]
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (prop::sample::select(&COMMANDS[..]), prop::collection::vec(argument(), 0..12)).prop_map(|(name, mut args)| {
        args.insert(0, format!("SESSION.{name}").into_bytes());
        args
    })
}

/// Sends commands one behind the other; every one must be answered, and the line must be in step afterwards.
fn answered(client: &mut Client, commands: &[Vec<Vec<u8>>], protocol: &str) {
    for command in commands {
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        match client.send(&args) {
            Err(error) if error.contains("internal error") => panic!("{command:?}: {error}"),
            _ => {}
        }
    }
    assert_eq!(client.say("ECHO in-step"), "in-step", "{protocol}");
}

/// Ends what would expire while the rest is compared.
fn drop_short_lived(s: &mut Server) {
    let Ok(redis::Value::Array(keys)) = s.send(&[b"KEYS", b"*"]) else { panic!("no keys") };
    for key in &keys {
        let redis::Value::BulkString(key) = key else { panic!("{key:?}") };
        if matches!(s.send(&[b"PTTL", key]), Ok(redis::Value::Int(0..=60_000))) {
            s.send(&[b"DEL", key]).unwrap();
        }
    }
    // What has expired is hidden at once, and gone, for the digest too, when the server comes by.
    wait_until("expired keys to go", || match s.send(&[b"KEYS", b"*"]) {
        Ok(redis::Value::Array(keys)) => s.say("DBSIZE") == keys.len().to_string(),
        other => panic!("{other:?}"),
    });
}

#[test]
fn any_arguments_are_answered_and_leave_the_index_right() {
    let mut s = Server::new();
    let mut clients = [(s.client(), "RESP2"), (s.client3(), "RESP3")];
    let config = Config { cases: 150, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let batches = prop::collection::vec(command(), 200);
    for round in 0..150 {
        let batch = batches.new_tree(&mut runner).unwrap().current();
        let (client, protocol) = &mut clients[round % 2];
        answered(client, &batch, protocol);
    }
    assert!(!s.log().contains("internal error"));
    assert!(s.say("SESSION.VERIFY").contains("missing, 0, stale, 0"));
    drop_short_lived(&mut s);
    assert_ne!(s.say("DBSIZE"), "0");
    let digest = s.say("DEBUG DIGEST");
    s.says("DEBUG RELOAD", "OK");
    s.says("DEBUG DIGEST", &digest);
}

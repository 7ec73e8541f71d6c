//! Random argument vectors: every command answers, in its protocol, and nothing is left in disorder: not the index, not
//! the files, not a replica.
//!
//! `HOSTILE_SEED` says which ones (without it the clock does, and what it said is printed), `HOSTILE_CASES` how many
//! batches of two hundred commands (150 without it).
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{wait_until, Client, Server};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::time::{SystemTime, UNIX_EPOCH};

const COMMANDS: [&str; 17] = [
    "SET", "NEW", "GET", "GETEX", "TOUCH", "ADJUST", "BYUSER", "COUNT", "DEL", "REVOKE", "ROTATE", "UNSET", "POP",
    "INCRBY", "INFO", "VERIFY", "APPLY",
];

const WORDS: [&str; 56] = [
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
    "ONLY",
    "META",
    "GRACE",
    "PGRACE",
    "FIX",
    "a",
    "b",
    "alice",
    "{\"a\":1}",
    "{\"a\":{\"b\":[1e400]}}",
    "{}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":\"\\ud800\"}",
    "{\"b\":",
    "user",
    "created",
    "accessed",
    "idle",
    "lifetime",
    "end",
    "deadline",
    "version",
    "grace",
    "data",
    "DATA",
    "meta",
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

/// An option with as many things behind it as it says, so that a command gets beyond its first mistake.
fn clause() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let counted = |word: &'static str, pair: bool| {
        let thing = prop::sample::select(vec!["a", "b", "alice", "", "\0", "version", "user"]);
        prop::collection::vec(thing, 1..5).prop_map(move |things| {
            let each = things.iter().flat_map(|thing| vec![thing.as_bytes().to_vec(); if pair { 2 } else { 1 }]);
            [vec![word.into(), things.len().to_string().into_bytes()], each.collect()].concat()
        })
    };
    let valued = |word: &'static str, values: &'static [&'static str]| {
        prop::sample::select(values).prop_map(move |value| vec![word.into(), value.into()])
    };
    prop_oneof![
        4 => counted("FIELDS", true),
        3 => counted("FIELDS", false),
        3 => counted("UNSET", false),
        2 => counted("META", false),
        1 => counted("ONLY", false),
        1 => counted("EXCEPT", false),
        3 => valued("JSON", &["{}", "{\"a\":1}", " {\"c\" : [ 1 , \"x\" ] } ", "{\"\":\"\\u0000\"}"]),
        2 => valued("USER", &["alice", "bob", ""]),
        2 => valued("GRACE", &["1", "300", "301", "0"]),
        1 => valued("PGRACE", &["1", "300000", "300001"]),
        2 => valued("EX", &["1800", "3600", "315360000", "315360001"]),
        1 => valued("LIFETIME", &["3600", "0"]),
        2 => (valued("MAXSESSIONS", &["1", "2", "20"]), prop::sample::select(vec!["LRU", "OLDEST", "REJECT"]))
            .prop_map(|(mut cap, policy)| { cap.push(policy.into()); cap }),
        1 => valued("LIMIT", &["0", "1"]).prop_map(|mut limit| { limit.push(b"2".to_vec()); limit }),
    ]
}

/// A list of one name, as long as no effect may be.
fn huge() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = prop::sample::select(vec!["UNSET", "FIELDS", "EXCEPT", "ONLY", "META"]);
    (word, prop::sample::select(vec![65_536usize, 65_537, 70_000]))
        .prop_map(|(word, n)| [vec![word.into(), n.to_string().into_bytes()], vec![b"none".to_vec(); n]].concat())
}

fn arguments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let random = prop::collection::vec(argument(), 0..12);
    let key = prop::sample::select(vec!["a", "b", "c", "alice"]).prop_map(|key| vec![key.as_bytes().to_vec()]);
    let other = prop_oneof![3 => Just(vec![]), 1 => key.clone()];
    let sensible = (key, other, prop::collection::vec(prop_oneof![9 => clause(), 1 => random_few()], 0..4))
        .prop_map(|(key, other, clauses)| [key, other, clauses.concat()].concat());
    let long = (prop::sample::select(vec!["a", "alice"]), prop::collection::vec(clause(), 0..2), huge())
        .prop_map(|(key, clauses, huge)| [vec![key.as_bytes().to_vec()], clauses.concat(), huge].concat());
    prop_oneof![2000 => random, 4000 => sensible, 10 => long]
}

fn random_few() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(argument(), 1..3)
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (prop::sample::select(&COMMANDS[..]), arguments()).prop_map(|(name, mut args)| {
        args.insert(0, format!("SESSION.{name}").into_bytes());
        args
    })
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|n| n.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Draws as the seed says.
fn runner() -> TestRunner {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let seed = setting("HOSTILE_SEED").unwrap_or_else(clock);
    println!("HOSTILE_SEED={seed}");
    let config = Config { failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let bytes: Vec<u8> = seed.to_le_bytes().repeat(4);
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Sends commands one behind the other; every one must be answered, and the line must be in step afterwards.
fn answered(client: &mut Client, commands: &[Vec<Vec<u8>>], protocol: &str) {
    for command in commands {
        let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        match client.send(&args) {
            Err(error) if error.contains("internal error") => panic!("{:.2000}: {error}", format!("{command:?}")),
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
fn any_arguments_are_answered_and_leave_index_files_and_replica_right() {
    common::use_checked_module();
    let (mut s, mut replica) = (Server::new(), Server::new());
    replica.follow(&mut s);
    let mut clients = [(s.client(), "RESP2"), (s.client3(), "RESP3")];
    let mut runner = runner();
    let batches = prop::collection::vec(command(), 200);
    for round in 0..setting("HOSTILE_CASES").unwrap_or(150) {
        let batch = batches.new_tree(&mut runner).unwrap().current();
        let (client, protocol) = &mut clients[usize::from(round % 2 == 1)];
        answered(client, &batch, protocol);
        if round % 10 == 9 {
            replica.catch_up(&mut s);
            replica.check_index("on the replica");
        }
    }
    for server in [&s, &replica] {
        assert!(!server.log().contains("internal error"), "{}", server.log());
        assert!(!server.log().contains("CRITICAL"), "{}", server.log());
    }
    s.check_index("on the primary");
    s.says("SESSION.SET stays USER alice FIELDS 1 name Ann", "1");
    drop_short_lived(&mut s);
    assert_ne!(s.say("DBSIZE"), "0");
    let digest = s.say("DEBUG DIGEST");
    replica.catch_up(&mut s);
    replica.says("DEBUG DIGEST", &digest);
    s.says("DEBUG RELOAD", "OK");
    s.says("DEBUG DIGEST", &digest);
    s.check_index("after a reload");
}

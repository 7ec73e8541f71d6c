//! Little memory, much work, and users with very many sessions.
//!
//! `PRESSURE_CYCLES` says how many operations the search for leaks runs (300,000 without it).
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{shown, wait_until, Client, Server};
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};

type Command = Vec<Vec<u8>>;

fn words(command: &str) -> Command {
    command.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Sends commands in portions; their replies.
fn send_all(client: &mut Client, commands: &[Command]) -> Vec<Result<Value, String>> {
    commands.chunks(500).flat_map(|some| client.send_all(some)).collect()
}

fn client_of(s: &Server, db: usize) -> Client {
    let mut client = s.client();
    client.says(&format!("SELECT {db}"), "OK");
    client
}

fn list(client: &mut Client, command: &str) -> Vec<String> {
    match client.send(&words(command).iter().map(Vec::as_slice).collect::<Vec<_>>()) {
        Ok(Value::Array(values)) => values.iter().map(shown).collect(),
        other => panic!("{command}: {other:?}"),
    }
}

/// The sessions of each user, by looking at every key of a database.
fn scan(client: &mut Client) -> BTreeMap<String, BTreeSet<String>> {
    let keys = list(client, "KEYS *");
    let infos = send_all(client, &keys.iter().map(|key| words(&format!("SESSION.INFO {key}"))).collect::<Vec<_>>());
    let mut users = BTreeMap::<_, BTreeSet<String>>::new();
    for (key, info) in keys.into_iter().zip(infos) {
        let parts = match info {
            Ok(Value::Array(parts)) => parts,
            Ok(Value::Nil) => continue, // a snapshot whose session was evicted
            other => panic!("{key}: {other:?}"),
        };
        let info: BTreeMap<_, _> = parts.chunks(2).map(|pair| (shown(&pair[0]), shown(&pair[1]))).collect();
        if info["grace"] == "nil" {
            users.entry(info["user"].clone()).or_default().insert(key);
        }
    }
    users
}

/// Fails unless the index is what the keyspace is, in both databases.
fn check_index(s: &mut Server, what: &str) {
    s.check_index(what);
    for db in [0, 1] {
        let mut client = client_of(s, db);
        let mut users = scan(&mut client);
        users.remove("nil");
        for user in (0..USERS).flat_map(|i| [format!("user{i}"), format!("few{i}")]) {
            let expected = users.remove(&user).unwrap_or_default();
            let said: BTreeSet<String> = list(&mut client, &format!("SESSION.BYUSER {user}")).into_iter().collect();
            assert_eq!(said, expected, "{what}: {user} in database {db}");
            client.says(&format!("SESSION.COUNT {user}"), &expected.len().to_string());
        }
        assert!(users.is_empty(), "{users:?}");
    }
}

fn number(s: &mut Server, section: &str, field: &str) -> usize {
    s.info(section, field).parse().unwrap()
}

const USERS: usize = 40;

/// What a server keeps for its replicas shall not be what fills its memory.
const FULL: [&str; 2] = ["--repl-backlog-size", "16kb"];

/// What clients of one database do in step `i`.
fn come_and_go(i: usize) -> Vec<String> {
    let (user, earlier) = (i % USERS, i.saturating_sub(30));
    let text = "x".repeat(200 + i % 300);
    let lasting = if i.is_multiple_of(8) { "PERSIST " } else { "" };
    let policy = ["LRU", "OLDEST"][i % 2];
    let mut steps = vec![
        format!("SESSION.SET s:{i} USER user{user} {lasting}FIELDS 1 text {text}"),
        format!("SESSION.SET few:{i} USER few{user} MAXSESSIONS 5 {policy} FIELDS 1 text {text}"),
        format!("SESSION.TOUCH s:{earlier} few:{earlier}"),
        format!("SESSION.INCRBY few:{earlier} n 1"),
    ];
    match i % 10 {
        2 => steps.push(format!("SESSION.ROTATE s:{earlier} r:{i} USER user{} PGRACE 300000", (i + 1) % USERS)),
        3 => steps.push(format!("SESSION.ROTATE few:{earlier} r:{i} MAXSESSIONS 3 {policy}")),
        4 => steps.push(format!("SESSION.DEL s:{earlier}")),
        5 => steps.push(format!("SESSION.NEW PREFIX n: USER few{user} MAXSESSIONS 4 {policy}")),
        6 if i % 200 == 6 => steps.push(format!("SESSION.REVOKE user{user}")),
        7 => steps.push(format!("SESSION.SET n:{i} EX 5000 FIELDS 1 text {text}")),
        _ => {}
    }
    steps
}

#[test]
fn the_index_follows_eviction_under_every_policy() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let mut s = Server::start(&[&FULL, &["--maxmemory-policy", policy][..]].concat());
        // A replica has no opinion of its own about what is to go.
        let mut replica = Server::start(&["--maxmemory-policy", policy, "--maxmemory", "1"]);
        replica.follow(&mut s);
        let most = number(&mut s, "memory", "used_memory") + 3_000_000;
        s.says(&format!("CONFIG SET maxmemory {most}"), "OK");
        let mut clients = [0, 1].map(|db| client_of(&s, db));
        for begin in (0..4000).step_by(50) {
            let steps: Vec<Command> =
                (begin..begin + 50).flat_map(come_and_go).map(|command| words(&command)).collect();
            for client in &mut clients {
                for (reply, step) in send_all(client, &steps).into_iter().zip(&steps) {
                    if let Err(error) = reply {
                        assert!(
                            error.starts_with("SESSIONGONE"),
                            "{policy}: {error}: {}",
                            step.join(&b' ').escape_ascii()
                        );
                    }
                }
            }
        }
        // From here on nothing is evicted, by a look at the counts neither.
        s.says("CONFIG SET maxmemory 0", "OK");
        let evicted = number(&mut s, "session", "session_evicted");
        assert!(evicted > 500, "{policy}: {evicted}");
        assert_eq!(number(&mut s, "stats", "evicted_keys"), evicted, "{policy}");
        check_index(&mut s, policy);
        assert!(number(&mut s, "session", "session_indexed_sessions") > 500, "{policy}");
        replica.catch_up(&mut s);
        replica.says("DEBUG DIGEST", &s.say("DEBUG DIGEST"));
        assert_eq!(number(&mut replica, "stats", "evicted_keys"), 0);
        check_index(&mut replica, policy);
    }
}

#[test]
fn when_memory_is_full_sessions_are_kept_alive_read_and_ended_but_not_made() {
    let mut s = Server::start(&FULL);
    let mut replica = Server::start(&["--maxmemory-policy", "noeviction", "--maxmemory", "1"]);
    replica.follow(&mut s);
    let most = number(&mut s, "memory", "used_memory") + 3_000_000;
    s.says(&format!("CONFIG SET maxmemory {most}"), "OK");
    let mut clients = [0, 1].map(|db| client_of(&s, db));
    let mut refused = 0;
    for i in 0..4000 {
        let steps: Vec<Command> = come_and_go(i).iter().map(|command| words(command)).collect();
        for error in clients.iter_mut().flat_map(|client| client.send_all(&steps)).filter_map(Result::err) {
            assert!(error.starts_with("OOM ") || error.starts_with("SESSIONGONE"), "{error}");
            refused += usize::from(error.starts_with("OOM "));
        }
    }
    assert!(refused > 100, "{refused}");
    s.says("CONFIG SET maxmemory 0", "OK");
    check_index(&mut s, "with full memory");

    for key in ["a", "b", "c", "d"] {
        s.says(&format!("SESSION.SET {key} USER alice FIELDS 2 n 1 x y"), "1");
    }
    s.says("CONFIG SET maxmemory 1", "OK");
    let digest = s.say("DEBUG DIGEST");
    for command in [
        "SET a FIELDS 1 x z",
        "SET e",
        "SET e USER alice MAXSESSIONS 1 LRU",
        "NEW",
        "NEW USER alice MAXSESSIONS 1 LRU",
        "ROTATE a e",
        "ROTATE a e PGRACE 1000",
        "INCRBY a n 1",
    ] {
        let said = s.say(&format!("SESSION.{command}"));
        assert!(said.starts_with("OOM "), "{command}: {said}");
    }
    s.says("DEBUG DIGEST", &digest);
    for (command, reply) in [
        ("GET a", "[n, 1, x, y]"),
        ("GETEX a EX 100", "[n, 1, x, y]"),
        ("TOUCH a b c", "3"),
        ("ADJUST a 200", "1"),
        ("COUNT alice", "4"),
        ("POP a FIELDS 1 x", "[y]"),
        ("UNSET a FIELDS 1 n", "1"),
        ("DEL a", "1"),
        ("REVOKE alice EXCEPT 1 b", "2"),
        ("BYUSER alice", "[b]"),
        ("REVOKE alice", "1"),
    ] {
        s.says(&format!("SESSION.{command}"), reply);
    }
    replica.catch_up(&mut s);
    replica.says("DEBUG DIGEST", &s.say("DEBUG DIGEST"));
    check_index(&mut replica, "a replica with full memory");
    s.says("CONFIG SET maxmemory 0", "OK");
    s.says("SESSION.SET a USER alice", "1");
}

// ---- Nothing is left behind

/// What is done to sessions in step `i`, and whether it is refused; in the end none is left.
fn cycle(i: usize, payload: &[u8]) -> Vec<(Command, bool)> {
    let text = "x".repeat(50 + i % 100);
    let fine = [
        format!("SESSION.SET k{i} USER u{i} FIELDS 3 a {text} b {i} n 1"),
        format!("SESSION.SET k{i} FIELDS 1 c {text}{text} UNSET 1 a"),
        format!("SESSION.SET k{i} JSON {{\"list\":[1,\"{text}\"],\"name\":\"Ann\\u00e9\"}}"),
        format!("SESSION.INCRBY k{i} n 1000000"),
        format!("SESSION.GET k{i}"),
        format!("SESSION.GET k{i} WITHMETA JSON"),
        format!("SESSION.GET k{i} FIELDS 2 b none"),
        format!("SESSION.INFO k{i}"),
        format!("SESSION.BYUSER u{i} WITHMETA FIELDS 1 b LIMIT 0 5"),
        format!("SESSION.COUNT u{i}"),
        format!("SESSION.TOUCH k{i} none{i}"),
        format!("SESSION.GETEX k{i} EX 100"),
        format!("SESSION.ADJUST k{i} EX 100 LIFETIME 1000"),
        format!("SESSION.POP k{i} FIELDS 2 c none"),
        format!("SESSION.UNSET k{i} FIELDS 1 b"),
        format!("SESSION.SET k{i} NX"),
        format!("SESSION.SET k{i} IFVERSION 99"),
        format!("SESSION.ROTATE k{i} r{i} USER v{i} PGRACE 100000"),
        format!("SESSION.GET k{i}"),
        format!("COPY r{i} copy{i}"),
        format!("RENAME copy{i} renamed{i}"),
        format!("SESSION.ROTATE renamed{i} s{i} USER v{i} UNSET 1 list FIELDS 1 a b"),
        format!("SESSION.NEW USER u{i} MAXSESSIONS 1 LRU FIELDS 1 text {text}"),
        format!("SESSION.NEW USER u{i} MAXSESSIONS 1 OLDEST"),
        format!("SESSION.SET gone{i} PXAT 1"),
        format!("SESSION.SET t{i} USER u{i} PX 100000"),
        format!("SESSION.SET t{i} USER w{i}"),
        format!("DUMP t{i}"),
    ];
    let refused = [
        format!("SESSION.SET k{i} FIELDS 1 a b"),
        format!("SESSION.NEW USER u{i} MAXSESSIONS 1 REJECT"),
        format!("SESSION.ROTATE r{i} t{i} USER u{i}"),
        format!("SESSION.INCRBY s{i} a 1"),
        format!("SESSION.SET s{i} JSON {{\"a\":\"{text}\",\"b\":}}"),
        format!("SESSION.SET s{i} USER x{i} JSON {{\"a\":\"{text}\",\"a\":1}}"),
        format!("SESSION.SET s{i} USER x{i} FIELDS 2 a {text} b"),
        format!("SESSION.SET s{i} USER x{i} FIELDS 1 a {}", "x".repeat(2000)),
        format!("SESSION.ADJUST s{i} soon"),
        format!("SESSION.APPLY s{i} {text}"),
        format!("SESSION.APPLY x{i} {text}"),
        format!("RESTORE x{i} 0 {text}"),
        "SESSION.GET string".into(),
        format!("SESSION.TOUCH s{i} string"),
        format!("SESSION.REVOKE u{i} EXCEPT 7 k{i}"),
    ];
    let ended =
        [format!("SESSION.REVOKE u{i}"), format!("SESSION.REVOKE v{i}"), format!("SESSION.DEL t{i} s{i} restored{i}")];
    let restore = [&b"RESTORE"[..], format!("restored{i}").as_bytes(), b"0", payload].map(<[u8]>::to_vec).to_vec();
    let mut broken = restore.clone();
    let middle = payload.len() / 2;
    broken[3][middle] ^= 1;
    let said = |refused: bool| move |command: &String| (words(command), refused);
    fine.iter()
        .map(said(false))
        .chain([(restore, false), (broken, true)])
        .chain(refused.iter().map(said(true)))
        .chain(ended.iter().map(said(false)))
        .collect()
}

#[test]
fn what_is_made_changed_refused_and_ended_leaves_no_memory_behind() {
    let cycles: usize = std::env::var("PRESSURE_CYCLES").map_or(300_000, |n| n.parse().expect("a number"));
    let mut s = Server::start(&["--slowlog-max-len", "0", "--set-proc-title", "no"]);
    s.says("CONFIG SET session.max-bytes 1500", "OK");
    s.says("SESSION.SET restored USER u1 FIELDS 1 name Ann", "1");
    let Ok(Value::BulkString(payload)) = s.send(&[b"DUMP", b"restored"]) else { panic!("no payload") };
    s.says("SESSION.DEL restored", "1");
    s.says("SET string x", "OK");
    // A payload whose checksum nobody looks at reaches the module broken.
    s.says("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK");
    let mut client = s.client();
    let mut run = |from: usize, to: usize| {
        let (mut done, mut i) = (0, from);
        while from + done < to {
            let steps: Vec<_> = (i..i + 10).flat_map(|i| cycle(i, &payload)).collect();
            let commands: Vec<Command> = steps.iter().map(|(command, _)| command.clone()).collect();
            for (reply, (command, refused)) in client.send_all(&commands).iter().zip(&steps) {
                assert_eq!(reply.is_err(), *refused, "{}: {reply:?}", command.join(&b' ').escape_ascii());
            }
            done += steps.len();
            i += 10;
        }
    };
    run(0, cycles / 5);
    s.says("DBSIZE", "1");
    let before = number(&mut s, "memory", "used_memory");
    run(cycles, 2 * cycles);
    s.says("DBSIZE", "1");
    for field in ["indexed_sessions", "indexed_users", "index_bytes"] {
        assert_eq!(number(&mut s, "session", &format!("session_{field}")), 0, "{field}");
    }
    let mut after = before;
    // The server itself takes and gives some: buffers of clients, tables that it shrinks now and then.
    wait_until("memory to be what it was", || {
        after = number(&mut s, "memory", "used_memory");
        after < before + 16_000
    });
    println!("{cycles} operations: {before} bytes before, {after} after");
}

/// Makes sessions of these users, a thousand each, in a database.
fn fill(s: &Server, db: usize, users: usize) {
    let sessions =
        (0..users * 1000).map(|i| words(&format!("SESSION.SET s:{i} USER user{} FIELDS 1 n {i}", i % users)));
    let replies = send_all(&mut client_of(s, db), &sessions.collect::<Vec<_>>());
    assert!(replies.iter().all(|reply| *reply == Ok(Value::Int(1))));
}

#[test]
fn a_flush_of_very_many_sessions_gives_their_memory_back() {
    let mut s = Server::new();
    let mut before = 0;
    for flush in ["FLUSHALL SYNC", "FLUSHALL ASYNC", "FLUSHALL SYNC"] {
        fill(&s, 0, 25);
        fill(&s, 1, 25);
        assert!(number(&mut s, "session", "session_index_bytes") > 1_000_000);
        assert!(number(&mut s, "memory", "used_memory") > 5_000_000);
        s.says(flush, "OK");
        s.says("SESSION.COUNT user1", "0");
        wait_until("the index to be released", || s.info("session", "session_index_bytes") == "0");
        wait_until("the sessions to be released", || s.info("memory", "lazyfree_pending_objects") == "0");
        // The first time what the server takes for good is taken.
        if before == 0 {
            before = number(&mut s, "memory", "used_memory");
            assert!(before < 5_000_000, "{before}");
        }
        wait_until("memory to be what it was", || number(&mut s, "memory", "used_memory") < before + 50_000);
    }
}

// ---- One user

#[test]
fn a_user_with_a_hundred_thousand_sessions_is_listed_counted_capped_and_revoked() {
    let mut s = Server::new();
    let mut client = s.client();
    let sessions: Vec<_> = (0..100_000).map(|i| words(&format!("SESSION.SET s:{i:06} USER alice"))).collect();
    assert!(send_all(&mut client, &sessions).iter().all(|reply| *reply == Ok(Value::Int(1))));
    s.says("SESSION.SET other USER bob", "1");
    s.says("SESSION.COUNT alice", "100000");
    let mut latest = Vec::new();
    for i in [7, 99_999, 50_000, 0, 31_415] {
        s.tick();
        s.says(&format!("SESSION.TOUCH s:{i:06}"), "1");
        latest.insert(0, format!("s:{i:06}"));
    }
    let all = list(&mut client, "SESSION.BYUSER alice");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 100_000);
    assert_eq!(all[..5], latest);
    assert_eq!(list(&mut client, "SESSION.BYUSER alice LIMIT 0 10"), all[..10]);
    assert_eq!(list(&mut client, "SESSION.BYUSER alice LIMIT 99995 10"), all[99_995..]);
    assert_eq!(list(&mut client, "SESSION.BYUSER alice LIMIT 100000 10"), [""; 0]);

    s.says("SESSION.SET new USER alice MAXSESSIONS 40000 LRU", "1");
    s.says("SESSION.COUNT alice", "40000");
    let left = list(&mut client, "SESSION.BYUSER alice");
    assert_eq!(left[0], "new");
    let ended: Vec<&String> = all.iter().collect::<BTreeSet<_>>().difference(&left.iter().collect()).copied().collect();
    assert_eq!(ended.len(), 60_001);
    // They were made in the order of their keys, so that is the order in which they went, but for those touched.
    let last_ended = ended[60_000];
    let first_left = left.iter().filter(|key| *key != "new" && !latest.contains(key)).min().unwrap();
    assert!(last_ended < first_left, "{last_ended} {first_left}");
    s.says(&format!("EXISTS {last_ended} {first_left} {}", latest.join(" ")), "6");
    s.check_index("after MAXSESSIONS");

    let kept: Vec<String> = (0..40_000).step_by(400).map(|i| left[i].clone()).collect();
    s.says(&format!("SESSION.REVOKE alice EXCEPT 100 {}", kept.join(" ")), "39900");
    assert_eq!(list(&mut client, "SESSION.BYUSER alice"), kept);
    s.says("SESSION.COUNT alice", "100");
    s.says("DBSIZE", "101");
    s.check_index("after REVOKE");
}

// ---- Defragmentation

#[test]
fn active_defragmentation_leaves_sessions_and_index_as_they_are() {
    let mut s = Server::new();
    let said = s.say("CONFIG SET activedefrag yes");
    if said != "OK" {
        println!("not run, this server has no active defragmentation: {said}");
        return;
    }
    s.says("CONFIG SET active-defrag-ignore-bytes 1 active-defrag-threshold-lower 1 active-defrag-cycle-min 50", "OK");
    let mut client = s.client();
    let text = "x".repeat(100);
    let make = |i: usize| words(&format!("SESSION.SET s:{i} USER user{} FIELDS 2 n {i} text {text}", i % USERS));
    send_all(&mut client, &(0..50_000).map(make).collect::<Vec<_>>());
    let end = |i: usize| words(&format!("SESSION.DEL s:{i}"));
    send_all(&mut client, &(0..50_000).filter(|i| i % 5 != 0).map(end).collect::<Vec<_>>());
    let digest = s.say("DEBUG DIGEST");
    wait_until("memory to be moved", || number(&mut s, "stats", "active_defrag_key_hits") > 1000);
    s.says("DEBUG DIGEST", &digest);
    check_index(&mut s, "after defragmentation");
    s.says("DEBUG RELOAD", "OK");
    s.says("DEBUG DIGEST", &digest);
}

//! What is measured once: what takes long to set up, and what comes out the same each time.

use super::common::Server;
use super::contenders::{self, uuid, words, Size, Work};
use super::measure::{contender, in_turn, Measured};
use super::report::Hostile;
use super::rounds::{empty, used};
use super::N;
use std::time::Instant;

/// Bytes a session, of 100,000.
pub fn memory(s: &mut Server, m: &mut Measured) {
    let mut note = |name, works: &[Work<'_>]| {
        let base = empty(s);
        works.iter().for_each(|work| work.run(s.port, N));
        m.note(name, (used(s) - base) / N as f64);
    };
    for (ours, theirs, size) in
        [("bytes ours", "bytes hash", Size::Small), ("bytes ours medium", "bytes hash medium", Size::Medium)]
    {
        note(ours, &[Work::Set(size)]);
        note(theirs, &[Work::Hash(size), Work::Expire("PEXPIRE", "hash:"), Work::Zadd]);
    }
    note("bytes string", &[Work::Text]);
}

/// Sessions of the user who has many.
const CROWD: usize = 100_000;

fn of_crowd(prefix: &str, i: usize) -> String {
    format!("SESSION.SET {prefix}:{} USER crowd FIELDS 1 n v", uuid(i))
}

/// A user with 100,000 sessions, beside as many sessions of users with three each.
pub fn crowd(s: &mut Server, m: &mut Measured, rounds: usize) -> Vec<Hostile> {
    empty(s);
    Work::Of(&|i| words(&of_crowd("crowd", i), &[])).run(s.port, CROWD);
    Work::Of(&|i| words(&format!("SESSION.SET sess:{} USER user:{} FIELDS 1 n v", uuid(i), i / 3), &[]))
        .run(s.port, CROWD);
    let touch = |i: usize| words(&format!("SESSION.TOUCH crowd:{}", uuid(i)), &[]);
    for _ in 0..rounds {
        let three = contender("three touch", s.port, Work::Touch);
        in_turn(m, 0..CROWD / 2, &[contender("crowd touch", s.port, Work::Of(&touch)), three]);
    }
    for round in 0..rounds {
        crowd_round(s, m, round * 2..round * 2 + 2);
    }
    let more = |i: usize| words(&of_crowd("more", i), &[]);
    in_turn(m, 0..1000, &[contender("crowd more", s.port, Work::Of(&more))]);
    let del = |i: usize| words(&format!("SESSION.DEL more:{}", uuid(i)), &[]);
    in_turn(m, 0..1000, &[contender("crowd del", s.port, Work::Of(&del))]);
    in_turn(m, 0..1, &[contender("crowd revoke", s.port, Work::Of(&|_| words("SESSION.REVOKE crowd", &[])))]);
    [
        ("one more begins", "crowd more"),
        ("one ends (DEL)", "crowd del"),
        ("BYUSER, the whole list", "crowd whole"),
        ("BYUSER LIMIT 0 10", "crowd limit"),
        ("one more begins, MAXSESSIONS 100000 LRU ends one", "crowd lru"),
        ("one more begins, MAXSESSIONS 100000 OLDEST ends one", "crowd oldest"),
        ("REVOKE", "crowd revoke"),
    ]
    .map(|(work, name)| Hostile { shape: "a user with 100,000 sessions", work, micros: m.median(name) })
    .into()
}

/// Each of these takes as long as thousands of calls, so there are few; one begins and one ends, so there are as many after.
fn crowd_round(s: &Server, m: &mut Measured, numbers: std::ops::Range<usize>) {
    let capped = |prefix: &'static str, which: &'static str| {
        move |i: usize| words(&format!("{} MAXSESSIONS {CROWD} {which}", of_crowd(prefix, i)), &[])
    };
    let (lru, oldest) = (capped("lru", "LRU"), capped("oldest", "OLDEST"));
    let work = [
        contender("crowd whole", s.port, Work::Of(&|_| words("SESSION.BYUSER crowd", &[]))),
        contender("crowd limit", s.port, Work::Of(&|_| words("SESSION.BYUSER crowd LIMIT 0 10", &[]))),
        contender("crowd lru", s.port, Work::Of(&lru)),
        contender("crowd oldest", s.port, Work::Of(&oldest)),
    ];
    in_turn(m, numbers, &work);
}

/// Sessions of many fields and of many bytes.
pub fn wide(s: &mut Server, m: &mut Measured, rounds: usize) -> Vec<Hostile> {
    empty(s);
    adjust(s, m, rounds);
    empty(s);
    let mut rows = Vec::new();
    for (shape, fields, times) in [
        ("1,024 fields of 20 bytes", contenders::many_fields(1024, 20), 1000),
        ("a value of 1 MiB", contenders::many_fields(1, 1024 * 1024 - 16), 100),
    ] {
        let key = format!("fields:{}", fields.len() / 2);
        let set = format!("SESSION.SET {key} FIELDS {}", fields.len() / 2);
        let mut note = |work, command: &dyn Fn(usize) -> Vec<String>| {
            let mut measured = Measured::default();
            in_turn(&mut measured, 0..times, &[contender("it", s.port, Work::Of(command))]);
            rows.push(Hostile { shape, work, micros: measured.median("it") });
        };
        note("SET", &|_| words(&set, &fields));
        note("GET", &|_| words(&format!("SESSION.GET {key}"), &[]));
    }
    empty(s);
    rows
}

/// ADJUST of a session of 32 MiB, and of one of 100 bytes: back and forth between a minute and twelve days, which take other
/// numbers of bytes where numbers take as many as they need.
fn adjust(s: &mut Server, m: &mut Measured, rounds: usize) {
    const MIB: usize = 1024 * 1024;
    let default = s.say("CONFIG GET session.max-bytes");
    assert!(default.ends_with(", 1048576]"), "{default}");
    s.says(&format!("CONFIG SET session.max-bytes {}", 64 * MIB), "OK");
    for (key, bytes) in [("wide", 32 * MIB), ("narrow", 100)] {
        Work::Of(&|_| words(&format!("SESSION.SET {key} FIELDS 1 field"), &["v".repeat(bytes - 5)])).run(s.port, 1);
    }
    let adjust = |key: &'static str| {
        move |i: usize| {
            words(&format!("SESSION.ADJUST {key} {}", if i.is_multiple_of(2) { 60 } else { 1_000_000 }), &[])
        }
    };
    let work = |n: usize, m: &mut Measured| {
        let (wide, narrow) = (adjust("wide"), adjust("narrow"));
        let wide = contender("adjust wide", s.port, Work::Of(&wide));
        in_turn(m, 0..n, &[wide, contender("adjust narrow", s.port, Work::Of(&narrow))]);
    };
    // As many as fit into a second, for the clock of the statistics counts microseconds.
    let mut first = Measured::default();
    work(10, &mut first);
    let calls = (500_000.0 / first.median("adjust wide").max(1.0)).clamp(10.0, 20_000.0);
    (0..rounds).for_each(|_| work(calls as usize, m));
    s.says(&format!("CONFIG SET session.max-bytes {MIB}"), "OK");
}

/// Loading a file, and what many sessions make slower.
pub fn many(s: &mut Server, bare: &mut Server, m: &mut Measured, scale: usize) {
    let load = |s: &mut Server| {
        s.says("DEBUG RELOAD", "OK");
        let start = Instant::now();
        s.says("DEBUG RELOAD NOSAVE", "OK");
        start.elapsed().as_secs_f64() * 1000.0
    };
    empty(s);
    Work::Set(Size::Small).run(s.port, 30_000);
    in_turn(m, 0..30_000, &[contender("get few", s.port, Work::Get)]);
    empty(s);
    Work::Set(Size::Small).run(s.port, scale);
    in_turn(m, 0..scale, &[contender("get many", s.port, Work::Get)]);
    let millis = load(s);
    m.note("load ours", millis);
    empty(bare);
    Work::Of(&|i| words("FLOOR.SET", &[format!("flor:{}", contenders::uuid(i))])).run(bare.port, scale);
    let millis = load(bare);
    m.note("floor load", millis);
    empty(bare);
    empty(s);
    Work::Hash(Size::Small).run(s.port, 30_000);
    in_turn(m, 0..30_000, &[contender("hgetall few", s.port, Work::Key("HGETALL", "hash:", &[]))]);
    empty(s);
    Work::Hash(Size::Small).run(s.port, scale);
    in_turn(m, 0..scale, &[contender("hgetall many", s.port, Work::Key("HGETALL", "hash:", &[]))]);
    Work::Expire("PEXPIRE", "hash:").run(s.port, scale);
    Work::Zadd.run(s.port, scale);
    let millis = load(s);
    m.note("load hash", millis);
    empty(s);
}

/// Bytes that a command adds to what replicas are sent.
pub fn replicated(s: &mut Server) -> Vec<(&'static str, f64)> {
    const N: usize = 10_000;
    empty(s);
    let mut replica = Server::new();
    replica.follow(s);
    let offset = |s: &mut Server| s.info("replication", "master_repl_offset").parse::<f64>().unwrap();
    let bytes = |s: &mut Server, what, work: &[Work<'_>]| {
        let before = offset(s);
        work.iter().for_each(|work| work.run(s.port, N));
        (what, (offset(s) - before) / N as f64)
    };
    let one_field = |i: usize| words(&format!("SESSION.SET sess:{} FIELDS 1 lang fr", contenders::uuid(i)), &[]);
    let mut rows = vec![
        bytes(s, "`SESSION.SET`, new", &[Work::Set(Size::Small)]),
        bytes(s, "`SESSION.SET`, one field of it", &[Work::Of(&one_field)]),
        bytes(s, "`SESSION.TOUCH`", &[Work::Touch]),
    ];
    s.says("CONFIG SET session.touch-interval-ms 60000", "OK");
    rows.push(bytes(s, "`SESSION.TOUCH` within `session.touch-interval-ms`", &[Work::Touch]));
    s.says("CONFIG SET session.touch-interval-ms 0", "OK");
    let (pexpire, expire) = (Work::Expire("PEXPIRE", "hash:"), Work::Expire("EXPIRE", "hash:"));
    rows.push(bytes(s, "`HSET` of ten fields, `PEXPIRE`, `ZADD`", &[Work::Hash(Size::Small), pexpire, Work::Zadd]));
    rows.push(bytes(s, "`EXPIRE`", &[expire]));
    rows
}

/// Requests a second by redis-benchmark: command, pipelined by 32, one at a time.
pub fn throughput(s: &Server) -> Vec<(&'static str, f64, f64)> {
    let run = |pipeline: &str, command: &[&str]| {
        let port = s.port.to_string();
        let output = std::process::Command::new("redis-benchmark")
            .args(["-p", &port, "-c", "50", "-P", pipeline, "-n", "200000", "-r", "100000", "--csv"])
            .args(command)
            .output()
            .expect("redis-benchmark");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().last().unwrap_or_default();
        let cells: Vec<&str> = line.split("\",\"").collect();
        cells[cells.len() - 7].trim_matches('"').parse::<f64>().unwrap_or(0.0)
    };
    let fields = contenders::small_fields();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let set =
        [&["SESSION.SET", contenders::RANDOM, "USER", "user:__rand_int__", "EX", "1800", "FIELDS", "6"], &fields[..]];
    let hset = [&["HSET", "hash:__rand_int__"], &fields[..]].concat();
    [
        ("SESSION.SET", set.concat()),
        ("HSET", hset),
        ("SESSION.GET", vec!["SESSION.GET", contenders::RANDOM]),
        ("HGETALL", vec!["HGETALL", "hash:__rand_int__"]),
        ("SESSION.TOUCH", vec!["SESSION.TOUCH", contenders::RANDOM]),
        ("EXPIRE", vec!["EXPIRE", "hash:__rand_int__", "1800"]),
    ]
    .into_iter()
    .map(|(name, command)| (name, run("32", &command), run("1", &command)))
    .collect()
}

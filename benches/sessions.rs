//! What a session costs, held against what one would do instead on the same server: `make bench`.
//!
//! One server with the module; the contenders take turns, several rounds, and the medians are printed. Server time a call
//! comes from `INFO commandstats`, bytes a session from `used_memory`, throughput from redis-benchmark. A second server has a
//! module that makes nothing but the server's own calls, see sessions/floor.rs. The tables and a chart go to the server's
//! section of docs/benchmarks.md. `BENCH_ROUNDS` and `BENCH_SCALE` (sessions of the large runs, in thousands) say how long.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "sessions/contenders.rs"]
mod contenders;
#[path = "sessions/report.rs"]
mod report;

use common::Server;
use contenders::{Size, Work};
use report::{Hostile, Row, Run, Unit};
use std::collections::BTreeMap;
use std::time::Instant;

/// Sessions of a round.
const N: usize = 100_000;

fn main() {
    let number = |name: &str, default: usize| std::env::var(name).map_or(default, |n| n.parse().expect("a number"));
    let (rounds, scale) = (number("BENCH_ROUNDS", 3), number("BENCH_SCALE", 1000) * 1000);
    let mut server = Server::start(&["--maxmemory", "0"]);
    let mut bare = floor_server();
    let (version, valkey) = server.version();
    let target = |redis7: f64, other: f64| if valkey || version < 800 { redis7 } else { other };

    let mut measured = Measured::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        small(&mut server, &mut measured);
        medium(&mut server, &mut measured);
        large(&mut server, &mut measured);
        floor(&mut bare, &mut measured);
    }
    let hostile = hostile(&mut server);
    eprintln!("{scale} sessions");
    many(&mut server, &mut bare, &mut measured, scale);

    let m = |name: &str| measured.median(name);
    let micro = |work, against, ours, theirs, target| Row {
        work,
        against,
        ours,
        theirs,
        target,
        unit: Unit::Micros,
        floor: None,
    };
    let bytes = |work, against, ours, theirs, target| Row {
        work,
        against,
        ours,
        theirs,
        target,
        unit: Unit::Bytes,
        floor: None,
    };
    let touch = if version < 800 && !valkey { 1.4 } else { 2.1 };
    let rows = [
        micro(
            "SET, new, USER, EX",
            "HSET of ten fields + PEXPIRE",
            m("set"),
            m("hset10") + m("pexpire"),
            target(0.8, 1.0),
        )
        .floor(m("floor set")),
        micro("the same", "HSET of six fields alone", m("set"), m("hset6"), f64::INFINITY).floor(m("floor set")),
        micro("the same", "Lua: HSET + PEXPIRE + ZADD", m("set"), m("lua set"), 0.22).floor(m("floor set")),
        micro("GET", "HGETALL of six fields", m("get"), m("hgetall"), 1.25),
        micro("GET JSON", "GET of the JSON string", m("get json"), m("get string"), 2.0),
        micro("TOUCH", "EXPIRE", m("touch"), m("expire"), touch).floor(m("floor touch")),
        micro("GETEX", "HGETALL + PEXPIRE + ZADD", m("getex"), m("hgetall") + m("pexpire again") + m("zadd"), 0.75),
        micro("the same", "Lua that does the three", m("getex"), m("lua getex"), 0.25),
        micro("BYUSER of three", "ZREVRANGE + three EXISTS", m("byuser"), m("zrevrange") + 3.0 * m("exists"), 0.8)
            .floor(m("floor byuser")),
        micro(
            "BYUSER WITHMETA of three",
            "ZREVRANGE + three HMGET",
            m("byuser meta"),
            m("zrevrange") + 3.0 * m("hmget"),
            0.6,
        )
        .floor(m("floor meta")),
        micro("REVOKE of three", "Lua: ZRANGE + DEL of four keys", m("revoke"), m("lua revoke"), 0.35)
            .floor(m("floor revoke")),
        micro("SET, large", "HSET of 40 fields", m("set large"), m("hset large"), f64::INFINITY),
        micro("GET, large", "HGETALL of 40 fields", m("get large"), m("hgetall large"), f64::INFINITY),
        bytes("memory, small", "hash + metadata + TTL + index", m("bytes ours"), m("bytes hash"), 0.8),
        bytes("memory, medium", "the same", m("bytes ours medium"), m("bytes hash medium"), 0.48),
        bytes(
            "memory, small",
            "bare JSON string, TTL, no index: + 80 B",
            m("bytes ours"),
            m("bytes string") + 80.0,
            1.0,
        ),
        Row {
            work: "loading an RDB",
            against: "hashes and their index",
            ours: m("load ours"),
            theirs: m("load hash"),
            target: 0.8,
            unit: Unit::Millis,
            floor: Some(m("floor load")),
        },
        Row {
            work: "GET among many / among 30,000",
            against: "the same of HGETALL",
            ours: m("get many") / m("get few"),
            theirs: m("hgetall many") / m("hgetall few"),
            target: 1.1,
            unit: Unit::Ratio,
            floor: None,
        },
    ];
    let (throughput, replicated) = (throughput(&server), replicated(&mut server));
    let name = format!("{} {}.{}", if valkey { "Valkey" } else { "Redis" }, version / 100, version % 100);
    print!("{}", report::table(&rows));
    let (rows, hostile, throughput, replicated) = (&rows, &hostile, &throughput, &replicated);
    report::write(&Run { server: &name, rounds, scale, rows, hostile, throughput, replicated });
}

/// What was measured, by name.
#[derive(Default)]
struct Measured(BTreeMap<&'static str, Vec<f64>>);

impl Measured {
    fn note(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }

    fn median(&self, name: &str) -> f64 {
        let mut values = self.0.get(name).unwrap_or_else(|| panic!("{name} was not measured")).clone();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}

/// Runs work and notes the server time a call of `command`.
fn time(server: &mut Server, measured: &mut Measured, name: &'static str, command: &str, work: &Work<'_>, n: usize) {
    server.says("CONFIG RESETSTAT", "OK");
    work.run(server.port, n);
    let stat = server.info("commandstats", &format!("cmdstat_{command}"));
    let usec = stat.split(',').find_map(|part| part.strip_prefix("usec_per_call=")).expect("the command ran");
    measured.note(name, usec.parse().unwrap());
}

fn used(server: &mut Server) -> f64 {
    server.info("memory", "used_memory").parse().unwrap()
}

/// Empties the server, and waits until the memory is given back.
fn empty(server: &mut Server) -> f64 {
    server.says("FLUSHALL SYNC", "OK");
    let mut before = used(server);
    common::wait_until("the memory to be given back", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = used(server);
        std::mem::replace(&mut before, now) <= now
    });
    used(server)
}

fn small(s: &mut Server, m: &mut Measured) {
    let users = N / 3;
    let base = empty(s);
    time(s, m, "set", "session.set", &Work::Set(Size::Small), N);
    m.note("bytes ours", (used(s) - base) / N as f64);
    time(s, m, "get", "session.get", &Work::Get, N);
    time(s, m, "get json", "session.get", &Work::GetJson, N);
    time(s, m, "touch", "session.touch", &Work::Touch, N);
    time(s, m, "getex", "session.getex", &Work::GetEx, N);
    time(s, m, "byuser", "session.byuser", &Work::ByUser, users);
    time(s, m, "byuser meta", "session.byuser", &Work::ByUserMeta, users);
    time(s, m, "revoke", "session.revoke", &Work::Revoke, users);

    let base = empty(s);
    time(s, m, "hset10", "hset", &Work::Hash(Size::Small), N);
    time(s, m, "pexpire", "pexpire", &Work::Expire("PEXPIRE", "hash:"), N);
    time(s, m, "zadd", "zadd", &Work::Zadd, N);
    m.note("bytes hash", (used(s) - base) / N as f64);
    time(s, m, "pexpire again", "pexpire", &Work::Expire("PEXPIRE", "hash:"), N);
    time(s, m, "expire", "expire", &Work::Expire("EXPIRE", "hash:"), N);
    time(s, m, "zrevrange", "zrevrange", &Work::Zrevrange, users);
    time(s, m, "exists", "exists", &Work::Key("EXISTS", "hash:", &[]), N);
    time(s, m, "hmget", "hmget", &Work::Key("HMGET", "hash:", &["user", "created", "accessed", "idle"]), N);
    let script = contenders::LUA_REVOKE;
    time(s, m, "lua revoke", "eval", &Work::Lua(script, "zset:"), users);

    empty(s);
    time(s, m, "hset6", "hset", &Work::HashSix, N);
    time(s, m, "hgetall", "hgetall", &Work::Key("HGETALL", "hash:", &[]), N);
    empty(s);
    time(s, m, "lua set", "eval", &Work::Lua(contenders::LUA_SET, "hash:"), N);
    time(s, m, "lua getex", "eval", &Work::Lua(contenders::LUA_GETEX, "hash:"), N);

    let base = empty(s);
    Work::Text.run(s.port, N);
    m.note("bytes string", (used(s) - base) / N as f64);
    time(s, m, "get string", "get", &Work::Key("GET", "text:", &[]), N);
}

fn medium(s: &mut Server, m: &mut Measured) {
    let base = empty(s);
    Work::Set(Size::Medium).run(s.port, N);
    m.note("bytes ours medium", (used(s) - base) / N as f64);
    let base = empty(s);
    Work::Hash(Size::Medium).run(s.port, N);
    Work::Expire("PEXPIRE", "hash:").run(s.port, N);
    Work::Zadd.run(s.port, N);
    m.note("bytes hash medium", (used(s) - base) / N as f64);
}

fn large(s: &mut Server, m: &mut Measured) {
    empty(s);
    time(s, m, "set large", "session.set", &Work::Set(Size::Large), N / 10);
    time(s, m, "get large", "session.get", &Work::Get, N / 10);
    empty(s);
    let hset = |i: usize| words(&format!("HSET hash:{}", contenders::uuid(i)), &contenders::fields(Size::Large));
    time(s, m, "hset large", "hset", &Work::Of(&hset), N / 10);
    time(s, m, "hgetall large", "hgetall", &Work::Key("HGETALL", "hash:", &[]), N / 10);
}

/// A server that has, of all modules, that of the floor.
fn floor_server() -> Server {
    let program = std::env::current_exe().unwrap();
    let built = program.ancestors().nth(2).unwrap().join("examples/libfloor.so");
    assert!(built.exists(), "{} is not there: make bench", built.display());
    Server::with_conf(&[&format!("loadmodule {}", built.display()), "maxmemory 0"])
}

/// What the server's own calls take.
fn floor(s: &mut Server, m: &mut Measured) {
    empty(s);
    let key = |i: usize| format!("flor:{}", contenders::uuid(i));
    for (name, command, keys) in [
        ("floor set", "floor.set", 1),
        ("floor touch", "floor.touch", 1),
        ("floor byuser", "floor.byuser", 3),
        ("floor meta", "floor.meta", 3),
        ("floor revoke", "floor.revoke", 3),
    ] {
        let work = |i: usize| words(command, &(i * keys..(i + 1) * keys).map(key).collect::<Vec<_>>());
        time(s, m, name, command, &Work::Of(&work), N / keys);
    }
}

/// Words split at blanks, and more.
fn words(command: &str, rest: &[String]) -> Vec<String> {
    command.split(' ').map(String::from).chain(rest.iter().cloned()).collect()
}

/// What shapes cost that nobody should have. Their cost is bounded, and nobody else's way is known to hold it against.
fn hostile(s: &mut Server) -> Vec<Hostile> {
    const CROWD: usize = 100_000;
    eprintln!("hostile shapes");
    let mut rows = Vec::new();
    let mut note = |s: &mut Server, shape, work, n: usize, command: &dyn Fn(usize) -> Vec<String>| {
        let (mut m, name) = (Measured::default(), command(0)[0].to_lowercase());
        time(s, &mut m, "it", &name, &Work::Of(command), n);
        rows.push(Hostile { shape, work, micros: m.median("it") });
    };
    let one = |key: &str, i: usize| format!("SESSION.SET {key}:{} USER crowd FIELDS 1 n v", contenders::uuid(i));
    let shape = "a user with 100,000 sessions";
    empty(s);
    Work::Of(&|i| words(&one("crowd", i), &[])).run(s.port, CROWD);
    note(s, shape, "one more begins", 1000, &|i| words(&one("more", i), &[]));
    note(s, shape, "one ends (DEL)", 1000, &|i| words(&format!("SESSION.DEL more:{}", contenders::uuid(i)), &[]));
    note(s, shape, "BYUSER LIMIT 0 10", 20, &|_| words("SESSION.BYUSER crowd LIMIT 0 10", &[]));
    note(s, shape, "one more begins, MAXSESSIONS 100000 LRU ends one", 20, &|i| {
        words(&format!("{} MAXSESSIONS {CROWD} LRU", one("lru", i)), &[])
    });
    note(s, shape, "REVOKE", 1, &|_| words("SESSION.REVOKE crowd", &[]));
    empty(s);
    for (shape, fields, times) in [
        ("1,024 fields of 20 bytes", contenders::many_fields(1024, 20), 1000),
        ("a value of 1 MiB", contenders::many_fields(1, 1024 * 1024 - 16), 100),
    ] {
        let set = format!("SESSION.SET wide:1 FIELDS {}", fields.len() / 2);
        note(s, shape, "SET", times, &|_| words(&set, &fields));
        note(s, shape, "GET", times, &|_| words("SESSION.GET wide:1", &[]));
    }
    empty(s);
    rows
}

/// Loading a file, and what many sessions make slower.
fn many(s: &mut Server, bare: &mut Server, m: &mut Measured, scale: usize) {
    let load = |s: &mut Server| {
        s.says("DEBUG RELOAD", "OK");
        let start = Instant::now();
        s.says("DEBUG RELOAD NOSAVE", "OK");
        start.elapsed().as_secs_f64() * 1000.0
    };
    empty(s);
    Work::Set(Size::Small).run(s.port, 30_000);
    time(s, m, "get few", "session.get", &Work::Get, 30_000);
    empty(s);
    Work::Set(Size::Small).run(s.port, scale);
    time(s, m, "get many", "session.get", &Work::Get, scale);
    let millis = load(s);
    m.note("load ours", millis);
    empty(bare);
    Work::Of(&|i| words("FLOOR.SET", &[format!("flor:{}", contenders::uuid(i))])).run(bare.port, scale);
    let millis = load(bare);
    m.note("floor load", millis);
    empty(bare);
    empty(s);
    Work::HashSix.run(s.port, 30_000);
    time(s, m, "hgetall few", "hgetall", &Work::Key("HGETALL", "hash:", &[]), 30_000);
    empty(s);
    Work::Hash(Size::Small).run(s.port, scale);
    time(s, m, "hgetall many", "hgetall", &Work::Key("HGETALL", "hash:", &[]), scale);
    Work::Expire("PEXPIRE", "hash:").run(s.port, scale);
    Work::Zadd.run(s.port, scale);
    let millis = load(s);
    m.note("load hash", millis);
    empty(s);
}

/// Bytes that a command adds to what replicas are sent.
fn replicated(s: &mut Server) -> Vec<(&'static str, f64)> {
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
fn throughput(s: &Server) -> Vec<(&'static str, f64, f64)> {
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

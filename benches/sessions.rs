//! What a session costs, held against what one would do instead on the same server: `make bench`.
//!
//! One server with the module; the contenders take turns of a pipeline, several rounds, and the medians are printed. Server
//! time comes from `INFO commandstats`, bytes a session from `used_memory`, throughput from redis-benchmark. A second server
//! has a module that makes nothing but the server's own calls, see sessions/floor.rs; a third one has none. The tables and a
//! chart go to the server's section of docs/benchmarks.md. `BENCH_ROUNDS` and `BENCH_SCALE` (sessions of the large runs, in
//! thousands) say how long. With the argument `instructions` it counts those instead: see sessions/instructions.rs.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "sessions/contenders.rs"]
mod contenders;
#[path = "sessions/instructions.rs"]
mod instructions;
#[path = "sessions/measure.rs"]
mod measure;
#[path = "sessions/once.rs"]
mod once;
#[path = "sessions/report.rs"]
mod report;
#[path = "sessions/rounds.rs"]
mod rounds;

use common::Server;
use measure::Measured;
use report::{Row, Run, Unit};

/// Sessions of a round.
const N: usize = 100_000;

fn main() {
    if std::env::args().any(|arg| arg == "instructions") {
        return instructions::main();
    }
    let number = |name: &str, default: usize| std::env::var(name).map_or(default, |n| n.parse().expect("a number"));
    let (rounds, scale) = (number("BENCH_ROUNDS", 3), number("BENCH_SCALE", 300) * 1000);
    let mut server = Server::start(&["--maxmemory", "0"]);
    let mut bare = floor_server(&["maxmemory 0"]);
    let kind = Kind::of(&mut server);

    let mut measured = Measured::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        rounds::all(&mut server, &mut bare, &mut measured);
    }
    eprintln!("memory, and a user with 100,000 sessions");
    once::memory(&mut server, &mut measured);
    let mut hostile = once::crowd(&mut server, &mut measured, rounds);
    hostile.extend(once::wide(&mut server, &mut measured, rounds));
    eprintln!("{scale} sessions");
    once::many(&mut server, &mut bare, &mut measured, scale);

    let rows = rows(&measured, kind);
    let (throughput, replicated) = (once::throughput(&server), once::replicated(&mut server));
    let (version, valkey) = server.version();
    let name = format!("{} {}.{}", if valkey { "Valkey" } else { "Redis" }, version / 100, version % 100);
    print!("{}", report::table(&rows));
    let (rows, hostile, throughput, replicated) = (&rows, &hostile, &throughput, &replicated);
    report::write(&Run { server: &name, rounds, scale, rows, hostile, throughput, replicated });
}

/// Servers that targets differ for.
#[derive(Clone, Copy)]
enum Kind {
    Redis7,
    Redis8,
    Valkey,
}

impl Kind {
    fn of(server: &mut Server) -> Self {
        match server.version() {
            (_, true) => Kind::Valkey,
            (version, false) if version < 800 => Kind::Redis7,
            _ => Kind::Redis8,
        }
    }

    /// The target of this server, of those for Redis 7, Redis 8 and Valkey.
    fn of_three(self, targets: [f64; 3]) -> f64 {
        targets[self as usize]
    }
}

/// A server that has, of all modules, that of the floor.
fn floor_server(lines: &[&str]) -> Server {
    let program = std::env::current_exe().unwrap();
    let built = program.ancestors().nth(2).unwrap().join("examples/libfloor.so");
    assert!(built.exists(), "{} is not there: make bench", built.display());
    Server::with_conf(&[&[format!("loadmodule {}", built.display()).as_str()], lines].concat())
}

const NO_TARGET: f64 = f64::INFINITY;

fn rows(measured: &Measured, kind: Kind) -> Vec<Row> {
    [
        begun(measured),
        changed(measured, kind),
        read_and_listed(measured),
        against_the_floor(measured, kind),
        crowded(measured),
        kept(measured, kind),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn micros(work: &'static str, against: &'static str, ours: f64, theirs: f64, target: f64) -> Row {
    Row { work, against, ours, theirs, target, unit: Unit::Micros, floor: None }
}

/// Sessions that begin.
fn begun(measured: &Measured) -> Vec<Row> {
    let m = |name| measured.median(name);
    vec![
        micros("SET, new, USER, EX", "HSET of ten fields + PEXPIRE", m("set"), m("hset ten"), 0.7)
            .floor(m("floor set")),
        micros("the same", "HSET of six fields alone", m("set"), m("hset six"), NO_TARGET).floor(m("floor set")),
        micros("the same", "Lua: HSET + PEXPIRE + ZADD", m("set"), m("lua set"), 0.22).floor(m("floor set")),
        micros("SET, large", "HSET of 40 fields", m("set large"), m("hset large"), NO_TARGET),
    ]
}

/// Sessions that are there, and change.
fn changed(measured: &Measured, kind: Kind) -> Vec<Row> {
    let m = |name| measured.median(name);
    let field = kind.of_three([1.0, 1.4, 1.4]);
    vec![
        micros("SET of one field of ten, another length", "HSET of it + PEXPIRE", m("field"), m("hset field"), field),
        micros("SET of one field of ten, same length", "HSET of it + PEXPIRE", m("same"), m("hset same"), field),
        micros("the same, one at a time", "a pipeline of the two", m("field waited"), m("hset waited"), NO_TARGET),
        micros("SET REPLACE JSON of 0.75 kB", "SET of the text EX", m("replace json"), m("replace text"), 2.5),
        micros("GETEX JSON of 0.75 kB", "GETEX of the text EX", m("getex json"), m("getex text"), 2.0),
        micros("GETEX", "HGETALL + PEXPIRE + ZADD", m("getex"), m("getex hash"), 0.75),
        micros("the same", "Lua that does the three", m("getex"), m("lua getex"), 0.25),
        micros("TOUCH", "EXPIRE", m("touch"), m("expire"), kind.of_three([1.4, 2.1, 2.1])).floor(m("floor touch")),
        micros("ADJUST of 32 MiB", "ADJUST of 100 B", m("adjust wide"), m("adjust narrow"), 1.2),
    ]
}

fn read_and_listed(measured: &Measured) -> Vec<Row> {
    let m = |name| measured.median(name);
    vec![
        micros("GET", "HGETALL of six fields", m("get"), m("hgetall"), 1.25),
        micros("GET JSON", "GET of the JSON string", m("get json"), m("get string"), 2.0),
        micros("GET, large", "HGETALL of 40 fields", m("get large"), m("hgetall large"), NO_TARGET),
        micros("BYUSER of three", "ZREVRANGE + three EXISTS", m("byuser"), m("zset exists"), 0.8)
            .floor(m("floor byuser")),
        micros("BYUSER WITHMETA of three", "ZREVRANGE + three HMGET", m("byuser meta"), m("zset hmget"), 0.6)
            .floor(m("floor meta")),
        micros("REVOKE of three", "Lua: ZRANGE + DEL of four keys", m("revoke"), m("lua revoke"), 0.35)
            .floor(m("floor revoke")),
    ]
}

/// Against what no module can do without, and what the module costs those who do not ask for it.
fn against_the_floor(measured: &Measured, kind: Kind) -> Vec<Row> {
    let m = |name| measured.median(name);
    let targets = |redis7, others| kind.of_three([redis7, others, others]);
    vec![
        micros("SET, new, USER, EX", "the floor", m("set alone"), m("floor set"), NO_TARGET),
        micros("TOUCH", "the floor", m("touch alone"), m("floor touch"), targets(1.1, 1.2)),
        micros("BYUSER of three", "the floor", m("byuser alone"), m("floor byuser"), targets(1.1, 1.5)),
        micros("BYUSER WITHMETA of three", "the floor", m("byuser meta alone"), m("floor meta"), NO_TARGET),
        micros("REVOKE of three", "the floor", m("revoke alone"), m("floor revoke"), targets(1.3, 1.5)),
        micros("SET of a new string, module loaded", "without the module", m("string"), m("string alone"), 1.03),
    ]
}

/// A user with 100,000 sessions.
fn crowded(measured: &Measured) -> Vec<Row> {
    let m = |name| measured.median(name);
    let whole = m("crowd whole");
    let row = |work, name| micros(work, "BYUSER, the whole list", m(name), whole, 1.0 / 50.0);
    vec![
        row("BYUSER LIMIT 0 10 of 100,000", "crowd limit"),
        row("MAXSESSIONS 100000 LRU ends one", "crowd lru"),
        row("MAXSESSIONS 100000 OLDEST ends one", "crowd oldest"),
        micros("TOUCH of one of 100,000 of a user", "TOUCH of one of three", m("crowd touch"), m("three touch"), 1.3),
    ]
}

/// Memory, files and numbers.
fn kept(measured: &Measured, kind: Kind) -> Vec<Row> {
    let m = |name| measured.median(name);
    let bytes = |work, against, ours, theirs, target| Row {
        unit: Unit::Bytes,
        ..micros(work, against, m(ours), theirs, target)
    };
    // Of 0.1.0's first engine.
    let before = kind.of_three([390.0, 357.0, 347.0]);
    vec![
        bytes("memory, small", "what it took at first", "bytes ours", before, 1.02),
        bytes("memory, small", "hash + metadata + TTL + index", "bytes ours", m("bytes hash"), 0.8),
        bytes("memory, medium", "the same", "bytes ours medium", m("bytes hash medium"), 0.48),
        bytes("memory, small", "bare JSON string, TTL, no index: + 80 B", "bytes ours", m("bytes string") + 80.0, 1.0),
        Row {
            unit: Unit::Millis,
            ..micros("loading an RDB", "hashes and their index", m("load ours"), m("load hash"), 0.8)
                .floor(m("floor load"))
        },
        Row {
            unit: Unit::Ratio,
            ..micros(
                "GET among many / among 30,000",
                "the same of HGETALL",
                m("get many") / m("get few"),
                m("hgetall many") / m("hgetall few"),
                1.1,
            )
        },
    ]
}

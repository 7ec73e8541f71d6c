//! Servers whose clocks are wrong: a replica decides nothing by its own, and a primary goes by the one it has.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{clock, wait_until, workload, Server};
use redis::Value;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const HOUR: i64 = 3600;

/// A server with a clock of its own.
struct Skewed {
    server: Server,
    dir: TempDir,
}

impl Skewed {
    /// One whose clock is so many seconds ahead; nothing, and a word about it, where no clock can be changed.
    fn by(seconds: i64) -> Option<Self> {
        let library = match clock::library() {
            Ok(library) => library,
            Err(why) => {
                println!("not run: {why}");
                return None;
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let skew = dir.path().join("skew");
        std::fs::write(&skew, seconds.to_string()).unwrap();
        let env = [("LD_PRELOAD", library.to_str().unwrap()), ("CLOCK_SKEW", skew.to_str().unwrap())];
        let mut skewed = Skewed { server: Server::start_in(&env, &[]), dir };
        skewed.wait_for_clock(seconds);
        Some(skewed)
    }

    /// Sets the clock of the running server.
    fn set(&mut self, seconds: i64) {
        let (new, file) = (self.dir.path().join("new"), self.dir.path().join("skew"));
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, file).unwrap();
        self.wait_for_clock(seconds);
    }

    fn wait_for_clock(&mut self, seconds: i64) {
        // Some servers look at it now and then only.
        wait_until("the server to see its clock", || {
            let right = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            (self.server.now() - right - seconds * 1000).abs() < 5000
        });
    }
}

/// What a replica's clients may ask, and what must change nothing there.
const ASKED: &[&str] = &[
    "SESSION.GET short",
    "SESSION.GET a WITHMETA",
    "SESSION.INFO short",
    "SESSION.INFO a",
    "SESSION.BYUSER alice WITHMETA",
    "SESSION.COUNT alice",
    "SESSION.BYUSER bob",
    "SESSION.VERIFY",
    "EXISTS a b short graced",
    "TYPE short",
    "TTL short",
    "GET short",
    "RANDOMKEY",
    "SCAN 0 COUNT 1000",
    "DUMP short",
];

/// Sessions of alice in database 0 that all end, or whose grace ends, within the hour.
fn make_short_lived(s: &mut Server) {
    s.says("SELECT 0", "OK");
    s.says("SESSION.SET short USER alice EX 1000 FIELDS 1 a b", "1");
    s.says("SESSION.SET ending USER alice PERSIST LIFETIME 2000", "1");
    s.says("SESSION.SET persisted USER alice EX 3000", "1");
    s.says("PERSIST persisted", "1");
    s.says("SESSION.SET graced USER alice", "1");
    s.says("SESSION.ROTATE graced rotated PGRACE 300000", "2");
}

/// Sessions that last for days.
fn make_long_lived(s: &mut Server) {
    s.says("SELECT 0", "OK");
    for (key, times) in
        [("x", "EX 500000"), ("y", "PERSIST LIFETIME 600000"), ("z", "PERSIST"), ("w", "EX 400000 LIFETIME 700000")]
    {
        s.says(&format!("SESSION.SET long:{key} USER lasting {times} FIELDS 1 n 1"), "1");
    }
    s.says("SESSION.SET long:v USER lasting EX 400000 FIELDS 1 n 1", "1");
    s.says("SESSION.ROTATE long:v long:u FIELDS 1 n 2", "2");
    s.says("SESSION.TOUCH long:x", "1");
    s.says("SESSION.ADJUST long:y EX 450000", "1");
}

const LONG_LIVED: [&str; 5] = ["long:x", "long:y", "long:z", "long:w", "long:u"];

/// All that can be seen of the sessions that last for days.
fn view_of_long_lived(s: &mut Server) -> Vec<String> {
    s.says("SELECT 0", "OK");
    let ask = |key: &&str| {
        ["SESSION.INFO", "SESSION.GET", "PEXPIRETIME"].map(|what| s.say(&format!("{what} {key}"))).join(" ")
    };
    let mut view: Vec<String> = LONG_LIVED.iter().map(ask).collect();
    view.push(s.say("SESSION.BYUSER lasting WITHMETA"));
    view.push(s.say("SESSION.COUNT lasting"));
    view
}

fn sizes(s: &mut Server) -> Vec<String> {
    let mut sizes = Vec::new();
    for db in [5, 3, 0] {
        s.says(&format!("SELECT {db}"), "OK");
        sizes.push(s.say("DBSIZE"));
    }
    sizes
}

/// How many keys of a database do not expire by this time.
fn keys_after(s: &mut Server, db: usize, time: i64) -> usize {
    s.says(&format!("SELECT {db}"), "OK");
    let Ok(Value::Array(keys)) = s.send(&[b"KEYS", b"*"]) else { panic!("no KEYS") };
    let mut lasts = |key: &&Value| {
        let Value::BulkString(name) = key else { panic!("{key:?}") };
        let expiry = s.send(&[b"PEXPIRETIME", name]).unwrap();
        matches!(expiry, Value::Int(at) if at == -1 || at > time)
    };
    keys.iter().filter(|key| lasts(key)).count()
}

/// A primary, its replica with a wrong clock, and that one's replica with a right one.
fn chain(seconds: i64) -> Option<(Server, Skewed, Server)> {
    let mut replica = Skewed::by(seconds)?;
    let (mut primary, mut last) = (Server::new(), Server::new());
    make_short_lived(&mut primary);
    replica.server.follow(&mut primary);
    last.follow(&mut replica.server);
    workload::run(&mut primary);
    make_long_lived(&mut primary);
    Some((primary, replica, last))
}

fn catch_up(primary: &mut Server, replica: &mut Skewed, last: &mut Server) {
    replica.server.catch_up(primary);
    last.catch_up(&mut replica.server);
}

/// Fails unless the replica has what the primary has, whatever it is asked and whatever its clock shows.
fn replica_decides_nothing(seconds: i64) {
    let Some((mut primary, mut replica, mut last)) = chain(seconds) else { return };
    catch_up(&mut primary, &mut replica, &mut last);
    // What runs now and then must leave alone what it takes for expired.
    let since = replica.server.info("server", "uptime_in_seconds");
    wait_until("its cycles to run", || replica.server.info("server", "uptime_in_seconds") != since);
    for round in 0..3 {
        for command in ASKED {
            replica.server.say(command);
        }
        primary.says("SELECT 0", "OK");
        primary.says("SESSION.TOUCH a b c short ending persisted", "6");
        primary.says(&format!("SESSION.SET short FIELDS 1 round {round}"), &(round + 2).to_string());
        primary.says(&format!("SESSION.SET short:{round} USER alice MAXSESSIONS 9 LRU"), "1");
        primary.says(&format!("SESSION.ADJUST ending EX {}", 900 + round), "1");
        catch_up(&mut primary, &mut replica, &mut last);
        let digest = primary.say("DEBUG DIGEST");
        replica.server.says("DEBUG DIGEST", &digest);
        assert_eq!(sizes(&mut replica.server), sizes(&mut primary));
        assert_eq!(view_of_long_lived(&mut replica.server), view_of_long_lived(&mut primary));
        assert_eq!(workload::view(&mut last), workload::view(&mut primary));
        replica.server.check_index("on a replica with a wrong clock");
        // Nor does who asks for it mend what is right.
        let said = replica.server.say("SESSION.VERIFY FIX");
        assert!(said.ends_with(", missing, 0, stale, 0, fixed, 0]"), "{said}");
    }
    assert_eq!(replica.server.info("stats", "expired_keys"), "0");
    assert_eq!(replica.server.info("session", "session_expired"), "0");

    // Once its clock is right, so are its answers.
    replica.set(0);
    assert_eq!(workload::view(&mut replica.server), workload::view(&mut primary));
    replica.server.check_index("once the clock is right");
}

#[test]
fn a_replica_whose_clock_is_ahead_decides_nothing() {
    replica_decides_nothing(2 * HOUR);
}

#[test]
fn a_replica_whose_clock_is_behind_decides_nothing() {
    replica_decides_nothing(-2 * HOUR);
}

/// The old primary follows the new one; more is written, and all have the same.
fn goes_on(primary: &mut Server, promoted: &mut Skewed, last: &mut Server) {
    primary.follow(&mut promoted.server);
    let s = &mut promoted.server;
    s.says("SELECT 0", "OK");
    s.says("SESSION.SET long:x FIELDS 1 n 2", "2");
    s.says("SESSION.INCRBY long:y n 5", "6");
    s.says("SESSION.TOUCH long:x long:w", "2");
    s.says("SESSION.ADJUST long:z EX 80000", "1");
    s.says("SESSION.GETEX long:w EX 70000", "[n, 1]");
    s.says("SESSION.ROTATE long:u long:t USER dave PGRACE 200000", "3");
    s.says("SESSION.SET new:1 USER dave MAXSESSIONS 2 LRU", "1");
    s.says("SESSION.SET new:2 USER dave MAXSESSIONS 2 OLDEST", "1");
    s.says("SESSION.COUNT dave", "2");
    s.says("SESSION.DEL long:y", "1");
    let key = s.say("SESSION.NEW USER erin EX 5000");
    s.says("SESSION.REVOKE erin", "1");
    s.says(&format!("EXISTS {key}"), "0");
    for key in ["long:x", "long:w"] {
        let now = s.now();
        let info = s.session(key);
        let number = |what: &str| info[what].parse::<i64>().unwrap();
        assert!((now - 5000..=now).contains(&number("accessed")), "{key}: {info:?} at {now}");
        assert_eq!(number("deadline"), number("accessed") + number("idle"), "{key}: {info:?}");
    }
    s.check_index("after more writes");
    primary.catch_up(&mut promoted.server);
    last.catch_up(&mut promoted.server);
    let digest = promoted.server.say("DEBUG DIGEST");
    primary.says("DEBUG DIGEST", &digest);
    last.says("DEBUG DIGEST", &digest);
    primary.check_index("on the old primary");
    last.check_index("on the other replica");
}

#[test]
fn a_promoted_replica_whose_clock_is_behind_has_all_and_goes_on() {
    let Some((mut primary, mut replica, mut last)) = chain(-2 * HOUR) else { return };
    catch_up(&mut primary, &mut replica, &mut last);
    let view = workload::view(&mut primary);
    let long_lived = view_of_long_lived(&mut primary);
    replica.server.says("REPLICAOF NO ONE", "OK");
    assert_eq!(workload::view(&mut replica.server), view);
    assert_eq!(view_of_long_lived(&mut replica.server), long_lived);
    replica.server.check_index("after promotion");
    goes_on(&mut primary, &mut replica, &mut last);
    assert_eq!(replica.server.info("stats", "expired_keys"), "0");
}

#[test]
fn a_promoted_replica_whose_clock_is_ahead_ends_what_is_past_and_keeps_the_rest() {
    let Some((mut primary, mut replica, mut last)) = chain(2 * HOUR) else { return };
    catch_up(&mut primary, &mut replica, &mut last);
    let long_lived = view_of_long_lived(&mut primary);
    let now = replica.server.now();
    // `persisted` is touched below, which ends it.
    let left = [5, 3, 0].map(|db| (keys_after(&mut primary, db, now) - usize::from(db == 0)).to_string());
    replica.server.says("REPLICAOF NO ONE", "OK");
    let s = &mut replica.server;
    assert_eq!(view_of_long_lived(s), long_lived);
    for key in ["short", "ending", "persisted", "graced", "rotated"] {
        s.says(&format!("SESSION.GET {key}"), "nil");
        s.says(&format!("SESSION.TOUCH {key}"), "0");
    }
    for key in ["short", "ending", "persisted", "graced"] {
        s.says(&format!("EXISTS {key}"), "0");
    }
    for user in ["alice", "bob"] {
        let of_user = s.say(&format!("SESSION.BYUSER {user} WITHMETA"));
        let now = s.now();
        for deadline in of_user.split("deadline, ").skip(1) {
            let deadline = deadline.split(',').next().unwrap();
            assert!(deadline == "nil" || deadline.parse::<i64>().unwrap() > now, "{user} at {now}: {of_user}");
        }
    }
    wait_until("what is past to go", || sizes(s) == left);
    s.check_index("after promotion");
    goes_on(&mut primary, &mut replica, &mut last);
}

#[test]
fn a_clock_that_is_set_back_neither_ends_nor_stretches_a_session_that_is_in_use() {
    let Some(mut skewed) = Skewed::by(0) else { return };
    skewed.server.says("CONFIG SET session.touch-interval-ms 60000", "OK");
    skewed.server.says("SESSION.SET a USER alice EX 1000", "1");
    skewed.server.says("SESSION.SET b USER alice EX 1000", "1");
    for skew in [-HOUR, -2 * HOUR, -5 * HOUR] {
        skewed.set(skew);
        let s = &mut skewed.server;
        s.says("SESSION.TOUCH a", "1");
        let (now, accessed) = (s.now(), s.session_number("a", "accessed"));
        assert!((now - 5000..=now).contains(&accessed), "{accessed} at {now}");
        s.says("PEXPIRETIME a", &(accessed + 1_000_000).to_string());
        s.says("SESSION.BYUSER alice", "[b, a]");
    }
    skewed.set(0);
    skewed.server.says("SESSION.BYUSER alice", "[b]");
    skewed.server.says("SESSION.TOUCH a b", "1");
    skewed.set(HOUR);
    skewed.server.says("SESSION.COUNT alice", "0");
    skewed.server.says("SESSION.TOUCH a b", "0");
    skewed.server.says("DBSIZE", "0");
    skewed.server.check_index("after all had ended");
}

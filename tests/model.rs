//! A real server, driven by random operations of ours and of its own, against a plain model of sessions and users.
//!
//! Every reply and, again and again, the whole state must be those of the model: on the primary, on a replica, and after
//! reloads, restarts and failovers. Where they are not, the sequence shrinks to a short one.
//!
//! `MODEL_OPS` says how many operations to run (100,000 without it), `MODEL_SEED` which (the clock without it; it is printed).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/state.rs"]
mod state;

use common::{wait_until, Client, Server};
use ops::{Command, Op, Read, Slot, BEGAN, USERS};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use redis::{ConnectionLike as _, Value as Raw};
use serde_json::value::RawValue;
use state::{text, Bytes, Json, Model, Reply, Seen, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Check = Result<(), String>;

const OPTIONS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];
/// Runs each of the commands that are packed into its arguments, and answers with all their replies.
const SCRIPT: &str = "local replies, at = {}, 1
while ARGV[at] do
  local n = tonumber(ARGV[at])
  replies[#replies + 1] = redis.pcall(unpack(ARGV, at + 1, at + n))
  at = at + n + 1
end
return replies";

/// A server with a client in each of the databases.
struct Node {
    server: Server,
    clients: Vec<Client>,
}

impl Node {
    fn new() -> Self {
        let server = Server::start(&OPTIONS);
        let clients = Self::connect(&server);
        let mut node = Node { server, clients };
        node.keep_expired_keys();
        node
    }

    /// Expired keys stay until a command comes upon them.
    fn keep_expired_keys(&mut self) {
        self.server.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    }

    fn connect(server: &Server) -> Vec<Client> {
        let client = |db| {
            let mut client = server.client();
            client.says(&format!("SELECT {db}"), "OK");
            client
        };
        (0..3).map(client).collect()
    }

    fn send(&mut self, db: usize, args: &[Bytes]) -> Reply {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        match self.clients[db].send(&args) {
            Ok(value) => reply(value),
            Err(text) => Reply::Error(text),
        }
    }

    fn ask(&mut self, db: usize, words: &[&[u8]]) -> Reply {
        self.send(db, &words.iter().map(|w| w.to_vec()).collect::<Vec<_>>())
    }

    /// Waits until no AOF is being written anew (after a full synchronisation the first one is).
    fn wait_for_aof(&mut self) {
        let server = &mut self.server;
        wait_until("the AOF to be rewritten", || {
            let mut state = |field| server.info("persistence", field);
            [state("aof_rewrite_in_progress"), state("aof_rewrite_scheduled")] == ["0", "0"]
        });
    }

    fn restart(&mut self) {
        self.clients.clear();
        self.server.restart();
        wait_until("the file to be loaded", || self.server.say("PING") == "PONG");
        self.clients = Self::connect(&self.server);
        self.keep_expired_keys();
    }

    /// The replies to commands in one transaction, each in its database, run by a client of its own.
    fn transact(&mut self, commands: &[Command]) -> Vec<Reply> {
        let client = redis::Client::open(("127.0.0.1", self.server.port)).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut send = |args: &[Bytes]| connection.req_packed_command(&packed(args)).unwrap();
        send(&[b"MULTI".to_vec()]);
        for (db, command) in commands {
            send(&[b"SELECT".to_vec(), db.to_string().into_bytes()]);
            send(command);
        }
        let Raw::Array(replies) = send(&[b"EXEC".to_vec()]) else { panic!("no transaction") };
        assert_eq!(replies.len(), 2 * commands.len());
        replies.into_iter().skip(1).step_by(2).map(reply).collect()
    }

    /// The same in one script.
    fn run_script(&mut self, commands: &[Command]) -> Vec<Reply> {
        let mut args = vec![b"EVAL".to_vec(), SCRIPT.into(), b"0".to_vec()];
        for (db, command) in commands {
            args.extend([b"2".to_vec(), b"SELECT".to_vec(), db.to_string().into_bytes()]);
            args.push(command.len().to_string().into_bytes());
            args.extend(command.iter().cloned());
        }
        let client = redis::Client::open(("127.0.0.1", self.server.port)).unwrap();
        let said = client.get_connection().unwrap().req_packed_command(&packed(&args)).unwrap();
        let Raw::Array(replies) = said else { panic!("{said:?}") };
        assert_eq!(replies.len(), 2 * commands.len());
        replies.into_iter().skip(1).step_by(2).map(reply).collect()
    }
}

fn packed(args: &[Bytes]) -> Vec<u8> {
    let mut command = redis::Cmd::new();
    for arg in args {
        command.arg(arg);
    }
    command.get_packed_command()
}

fn reply(value: Raw) -> Reply {
    match value {
        Raw::Nil => Reply::Nil,
        Raw::Int(i) => Reply::Int(i),
        Raw::BulkString(bytes) => Reply::Text(bytes),
        Raw::SimpleString(s) => text(s),
        Raw::Okay => text("OK"),
        Raw::Array(values) => Reply::List(values.into_iter().map(reply).collect()),
        Raw::ServerError(error) => Reply::Error(format!("{} {}", error.code(), error.details().unwrap_or_default())),
        other => panic!("{other:?}"),
    }
}

/// Whether a reply is what is expected. The members of maps and objects have no order.
fn fits(said: &Reply, expected: &Reply) -> bool {
    match (said, expected) {
        (Reply::Error(said), Reply::Error(prefix)) => said.starts_with(prefix.as_str()),
        (Reply::List(said), Reply::List(expected)) => {
            said.len() == expected.len() && said.iter().zip(expected).all(|(said, expected)| fits(said, expected))
        }
        (Reply::List(said), Reply::Map(expected)) => {
            let has =
                |(name, value): &(Reply, Reply)| said.chunks(2).any(|pair| pair[0] == *name && fits(&pair[1], value));
            said.len() == 2 * expected.len() && expected.iter().all(has)
        }
        (Reply::Text(said), Reply::Object(expected)) => is_object(said, expected),
        _ => said == expected,
    }
}

/// Whether a text is the JSON object of these members, each once, with nothing between them.
fn is_object(said: &[u8], expected: &[(String, Json)]) -> bool {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(said) else { return false };
    let quoted = |name: &String| serde_json::to_string(name).map_or(0, |name| name.len());
    let length = members.iter().map(|(name, value)| quoted(name) + 1 + value.get().len() + 1).sum::<usize>();
    let shortest = 1 + length + usize::from(members.is_empty());
    let is_there = |(name, value): &(String, Json)| {
        members.get(name).is_some_and(|said| match value {
            Json::Verbatim(text) => said.get() == text,
            Json::String(string) => serde_json::from_str::<String>(said.get()).is_ok_and(|said| said == *string),
        })
    };
    members.len() == expected.len() && expected.iter().all(is_there) && said.len() == shortest
}

fn same(what: &str, said: &Reply, expected: &Reply) -> Check {
    if fits(said, expected) {
        Ok(())
    } else {
        Err(format!("{what}\n  said     {said:?}\n  expected {expected:?}"))
    }
}

fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

struct World {
    primary: Node,
    replica: Node,
    model: Model,
    payload: Option<Bytes>,
    /// The latest rotations that left a snapshot, the last one first.
    rotations: Vec<Op>,
    /// Whether keys may go to another database: one server loses its way then, see `loses_its_database`.
    moves: bool,
}

impl World {
    fn new() -> Self {
        let (mut primary, mut replica) = (Node::new(), Node::new());
        replica.server.follow(&mut primary.server);
        let moves = !primary.server.loses_its_database();
        World { primary, replica, model: Model::default(), payload: None, rotations: vec![], moves }
    }

    fn run(&mut self, ops: &[Op]) -> Check {
        same("FLUSHALL", &self.primary.ask(0, &[b"FLUSHALL"]), &text("OK"))?;
        self.model = Model::default();
        self.payload = None;
        self.rotations.clear();
        self.set_interval();
        BEGAN.store(clock(), Ordering::Relaxed);
        for op in ops {
            self.step(op).map_err(|why| format!("{op:?}\n{why}"))?;
        }
        self.check()?;
        self.check_replica()
    }

    fn step(&mut self, op: &Op) -> Check {
        match op {
            _ if op.crosses() && !self.moves => return Ok(()),
            Op::Lapse(slot, user) => self.lapse(slot, user),
            Op::Dump(slot) => {
                self.payload = match self.primary.ask(slot.db, &[b"DUMP", &slot.key]) {
                    Reply::Text(payload) => Some(payload),
                    _ => None,
                };
            }
            Op::Many(ops) => {
                return ops.iter().try_for_each(|op| self.step(op).map_err(|why| format!("{op:?}\n{why}")))
            }
            Op::Multi(ops) => return self.together(ops, Node::transact),
            Op::Script(ops) => return self.together(ops, Node::run_script),
            Op::Ended(db, keys, then) => return self.ended(op, *db, keys, then),
            Op::Interval(_) => {
                self.model.apply(op, 0, &Seen::default());
                self.set_interval();
                return Ok(());
            }
            Op::Repeat(back) => {
                let again = self.rotations.iter().rev().nth(*back).cloned();
                return again.map_or(Ok(()), |op| self.run_one(&op));
            }
            Op::Rotate(_, _, _, Some(_)) => self.rotations.push(op.clone()),
            Op::Reload => return self.again("DEBUG RELOAD"),
            Op::LoadAof => {
                self.primary.wait_for_aof();
                return self.again("DEBUG LOADAOF");
            }
            Op::RewriteAof => {
                self.primary.ask(0, &[b"BGREWRITEAOF"]);
                self.primary.wait_for_aof();
                return self.check();
            }
            Op::Restart => {
                self.primary.restart();
                self.replica.server.wait_for_link();
                self.loaded_anew();
                self.check()?;
                return self.check_replica();
            }
            Op::Failover => {
                self.check_replica()?;
                self.replica.server.says("REPLICAOF NO ONE", "OK");
                self.primary.server.follow(&mut self.replica.server);
                std::mem::swap(&mut self.primary, &mut self.replica);
                self.loaded_anew();
                return self.check();
            }
            _ => {}
        }
        self.run_one(op)
    }

    /// What a server does not know that has loaded a file or was promoted.
    fn loaded_anew(&mut self) {
        self.model.forget_arrivals();
        self.set_interval();
    }

    fn set_interval(&mut self) {
        let ms = if self.model.absorbs { 36_000_000 } else { 0 };
        self.primary.server.says(&format!("CONFIG SET session.touch-interval-ms {ms}"), "OK");
    }

    /// An operation that is one command, or none.
    fn run_one(&mut self, op: &Op) -> Check {
        let Some((db, command)) = op.command(self.payload.as_ref()) else {
            self.model.apply(op, 0, &Seen::default());
            return Ok(());
        };
        let before = clock();
        let said = self.primary.send(db, &command);
        let after = clock();
        let mut seen = Seen::default();
        if let (Op::New(..), Reply::Text(key)) = (op, &said) {
            seen.made = Some(key.clone());
        }
        if let Op::Set(_, set) | Op::New(_, set) | Op::Rotate(_, _, set, _) = op {
            if set.cap.is_some() || matches!(op, Op::Rotate(..)) {
                seen.there = Some(self.keys(db));
            }
        }
        // What the command took for the time is read back, and must lie between our two looks at the clock.
        let guess = self.model.clone().apply(op, before, &seen);
        let now = match guess.clock {
            None => before,
            Some((slot, time)) => self.time_of(&slot, time).ok_or(format!("no {time} to read, said {said:?}"))?,
        };
        if now < before - 2 || now > after + 2 {
            return Err(format!("the time {now} is not from {before} to {after}"));
        }
        let over_before = self.model.over(db);
        let done = self.model.apply(op, now, &seen);
        same("reply", &said, &done.reply)?;
        if let Some(there) = seen.there {
            self.model.reconcile(db, over_before, &there, matches!(done.reply, Reply::Error(_)));
            let expected: BTreeSet<Bytes> = self.model.dbs[db].keys().cloned().collect();
            if there != expected {
                return Err(format!("the keys\n  are      {there:?}\n  expected {expected:?}"));
            }
        }
        match done.clock {
            Some((slot, _)) => self.check_key(&slot),
            None => Ok(()),
        }
    }

    fn keys(&mut self, db: usize) -> BTreeSet<Bytes> {
        let Reply::List(keys) = self.primary.ask(db, &[b"KEYS", b"*"]) else { panic!("no keys") };
        keys.into_iter().map(|key| if let Reply::Text(key) = key { key } else { panic!("{key:?}") }).collect()
    }

    /// Operations that are sent as one.
    fn together(&mut self, ops: &[Op], send: fn(&mut Node, &[Command]) -> Vec<Reply>) -> Check {
        let payload = self.payload.as_ref();
        let known = |op: &&Op| self.moves || !op.crosses();
        let commands: Vec<_> = ops.iter().filter(known).filter_map(|op| Some((op, op.command(payload)?))).collect();
        let sent: Vec<_> = commands.iter().map(|(_, command)| command.clone()).collect();
        let said = send(&mut self.primary, &sent);
        for ((op, _), said) in commands.into_iter().zip(said) {
            let expected = self.model.apply(op, clock(), &Seen::default()).reply;
            same("reply", &said, &expected).map_err(|why| format!("{op:?}\n{why}"))?;
        }
        USERS
            .iter()
            .try_for_each(|user| (0..3).try_for_each(|db| check_count(&mut self.primary, &self.model, db, user)))
    }

    /// Keys whose expiry is set by hand, and passes; what comes upon them next; then they are gone.
    fn ended(&mut self, op: &Op, db: usize, keys: &[Bytes], then: &Op) -> Check {
        for key in keys {
            self.primary.ask(db, &[b"PEXPIRE", key, b"1"]);
        }
        std::thread::sleep(Duration::from_millis(3));
        self.model.apply(op, 0, &Seen::default());
        self.step(then).map_err(|why| format!("{then:?}\n{why}"))?;
        for key in keys {
            self.primary.ask(db, &[b"EXISTS", key]);
        }
        Ok(())
    }

    /// A session whose deadline passes while its key stays.
    fn lapse(&mut self, slot: &Slot, user: &Bytes) {
        let key = &slot.key[..];
        self.primary.ask(slot.db, &[b"MULTI"]);
        self.primary.ask(slot.db, &[b"DEL", key]);
        self.primary.ask(slot.db, &[b"SESSION.SET", key, b"USER", user, b"PX", b"1"]);
        self.primary.ask(slot.db, &[b"PERSIST", key]);
        self.primary.ask(slot.db, &[b"EXEC"]);
        std::thread::sleep(Duration::from_millis(3));
    }

    /// Loads everything anew, for a client of its own: one server leaves that client in another database.
    fn again(&mut self, command: &str) -> Check {
        let said = self.primary.server.client().say(command);
        if said == "OK" {
            self.model.forget_arrivals();
            self.check()
        } else {
            Err(format!("{command}: {said}"))
        }
    }

    fn time_of(&mut self, slot: &Slot, time: &str) -> Option<i64> {
        let Reply::List(pairs) = self.primary.ask(slot.db, &[b"SESSION.INFO", &slot.key]) else { return None };
        match pairs.chunks(2).find(|pair| pair[0] == text(time))? {
            [_, Reply::Int(at)] => Some(*at),
            _ => None,
        }
    }

    fn check_key(&mut self, slot: &Slot) -> Check {
        let entry = &self.model.dbs[slot.db][&slot.key];
        check_entry(&mut self.primary, &self.model, slot, entry)
    }

    /// Everything, on the primary.
    fn check(&mut self) -> Check {
        check_all(&mut self.primary, &self.model)
    }

    /// Everything, on the replica.
    fn check_replica(&mut self) -> Check {
        self.replica.server.catch_up(&mut self.primary.server);
        check_all(&mut self.replica, &self.model).map_err(|why| format!("on the replica: {why}"))?;
        let digest = |node: &mut Node| node.ask(0, &[b"DEBUG", b"DIGEST"]);
        same("digest", &digest(&mut self.replica), &digest(&mut self.primary))
    }
}

fn check_entry(node: &mut Node, model: &Model, slot: &Slot, entry: &state::Entry) -> Check {
    let key = &slot.key[..];
    let what = |what: &str| format!("{what} of {slot:?}");
    same(&what("expiry"), &node.ask(slot.db, &[b"PEXPIRETIME", key]), &Reply::Int(entry.expires.unwrap_or(-1)))?;
    let (info, get) = match &entry.value {
        Value::Session(s) if model.is_over(slot.db, s) => (Reply::Nil, Reply::Nil),
        Value::Session(s) => (s.info(), s.get()),
        Value::Text => (Reply::Error("WRONGTYPE".into()), Reply::Error("WRONGTYPE".into())),
    };
    same(&what("info"), &node.ask(slot.db, &[b"SESSION.INFO", key]), &info)?;
    same(&what("data"), &node.ask(slot.db, &[b"SESSION.GET", key]), &get)
}

fn check_all(node: &mut Node, model: &Model) -> Check {
    for (db, keys) in model.dbs.iter().enumerate() {
        let there = node.ask(db, &[b"KEYS", b"*"]);
        let expected: Vec<_> = keys.keys().map(|key| key.escape_ascii().to_string()).collect();
        let what = format!("DBSIZE of {db}, where {there:?} are, and {expected:?} are expected");
        same(&what, &node.ask(db, &[b"DBSIZE"]), &Reply::Int(keys.len() as i64))?;
        for (key, entry) in keys {
            check_entry(node, model, &Slot { db, key: key.clone() }, entry)?;
        }
        for user in USERS {
            check_user(node, model, db, user)?;
        }
    }
    let sessions = || {
        model.dbs.iter().flat_map(|db| db.values()).filter_map(|entry| match &entry.value {
            Value::Session(s) => Some(s),
            Value::Text => None,
        })
    };
    let owned = sessions().filter(|s| s.user.is_some()).count();
    let counts = [("sessions", sessions().count()), ("indexed", owned), ("missing", 0), ("stale", 0), ("fixed", 0)];
    let expected = counts.into_iter().flat_map(|(name, n)| [text(name), Reply::Int(n as i64)]).collect();
    same("VERIFY", &node.ask(0, &[b"SESSION.VERIFY"]), &Reply::List(expected))?;
    let all = sessions().count().to_string();
    wait_until("INFO to show all sessions", || node.server.info("session", "session_sessions") == all);
    Ok(())
}

fn check_count(node: &mut Node, model: &Model, db: usize, user: &[u8]) -> Check {
    let live = model.of_user(db, user).len() as i64;
    same("COUNT", &node.ask(db, &[b"SESSION.COUNT", user]), &Reply::Int(live))
}

/// A user's sessions, all of them and by the page.
fn check_user(node: &mut Node, model: &Model, db: usize, user: &[u8]) -> Check {
    check_count(node, model, db, user)?;
    let live = model.of_user(db, user).len() as i64;
    let mut ask = |read: &Read, limit| {
        let (_, command) = Op::ByUser(db, user.to_vec(), read.clone(), limit).command(None).expect("a command");
        same(&format!("BYUSER {limit:?}"), &node.send(db, &command), &model.listed(db, user, read, limit))
    };
    let plain = Read::default();
    ask(&plain, None)?;
    for limit in [(0, 1), (0, 10), (1, 5), (live / 2, 3), (live - 1, 2), (live, 1)] {
        if limit.0 >= 0 {
            ask(&plain, Some(limit))?;
        }
    }
    ask(&Read { meta: Some(vec!["version", "user", "idle"]), json: true, fields: vec![b"name".to_vec()] }, Some((0, 4)))
}

#[test]
fn the_server_does_what_the_model_does() {
    const LENGTH: usize = 200;
    let ops: usize = std::env::var("MODEL_OPS").map_or(100_000, |n| n.parse().expect("a number"));
    let seed = std::env::var("MODEL_SEED").map_or(clock() as u64, |seed| seed.parse().expect("a number"));
    println!("MODEL_SEED={seed}");
    common::use_checked_module();
    let config = Config {
        rng_seed: RngSeed::Fixed(seed),
        cases: u32::try_from(ops.div_ceil(LENGTH)).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 1000,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let world = RefCell::new(World::new());
    let sequence = proptest::collection::vec(ops::op(), 1..=2 * LENGTH);
    let outcome =
        TestRunner::new(config).run(&sequence, |ops| world.borrow_mut().run(&ops).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, ops)) => {
            let log = world.borrow().primary.server.log();
            let ops: Vec<String> = ops.iter().map(Op::line).collect();
            panic!("{}\nlog: {log}{why}\nafter these:\n{}", "-".repeat(40), ops.join("\n"));
        }
        Err(failure) => panic!("{failure}"),
    }
}

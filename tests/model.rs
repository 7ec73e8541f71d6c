//! A real server, driven by random operations of ours and of its own, against a plain model of sessions and users.
//!
//! Every reply and, again and again, the whole state must be those of the model: on the primary, on a replica, and after
//! reloads, restarts and failovers. Where they are not, the sequence shrinks to a short one.
//!
//! `MODEL_OPS` says how many operations to run (100,000 without it).
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
use ops::{Op, Slot};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use state::{text, Bytes, Model, Reply, Value};
use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Check = Result<(), String>;

const OPTIONS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];
const USERS: [&[u8]; 3] = [b"alice", b"", b"\0\xff"];

/// A server with a client in each of the databases.
struct Node {
    server: Server,
    clients: Vec<Client>,
}

impl Node {
    fn new() -> Self {
        let server = Server::start(&OPTIONS);
        let clients = Self::connect(&server);
        Node { server, clients }
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
    }
}

fn reply(value: redis::Value) -> Reply {
    match value {
        redis::Value::Nil => Reply::Nil,
        redis::Value::Int(i) => Reply::Int(i),
        redis::Value::BulkString(bytes) => Reply::Text(bytes),
        redis::Value::SimpleString(s) => text(s),
        redis::Value::Okay => text("OK"),
        redis::Value::Array(values) => Reply::List(values.into_iter().map(reply).collect()),
        other => panic!("{other:?}"),
    }
}

fn same(what: &str, said: &Reply, expected: &Reply) -> Check {
    let fits = match (said, expected) {
        (Reply::Error(said), Reply::Error(prefix)) => said.starts_with(prefix.as_str()),
        _ => said == expected,
    };
    if fits {
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
    /// Whether keys may go to another database: one server loses its way then, see `loses_its_database`.
    moves: bool,
}

impl World {
    fn new() -> Self {
        let (mut primary, mut replica) = (Node::new(), Node::new());
        replica.server.follow(&mut primary.server);
        let moves = !primary.server.loses_its_database();
        World { primary, replica, model: Model::default(), payload: None, moves }
    }

    fn run(&mut self, ops: &[Op]) -> Check {
        same("FLUSHALL", &self.primary.ask(0, &[b"FLUSHALL"]), &text("OK"))?;
        self.model = Model::default();
        self.payload = None;
        for op in ops {
            self.step(op).map_err(|why| format!("{op:?}\n{why}"))?;
        }
        self.check()?;
        self.check_replica()
    }

    fn step(&mut self, op: &Op) -> Check {
        match op {
            Op::Move(..) if !self.moves => return Ok(()),
            Op::Copy(slot, to, _) if !self.moves && slot.db != to.db => return Ok(()),
            Op::Lapse(slot, user) => self.lapse(slot, user),
            Op::Dump(slot) => {
                self.payload = match self.primary.ask(slot.db, &[b"DUMP", &slot.key]) {
                    Reply::Text(payload) => Some(payload),
                    _ => None,
                };
            }
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
                self.check()?;
                return self.check_replica();
            }
            Op::Failover => {
                self.check_replica()?;
                self.replica.server.says("REPLICAOF NO ONE", "OK");
                self.primary.server.follow(&mut self.replica.server);
                std::mem::swap(&mut self.primary, &mut self.replica);
                return self.check();
            }
            _ => {}
        }
        let Some((db, command)) = op.command(self.payload.as_ref()) else {
            self.model.apply(op, 0, None);
            return Ok(());
        };
        let before = clock();
        let said = self.primary.send(db, &command);
        let after = clock();
        let made = if let (Op::New(..), Reply::Text(key)) = (op, &said) { Some(key) } else { None };
        // What the command took for the time is read back, and must lie between our two looks at the clock.
        let guess = self.model.clone().apply(op, before, made);
        let now = match guess.clock {
            None => before,
            Some((slot, time)) => self.time_of(&slot, time).ok_or(format!("no {time} to read, said {said:?}"))?,
        };
        if now < before - 2 || now > after + 2 {
            return Err(format!("the time {now} is not from {before} to {after}"));
        }
        let done = self.model.apply(op, now, made);
        same("reply", &said, &done.reply)?;
        match done.clock {
            Some((slot, _)) => self.check_key(&slot),
            None => Ok(()),
        }
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
        check_entry(&mut self.primary, slot, entry)
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

fn check_entry(node: &mut Node, slot: &Slot, entry: &state::Entry) -> Check {
    let key = &slot.key[..];
    let what = |what: &str| format!("{what} of {slot:?}");
    same(&what("expiry"), &node.ask(slot.db, &[b"PEXPIRETIME", key]), &Reply::Int(entry.expires.unwrap_or(-1)))?;
    let (info, get) = match &entry.value {
        Value::Session(s) if s.dead => (Reply::Nil, Reply::Nil),
        Value::Session(s) => (s.info(), s.get()),
        Value::Text => (Reply::Error("WRONGTYPE".into()), Reply::Error("WRONGTYPE".into())),
    };
    same(&what("info"), &node.ask(slot.db, &[b"SESSION.INFO", key]), &info)?;
    same(&what("data"), &node.ask(slot.db, &[b"SESSION.GET", key]), &get)
}

fn check_all(node: &mut Node, model: &Model) -> Check {
    for (db, keys) in model.dbs.iter().enumerate() {
        same("DBSIZE", &node.ask(db, &[b"DBSIZE"]), &Reply::Int(keys.len() as i64))?;
        for (key, entry) in keys {
            check_entry(node, &Slot { db, key: key.clone() }, entry)?;
        }
        for user in USERS {
            let live = model.of_user(db, &user.to_vec());
            let said = node.ask(db, &[b"SESSION.BYUSER", user]);
            same("BYUSER", &said, &Reply::List(live.iter().map(|(key, _)| text(key)).collect()))?;
            same("COUNT", &node.ask(db, &[b"SESSION.COUNT", user]), &Reply::Int(live.len() as i64))?;
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
    same("VERIFY", &node.ask(0, &[b"SESSION.VERIFY"]), &Reply::List(expected))
}

#[test]
fn the_server_does_what_the_model_does() {
    const LENGTH: usize = 200;
    let ops: usize = std::env::var("MODEL_OPS").map_or(100_000, |n| n.parse().expect("a number"));
    let config = Config {
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
    if let Err(failure) = outcome {
        panic!("{failure}\nlog: {}", world.borrow().primary.server.log());
    }
}

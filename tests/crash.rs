//! Kills a server in the middle of its work, again and again, and compares what is there with what it had acknowledged.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{shown, wait_until, Client, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

const OPTIONS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];

/// A session, as a client knows it.
#[derive(Clone, PartialEq, Debug, Default)]
struct Session {
    user: Option<String>,
    fields: BTreeMap<String, String>,
    version: i64,
    idle: i64,
    /// The key that the session has now, of the snapshot that a rotation left: it lives no longer than that.
    next: Option<String>,
    /// The last access; a client knows a time before which it cannot have been.
    accessed: i64,
}

impl Session {
    /// Whether this, which was found, is what the client knows.
    fn is(&self, known: &Self) -> bool {
        self.accessed >= known.accessed
            && Session { accessed: known.accessed, next: known.next.clone(), ..self.clone() } == *known
            && self.next.is_some() == known.next.is_some()
    }
}

type Sessions = BTreeMap<String, Session>;

/// Leaves out the snapshots of sessions that are no more.
fn without_orphans(mut sessions: Sessions) -> Sessions {
    loop {
        let keys: BTreeSet<String> = sessions.keys().cloned().collect();
        sessions.retain(|_, s| s.next.as_ref().is_none_or(|next| keys.contains(next)));
        if sessions.len() == keys.len() {
            return sessions;
        }
    }
}

/// Fails unless what was found is what the client knows.
#[track_caller]
fn assert_same(found: &Sessions, known: &Sessions, what: &str) {
    let keys: BTreeSet<&String> = found.keys().chain(known.keys()).collect();
    for key in keys {
        match (found.get(key), known.get(key)) {
            (Some(found), Some(known)) => assert!(found.is(known), "{what}: {key} is {found:?}\nand was {known:?}"),
            (found, known) => panic!("{what}: {key} is {found:?}\nand was {known:?}"),
        }
    }
}

fn same(found: &Sessions, known: &Sessions) -> bool {
    found.len() == known.len() && known.iter().all(|(key, s)| found.get(key).is_some_and(|found| found.is(s)))
}

/// A client with sessions of its own, which knows what was acknowledged to it.
struct Worker {
    name: String,
    users: [String; 2],
    sessions: Sessions,
    /// What the sessions are if the operation in flight was carried out, and that operation.
    pending: Option<(Sessions, String)>,
    made: usize,
    random: u64,
    done: BTreeMap<&'static str, usize>,
}

impl Worker {
    fn new(i: u64) -> Self {
        Worker {
            name: format!("worker{i}"),
            users: [format!("worker{i}:ann"), format!("worker{i}:bob")],
            sessions: Sessions::new(),
            pending: None,
            made: 0,
            random: 0x9e37_79b9_7f4a_7c15 ^ (i + 1),
            done: BTreeMap::new(),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % n as u64) as usize
    }

    /// A key that no session had before.
    fn new_key(&mut self) -> String {
        self.made += 1;
        format!("{}:{:06}", self.name, self.made)
    }

    /// One of the sessions that can be written.
    fn any(&mut self) -> Option<String> {
        let keys: Vec<_> = self.sessions.iter().filter(|(_, s)| s.next.is_none()).map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return None;
        }
        let i = self.below(keys.len());
        Some(keys[i].clone())
    }

    /// A value; some are so long that a file takes them in more than one piece.
    fn text(&mut self) -> String {
        let len = [8, 300, 20_000][self.below(8) / 3];
        format!("{}:{}", self.made, "x".repeat(len))
    }

    fn of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a String> {
        self.sessions.iter().filter(move |(_, s)| s.user.as_deref() == Some(user)).map(|(key, _)| key)
    }

    /// The user's other sessions that have to go so that there are `most` with the one under this key, as the server
    /// ranks them: by these times, then by key.
    fn over(&self, client: &mut Client, user: &str, key: &str, most: usize, rank: [&str; 2]) -> Option<Vec<String>> {
        let reply = client.send(&[b"SESSION.BYUSER", user.as_bytes(), b"WITHMETA"]).ok()?;
        let redis::Value::Array(listed) = reply else { panic!("{reply:?}") };
        let mut others: Vec<_> = listed.iter().map(map).filter(|s| s["key"] != key).collect();
        let number = |s: &BTreeMap<String, String>, what: &str| s[what].parse::<i64>().unwrap();
        others.sort_by_key(|s| (number(s, rank[0]), number(s, rank[1]), s["key"].clone()));
        let excess = (others.len() + 1).saturating_sub(most);
        Some(others.into_iter().take(excess).map(|s| s["key"].clone()).collect())
    }

    /// Chooses an operation: its name, the command, the reply and what the sessions are then.
    fn choose(&mut self, client: &mut Client) -> Option<(&'static str, String, String, Sessions)> {
        let user = self.users[self.below(2)].clone();
        let (key, text) = (self.any().unwrap_or_default(), self.text());
        let mut then = self.sessions.clone();
        let now = clock();
        let crowded = self.sessions.len() > 16;
        let choice = if key.is_empty() { 0 } else { self.below(if crowded { 16 } else { 13 }) };
        let Some(s) = then.get_mut(&key).filter(|_| choice > 2) else {
            let key = self.new_key();
            let owner = if choice == 2 { None } else { Some(user.clone()) };
            let command = match &owner {
                Some(user) => format!("SESSION.SET {key} NX USER {user} FIELDS 2 n 0 text {text}"),
                None => format!("SESSION.SET {key} NX FIELDS 2 n 0 text {text}"),
            };
            let fields = [("n".into(), "0".into()), ("text".into(), text)].into();
            let s = Session { user: owner, fields, version: 1, idle: 1_800_000, accessed: now, next: None };
            then.insert(key, s);
            return Some(("create", command, "1".into(), then));
        };
        s.accessed = now;
        let (name, command, reply) = match choice {
            3 => {
                s.version += 1;
                s.fields.insert("text".into(), text.clone());
                ("SET", format!("SESSION.SET {key} XX FIELDS 1 text {text}"), s.version.to_string())
            }
            4 | 5 => {
                s.version += 1;
                let n = s.fields["n"].parse::<i64>().unwrap() + 7;
                s.fields.insert("n".into(), n.to_string());
                ("INCRBY", format!("SESSION.INCRBY {key} n 7"), n.to_string())
            }
            6 => {
                s.idle = 3_600_000 + (self.made as i64 + 1) * 1000;
                ("ADJUST", format!("SESSION.ADJUST {key} PX {}", s.idle), "1".into())
            }
            7 => ("TOUCH", format!("SESSION.TOUCH {key}"), "1".into()),
            8 | 9 | 13 => {
                let to = self.new_key();
                let (grace, graced) = if choice == 8 { ("", false) } else { (" PGRACE 300000", true) };
                let mut next = s.clone();
                next.version += 1;
                next.user = Some(user.clone());
                next.fields.insert("text".into(), text.clone());
                let version = next.version.to_string();
                s.next = Some(to.clone());
                s.accessed = 0;
                if !graced {
                    then.remove(&key);
                }
                then.insert(to.clone(), next);
                let name = if graced { "ROTATE GRACE" } else { "ROTATE" };
                (name, format!("SESSION.ROTATE {key} {to} USER {user} FIELDS 1 text {text}{grace}"), version)
            }
            10 | 14 => {
                s.version += 1;
                s.user = Some(user.clone());
                let (policy, rank) =
                    [("OLDEST", ["created", "accessed"]), ("LRU", ["accessed", "created"])][self.below(2)];
                let ended = self.over(client, &user, &key, 2, rank)?;
                let version = s.version.to_string();
                then.retain(|key, _| !ended.contains(key));
                ("MAXSESSIONS", format!("SESSION.SET {key} USER {user} MAXSESSIONS 2 {policy}"), version)
            }
            11 => {
                let keys: Vec<String> = self.sessions.keys().rev().take(3).cloned().collect();
                then.retain(|key, _| !keys.contains(key));
                if !keys.contains(&key) {
                    then.insert(key.clone(), self.sessions[&key].clone());
                }
                ("DEL", format!("SESSION.DEL {}", keys.join(" ")), keys.len().to_string())
            }
            _ => {
                let ended: Vec<String> = self.of_user(&user).filter(|k| **k != key).cloned().collect();
                then.insert(key.clone(), self.sessions[&key].clone());
                then.retain(|key, _| !ended.contains(key));
                ("REVOKE", format!("SESSION.REVOKE {user} EXCEPT 1 {key}"), ended.len().to_string())
            }
        };
        Some((name, command, reply, then))
    }

    /// Works until the server is no more.
    fn work(&mut self, mut client: Client, acknowledged: &AtomicUsize, killed: &AtomicBool) {
        while let Some((name, command, expected, then)) = self.choose(&mut client) {
            let brief = format!("{command:.80}");
            self.pending = Some((without_orphans(then), brief.clone()));
            let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            match client.send(&args) {
                Ok(reply) => assert_eq!(shown(&reply), expected, "{brief}"),
                Err(_) if killed.load(SeqCst) => break,
                Err(error) => panic!("{brief}: {error}"),
            }
            self.sessions = self.pending.take().unwrap().0;
            *self.done.entry(name).or_default() += 1;
            acknowledged.fetch_add(1, SeqCst);
        }
        assert!(killed.load(SeqCst), "{} lost its connection", self.name);
    }

    /// Fails unless what was found is what was acknowledged, with or without the operation in flight. Whether that was
    /// carried out, if it changes anything.
    fn check(&mut self, found: &Sessions) -> Option<bool> {
        let mine: Sessions = found
            .range(format!("{}:", self.name)..format!("{};", self.name))
            .map(|(k, s)| (k.clone(), s.clone()))
            .collect();
        let Some((then, command)) = self.pending.take() else {
            assert_same(&mine, &self.sessions, "with nothing in flight");
            return None;
        };
        let unchanged = same(&mine, &self.sessions);
        if same(&mine, &then) {
            self.sessions = then;
            return (!unchanged).then_some(true);
        }
        assert_same(&mine, &self.sessions, &format!("neither before nor after {command}"));
        Some(false)
    }
}

fn clock() -> i64 {
    // The server's time is that at which it began to look at the command, by a clock that it may have read a little earlier.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64 - 20
}

/// A flat list of names and values.
fn map(reply: &redis::Value) -> BTreeMap<String, String> {
    let redis::Value::Array(parts) = reply else { panic!("{reply:?}") };
    parts.chunks(2).map(|pair| (shown(&pair[0]), shown(&pair[1]))).collect()
}

/// All sessions in the keyspace whose keys are like this. Fails where a key's expiry is not the session's deadline.
fn read(s: &mut Server, pattern: &str) -> Sessions {
    let redis::Value::Array(keys) = s.send(&[b"KEYS", pattern.as_bytes()]).unwrap() else { panic!("no KEYS") };
    let mut sessions = Sessions::new();
    for key in keys.iter().map(shown) {
        if s.say(&format!("SESSION.INFO {key}")) == "nil" {
            continue; // a snapshot whose session is no more
        }
        let info = s.session(&key);
        s.says(&format!("PEXPIRETIME {key}"), &info["deadline"]);
        let fields = map(&s.send(&[b"SESSION.GET", key.as_bytes()]).unwrap());
        let session = Session {
            user: Some(info["user"].clone()).filter(|user| user != "nil"),
            fields,
            version: info["version"].parse().unwrap(),
            idle: info["idle"].parse().unwrap(),
            next: Some(String::new()).filter(|_| info["grace"] != "nil"),
            accessed: info["accessed"].parse().unwrap(),
        };
        sessions.insert(key, session);
    }
    sessions
}

/// Fails unless BYUSER and COUNT say what is in the keyspace.
fn check_users<'a>(s: &mut Server, found: &Sessions, users: impl IntoIterator<Item = &'a String>) {
    s.check_index("after a crash");
    for user in users {
        let live: BTreeSet<String> = found
            .iter()
            .filter(|(_, s)| s.user.as_ref() == Some(user) && s.next.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        let redis::Value::Array(listed) = s.send(&[b"SESSION.BYUSER", user.as_bytes()]).unwrap() else { panic!() };
        assert_eq!(listed.iter().map(shown).collect::<BTreeSet<_>>(), live, "BYUSER {user}");
        s.says(&format!("SESSION.COUNT {user}"), &live.len().to_string());
    }
}

/// When a server is killed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum When {
    Loaded,
    WhileTheAofIsRewritten,
    AfterItWasRewritten,
    AroundItsRewriting,
}

const WHEN: [When; 4] =
    [When::Loaded, When::WhileTheAofIsRewritten, When::AfterItWasRewritten, When::AroundItsRewriting];

#[test]
fn no_kill_loses_what_was_acknowledged_or_brings_back_what_was_ended() {
    const ROUNDS: usize = 16;
    const IDLE_SESSIONS: usize = 300;
    let mut s = Server::start(OPTIONS);
    for i in 0..IDLE_SESSIONS {
        s.says(&format!("SESSION.SET idle:{i} USER idler FIELDS 1 n {i}"), "1");
    }
    let idle = read(&mut s, "idle:*");
    let mut workers: Vec<Worker> = (0..6).map(Worker::new).collect();
    let (mut carried_out, mut undone) = (0, 0);
    for round in 0..ROUNDS {
        let (when, preamble) = (WHEN[round % 4], if round / 4 % 2 == 0 { "yes" } else { "no" });
        let what = format!("round {round}, {when:?}, preamble {preamble}");
        let slowly = if when == When::WhileTheAofIsRewritten { 10_000 } else { 0 };
        s.says(&format!("CONFIG SET aof-use-rdb-preamble {preamble} rdb-key-save-delay {slowly}"), "OK");

        let acknowledged = Arc::new(AtomicUsize::new(0));
        let killed = Arc::new(AtomicBool::new(false));
        let at_work: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                let (client, acknowledged, killed) = (s.client(), acknowledged.clone(), killed.clone());
                thread::spawn(move || {
                    worker.work(client, &acknowledged, &killed);
                    worker
                })
            })
            .collect();
        let wait_for_more = |more: usize| {
            let target = acknowledged.load(SeqCst) + more;
            wait_until("the load", || {
                acknowledged.load(SeqCst) >= target || at_work.iter().any(thread::JoinHandle::is_finished)
            });
        };
        wait_for_more(60 + 37 * (round % 5));
        let in_progress = |s: &mut Server| s.info("persistence", "aof_rewrite_in_progress") == "1";
        if when != When::Loaded {
            let rewrites = s.info("persistence", "aof_rewrites");
            s.says("BGREWRITEAOF", "Background append only file rewriting started");
            match when {
                When::WhileTheAofIsRewritten => {
                    wait_for_more(40 + round);
                    assert!(in_progress(&mut s), "{what}");
                }
                When::AfterItWasRewritten => {
                    wait_until("the rewrite", || {
                        !in_progress(&mut s) && s.info("persistence", "aof_rewrites") != rewrites
                    });
                    assert_eq!(s.info("persistence", "aof_last_bgrewrite_status"), "ok");
                    wait_for_more(round);
                }
                _ => wait_for_more(1 + round),
            }
        }
        killed.store(true, SeqCst);
        s.kill();
        workers = at_work.into_iter().map(|worker| worker.join().unwrap()).collect();
        s.launch_again();

        let found = read(&mut s, "worker*");
        for worker in &mut workers {
            match worker.check(&found) {
                Some(true) => carried_out += 1,
                Some(false) => undone += 1,
                None => {}
            }
        }
        assert_same(&found, &workers.iter().flat_map(|w| w.sessions.clone()).collect(), &what);
        check_users(&mut s, &found, workers.iter().flat_map(|w| &w.users));
    }
    assert_same(&read(&mut s, "idle:*"), &idle, "sessions that were left alone");
    s.says("SESSION.COUNT idler", &IDLE_SESSIONS.to_string());

    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    workers.iter().flat_map(|w| &w.done).for_each(|(name, n)| *done.entry(name).or_default() += n);
    println!("acknowledged {done:?}; of those in flight {carried_out} carried out, {undone} undone");
    assert!(done.len() == 10 && done.values().all(|n| *n >= 10), "{done:?}");
    assert!(carried_out + undone > ROUNDS, "{carried_out} {undone}");
}

/// An operation on several sessions, on `a` and `b` of alice.
const BULK: [&str; 6] = [
    "SESSION.ROTATE a c FIELDS 1 x y",
    "SESSION.ROTATE a c USER bob PGRACE 300000 FIELDS 1 x y",
    "SESSION.SET c USER alice MAXSESSIONS 1 LRU",
    "SESSION.ROTATE bob c USER alice MAXSESSIONS 1 OLDEST",
    "SESSION.DEL a b",
    "SESSION.REVOKE alice",
];

#[test]
fn an_operation_on_several_sessions_that_an_aof_holds_in_part_was_not_carried_out() {
    for operation in BULK {
        let mut s = Server::start(OPTIONS);
        s.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
        s.says("SESSION.SET b USER alice", "1");
        s.says("SESSION.SET bob USER bob", "1");
        let manifest_and_base = |path: &std::path::Path| !path.to_string_lossy().ends_with(".incr.aof");
        let mut files = std::fs::read_dir(s.dir().join("appendonlydir")).unwrap().map(|file| file.unwrap().path());
        let aof = files.find(|path| !manifest_and_base(path)).unwrap();
        drop(files);
        let before = read(&mut s, "*");
        let begin = std::fs::metadata(&aof).unwrap().len();
        s.say(operation);
        let after = read(&mut s, "*");
        assert!(!same(&after, &before), "{operation}");
        s.kill();
        let bytes = std::fs::read(&aof).unwrap();
        let (begin, end) = (begin as usize, bytes.len());
        let cuts = 8;
        for cut in 0..=cuts {
            let at = begin + (end - begin) * cut / cuts;
            std::fs::write(&aof, &bytes[..at]).unwrap();
            s.launch_again();
            let found = read(&mut s, "*");
            let what = format!("{operation} up to {at} of {begin}..{end}");
            assert_same(&found, if cut == cuts { &after } else { &before }, &what);
            check_users(&mut s, &found, &["alice".to_string(), "bob".to_string()]);
            s.kill();
        }
    }
}

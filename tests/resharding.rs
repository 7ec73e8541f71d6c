//! Sessions on the move between the nodes of a cluster, while clients use them; and nodes that fail.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::cluster::Cluster;
use common::traffic::Traffic;
use common::{shown, wait_until, Client};
use std::collections::HashSet;

/// Slots that are moved key by key; `RESHARD_SLOTS` for another number.
fn slots() -> usize {
    std::env::var("RESHARD_SLOTS").map_or(300, |n| n.parse().unwrap())
}

/// Sessions of every kind that nobody uses during the moves.
fn resting(cluster: &mut Cluster) -> Vec<String> {
    let mut keys = Vec::new();
    for n in 0..2400 {
        let key = format!("resting:{{{n}}}");
        let node = cluster.primary_of(&key);
        let mut say = |command: &str| {
            let said = cluster.nodes[node].say(&command.replace("KEY", &key));
            assert!(!said.contains("ERR"), "{command}: {said}");
        };
        match n % 6 {
            0 => say("SESSION.SET KEY USER sleeper FIELDS 2 name Ann n 1"),
            1 => say("SESSION.SET KEY USER sleeper PERSIST NOLIFETIME JSON {\"a\":[1,2.50,null],\"b\":\"x\"}"),
            2 => say("SESSION.SET KEY USER sleeper EX 5000 LIFETIME 9000"),
            3 => say("SESSION.SET KEY EXAT 4000000000 FIELDS 1 a b"),
            4 => {
                say("SESSION.SET old:KEY USER sleeper FIELDS 1 f v");
                say("SESSION.ROTATE old:KEY KEY USER sleeper2 PGRACE 300000");
                keys.push(format!("old:{key}"));
            }
            _ => {
                say("SESSION.SET KEY USER sleeper FIELDS 1 big value");
                say("SESSION.INCRBY KEY visits 5");
                say("PEXPIREAT KEY 1999999999999");
            }
        }
        keys.push(key);
    }
    keys
}

/// All that can be seen of them, wherever they are, and when their keys expire.
fn view(cluster: &mut Cluster, keys: &[String]) -> (Vec<String>, Vec<i64>) {
    let (mut view, mut expiries) = (Vec::new(), Vec::new());
    for key in keys {
        let node = cluster.primary_of(key);
        let said = ["SESSION.INFO", "SESSION.GET"].map(|command| cluster.nodes[node].say(&format!("{command} {key}")));
        view.push(format!("{key}: {}", said.join(" ")));
        expiries.push(cluster.nodes[node].say(&format!("PEXPIRETIME {key}")).parse().unwrap());
    }
    view.extend(cluster.sessions_of("sleeper"));
    view.extend(cluster.sessions_of("sleeper2"));
    (view, expiries)
}

/// Holds what clients know, what rested, and what each node holds against one another.
fn check(cluster: &mut Cluster, traffic: &mut Traffic, keys: &[String], before: &(Vec<String>, Vec<i64>), what: &str) {
    cluster.wait_until_settled();
    let after = view(cluster, keys);
    for (before, after) in before.0.iter().zip(&after.0) {
        assert_eq!(before, after, "{what}");
    }
    assert_eq!(before.0.len(), after.0.len(), "{what}");
    for ((before, after), key) in before.1.iter().zip(&after.1).zip(keys) {
        // MIGRATE carries what is left of the key's time, so that its end comes out some milliseconds later; the deadline
        // that the session itself holds, which is the one that rules, stays.
        let later = after - before;
        assert!(if *before < 0 { later == 0 } else { (0..5000).contains(&later) }, "{what}: {key} {before} {after}");
    }
    traffic.check(cluster);
    let sizes = cluster.on_primaries("DBSIZE");
    let held: usize = sizes.iter().map(|n| n.parse::<usize>().unwrap()).sum();
    assert_eq!(held, traffic.sessions() + keys.len(), "{what}: every session is on one primary");
    cluster.check_indexes(what);
}

/// Does something with a cluster while clients use it, and checks what is there afterwards. What it gave, and how many
/// commands were answered.
fn under_traffic<T>(c: &mut Cluster, what: &str, work: impl FnOnce(&mut Cluster) -> T) -> (T, u64) {
    let keys = resting(c);
    let before = view(c, &keys);
    let mut done = None;
    let mut traffic = Traffic::during(c, 4, |c| done = Some(work(c)));
    check(c, &mut traffic, &keys, &before, what);
    (done.unwrap(), traffic.commands())
}

#[test]
fn slots_are_moved_back_and_forth_key_by_key() {
    let mut c = Cluster::start();
    let [a, b, _] = c.primaries()[..] else { panic!("not three primaries") };
    let ((slots_moved, sessions_moved), commands) = under_traffic(&mut c, "after resharding", |c| {
        let (mut slots_moved, mut sessions_moved) = (0, 0);
        for (from, to) in [(a, b), (b, a)] {
            let moved = c.reshard(from, to, slots());
            assert_eq!(moved.len(), slots());
            slots_moved += moved.len();
            sessions_moved += c.held(to, moved);
        }
        (slots_moved, sessions_moved)
    });
    eprintln!("{slots_moved} slots with {sessions_moved} sessions moved during {commands} commands");
    assert!(sessions_moved > 0 && commands > 1000);
}

#[test]
fn slots_are_moved_by_atomic_migration() {
    let mut c = Cluster::start();
    let [a, b, d] = c.primaries()[..] else { panic!("not three primaries") };
    let ((slots_moved, sessions_moved), commands) = under_traffic(&mut c, "after atomic migration", |c| {
        let (mut slots_moved, mut sessions_moved) = (0, 0);
        for round in 0..6 {
            let (from, to) = [(a, b), (b, d), (d, a)][round % 3];
            let (first, last) = c.slots(from)[0];
            let range = (first, last.min(first + 1500));
            if !c.migrate_atomically(from, to, range) {
                break;
            }
            slots_moved += usize::from(range.1 - range.0) + 1;
            sessions_moved += c.held(to, range.0..=range.1);
        }
        (slots_moved, sessions_moved)
    });
    if slots_moved == 0 {
        eprintln!("this server has no atomic slot migration");
        return;
    }
    eprintln!("{slots_moved} slots with {sessions_moved} sessions moved during {commands} commands");
    assert!(sessions_moved > 0);
}

/// The new node holds copies of sessions over which the old one has the say until the slots change hands. Signing a user out
/// everywhere, the new node asked first, ends that user's sessions, leaves alone what has become another's meanwhile, and
/// does not disturb the migration.
#[test]
fn signing_out_during_an_atomic_migration() {
    let mut c = Cluster::start();
    let [a, b, d] = c.primaries()[..] else { panic!("not three primaries") };
    let keys: Vec<String> =
        (0..20_000).map(|n| format!("s{{{n}}}")).filter(|key| c.primary_of(key) == a).take(200).collect();
    let big = "v".repeat(3000);
    for key in &keys {
        c.nodes[a].says(&format!("SESSION.SET {key} USER guest FIELDS 1 big {big}"), "1");
    }
    // The snapshot takes so many microseconds a key.
    c.nodes[a].says("CONFIG SET rdb-key-save-delay 10000", "OK");
    let range = c.slots(a)[0];
    let Some(migration) = c.begin_atomic_migration(a, b, range) else {
        eprintln!("this server has no atomic slot migration");
        return;
    };
    let indexed =
        |c: &mut Cluster, i: usize| c.nodes[i].info("session", "session_indexed_sessions").parse::<usize>().unwrap();
    wait_until("some copies to arrive", || indexed(&mut c, b) > 20);
    c.nodes[b].says("SESSION.COUNT guest", "0");
    c.nodes[b].says("SESSION.BYUSER guest", "[]");
    // Half of the guests log in: their sessions become Ann's; others are used.
    let (logged_in, guests) = keys.split_at(100);
    for key in logged_in {
        c.nodes[a].says(&format!("SESSION.SET {key} USER ann FIELDS 1 role user"), "2");
    }
    for key in guests {
        c.nodes[a].says(&format!("SESSION.TOUCH {key}"), "1");
    }
    assert!(!c.has_migrated(&migration), "the migration was too fast for this test");
    let rounds = [(); 2].map(|()| [b, d, a].map(|i| c.nodes[i].say("SESSION.REVOKE guest").parse::<u32>().unwrap()));
    assert_eq!(rounds.iter().flatten().sum::<u32>(), 100, "{rounds:?}");
    c.wait_for_migration(&migration);
    c.wait_until_settled();
    assert_eq!(c.sessions_of("guest"), [""; 0]);
    let mut known = logged_in.to_vec();
    known.sort();
    assert_eq!(c.sessions_of("ann"), known);
    for key in logged_in {
        c.nodes[b].says(&format!("SESSION.GET {key} FIELDS 1 role"), "[user]");
    }
    c.check_indexes("after the migration");
}

#[test]
fn a_replica_takes_over_in_order_while_clients_go_on() {
    let mut c = Cluster::start();
    under_traffic(&mut c, "after failovers", |c| {
        for primary in c.primaries() {
            let replica = c.replica_of(primary);
            c.nodes[replica].says("CLUSTER FAILOVER", "OK");
            wait_until("the replica to take over", || c.nodes[replica].info("replication", "role") == "master");
            c.wait_until_agreed();
        }
    });
}

/// What a client was told and a replica had: keys with their `n`, and keys of sessions that ended; and what it was about
/// when its server went away.
#[derive(Default)]
struct Waited {
    live: Vec<(String, String)>,
    ended: Vec<String>,
    last: String,
}

/// Until the server goes away, makes sessions, changes some, ends some, and waits for the replica after each.
fn write_and_wait(mut client: Client) -> Waited {
    let mut waited = Waited::default();
    for n in 0.. {
        let Ok(key) = client.send(&[b"SESSION.NEW", b"USER", b"ann", b"FIELDS", b"1", b"n", b"0"]) else { break };
        let key = shown(&key);
        waited.last.clone_from(&key);
        let done = match n % 3 {
            0 => true,
            1 => client.say(&format!("SESSION.SET {key} FIELDS 1 n {n}")) == "2",
            _ => client.say(&format!("SESSION.DEL {key}")) == "1",
        };
        if !done || client.say("WAIT 1 5000") != "1" {
            break;
        }
        match n % 3 {
            0 => waited.live.push((key, "0".to_string())),
            1 => waited.live.push((key, n.to_string())),
            _ => waited.ended.push(key),
        }
    }
    waited
}

#[test]
fn a_primary_is_killed_and_what_was_waited_for_is_there() {
    let mut c = Cluster::start();
    let primary = c.primaries()[0];
    let replica = c.replica_of(primary);
    let client = c.client_of(primary);
    let writer = std::thread::spawn(move || write_and_wait(client));
    wait_until("some sessions", || {
        c.nodes[replica].info("session", "session_indexed_sessions").parse::<u32>().unwrap() > 300
    });
    c.kill(primary);
    let Waited { live, ended, last } = writer.join().unwrap();
    assert!(live.len() > 250 && ended.len() > 100, "{} {}", live.len(), ended.len());

    let s = &mut c.nodes[replica];
    let start = std::time::Instant::now();
    while s.info("replication", "role") != "master" || !s.say("CLUSTER INFO").contains("cluster_state:ok") {
        assert!(start.elapsed().as_secs() < 60, "no failover");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for (key, n) in &live {
        s.says(&format!("SESSION.GET {key} FIELDS 1 n"), &format!("[{n}]"));
    }
    for key in &ended {
        s.says(&format!("EXISTS {key}"), "0");
    }
    let said = s.say("SESSION.BYUSER ann");
    let mut listed: HashSet<&str> = said.trim_matches(['[', ']']).split(", ").collect();
    listed.remove(last.as_str()); // what was not waited for may be there or not
    let known: HashSet<&str> = live.iter().map(|(key, _)| key.as_str()).filter(|key| *key != last).collect();
    assert_eq!(known.difference(&listed).count(), 0, "listed {listed:?}\nknown {known:?}");
    // The session of a NEW whose reply never came, if the replica has it, has a key that nobody knows.
    assert!(listed.difference(&known).count() <= 1, "listed {listed:?}\nknown {known:?}");
    c.check_indexes("after the failover");

    // The one that was killed comes back as a replica.
    c.nodes[primary].launch_again();
    c.wait_until_settled();
    assert_eq!(c.nodes[primary].info("replication", "role"), "slave");
    c.check_indexes("with the old primary as a replica");
    eprintln!("{} sessions live, {} ended, all as acknowledged", live.len(), ended.len());
}

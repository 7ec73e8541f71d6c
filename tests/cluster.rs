//! Redis Cluster and Valkey Cluster: what each node answers, and sessions on the move.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::cluster::Cluster;
use common::{shown, wait_until, Server};
use std::collections::HashSet;
use std::net::TcpListener;

/// Keys of as many primaries, three of each: `a{…}`, `b{…}`, `c{…}`.
fn keys(cluster: &mut Cluster) -> Vec<[String; 3]> {
    let primaries = cluster.primaries();
    let tag =
        |i, cluster: &mut Cluster| (0..).map(|n| format!("{{{n}}}")).find(|tag| cluster.primary_of(tag) == i).unwrap();
    let tags: Vec<String> = primaries.into_iter().map(|i| tag(i, cluster)).collect();
    tags.iter().map(|tag| ["a", "b", "c"].map(|name| format!("{name}{tag}"))).collect()
}

#[test]
fn a_command_without_a_key_answers_for_its_node() {
    let mut c = Cluster::start();
    let keys = keys(&mut c);
    let primaries = c.primaries();
    for (i, keys) in primaries.iter().zip(&keys) {
        for key in keys {
            c.nodes[*i].says(&format!("SESSION.SET {key} USER ann"), "1");
            c.nodes[*i].tick();
        }
        c.nodes[*i].says("SESSION.BYUSER ann LIMIT 0 2", &format!("[{}, {}]", keys[2], keys[1]));
        c.nodes[*i].says("SESSION.COUNT ann", "3");
        c.nodes[*i].says("SESSION.BYUSER ann FIELDS 1 x LIMIT 2 1", &format!("[[key, {}, data, []]]", keys[0]));
    }
    let mut all: Vec<String> = keys.concat();
    all.sort();
    assert_eq!(c.sessions_of("ann"), all);

    // In a script a command without a key sees all of its node, whatever keys the script has; in a transaction it would
    // not, and is refused.
    let (first, own) = (&mut c.nodes[primaries[0]], &keys[0]);
    let script =
        |key: &str| format!("EVAL redis.call('GET',KEYS[1])return{{redis.call('SESSION.COUNT','ann')}} 1 {key}");
    let other = (0..).map(|n| format!("{{x{n}}}")).find(|key| !first.say(&format!("GET {key}")).starts_with("MOVED"));
    first.says(&script(&other.unwrap()), "[3]");
    first.says("EVAL return{redis.call('SESSION.COUNT','ann')} 0", "[3]");
    for command in ["SESSION.BYUSER ann", "SESSION.COUNT ann", "SESSION.REVOKE ann", "SESSION.NEW USER ann"] {
        first.says("MULTI", "OK");
        first.says(&format!("SESSION.TOUCH {}", own[2]), "QUEUED");
        first.says(command, "QUEUED");
        let said = first.say("EXEC");
        assert!(said.contains("cannot run inside MULTI in cluster mode"), "{command}: {said}");
    }

    // A replica answers a client that has said READONLY, and sends others to its primary.
    c.wait_until_settled();
    for (i, keys) in primaries.iter().zip(&keys) {
        let replica = c.replica_of(*i);
        let home = format!(" 127.0.0.1:{}", c.nodes[*i].port);
        let mut client = c.client_of(replica);
        for (user, count) in [("ann", "3"), ("nobody", "0")] {
            for command in ["SESSION.BYUSER", "SESSION.COUNT"] {
                let said = client.say(&format!("{command} {user}"));
                assert!(said.starts_with("MOVED ") && said.ends_with(&home), "{said}");
            }
            let said = client.say(&format!("EVAL_RO return{{redis.call('SESSION.COUNT','{user}')}} 0"));
            assert!(said.starts_with("ERR Script attempted to access a non local key"), "{said}");
            client.says("READONLY", "OK");
            client.says(&format!("SESSION.COUNT {user}"), count);
            client.says(&format!("EVAL_RO return{{redis.call('SESSION.COUNT','{user}')}} 0"), &format!("[{count}]"));
            client.says("READWRITE", "OK");
        }
        client.says("READONLY", "OK");
        client.says("SESSION.BYUSER ann LIMIT 0 1", &format!("[{}]", keys[2]));
        let said = client.say("SESSION.REVOKE ann");
        assert!(said.starts_with("READONLY "), "{said}");
    }

    // Ending them, node by node.
    let except = format!("SESSION.REVOKE ann EXCEPT 1 {}", keys[0][0]);
    assert_eq!(c.on_primaries(&except), ["2", "3", "3"]);
    assert_eq!(c.sessions_of("ann"), [keys[0][0].clone()]);
    c.wait_until_settled();
    c.check_indexes("after REVOKE");
}

#[test]
fn a_command_with_a_key_leaves_other_slots_alone() {
    let mut c = Cluster::start();
    let first = c.primaries()[0];
    // Three slots of one node.
    let mut tags = (0..).map(|n| format!("{{{n}}}")).filter(|tag| c.primary_of(tag) == first);
    let [a, b, other] = [(); 3].map(|()| tags.next().unwrap());
    drop(tags);
    let s = &mut c.nodes[first];
    for key in [format!("1{a}"), format!("2{a}"), format!("1{b}"), format!("2{b}")] {
        s.says(&format!("SESSION.SET {key} USER ann"), "1");
        s.tick();
    }
    // MAXSESSIONS counts and ends in the key's slot.
    s.says(&format!("SESSION.SET 3{a} USER ann MAXSESSIONS 2 OLDEST"), "1");
    s.says(&format!("EXISTS 1{a}"), "0");
    s.says("SESSION.COUNT ann", "4");
    s.says(
        &format!("SESSION.SET 4{a} USER ann MAXSESSIONS 2 REJECT"),
        "SESSIONLIMIT the user has the maximum of 2 concurrent sessions",
    );
    s.says(&format!("SESSION.SET 1{other} USER ann MAXSESSIONS 1 REJECT"), "1");
    s.says(&format!("SESSION.SET new{b}"), "1");
    s.says(&format!("SESSION.ROTATE new{b} newer{b} USER ann MAXSESSIONS 1 LRU"), "2");
    s.says("SESSION.COUNT ann", "4");
    s.says(&format!("SESSION.ROTATE newer{b} newest{a}"), "CROSSSLOT Keys in request don't hash to the same slot");
    s.says(&format!("SESSION.TOUCH 2{a} newer{b}"), "CROSSSLOT Keys in request don't hash to the same slot");
    s.check_index("MAXSESSIONS");
}

#[test]
fn new_makes_keys_that_its_node_serves() {
    let mut c = Cluster::start();
    let primaries = c.primaries();
    for i in primaries.clone() {
        let mut slots = HashSet::new();
        for prefix in ["", "sess:", "odd{", "odd{}", "}{"] {
            for _ in 0..20 {
                let key = c.nodes[i]
                    .say(&format!("SESSION.NEW PREFIX {prefix} USER ann FIELDS 1 a {prefix}").replace("  ", " "));
                let key = if prefix.is_empty() { c.nodes[i].say("SESSION.NEW USER ann") } else { key };
                assert!(key.starts_with(prefix), "{key}");
                c.nodes[i].says(&format!("SESSION.TOUCH {key}"), "1");
                slots.insert(c.nodes[i].say(&format!("CLUSTER KEYSLOT {key}")));
            }
        }
        assert!(slots.len() > 50, "spread over the slots of the node");
        c.nodes[i].says("EVAL return(#redis.call('SESSION.NEW','PREFIX','s:')) 0", "44");
    }
    // A prefix with a tag of its own.
    let home = c.primary_of("{ann}");
    for i in primaries {
        let said = c.nodes[i].say("SESSION.NEW PREFIX {ann}: USER ann MAXSESSIONS 1 OLDEST");
        if i == home {
            assert!(said.starts_with("{ann}:"), "{said}");
            let second = c.nodes[i].say("SESSION.NEW PREFIX {ann}: USER ann MAXSESSIONS 1 OLDEST");
            c.nodes[i].says(&format!("EXISTS {said}"), "0");
            c.nodes[i].says(&format!("EXISTS {second}"), "1");
        } else {
            let slot = c.nodes[i].say("CLUSTER KEYSLOT {ann}");
            assert_eq!(said, format!("MOVED {slot} 127.0.0.1:{}", c.nodes[home].port));
        }
        // A script that has begun must not be sent somewhere else, nor run again.
        let script = "EVAL redis.call('SESSION.NEW','PREFIX',ARGV[1]) 0 {ann}";
        let said = c.nodes[i].say(script);
        assert!(i == home || said.starts_with("ERR Script attempted to access a non local key"), "{said}");
        c.nodes[i].says(
            "SESSION.NEW PREFIX ann: USER ann MAXSESSIONS 1 OLDEST",
            "ERR MAXSESSIONS needs a PREFIX with a hash tag in cluster mode",
        );
    }
    c.wait_until_settled();
    c.check_indexes("NEW");
}

#[test]
fn a_slot_that_is_moved_key_by_key() {
    let mut c = Cluster::start();
    let (source, target) = (c.primaries()[0], c.primaries()[1]);
    let tag = (0..).map(|n| format!("{{{n}}}")).find(|tag| c.primary_of(tag) == source).unwrap();
    let slot = c.nodes[source].say(&format!("CLUSTER KEYSLOT {tag}"));
    for key in 0..6 {
        c.nodes[source].says(&format!("SESSION.SET {key}{tag} USER ann FIELDS 1 n {key}"), "1");
    }
    c.nodes[source].says(&format!("SESSION.ROTATE 5{tag} 6{tag} PGRACE 300000"), "2");
    let [from, to] = [source, target].map(|i| c.id(i));
    c.nodes[target].says(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}"), "OK");
    c.nodes[source].says(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}"), "OK");
    let port = c.nodes[target].port;
    for key in ["0", "1", "2", "5"] {
        c.nodes[source].says(&format!("MIGRATE 127.0.0.1 {port} {key}{tag} 0 10000"), "OK");
    }

    // The snapshot has moved before its session; it is read, and not written, where it is.
    for (command, reply) in [("GET", "[n, 5]"), ("GETEX", "[n, 5]"), ("SET", "SESSIONGONE"), ("GET", "[n, 5]")] {
        let mut asking = c.client_of(target);
        asking.says("ASKING", "OK");
        let said = asking.say(&format!("SESSION.{command} 5{tag}"));
        assert!(said.starts_with(reply), "{command}: {said}");
    }

    // Each node shows what it holds; together nothing is missing and nothing is there twice.
    c.nodes[source].says("SESSION.COUNT ann", "3");
    c.nodes[target].says("SESSION.COUNT ann", "3");
    let all: Vec<String> = [0, 1, 2, 3, 4, 6].map(|key| format!("{key}{tag}")).into();
    assert_eq!(c.sessions_of("ann"), all);

    // No session begins in a slot that is being given away.
    let said = c.nodes[source].say(&format!("SESSION.NEW PREFIX {tag} USER ann"));
    assert_eq!(said, "TRYAGAIN the slot is being moved");
    let said = c.nodes[source].say(&format!("EVAL redis.call('SESSION.NEW','PREFIX',ARGV[1]) 0 {tag}"));
    assert!(said.starts_with("ERR the slot is being moved"), "{said}");
    let said = c.nodes[target].say(&format!("SESSION.NEW PREFIX {tag} USER ann"));
    assert_eq!(said, format!("MOVED {slot} 127.0.0.1:{}", c.nodes[source].port));
    for _ in 0..50 {
        let key = c.nodes[source].say("SESSION.NEW");
        assert_ne!(c.nodes[source].say(&format!("CLUSTER KEYSLOT {key}")), slot);
    }

    // Under ASKING the new node caps what it holds of the user; it knows of no other.
    let mut asking = c.client_of(target);
    asking.says("ASKING", "OK");
    asking.says(&format!("SESSION.SET 7{tag} USER ann MAXSESSIONS 3 LRU"), "1");
    assert_eq!(c.sessions_of("ann").len(), 6);

    // Signing out everywhere ends those that are on their way, too, and the snapshot of the rotation.
    let ended: Vec<i64> = c.on_primaries("SESSION.REVOKE ann").iter().map(|n| n.parse().unwrap()).collect();
    assert_eq!(ended.iter().sum::<i64>(), 7, "{ended:?}");
    assert_eq!(c.sessions_of("ann"), [""; 0]);
    c.nodes[target].says(&format!("CLUSTER COUNTKEYSINSLOT {slot}"), "0");
    for i in [target, source] {
        c.nodes[i].says(&format!("CLUSTER SETSLOT {slot} NODE {to}"), "OK");
    }
    c.check_indexes("after the move");
}

#[test]
fn nothing_is_answered_or_changed_while_the_cluster_is_down() {
    let mut c = Cluster::start();
    let primaries = c.primaries();
    let last = primaries[0];
    let key = (0..).map(|n| format!("{{{n}}}")).find(|key| c.primary_of(key) == last).unwrap();
    c.nodes[last].says(&format!("SESSION.SET {key} USER ann"), "1");
    let replica = c.replica_of(last);
    for i in 0..c.nodes.len() {
        if i != last && i != replica {
            c.nodes[i].kill();
        }
    }
    let s = &mut c.nodes[last];
    wait_until("the cluster to be down", || s.say("CLUSTER INFO").contains("cluster_state:fail"));
    for user in ["ann", "nobody"] {
        for command in ["SESSION.BYUSER", "SESSION.COUNT", "SESSION.REVOKE", "SESSION.NEW USER"] {
            s.says(&format!("{command} {user}"), "CLUSTERDOWN The cluster is down");
        }
    }
    s.says(&format!("SESSION.NEW PREFIX {key} USER ann MAXSESSIONS 1 LRU"), "CLUSTERDOWN The cluster is down");
    s.says("EVAL return(redis.pcall('SESSION.NEW'))[\"err\"] 0", "ERR The cluster is down");

    // What reads may be allowed; what writes is not.
    s.says("CONFIG SET cluster-allow-reads-when-down yes", "OK");
    s.says("SESSION.COUNT ann", "1");
    s.says("SESSION.COUNT nobody", "0");
    for command in ["SESSION.REVOKE ann", "SESSION.NEW USER ann"] {
        s.says(command, "CLUSTERDOWN The cluster is down");
    }
    s.says("DBSIZE", "1");
}

/// A cluster of one node that serves all slots.
fn one_node() -> Server {
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut s = Server::start(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--slowlog-log-slower-than", "0"]);
    s.says("CLUSTER ADDSLOTSRANGE 0 16383", "OK");
    wait_until("the cluster", || s.say("CLUSTER INFO").contains("cluster_state:ok"));
    s
}

/// Commands that ask the server about keys which are not in them.
const ASKING: [&str; 7] = [
    "SESSION.NEW PREFIX {tag} USER ann",
    "SESSION.NEW USER ann",
    "SESSION.SET a{tag} USER ann MAXSESSIONS 2 OLDEST",
    "SESSION.BYUSER ann",
    "SESSION.COUNT ann",
    "EVAL return{redis.call('SESSION.COUNT','ann')} 0",
    "SESSION.REVOKE ann",
];

#[test]
fn what_the_module_asks_the_server_about_keys_is_not_seen() {
    let mut s = one_node();
    let mut monitor = s.client();
    monitor.says("MONITOR", "OK");
    s.says("CONFIG RESETSTAT", "OK");
    for command in ASKING {
        let said = s.say(command);
        assert!(!said.starts_with("ERR"), "{command}: {said}");
    }
    s.says("ECHO last", "last");

    // The key that a command has made may be named; no other command may be.
    let shown_keys = |line: &str| line.to_uppercase().contains("\"MEMORY\"") || line.contains("\"SETRANGE\"");
    loop {
        let line = shown(&monitor.receive());
        let command = line.split('"').nth(1).unwrap_or_default().to_uppercase();
        let theirs =
            ["CONFIG", "SESSION.NEW", "SESSION.SET", "SESSION.BYUSER", "SESSION.COUNT", "SESSION.REVOKE", "EVAL"];
        let known = theirs.contains(&command.as_str()) || ["ECHO", "CLUSTER", "COMMAND"].contains(&command.as_str());
        assert!(known && !shown_keys(&line), "{line}");
        if command == "ECHO" {
            break;
        }
    }
    let stats = s.say("INFO commandstats");
    for foreign in ["memory", "setrange", "session.info", "session.del", "session.get", "type", "exists"] {
        assert!(!stats.contains(&format!("cmdstat_{foreign}")), "{stats}");
    }
    for (command, calls) in [("new", 2), ("set", 1), ("byuser", 1), ("count", 2), ("revoke", 1)] {
        assert!(stats.contains(&format!("cmdstat_session.{command}:calls={calls},")), "{stats}");
    }
    let slow = s.say("SLOWLOG GET 100").to_uppercase();
    assert!(!slow.contains("MEMORY") && !slow.contains("SETRANGE") && !slow.contains("_ASK"), "{slow}");
    s.says("DBSIZE", "0");
}

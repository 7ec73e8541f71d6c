//! A cluster of real servers: three primaries and three replicas, made by `redis-cli --cluster create`.

use super::{cli_program, Client, Server};
use redis::cluster::{ClusterClient, ClusterConnection};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    pub fn start() -> Self {
        let nodes: Vec<Server> = (0..6).map(|_| node()).collect();
        let mut cluster = Cluster { nodes };
        let addresses: Vec<String> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let mut args = vec!["--cluster", "create", "--cluster-replicas", "1", "--cluster-yes"];
        args.splice(2..2, addresses.iter().map(String::as_str));
        cli(&args);
        cluster.wait_until_settled();
        cluster
    }

    /// Waits until all nodes that run agree on a cluster that works, and replicas have caught up.
    pub fn wait_until_settled(&mut self) {
        self.wait_for("settle", |cluster| {
            let running = cluster.running();
            cluster.agrees() && running.into_iter().all(|i| cluster.has_caught_up(i))
        });
    }

    /// Waits until all nodes that run agree who serves what.
    pub fn wait_until_agreed(&mut self) {
        self.wait_for("agree", Self::agrees);
    }

    fn wait_for(&mut self, what: &str, done: impl Fn(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < Duration::from_secs(60), "the cluster does not {what}: {:?}", self.view(0));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn running(&mut self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].is_running()).collect()
    }

    fn agrees(&mut self) -> bool {
        let views: Vec<_> = self.running().into_iter().map(|i| self.view(i)).collect();
        views.iter().all(|view| *view == views[0] && !view.is_empty())
    }

    fn has_caught_up(&mut self, i: usize) -> bool {
        let node = &mut self.nodes[i];
        if !node.say("CLUSTER INFO").contains("cluster_state:ok") {
            return false;
        }
        if node.info("replication", "role") == "master" {
            return true;
        }
        let (port, offset) = (node.info("replication", "master_port"), node.info("replication", "slave_repl_offset"));
        let up = node.info("replication", "master_link_status") == "up";
        let primary = self.nodes.iter_mut().find(|node| node.port.to_string() == port);
        up && primary.is_some_and(|primary| primary.info("replication", "master_repl_offset") == offset)
    }

    /// Who serves what, as a node sees it: `port: slots`, replicas as `port of primary`.
    fn view(&mut self, i: usize) -> Vec<String> {
        let nodes = self.nodes[i].say("CLUSTER NODES");
        let port = |id: &str| {
            let line = nodes.lines().find(|line| line.starts_with(id)).unwrap_or_default();
            line.split([':', '@']).nth(1).unwrap_or_default().to_string()
        };
        let mut view: Vec<String> = nodes
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .filter(|words| !words[2].contains("fail"))
            .map(|words| match words[3] {
                "-" => format!("{}: {}", port(words[0]), words[8..].join(" ")),
                primary => format!("{} of {}", port(words[0]), port(primary)),
            })
            .collect();
        view.sort();
        view
    }

    /// Ends a node at once. Before, its file of the cluster is made one from which it starts again: Redis 7.2 and Valkey 8.0
    /// may have written one in which a replica is in another shard than its primary, and refuse to start from it
    /// (<https://github.com/valkey-io/valkey/issues/774>).
    pub fn kill(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        super::wait_until("the shards to be known", || {
            node.says("CLUSTER SAVECONFIG", "OK");
            shards_agree(&std::fs::read_to_string(node.dir().join("nodes.conf")).unwrap())
        });
        node.kill();
    }

    /// The nodes that are primaries now and run.
    pub fn primaries(&mut self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|i| self.nodes[*i].is_running() && self.nodes[*i].info("replication", "role") == "master")
            .collect()
    }

    /// A replica of this primary.
    pub fn replica_of(&mut self, primary: usize) -> usize {
        let port = self.nodes[primary].port.to_string();
        (0..self.nodes.len()).find(|i| self.nodes[*i].info("replication", "master_port") == port).expect("a replica")
    }

    pub fn id(&mut self, i: usize) -> String {
        self.nodes[i].say("CLUSTER MYID")
    }

    /// The primary that serves the slot of a key.
    pub fn primary_of(&mut self, key: &str) -> usize {
        let slot = self.nodes[0].say(&format!("CLUSTER KEYSLOT {key}"));
        self.primary_of_slot(slot.parse().unwrap())
    }

    pub fn primary_of_slot(&mut self, slot: u16) -> usize {
        self.primaries().into_iter().find(|i| self.slots(*i).iter().any(|(a, b)| (*a..=*b).contains(&slot))).unwrap()
    }

    /// The ranges of slots that this node serves, as it says itself.
    pub fn slots(&mut self, i: usize) -> Vec<(u16, u16)> {
        let nodes = self.nodes[i].say("CLUSTER NODES");
        let line = nodes.lines().find(|line| line.contains("myself")).unwrap();
        let ranges = line.split(' ').skip(8).filter(|word| !word.starts_with('['));
        ranges
            .map(|range| range.split_once('-').unwrap_or((range, range)))
            .map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()))
            .collect()
    }

    /// Asks every primary the same; what each says.
    pub fn on_primaries(&mut self, command: &str) -> Vec<String> {
        self.primaries().into_iter().map(|i| self.nodes[i].say(command)).collect()
    }

    /// The keys that SESSION.BYUSER gives on all primaries together, sorted.
    pub fn sessions_of(&mut self, user: &str) -> Vec<String> {
        let lists = self.on_primaries(&format!("SESSION.BYUSER {user}"));
        let mut keys: Vec<String> =
            lists.iter().flat_map(|list| list[1..list.len() - 1].split(", ")).map(String::from).collect();
        keys.retain(|key| !key.is_empty());
        keys.sort();
        keys
    }

    /// Fails unless the index of every node that runs is exact.
    #[track_caller]
    pub fn check_indexes(&mut self, what: &str) {
        for node in self.nodes.iter_mut().filter(|node| node.port != 0) {
            if node.is_running() {
                node.check_index(what);
            }
        }
    }

    /// A client that follows redirections, asking the server itself for the module's commands.
    pub fn client(&self) -> ClusterConnection {
        self.clients().get_connection().unwrap()
    }

    /// What makes such clients.
    pub fn clients(&self) -> ClusterClient {
        let addresses: Vec<String> = self.nodes.iter().map(|node| format!("redis://127.0.0.1:{}", node.port)).collect();
        ClusterClient::builder(addresses).retries(50).build().unwrap()
    }

    /// A client of one node, which follows nothing.
    pub fn client_of(&self, i: usize) -> Client {
        self.nodes[i].client()
    }

    /// Moves so many slots key by key: `redis-cli --cluster reshard`. Which ones.
    pub fn reshard(&mut self, from: usize, to: usize, slots: usize) -> Vec<u16> {
        let (address, ids) = (format!("127.0.0.1:{}", self.nodes[from].port), [from, to].map(|i| self.id(i)));
        let n = slots.to_string();
        let asked = ["--cluster-from", &ids[0], "--cluster-to", &ids[1], "--cluster-slots", &n, "--cluster-yes"];
        let said = cli(&[&["--cluster", "reshard", &address], &asked[..]].concat());
        let moving = |line: &str| line.strip_prefix("Moving slot ")?.split_once(" from 127")?.0.parse().ok();
        said.lines().filter_map(moving).collect()
    }

    /// How many keys a node holds in these slots.
    pub fn held(&mut self, i: usize, slots: impl IntoIterator<Item = u16>) -> usize {
        let count = |slot| self.nodes[i].say(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).parse::<usize>().unwrap();
        slots.into_iter().map(count).sum()
    }

    /// Moves slots at once, keys and all, by the server's own means; whether it has any.
    pub fn migrate_atomically(&mut self, from: usize, to: usize, range: (u16, u16)) -> bool {
        let migration = self.begin_atomic_migration(from, to, range);
        migration.as_ref().is_some_and(|migration| {
            self.wait_for_migration(migration);
            true
        })
    }

    /// Begins to; nothing where the server has no such thing.
    pub fn begin_atomic_migration(&mut self, from: usize, to: usize, (first, last): (u16, u16)) -> Option<Migration> {
        let (version, valkey) = self.nodes[from].version();
        if valkey && version >= 900 {
            let to = self.id(to);
            self.nodes[from].says(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {first} {last} NODE {to}"), "OK");
            Some(Migration { node: from, question: "CLUSTER GETSLOTMIGRATIONS".into(), done: "success" })
        } else if !valkey && version >= 804 {
            let task = self.nodes[to].say(&format!("CLUSTER MIGRATION IMPORT {first} {last}"));
            Some(Migration { node: to, question: format!("CLUSTER MIGRATION STATUS ID {task}"), done: "completed" })
        } else {
            None
        }
    }

    /// Whether it is done.
    pub fn has_migrated(&mut self, migration: &Migration) -> bool {
        let said = self.nodes[migration.node].say(&migration.question);
        assert!(!said.contains("failed") && !said.contains("cancel"), "{said}");
        // Of several jobs the latest stands first.
        said.split("state, ").nth(1).is_some_and(|state| state.starts_with(migration.done))
    }

    pub fn wait_for_migration(&mut self, migration: &Migration) {
        self.wait_for("migrate", |cluster| cluster.has_migrated(migration));
    }
}

/// A migration that was begun.
pub struct Migration {
    node: usize,
    question: String,
    done: &'static str,
}

/// Whether in a file of the cluster each replica is in the shard of its primary, or no shards stand there.
fn shards_agree(nodes: &str) -> bool {
    let nodes: Vec<Vec<&str>> = nodes.lines().map(|line| line.split(' ').collect()).collect();
    let shard = |id: &str| {
        let node = nodes.iter().find(|words| words[0] == id)?;
        node[1].split(',').find(|word| word.starts_with("shard-id="))
    };
    let replicas = nodes.iter().filter(|words| words.len() > 3 && words[2].contains("slave"));
    replicas.map(|words| (words[0], words[3])).all(|(replica, primary)| shard(replica) == shard(primary))
}

fn node() -> Server {
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let yes = ["--cluster-enabled", "yes", "--cluster-allow-replica-migration", "no"];
    Server::start(&[&yes[..], &["--cluster-node-timeout", "2000", "--cluster-port", &bus]].concat())
}

/// Runs redis-cli, which must succeed; it may have to wait for a node that does not yet agree with the others.
fn cli(args: &[&str]) -> String {
    let mut said = String::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        let output = Command::new(cli_program()).args(args).output().unwrap();
        said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return said;
        }
        if !said.contains("not agree") && !said.contains("don't agree") {
            break;
        }
    }
    panic!("redis-cli {args:?}: {said}");
}

//! What a site's requests do to its sessions while servers change under them: everything that a client was told is written
//! down, and held against what is there in the end.

use super::cluster::Cluster;
use super::{shown, wait_until, Client, Server};
use redis::cluster::{ClusterClient, ClusterConnection};
use redis::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// A session as its client knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    version: u64,
    n: u64,
    visits: u64,
}

/// A server that may be restarted while it is asked.
struct Node {
    port: u16,
    client: Option<Client>,
}

impl Node {
    fn new(server: &Server) -> Self {
        Node { port: server.port, client: None }
    }

    /// What it says; nothing while it is away or does not know yet what it serves.
    fn say(&mut self, command: &str) -> Option<String> {
        if self.client.is_none() {
            self.client = Client::try_connect(self.port, redis::ProtocolVersion::RESP2);
        }
        let Some(said) = self.client.as_mut()?.try_say(command) else {
            self.client = None;
            return None;
        };
        let waits = ["CLUSTERDOWN ", "LOADING ", "MASTERDOWN "];
        (!waits.iter().any(|word| said.starts_with(word))).then_some(said)
    }
}

/// How the clients of a site reach their sessions.
enum Way {
    /// By a client of clusters, and each node by itself.
    Cluster { clients: ClusterClient, connection: Box<ClusterConnection>, nodes: Vec<Node>, fails_over: bool },
    /// By that of two servers which is the primary, as Sentinel would tell.
    Pair([Node; 2], usize),
}

impl Way {
    fn say(&mut self, command: &[&str]) -> String {
        match self {
            Way::Cluster { clients, connection, .. } => {
                let mut cmd = redis::cmd(command[0]);
                cmd.arg(&command[1..]);
                let mut said = String::new();
                // A node is ended when it is a replica only: where the connection breaks, nothing was done.
                wait_until("the cluster to answer", || match cmd.query::<Value>(connection.as_mut()) {
                    Ok(value) => {
                        said = shown(&value);
                        true
                    }
                    Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                        if let Ok(new) = clients.get_connection() {
                            **connection = new;
                        }
                        false
                    }
                    Err(error) => panic!("{command:?}: {error}"),
                });
                said
            }
            Way::Pair(nodes, at) => {
                let (line, mut said) = (command.join(" "), String::new());
                wait_until("a primary", || match nodes[*at].say(&line) {
                    Some(answer) if !answer.starts_with("READONLY ") => {
                        said = answer;
                        true
                    }
                    // A server is ended when it is a replica only, so that nothing was done that was not answered.
                    _ => {
                        *at = 1 - *at;
                        false
                    }
                });
                said
            }
        }
    }

    /// What each primary says to a command without a key.
    fn on_primaries(&mut self, command: &str) -> Vec<String> {
        match self {
            Way::Pair(..) => vec![self.say(&command.split(' ').collect::<Vec<_>>())],
            Way::Cluster { nodes, .. } => {
                let ask = |node: &mut Node| {
                    // On a busy machine nodes lose sight of each other for a moment: a client tries again.
                    let mut said = String::new();
                    wait_until("the node to answer", || {
                        node.say(command).is_some_and(|answer| {
                            said = answer;
                            true
                        })
                    });
                    said
                };
                let mut said: Vec<String> = nodes.iter_mut().map(ask).collect();
                said.retain(|said| !said.starts_with("MOVED ") && !said.starts_with("READONLY "));
                said
            }
        }
    }
}

/// A client with a user of its own, and what it knows.
struct Visitor {
    user: String,
    way: Way,
    sessions: BTreeMap<String, Known>,
    random: u64,
    made: u64,
    done: u64,
}

/// What all clients know when they have stopped.
pub struct Traffic {
    visitors: Vec<Visitor>,
}

impl Traffic {
    /// So many clients make, change, read, rotate and end sessions while `work` is done with the cluster.
    pub fn during(cluster: &mut Cluster, clients: u64, work: impl FnOnce(&mut Cluster)) -> Traffic {
        Self::of_cluster(cluster, clients, false, work)
    }

    /// The same while replicas take over and other nodes are restarted.
    pub fn during_failovers(cluster: &mut Cluster, clients: u64, work: impl FnOnce(&mut Cluster)) -> Traffic {
        Self::of_cluster(cluster, clients, true, work)
    }

    fn of_cluster(cluster: &mut Cluster, clients: u64, fails_over: bool, work: impl FnOnce(&mut Cluster)) -> Traffic {
        let way = |cluster: &Cluster| Way::Cluster {
            clients: cluster.clients(),
            connection: Box::new(cluster.client()),
            nodes: cluster.nodes.iter().map(Node::new).collect(),
            fails_over,
        };
        let visitors = (0..clients).map(|n| Visitor::new(way(cluster), n)).collect();
        Self::run(visitors, || work(cluster))
    }

    /// The same with a pair of servers, one of which is the other's replica.
    pub fn during_pair(pair: &mut [Server; 2], clients: u64, work: impl FnOnce(&mut [Server; 2])) -> Traffic {
        let way = |pair: &[Server; 2]| Way::Pair([Node::new(&pair[0]), Node::new(&pair[1])], 0);
        let visitors = (0..clients).map(|n| Visitor::new(way(pair), n)).collect();
        Self::run(visitors, || work(pair))
    }

    fn run(visitors: Vec<Visitor>, work: impl FnOnce()) -> Traffic {
        let stop = AtomicBool::new(false);
        let visitors = thread::scope(|scope| {
            let threads: Vec<_> = visitors
                .into_iter()
                .map(|mut visitor| {
                    let stop = &stop;
                    scope.spawn(move || {
                        while !stop.load(Relaxed) {
                            visitor.step();
                        }
                        visitor
                    })
                })
                .collect();
            // However the work ends, the clients stop.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            stop.store(true, Relaxed);
            let visitors = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            done.unwrap_or_else(|why| std::panic::resume_unwind(why));
            visitors
        });
        Traffic { visitors }
    }

    /// How many commands were answered.
    pub fn commands(&self) -> u64 {
        self.visitors.iter().map(|visitor| visitor.done).sum()
    }

    /// How many sessions there are now.
    pub fn sessions(&self) -> usize {
        self.visitors.iter().map(|visitor| visitor.sessions.len()).sum()
    }

    /// Fails unless every session is there as its client knows it, and no other.
    pub fn check(&mut self, cluster: &mut Cluster) {
        self.check_with(|user| cluster.sessions_of(user));
    }

    /// The same, of what a server lists.
    pub fn check_pair(&mut self, primary: &mut Server) {
        self.check_with(|user| {
            let list = primary.say(&format!("SESSION.BYUSER {user}"));
            let mut keys: Vec<String> = list[1..list.len() - 1].split(", ").map(String::from).collect();
            keys.retain(|key| !key.is_empty());
            keys.sort();
            keys
        });
    }

    fn check_with(&mut self, mut sessions_of: impl FnMut(&str) -> Vec<String>) {
        for visitor in &mut self.visitors {
            let known: Vec<String> = visitor.sessions.keys().cloned().collect();
            assert_eq!(sessions_of(&visitor.user), known, "{}", visitor.user);
            for key in known {
                visitor.read(&key);
                let version = visitor.sessions[&key].version;
                let info = visitor.say(&["SESSION.GET", &key, "WITHMETA", "FIELDS", "1", "n"]);
                assert!(info.contains(&format!("version, {version}, ")), "{key}: {info}");
            }
        }
    }
}

impl Visitor {
    fn new(way: Way, n: u64) -> Self {
        let random = 0x9e37_79b9_7f4a_7c15 ^ n.wrapping_mul(0x2545_f491_4f6c_dd1d);
        Visitor { user: format!("visitor{n}"), way, sessions: BTreeMap::new(), random, made: 0, done: 0 }
    }

    /// xorshift64.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn say(&mut self, command: &[&str]) -> String {
        self.done += 1;
        self.way.say(command)
    }

    #[track_caller]
    fn says(&mut self, command: &[&str], expected: &str) {
        assert_eq!(self.say(command), expected, "{command:?}");
    }

    fn step(&mut self) {
        let some = self.sessions.len() as u64;
        let (choice, at) = (self.random(100), self.random(some.max(1)));
        let key = self.sessions.keys().nth(at as usize).cloned();
        match key {
            Some(key) if choice >= 12 || some > 400 => self.use_session(&key, choice),
            _ => self.begin(),
        }
    }

    fn begin(&mut self) {
        self.made += 1;
        let (user, n) = (self.user.clone(), self.made);
        let key = format!("{user}:{n}{{{}}}", n.wrapping_mul(7919) % 5000);
        self.says(&["SESSION.SET", &key, "NX", "USER", &user, "FIELDS", "2", "n", "0", "of", &key], "1");
        self.sessions.insert(key, Known { version: 1, n: 0, visits: 0 });
    }

    fn use_session(&mut self, key: &str, choice: u64) {
        let mut known = self.sessions[key].clone();
        let (version, next) = (known.version.to_string(), (known.version + 1).to_string());
        match choice {
            0..30 => {
                let n = self.random(1 << 40);
                let write = ["SESSION.SET", key, "IFVERSION", &version, "FIELDS", "1", "n", &n.to_string()];
                self.says(&write, &next);
                known = Known { version: known.version + 1, n, ..known };
            }
            30..45 => {
                self.says(
                    &["SESSION.INCRBY", key, "visits", "1", "IFVERSION", &version],
                    &(known.visits + 1).to_string(),
                );
                known = Known { version: known.version + 1, visits: known.visits + 1, ..known };
            }
            45..55 => self.says(&["SESSION.TOUCH", key], "1"),
            55..60 => self.says(&["SESSION.ADJUST", key, "3600"], "1"),
            60..65 => self.says(&["SESSION.GETEX", key, "FIELDS", "1", "n"], &format!("[{}]", known.n)),
            65..80 => return self.read(key),
            80..86 => {
                let (_, tag) = key.split_once('{').unwrap();
                self.made += 1;
                let new = format!("{}:{}{{{tag}", self.user, self.made);
                self.says(&["SESSION.ROTATE", key, &new, "IFVERSION", &version], &next);
                let known = Known { version: known.version + 1, ..known };
                self.sessions.remove(key);
                self.sessions.insert(new, known);
                return;
            }
            86..96 => {
                self.says(&["SESSION.DEL", key], "1");
                self.sessions.remove(key);
                return;
            }
            96..98 => return self.sign_out_a_guest(),
            _ => return self.list(),
        }
        self.sessions.insert(key.into(), known);
    }

    fn read(&mut self, key: &str) {
        let said = self.say(&["SESSION.GET", key, "FIELDS", "2", "n", "visits"]);
        let known = &self.sessions[key];
        let visits = if known.visits == 0 { "nil".into() } else { known.visits.to_string() };
        assert_eq!(said, format!("[{}, {visits}]", known.n), "{key}");
    }

    /// Whatever node is asked, it lists no session that is not there. (One that moves meanwhile may be on none of the nodes
    /// when they are asked one after the other, or on two. A replica sends the client away.)
    fn list(&mut self) {
        if !matches!(self.way, Way::Cluster { fails_over: true, .. }) {
            assert_eq!(self.unknown_to_me(), None, "{} has no such session", self.user);
            return;
        }
        // A primary that has just lost its slots to its replica answers, for the moment in which it does not know of that.
        wait_until("nothing but my sessions to be listed", || self.unknown_to_me().is_none());
    }

    /// A session that a node lists and that is not there.
    fn unknown_to_me(&mut self) -> Option<String> {
        let user = self.user.clone();
        for list in self.on_nodes(&format!("SESSION.BYUSER {user}")) {
            let mut keys: Vec<&str> = list[1..list.len() - 1].split(", ").filter(|key| !key.is_empty()).collect();
            let n = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), n, "{user} has a session twice on one node");
            if let Some(key) = keys.into_iter().find(|key| !self.sessions.contains_key(*key)) {
                return Some(key.to_string());
            }
        }
        None
    }

    /// A guest with three sessions is signed out everywhere: all primaries are asked twice, and again until none of them
    /// ends any, so that a session that moved while they were asked is found the next time.
    fn sign_out_a_guest(&mut self) {
        let guest = format!("{}:guest", self.user);
        for _ in 0..3 {
            self.made += 1;
            let key = format!("{guest}:{}{{{}}}", self.made, self.made.wrapping_mul(7919) % 5000);
            self.says(&["SESSION.SET", &key, "USER", &guest, "FIELDS", "1", "n", "0"], "1");
        }
        let mut ended = Vec::new();
        while ended.len() < 2 || ended.last() != Some(&0) {
            let counts = self.on_nodes(&format!("SESSION.REVOKE {guest}"));
            ended.push(counts.iter().map(|count| count.parse::<u64>().unwrap()).sum());
        }
        assert_eq!(ended.iter().sum::<u64>(), 3, "{guest}: {ended:?}");
    }

    /// What each primary says to a command without a key.
    fn on_nodes(&mut self, command: &str) -> Vec<String> {
        self.done += 1;
        self.way.on_primaries(command)
    }
}

//! Set-ups of operators that docs/operations.md and docs/servers.md speak of: configuration files that are rewritten, a failover
//! by Sentinel while a site is at work, nodes of a cluster with users of their own, an import.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::cluster::Cluster;
use common::traffic::Traffic;
use common::{loadmodule, server_program, wait_until, Client, Server};
use redis::ProtocolVersion;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn a_line_of_the_file_holds_against_an_argument_and_a_rewritten_one_too() {
    let mut server = Server::with_conf(&["session.default-timeout 900", &loadmodule("default-timeout 3600")]);
    server.says("CONFIG GET session.default-timeout", "[session.default-timeout, 900]");
    server.says("CONFIG SET session.default-timeout 1800", "OK");
    server.says("CONFIG REWRITE", "OK");
    server.restart();
    server.says("CONFIG GET session.default-timeout", "[session.default-timeout, 1800]");
}

/// Why the lines of the Debian package are added to the server's own file.
#[test]
fn behind_an_include_the_module_is_loaded_twice_after_config_rewrite() {
    let dir = tempfile::tempdir().unwrap();
    let included = dir.path().join("session.conf");
    std::fs::write(&included, loadmodule("") + "\n").unwrap();
    let include = format!("include {}", included.display());
    let mut server = Server::with_conf(&[&include]);
    server.says("CONFIG REWRITE", "OK");
    server.shut_down();
    let conf = std::fs::read_to_string(server.dir().join("redis.conf")).unwrap();
    let lines: Vec<&str> = conf.lines().collect();
    let log = Server::try_start(Some(&lines), &[]).err().expect("a server that does not start");
    assert!(log.contains("session: not loaded: a module of the name session is loaded already"), "{log}");
}

/// As operations.md says: the writes wait, the replica catches up, Sentinel promotes it, the old primary follows it and sends its
/// clients away.
#[test]
fn a_planned_failover_by_sentinel_loses_nothing() {
    let mut pair = [Server::new(), Server::new()];
    let [primary, replica] = &mut pair;
    replica.follow(primary);
    let mut sentinel = Sentinel::of(primary.port);
    let mut traffic = Traffic::during_pair(&mut pair, 4, |[primary, replica]| {
        sleep(UNDER_LOAD);
        primary.says("CLIENT PAUSE 30000 WRITE", "OK");
        replica.catch_up(primary);
        sentinel.fails_over(replica.port);
        primary.says(&format!("REPLICAOF 127.0.0.1 {}", replica.port), "OK");
        primary.say("CLIENT KILL TYPE normal");
        primary.says("CLIENT UNPAUSE", "OK");
        sleep(UNDER_LOAD);
    });
    drop(sentinel); // what it publishes moves the offset
    pair.iter_mut().for_each(Server::reconnect);
    let [old, new] = &mut pair;
    old.wait_for_link();
    old.catch_up(new);
    traffic.check_pair(new);
    assert!(traffic.commands() > 100, "{}", traffic.commands());
}

/// A while in which nothing but the site's work happens.
const UNDER_LOAD: Duration = Duration::from_millis(300);

/// One Sentinel, which ends with this value.
struct Sentinel {
    child: Child,
    client: Client,
    _dir: TempDir,
}

impl Sentinel {
    /// Watches the primary on this port, and has seen its replica.
    fn of(primary: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("sentinel.conf");
        std::fs::write(&conf, format!("sentinel monitor sessions 127.0.0.1 {primary} 1\n")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(server_program());
        command.arg(&conf).args(["--sentinel", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        wait_until("Sentinel to answer", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let mut sentinel = Sentinel { child, client: Client::connect(port, ProtocolVersion::RESP2), _dir: dir };
        // It looks around every ten seconds: too long for a test.
        sentinel.client.says("SENTINEL DEBUG info-period 300 publish-period 100", "OK");
        wait_until("Sentinel to see the replica", || {
            sentinel.client.say("SENTINEL REPLICAS sessions").contains("port")
        });
        sentinel
    }

    fn fails_over(&mut self, to: u16) {
        wait_until("Sentinel to begin", || self.client.say("SENTINEL FAILOVER sessions") == "OK");
        let to = format!("[127.0.0.1, {to}]");
        wait_until("the failover", || self.client.say("SENTINEL GET-MASTER-ADDR-BY-NAME sessions") == to);
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The user of operations.md, with what it says that Valkey's CLUSTER MIGRATESLOTS needs besides.
#[test]
fn slots_move_with_the_users_of_the_page() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    let replica = page.lines().find_map(|line| line.strip_prefix("user replica ")).unwrap();
    let more = page.split("user `replica` needs `").nth(1).unwrap().split('`').next().unwrap();
    if !matches!(Server::new().version(), (900.., true)) {
        return;
    }
    let mut cluster = Cluster::start();
    for node in &mut cluster.nodes {
        node.says(&format!("ACL SETUSER replica {replica} {more}"), "OK");
        node.says("CONFIG SET masteruser replica masterauth replica-secret", "OK");
    }
    let from = cluster.primary_of("sess:{alice}");
    let to = cluster.primaries().into_iter().find(|to| *to != from).unwrap();
    for i in 0..20 {
        cluster.nodes[from].says(&format!("SESSION.SET sess:{{alice}}:{i} USER alice EX 900"), "1");
    }
    let slot: u16 = cluster.nodes[from].say("CLUSTER KEYSLOT {alice}").parse().unwrap();
    assert!(cluster.migrate_atomically(from, to, (slot, slot)));
    cluster.nodes[to].says("SESSION.COUNT alice", "20");
    for node in &mut cluster.nodes {
        node.says("ACL LOG", "[]");
    }
}

#[test]
fn during_an_import_what_has_expired_is_kept_and_not_shown() {
    let Ok(mut server) = Server::try_start(None, &["--import-mode", "yes"]) else {
        let (version, valkey) = Server::new().version();
        assert!(!valkey || version < 801, "Valkey {version} has it");
        return;
    };
    server.says("SESSION.SET sess:4f1c USER alice PX 1", "1");
    wait_until("it to expire", || server.say("SESSION.COUNT alice") == "0");
    server.says("SESSION.GET sess:4f1c", "nil");
    server.says("DBSIZE", "1");
    server.says("CONFIG SET import-mode no", "OK");
    wait_until("it to be removed", || server.say("DBSIZE") == "0");
}

/// A directory stands where the file is to be.
#[test]
fn where_a_save_fails_nobody_can_log_in_or_out_until_one_succeeds() {
    let mut server = Server::start(&["--save", "3600 1"]);
    let obstacle = server.dir().join("dump.rdb");
    std::fs::create_dir(&obstacle).unwrap();
    server.says("SESSION.SET sess:4f1c USER alice", "1");
    let save = |server: &mut Server, state: &str| {
        server.say("BGSAVE");
        wait_until("the save to end", || {
            server.info("persistence", "rdb_bgsave_in_progress") == "0"
                && server.info("persistence", "rdb_last_bgsave_status") == state
        });
    };
    save(&mut server, "err");
    for command in ["SESSION.SET sess:77aa USER bob", "SESSION.TOUCH sess:4f1c", "SESSION.REVOKE alice"] {
        assert!(server.say(command).starts_with("MISCONF "), "{command}");
    }
    server.says("SESSION.GET sess:4f1c", "[]");
    server.says("CONFIG SET stop-writes-on-bgsave-error no", "OK");
    server.says("SESSION.TOUCH sess:4f1c", "1");
    server.says("CONFIG SET stop-writes-on-bgsave-error yes", "OK");
    std::fs::remove_dir(obstacle).unwrap();
    save(&mut server, "ok");
    server.says("SESSION.REVOKE alice", "1");
}

/// What has to be set on each server.
#[test]
fn users_and_settings_are_not_replicated() {
    let [mut primary, mut replica] = [Server::new(), Server::new()];
    replica.follow(&mut primary);
    primary.says("ACL SETUSER web on >web-secret ~sess:* +session.get", "OK");
    primary.says("CONFIG SET notify-keyspace-events Egxed session.default-timeout 60", "OK");
    primary.says("SESSION.SET sess:4f1c USER alice", "1");
    replica.catch_up(&mut primary);
    replica.says("SESSION.COUNT alice", "1");
    assert!(!replica.say("ACL LIST").contains("user web "));
    replica.says("CONFIG GET notify-keyspace-events", "[notify-keyspace-events, ]");
    replica.says("CONFIG GET session.default-timeout", "[session.default-timeout, 1800]");
}

//! Set-ups of operators that docs/operations.md and docs/servers.md speak of: configuration files that are rewritten, nodes of a
//! cluster with users of their own, an import.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::cluster::Cluster;
use common::{loadmodule, wait_until, Server};
use std::path::Path;

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

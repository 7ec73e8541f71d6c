//! From one version of the module to the next and back, server by server, while a site uses its sessions: a replicated pair and
//! a cluster. What docs/operations.md says of upgrading, step by step. Run by `make test-upgrade`, which builds the next version.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::cluster::Cluster;
use common::traffic::Traffic;
use common::{module, wait_until, Server};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The build that is upgraded to.
fn next() -> PathBuf {
    let next =
        std::env::var_os("SESSION_NEXT_MODULE").unwrap_or_else(|| panic!("no SESSION_NEXT_MODULE: make test-upgrade"));
    PathBuf::from(next)
}

/// The version of the module that a server has, as in MODULE LIST.
fn version(server: &mut Server) -> u32 {
    let list = server.say("MODULE LIST");
    let of_ours = list.split("name, session, ver, ").nth(1).unwrap_or_else(|| panic!("{list}"));
    of_ours.split([',', ']']).next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs another build of the module: make test-upgrade"]
fn a_pair_is_upgraded_and_goes_back() {
    let mut pair = [Server::new(), Server::new()];
    let [primary, replica] = &mut pair;
    replica.follow(primary);
    let old = version(primary);
    let mut traffic = Traffic::during_pair(&mut pair, 4, |pair| {
        exchange(pair, &next());
        exchange(pair, &module());
    });
    assert!(traffic.commands() > 1000, "{}", traffic.commands());
    let [primary, replica] = &mut pair;
    assert_eq!([version(primary), version(replica)], [old, old]);
    replica.catch_up(primary);
    assert_eq!(replica.say("DEBUG DIGEST"), primary.say("DEBUG DIGEST"));
    for server in [&mut *primary, &mut *replica] {
        server.check_index("after the upgrade and back");
        assert!(!server.log().contains("CRITICAL"), "{}", server.log());
    }
    traffic.check_pair(primary);
    eprintln!("{} commands, {} sessions", traffic.commands(), traffic.sessions());
}

/// Replica first, then a failover, then what was the primary; and a failover again, so that all is where it was.
fn exchange(pair: &mut [Server; 2], module: &Path) {
    for round in 0..2 {
        let (primary, replica) = split(pair, round);
        replica.restart_with(module);
        replica.follow(primary);
        under_load();
        let port = replica.port;
        primary.says(&format!("FAILOVER TO 127.0.0.1 {port}"), "OK");
        wait_until("the failover", || primary.info("replication", "master_link_status") == "up");
        assert_eq!(replica.info("replication", "role"), "master");
        under_load();
    }
    let versions = pair.each_mut().map(version);
    assert_eq!(versions[0], versions[1]);
}

fn split(pair: &mut [Server; 2], primary: usize) -> (&mut Server, &mut Server) {
    let [a, b] = pair;
    if primary == 0 {
        (a, b)
    } else {
        (b, a)
    }
}

/// A while in which nothing but the site's work happens.
fn under_load() {
    sleep(Duration::from_millis(300));
}

#[test]
#[ignore = "needs another build of the module: make test-upgrade"]
fn a_cluster_is_upgraded_and_goes_back() {
    let mut cluster = Cluster::start();
    let old = version(&mut cluster.nodes[0]);
    let mut traffic = Traffic::during_failovers(&mut cluster, 4, |cluster| {
        for module in [next(), module()] {
            upgrade(cluster, &module);
            let versions: Vec<u32> = cluster.nodes.iter_mut().map(version).collect();
            assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
        }
    });
    assert!(traffic.commands() > 1000, "{}", traffic.commands());
    assert_eq!(version(&mut cluster.nodes[0]), old);
    cluster.wait_until_settled();
    cluster.check_indexes("after the upgrade and back");
    traffic.check(&mut cluster);
    for node in &cluster.nodes {
        assert!(!node.log().contains("CRITICAL"), "{}", node.log());
    }
    eprintln!("{} commands, {} sessions", traffic.commands(), traffic.sessions());
}

/// Shard by shard: the replica, a failover, and, when clients have followed, what was its primary.
fn upgrade(cluster: &mut Cluster, module: &Path) {
    for primary in cluster.primaries() {
        let replica = cluster.replica_of(primary);
        cluster.nodes[replica].restart_with(module);
        cluster.nodes[replica].wait_for_link();
        cluster.wait_until_agreed();
        under_load();
        cluster.nodes[replica].says("CLUSTER FAILOVER", "OK");
        wait_until("the failover", || cluster.nodes[replica].info("replication", "role") == "master");
        cluster.wait_until_agreed();
        cluster.nodes[primary].wait_for_link();
        // Clients learn of it by the answer to their next command; one that is ended under them tells them nothing.
        under_load();
        cluster.nodes[primary].restart_with(module);
        cluster.nodes[primary].wait_for_link();
        cluster.wait_until_agreed();
        under_load();
    }
}

//! Loading the module: on which servers it works, and that a server on which it does not goes on.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{loadmodule, module, wait_until, Client, Server};
use redis::ProtocolVersion;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that is too old: Redis 6.0 of Debian's archive, where `scripts/servers.sh bullseye` has unpacked it.
fn old_server() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/servers/bullseye/redis-server");
    if !program.exists() {
        println!("skipped: there is no {} (scripts/servers.sh bullseye unpacks it)", program.display());
        return None;
    }
    Some(program)
}

/// Starts an old server on a free port, with options, and waits until it is ready, or has ended.
fn start_old(program: &Path, dir: &Path, options: &[&str]) -> (Child, u16) {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = launch_old(program, dir, port, options);
        let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        wait_until("the old server", || server.try_wait().unwrap().is_some() || log().contains("Ready to accept"));
        // Another process may have taken the port in between.
        if !log().contains("Address already in use") {
            return (server, port);
        }
        std::fs::remove_file(dir.join("log")).unwrap();
    }
}

fn launch_old(program: &Path, dir: &Path, port: u16, options: &[&str]) -> Child {
    let mut command = Command::new(program);
    // It opens the log where it is when it reads of it.
    command.arg("--dir").arg(dir).args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--logfile",
        "log",
    ]);
    command.args(options).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The lines of a log that tell of our module.
fn lines_of_ours(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("session: ")).collect()
}

const TOO_OLD: &str = "session: not loaded: it needs Redis 7.0 or Valkey 8.0, or a later one; this server, 6.0.";

#[test]
fn a_server_that_is_too_old_says_what_is_needed_and_goes_on() {
    let Some(program) = old_server() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut server, port) = start_old(&program, dir.path(), &[]);
    let mut client = Client::connect(port, ProtocolVersion::RESP2);
    client.says("SET data kept", "OK");
    for args in ["", " default-timeout 60", " nonsense"] {
        let said = client.say(&format!("MODULE LOAD {}{args}", module().display()));
        assert!(said.starts_with("ERR Error loading the extension"), "{said}");
    }
    client.says("GET data", "kept");
    client.says("MODULE LIST", "[]");
    assert!(server.try_wait().unwrap().is_none());
    server.kill().unwrap();
    server.wait().unwrap();
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert_eq!(lines_of_ours(&log).len(), 3, "{log}");
    assert!(lines_of_ours(&log).iter().all(|line| line.contains(TOO_OLD)), "{log}");
}

#[test]
fn a_server_that_is_too_old_does_not_start_with_the_module_and_says_why() {
    let Some(program) = old_server() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut server, _) = start_old(&program, dir.path(), &["--loadmodule", module().to_str().unwrap()]);
    // The server's own way: it ends where a module of its configuration is not loaded.
    assert_eq!(server.wait().unwrap().code(), Some(1));
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(lines_of_ours(&log).len() == 1 && log.contains(TOO_OLD), "{log}");
}

#[test]
fn loading_it_twice_says_so_and_the_first_goes_on() {
    let mut s = Server::with_conf(&["enable-module-command yes", &loadmodule("max-fields 7")]);
    s.says("SESSION.SET a USER alice", "1");
    let copy = s.dir().join("copy.so");
    std::fs::copy(module(), &copy).unwrap();
    for path in [module(), copy] {
        let said = s.say(&format!("MODULE LOAD {} max-fields 9", path.display()));
        assert!(said.starts_with("ERR Error loading the extension"), "{said}");
    }
    let log = s.log();
    let why = "session: not loaded: a module of the name session is loaded already";
    assert_eq!(lines_of_ours(&log).iter().filter(|line| line.contains(why)).count(), 2, "{log}");
    s.says("CONFIG GET session.max-fields", "[session.max-fields, 7]");
    s.says("SESSION.BYUSER alice", "[a]");
    s.check_index("a second load");
}

/// Lines of a configuration with the module and a log of writes, in which these commands are taken away.
fn without(commands: &[&str]) -> Vec<String> {
    let gone = commands.iter().map(|command| format!("rename-command {command} \"\""));
    gone.chain(["appendonly yes".into(), "appendfsync always".into(), loadmodule("")]).collect()
}

fn start_without(commands: &[&str]) -> Result<Server, String> {
    let lines = without(commands);
    Server::try_start(Some(&lines.iter().map(String::as_str).collect::<Vec<_>>()), &[])
}

#[test]
fn what_ends_here_ends_on_replicas_and_in_the_aof_where_del_or_unlink_is_renamed() {
    for gone in ["DEL", "UNLINK"] {
        let [mut primary, mut replica] = [(); 2].map(|()| start_without(&[gone]).unwrap());
        replica.follow(&mut primary);
        for key in ["a", "b", "c", "d", "e"] {
            primary.says(&format!("SESSION.SET {key} USER alice"), "1");
            primary.tick();
        }
        primary.says("SESSION.DEL a", "1");
        primary.says("SESSION.REVOKE alice EXCEPT 3 c d e", "1");
        primary.says("SESSION.SET f USER alice MAXSESSIONS 3 OLDEST", "1");
        primary.tick();
        primary.says("SESSION.ROTATE d g", "2");
        primary.says("SESSION.SET e PXAT 1", "1");
        primary.says("SESSION.BYUSER alice", "[g, f]");
        replica.catch_up(&mut primary);
        let digest = primary.say("DEBUG DIGEST");
        replica.says("SESSION.BYUSER alice", "[g, f]");
        replica.says("DEBUG DIGEST", &digest);
        primary.kill_and_restart();
        primary.says("DEBUG DIGEST", &digest);
        primary.says("SESSION.COUNT alice", "2");
        assert!(!replica.log().contains("CRITICAL"), "{}", replica.log());
    }
}

#[test]
fn without_del_and_unlink_it_is_not_loaded() {
    let Err(log) = start_without(&["DEL", "UNLINK"]) else { panic!("it was loaded") };
    let said = lines_of_ours(&log);
    assert!(said.len() == 1 && said[0].contains("taken away both DEL and UNLINK"), "{log}");
    // A server that runs goes on.
    let renamed = ["DEL", "UNLINK"].map(|name| format!("rename-command {name} HIDDEN{name}"));
    let mut s = Server::with_conf(&["enable-module-command yes", &renamed[0], &renamed[1]]);
    assert!(s.say(&format!("MODULE LOAD {}", module().display())).starts_with("ERR Error loading the extension"));
    s.says("SET a b", "OK");
    s.says("HIDDENDEL a", "1");
}

#[test]
fn in_a_cluster_it_asks_no_command_of_keys_that_can_be_renamed() {
    let cluster = ["cluster-enabled yes", "rename-command MEMORY \"\"", "rename-command SETRANGE \"\""];
    let bus = format!("cluster-port {}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let mut s = Server::with_conf(&[&cluster[..], &[&bus, &loadmodule("")]].concat());
    s.says("CLUSTER ADDSLOTSRANGE 0 16383", "OK");
    wait_until("the cluster", || s.say("CLUSTER INFO").contains("cluster_state:ok"));
    let key = s.say("SESSION.NEW USER alice");
    s.says("SESSION.BYUSER alice", &format!("[{key}]"));
    s.says("SESSION.COUNT alice", "1");
    s.says("SESSION.REVOKE alice", "1");

    drop(s);
    let gone = ["cluster-enabled yes", "rename-command CLUSTER \"\"", &bus, &loadmodule("")];
    let Err(log) = Server::try_start(Some(&gone), &[]) else { panic!("it was loaded") };
    assert!(log.contains("session: not loaded: rename-command has taken away CLUSTER"), "{log}");
}

//! Starts real servers with the module and talks to them.
//!
//! Which server, which client and which module come from the environment (`SESSION_SERVER`, `SESSION_CLI`,
//! `SESSION_MODULE`), so that the same tests run on every server; without it, the stock server and the release build.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod clock;
pub mod cluster;
pub mod subscriber;
pub mod traffic;
pub mod transcript;
pub mod wire;
pub mod workload;

use redis::{Connection, ConnectionLike, ProtocolVersion, RedisConnectionInfo, RedisResult, Value};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub fn module() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/libredis_session.so");
    let module = std::env::var_os("SESSION_MODULE").map_or(default, PathBuf::from);
    assert!(module.exists(), "{} is not there: make build", module.display());
    module
}

pub fn server_program() -> String {
    std::env::var("SESSION_SERVER").unwrap_or_else(|_| "redis-server".into())
}

pub fn cli_program() -> String {
    std::env::var("SESSION_CLI").unwrap_or_else(|_| "redis-cli".into())
}

/// Takes the build with debug assertions for the servers of this process: among other things it decodes every effect that it
/// sends. It also panics where a key or a field asks for that, see tests/panics.rs.
pub fn use_checked_module() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/checked/release/libredis_session.so");
        let module = std::env::var_os("SESSION_CHECKED_MODULE").map_or(default, PathBuf::from);
        std::env::set_var("SESSION_MODULE", module);
    });
}

/// Waits until `done` holds; fails after thirty seconds, which a slow machine may need.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// A server with the module, on a free port of 127.0.0.1, with a data directory of its own. It ends with this value.
pub struct Server {
    child: Child,
    pub port: u16,
    dir: TempDir,
    options: Vec<String>,
    env: Vec<(String, String)>,
    module: PathBuf,
    client: Option<Client>,
}

impl Server {
    /// With options as on the command line: `["--appendonly", "yes"]`; what comes before the first option are arguments
    /// of the module.
    pub fn start(options: &[&str]) -> Self {
        Self::try_start(None, options).unwrap_or_else(|log| panic!("no server would start: {log}"))
    }

    pub fn new() -> Self {
        Self::start(&[])
    }

    /// With these environment variables besides the test's own.
    pub fn start_in(env: &[(&str, &str)], options: &[&str]) -> Self {
        Self::try_start_in(env, None, options).unwrap_or_else(|log| panic!("no server would start: {log}"))
    }

    /// With a configuration file of these lines. The module is loaded if one of them says so: see [`loadmodule`].
    pub fn with_conf(lines: &[&str]) -> Self {
        Self::try_start(Some(lines), &[]).unwrap_or_else(|log| panic!("no server would start: {log}"))
    }

    /// Starts a server with the lines of a configuration file, or else with the module and options; or says what is in
    /// the log of one that would not start.
    pub fn try_start(conf: Option<&[&str]>, options: &[&str]) -> Result<Self, String> {
        Self::try_start_in(&[], conf, options)
    }

    /// Starts a server with the module and options on the files of this folder, or says what is in its log.
    pub fn try_start_on(dir: TempDir, options: &[&str]) -> Result<Self, String> {
        Self::try_start_at(dir, &[], None, options)
    }

    fn try_start_in(env: &[(&str, &str)], conf: Option<&[&str]>, options: &[&str]) -> Result<Self, String> {
        Self::try_start_at(tempfile::tempdir().unwrap(), env, conf, options)
    }

    fn try_start_at(
        dir: TempDir,
        env: &[(&str, &str)],
        conf: Option<&[&str]>,
        options: &[&str],
    ) -> Result<Self, String> {
        let env: Vec<_> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let options: Vec<String> = options.iter().map(|o| o.to_string()).collect();
        let module = module();
        if let Some(lines) = conf {
            std::fs::write(dir.path().join(CONF), lines.join("\n") + "\n").unwrap();
        }
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = launch(port, dir.path(), &options, &env, &module) {
                return Ok(Server { child, port, dir, options, env, module, client: None });
            }
            // Another process may have taken the port in between: then another one is tried.
            let log = log_of(dir.path());
            if !log.contains("Address already in use") {
                return Err(log);
            }
            std::fs::remove_file(dir.path().join("log")).unwrap();
        }
    }

    /// Ends the process at once and starts it again on the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.launch_again();
    }

    /// Shuts the server down in an orderly way and starts it again on the same data.
    pub fn restart(&mut self) {
        self.shut_down();
        self.launch_again();
    }

    /// Shuts the server down in an orderly way.
    pub fn shut_down(&mut self) {
        self.client = None;
        // Refused while a first AOF is being written: then it is asked again.
        wait_until("the server to shut down", || {
            if let Some(mut client) = Client::try_connect(self.port, ProtocolVersion::RESP2) {
                client.send(&[b"SHUTDOWN"]).ok();
            }
            self.child.try_wait().unwrap().is_some()
        });
    }

    /// The same with another build of the module.
    pub fn restart_with(&mut self, module: &Path) {
        self.module = module.into();
        self.restart();
    }

    /// Starts a server that has ended again, on the same data.
    pub fn launch_again(&mut self) {
        let child = launch(self.port, self.dir.path(), &self.options, &self.env, &self.module);
        self.child = child.unwrap_or_else(|| panic!("no restart: {}", log_of(self.dir.path())));
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        self.client = None;
        self.child.kill().ok();
        self.child.wait().ok();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the process takes while something is done to the server, in bytes. What the server itself
    /// says of its peak is looked at between commands only.
    pub fn peak_during(&mut self, happen: impl FnOnce(&mut Server)) -> u64 {
        let proc = Path::new("/proc").join(self.pid().to_string());
        // This sets the mark back to what the process holds now.
        std::fs::write(proc.join("clear_refs"), "5").unwrap();
        happen(self);
        let status = std::fs::read_to_string(proc.join("status")).unwrap();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        mark.trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn log(&self) -> String {
        log_of(self.dir.path())
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client of its own.
    pub fn client(&self) -> Client {
        Client::connect(self.port, ProtocolVersion::RESP2)
    }

    /// A client that speaks RESP3.
    pub fn client3(&self) -> Client {
        Client::connect(self.port, ProtocolVersion::RESP3)
    }

    fn own(&mut self) -> &mut Client {
        let port = self.port;
        self.client.get_or_insert_with(|| Client::connect(port, ProtocolVersion::RESP2))
    }

    /// Takes a new connection from now on: a failover closes those that there are.
    pub fn reconnect(&mut self) {
        self.client = None;
    }

    /// Sends a command; the error is the server's text.
    pub fn send(&mut self, args: &[&[u8]]) -> Result<Value, String> {
        self.own().send(args)
    }

    /// What the server says to a command, words split at blanks, as [`shown`] shows it.
    #[track_caller]
    pub fn say(&mut self, command: &str) -> String {
        self.own().say(command)
    }

    /// Fails unless the server says this to that.
    #[track_caller]
    pub fn says(&mut self, command: &str, expected: &str) {
        self.own().says(command, expected);
    }

    /// Makes this server a replica and waits until it has caught up.
    pub fn follow(&mut self, primary: &mut Server) {
        let port = primary.port;
        self.says(&format!("REPLICAOF 127.0.0.1 {port}"), "OK");
        self.wait_for_link();
        self.catch_up(primary);
    }

    pub fn wait_for_link(&mut self) {
        wait_until("the replica's link", || self.say("INFO replication").contains("master_link_status:up"));
    }

    /// Waits until this replica has all that the primary has written.
    pub fn catch_up(&mut self, primary: &mut Server) {
        wait_until("the replica to catch up", || {
            primary.info("replication", "master_repl_offset") == self.info("replication", "slave_repl_offset")
        });
    }

    /// A field of `INFO`.
    pub fn info(&mut self, section: &str, field: &str) -> String {
        let text = self.say(&format!("INFO {section}"));
        let prefix = format!("{field}:");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().trim().to_string()
    }

    /// What SESSION.INFO says of a session.
    #[track_caller]
    pub fn session(&mut self, key: &str) -> HashMap<String, String> {
        match self.send(&[b"SESSION.INFO", key.as_bytes()]) {
            Ok(Value::Array(parts)) => parts.chunks(2).map(|pair| (shown(&pair[0]), shown(&pair[1]))).collect(),
            other => panic!("SESSION.INFO {key}: {other:?}"),
        }
    }

    /// A number of what SESSION.INFO says of a session.
    #[track_caller]
    pub fn session_number(&mut self, key: &str, what: &str) -> i64 {
        self.session(key)[what].parse().unwrap_or_else(|e| panic!("{what} of {key}: {e}"))
    }

    /// Fails if the index lacks a session or holds what is none.
    #[track_caller]
    pub fn check_index(&mut self, what: &str) {
        let said = self.say("SESSION.VERIFY");
        assert!(said.ends_with(", missing, 0, stale, 0, fixed, 0]"), "{what}: {said}");
    }

    /// The server's clock, in Unix milliseconds.
    pub fn now(&mut self) -> i64 {
        let Ok(Value::Array(parts)) = self.send(&[b"TIME"]) else { panic!("no TIME") };
        let [seconds, micros] = [0, 1].map(|i| shown(&parts[i]).parse::<i64>().unwrap());
        seconds * 1000 + micros / 1000
    }

    /// Waits until the server's clock has reached a time in Unix milliseconds.
    pub fn wait_for(&mut self, time: i64) {
        wait_until("the clock", || self.now() >= time);
    }

    /// Waits until the server's clock shows a later millisecond, so that what follows is later than what came before.
    pub fn tick(&mut self) {
        let next = self.now() + 1;
        self.wait_for(next);
    }

    /// The server's version, and whether it is Valkey.
    pub fn version(&mut self) -> (u32, bool) {
        let valkey = self.info("server", "valkey_version");
        let text = if valkey.is_empty() { self.info("server", "redis_version") } else { valkey.clone() };
        let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap());
        (parts.next().unwrap() * 100 + parts.next().unwrap(), !valkey.is_empty())
    }

    /// Whether it leaves a client in the other database after `MOVE` and `COPY … DB`, of any key, once a module listens to
    /// keyspace events, and sends those commands to replicas and the AOF as if they had been run there:
    /// <https://github.com/valkey-io/valkey/pull/4024>
    pub fn loses_its_database(&mut self) -> bool {
        let (version, valkey) = self.version();
        valkey && (801..=900).contains(&version)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The name of a configuration file in a server's directory.
const CONF: &str = "redis.conf";

/// The line of a configuration file that loads the module with these arguments.
pub fn loadmodule(args: &str) -> String {
    format!("loadmodule {} {args}", module().display())
}

fn log_of(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// Starts a server; nothing if it ended before it answered.
fn launch(port: u16, dir: &Path, options: &[String], env: &[(String, String)], module: &Path) -> Option<Child> {
    let mut command = Command::new(server_program());
    let conf = dir.join(CONF);
    if conf.exists() {
        command.arg(&conf);
    }
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--logfile", "log"]);
    command.args(["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--dir"]).arg(dir);
    if !conf.exists() {
        command.arg("--loadmodule").arg(module);
    }
    command.args(options).envs(env.iter().cloned()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", server_program()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if let Some(mut client) = Client::try_connect(port, ProtocolVersion::RESP2) {
            // It answers while it still loads; and the answer must be this process's, not a stranger's.
            let info = client.say("INFO");
            if info.contains(&format!("process_id:{}\r\n", child.id())) && info.contains("\r\nloading:0\r\n") {
                return Some(child);
            }
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().ok();
    child.wait().ok();
    panic!("the server does not answer: {}", log_of(dir));
}

/// A connection.
pub struct Client(Connection);

impl Client {
    fn try_connect(port: u16, protocol: ProtocolVersion) -> Option<Self> {
        use redis::{ConnectionAddr, IntoConnectionInfo};
        let redis = RedisConnectionInfo::default().set_protocol(protocol).set_skip_set_lib_name();
        let info = ConnectionAddr::Tcp("127.0.0.1".into(), port).into_connection_info().ok()?;
        redis::Client::open(info.set_redis_settings(redis)).ok()?.get_connection().ok().map(Client)
    }

    pub fn connect(port: u16, protocol: ProtocolVersion) -> Self {
        Self::try_connect(port, protocol).expect("a connection")
    }

    /// What the server says; nothing where the connection breaks.
    pub fn try_say(&mut self, command: &str) -> Option<String> {
        let args: Vec<&str> = command.split(' ').collect();
        match self.0.req_packed_command(&packed(&args)) {
            Err(error) if error.is_io_error() || error.is_connection_dropped() => None,
            reply => Some(answer(reply).map_or_else(|error| error, |value| shown(&value))),
        }
    }

    pub fn send(&mut self, args: &[&[u8]]) -> Result<Value, String> {
        answer(self.0.req_packed_command(&packed(args)))
    }

    /// Sends commands all at once; their replies, in order.
    pub fn send_all<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> Vec<Result<Value, String>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| packed(command)).collect();
        self.0.send_packed_command(&bytes).unwrap();
        commands.iter().map(|_| answer(self.0.recv_response())).collect()
    }

    /// What the server sends without being asked: a message of a subscription.
    pub fn receive(&mut self) -> Value {
        self.0.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        self.0.recv_response().unwrap()
    }

    #[track_caller]
    pub fn say(&mut self, command: &str) -> String {
        let args: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        match self.send(&args) {
            Ok(value) => shown(&value),
            Err(error) => error,
        }
    }

    #[track_caller]
    pub fn says(&mut self, command: &str, expected: &str) {
        assert_eq!(self.say(command), expected, "{command}");
    }
}

fn packed(args: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut command = redis::Cmd::new();
    args.iter().for_each(|arg| {
        command.arg(arg.as_ref());
    });
    command.get_packed_command()
}

fn answer(reply: RedisResult<Value>) -> Result<Value, String> {
    reply.and_then(Value::extract_error).map_err(|error| match error.code() {
        Some(code) => format!("{code} {}", error.detail().unwrap_or_default()),
        None => error.to_string(),
    })
}

/// A reply in one line: `nil`, `3`, `text`, `[a, b]`, `{a: b}`; bytes that are not printable as `\xNN`.
pub fn shown(value: &Value) -> String {
    let list = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    match value {
        Value::Nil => "nil".into(),
        Value::Int(i) => i.to_string(),
        Value::BulkString(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.to_string(),
            _ => bytes.escape_ascii().to_string(),
        },
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".into(),
        Value::Array(values) | Value::Set(values) => format!("[{}]", list(values)),
        Value::Map(pairs) => {
            let mut out = String::from("{");
            for (i, (key, value)) in pairs.iter().enumerate() {
                write!(out, "{}{}: {}", if i > 0 { ", " } else { "" }, shown(key), shown(value)).unwrap();
            }
            out + "}"
        }
        Value::VerbatimString { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

/// The part of a file from `offset` on.
pub fn tail(path: &Path, offset: u64) -> Vec<u8> {
    let mut file = std::fs::File::open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

//! What a new version of the module does with old data, and an old one with new.
//!
//! `tests/formats/<version>/` keeps what a released version has written: an RDB file, append-only files as they grow, as they are
//! rewritten and behind an RDB preamble, DUMP payloads, and what was to be seen of the sessions in them. Every later version reads all
//! of them for ever. The server that wrote them had its clock in the year 2500, so that no deadline passes. A version that writes
//! something new gets a folder of its own, and no folder is changed:
//!
//!     cargo test --test versions -- --ignored
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::wire::Replica;
use common::{clock, module, shown, wait_until, wire, Server};
use redis::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

// --- Old data, this version ---

#[test]
fn an_rdb_file_of_each_version_is_read() {
    for (folder, facts) in versions() {
        let mut server = on_data(&folder.join("rdb"), &[]);
        sees(&mut server, &facts, &folder.display().to_string());
        server.check_index("an old RDB file");
    }
}

#[test]
fn append_only_files_of_each_version_are_read() {
    for (folder, facts) in versions() {
        for kind in AOFS {
            let mut server = on_data(&folder.join(kind), AOF);
            sees(&mut server, &facts, &format!("{} {kind}", folder.display()));
            server.check_index(kind);
        }
    }
}

#[test]
fn dump_payloads_of_each_version_are_restored() {
    for (folder, facts) in versions() {
        let mut server = Server::new();
        for line in std::fs::read_to_string(folder.join("dumps")).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [db, key, expiry, payload] = words[..] else { panic!("{line}") };
            server.says(&format!("SELECT {db}"), "OK");
            let (key, payload) = (from_hex(key), from_hex(payload));
            let restored = server.send(&[b"RESTORE", &key, expiry.as_bytes(), &payload, b"ABSTTL"]);
            assert_eq!(restored.map(|value| shown(&value)), Ok("OK".into()), "{line}");
        }
        sees(&mut server, &facts, &folder.display().to_string());
        server.check_index("old payloads");
    }
}

/// And can be written on: what an old version wrote is changed, saved and read again as what this one writes.
#[test]
fn sessions_of_each_version_go_on() {
    for (folder, _) in versions() {
        let mut server = on_data(&folder.join("rdb"), &[]);
        let before = server.session("user");
        server.says("SESSION.SET user XX FIELDS 1 since then", &(number(&before["version"]) + 1).to_string());
        server.says("SESSION.ROTATE timed later GRACE 10", "2");
        // One of them is the snapshot that the rotation left.
        server.says("SESSION.REVOKE bob EXCEPT 1 later", "4");
        let after = seen(&mut server);
        server.says("DEBUG RELOAD", "OK");
        assert_eq!(seen(&mut server), after);
        server.says("SESSION.GET user FIELDS 1 since", "[then]");
        assert_eq!(server.session("user")["created"], before["created"]);
        server.check_index("after changes");
    }
}

/// The files hold every part that an effect can have, else they would prove less than they seem to.
#[test]
fn the_files_of_the_first_version_hold_all_that_its_format_has() {
    let server = on_data(&formats().join("0.1.0/aof"), AOF);
    let effects = wire::aof(&server, "incr").into_iter().filter(|command| command[0] == b"SESSION.APPLY");
    let parts = effects.fold(0, |parts, effect| parts | u16::from_le_bytes([effect[2][0], effect[2][1]]));
    assert_eq!(parts & 0x0f, 1, "the format");
    assert_eq!(parts >> 4 & !KEEPTTL, KNOWN & !KEEPTTL);
    let server = on_data(&formats().join("0.1.0/aof-rewritten"), AOF);
    let effects = wire::aof(&server, "base").into_iter().filter(|command| command[0] == b"SESSION.APPLY");
    let parts = effects.fold(0, |parts, effect| parts | u16::from_le_bytes([effect[2][0], effect[2][1]]));
    assert_ne!(parts >> 4 & KEEPTTL, 0);
}

/// Bits of the parts of an effect: all that 0.1.0 knows, and that of an effect that leaves the key's own expiry alone.
const KNOWN: u16 = (1 << 10) - 1;
const KEEPTTL: u16 = 1 << 6;

// --- New data, an older version: this one, of data that a later one would write ---

/// What makes a record or an effect one of a later version, and what this one says to it.
type Later = (fn(&mut [u8]), &'static str);
const LATER: [Later; 2] = [
    (|head| head[0] += 1, "session payload of format 2, this module knows 1"),
    (|head| head[1] |= 0x40, "session payload of a later version of this module (it has parts 0x400)"),
];

#[test]
fn a_payload_of_a_later_version_is_refused_by_restore_and_nothing_changes() {
    let mut server = Server::new();
    let (record, dump) = a_session(&mut server);
    for (change, why) in LATER {
        let later = with(&dump, &record, change);
        let said = server.send(&[b"RESTORE", b"copy", b"0", &sealed(later), b"REPLACE"]).unwrap_err();
        assert_eq!(said, "ERR Bad data format");
        assert!(server.log().contains(&format!("session: {why}")), "{}", server.log());
        server.says("DBSIZE", "1");
    }
    // The checksum was right: what was not changed is taken.
    assert!(server.send(&[b"RESTORE", b"copy", b"0", &sealed(with(&dump, &record, |_| ()))]).is_ok());
}

#[test]
fn a_server_does_not_start_on_an_rdb_file_of_a_later_version_and_says_why() {
    for (change, why) in LATER {
        let mut server = Server::start(&["--rdbcompression", "no"]);
        let (record, _) = a_session(&mut server);
        server.says("SAVE", "OK");
        let file = std::fs::read(server.dir().join("dump.rdb")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dump.rdb"), sealed(with(&file, &record, change))).unwrap();
        let log = try_on_data(folder.path(), &[]).err().unwrap();
        assert!(log.contains(&format!("session: {why}")), "{log}");
    }
}

#[test]
fn an_effect_of_a_later_version_changes_nothing_and_is_reported() {
    for (change, why) in LATER {
        let mut server = Server::new();
        let (mut effect, _) = a_session(&mut server);
        change(&mut effect);
        let said = server.send(&[b"SESSION.APPLY", b"k", &effect]).unwrap_err();
        assert_eq!(said, format!("ERR {why}"));
        server.says("SESSION.GET k", "[cart, book]");
        // A replica that is sent it: it goes on, and says so.
        let mut replica = Server::new();
        let mut primary = wire::Primary::of(&mut replica, &empty_rdb());
        primary.send(&mut replica, &[vec![b"SESSION.APPLY".to_vec(), b"k".to_vec(), effect.clone()]]);
        wait_until("the replica to report it", || {
            let log = replica.log();
            log.contains("== CRITICAL ==") && log.contains(why)
        });
        replica.says("DBSIZE", "0");
    }
}

/// The server itself would go on after the error of a command in its own file, and leave out the session at the next rewrite.
#[test]
fn a_server_does_not_start_on_an_append_only_file_of_a_later_version_and_says_why() {
    for (change, why) in LATER {
        let mut server = Server::start(AOF);
        let (record, _) = a_session(&mut server);
        let folder = tempfile::tempdir().unwrap();
        keep(&server, folder.path(), ".");
        let file = folder.path().join("appendonlydir/appendonly.aof.1.incr.aof");
        std::fs::write(&file, with(&std::fs::read(&file).unwrap(), &record, change)).unwrap();
        let log = try_on_data(folder.path(), AOF).err().unwrap();
        assert!(
            log.contains(&format!("session: {why}. Start the server with the version that wrote this file.")),
            "{log}"
        );
    }
}

/// A session's record, and the payload of DUMP that holds it, uncompressed.
fn a_session(server: &mut Server) -> (Vec<u8>, Vec<u8>) {
    server.says("CONFIG SET rdbcompression no", "OK");
    let mut replica = Replica::of(server);
    server.says("SESSION.SET k USER alice FIELDS 1 cart book", "1");
    let record = replica.commands(server).remove(0).remove(2);
    match server.send(&[b"DUMP", b"k"]) {
        Ok(Value::BulkString(dump)) => (record, dump),
        other => panic!("{other:?}"),
    }
}

/// These bytes with the head of the record in them changed.
fn with(bytes: &[u8], record: &[u8], change: fn(&mut [u8])) -> Vec<u8> {
    let at = bytes.windows(record.len()).position(|part| part == record).unwrap();
    let mut bytes = bytes.to_vec();
    change(&mut bytes[at..]);
    bytes
}

/// These bytes with the checksum of RDB files and DUMP payloads, which are their last eight.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let sum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn empty_rdb() -> Vec<u8> {
    let mut server = Server::new();
    server.says("SAVE", "OK");
    std::fs::read(server.dir().join("dump.rdb")).unwrap()
}

// --- The files ---

/// How a server is told to read them.
const AOF: &[&str] = &["--appendonly", "yes"];

/// As they grew; as they were rewritten; and grown again behind an RDB preamble.
const AOFS: [&str; 3] = ["aof", "aof-rewritten", "aof-preamble"];

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

/// The folder of each version that has one, and what was to be seen.
fn versions() -> BTreeMap<PathBuf, String> {
    let folders = std::fs::read_dir(formats()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let versions: BTreeMap<_, _> =
        folders.map(|folder| (folder.clone(), std::fs::read_to_string(folder.join("facts")).unwrap())).collect();
    assert!(!versions.is_empty());
    versions
}

/// A server on a copy of the files of a folder.
fn on_data(folder: &Path, options: &[&str]) -> Server {
    try_on_data(folder, options).unwrap_or_else(|log| panic!("{}: {log}", folder.display()))
}

/// The same, or the log of one that does not start.
fn try_on_data(folder: &Path, options: &[&str]) -> Result<Server, String> {
    let copy = tempfile::tempdir().unwrap();
    let said = std::process::Command::new("cp").arg("-r").arg(folder.join(".")).arg(copy.path()).status().unwrap();
    assert!(said.success());
    Server::try_start_on(copy, options)
}

/// Fails at the first line that is not what was written down.
#[track_caller]
fn sees(server: &mut Server, facts: &str, what: &str) {
    let seen = seen(server);
    let mut lines = seen.lines().zip(facts.lines()).skip(1);
    let differ = lines.find(|(seen, fact)| seen != fact);
    assert_eq!(differ, None, "{what}");
    assert_eq!(seen, facts, "{what}");
}

/// All that is to be seen of sessions.
fn seen(server: &mut Server) -> String {
    let mut seen = format!("digest {}\n", server.say("DEBUG DIGEST"));
    for db in [3, 0] {
        server.says(&format!("SELECT {db}"), "OK");
        for key in keys(server) {
            let mut say = |command: &str| server.send(&[command.as_bytes(), &key]).map_or_else(|e| e, |v| shown(&v));
            let [expiry, info, data] = ["PEXPIRETIME", "SESSION.INFO", "SESSION.GET"].map(&mut say);
            writeln!(seen, "{db} {}: {expiry} {info} {data}", key.escape_ascii()).unwrap();
        }
        for user in ["alice", "bob", "carol", "\u{1f36a}"] {
            writeln!(seen, "{db} of {user}: {}", server.say(&format!("SESSION.BYUSER {user}"))).unwrap();
        }
    }
    seen
}

fn keys(server: &mut Server) -> Vec<Vec<u8>> {
    let Ok(Value::Array(keys)) = server.send(&[b"KEYS", b"*"]) else { panic!("no KEYS") };
    let bytes = |key| if let Value::BulkString(bytes) = key { bytes } else { panic!("{key:?}") };
    let mut keys: Vec<_> = keys.into_iter().map(bytes).collect();
    keys.sort();
    keys
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

// --- Writing them ---

/// Sessions of every shape, by every way in which effects come about.
const SHAPES: &[&str] = &[
    "SESSION.SET bare",
    "SESSION.SET anonymous FIELDS 2 theme dark lang en",
    "SESSION.SET user USER alice FIELDS 1 cart book",
    "SESSION.SET cookie USER \u{1f36a} FIELDS 1 ключ значение",
    "SESSION.SET json USER alice JSON {\"n\":1e400,\"list\":[1,\"two\",null],\"text\":\"é\"}",
    "SESSION.SET mixed USER alice FIELDS 1 raw [1] JSON {\"n\":[1]}",
    "SESSION.SET timed USER bob PX 500000 PLIFETIME 900000",
    "SESSION.SET ends USER bob PERSIST EXAT 250000000000",
    "SESSION.SET endless PERSIST NOLIFETIME",
    "SESSION.SET changed USER carol FIELDS 3 a 1 b 2 c 3",
    "SESSION.SET changed FIELDS 1 a 11 UNSET 1 b",
    "SESSION.SET replaced USER carol FIELDS 2 a 1 b 2",
    "SESSION.SET replaced REPLACE FIELDS 1 only this",
    "SESSION.SET emptied USER carol FIELDS 1 a 1",
    "SESSION.UNSET emptied FIELDS 1 a",
    "SESSION.SET nobodys USER carol FIELDS 1 a 1",
    "SESSION.SET nobodys NOUSER",
    "SESSION.SET visits USER alice FIELDS 2 flash saved token t",
    "SESSION.POP visits FIELDS 1 flash",
    "SESSION.UNSET visits KEEPTTL FIELDS 1 token",
    "SESSION.INCRBY visits n 41",
    "SESSION.INCRBY visits n 1",
    "SESSION.SET touched USER alice",
    "SESSION.TOUCH touched bare",
    "SESSION.GETEX touched EX 5000",
    "SESSION.ADJUST touched EX 6000 LIFETIME 86400",
    "SESSION.SET visitor FIELDS 1 cart book",
    "SESSION.ROTATE visitor signed-in USER bob GRACE 300",
    "SESSION.SET once",
    "SESSION.ROTATE once twice USER bob",
    "SESSION.SET gone USER alice",
    "SESSION.DEL gone",
    "SESSION.SET capped USER dave",
    "SESSION.SET capped-too USER dave MAXSESSIONS 1 OLDEST",
    "SESSION.SET shorter USER alice",
    "EXPIRE shorter 1000",
    "SESSION.SET longer USER alice",
    "PERSIST longer",
    "SESSION.SET renamed-soon USER alice",
    "RENAME renamed-soon renamed",
    "COPY user copy",
];

/// The year 2500, in Unix seconds.
const THEN: u64 = 16_725_225_600;

#[test]
#[ignore = "writes tests/formats/<this version>, once for each version that writes something new"]
fn write_the_files_of_this_version() {
    let folder = formats().join(env!("CARGO_PKG_VERSION"));
    assert!(!folder.exists(), "{} is there: what a version has written is not changed", folder.display());
    let (library, dir) = (clock::library().unwrap(), tempfile::tempdir().unwrap());
    let skew = dir.path().join("skew");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    std::fs::write(&skew, (THEN - now).to_string()).unwrap();
    let env = [("LD_PRELOAD", library.to_str().unwrap()), ("CLOCK_SKEW", skew.to_str().unwrap())];
    let mut s = Server::start_in(&env, &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    for (db, command) in [0, 3].iter().flat_map(|db| SHAPES.iter().map(move |command| (db, command))) {
        s.says(&format!("SELECT {db}"), "OK");
        let said = s.say(command);
        assert!(!said.contains("ERR"), "{command}: {said}");
        s.tick(); // so that no two sessions have the same times
    }
    s.send(&[b"SESSION.SET", b"\0\r\n\xff", b"FIELDS", b"2", b"\0\xfe", b"\r\n", b"", &[b'x'; 5_000]]).unwrap();
    keep(&s, &folder, "aof");
    rewrite(&mut s);
    keep(&s, &folder, "aof-rewritten");
    s.says("CONFIG SET aof-use-rdb-preamble yes", "OK");
    s.says("COPY bare before", "1");
    rewrite(&mut s);
    s.says("DEL before", "1");
    keep(&s, &folder, "aof-preamble");
    s.says("SAVE", "OK");
    std::fs::create_dir(folder.join("rdb")).unwrap();
    std::fs::copy(s.dir().join("dump.rdb"), folder.join("rdb/dump.rdb")).unwrap();
    std::fs::write(folder.join("dumps"), dumps(&mut s)).unwrap();
    std::fs::write(folder.join("facts"), seen(&mut s)).unwrap();
    println!("written with {}", module().display());
}

fn keep(s: &Server, folder: &Path, name: &str) {
    let (from, to) = (s.dir().join("appendonlydir"), folder.join(name).join("appendonlydir"));
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn rewrite(s: &mut Server) {
    let before = s.info("persistence", "aof_rewrites");
    s.say("BGREWRITEAOF");
    wait_until("the rewrite", || {
        s.info("persistence", "aof_rewrites") != before && s.info("persistence", "aof_rewrite_in_progress") == "0"
    });
}

/// Of each session: database, key, expiry and payload, in hexadecimal.
fn dumps(s: &mut Server) -> String {
    let mut lines = String::new();
    for db in [0, 3] {
        s.says(&format!("SELECT {db}"), "OK");
        for key in keys(s) {
            let mut ask = |command: &[u8]| s.send(&[command, &key]).unwrap();
            let (expiry, dump) = (shown(&ask(b"PEXPIRETIME")), ask(b"DUMP"));
            let Value::BulkString(payload) = dump else { panic!("{dump:?}") };
            let expiry = if expiry == "-1" { "0".into() } else { expiry };
            writeln!(lines, "{db} {} {expiry} {}", hex(&key), hex(&payload)).unwrap();
        }
    }
    lines
}

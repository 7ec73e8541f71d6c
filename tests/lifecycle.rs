//! What the server does to keys, and what sessions and index are afterwards.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::wire::Replica;
use common::{shown, wait_until, Client, Server};
use redis::Value;

/// Something that happens to session `a`, made with these options; then, which keys hold such a session in its own
/// database, and which in the other one.
type Path = (&'static str, &'static str, fn(&mut Server, &Place), &'static [&'static str], &'static [&'static str]);

/// Where it happens.
struct Place {
    db: usize,
    other: usize,
}

const PATHS: &[Path] = &[
    ("nothing", "", |_, _| {}, &["a"], &[]),
    ("DEL", "", |s, _| s.says("DEL a", "1"), &[], &[]),
    ("UNLINK", "", |s, _| s.says("UNLINK a", "1"), &[], &[]),
    ("SESSION.DEL", "", |s, _| s.says("SESSION.DEL a", "1"), &[], &[]),
    ("SESSION.REVOKE", "", |s, _| revoke(s, "SESSION.REVOKE alice"), &[], &[]),
    ("SESSION.REVOKE ONLY", "", |s, _| revoke(s, "SESSION.REVOKE alice ONLY 2 none a"), &[], &[]),
    ("SESSION.REVOKE ONLY another", "", |s, _| s.says("SESSION.REVOKE alice ONLY 1 b", "0"), &["a"], &[]),
    ("SESSION.REVOKE of another user", "", |s, _| s.says("SESSION.REVOKE bob ONLY 1 a", "0"), &["a"], &[]),
    ("SESSION.ROTATE", "", |s, _| s.says("SESSION.ROTATE a b", "2"), &["b"], &[]),
    ("SESSION.ROTATE and the snapshot's end", "", |s, _| rotate_and_del_snapshot(s), &["b"], &[]),
    ("SESSION.ROTATE and its end", "", |s, _| rotate_and_del(s), &[], &[]),
    ("idle timeout", "PX 20", |s, _| wait_until_gone(s, "a"), &[], &[]),
    ("lifetime", "PLIFETIME 20", |s, _| wait_until_gone(s, "a"), &[], &[]),
    ("fixed end", "PERSIST PXAT {soon}", |s, _| wait_until_gone(s, "a"), &[], &[]),
    ("an end that is past", "", |s, _| s.says("SESSION.ADJUST a PXAT 1", "1"), &[], &[]),
    ("PEXPIRE", "", |s, _| expire_by_hand(s, "20"), &[], &[]),
    ("PEXPIRE that is past", "", |s, _| s.says("PEXPIRE a -1", "1"), &[], &[]),
    ("PEXPIRE to no avail", "PX 150", |s, _| outlive(s, "PEXPIRE a 100000"), &[], &[]),
    ("PERSIST to no avail", "PX 150", |s, _| outlive(s, "PERSIST a"), &[], &[]),
    ("RESTORE", "", |s, _| restore(s, &[b"0"]), &["a", "b"], &[]),
    ("RESTORE with a TTL", "", |s, _| restore(s, &[b"100000"]), &["a", "b"], &[]),
    ("RESTORE of what is past", "", |s, _| restore(s, &[b"1", b"ABSTTL"]), &["a"], &[]),
    ("RESTORE over another session", "", |s, _| over(s, |s| restore(s, &[b"0", b"REPLACE"])), &["a", "b"], &[]),
    (
        "RESTORE of what is past over another session",
        "",
        |s, _| over(s, |s| restore(s, &[b"1", b"ABSTTL", b"REPLACE"])),
        &["a"],
        &[],
    ),
    ("RENAME", "", |s, _| s.says("RENAME a b", "OK"), &["b"], &[]),
    ("RENAME there and back", "", |s, _| there_and_back(s, "RENAME a b", "RENAME b a"), &["a"], &[]),
    ("RENAMENX", "", |s, _| s.says("RENAMENX a b", "1"), &["b"], &[]),
    ("RENAMENX to no avail", "", |s, _| over(s, |s| s.says("RENAMENX a b", "0")), &["a"], &[]),
    ("RENAME to itself", "", |s, _| s.says("RENAME a a", "OK"), &["a"], &[]),
    ("RENAME over another session", "", |s, _| over(s, |s| s.says("RENAME a b", "OK")), &["b"], &[]),
    ("RENAME of another session over it", "", |s, _| over(s, |s| s.says("RENAME b a", "OK")), &[], &[]),
    ("RENAME over a string", "", |s, _| over_string(s, "RENAME a b", "OK"), &["b"], &[]),
    ("RENAME of a string over it", "", |s, _| over_string(s, "RENAME b a", "OK"), &[], &[]),
    ("COPY", "", |s, _| s.says("COPY a b", "1"), &["a", "b"], &[]),
    ("COPY over another session", "", |s, _| over(s, |s| s.says("COPY a b REPLACE", "1")), &["a", "b"], &[]),
    ("COPY of another session over it", "", |s, _| over(s, |s| s.says("COPY b a REPLACE", "1")), &[], &[]),
    ("COPY over a string", "", |s, _| over_string(s, "COPY a b REPLACE", "1"), &["a", "b"], &[]),
    ("COPY to no avail", "", |s, _| over(s, |s| s.says("COPY a b", "0")), &["a"], &[]),
    ("COPY elsewhere", "", |s, at| s.says(&format!("COPY a b DB {}", at.other), "1"), &["a"], &["b"]),
    ("MOVE", "", |s, at| s.says(&format!("MOVE a {}", at.other), "1"), &[], &["a"]),
    ("SWAPDB", "", |s, at| s.says(&format!("SWAPDB {} {}", at.db, at.other), "OK"), &[], &["a"]),
    ("SWAPDB to itself", "", |s, at| s.says(&format!("SWAPDB {0} {0}", at.db), "OK"), &["a"], &[]),
    ("FLUSHDB", "", |s, _| s.says("FLUSHDB SYNC", "OK"), &[], &[]),
    ("FLUSHDB ASYNC", "", |s, _| s.says("FLUSHDB ASYNC", "OK"), &[], &[]),
    ("FLUSHDB elsewhere", "", flush_elsewhere, &["a"], &[]),
    ("FLUSHALL", "", |s, _| s.says("FLUSHALL SYNC", "OK"), &[], &[]),
    ("FLUSHALL ASYNC", "", |s, _| s.says("FLUSHALL ASYNC", "OK"), &[], &[]),
    ("SET", "", |s, _| s.says("SET a string", "OK"), &[], &[]),
    ("a result stored over it", "", |s, _| over_set(s, "SUNIONSTORE a b", "1"), &[], &[]),
    ("an empty result stored over it", "", |s, _| s.says("SUNIONSTORE a b", "0"), &[], &[]),
    ("eviction", "", |s, _| evict(s), &[], &[]),
    ("DEBUG RELOAD", "", |s, _| s.says("DEBUG RELOAD", "OK"), &["a"], &[]),
];

/// Ends the session by its user, which it is given if it has none.
fn revoke(s: &mut Server, command: &str) {
    s.says("SESSION.SET a USER alice", "2");
    s.says(command, "1");
}

fn rotate_and_del_snapshot(s: &mut Server) {
    s.says("SESSION.ROTATE a b GRACE 100", "2");
    s.says("SESSION.DEL a", "1");
}

fn rotate_and_del(s: &mut Server) {
    s.says("SESSION.ROTATE a b GRACE 100", "2");
    s.says("SESSION.DEL b", "1");
}

fn wait_until_gone(s: &mut Server, key: &str) {
    wait_until("a session to expire", || s.say(&format!("EXISTS {key}")) == "0");
}

fn expire_by_hand(s: &mut Server, ms: &str) {
    s.says(&format!("PEXPIRE a {ms}"), "1");
    wait_until_gone(s, "a");
}

/// A command that would have the key outlive the session in it.
fn outlive(s: &mut Server, command: &str) {
    s.say(command);
    wait_until("a session to end", || s.say("SESSION.GET a") == "nil");
}

/// Restores `b` from the payload of `a`, with this TTL and options.
fn restore(s: &mut Server, options: &[&[u8]]) {
    let Ok(Value::BulkString(payload)) = s.send(&[b"DUMP", b"a"]) else { panic!("no payload") };
    let mut command: Vec<&[u8]> = vec![b"RESTORE", b"b", options[0], &payload];
    command.extend(&options[1..]);
    assert_eq!(s.send(&command), Ok(Value::Okay));
}

/// What happens where `b` is another user's session.
fn over(s: &mut Server, happen: fn(&mut Server)) {
    s.says("SESSION.SET b USER bob FIELDS 1 name Bob", "1");
    s.says("SESSION.COUNT bob", "1");
    happen(s);
}

fn over_string(s: &mut Server, command: &str, expected: &str) {
    s.says("SET b string", "OK");
    s.says(command, expected);
}

fn over_set(s: &mut Server, command: &str, expected: &str) {
    s.says("SADD b member", "1");
    s.says(command, expected);
}

fn there_and_back(s: &mut Server, there: &str, back: &str) {
    s.says(there, "OK");
    s.says(back, "OK");
}

fn flush_elsewhere(s: &mut Server, at: &Place) {
    s.says(&format!("SELECT {}", at.other), "OK");
    s.says("SESSION.SET b USER alice", "1");
    s.says("FLUSHDB", "OK");
    s.says(&format!("SELECT {}", at.db), "OK");
}

fn evict(s: &mut Server) {
    s.says("CONFIG SET maxmemory-policy allkeys-random maxmemory 1", "OK");
    wait_until("a session to be evicted", || s.say("DBSIZE") == "0");
    s.says("CONFIG SET maxmemory 0", "OK");
}

/// Fails unless these keys hold the session in the selected database, and no others do.
fn check(s: &mut Server, user: &str, value: &str, expected: &[&str], what: &str) {
    for key in ["a", "b"] {
        let data = s.send(&[b"SESSION.GET", key.as_bytes()]).map_or_else(|error| error, |value| shown(&value));
        if expected.contains(&key) {
            assert!(data == format!("[name, Ann, value, {value}]"), "GET {key} {what}: {:.100}", data);
            assert_eq!(s.session(key)["user"], if user.is_empty() { "nil" } else { user }, "{what}");
        } else {
            assert!(
                data == "nil" || data.starts_with("WRONGTYPE") || data == "[name, Bob]",
                "{key} {what}: {data:.100}"
            );
        }
    }
    let expected: Vec<_> = if user.is_empty() { vec![] } else { expected.into() };
    let mut listed = s.send(&[b"SESSION.BYUSER", b"alice"]).map(|value| match value {
        Value::Array(keys) => keys.iter().map(shown).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    listed.as_mut().unwrap().sort();
    assert_eq!(listed.unwrap(), expected, "BYUSER {what}");
    assert_eq!(s.say("SESSION.COUNT alice"), expected.len().to_string(), "COUNT {what}");
    s.check_index(what);
    // Bob's session has the name of one of alice's keys, so it is there or it is not.
    let bob = ["a", "b"].iter().filter(|key| s.say(&format!("SESSION.GET {key}")) == "[name, Bob]").count();
    assert_eq!(s.say("SESSION.COUNT bob"), bob.to_string(), "{what}");
}

fn walk_all_paths(value: &str) {
    let mut primary = Server::new();
    let mut replica = Server::new();
    replica.follow(&mut primary);
    primary.says("CONFIG SET session.max-bytes 4000000", "OK");
    let skipped: &[&str] = if primary.loses_its_database() { &["MOVE", "COPY elsewhere"] } else { &[] };
    for place in [Place { db: 0, other: 1 }, Place { db: 1, other: 0 }] {
        for user in ["alice", ""] {
            for (name, options, happen, here, there) in PATHS.iter().filter(|path| !skipped.contains(&path.0)) {
                let what = format!("after {name} in database {} for user '{user}'", place.db);
                let s = &mut primary;
                s.says("FLUSHALL", "OK");
                s.says(&format!("SELECT {}", place.db), "OK");
                let options = options.replace("{soon}", &(s.now() + 20).to_string());
                let owner = if user.is_empty() { String::new() } else { format!("USER {user} ") };
                let set = format!("SESSION.SET a {owner}{options} FIELDS 2 name Ann value {value}").replace("  ", " ");
                assert_eq!(s.say(&set), "1", "{what}");
                happen(s, &place);
                replica.catch_up(&mut primary);
                for (server, whose) in [(&mut primary, "primary"), (&mut replica, "replica")] {
                    for (db, expected) in [(place.db, here), (place.other, there)] {
                        server.says(&format!("SELECT {db}"), "OK");
                        check(server, user, value, expected, &format!("{what} on the {whose} in {db}"));
                    }
                }
            }
        }
    }
}

// ---- Every way of putting a session under a key

/// One command, or several one behind the other.
type Commands = Vec<Vec<Vec<u8>>>;

fn words(command: &str) -> Vec<Vec<u8>> {
    command.split(' ').map(Into::into).collect()
}

/// A way to put the session `a` under another key or into another database: its name, whether `b` is bob's session in
/// both databases before, the commands, which keys hold alice's session afterwards in its own database, and in the
/// other.
struct Way {
    name: &'static str,
    over: bool,
    commands: Commands,
    here: &'static [&'static str],
    there: &'static [&'static str],
}

/// What travels: the payload of the session as DUMP makes it, and as an effect.
struct Payloads {
    dump: Vec<u8>,
    effect: Vec<u8>,
}

/// All of them, for one in database `db`; the other is `other`.
fn ways(db: usize, other: usize, payloads: &Payloads) -> Vec<Way> {
    let mut ways = Vec::new();
    let mut add = |name, over, commands: &[Vec<Vec<u8>>], here, there| {
        ways.push(Way { name, over, commands: commands.to_vec(), here, there });
    };
    let restore = |options: &[&[u8]]| {
        let mut command = vec![b"RESTORE".to_vec(), b"b".to_vec(), options[0].to_vec(), payloads.dump.clone()];
        command.extend(options[1..].iter().map(|option| option.to_vec()));
        command
    };
    let apply = |key: &[u8]| vec![b"SESSION.APPLY".to_vec(), key.to_vec(), payloads.effect.clone()];
    let both: &[&str] = &["a", "b"];
    for over in [false, true] {
        add("RENAME", over, &[words("RENAME a b")], &["b"], &[]);
        add("COPY REPLACE", over, &[words("COPY a b REPLACE")], both, &[]);
        add("COPY DB REPLACE", over, &[words(&format!("COPY a b DB {other} REPLACE"))], &["a"], &["b"]);
        add("RESTORE REPLACE", over, &[restore(&[b"0", b"REPLACE"])], both, &[]);
        add("RESTORE TTL REPLACE", over, &[restore(&[b"900000", b"REPLACE"])], both, &[]);
        add("RESTORE ABSTTL REPLACE", over, &[restore(&[b"4000000000000", b"ABSTTL", b"REPLACE"])], both, &[]);
        add("SESSION.APPLY", over, &[apply(b"b")], both, &[]);
        add("SWAPDB", over, &[words(&format!("SWAPDB {db} {other}"))], &[], &["a"]);
    }
    add("RENAMENX", false, &[words("RENAMENX a b")], &["b"], &[]);
    add("COPY", false, &[words("COPY a b")], both, &[]);
    add("COPY DB", false, &[words(&format!("COPY a b DB {other}"))], &["a"], &["b"]);
    add("COPY DB of the same name", false, &[words(&format!("COPY a a DB {other}"))], &["a"], &["a"]);
    add("MOVE", false, &[words(&format!("MOVE a {other}"))], &[], &["a"]);
    add("RESTORE", false, &[restore(&[b"0"])], both, &[]);
    add("RESTORE TTL", false, &[restore(&[b"900000"])], both, &[]);
    add("SESSION.APPLY of itself", false, &[apply(b"a")], &["a"], &[]);
    add("DEL and RESTORE", true, &[words("DEL b"), restore(&[b"0"])], both, &[]);
    add("RENAME there and back", false, &[words("RENAME a b"), words("RENAME b a")], &["a"], &[]);
    add("RENAME and COPY", true, &[words("RENAME a b"), words("COPY b a")], both, &[]);
    add("COPY and MOVE", false, &[words("COPY a b"), words(&format!("MOVE b {other}"))], &["a"], &["b"]);
    add("SET over it and COPY", true, &[words("COPY a b REPLACE"), words("SET a string")], &["b"], &[]);
    let swap = || words(&format!("SWAPDB {db} {other}"));
    add("SWAPDB and COPY", false, &[words("COPY a b"), swap()], &[], both);
    add("SWAPDB twice", false, &[swap(), swap()], &["a"], &[]);
    add("SESSION.ROTATE", false, &[words("SESSION.ROTATE a b")], &["b"], &[]);
    add("SESSION.ROTATE GRACE", false, &[words("SESSION.ROTATE a b GRACE 100")], &["b"], &[]);
    add("FLUSHDB and RESTORE", true, &[words("FLUSHDB"), restore(&[b"0"])], &["b"], &[]);
    ways
}

/// How commands are run in database `db`, by a client that has another one selected.
type Run = fn(&mut Client, usize, &Commands) -> Result<Value, String>;

fn sent(client: &mut Client, command: &[Vec<u8>]) -> Result<Value, String> {
    client.send(&command.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn one_by_one(client: &mut Client, db: usize, commands: &Commands) -> Result<Value, String> {
    client.says(&format!("SELECT {db}"), "OK");
    commands.iter().try_for_each(|command| sent(client, command).map(drop))?;
    Ok(Value::Okay)
}

fn in_a_transaction(client: &mut Client, db: usize, commands: &Commands) -> Result<Value, String> {
    client.says("MULTI", "OK");
    client.says(&format!("SELECT {db}"), "QUEUED");
    commands.iter().try_for_each(|command| sent(client, command).map(drop))?;
    client.says("SELECT 2", "QUEUED");
    client.send(&[b"EXEC"])
}

/// A transaction that begins in the database.
fn in_a_transaction_there(client: &mut Client, db: usize, commands: &Commands) -> Result<Value, String> {
    client.says(&format!("SELECT {db}"), "OK");
    client.says("MULTI", "OK");
    commands.iter().try_for_each(|command| sent(client, command).map(drop))?;
    client.send(&[b"EXEC"])
}

/// Lua that runs the commands packed in its arguments, in the database that the first one names.
const LUA: &str = "redis.call('SELECT', args[1])
local at = 2
while args[at] do
  local n = tonumber(args[at])
  redis.call(unpack(args, at + 1, at + n))
  at = at + n + 1
end
return 'done'";

fn run_lua(client: &mut Client, head: &[&[u8]], db: usize, commands: &Commands) -> Result<Value, String> {
    let mut args: Vec<Vec<u8>> = head.iter().map(|word| word.to_vec()).collect();
    args.push(db.to_string().into_bytes());
    for command in commands {
        args.push(command.len().to_string().into_bytes());
        args.extend(command.iter().cloned());
    }
    sent(client, &args)
}

fn in_a_script(client: &mut Client, db: usize, commands: &Commands) -> Result<Value, String> {
    run_lua(client, &[b"EVAL", format!("local args = ARGV\n{LUA}").as_bytes(), b"0"], db, commands)
}

fn in_a_function(client: &mut Client, db: usize, commands: &Commands) -> Result<Value, String> {
    let library = format!("#!lua name=ways\nredis.register_function('run', function(keys, args)\n{LUA}\nend)");
    client.send(&[b"FUNCTION", b"LOAD", b"REPLACE", library.as_bytes()])?;
    run_lua(client, &[b"FCALL", b"run", b"0"], db, commands)
}

/// A script in a transaction.
fn in_both(client: &mut Client, db: usize, commands: &Commands) -> Result<Value, String> {
    client.says("MULTI", "OK");
    in_a_script(client, db, commands)?;
    client.send(&[b"EXEC"])
}

const RUNS: &[(&str, Run)] = &[
    ("one by one", one_by_one),
    ("in a transaction", in_a_transaction),
    ("in a transaction that begins there", in_a_transaction_there),
    ("in a script", in_a_script),
    ("in a function", in_a_function),
    ("in a script in a transaction", in_both),
];

/// Fails unless these keys are alice's, besides her crowd, and the index of the server is right.
fn check_heard(s: &mut Server, db: usize, crowd: usize, expected: &[&str], what: &str) {
    s.says(&format!("SELECT {db}"), "OK");
    s.check_index(what);
    assert_eq!(s.say("SESSION.COUNT alice"), (crowd + expected.len()).to_string(), "COUNT in {db} {what}");
    let listed = s.say("SESSION.BYUSER alice");
    let mut listed: Vec<&str> = listed[1..listed.len() - 1].split(", ").collect();
    listed.retain(|key| !key.is_empty() && !key.starts_with("crowd"));
    listed.sort_unstable();
    assert_eq!(listed, expected, "BYUSER in {db} {what}");
}

/// Alice's session `a` in one database, a crowd of hers in both, and bob's `b` where it is to be overwritten.
fn prepare(s: &mut Server, way: &Way, crowd: usize, db: usize, other: usize) {
    s.says("FLUSHALL", "OK");
    for db in [other, db] {
        s.says(&format!("SELECT {db}"), "OK");
        if way.over {
            s.says("SESSION.SET b USER bob", "1");
        }
        (0..crowd).for_each(|i| s.says(&format!("SESSION.SET crowd:{i} USER alice"), "1"));
    }
    s.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
}

fn payloads(s: &mut Server) -> Payloads {
    let mut replica = Replica::of(s);
    s.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
    let effect = replica.commands(s)[0][2].clone();
    let Ok(Value::BulkString(dump)) = s.send(&[b"DUMP", b"a"]) else { panic!("no payload") };
    Payloads { dump, effect }
}

#[test]
fn every_way_of_putting_a_session_under_a_key_is_heard() {
    let mut s = Server::new();
    let payloads = payloads(&mut s);
    let mut replica = Server::new();
    replica.follow(&mut s);
    let stays = !s.loses_its_database();
    for (how, run) in RUNS {
        for (crowd, db, other) in [(0, 0, 1), (0, 1, 0), (16, 1, 0), (20, 0, 1)] {
            for way in ways(db, other, &payloads) {
                let crosses = way.commands.iter().flatten().any(|word| word == b"MOVE" || word == b"DB");
                if crosses && !stays {
                    continue;
                }
                let what = format!("after {} {how} (over {}, crowd {crowd}, in {db})", way.name, way.over);
                prepare(&mut s, &way, crowd, db, other);
                let mut client = s.client();
                client.says("SELECT 2", "OK");
                let said = run(&mut client, db, &way.commands);
                assert!(said.is_ok(), "{what}: {said:?}");
                replica.catch_up(&mut s);
                // What is flushed takes the crowd along.
                let here = if way.name.starts_with("FLUSHDB") { 0 } else { crowd };
                for (server, whose) in [(&mut s, "primary"), (&mut replica, "replica")] {
                    let what = format!("{what} on the {whose}");
                    check_heard(server, db, here, way.here, &what);
                    check_heard(server, other, crowd, way.there, &what);
                    check_heard(server, 2, 0, &[], &what);
                }
                assert_eq!(replica.say("DEBUG DIGEST"), s.say("DEBUG DIGEST"), "{what}");
            }
        }
    }
    let mut late = Server::new();
    late.follow(&mut s);
    late.check_index("after a full sync");
}

/// What has a server, or another one, load these crowds.
type Load = fn(&mut Server, &[usize]);

#[test]
fn sessions_that_a_file_or_a_full_sync_brings_are_heard() {
    let mut s = Server::start(&["--appendonly", "yes"]);
    let restart = |s: &mut Server, _: &[usize]| s.restart();
    let reload = |s: &mut Server, _: &[usize]| s.client().says("DEBUG RELOAD", "OK");
    let in_multi = |s: &mut Server, _: &[usize]| {
        let mut client = s.client();
        client.says("SELECT 2", "OK");
        client.says("MULTI", "OK");
        client.says("SELECT 1", "QUEUED");
        client.says("DEBUG RELOAD", "QUEUED");
        client.says("EXEC", "[OK, OK]");
    };
    let from_aof = |s: &mut Server, _: &[usize]| s.client().says("DEBUG LOADAOF", "OK");
    let sync = |s: &mut Server, crowds: &[usize]| {
        let mut replica = Server::new();
        replica.says("SESSION.SET a USER alice", "1");
        replica.follow(s);
        check_crowds(&mut replica, crowds, "after a full sync");
    };
    let ways: [(&str, Load); 5] = [
        ("a restart", restart),
        ("DEBUG RELOAD", reload),
        ("DEBUG RELOAD in a transaction", in_multi),
        ("DEBUG LOADAOF", from_aof),
        ("a full sync", sync),
    ];
    for crowds in [[1, 0, 3], [16, 17, 8], [40, 2, 20]] {
        for (what, happen) in ways {
            s.says("FLUSHALL", "OK");
            for (db, n) in crowds.iter().enumerate() {
                s.says(&format!("SELECT {db}"), "OK");
                (0..*n).for_each(|i| s.says(&format!("SESSION.SET key:{i} USER alice"), "1"));
                (0..*n).for_each(|i| s.says(&format!("SESSION.SET old:{i} USER alice"), "1"));
                (0..*n).for_each(|i| s.says(&format!("SESSION.ROTATE old:{i} new:{i} USER bob GRACE 200"), "2"));
            }
            check_crowds(&mut s, &crowds, "before");
            wait_until("an AOF that is being written", || s.info("persistence", "aof_rewrite_in_progress") == "0");
            happen(&mut s, &crowds);
            check_crowds(&mut s, &crowds, what);
        }
    }
}

fn check_crowds(s: &mut Server, crowds: &[usize], what: &str) {
    s.check_index(what);
    for (db, n) in crowds.iter().enumerate() {
        s.says(&format!("SELECT {db}"), "OK");
        for user in ["alice", "bob"] {
            assert_eq!(s.say(&format!("SESSION.COUNT {user}")), n.to_string(), "{what} in {db}");
            let listed = s.say(&format!("SESSION.BYUSER {user}"));
            let keys = listed.matches(':').count();
            assert_eq!(keys, *n, "{what} in {db}: {listed}");
        }
    }
}

#[test]
fn what_migrate_brings_is_heard() {
    let (mut from, mut to) = (Server::new(), Server::new());
    for (options, over, stays) in
        [("", false, false), (" COPY", false, true), (" REPLACE", true, false), (" COPY REPLACE", true, true)]
    {
        for crowd in [0, 20] {
            let what = format!("after MIGRATE{options} to a crowd of {crowd}");
            from.says("FLUSHALL", "OK");
            to.says("FLUSHALL", "OK");
            to.says("SELECT 2", "OK");
            (0..crowd).for_each(|i| to.says(&format!("SESSION.SET crowd:{i} USER alice"), "1"));
            if over {
                to.says("SESSION.SET a USER bob", "1");
            }
            from.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
            from.says("SESSION.SET c USER alice FIELDS 1 name Ann", "1");
            from.says("MULTI", "OK");
            let port = to.port;
            for key in ["a", "c"] {
                from.says(&format!("MIGRATE 127.0.0.1 {port} {key} 2 5000{options}"), "QUEUED");
            }
            from.says("EXEC", "[OK, OK]");
            check_heard(&mut to, 2, crowd, &["a", "c"], &what);
            check_heard(&mut from, 0, 0, if stays { &["a", "c"] } else { &[] }, &what);
            to.says("SESSION.COUNT bob", "0");
            from.says("DEL a c", if stays { "2" } else { "0" });
        }
    }
}

#[test]
fn small_sessions_and_the_index_follow_whatever_happens_to_a_key() {
    walk_all_paths("small");
}

#[test]
fn large_sessions_that_are_freed_in_the_background_do_too() {
    walk_all_paths(&"x".repeat(1_200_000));
}

#[test]
fn only_a_large_session_is_freed_in_the_background() {
    let mut s = Server::start(&["max-bytes", "4000000"]);
    s.says("SESSION.SET small USER alice FIELDS 1 value small", "1");
    s.says("UNLINK small", "1");
    s.says(&format!("SESSION.SET large USER alice FIELDS 1 value {}", "x".repeat(1_200_000)), "1");
    s.says("UNLINK large", "1");
    wait_until("the large one to be freed", || s.info("memory", "lazyfreed_objects") == "1");
    s.says("SESSION.COUNT alice", "0");
}

#[test]
fn an_rdb_reload_keeps_sessions_and_index() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice EX 100 FIELDS 1 name Ann", "1");
    s.says("SESSION.SET b USER alice NOLIFETIME", "1");
    s.says("SESSION.SET c", "1");
    let digest = s.say("DEBUG DIGEST");
    s.says("DEBUG RELOAD", "OK");
    s.says("DEBUG DIGEST", &digest);
    s.says("SESSION.COUNT alice", "2");
    s.says("SESSION.GET a", "[name, Ann]");
}

#[test]
fn a_snapshot_of_a_rotated_session_stays_out_of_the_lists_whatever_happens_to_its_key() {
    let mut s = Server::new();
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.ROTATE a b PGRACE 100000", "2");
    for command in ["COPY a c", "RENAME a d", "DEBUG RELOAD"] {
        s.say(command);
        s.says("SESSION.BYUSER alice", "[b]");
        s.says("SESSION.COUNT alice", "1");
        s.check_index(command);
    }
    s.says("SESSION.GET c", "[]");
    s.says("SESSION.GET d", "[]");
    s.says("SESSION.REVOKE alice", "3");
    s.says("DBSIZE", "0");
}

#[test]
fn migrate_takes_a_session_and_its_place_in_the_index_along() {
    let (mut from, mut to) = (Server::new(), Server::new());
    from.says("SESSION.SET a USER alice FIELDS 1 name Ann", "1");
    let before = from.say("SESSION.INFO a");
    from.says(&format!("MIGRATE 127.0.0.1 {} a 2 5000", to.port), "OK");
    from.says("SESSION.COUNT alice", "0");
    from.says("SESSION.GET a", "nil");
    to.says("SELECT 2", "OK");
    to.says("SESSION.BYUSER alice", "[a]");
    to.says("SESSION.GET a", "[name, Ann]");
    to.says("SESSION.INFO a", &before);
}

#[test]
fn expire_by_hand_shortens_until_the_next_touch() {
    let mut s = Server::new();
    s.says("SESSION.SET a EX 1000", "1");
    let deadline = s.session("a")["deadline"].clone();
    s.says("PEXPIRETIME a", &deadline);
    s.says("EXPIRE a 10", "1");
    assert!(s.say("PEXPIRETIME a") < deadline);
    s.says("SESSION.TOUCH a", "1");
    let deadline = s.session("a")["deadline"].clone();
    s.says("PEXPIRETIME a", &deadline);
}

#[test]
fn a_change_of_user_that_moves_the_end_moves_the_keys_expiry_under_keepttl_too() {
    let mut s = Server::new();
    s.says("SESSION.SET a PERSIST LIFETIME 1000", "1");
    s.tick();
    s.says("SESSION.SET a USER alice KEEPTTL", "2");
    let deadline = s.session("a")["deadline"].clone();
    s.says("PEXPIRETIME a", &deadline);
}

#[test]
fn a_key_without_a_ttl_does_not_keep_a_session_past_its_deadline() {
    let mut s = Server::new();
    for writer in ["SESSION.TOUCH a", "SESSION.ADJUST a 100", "SESSION.DEL a", "SESSION.GETEX a", "SESSION.SET a XX"] {
        s.says("SESSION.SET a USER alice PX 200", "1");
        s.says("PERSIST a", "1");
        let deadline = s.session_number("a", "deadline");
        s.wait_for(deadline);
        for reader in ["SESSION.GET a", "SESSION.INFO a"] {
            s.says(reader, "nil");
        }
        s.says("SESSION.COUNT alice", "0");
        s.says("SESSION.BYUSER alice", "[]");
        s.says("EXISTS a", "1");
        let said = s.say(writer);
        assert!(["0", "nil"].contains(&&said[..]), "{writer} said {said}");
        assert_eq!(s.say("EXISTS a"), "0", "{writer} left the key");
    }
}

/// VERIFY finds nothing wrong where a session is only past its expiry and not collected yet.
#[test]
fn a_session_that_waits_to_be_collected_is_not_stale() {
    let mut s = Server::new();
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    s.says("SESSION.SET a USER ann PX 1", "1");
    s.tick();
    s.tick();
    s.says("SESSION.VERIFY", "[sessions, 1, indexed, 1, missing, 0, stale, 0, fixed, 0]");
}

/// To hear of a key that is restored is no access to it, whatever its type.
#[test]
fn a_restored_key_keeps_the_idle_time_that_it_is_given() {
    let mut s = Server::new();
    s.says("SESSION.SET session USER ann FIELDS 1 f 1", "1");
    s.says("SET text value", "OK");
    for key in ["session", "text"] {
        let Ok(Value::BulkString(payload)) = s.send(&[b"DUMP", key.as_bytes()]) else { panic!("no DUMP of {key}") };
        let restored = format!("{key}:again");
        s.send(&[b"RESTORE", restored.as_bytes(), b"0", &payload, b"IDLETIME", b"1000"]).unwrap();
        let idle: i64 = s.say(&format!("OBJECT IDLETIME {restored}")).parse().unwrap();
        assert!(idle >= 1000, "{key}: {idle}");
    }
    s.says("SESSION.COUNT ann", "2");
    s.check_index("after RESTORE");
}

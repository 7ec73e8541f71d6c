//! Other modules in the same server: what they call is judged as the server would judge it, and nothing that they do in the
//! midst of our commands brings the server down or makes its data differ from what replicas and files get.
//!
//! The other module is `tests/meddler`; `cargo build --example meddler` builds it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{shown, wait_until, Client, Server};
use std::path::{Path, PathBuf};

fn meddler() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debug/examples/libmeddler.so");
    let module = std::env::var_os("SESSION_MEDDLER").map_or(default, PathBuf::from);
    assert!(module.exists(), "{} is not there: cargo build --example meddler", module.display());
    module
}

/// A server with both modules.
fn server(options: &[&str]) -> Server {
    Server::start(&[&["--loadmodule", meddler().to_str().unwrap()], options].concat())
}

/// With three sessions of alice.
fn two_apps() -> Server {
    let mut s = server(&[]);
    for key in ["one:a", "one:b", "two:c"] {
        s.says(&format!("SESSION.SET {key} USER alice"), "1");
        s.tick();
    }
    s
}

const ALL: &str = "[two:c, one:b, one:a]";

/// Sends words that may hold spaces.
fn send(client: &mut Client, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    client.send(&words).map_or_else(|error| error, |reply| shown(&reply))
}

fn user(server: &mut Server, name: &str, rules: &str) -> Client {
    server.says(&format!("ACL SETUSER {name} on >secret {rules}"), "OK");
    let mut client = server.client();
    client.says(&format!("AUTH {name} secret"), "OK");
    client
}

/// Commands without a key, or that judge keys which the caller has not named, with what they say to who may do all.
const JUDGING: [(&str, &str); 4] = [
    ("SESSION.COUNT alice", "3"),
    ("SESSION.BYUSER alice", ALL),
    ("SESSION.REVOKE alice EXCEPT 3 one:a one:b two:c", "0"),
    ("SESSION.SET one:a USER alice KEEPTTL MAXSESSIONS 3 OLDEST", ""),
];

/// A script that runs a command, whose words hold no quotes.
fn script(command: &str) -> String {
    let words: Vec<String> = command.split(' ').map(|word| format!("'{word}'")).collect();
    format!("return redis.call({})", words.join(","))
}

#[test]
fn a_script_behind_which_no_user_stands_is_the_servers_own() {
    let mut s = two_apps();
    let mut client = s.client();
    for (command, said) in JUDGING {
        let is_said = |reply: &str, how: &str| {
            let expected = if said.is_empty() { reply.parse::<u32>().is_ok() } else { reply == said };
            assert!(expected, "{command}, {how}: {reply}");
        };
        let words: Vec<&str> = command.split(' ').collect();
        let (direct, nested) = (script(command), script(&format!("MEDDLER.CALL E {command}")));
        is_said(&send(&mut client, &[&["MEDDLER.CALL", "E"], &words[..]].concat()), "called");
        is_said(&send(&mut client, &["MEDDLER.CALL", "E", "EVAL", &direct, "0"]), "a script that was called");
        is_said(&send(&mut client, &["EVAL", &nested, "0"]), "called by a script");
        is_said(&send(&mut client, &["MEDDLER.CALL", "E", "EVAL", &nested, "0"]), "called by a script that was called");
        for place in ["timer", "thread"] {
            for words in [&words[..], &["EVAL", &direct, "0"], &["EVAL", &nested, "0"]] {
                is_said(&aside(&mut s, &[&["MEDDLER.LATER", place, "E"], words].concat()), place);
            }
        }
    }
    assert!(s.is_running());
    s.check_index("calls of another module");
}

/// Sends an order, and what came of it when it was carried out.
fn aside(s: &mut Server, words: &[&str]) -> String {
    let done = s.say("MEDDLER.DONE");
    assert_eq!(send(&mut s.client(), words), "OK");
    wait_until("the other module", || s.say("MEDDLER.DONE") != done);
    s.say("MEDDLER.SAID")
}

#[test]
fn in_an_event_the_other_modules_calls_are_the_servers_own() {
    let mut s = two_apps();
    for event in ["set", "session.set", "session.touch"] {
        let mut client = user(&mut s, "one", "~one:* ~plain +@all -config");
        s.says(&format!("MEDDLER.ON {event} call E SESSION.BYUSER alice"), "OK");
        match event {
            "set" => client.says("SET plain x", "OK"),
            "session.set" => client.says("SESSION.SET one:x", "1"),
            _ => client.says("SESSION.TOUCH one:a one:b", "2"),
        }
        let said = s.say("MEDDLER.SAID");
        assert!(said.contains("two:c"), "{event}: {said}");
        s.says("DEL one:x", if event == "session.set" { "1" } else { "0" });
    }
    assert!(s.is_running());
}

#[test]
fn a_call_with_the_callers_rights_is_judged_by_the_caller() {
    let mut s = two_apps();
    let mut one = user(&mut s, "one", "~one:* +@all -config");
    let (byuser, count) = ("SESSION.BYUSER alice", "SESSION.COUNT alice");
    let through = |command: &str| format!("MEDDLER.CALL CE {command}");
    one.says(&through(byuser), "[one:b, one:a]");
    one.says(&through(count), "2");
    // Without them it is the server's own, as its own commands are.
    one.says("MEDDLER.CALL E SESSION.COUNT alice", "3");
    // In scripts, on either side of the other module, and in a transaction.
    for nested in [vec!["MEDDLER.CALL", "CE", "EVAL", &script(count), "0"], vec!["EVAL", &script(&through(count)), "0"]]
    {
        assert_eq!(send(&mut one, &nested), "2", "{nested:?}");
    }
    one.says("MULTI", "OK");
    one.says(&through(byuser), "QUEUED");
    one.says("EXEC", "[[one:b, one:a]]");
    // What makes, ends or is for operators.
    for command in
        ["SESSION.NEW PREFIX two: USER alice", "SESSION.VERIFY", "SESSION.VERIFY FIX", "SESSION.APPLY one:a x"]
    {
        let said = one.say(&through(command));
        assert!(said.starts_with("NOPERM"), "{command}: {said}");
        let said = send(&mut one, &["EVAL", &script(&through(command)), "0"]);
        assert!(said.contains("NOPERM"), "{command} in a script: {said}");
    }
    assert!(one.say(&through("SESSION.SET one:d USER alice MAXSESSIONS 2 REJECT")).starts_with("SESSIONLIMIT"));
    one.says(&through("SESSION.SET one:d USER alice MAXSESSIONS 1 OLDEST"), "1");
    s.says(byuser, "[one:d, two:c]");
    one.says(&through("SESSION.REVOKE alice"), "1");
    s.says(byuser, "[two:c]");
    s.says(&through("SESSION.VERIFY"), "[sessions, 1, indexed, 1, missing, 0, stale, 0, fixed, 0]");
}

#[test]
fn a_user_that_another_module_sets_is_the_one_that_is_judged() {
    let mut s = two_apps();
    s.says("ACL SETUSER one on ~one:* +@all -config", "OK");
    s.says("MEDDLER.AS one CE SESSION.BYUSER alice", "[one:b, one:a]");
    s.says("MEDDLER.AS one CE SESSION.COUNT alice", "2");
    let mut client = s.client();
    assert_eq!(send(&mut client, &["MEDDLER.AS", "one", "CE", "EVAL", &script("SESSION.COUNT alice"), "0"]), "2");
    assert!(s.say("MEDDLER.AS one CE SESSION.VERIFY").starts_with("NOPERM"));
    // One that the module made is none that the ACL knows, whatever it may do.
    s.says("MEDDLER.AS stranger CE SESSION.BYUSER alice", "[]");
    s.says("MEDDLER.AS stranger CE SESSION.REVOKE alice", "0");
    assert!(s.say("MEDDLER.AS stranger CE SESSION.NEW").starts_with("NOPERM"));
    assert!(s.say("MEDDLER.AS stranger CE SESSION.VERIFY").starts_with("NOPERM"));
    s.says("SESSION.BYUSER alice", ALL);
}

/// The server's word on what became of a key comes right after it went; but the machine may be busy meanwhile.
#[test]
fn an_expiry_is_counted_once_however_late_the_server_says_so() {
    let load = |module: PathBuf| format!("loadmodule {}", module.display());
    // In this order: the other module hears of it first.
    let mut s = Server::with_conf(&[&load(meddler()), &load(common::module())]);
    for n in 1..=3 {
        s.says("MEDDLER.ON expired sleep 30", "OK");
        s.says("SESSION.SET k PX 20", "1");
        wait_until("the session to expire", || s.say("EXISTS k") == "0");
        wait_until("it to be counted", || s.info("session", "session_expired") == n.to_string());
    }
    // A session that a command ended, and something else that expired in its place.
    for begin in ["SET k text PX 20", "SETEX k 1 text"] {
        for end in ["DEL k", "SESSION.DEL k", "RENAME k elsewhere", ""] {
            s.says("SESSION.SET k", "1");
            if !end.is_empty() {
                s.say(end);
            }
            s.says(begin, "OK");
            wait_until("the text to expire", || s.say("EXISTS k") == "0");
        }
    }
    assert_eq!(s.info("session", "session_expired"), "3");
}

/// What another module does in an event: to a key through the key itself, or by commands.
const MEDDLING: [&str; 6] = [
    "delete KEY",
    "unlink KEY",
    "write KEY text",
    "call ! DEL KEY",
    "call ! SET KEY text",
    "call ! SESSION.SET KEY USER USER FIELDS 1 by meddler",
];

const EVENTS: [&str; 7] =
    ["session.set", "session.touch", "session.adjust", "session.rotate", "session.del", "session.revoke", "del"];

/// Runs a command on sessions `v`, `o` and `p` of a user while another module meddles with each of these keys and that of
/// a new session, `n`, in each event. The server must live, its index be exact, and what it holds be what its replica and
/// its log hold.
#[track_caller]
fn meddle_with(command: &str) {
    let mut s = server(&["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", "no"]);
    let mut replica = Server::new();
    replica.follow(&mut s);
    let cases = EVENTS.iter().flat_map(|event| MEDDLING.iter().map(move |action| (event, action)));
    let cases = cases.flat_map(|(event, action)| ["v", "n", "o", "p"].map(|key| (event, action, key)));
    let mut fired = 0;
    for (i, (event, action, key)) in cases.enumerate() {
        let own = |text: &str| {
            let words = text.split(' ').map(|word| match word {
                "v" | "n" | "o" | "p" => format!("{word}{i}"),
                "USER" => word.into(),
                "user" => format!("user{i}"),
                _ => word.into(),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let action = action.replace("USER USER", "USER user").replace("KEY", key);
        let what = format!("{command} with {action} at {event}");
        for key in ["o", "p", "v"] {
            s.says(&own(&format!("SESSION.SET {key} USER user EX 60 FIELDS 2 f 1 g 2")), "1");
        }
        let done = s.say("MEDDLER.DONE");
        s.says(&own(&format!("MEDDLER.ON {event} {action}")), "OK");
        s.say(&own(command));
        assert!(s.is_running(), "{what} ended the server: {}", s.log());
        if s.say("MEDDLER.DONE") == done {
            continue;
        }
        fired += 1;
        s.check_index(&what);
        replica.catch_up(&mut s);
        assert_eq!(replica.say("DEBUG DIGEST"), s.say("DEBUG DIGEST"), "{what}: the replica differs");
        replica.check_index(&what);
    }
    assert!(fired >= 4 * MEDDLING.len(), "{command}: {fired} events");
    let digest = s.say("DEBUG DIGEST");
    s.says("DEBUG LOADAOF", "OK");
    s.says("DEBUG DIGEST", &digest);
    s.check_index("after the log was loaded");
}

#[test]
fn meddling_with_rotate() {
    meddle_with("SESSION.ROTATE v n USER user FIELDS 1 h 3");
}

#[test]
fn meddling_with_rotate_that_leaves_a_snapshot() {
    meddle_with("SESSION.ROTATE v n GRACE 100");
}

#[test]
fn meddling_with_rotate_under_a_cap() {
    meddle_with("SESSION.ROTATE v n MAXSESSIONS 1 OLDEST GRACE 100");
}

#[test]
fn meddling_with_a_set_under_a_cap() {
    meddle_with("SESSION.SET v USER user MAXSESSIONS 1 OLDEST");
}

#[test]
fn meddling_with_a_new_session_under_a_cap() {
    meddle_with("SESSION.SET n USER user MAXSESSIONS 1 LRU FIELDS 1 h 3");
}

#[test]
fn meddling_with_new_under_a_cap() {
    meddle_with("SESSION.NEW PREFIX n USER user MAXSESSIONS 1 OLDEST");
}

#[test]
fn meddling_with_set() {
    meddle_with("SESSION.SET v FIELDS 1 f 3");
}

#[test]
fn meddling_with_a_set_that_ends_the_session() {
    meddle_with("SESSION.SET v PXAT 1");
}

#[test]
fn meddling_with_del() {
    meddle_with("SESSION.DEL v o p");
}

#[test]
fn meddling_with_revoke() {
    meddle_with("SESSION.REVOKE user");
}

#[test]
fn meddling_with_touch() {
    meddle_with("SESSION.TOUCH v o p");
}

#[test]
fn meddling_with_getex() {
    meddle_with("SESSION.GETEX v EX 100");
}

#[test]
fn meddling_with_adjust() {
    meddle_with("SESSION.ADJUST v 100");
}

#[test]
fn meddling_with_pop() {
    meddle_with("SESSION.POP v FIELDS 2 f none");
}

#[test]
fn meddling_with_unset() {
    meddle_with("SESSION.UNSET v FIELDS 2 f none");
}

#[test]
fn meddling_with_incrby() {
    meddle_with("SESSION.INCRBY v f 1");
}

/// On 7.0 a look at an expired key ends it, and whoever hears of that may end a session whose key BYUSER holds open: what
/// it says then is read from freed memory.
#[test]
fn byuser_shows_nothing_of_a_session_that_another_module_ended_meanwhile() {
    let mut s = Server::start(&["--loadmodule", meddler().to_str().unwrap()]);
    s.says("DEBUG SET-ACTIVE-EXPIRE 0", "OK");
    let text = "A".repeat(4000);
    for key in ["a", "b"] {
        s.says(&format!("SESSION.SET {key} USER ann FIELDS 1 f {text}"), "1");
    }
    s.says("PEXPIRE b 1", "1");
    s.tick();
    s.tick();
    let script = "redis.call('DEL','a'); for i=1,200 do redis.call('SET','x'..i,string.rep('Z',4000+i)) end return 1";
    let on = ["MEDDLER.ON", "expired", "call", "!", "EVAL", script, "0"].map(str::as_bytes);
    s.send(&on).unwrap();
    let said = s.say("SESSION.BYUSER ann META 1 user FIELDS 1 f");
    let whole = format!("[[key, a, user, ann, data, [f, {text}]]]");
    assert!(said == "[]" || said == whole, "{said}");
}

//! Sessions of every kind, made by every command, and how to tell that two servers hold the same.

use super::{shown, Server};
use redis::Value;

/// Bytes that break whatever takes them for text: NUL, line breaks, blanks, quotes, and what is not UTF-8.
pub const BINARY: &[u8] = b"\0\r\n \"'\\%s\xff\xfe\xc3\x28";

/// Users that the sessions of [`run`] belong to.
pub const USERS: [&[u8]; 4] = [b"alice", b"bob", b"carol", BINARY];

/// Fills databases 0 and 3.
pub fn run(s: &mut Server) {
    let copies_across = !s.loses_its_database();
    for db in [3, 0] {
        let mut done = |command: &str| {
            let said = s.say(command);
            assert!(!said.contains("ERR") && !said.contains("WRONG"), "{command}: {said}");
        };
        done(&format!("SELECT {db}"));
        for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            done(&format!("SESSION.SET {key} USER alice FIELDS 2 name Ann of {key}"));
        }
        done("SESSION.SET a FIELDS 2 name Anna theme dark UNSET 1 of");
        done("SESSION.SET b REPLACE FIELDS 1 only this");
        done("SESSION.SET c USER bob PX 500000 PLIFETIME 900000");
        done("SESSION.SET d NOUSER PERSIST EXAT 4000000000");
        done("SESSION.SET e PERSIST NOLIFETIME");
        done("SESSION.SET e KEEPTTL FIELDS 1 name Eve");
        done("SESSION.ADJUST f 60");
        done("SESSION.ADJUST g EX 70 LIFETIME 80");
        done("SESSION.TOUCH a b c d nothing");
        done("SESSION.GETEX h PX 123456");
        done("SESSION.DEL i nothing");
        done("SESSION.REVOKE bob EXCEPT 1 c");
        done("SESSION.SET j USER carol");
        done("SESSION.SET k USER carol MAXSESSIONS 1 OLDEST");
        done("SESSION.SET l USER carol MAXSESSIONS 1 LRU JSON {\"n\":1,\"list\":[1,\"two\",null],\"text\":\"é\"}");
        done("SESSION.NEW PREFIX sess: USER alice EX 5000");
        done("SESSION.SET m USER alice FIELDS 3 flash saved token t other x");
        done("SESSION.POP m FIELDS 2 flash none");
        done("SESSION.UNSET m KEEPTTL FIELDS 1 token");
        done("SESSION.INCRBY m visits 41");
        done("SESSION.INCRBY m visits 1");
        done("SESSION.ROTATE m n FIELDS 1 rotated yes");
        done("SESSION.ROTATE n o USER bob PGRACE 300000 UNSET 1 rotated");
        done("SESSION.SET p USER bob FIELDS 1 raw [1] JSON {\"n\":[1]}");
        done("SESSION.ROTATE p q REPLACE USER alice GRACE 300 JSON {\"fresh\":true}");
        done("SESSION.SET empty");
        done("SESSION.SET same USER alice");
        done("SESSION.SET same USER alice");
        // What the server itself can do to sessions.
        done("EXPIRE same 50");
        done("PERSIST h");
        done("RENAME l k");
        done("COPY a copy");
        if copies_across {
            done("COPY b copy DB 5 REPLACE");
        }
        done("SET other string");
        s.send(&[b"SESSION.SET", BINARY, b"USER", BINARY, b"FIELDS", b"3", BINARY, BINARY, b"", b"", b"none", b""])
            .unwrap();
        s.send(&[b"SESSION.SET", b"", b"USER", b"carol", b"FIELDS", b"1", b"a", BINARY]).unwrap();
        s.send(&[b"SESSION.SET", b"", b"UNSET", b"1", b"a", b"FIELDS", b"1", b"b", &[0xff; 70_000]]).unwrap();
    }
}

/// All that can be seen of the data: a digest, each key's expiry, and each user's sessions.
pub fn view(s: &mut Server) -> Vec<String> {
    let mut view = vec![s.say("DEBUG DIGEST")];
    for db in [5, 3, 0] {
        s.says(&format!("SELECT {db}"), "OK");
        let Ok(Value::Array(mut keys)) = s.send(&[b"KEYS", b"*"]) else { panic!("no KEYS") };
        keys.sort_by_key(shown);
        for key in &keys {
            let Value::BulkString(name) = key else { panic!("a key that is no string") };
            let [expiry, info] = [&b"PEXPIRETIME"[..], b"SESSION.INFO"]
                .map(|command| s.send(&[command, name]).map_or_else(|error| error, |value| shown(&value)));
            view.push(format!("{db} {}: {expiry} {info}", shown(key)));
        }
        for user in USERS {
            let [of_user, count] =
                [&b"SESSION.BYUSER"[..], b"SESSION.COUNT"].map(|command| shown(&s.send(&[command, user]).unwrap()));
            view.push(format!("{db} {}: {count} {of_user}", user.escape_ascii()));
        }
    }
    view
}

//! Access control, with real users of the server.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{Client, Server};

/// A client of a new user with these rules.
fn user(server: &mut Server, name: &str, rules: &str) -> Client {
    server.says(&format!("ACL SETUSER {name} on >secret {rules}"), "OK");
    let mut client = server.client();
    client.says(&format!("AUTH {name} secret"), "OK");
    client
}

fn two_apps() -> Server {
    let mut s = Server::new();
    s.says("SESSION.SET one:a USER alice", "1");
    s.says("SESSION.SET one:b USER alice", "1");
    s.says("SESSION.SET two:c USER alice", "1");
    s
}

#[test]
fn a_caller_limited_by_key_patterns_sees_only_its_own() {
    let mut s = two_apps();
    let mut one = user(&mut s, "one", "~one:* +@all");
    one.says("SESSION.COUNT alice", "2");
    assert!(!one.say("SESSION.BYUSER alice WITHMETA").contains("two:c"));
    assert!(one.say("SESSION.BYUSER alice LIMIT 0 9").contains("one:b"));
    assert!(one.say("SESSION.GET two:c").starts_with("NOPERM"));
    s.says("SESSION.COUNT alice", "3");
}

#[test]
fn read_permission_lets_see_and_write_permission_lets_end() {
    let mut s = two_apps();
    let mut reader = user(&mut s, "reader", "%R~* +@all");
    reader.says("SESSION.COUNT alice", "3");
    reader.says("SESSION.REVOKE alice", "0");
    let mut writer = user(&mut s, "writer", "%W~one:* +@all");
    writer.says("SESSION.COUNT alice", "0");
    writer.says("SESSION.BYUSER alice", "[]");
    writer.says("SESSION.REVOKE alice", "2");
    s.says("SESSION.BYUSER alice", "[two:c]");
}

#[test]
fn a_cap_counts_and_ends_what_the_caller_may_write() {
    let mut s = two_apps();
    let mut one = user(&mut s, "one", "~one:* +@all");
    assert!(one.say("SESSION.SET one:d USER alice MAXSESSIONS 2 REJECT").starts_with("SESSIONLIMIT"));
    one.says("SESSION.SET one:d USER alice MAXSESSIONS 1 OLDEST", "1");
    s.says("SESSION.COUNT alice", "2");
    one.says("SESSION.BYUSER alice", "[one:d]");
    let key = one.say("SESSION.NEW PREFIX one: USER alice MAXSESSIONS 1 LRU");
    one.says("SESSION.BYUSER alice", &format!("[{key}]"));
    one.says("SESSION.ROTATE one:d one:e", "nil");
    s.says("SESSION.COUNT alice", "2");
}

#[test]
fn new_checks_the_key_that_it_makes() {
    let mut s = Server::new();
    let mut one = user(&mut s, "one", "~one:* +@all");
    assert!(one.say("SESSION.NEW PREFIX two: USER alice").starts_with("NOPERM"));
    assert!(one.say("SESSION.NEW USER alice").starts_with("NOPERM"));
    s.says("SESSION.COUNT alice", "0");
    assert!(one.say("SESSION.NEW PREFIX one: USER alice").starts_with("one:"));
}

#[test]
fn a_rotation_carries_nothing_that_the_caller_may_not_read() {
    let mut s = two_apps();
    s.says("SESSION.SET two:c FIELDS 1 secret x", "2");
    let mut client = user(&mut s, "blind", "%W~two:* %RW~one:* +@all");
    assert!(client.say("SESSION.ROTATE two:c one:z").starts_with("NOPERM"));
    assert!(client.say("SESSION.POP two:c FIELDS 1 secret").starts_with("NOPERM"));
    assert!(client.say("SESSION.INCRBY two:c n 1").starts_with("NOPERM"));
    assert!(client.say("SESSION.GETEX two:c").starts_with("NOPERM"));
    client.says("SESSION.SET two:c FIELDS 1 more y", "3");
    s.says("SESSION.GET two:c", "[secret, x, more, y]");
}

#[test]
fn a_selector_gives_its_keys_to_its_commands_alone() {
    let mut s = two_apps();
    let mut client = user(&mut s, "selective", "~one:* +@all -config (+get ~two:*)");
    client.says("SESSION.COUNT alice", "2");
    assert!(!client.say("SESSION.BYUSER alice").contains("two:c"));
    assert!(client.say("SESSION.NEW PREFIX two:").starts_with("NOPERM"));
    client.says("SESSION.SET one:d USER alice MAXSESSIONS 1 OLDEST", "1");
    s.says("SESSION.COUNT alice", "2");
    client.says("SESSION.REVOKE alice", "1");
    s.says("SESSION.BYUSER alice", "[two:c]");
}

#[test]
fn verify_and_apply_are_for_who_may_run_config_set() {
    let mut s = two_apps();
    let mut app = user(&mut s, "app", "~* +@all -config");
    assert!(app.say("SESSION.VERIFY FIX").starts_with("NOPERM"));
    assert!(app.say("SESSION.APPLY one:a x").starts_with("NOPERM"));
    let mut sly = user(&mut s, "sly", "~* +@all -config|set");
    assert!(sly.say("EVAL return{redis.call('SESSION.VERIFY')} 0").contains("NOPERM"));
    assert!(sly.say("EVAL return{redis.call('SESSION.APPLY',KEYS[1],'x')} 1 one:a").contains("NOPERM"));
    let mut operator = user(&mut s, "operator", "~* +@all");
    operator.says("SESSION.APPLY one:a x", "ERR session payload of format 120, this module knows 1");
    operator.says("SESSION.VERIFY", "[sessions, 3, indexed, 3, missing, 0, stale, 0, fixed, 0]");
}

#[test]
fn limits_hold_in_scripts_and_transactions() {
    let mut s = two_apps();
    let mut one = user(&mut s, "one", "~one:* +@all");
    one.says("EVAL return{redis.call('SESSION.COUNT','alice')} 0", "[2]");
    one.says("MULTI", "OK");
    one.says("SESSION.COUNT alice", "QUEUED");
    one.says("SESSION.REVOKE alice", "QUEUED");
    one.says("EXEC", "[2, 2]");
    s.says("SESSION.BYUSER alice", "[two:c]");
    // An administrator's script sees all.
    s.says("EVAL return{redis.call('SESSION.COUNT','alice')} 0", "[1]");
}

#[test]
fn limits_hold_on_a_replica_which_takes_all_from_its_primary() {
    let mut primary = two_apps();
    let mut replica = Server::new();
    replica.follow(&mut primary);
    let mut one = user(&mut replica, "one", "~one:* +@all -config");
    one.says("SESSION.COUNT alice", "2");
    // What the primary sends is applied, whatever the replica's users may do.
    replica.says("ACL SETUSER default -config|set", "OK");
    primary.says("SESSION.SET two:c FIELDS 1 a b", "2");
    primary.says("SESSION.REVOKE alice EXCEPT 1 two:c", "2");
    replica.catch_up(&mut primary);
    replica.says("SESSION.GET two:c", "[a, b]");
    replica.says("SESSION.BYUSER alice", "[two:c]");
    replica.says("DEBUG DIGEST", &primary.say("DEBUG DIGEST"));
}

#[test]
fn a_file_is_loaded_whatever_the_users_may_do() {
    let aof = "--appendonly yes --aof-use-rdb-preamble no --user default on nopass ~* &* +@all -config|set";
    let mut s = Server::start(&aof.split(' ').collect::<Vec<_>>());
    s.says("SESSION.SET a USER alice", "1");
    s.says("SESSION.SET a FIELDS 1 x y", "2");
    s.restart();
    s.says("SESSION.GET a", "[x, y]");
    s.says("SESSION.BYUSER alice", "[a]");
}

#[test]
fn commands_have_categories_where_the_server_has_them_for_modules() {
    let mut s = Server::new();
    let (version, valkey) = s.version();
    if version < 704 {
        return; // Redis 7.0 and 7.2 have no categories for the commands of modules.
    }
    assert!(s.say("ACL CAT").contains("session"), "{version} {valkey}");
    s.says("SESSION.SET a USER alice", "1");
    let mut reader = user(&mut s, "reader", "~* +@session -@write -@admin");
    reader.says("SESSION.COUNT alice", "1");
    assert!(reader.say("SESSION.TOUCH a").starts_with("NOPERM"));
    assert!(reader.say("SESSION.VERIFY").starts_with("NOPERM"));
    let mut fast = user(&mut s, "fast", "~* +@fast");
    fast.says("SESSION.TOUCH a", "1");
    assert!(fast.say("SESSION.GET a").starts_with("NOPERM"));
    for (command, dangerous) in [("apply", true), ("verify", true), ("set", false)] {
        let info = s.say(&format!("COMMAND INFO session.{command}"));
        assert_eq!(info.contains("@dangerous"), dangerous, "{info}");
    }
}

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
fn a_rotation_that_is_repeated_tells_nothing_of_a_key_that_the_caller_may_not_read() {
    let mut s = Server::new();
    s.says("SESSION.SET one:a FIELDS 1 n 1", "1");
    let mut client = user(&mut s, "writer", "%RW~one:* %W~two:* +@all");
    client.says("SESSION.ROTATE one:a two:a GRACE 100", "2");
    s.says("SESSION.SET two:a FIELDS 1 n 2", "3");
    assert!(client.say("SESSION.ROTATE one:a two:a GRACE 100").starts_with("SESSIONGONE"));
    s.says("SESSION.ROTATE one:a two:a GRACE 100", "3");
}

#[test]
fn a_list_shows_data_to_who_may_read_them() {
    let mut s = two_apps();
    s.says("SESSION.SET one:a FIELDS 1 agent Safari", "2");
    let data = ["FIELDS 1 agent", "JSON", "META 1 user JSON", "WITHMETA FIELDS 1 none", "LIMIT 0 1 JSON"];
    let mut desk = user(&mut s, "desk", "~* +session.byuser +session.revoke");
    for data in data {
        let said = desk.say(&format!("SESSION.BYUSER alice {data}"));
        assert_eq!(said, "NOPERM data of sessions are for users who may run 'session.get' on their keys", "{data}");
    }
    for keys in ["LIMIT 0 9", "WITHMETA", "META 2 accessed user"] {
        assert!(desk.say(&format!("SESSION.BYUSER alice {keys}")).contains("one:a"), "{keys}");
    }
    assert!(desk.say("SESSION.BYUSER nobody JSON").starts_with("NOPERM"));
    s.says("SESSION.BYUSER nobody JSON", "[]");
    let mut one = user(&mut s, "one", "~one:* +session.byuser +session.get");
    one.says("SESSION.BYUSER nobody JSON", "[]");
    assert!(one.say("SESSION.BYUSER alice FIELDS 1 agent").contains("Safari"));
    assert!(one.say("EVAL return{redis.call('SESSION.BYUSER','alice','JSON')} 0").starts_with("NOPERM"));
    s.says("ACL SETUSER one +eval", "OK");
    assert!(one.say("EVAL return{redis.call('SESSION.BYUSER','alice','JSON')} 0").contains("Safari"));
    s.says("ACL SETUSER desk +eval", "OK");
    assert!(desk.say("EVAL return{redis.call('SESSION.BYUSER','alice','JSON')} 0").contains("NOPERM"));
    // By a selector, of some keys.
    let mut some = user(&mut s, "some", "~* +session.byuser (+session.get ~one:*)");
    assert!(some.say("SESSION.BYUSER alice JSON").starts_with("NOPERM"));
    some.says("SESSION.BYUSER nobody JSON", "[]");
    s.says("SESSION.DEL two:c", "1");
    assert!(some.say("SESSION.BYUSER alice JSON").contains("Safari"));
}

#[test]
fn a_list_of_very_many_shows_data_to_who_may_read_them() {
    let mut s = Server::new();
    for n in 0..100 {
        s.says(&format!("SESSION.SET one:{n} USER alice FIELDS 1 agent Safari"), "1");
    }
    let mut desk = user(&mut s, "desk", "~* +session.byuser");
    assert!(desk.say("SESSION.BYUSER alice FIELDS 1 agent LIMIT 0 1").starts_with("NOPERM"));
    assert!(desk.say("SESSION.BYUSER alice META 1 user LIMIT 0 1").contains("alice"));
    let mut one = user(&mut s, "one", "~one:* +session.byuser +session.get");
    assert!(one.say("SESSION.BYUSER alice FIELDS 1 agent LIMIT 0 1").contains("Safari"));
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
    operator.says("SESSION.APPLY one:a x", "ERR malformed session payload");
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

#[test]
fn a_parenthesis_in_a_pattern_is_no_selector() {
    let mut s = two_apps();
    for (name, patterns, count) in [
        ("channels", "~* &news(1) resetchannels &(news)", "3"),
        ("keys", "~one:* ~(two) ~a(b &*", "2"),
        ("both", "%R~two:* %W~(x) &(1", "1"),
    ] {
        let mut client = user(&mut s, name, &format!("{patterns} -@all +session.byuser +session.count"));
        client.says("SESSION.COUNT alice", count);
        assert_eq!(client.say("SESSION.BYUSER alice").matches(':').count().to_string(), count, "{name}");
    }
}

#[test]
fn who_may_run_a_command_by_name_alone_sees_what_the_same_rules_give_it() {
    let mut s = two_apps();
    let mut client = user(&mut s, "named", "~one:* -@all +session.byuser (~cache:* +get) (~two:* +session.count)");
    client.says("SESSION.COUNT alice", "1");
    assert!(client.say("SESSION.BYUSER alice").contains("one:a"));
    assert!(!client.say("SESSION.BYUSER alice").contains("two:c"));
    let mut both = user(&mut s, "both", "%R~one:* -@all +session.revoke (%W~two:* +session.revoke) (~* +get)");
    both.says("SESSION.REVOKE alice", "1");
    s.says("SESSION.COUNT alice", "2");
    // Rules may be for one first argument.
    let mut first = user(&mut s, "first", "~none +ping (~one:* +session.count|alice)");
    if !first.say("SESSION.COUNT alice").starts_with("NOPERM") {
        first.says("SESSION.COUNT alice", "2");
    }
}

#[test]
fn a_cap_counts_the_keys_of_every_selector_that_allows_the_command() {
    let mut s = two_apps();
    let mut client = user(&mut s, "capped", "~one:* +session.set (~two:* +session.set) (~three:* +session.get)");
    s.says("SESSION.SET three:e USER alice", "1");
    client.says("SESSION.SET one:a MAXSESSIONS 3 REJECT FIELDS 1 x y USER alice", "2");
    assert!(client.say("SESSION.SET one:f MAXSESSIONS 3 REJECT USER alice").starts_with("SESSIONLIMIT"));
    client.says("SESSION.SET one:a USER alice MAXSESSIONS 1 OLDEST", "3");
    let left = s.say("SESSION.BYUSER alice");
    assert!(left.contains("one:a") && left.contains("three:e") && !left.contains("one:b"), "{left}");
    assert!(!left.contains("two:c"), "{left}");
}

#[test]
fn what_an_acl_change_gives_and_takes_holds_at_once() {
    let mut s = two_apps();
    let mut client = user(&mut s, "changing", "~one:* +@all (~two:* +get)");
    for (rules, count) in [
        ("clearselectors", "2"),
        ("(~two:* +session.count)", "3"),
        ("resetkeys", "1"),
        ("allkeys", "3"),
        ("resetkeys clearselectors %R~one:a", "1"),
    ] {
        s.says(&format!("ACL SETUSER changing {rules}"), "OK");
        client.says("SESSION.COUNT alice", count);
        client.says("EVAL return{redis.call('SESSION.COUNT','alice')} 0", &format!("[{count}]"));
    }
}

#[test]
fn rules_by_database_hold_for_keys_that_the_caller_has_not_named() {
    let mut s = Server::new();
    let (version, valkey) = s.version();
    if !valkey || version < 901 {
        return; // Others have no such rules.
    }
    let mut admin = s.client();
    for db in ["0", "1", "2"] {
        admin.says(&format!("SELECT {db}"), "OK");
        admin.says("SESSION.SET one:a USER alice", "1");
        admin.says("SESSION.SET two:b USER alice", "1");
    }
    // All keys in database 0, in database 1 only some; the rules of a selector are good for its database alone.
    let mut client = user(&mut s, "by-db", "db=0 ~* +@all (db=1 ~one:* +@all)");
    client.says("SESSION.COUNT alice", "2");
    client.says("SELECT 1", "OK");
    client.says("SESSION.COUNT alice", "1");
    client.says("SESSION.BYUSER alice", "[one:a]");
    client.says("EVAL return{redis.call('SESSION.COUNT','alice')} 0", "[1]");
    assert!(client.say("SESSION.NEW PREFIX two: USER alice").starts_with("NOPERM"));
    client.says("SESSION.SET one:a USER alice MAXSESSIONS 1 OLDEST", "2");
    client.says("SESSION.REVOKE alice", "1");
    admin.says("SELECT 1", "OK");
    admin.says("SESSION.BYUSER alice", "[two:b]");
    client.says("SELECT 0", "OK");
    client.says("SESSION.REVOKE alice", "2");
    // Without selectors.
    let mut plain = user(&mut s, "plain", "db=2 ~* +@all");
    plain.says("SELECT 2", "OK");
    plain.says("SESSION.COUNT alice", "2");
    assert!(plain.say("SESSION.NEW PREFIX two:").starts_with("two:"));
    plain.says("SESSION.REVOKE alice", "2");
    assert!(plain.say("SELECT 1").starts_with("NOPERM"));
}

/// A server in which these commands are taken away, with users of these rules.
fn without(commands: &[&str], users: &[(&str, &str)]) -> Server {
    let gone = commands.iter().map(|command| format!("rename-command {command} \"\""));
    let users = users.iter().map(|(name, rules)| format!("user {name} on >secret ~* &* {rules}"));
    let lines: Vec<String> = gone.chain(users).chain([common::loadmodule("")]).collect();
    Server::with_conf(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn where_config_is_renamed_an_operator_is_who_may_do_the_like() {
    const VERIFIED: &str = "[sessions, 0, indexed, 0, missing, 0, stale, 0, fixed, 0]";
    for (gone, lesser) in
        [(&[][..], "+@all -config|set"), (&["CONFIG"], "+@all -acl|setuser"), (&["CONFIG", "ACL"], "+@all -shutdown")]
    {
        let mut s = without(gone, &[("operator", "+@all"), ("lesser", lesser)]);
        for (name, allowed) in [("operator", true), ("lesser", false)] {
            let mut client = s.client();
            client.says(&format!("AUTH {name} secret"), "OK");
            let (verify, apply) = (client.say("SESSION.VERIFY"), client.say("SESSION.APPLY a x"));
            if allowed {
                assert!(verify == VERIFIED && apply.contains("payload"), "{gone:?} {verify} {apply}");
            } else {
                assert!(verify.starts_with("NOPERM") && apply.starts_with("NOPERM"), "{gone:?} {verify} {apply}");
            }
        }
        s.says("SESSION.VERIFY", VERIFIED);
    }
}

#[test]
fn where_all_that_makes_an_operator_is_renamed_there_is_none() {
    let mut s = without(&["CONFIG", "ACL", "SHUTDOWN"], &[]);
    assert!(s.say("SESSION.VERIFY").starts_with("NOPERM"));
    // What is loaded and replicated is not judged.
    s.says("SESSION.SET a USER alice FIELDS 1 x y", "1");
    let mut replica = without(&["CONFIG", "ACL", "SHUTDOWN"], &[]);
    replica.follow(&mut s);
    s.says("SESSION.SET a FIELDS 1 x z", "2");
    replica.catch_up(&mut s);
    replica.says("SESSION.GET a", "[x, z]");
}

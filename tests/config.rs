//! Settings: where they come from, what they may be, and that they stay.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{loadmodule, module, Server};

/// Every number, its default, its least and its most.
const NUMBERS: &[(&str, i64, i64, i64)] = &[
    ("default-timeout", 1800, 0, 315_360_000),
    ("default-lifetime", 0, 0, 315_360_000),
    ("touch-interval-ms", 0, 0, 315_360_000_000),
    ("max-fields", 1024, 1, 65_536),
    ("max-bytes", 1_048_576, 1, 67_108_864),
];

fn config(name: &str, value: &str) -> String {
    format!("[session.{name}, {value}]")
}

#[test]
fn settings_have_the_documented_defaults() {
    let mut s = Server::new();
    for (name, default, ..) in NUMBERS {
        s.says(&format!("CONFIG GET session.{name}"), &config(name, &default.to_string()));
    }
    s.says("CONFIG GET session.id-format", &config("id-format", "uuid"));
    assert_eq!(s.say("CONFIG GET session.*").matches("session.").count(), NUMBERS.len() + 1);
}

#[test]
fn config_set_takes_what_is_in_range_and_nothing_else() {
    let mut s = Server::new();
    for (name, _, min, max) in NUMBERS {
        for value in [min, max] {
            s.says(&format!("CONFIG SET session.{name} {value}"), "OK");
            s.says(&format!("CONFIG GET session.{name}"), &config(name, &value.to_string()));
        }
        for value in
            [(min - 1).to_string(), (max + 1).to_string(), "many".into(), "1.5".into(), "99999999999999999999".into()]
        {
            let said = s.say(&format!("CONFIG SET session.{name} {value}"));
            assert!(said.starts_with("ERR ") && said.contains(name), "{name} {value} said {said}");
        }
        s.says(&format!("CONFIG GET session.{name}"), &config(name, &max.to_string()));
    }
    s.says("CONFIG SET session.id-format token", "OK");
    let said = s.say("CONFIG SET session.id-format serial");
    assert!(said.starts_with("ERR ") && said.contains("uuid") && said.contains("token"), "{said}");
    s.says("CONFIG GET session.id-format", &config("id-format", "token"));
}

#[test]
fn a_setting_binds_the_next_command() {
    let mut s = Server::new();
    s.says("CONFIG SET session.default-timeout 60 session.default-lifetime 600", "OK");
    s.says("SESSION.SET a", "1");
    assert_eq!((s.session("a")["idle"].as_str(), s.session("a")["lifetime"].as_str()), ("60000", "600000"));
    s.says("CONFIG SET session.default-timeout 0 session.default-lifetime 0", "OK");
    s.says("SESSION.SET b", "1");
    s.says("PTTL b", "-1");
    assert_eq!((s.session("b")["idle"].as_str(), s.session("b")["lifetime"].as_str()), ("nil", "nil"));
    s.says("SESSION.SET a FIELDS 1 x y", "2");
    assert_eq!(s.session("a")["idle"], "60000", "a session keeps what it began with");
}

#[test]
fn settings_bind_clients_and_not_files() {
    let mut s = Server::start(&["--save", "3600 1"]);
    s.says("SESSION.SET a USER alice FIELDS 2 x 1234567890 y 2", "1");
    let before = s.say("SESSION.INFO a");
    s.says("CONFIG SET session.max-fields 1 session.max-bytes 1 session.default-timeout 1", "OK");
    s.says("DEBUG RELOAD", "OK");
    s.says("SESSION.INFO a", &before);
    s.says("COPY a b", "1");
    s.says("SESSION.COUNT alice", "2");
}

#[test]
fn a_conf_file_sets_them_before_and_after_the_module_is_loaded() {
    let (plain, module) = ("session.default-timeout 77", loadmodule(""));
    for lines in [[plain, &module], [&module, plain]] {
        let mut s = Server::with_conf(&lines);
        s.says("CONFIG GET session.default-timeout", &config("default-timeout", "77"));
        s.says("SESSION.SET a", "1");
        assert_eq!(s.session("a")["idle"], "77000");
    }
}

#[test]
fn a_conf_file_with_a_value_out_of_range_or_an_unknown_name_does_not_start() {
    for line in ["session.default-timeout -1", "session.max-fields 0", "session.id-format serial", "session.timeout 60"]
    {
        let started = Server::try_start(Some(&[&loadmodule(""), line]), &[]);
        assert!(started.is_err(), "{line}");
    }
}

#[test]
fn arguments_of_loadmodule_set_them() {
    let mut s = Server::start(&["default-timeout", "60", "id-format", "token", "max-fields", "7"]);
    s.says("CONFIG GET session.default-timeout", &config("default-timeout", "60"));
    s.says("CONFIG GET session.id-format", &config("id-format", "token"));
    s.says("CONFIG GET session.max-fields", &config("max-fields", "7"));
    s.says("CONFIG GET session.max-bytes", &config("max-bytes", "1048576"));
}

/// Arguments that are malformed, and what the log says of them.
const MALFORMED: &[(&str, &str)] = &[
    ("timeout 60", "timeout 60: no such argument; they are default-timeout, default-lifetime, touch-interval-ms"),
    ("default-timeout", "default-timeout: an argument without a value"),
    ("default-timeout 60 max-fields", "max-fields: an argument without a value"),
    ("default-timeout 1h", "default-timeout 1h: not an integer"),
    ("max-bytes 1.5", "max-bytes 1.5: not an integer"),
    ("max-bytes 99999999999999999999", "max-bytes 99999999999999999999: not an integer"),
    ("default-timeout 1 default-timeout 2", "default-timeout 2: given twice"),
];

/// Arguments that are out of range, and what the log says of them.
const OUT_OF_RANGE: &[(&str, &str)] = &[
    ("default-timeout -1", "default-timeout -1: argument must be between 0 and 315360000 inclusive"),
    ("default-timeout 315360001", "default-timeout 315360001: argument must be between 0 and 315360000"),
    ("max-fields 0", "max-fields 0: argument must be between 1 and 65536"),
    ("max-fields 65537", "max-fields 65537: argument must be between 1 and 65536"),
    ("id-format serial", "id-format serial: neither uuid nor token"),
];

#[test]
fn a_server_does_not_start_with_arguments_that_are_wrong() {
    for (args, why) in MALFORMED.iter().chain(OUT_OF_RANGE) {
        match Server::try_start(Some(&[&loadmodule(args)]), &[]) {
            Ok(_) => panic!("started with {args}"),
            Err(log) => assert!(log.contains(&format!("session: not loaded: {why}")), "{args}: {log}"),
        }
    }
}

/// Loads the module into a server that runs, with arguments that are wrong, and then with some that are right.
fn load_wrong_and_right(command: &str, wrong: &[(&str, &str)], right: &str) {
    let mut s = Server::with_conf(&["enable-module-command yes"]);
    let path = module().display().to_string();
    for (args, _) in wrong {
        let said = s.say(&format!("MODULE {command} {path} {args}"));
        assert!(said.starts_with("ERR Error loading the extension"), "{args} said {said}");
        let said = s.say("SESSION.COUNT alice");
        assert!(said.starts_with("ERR unknown command"), "{args} left the module: {said}");
    }
    s.says(&format!("MODULE {command} {path} {right}"), "OK");
    s.says("SESSION.SET a USER alice", "1");
    s.says("CONFIG GET session.default-timeout", &config("default-timeout", "60"));
    s.says("SESSION.COUNT alice", "1");
}

#[test]
fn module_load_with_malformed_arguments_is_refused_and_the_server_lives() {
    load_wrong_and_right("LOAD", MALFORMED, "default-timeout 60");
}

#[test]
fn module_load_with_arguments_out_of_range_is_refused_and_the_server_lives() {
    load_wrong_and_right("LOAD", OUT_OF_RANGE, "default-timeout 60");
}

#[test]
fn module_loadex_with_settings_out_of_range_is_refused_and_the_server_lives() {
    let wrong = [("CONFIG session.max-fields 0", ""), ("CONFIG session.id-format serial", "")];
    load_wrong_and_right("LOADEX", &wrong, "CONFIG session.default-timeout 60");
}

#[test]
fn module_loadex_sets_them_too() {
    let mut s = Server::with_conf(&["enable-module-command yes"]);
    let path = module().display().to_string();
    let settings = "CONFIG session.max-fields 3 CONFIG session.id-format token ARGS default-timeout 60";
    s.says(&format!("MODULE LOADEX {path} {settings}"), "OK");
    for (name, value) in [("max-fields", "3"), ("id-format", "token"), ("default-timeout", "60")] {
        s.says(&format!("CONFIG GET session.{name}"), &config(name, value));
    }
    assert_eq!(s.say("SESSION.NEW").len(), 32);
}

#[test]
fn a_module_with_a_type_of_its_own_is_not_unloaded() {
    let mut s = Server::with_conf(&["enable-module-command yes", &loadmodule("")]);
    s.says("SESSION.SET a USER alice", "1");
    assert!(s.say("MODULE UNLOAD session").starts_with("ERR "));
    s.says("SESSION.COUNT alice", "1");
}

#[test]
fn config_rewrite_keeps_them() {
    let mut s = Server::with_conf(&[&loadmodule("max-fields 9"), "session.default-timeout 77"]);
    s.says("CONFIG SET session.max-bytes 12345 session.id-format token session.touch-interval-ms 5", "OK");
    s.says("CONFIG REWRITE", "OK");
    s.restart();
    for (name, value) in [
        ("max-fields", "9"),
        ("default-timeout", "77"),
        ("max-bytes", "12345"),
        ("id-format", "token"),
        ("touch-interval-ms", "5"),
    ] {
        s.says(&format!("CONFIG GET session.{name}"), &config(name, value));
    }
}

#[test]
fn config_resetstat_and_config_get_of_nothing_are_harmless() {
    let mut s = Server::new();
    s.says("CONFIG GET session.none", "[]");
    s.says("CONFIG RESETSTAT", "OK");
    assert!(s.say("CONFIG SET session.none 1").starts_with("ERR "));
}

#[test]
fn an_id_is_a_uuid_of_version_4_or_a_token_of_192_bits() {
    let mut s = Server::new();
    let key = s.say("SESSION.NEW PREFIX sess:");
    let uuid = key.strip_prefix("sess:").unwrap();
    let parts: Vec<&str> = uuid.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uuid}");
    assert!(parts.concat().chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{uuid}");
    assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");

    s.says("CONFIG SET session.id-format token", "OK");
    let key = s.say("SESSION.NEW PREFIX sess:");
    let token = key.strip_prefix("sess:").unwrap();
    assert_eq!(token.len(), 32, "{token}");
    assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{token}");

    let ids: std::collections::HashSet<String> = (0..100).map(|_| s.say("SESSION.NEW")).collect();
    assert_eq!(ids.len(), 100);
}

//! What is documented is what the server does: syntax, facts and examples of `docs/commands.md`, links and examples of all
//! pages, and what the server tells clients of the commands.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{shown, transcript, Server};
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

// --- The page of commands ---

#[test]
fn every_command_is_documented_and_no_other() {
    let mut documented: Vec<String> = sections(&commands_page()).into_iter().map(|section| section.name).collect();
    documented.sort();
    let mut there = commands(&mut Server::new());
    there.sort();
    assert_eq!(documented, there);
}

#[test]
fn the_documented_syntax_is_that_of_command_docs() {
    let docs = Docs::of(&Server::new());
    for section in sections(&commands_page()) {
        let arguments = docs.arguments(&section.name);
        let syntax = format!("{} {arguments}", section.name.to_uppercase());
        assert_eq!(section.syntax, syntax, "{}", section.name);
    }
}

#[test]
fn summary_version_and_complexity_are_those_of_command_docs() {
    let docs = Docs::of(&Server::new());
    for section in sections(&commands_page()) {
        let said = |what| docs.text(&section.name, what);
        assert_eq!(section.summary, said("summary"), "{}", section.name);
        assert_eq!(section.facts["Available since"], said("since"), "{}", section.name);
        assert_eq!(section.facts["Time complexity"], said("complexity"), "{}", section.name);
    }
}

#[test]
fn the_documented_categories_are_those_of_the_server_as_far_as_it_has_them() {
    let mut server = Server::new();
    for section in sections(&commands_page()) {
        let there = texts(&command_info(&mut server, &section.name)[CATEGORIES]);
        let mut documented: BTreeSet<String> =
            section.facts["ACL categories"].split(", ").map(|name| name.trim_matches('`').to_string()).collect();
        assert!(documented.contains("@session"), "{}", section.name);
        if !there.contains("@session") {
            documented.remove("@session"); // a server before 7.4
        }
        if !there.is_empty() {
            assert_eq!(documented, there, "{}", section.name);
        }
    }
}

#[test]
fn links_lead_to_a_file_and_a_heading_of_it() {
    let mut dead = Vec::new();
    for name in PAGES {
        for link in links(&read(name)).into_iter().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(name).parent().unwrap();
            let file = if file.is_empty() { PathBuf::from(name) } else { folder.join(file) };
            if !root().join(&file).exists() || !(heading.is_empty() || has_heading(&file, heading)) {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:?}");
}

#[test]
fn every_example_gives_the_output_that_it_shows() {
    let mut wrong = Vec::new();
    // tests/operations.rs runs those of docs/operations.md, which want more than a server.
    for name in PAGES.iter().filter(|name| **name != "docs/operations.md") {
        for steps in transcript::of_page(&read(name)) {
            let differences = transcript::run(&Server::new(), &steps);
            wrong.extend(differences.into_iter().map(|what| format!("{name} {what}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_command_has_an_example() {
    for section in sections(&commands_page()) {
        let blocks = transcript::of_page(&section.text);
        let word = section.name.to_uppercase();
        assert!(blocks.iter().flatten().any(|step| step.command.contains(&word)), "{word}");
    }
}

// --- What the server tells clients ---

/// Where the keys of a command are, and what it does with them, in every form of its options. Options that are named like
/// keys and keys that are named like options are in here on purpose.
const KEYS: &[(&str, &str)] = &[
    ("SET k", "[[k, [RW, update]]]"),
    ("SET NX NX USER k KEEPTTL FIELDS 1 f v", "[[NX, [RW, update]]]"),
    ("SET k IFVERSION 1 REPLACE NOUSER EX 1 LIFETIME 1 MAXSESSIONS 1 LRU UNSET 1 f JSON {}", "[[k, [RW, update]]]"),
    ("SET JSON FIELDS 1 f v JSON {}", "[[JSON, [RW, update]]]"),
    ("GET k", "[[k, [RO, access]]]"),
    ("GET META META 1 user JSON FIELDS 1 f", "[[META, [RO, access]]]"),
    ("GET FIELDS FIELDS 1 FIELDS", "[[FIELDS, [RO, access]]]"),
    ("GET JSON WITHMETA JSON", "[[JSON, [RO, access]]]"),
    ("GETEX k", "[[k, [RW, access, update]]]"),
    ("GETEX EX EX 10 WITHMETA FIELDS 2 a b", "[[EX, [RW, access, update]]]"),
    ("GETEX k META 2 user idle JSON FIELDS 1 a", "[[k, [RW, access, update]]]"),
    ("TOUCH a", "[[a, [RW, update]]]"),
    ("TOUCH a EX b", "[[a, [RW, update]], [EX, [RW, update]], [b, [RW, update]]]"),
    ("ADJUST k 10", "[[k, [RW, update]]]"),
    ("ADJUST PERSIST PERSIST NOLIFETIME", "[[PERSIST, [RW, update]]]"),
    ("DEL a", "[[a, [RM, delete]]]"),
    ("DEL a EXCEPT b", "[[a, [RM, delete]], [EXCEPT, [RM, delete]], [b, [RM, delete]]]"),
    ("ROTATE a b", "[[a, [RW, access, delete]], [b, [OW, insert]]]"),
    ("ROTATE GRACE USER USER u GRACE 10", "[[GRACE, [RW, access, delete]], [USER, [OW, insert]]]"),
    ("ROTATE a b IFVERSION 1 UNSET 1 c FIELDS 1 d e", "[[a, [RW, access, delete]], [b, [OW, insert]]]"),
    ("ROTATE REPLACE PGRACE REPLACE JSON {} PGRACE 1", "[[REPLACE, [RW, access, delete]], [PGRACE, [OW, insert]]]"),
    ("UNSET k FIELDS 2 a b", "[[k, [RW, update]]]"),
    ("UNSET FIELDS IFVERSION 1 KEEPTTL FIELDS 1 a", "[[FIELDS, [RW, update]]]"),
    ("POP k FIELDS 2 a b", "[[k, [RW, access, update]]]"),
    ("POP KEEPTTL KEEPTTL IFVERSION 1 FIELDS 1 a", "[[KEEPTTL, [RW, access, update]]]"),
    ("INCRBY k field 1", "[[k, [RW, access, update]]]"),
    ("INCRBY k IFVERSION 1 IFVERSION 1 KEEPTTL", "[[k, [RW, access, update]]]"),
    ("INFO k", "[[k, [RO, access]]]"),
    ("APPLY k effect", "[[k, [RW, update]]]"),
];

#[test]
fn keys_are_found_in_every_form_of_a_command() {
    let mut server = Server::new();
    for (command, keys) in KEYS {
        server.says(&format!("COMMAND GETKEYSANDFLAGS SESSION.{command}"), keys);
    }
}

#[test]
fn commands_for_all_sessions_of_a_user_name_no_key() {
    let mut server = Server::new();
    for command in [
        "NEW PREFIX p: USER u",
        "BYUSER u META 1 user JSON FIELDS 1 k LIMIT 0 1",
        "COUNT u",
        "REVOKE u EXCEPT 1 k",
        "REVOKE u ONLY 1 k",
        "VERIFY FIX",
    ] {
        let said = server.say(&format!("COMMAND GETKEYSANDFLAGS SESSION.{command}"));
        assert_eq!(said, "ERR The command has no key arguments", "{command}");
    }
}

/// Of each command: how many arguments it takes, and its flags.
const INFO: &[(&str, &str, &str)] = &[
    ("session.set", "-2", "denyoom write"),
    ("session.new", "-1", "denyoom write"),
    ("session.get", "-2", "readonly"),
    ("session.getex", "-2", "write"),
    ("session.touch", "-2", "fast write"),
    ("session.adjust", "-3", "fast write"),
    ("session.byuser", "-2", "readonly"),
    ("session.count", "2", "readonly"),
    ("session.del", "-2", "write"),
    ("session.revoke", "-2", "write"),
    ("session.rotate", "-3", "denyoom write"),
    ("session.unset", "-5", "write"),
    ("session.pop", "-5", "write"),
    ("session.incrby", "-4", "denyoom write"),
    ("session.info", "2", "fast readonly"),
    ("session.verify", "-1", "admin readonly"),
    ("session.apply", "3", "admin write"),
];

#[test]
fn command_info_gives_arity_and_flags() {
    let mut server = Server::new();
    for (name, arity, flags) in INFO {
        let info = command_info(&mut server, name);
        let mut there = texts(&info[FLAGS]);
        assert!(there.remove("module"), "{name}");
        let there: Vec<String> = there.into_iter().collect();
        assert_eq!((shown(&info[ARITY]).as_str(), there.join(" ").as_str()), (*arity, *flags), "{name}");
    }
    let known: BTreeSet<String> = INFO.iter().map(|(name, ..)| name.to_string()).collect();
    assert_eq!(known, commands(&mut server).into_iter().collect());
}

#[test]
fn command_tips_tell_where_to_send_a_command_and_how_to_merge_the_replies() {
    let mut server = Server::new();
    let mut tips = |name: &str| texts(&command_info(&mut server, name)[TIPS]).into_iter().collect::<Vec<_>>().join(" ");
    for name in ["session.byuser", "session.verify"] {
        assert_eq!(tips(name), "nondeterministic_output request_policy:all_shards response_policy:special", "{name}");
    }
    assert_eq!(tips("session.count"), "nondeterministic_output request_policy:all_shards response_policy:agg_sum");
    assert_eq!(tips("session.revoke"), "request_policy:all_shards response_policy:agg_sum");
    for name in ["session.touch", "session.del"] {
        assert_eq!(tips(name), "request_policy:multi_shard response_policy:agg_sum", "{name}");
    }
    assert_eq!(tips("session.new"), "nondeterministic_output");
    assert_eq!(tips("session.get"), "");
}

// --- Helpers ---

/// All pages of the documentation.
const PAGES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "clients/node/README.md",
    "clients/python/README.md",
    "docs/benchmarks-node.md",
    "docs/benchmarks-python.md",
    "docs/benchmarks.md",
    "docs/better-auth.md",
    "docs/clients.md",
    "docs/cluster.md",
    "docs/commands.md",
    "docs/django.md",
    "docs/express.md",
    "docs/fastify.md",
    "docs/flask.md",
    "docs/koa.md",
    "docs/load.md",
    "docs/operations.md",
    "docs/pyramid.md",
    "docs/scaling.md",
    "docs/servers.md",
    "docs/sockets-python.md",
    "docs/sockets.md",
    "docs/socketstream.md",
    "docs/starlette.md",
    "docs/swampdragon.md",
    "examples/devices/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn commands_page() -> String {
    read("docs/commands.md")
}

/// Where the links of a page lead.
fn links(page: &str) -> Vec<String> {
    page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_string()).collect()
}

/// Whether a page has a heading that links call by this name.
fn has_heading(page: &Path, name: &str) -> bool {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    text.lines().any(|line| line.starts_with('#') && anchor(line) == name)
}

/// The section of a command.
struct Section {
    name: String,
    text: String,
    summary: String,
    /// Its first `text` block, in one line.
    syntax: String,
    /// `- **Fact:** what it is`.
    facts: BTreeMap<String, String>,
}

fn sections(page: &str) -> Vec<Section> {
    page.split("\n## ").filter(|text| text.starts_with("SESSION.")).map(section).collect()
}

fn section(text: &str) -> Section {
    let (heading, rest) = text.split_once('\n').unwrap();
    let block = |rest: &str| Some(rest.split_once("```text\n")?.1.split_once("\n```")?.0.to_string());
    let syntax = block(rest).unwrap_or_else(|| panic!("{heading} has no syntax"));
    let facts = rest.lines().filter_map(|line| line.strip_prefix("- **")?.split_once(":** "));
    Section {
        name: heading.to_lowercase(),
        text: text.to_string(),
        summary: one_line(rest.trim_start().split("\n\n").next().unwrap()),
        syntax: one_line(&syntax),
        facts: facts.map(|(name, what)| (name.to_string(), what.to_string())).collect(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a heading is called in links.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The commands of the module, in lower case, but for those that it calls itself (on 7.0).
fn commands(server: &mut Server) -> Vec<String> {
    let list = server.send(&[b"COMMAND", b"LIST", b"FILTERBY", b"MODULE", b"session"]).unwrap();
    texts(&list).into_iter().filter(|name| !name.starts_with("session._")).collect()
}

const ARITY: usize = 1;
const FLAGS: usize = 2;
const CATEGORIES: usize = 6;
const TIPS: usize = 7;

fn command_info(server: &mut Server, name: &str) -> Vec<Value> {
    match server.send(&[b"COMMAND", b"INFO", name.as_bytes()]) {
        Ok(Value::Array(mut infos)) => match infos.remove(0) {
            Value::Array(info) => info,
            other => panic!("{name}: {other:?}"),
        },
        other => panic!("{name}: {other:?}"),
    }
}

fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(values) | Value::Set(values) => values.iter().map(shown).collect(),
        other => panic!("no list: {other:?}"),
    }
}

/// The reply to COMMAND DOCS.
struct Docs(Value);

impl Docs {
    fn of(server: &Server) -> Self {
        let mut client = server.client3();
        let mut args: Vec<&[u8]> = vec![b"COMMAND", b"DOCS"];
        args.extend(INFO.iter().map(|(name, ..)| name.as_bytes()));
        Docs(client.send(&args).unwrap())
    }

    fn text(&self, command: &str, what: &str) -> String {
        shown(get(get(&self.0, command).unwrap(), what).unwrap())
    }

    /// The arguments of a command, as they are written in its documentation.
    fn arguments(&self, command: &str) -> String {
        joined(get(&self.0, command).unwrap(), " ")
    }
}

/// The value of a name in a map.
fn get<'v>(map: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Map(pairs) = map else { panic!("no map: {map:?}") };
    pairs.iter().find(|(key, _)| shown(key) == name).map(|(_, value)| value)
}

/// The arguments that something consists of.
fn joined(whole: &Value, separator: &str) -> String {
    match get(whole, "arguments") {
        Some(Value::Array(arguments)) => arguments.iter().map(argument).collect::<Vec<_>>().join(separator),
        _ => String::new(),
    }
}

fn argument(argument: &Value) -> String {
    let said = |what| get(argument, what).map(shown);
    let flags = get(argument, "flags").map(texts).unwrap_or_default();
    let (token, optional) = (said("token"), flags.contains("optional"));
    let value = match said("type").unwrap().as_str() {
        "pure-token" => return bracketed(token.unwrap(), optional),
        "oneof" if optional => joined(argument, " | "),
        "oneof" => format!("<{}>", joined(argument, " | ")),
        "block" => joined(argument, " "),
        _ => said("name").unwrap(),
    };
    let value = if flags.contains("multiple") { format!("{value} [{value} ...]") } else { value };
    bracketed(token.map_or(value.clone(), |token| format!("{token} {value}")), optional)
}

fn bracketed(text: String, optional: bool) -> String {
    if optional {
        format!("[{text}]")
    } else {
        text
    }
}

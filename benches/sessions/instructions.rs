//! The instructions of a call, counted by callgrind: `make bench-instructions`. They come out the same whatever else the
//! machine does, so they show what a change of the code does that the clock cannot tell from noise.
//!
//! The server runs under valgrind (scripts/bench-valgrind.sh), which counts nothing until it is told to. For each
//! command the sessions are made first; then a thousand calls and more are sent at once while it counts, and what it wrote
//! down is read: how many instructions there were in all, from the bytes of a request to the bytes of the reply; how many
//! from when the server called the module until it returned; and how many of these in the module's own functions. What the
//! module asks the server or the C library to do is not the module's.

use super::common::{loadmodule, Server};
use super::contenders::{connect, json, uuid, words, Size, Work, PIPELINE};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many functions and files are named.
const TOP: usize = 10;

/// Sessions that the calls are about, and a third as many users.
const SESSIONS: Range<usize> = 0..3000;
const USERS: Range<usize> = 0..1000;

/// The configuration of servers without this module.
const LINES: [&str; 2] = ["maxmemory 0", "hz 1"];

/// What a command took, and the most instructions in the module that it is to take.
struct Counted {
    name: &'static str,
    target: Option<u64>,
    costs: Costs,
    calls: u64,
}

pub fn main() {
    std::fs::remove_dir_all(reports()).ok();
    let mut server = Server::start(&["--maxmemory", "0", "--hz", "1"]);
    let (version, valkey) = server.version();
    let name = if valkey { "Valkey" } else { "Redis" };
    println!("Instructions of a call on {name} {}.{}, by callgrind.\n", version / 100, version % 100);
    let (table, dir) = (count_all(&server), reports());
    println!("| command | in all | in the command | in the module | target | target met |\n|---|---|---|---|---|---|");
    for Counted { name, target, costs, calls } in &table {
        let (all, command, module) = (costs.all / calls, costs.command() / calls, costs.module / calls);
        let limit = target.map_or("–".into(), |target| format!("≤ {target}"));
        let met = target.map_or("–", |target| if module <= target { "yes" } else { "no" });
        println!("| {name} | {all} | {command} | {module} | {limit} | {met} |");
    }
    print_against_the_floor(&table);
    print_new_string();
    for Counted { name, costs, calls, .. } in &table {
        println!("\n{name}: functions of the module, without what they call");
        print_top(&costs.functions, *calls);
        println!("{name}: source files of the module; what was inlined counts where it was written");
        print_top(&costs.files, *calls);
    }
    println!("\nLine by line: callgrind_annotate --auto=yes {}/<command>.out", dir.display());
}

/// The commands in an order in which each finds what it needs.
fn count_all(server: &Server) -> Vec<Counted> {
    let counter = Counter::new(server);
    let mut table = Vec::new();
    let mut count = |name, target, work: Work<'_>, numbers| {
        let calls = Range::len(&numbers) as u64;
        table.push(Counted { name, target, costs: counter.count(name, &work, numbers), calls });
    };
    let (sess, text) = (|i: usize| format!("sess:{}", uuid(i)), |i: usize| format!("json:{}", uuid(i)));
    let one_field = |value: &str| {
        let value = value.to_string();
        move |i: usize| words(&format!("SESSION.SET {} FIELDS 1 lang {value}", sess(i)), &[])
    };
    let set_json = |i: usize| words(&format!("SESSION.SET {} USER json:{} JSON", text(i), i / 3), &[json(i)]);
    let replace = |i: usize| words(&format!("SESSION.SET {} REPLACE JSON", text(i)), &[json(i + 1)]);
    let get_json = |i: usize| words(&format!("SESSION.GETEX {} JSON", text(i)), &[]);
    let adjust = |i: usize| words(&format!("SESSION.ADJUST {} 900", sess(i)), &[]);
    let rotate = |i: usize| words(&format!("SESSION.ROTATE {} {}", sess(i), sess(i + 10_000)), &[]);

    // The index and the server's tables have grown, and all that is made on first use is there.
    let more = SESSIONS.end..SESSIONS.end * 2;
    uncounted(server, &[Work::Set(Size::Small)], more.clone());
    uncounted(server, &[Work::Touch, Work::Get, Work::Of(&one_field("fr"))], more);
    uncounted(server, &[Work::ByUser], USERS.end..USERS.end + 10);
    uncounted(server, &[Work::Of(&set_json)], SESSIONS);

    count("SET, new, USER, EX", Some(3200), Work::Set(Size::Small), SESSIONS);
    count("SET of one field", Some(3500), Work::Of(&one_field("english")), SESSIONS);
    count("SET of one field, same length", None, Work::Of(&one_field("deutsch")), SESSIONS);
    count("TOUCH", Some(1100), Work::Touch, SESSIONS);
    count("GET", None, Work::Get, SESSIONS);
    count("GETEX JSON of 0.75 kB", None, Work::Of(&get_json), SESSIONS);
    count("SET REPLACE JSON of 0.75 kB", None, Work::Of(&replace), SESSIONS);
    count("ADJUST", None, Work::Of(&adjust), SESSIONS);
    count("BYUSER of three", Some(2600), Work::ByUser, USERS);
    count("ROTATE", None, Work::Of(&rotate), SESSIONS);
    count("REVOKE of three", Some(6500), Work::Revoke, USERS);
    table
}

/// What a command takes from when the server called the module until it returned, against a module that does nothing but
/// make the server's own calls.
fn print_against_the_floor(ours: &[Counted]) {
    let server = super::floor_server(&LINES);
    let counter = Counter::new(&server);
    uncounted(&server, &[Work::Floor("FLOOR.SET", 1)], SESSIONS.end..SESSIONS.end * 2);
    println!("\n| command | in the command | the floor's | ratio |\n|---|---|---|---|");
    for (name, command, keys, numbers) in [
        ("SET, new, USER, EX", "FLOOR.SET", 1, SESSIONS),
        ("TOUCH", "FLOOR.TOUCH", 1, SESSIONS),
        ("BYUSER of three", "FLOOR.BYUSER", 3, USERS),
        ("REVOKE of three", "FLOOR.REVOKE", 3, USERS),
    ] {
        let floor = counter.count(command, &Work::Floor(command, keys), numbers).command();
        let Some(Counted { costs, calls, .. }) = ours.iter().find(|counted| counted.name == name) else { continue };
        let (ours, floor) = (costs.command() / calls, floor / calls);
        println!("| {name} | {ours} | {floor} | {:.2} |", ours as f64 / floor as f64);
    }
}

/// What a command that is none of ours takes because the module is loaded.
fn print_new_string() {
    let module = loadmodule("");
    let with: Vec<&str> = LINES.iter().copied().chain([module.as_str()]).collect();
    let (with, without) = (Server::with_conf(&with), Server::with_conf(&LINES));
    let set = |i: usize| words(&format!("SET str:{} value", uuid(i)), &[]);
    let [with, without] = [&with, &without].map(|server| {
        uncounted(server, &[Work::Of(&set)], SESSIONS.end..SESSIONS.end * 2);
        Counter::new(server).count("SET of a new string", &Work::Of(&set), SESSIONS).all / SESSIONS.len() as u64
    });
    let ratio = with as f64 / without as f64;
    let met = if ratio <= 1.03 { "met" } else { "not met" };
    println!(
        "\nSET of a new string, in all: {with} with the module, {without} without: {ratio:.2} (target 1.03: {met})"
    );
}

fn uncounted(server: &Server, works: &[Work<'_>], numbers: Range<usize>) {
    let mut connection = connect(server.port);
    works.iter().for_each(|work| work.pipelined(&mut connection, numbers.clone()));
}

/// Where what callgrind writes is kept.
fn reports() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/callgrind")
}

/// Has callgrind count while a server works.
struct Counter {
    pid: String,
    port: u16,
}

impl Counter {
    fn new(server: &Server) -> Self {
        Counter { pid: server.pid().to_string(), port: server.port }
    }

    fn count(&self, name: &str, work: &Work<'_>, numbers: Range<usize>) -> Costs {
        let mut connection = connect(self.port);
        self.tell(&["instrumentation", "on"]);
        for start in numbers.clone().step_by(PIPELINE) {
            work.pipelined(&mut connection, start..(start + PIPELINE).min(numbers.end));
        }
        self.tell(&["instrumentation", "off"]);
        self.tell(&["dump", "counted"]);
        // Whatever a server wrote before has been renamed. The file without a number is for the server's end.
        let mut numbered = (1..1000).map(|number| reports().join(format!("{}.{number}", self.pid)));
        let written = numbered.find(|path| path.exists()).expect("what callgrind wrote");
        std::fs::remove_file(reports().join(&self.pid)).ok();
        let kept = reports().join(name.to_lowercase().replace(", ", "-").replace(' ', "-") + ".out");
        std::fs::rename(&written, &kept).unwrap_or_else(|e| panic!("{}: {e}", written.display()));
        costs(&std::fs::read_to_string(kept).unwrap())
    }

    fn tell(&self, words: &[&str]) {
        let mut vgdb = Command::new("vgdb");
        vgdb.arg(format!("--pid={}", self.pid)).args(words).stderr(Stdio::null());
        let done = vgdb.stdout(Stdio::null()).status().expect("vgdb, which comes with valgrind");
        assert!(done.success(), "the server does not run under callgrind: make bench-instructions");
    }
}

/// Instructions of all calls together.
#[derive(Default)]
struct Costs {
    all: u64,
    module: u64,
    /// Of the module, by function and by file of its source.
    functions: HashMap<String, u64>,
    files: HashMap<String, u64>,
    /// Of the module's functions that others call, with all that these call in turn.
    called: HashMap<String, u64>,
}

impl Costs {
    /// What the server calls for a command; what it calls back meanwhile is a part of that, and less.
    fn command(&self) -> u64 {
        self.called.values().copied().max().unwrap_or(0)
    }
}

/// Reads what callgrind writes: lines that name where the next costs belong, and lines of a place and its cost. Names are
/// written once and have numbers from then on.
fn costs(report: &str) -> Costs {
    let (mut costs, mut names) = (Costs::default(), HashMap::new());
    let (mut object, mut function, mut file) = (String::new(), String::new(), String::new());
    let (mut called_object, mut called) = (None, String::new());
    let mut lines = report.lines();
    while let Some(line) = lines.next() {
        match line.split_once('=') {
            Some(("ob", name)) => object = full(&mut names, "object", name),
            Some(("fn", name)) => function = full(&mut names, "function", name),
            Some(("fl" | "fi" | "fe", name)) => file = full(&mut names, "file", name),
            Some(("cob", name)) => called_object = Some(full(&mut names, "object", name)),
            Some(("cfn", name)) => called = full(&mut names, "function", name),
            Some(("cfi" | "cfl", name)) => drop(full(&mut names, "file", name)),
            // The next line is what the called function took, which is counted where that function stands.
            Some(("calls", _)) => {
                let cost = cost(lines.next().unwrap_or_default());
                let callee = called_object.take().unwrap_or_else(|| object.clone());
                if is_module(&callee) && !is_module(&object) {
                    *costs.called.entry(called.clone()).or_default() += cost;
                }
            }
            Some(_) => {}
            None if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) => {
                let cost = cost(line);
                costs.all += cost;
                if is_module(&object) {
                    costs.module += cost;
                    *costs.functions.entry(function.clone()).or_default() += cost;
                    *costs.files.entry(file.clone()).or_default() += cost;
                }
            }
            None => {}
        }
    }
    costs
}

fn is_module(object: &str) -> bool {
    object.contains("redis_session") || object.contains("libfloor")
}

/// A place in the source, and the cost there.
fn cost(line: &str) -> u64 {
    line.split(' ').nth(1).unwrap_or("0").parse().unwrap()
}

/// The name that is meant by `(7) name`, or by `(7)` later on.
fn full(names: &mut HashMap<(&'static str, String), String>, kind: &'static str, text: &str) -> String {
    let (number, name) = text.split_once(')').unwrap_or((text, ""));
    let key = (kind, number.to_string());
    if name.is_empty() {
        return names.get(&key).cloned().unwrap_or_default();
    }
    names.insert(key, name.trim().to_string());
    name.trim().to_string()
}

fn print_top(costs: &HashMap<String, u64>, calls: u64) {
    let mut sorted: Vec<_> = costs.iter().collect();
    sorted.sort_by_key(|(name, cost)| (std::cmp::Reverse(**cost), name.as_str()));
    for (name, cost) in sorted.into_iter().take(TOP) {
        println!("{:8} {}", cost / calls, shortened(name));
    }
}

/// Without the folder that all files of the module, of the standard library or of other crates are in.
fn shortened(name: &str) -> &str {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let outer = ["/library/", "/registry/src/"].iter().find_map(|folder| Some(name.find(folder)? + 1));
    name.strip_prefix(own).unwrap_or_else(|| &name[outer.unwrap_or(0)..])
}

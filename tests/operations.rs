//! docs/operations.md: every command on it is run, every metric that it names is there, and its users may do what it says.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::transcript::{self, Step};
use common::{cli_program, module, server_program, Server};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap()
}

#[test]
fn every_command_gives_the_output_that_is_shown() {
    let page = page();
    let blocks = transcript::of_page(&page);
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
    let wrong: Vec<String> = blocks.iter().flat_map(|steps| Machine::new(&page).run(steps)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What to watch.
#[test]
fn every_field_of_info_is_in_the_table_and_every_metric_is_a_field() {
    let page = page();
    let said = Server::new().say("INFO session");
    let fields: BTreeSet<&str> =
        said.lines().filter_map(|line| Some(line.strip_prefix("session_")?.split_once(':')?.0)).collect();
    let table: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `session_")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(table, fields);
    let named = page.split("key=\"session_").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert_eq!(named.filter(|name| !fields.contains(name)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_users_of_the_page_may_do_what_it_says() {
    let page = page();
    let mut server = Server::new();
    let (version, valkey) = server.version();
    let has_category = version >= if valkey { 800 } else { 704 };
    let mut checked = 0;
    for (name, text) in files(&page).into_iter().filter(|(name, _)| name.ends_with(".acl")) {
        if name.contains("7.4") && !has_category {
            continue;
        }
        for line in text.lines() {
            server.says(&format!("ACL SETUSER {}", line.strip_prefix("user ").unwrap()), "OK");
        }
        for (user, command, allowed) in permissions(&page) {
            let said = server.say(&format!("ACL DRYRUN {user} {command}"));
            assert_eq!(said == "OK", allowed, "{name}: {user}: {command}: {said}");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

/// The lines that the Debian package brings for the server's configuration.
#[test]
fn the_packages_file_loads_the_module_and_names_every_setting_with_its_default() {
    let file = packaged().replace("/usr/lib/redis/modules/libredis_session.so", &module().display().to_string());
    let settings = |text: &str| {
        let said = Server::with_conf(&text.lines().collect::<Vec<_>>()).say("CONFIG GET session.*");
        let words: Vec<String> = said.trim_matches(['[', ']']).split(", ").map(String::from).collect();
        words.chunks(2).map(|pair| pair.join(" ")).collect::<BTreeSet<_>>()
    };
    // The same with every setting as it is written there.
    let (defaults, written) = (settings(&file), file.replace("# session.", "session."));
    assert_eq!(settings(&written), defaults);
    let named = written.lines().filter(|line| line.starts_with("session.")).count();
    assert_eq!(named, defaults.len());
}

/// Of each row of the table of users and commands: who, what, and whether.
fn permissions(page: &str) -> Vec<(String, String, bool)> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| command | `"));
    let mut rows = rows.take_while(|line| line.starts_with('|')).map(cells);
    let users = rows.next().unwrap();
    let row = |row: Vec<String>| -> Vec<_> {
        let one = |(user, said): (&String, &String)| (user.clone(), row[0].clone(), said == "yes");
        users.iter().zip(&row).skip(1).map(one).collect()
    };
    rows.skip(1).flat_map(row).collect()
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_string()).collect()
}

/// Files that stand on the page, as blocks fenced with a language and a name.
fn files(page: &str) -> Vec<(String, String)> {
    let blocks = page.split("\n```").filter_map(|block| block.split_once('\n'));
    let named = blocks.filter_map(|(fence, text)| Some((fence.split_once(' ')?.1, text)));
    named.filter(|(name, _)| name.contains('.')).map(|(name, text)| (name.to_string(), format!("{text}\n"))).collect()
}

/// Where the Debian package puts lines for the server's configuration.
const PACKAGED: &str = "/usr/share/redis-session/session.conf";

fn packaged() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deb/session.conf")).unwrap()
}

/// What the page takes a reader's machine to be: a server on port 6379 with its data in /var/lib/redis, the module where
/// Debian's package puts it, a configuration file that loads nothing yet, other ports that are free, the files of the page in
/// the working directory, and `redis-server` and `redis-cli` in the path. Servers that are started here end with it.
struct Machine {
    server: Server,
    bin: TempDir,
    dir: TempDir,
    words: Vec<(String, String)>,
}

/// Ports that the page uses, beside 6379.
const PORTS: [&str; 4] = ["6380", "6381", "6390", "26379"];

impl Machine {
    fn new(page: &str) -> Self {
        let (server, bin, dir) = (Server::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let free = listeners.iter().map(|listener| listener.local_addr().unwrap().port().to_string());
        let mut words: Vec<(String, String)> = PORTS.iter().map(|port| port.to_string()).zip(free).collect();
        // The longest first: 26379 holds 6379.
        words.reverse();
        words.push(("6379".into(), server.port.to_string()));
        words.push(("/usr/lib/redis/modules/libredis_session.so".into(), module().display().to_string()));
        words.push(("/var/lib/redis".into(), server.dir().display().to_string()));
        for path in ["/etc/redis/redis.conf", PACKAGED] {
            words.push((path.into(), dir.path().join(path.rsplit('/').next().unwrap()).display().to_string()));
        }
        let machine = Machine { server, bin, dir, words };
        machine.install();
        machine.configure();
        for (name, text) in files(page) {
            std::fs::write(machine.dir.path().join(name), machine.here(&text)).unwrap();
        }
        machine
    }

    fn install(&self) {
        let (cli, server) = (transcript::which(&cli_program()), transcript::which(&server_program()));
        // As in a terminal where the output goes there, and plain where it goes elsewhere.
        let cli = format!(
            "#!/bin/sh\n[ \"$(readlink /proc/$$/fd/1)\" != \"$TERMINAL\" ] || set -- --no-raw \"$@\"\nexec '{cli}' -p {} \"$@\"\n",
            self.server.port
        );
        transcript::install(self.bin.path(), "redis-cli", &cli);
        let text = SERVER.replace("SERVER", &server).replace("PIDS", &self.bin.path().display().to_string());
        transcript::install(self.bin.path(), "redis-server", &text);
    }

    /// What the server's package and the module's bring.
    fn configure(&self) {
        let stock = format!("save \"\"\ndir {}\n", self.dir.path().display());
        std::fs::write(self.here("/etc/redis/redis.conf"), stock).unwrap();
        std::fs::write(self.here(PACKAGED), self.here(&packaged())).unwrap();
    }

    /// A text of the page with what stands for it on this machine.
    fn here(&self, text: &str) -> String {
        // By way of a mark, so that what was put in is not replaced again.
        let marked = (0..self.words.len()).map(|i| format!("\u{1}{i}\u{2}"));
        let words: Vec<_> = self.words.iter().zip(marked).collect();
        let text = words.iter().fold(text.to_string(), |text, ((there, _), mark)| text.replace(there, mark));
        words.iter().fold(text, |text, ((_, here), mark)| text.replace(mark, here))
    }

    fn run(&self, steps: &[Step]) -> Vec<String> {
        let here = |step: &Step| Step {
            line: step.line,
            command: self.here(&step.command),
            expected: step.expected.iter().map(|line| self.here(line)).collect(),
        };
        let steps: Vec<Step> = steps.iter().map(here).collect();
        let mut shell = Command::new("bash");
        shell.args(["-c", "export TERMINAL=$(readlink /proc/$$/fd/1); exec bash"]).current_dir(self.dir.path());
        transcript::run_in(&mut shell, self.bin.path(), &steps)
    }
}

/// In the place of `redis-server`: a server in the background is waited for, and noted down.
const SERVER: &str = r#"#!/bin/bash
case "$*" in *'--daemonize yes'*) ;; *) exec 'SERVER' "$@" ;; esac
pid=PIDS/$$.pid
# A replica's first synchronisation waits five seconds for others, unless told not to.
[[ "$*" = *--sentinel* ]] || set -- "$@" --repl-diskless-sync-delay 0
'SERVER' "$@" --pidfile "$pid" >/dev/null
port=$(grep -oE -- '--(tls-)?port [1-9][0-9]*' <<<"$*" | tail -n 1)
# Whether it answers, and not that it still loads its data. (What a TLS port says to this is no text.)
answers() {
    local said
    exec 3<>"/dev/tcp/127.0.0.1/${port#* }" && printf 'PING\r\n' >&3 || return
    IFS= read -r -t 1 said <&3
    [[ $said != -LOADING* ]]
}
for _ in {1..500}; do
    (answers) 2>/dev/null && [ -s "$pid" ] && exit
    sleep 0.02
done
echo "no server answers on ${port#* }"
"#;

impl Drop for Machine {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.bin.path()).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|extension| extension == "pid") {
                let pid = std::fs::read_to_string(&entry).unwrap();
                Command::new("kill").args(["-9", pid.trim()]).output().unwrap();
            }
        }
    }
}

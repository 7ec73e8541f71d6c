//! Transcripts: commands with the output that they must give, in scripts and in documentation.
//!
//! A script (`tests/cli/*.sh`) is a shell script of which every line can be pasted; what a command must print stands
//! below it behind `#> `. In a Markdown page, a block fenced as `console` shows what was typed at the prompt
//! `127.0.0.1:6379> ` of redis-cli, or at that of a shell (`$ `), and the output below it. A line that ends in a backslash goes
//! on in the next.
//!
//! In what is expected, `...` stands for any text within a line, and alone on a line for any lines.

use super::{cli_program, Server};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command and what it must print.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub command: String,
    pub expected: Vec<String>,
}

impl Step {
    /// Whether the command goes on in the next line.
    fn goes_on(&self) -> bool {
        self.command.ends_with('\\') && self.expected.is_empty()
    }
}

/// The steps of a script.
pub fn of_script(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = false;
    for (i, line) in text.lines().enumerate() {
        if let Some(expected) = line.strip_prefix("#>") {
            let step = steps.last_mut().expect("output without a command");
            step.expected.push(expected.strip_prefix(' ').unwrap_or(expected).to_string());
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            if open {
                let step = steps.last_mut().unwrap();
                step.command = format!("{}\n{line}", step.command);
            } else {
                steps.push(Step { line: i + 1, command: line.to_string(), expected: vec![] });
            }
            open = steps.last().is_some_and(Step::goes_on);
        }
    }
    steps
}

/// The steps of each `console` block of a page. Each block runs on a server of its own, or goes on with the one before
/// (`console continued`).
pub fn of_page(text: &str) -> Vec<Vec<Step>> {
    let mut blocks: Vec<Vec<Step>> = Vec::new();
    let mut inside = false;
    for (i, line) in text.lines().enumerate() {
        if inside {
            if let Some(step) = blocks.last_mut().unwrap().last_mut().filter(|step| step.goes_on()) {
                step.command = format!("{}\n{line}", step.command);
                continue;
            }
            let typed = line.strip_prefix("$ ").map(str::to_string);
            let typed = typed.or_else(|| line.strip_prefix("127.0.0.1:6379> ").map(|c| format!("redis-cli {c}")));
            if line == "```" {
                inside = false;
            } else if let Some(command) = typed {
                blocks.last_mut().unwrap().push(Step { line: i + 1, command, expected: vec![] });
            } else {
                let steps = blocks.last_mut().unwrap();
                steps.last_mut().expect("output without a command").expected.push(line.to_string());
            }
        } else if line == "```console" || (line == "```console continued" && blocks.is_empty()) {
            inside = true;
            blocks.push(vec![]);
        } else if line == "```console continued" {
            inside = true;
        }
    }
    blocks.iter_mut().flatten().for_each(|step| {
        while step.expected.last().is_some_and(|line| line.is_empty()) {
            step.expected.pop();
        }
    });
    blocks
}

const MARK: &str = "--- end of step ---";

/// Runs steps one after the other in one shell, `redis-cli` being a client of this server, and compares. Returns the
/// differences.
pub fn run(server: &Server, steps: &[Step]) -> Vec<String> {
    let bin = tempfile::tempdir().unwrap();
    // As in a terminal: types shown, strings quoted.
    let cli = format!("exec '{}' --no-raw -p {} \"$@\"", which(&cli_program()), server.port);
    install(bin.path(), "redis-cli", &format!("#!/bin/sh\n{cli}\n"));
    let mut shell = Command::new("bash");
    shell.env("PORT", server.port.to_string());
    run_in(&mut shell, bin.path(), steps)
}

/// Puts a program of this text into a folder of programs.
pub fn install(bin: &Path, name: &str, text: &str) {
    let program = bin.join(name);
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs steps one after the other in this shell, which finds the programs of `bin` first, and compares.
pub fn run_in(shell: &mut Command, bin: &Path, steps: &[Step]) -> Vec<String> {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell =
        shell.env("PATH", path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let script: String =
        steps.iter().map(|s| format!("{{ {}\n}} 2>&1 </dev/null\necho '{MARK}'\n", s.command)).collect();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    let outputs: Vec<&str> = output.split(&format!("{MARK}\n")).collect();

    let mut wrong = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let said: Vec<&str> = outputs.get(i).unwrap_or(&"").lines().collect();
        let said = &said[..said.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1)];
        let expected: Vec<&str> = step.expected.iter().map(String::as_str).collect();
        if !lines_match(&expected, said) {
            let (expected, said) = (expected.join("\n"), said.join("\n"));
            wrong.push(format!("line {}: {}\nexpected:\n{expected}\nsaid:\n{said}\n", step.line, step.command));
        }
    }
    wrong
}

/// Where a program is.
pub fn which(program: &str) -> String {
    let found = Command::new("sh").args(["-c", &format!("command -v '{program}'")]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_string()
}

fn lines_match(expected: &[&str], said: &[&str]) -> bool {
    match (expected.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => (0..=said.len()).any(|skip| lines_match(rest, &said[skip..])),
        (Some((line, rest)), Some((word, more))) => line_matches(line, word) && lines_match(rest, more),
        _ => false,
    }
}

fn line_matches(expected: &str, said: &str) -> bool {
    match expected.split_once("...") {
        None => expected == said,
        Some((head, tail)) => said.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(i, _)| i).chain([rest.len()]).any(|i| line_matches(tail, &rest[i..]))
        }),
    }
}

#[test]
fn expectations_match_as_described() {
    assert!(line_matches("a...c", "abbc") && line_matches("...", "") && !line_matches("a...c", "ab"));
    assert!(lines_match(&["1", "...", "4"], &["1", "2", "3", "4"]) && !lines_match(&["1"], &["1", "2"]));
    let steps = of_script("# a story\nredis-cli PING\n#> PONG\n");
    assert_eq!(steps, [Step { line: 2, command: "redis-cli PING".into(), expected: vec!["PONG".into()] }]);
}

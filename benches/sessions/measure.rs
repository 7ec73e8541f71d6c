//! Contenders take turns, and what the server says each of their calls took.

use super::contenders::{connect, Work, PIPELINE};
use redis::{Connection, ConnectionLike, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// What was measured, by name: a value a round.
#[derive(Default)]
pub struct Measured(BTreeMap<&'static str, Vec<f64>>);

impl Measured {
    pub fn note(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }

    pub fn median(&self, name: &str) -> f64 {
        let mut values = self.0.get(name).unwrap_or_else(|| panic!("{name} was not measured")).clone();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}

/// Who does what, and on which server.
pub struct Contender<'a> {
    /// What its time is noted as.
    name: &'static str,
    port: u16,
    work: Work<'a>,
}

pub fn contender<'a>(name: &'static str, port: u16, work: Work<'a>) -> Contender<'a> {
    Contender { name, port, work }
}

/// Lets the contenders do their work for these numbers in turns of one pipeline, each time in the other order, so that a
/// machine that slows down slows all of them; notes the server time that each took for one number.
pub fn in_turn(measured: &mut Measured, numbers: Range<usize>, contenders: &[Contender<'_>]) {
    take_turns(measured, numbers, PIPELINE, contenders);
}

/// The same, but each waits for the reply to one number before it sends the next, as the requests of a site come in.
pub fn one_at_a_time(measured: &mut Measured, numbers: Range<usize>, contenders: &[Contender<'_>]) {
    take_turns(measured, numbers, 1, contenders);
}

fn take_turns(measured: &mut Measured, numbers: Range<usize>, at_once: usize, contenders: &[Contender<'_>]) {
    let mut seats: Vec<_> = contenders.iter().map(|c| (c, connect(c.port), c.work.names(), 0.0)).collect();
    for start in numbers.clone().step_by(PIPELINE) {
        for (contender, connection, names, micros) in &mut seats {
            ask(connection, &["CONFIG", "RESETSTAT"]);
            let end = (start + PIPELINE).min(numbers.end);
            for first in (start..end).step_by(at_once) {
                contender.work.pipelined(connection, first..(first + at_once).min(end));
            }
            *micros += spent(connection, names);
        }
        seats.reverse();
    }
    for (contender, _, _, micros) in seats {
        measured.note(contender.name, micros / numbers.len() as f64);
    }
}

fn ask(connection: &mut Connection, command: &[&str]) -> Value {
    let mut cmd = redis::Cmd::new();
    command.iter().for_each(|word| {
        cmd.arg(word);
    });
    connection.req_command(&cmd).unwrap()
}

/// The microseconds that these commands took since the statistics were reset.
fn spent(connection: &mut Connection, names: &[String]) -> f64 {
    let text = match ask(connection, &["INFO", "commandstats"]) {
        Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
        Value::VerbatimString { text, .. } => text,
        other => panic!("INFO: {other:?}"),
    };
    let of = |name: &String| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:")));
        let usec = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")));
        usec.unwrap_or_else(|| panic!("{name} did not run")).parse::<f64>().unwrap()
    };
    names.iter().map(of).sum()
}

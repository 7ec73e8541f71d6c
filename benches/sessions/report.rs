//! The tables and the chart.

use std::fmt::Write as _;
use std::path::Path;

#[derive(Clone, Copy)]
pub enum Unit {
    Micros,
    Bytes,
    Millis,
    Ratio,
}

/// One comparison. The target is a limit for ours / theirs; none if infinite.
pub struct Row {
    pub work: &'static str,
    pub against: &'static str,
    pub ours: f64,
    pub theirs: f64,
    pub target: f64,
    pub unit: Unit,
    /// What the server's own calls take that ours cannot do without, where that was measured.
    pub floor: Option<f64>,
}

/// What a call of a shape takes that nobody should have, in microseconds.
pub struct Hostile {
    pub shape: &'static str,
    pub work: &'static str,
    pub micros: f64,
}

impl Row {
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    fn shown_floor(&self) -> String {
        self.floor.map_or("–".into(), |floor| format!("{} ({:.2})", self.shown(floor), floor / self.theirs))
    }

    fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }

    fn shown_ratio(&self) -> String {
        ratio_text(self.ratio())
    }

    fn met(&self) -> &'static str {
        match () {
            () if self.target.is_infinite() => "–",
            () if self.ratio() <= self.target => "yes",
            () => "no",
        }
    }

    fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Micros => format!("{value:.2} µs"),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::Millis => format!("{value:.0} ms"),
            Unit::Ratio => format!("{value:.2}"),
        }
    }
}

/// Two digits behind the point, and of small ratios as many as tell them apart; none of large ones.
fn ratio_text(ratio: f64) -> String {
    match ratio {
        _ if ratio >= 100.0 => format!("{ratio:.0}"),
        _ if ratio < 0.1 => format!("{ratio:.4}"),
        _ => format!("{ratio:.2}"),
    }
}

/// The comparisons as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| work | held against | ours | theirs | ratio | target | target met | floor |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let target = if row.target.is_infinite() { "–".into() } else { format!("≤ {}", ratio_text(row.target)) };
        let (ours, theirs) = (row.shown(row.ours), row.shown(row.theirs));
        let (work, against) = (row.work, row.against);
        let (met, floor) = (row.met(), row.shown_floor());
        let ratio = row.shown_ratio();
        writeln!(out, "| {work} | {against} | {ours} | {theirs} | {ratio} | {target} | {met} | {floor} |").unwrap();
    }
    out
}

/// Bars of the ratios, with their targets.
fn chart(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.target.is_finite()).collect();
    let (left, width, line) = (420.0, 360.0, 24.0);
    let x = |ratio: f64| left + width * ratio.min(2.2) / 2.2;
    let mut out = String::new();
    let height = rows.len() as f64 * line + 40.0;
    writeln!(out, r#"<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" font-family="sans-serif" font-size="12">"#).unwrap();
    writeln!(out, r#"<rect width="860" height="{height}" fill="white"/>"#).unwrap();
    writeln!(
        out,
        r#"<text x="8" y="18">ours / theirs: shorter is better; the mark is the target, the line is equal</text>"#
    )
    .unwrap();
    for (i, row) in rows.iter().enumerate() {
        let y = 30.0 + i as f64 * line;
        let colour = if row.met() == "yes" { "#3a7d44" } else { "#b5532a" };
        let (label, ratio, shown) = (format!("{} / {}", row.work, row.against), row.ratio(), row.shown_ratio());
        writeln!(out, r#"<text x="{:.0}" y="{:.0}" text-anchor="end">{label}</text>"#, left - 8.0, y + 14.0).unwrap();
        writeln!(
            out,
            r#"<rect x="{left}" y="{:.0}" width="{:.1}" height="14" fill="{colour}"/>"#,
            y + 3.0,
            x(ratio) - left
        )
        .unwrap();
        writeln!(out, r#"<text x="{:.1}" y="{:.0}">{shown}</text>"#, x(ratio.max(row.target)) + 6.0, y + 14.0).unwrap();
        let mark = x(row.target);
        writeln!(
            out,
            r#"<line x1="{mark:.1}" y1="{y:.0}" x2="{mark:.1}" y2="{:.0}" stroke="black" stroke-width="2"/>"#,
            y + 20.0
        )
        .unwrap();
    }
    let one = x(1.0);
    writeln!(
        out,
        r##"<line x1="{one:.1}" y1="26" x2="{one:.1}" y2="{height:.0}" stroke="#888" stroke-dasharray="3"/>"##
    )
    .unwrap();
    out + "</svg>\n"
}

/// The shapes that nobody should have, as a Markdown table.
fn hostile_table(rows: &[Hostile]) -> String {
    let mut out = String::from("| session or user | work | server time a call |\n|---|---|---|\n");
    for Hostile { shape, work, micros } in rows {
        writeln!(out, "| {shape} | {work} | {micros:.2} µs |").unwrap();
    }
    out
}

/// What was measured on one server.
pub struct Run<'a> {
    pub server: &'a str,
    pub rounds: usize,
    pub scale: usize,
    pub rows: &'a [Row],
    pub hostile: &'a [Hostile],
    pub throughput: &'a [(&'a str, f64, f64)],
    pub replicated: &'a [(&'a str, f64)],
}

const INTRO: &str = "# Benchmarks

Written by `make bench`, a section for each server that it ran on (`SESSION_SERVER=… make bench` for another one). The \
contenders take turns of 500, pipelined; medians of the rounds. Times are the server's own (`INFO commandstats`), the commands \
of a contender summed up; bytes are `used_memory` a session. Machines differ and are noisy: the ratios are what counts.

A *small* session has six fields of 138 bytes in all, a *medium* one a further field of 200 bytes, a *large* one 40 fields of \
8 kB. Keys are `sess:` and a UUID, three sessions are one user's, the idle timeout is 1800 s. The instructions of a call, \
which come out the same on a busy machine, are what `make bench-instructions` prints.

The *floor* is what a module takes that only makes the server's own calls which the command cannot do without \
([benches/sessions/floor.rs](../benches/sessions/floor.rs)): opening and closing keys, storing, expiry, replication, events, \
access control, replies. In parentheses its ratio to theirs: where that is above the target, no module can meet it there. \
It has a server of its own and is held against ours while that has sessions alone; otherwise all contenders' keys are on one server.

";

/// Writes this server's section of docs/benchmarks.md, and its chart; the other sections stay.
pub fn write(run: &Run<'_>) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = std::fs::read_to_string(docs.join("benchmarks.md")).unwrap_or_default();
    let mut sections: Vec<String> = page
        .split("\n## ")
        .skip(1)
        .filter(|section| section.starts_with("Redis ") || section.starts_with("Valkey "))
        .filter(|section| section.lines().next() != Some(run.server))
        .map(|section| format!("## {}\n", section.trim_end()))
        .collect();
    let chart_name = format!("benchmarks-{}.svg", run.server.to_lowercase().replace(' ', "-"));
    sections.push(section(run, &chart_name));
    sections.sort();
    std::fs::write(docs.join("benchmarks.md"), INTRO.to_owned() + &sections.join("\n")).unwrap();
    std::fs::write(docs.join(chart_name), chart(run.rows)).unwrap();
}

fn section(run: &Run<'_>, chart_name: &str) -> String {
    let date = std::process::Command::new("date").arg("+%Y-%m-%d").output().unwrap();
    let (date, Run { server, rounds, scale, .. }) = (String::from_utf8_lossy(&date.stdout).trim().to_string(), run);
    let mut out = format!(
        "## {server}\n\nOn {date}; {rounds} rounds of 100,000 sessions. The rows of an RDB and of many sessions are of {scale}.\n\n"
    );
    out += &table(run.rows);
    write!(out, "\n![ours / theirs on {server}]({chart_name})\n\n").unwrap();
    out +=
        "Shapes that nobody should have, of `session.max-fields` and `session.max-bytes` as they are by default:\n\n";
    out += &hostile_table(run.hostile);
    out += "\nRequests a second by redis-benchmark, 50 clients:\n\n\
            | command | pipelined by 32 | one at a time |\n|---|---|---|\n";
    for (name, pipelined, single) in run.throughput {
        writeln!(out, "| `{name}` | {pipelined:.0} | {single:.0} |").unwrap();
    }
    out += "\nWhat a command adds to the stream that replicas get:\n\n| command | bytes |\n|---|---|\n";
    for (name, bytes) in run.replicated {
        writeln!(out, "| {name} | {bytes:.0} |").unwrap();
    }
    out
}

//! What goes over the wire and into files, byte for byte.

use super::{tail, wait_until, Server};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A command as it stands in an AOF or in the stream to replicas.
pub type Command = Vec<Vec<u8>>;

/// The commands in `bytes`; what is left is the beginning of one that is not complete.
fn parse(mut bytes: &[u8]) -> (Vec<Command>, &[u8]) {
    let mut commands = Vec::new();
    while let Some((command, rest)) = parse_one(bytes) {
        commands.push(command);
        bytes = rest;
    }
    (commands, bytes)
}

fn parse_one(bytes: &[u8]) -> Option<(Command, &[u8])> {
    let (count, mut rest) = number(bytes, b'*')?;
    let mut command = Vec::new();
    for _ in 0..count {
        let (len, after) = number(rest, b'$')?;
        command.push(after.get(..len)?.to_vec());
        rest = after.get(len + 2..)?;
    }
    Some((command, rest))
}

fn number(bytes: &[u8], mark: u8) -> Option<(usize, &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    assert_eq!(bytes[0], mark, "{}", bytes.escape_ascii());
    Some((std::str::from_utf8(&bytes[1..end]).unwrap().parse().unwrap(), &bytes[end + 2..]))
}

/// A command in one line: its words, but the payload of an effect as `…`.
pub fn line(command: &Command) -> String {
    let words: Vec<_> = command.iter().map(|word| word.escape_ascii().to_string()).collect();
    match &words[..] {
        [name, key, _] if name == "SESSION.APPLY" => format!("{name} {key} …"),
        _ => words.join(" "),
    }
}

/// The commands in the AOF: all that was appended since the last rewrite, or what a rewrite wrote (`base`).
pub fn aof(s: &Server, kind: &str) -> Vec<Command> {
    let folder = s.dir().join("appendonlydir");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(&format!(".{kind}.aof")));
    files.sort();
    let bytes: Vec<u8> = files.iter().flat_map(|path| tail(path, 0)).collect();
    let (commands, rest) = parse(&bytes);
    assert!(rest.is_empty());
    commands
}

/// A replica that does nothing but note what it is sent.
pub struct Replica {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Replica {
    /// Attaches itself to a server.
    pub fn of(s: &mut Server) -> Self {
        s.says("CONFIG SET repl-ping-replica-period 3600", "OK");
        let mut stream = connect(s.port);
        stream.write_all(b"SYNC\r\n").unwrap();
        let mut replica = Replica { stream, unread: Vec::new() };
        // Line breaks keep the link alive while the file is made; then come its length and the file.
        wait_until("the length of the file", || {
            replica.read();
            replica.unread.iter().position(|byte| *byte != b'\n').is_some_and(|at| {
                replica.unread.drain(..at);
                replica.unread.contains(&b'\n')
            })
        });
        let (len, after) = number(&replica.unread, b'$').unwrap();
        let file = replica.unread.len() - after.len() + len;
        wait_until("the file", || {
            if replica.unread.len() < file {
                replica.read();
            }
            replica.unread.len() >= file
        });
        replica.unread.drain(..file);
        replica.sent(s);
        replica
    }

    fn read(&mut self) {
        let mut buffer = [0; 65536];
        let read = self.stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server ended the link");
        self.unread.extend_from_slice(&buffer[..read]);
    }

    /// What the server has sent until now, in order, but what only keeps up the link, or speaks to subscribers.
    pub fn commands(&mut self, s: &mut Server) -> Vec<Command> {
        s.says("PUBLISH end-of-stream x", "0");
        let mut all: Vec<Command> = Vec::new();
        let is_end = |command: &Command| command.get(1).is_some_and(|channel| channel == b"end-of-stream");
        while !all.iter().any(is_end) {
            self.read();
            let (commands, rest) = parse(&self.unread);
            all.extend(commands);
            self.unread = rest.to_vec();
        }
        all.retain(|command| !matches!(&command[0][..], b"PING" | b"SELECT" | b"PUBLISH"));
        all
    }

    /// The same in one line each.
    pub fn sent(&mut self, s: &mut Server) -> Vec<String> {
        self.commands(s).iter().map(line).collect()
    }

    /// Fails unless this command sends just this.
    #[track_caller]
    pub fn gets(&mut self, s: &mut Server, command: &str, expected: &[&str]) {
        s.say(command);
        assert_eq!(self.sent(s), expected, "{command}");
    }
}

/// A primary that sends its replica what it is told to send, when it is told to.
pub struct Primary {
    stream: TcpStream,
    sent: usize,
}

impl Primary {
    /// Takes a server as its replica, which begins with the data of this file.
    pub fn of(replica: &mut Server, rdb: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        replica.says(&format!("REPLICAOF 127.0.0.1 {port}"), "OK");
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut unread, mut synced) = (Vec::new(), false);
        while !synced {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the replica ended the link");
            unread.extend_from_slice(&buffer[..read]);
            let (commands, rest) = parse(&unread);
            for command in &commands {
                synced = command[0] == b"PSYNC";
                let answer = match &command[0][..] {
                    b"PING" => "+PONG\r\n".into(),
                    b"PSYNC" => format!("+FULLRESYNC {} 0\r\n${}\r\n", "0".repeat(40), rdb.len()),
                    _ => "+OK\r\n".into(),
                };
                stream.write_all(answer.as_bytes()).unwrap();
            }
            unread = rest.to_vec();
        }
        stream.write_all(rdb).unwrap();
        replica.wait_for_link();
        Primary { stream, sent: 0 }
    }

    /// Sends commands, and waits until the replica has run them.
    pub fn send(&mut self, replica: &mut Server, commands: &[Command]) {
        for command in commands {
            let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
            for word in command {
                bytes.extend(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend([word, &b"\r\n"[..]].concat());
            }
            self.stream.write_all(&bytes).unwrap();
            self.sent += bytes.len();
        }
        let sent = self.sent.to_string();
        wait_until("the replica to run it", || replica.info("replication", "slave_repl_offset") == sent);
    }
}

/// A connection on which replies can be seen as they are.
pub struct Raw(TcpStream);

impl Raw {
    pub fn new(s: &Server) -> Self {
        Raw(connect(s.port))
    }

    /// What the server answers to a line, line breaks as blanks.
    pub fn say(&mut self, command: &str) -> String {
        self.0.write_all(format!("{command}\r\nPING end-of-step\r\n").as_bytes()).unwrap();
        let mut said = String::new();
        let mut buffer = [0; 4096];
        while !said.ends_with("$11\r\nend-of-step\r\n") {
            let read = self.0.read(&mut buffer).unwrap();
            assert!(read > 0, "the server closed the connection");
            said.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        said.trim_end_matches("$11\r\nend-of-step\r\n").trim_end().replace("\r\n", " ")
    }

    #[track_caller]
    pub fn says(&mut self, command: &str, expected: &str) {
        assert_eq!(self.say(command), expected, "{command}");
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

//! The work, ours and theirs, as commands for session number `i`. Three sessions are one user's.

use redis::{ConnectionAddr, ConnectionLike, IntoConnectionInfo};
use std::fmt::Write as _;

pub const LUA_SET: &str = "redis.call('HSET',KEYS[1],unpack(ARGV,3)) redis.call('PEXPIRE',KEYS[1],1800000) \
    return redis.call('ZADD',KEYS[2],ARGV[2],ARGV[1])";
pub const LUA_GETEX: &str = "redis.call('PEXPIRE',KEYS[1],1800000) redis.call('ZADD',KEYS[2],ARGV[2],ARGV[1]) \
    return redis.call('HGETALL',KEYS[1])";
pub const LUA_REVOKE: &str = "local keys=redis.call('ZRANGE',KEYS[1],0,-1) keys[#keys+1]=KEYS[1] \
    return redis.call('DEL',unpack(keys))";

/// A session's key as redis-benchmark makes one up.
pub const RANDOM: &str = "sess:00000000-0000-4000-8000-__rand_int__";

#[derive(Clone, Copy)]
pub enum Size {
    Small,
    Medium,
    /// 40 fields, 8 kB.
    Large,
}

/// What is to be done.
pub enum Work<'a> {
    Set(Size),
    Get,
    GetJson,
    Touch,
    GetEx,
    ByUser,
    ByUserMeta,
    Revoke,
    /// Six fields and four of metadata.
    Hash(Size),
    HashSix,
    Text,
    Expire(&'a str, &'a str),
    Zadd,
    Zrevrange,
    Key(&'a str, &'a str, &'a [&'a str]),
    Lua(&'a str, &'a str),
    /// Whatever the function says.
    Of(&'a dyn Fn(usize) -> Vec<String>),
}

/// name alice, role admin, cart and csrf 48 bytes each, lang en, ip 10.0.0.1: 138 bytes.
pub fn small_fields() -> Vec<String> {
    let token = "0123456789abcdef0123456789abcdef0123456789abcdef";
    ["name", "alice", "role", "admin", "cart", token, "csrf", token, "lang", "en", "ip", "10.0.0.1"]
        .map(String::from)
        .into()
}

/// As many fields of so many bytes.
pub fn many_fields(count: usize, bytes: usize) -> Vec<String> {
    (0..count).flat_map(|i| [format!("field{i}"), "v".repeat(bytes)]).collect()
}

pub fn fields(size: Size) -> Vec<String> {
    if let Size::Large = size {
        return many_fields(40, 193);
    }
    let mut fields = small_fields();
    if let Size::Medium = size {
        fields.extend(["prefs".into(), "p".repeat(200)]);
    }
    fields
}

pub fn uuid(i: usize) -> String {
    // Spread like random ids, the same in every round.
    let mixed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        mixed >> 4 & 0xfff,
        mixed & 0xfff,
        i
    )
}

impl Work<'_> {
    fn command(&self, i: usize) -> Vec<String> {
        let words = |parts: &[&str]| parts.iter().map(|p| p.to_string()).collect::<Vec<_>>();
        let (key, user) = (format!("sess:{}", uuid(i)), format!("user:{}", i / 3));
        match self {
            Work::Set(size) => {
                let fields = fields(*size);
                let n = (fields.len() / 2).to_string();
                [words(&["SESSION.SET", &key, "USER", &user, "EX", "1800", "FIELDS", &n]), fields].concat()
            }
            Work::Get => words(&["SESSION.GET", &key]),
            Work::GetJson => words(&["SESSION.GET", &key, "JSON"]),
            Work::Touch => words(&["SESSION.TOUCH", &key]),
            Work::GetEx => words(&["SESSION.GETEX", &key]),
            Work::ByUser => words(&["SESSION.BYUSER", &format!("user:{i}")]),
            Work::ByUserMeta => words(&["SESSION.BYUSER", &format!("user:{i}"), "WITHMETA"]),
            Work::Revoke => words(&["SESSION.REVOKE", &format!("user:{i}")]),
            Work::Hash(size) => {
                [words(&["HSET", &format!("hash:{}", uuid(i))]), fields(*size), metadata(&user)].concat()
            }
            Work::HashSix => [words(&["HSET", &format!("hash:{}", uuid(i))]), small_fields()].concat(),
            Work::Text => {
                let mut json = String::from("{");
                for pair in small_fields().chunks(2) {
                    write!(json, "{}\"{}\":\"{}\"", if json.len() > 1 { "," } else { "" }, pair[0], pair[1]).unwrap();
                }
                words(&["SETEX", &format!("text:{}", uuid(i)), "1800", &(json + "}")])
            }
            Work::Expire(command, prefix) => {
                let time = if *command == "EXPIRE" { "1800" } else { "1800000" };
                words(&[command, &format!("{prefix}{}", uuid(i)), time])
            }
            Work::Zadd => words(&["ZADD", &format!("zset:{}", i / 3), &score(i), &format!("hash:{}", uuid(i))]),
            Work::Zrevrange => words(&["ZREVRANGE", &format!("zset:{i}"), "0", "-1"]),
            Work::Key(command, prefix, rest) => {
                [words(&[command, &format!("{prefix}{}", uuid(i))]), words(rest)].concat()
            }
            Work::Of(command) => command(i),
            Work::Lua(script, "zset:") => words(&["EVAL", script, "1", &format!("zset:{i}")]),
            Work::Lua(script, prefix) => {
                let hash = format!("{prefix}{}", uuid(i));
                let keys = [words(&["EVAL", script, "2", &hash, &format!("zset:{}", i / 3), &hash, &score(i)])];
                let all = [keys.concat(), small_fields(), metadata(&user)];
                if *script == LUA_SET {
                    all.concat()
                } else {
                    keys.concat()
                }
            }
        }
    }

    /// Does it `n` times, pipelined.
    pub fn run(&self, port: u16, n: usize) {
        let info = ConnectionAddr::Tcp("127.0.0.1".into(), port).into_connection_info().unwrap();
        let mut connection = redis::Client::open(info).unwrap().get_connection().unwrap();
        for start in (0..n).step_by(500) {
            let mut pipeline = redis::pipe();
            for i in start..(start + 500).min(n) {
                let command = self.command(i);
                let mut cmd = redis::cmd(&command[0]);
                for arg in &command[1..] {
                    cmd.arg(arg);
                }
                pipeline.add_command(cmd);
            }
            let count = (start + 500).min(n) - start;
            let replies = connection.req_packed_commands(&pipeline.get_packed_pipeline(), 0, count).unwrap();
            assert_eq!(replies.len(), count);
            let nil = replies.iter().filter(|r| **r == redis::Value::Nil).count();
            assert_eq!(nil, 0, "nothing was there");
        }
    }
}

fn metadata(user: &str) -> Vec<String> {
    ["user", user, "created", "1700000000000", "accessed", "1700000000000", "idle", "1800000"].map(String::from).into()
}

fn score(i: usize) -> String {
    (1_700_000_000_000 + i as u64).to_string()
}

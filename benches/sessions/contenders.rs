//! The work, ours and theirs, as commands for session number `i`. Three sessions are one user's.

use redis::{Connection, ConnectionAddr, ConnectionLike, IntoConnectionInfo};
use std::fmt::Write as _;
use std::ops::Range;

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
    /// Those of a small one and four short ones.
    Ten,
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
    /// The fields and four of metadata.
    Hash(Size),
    /// The fields alone, under this prefix.
    Bare(&'a str, Size),
    Text,
    Expire(&'a str, &'a str),
    Zadd,
    Zrevrange,
    Key(&'a str, &'a str, &'a [&'a str]),
    /// A command of the floor about as many keys.
    Floor(&'a str, usize),
    Lua(&'a str, &'a str),
    /// Whatever the function says.
    Of(&'a dyn Fn(usize) -> Vec<String>),
    /// One after the other, for each number.
    Then(&'a [Work<'a>]),
    /// For each of the three sessions of user number `i`.
    Three(&'a Work<'a>),
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
    match size {
        Size::Medium => fields.extend(["prefs".into(), "p".repeat(200)]),
        Size::Ten => fields
            .extend(["theme", "dark", "plan", "pro", "zone", "Europe/Paris", "seen", "1700000000"].map(String::from)),
        Size::Small | Size::Large => {}
    }
    fields
}

/// What a framework keeps as one JSON text: 0.75 kB, twelve members of all kinds. The number is one that changes.
pub fn json(number: usize) -> String {
    let token = "0123456789abcdef0123456789abcdef0123456789abcdef";
    let item = |n: usize| format!(r#"{{"sku":"A-100{n}","name":"Garden chair, oak","quantity":{n},"price":49.9{n}}}"#);
    let items = (0..5).map(item).collect::<Vec<_>>().join(",");
    let mut json = format!(
        concat!(
            r#"{{"user_id":{},"name":"Alice Liddell","email":"alice@example.com","roles":["admin","editor"],"#,
            r#""csrf":"{}","logged_in":true,"cart":{{"items":[{}],"total":249.5}},"flash":[],"#,
            r#""prefs":{{"theme":"dark","lang":"en"}},"seen":1700000000,"referrer":null,"note":""#
        ),
        1_000_000 + number % 1_000_000,
        token,
        items
    );
    while json.len() < 766 {
        json.push('.');
    }
    json + "\"}"
}

/// Words split at blanks, and more.
pub fn words(command: &str, rest: &[String]) -> Vec<String> {
    command.split(' ').map(String::from).chain(rest.iter().cloned()).collect()
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
            Work::Bare(prefix, size) => [words(&["HSET", &format!("{prefix}{}", uuid(i))]), fields(*size)].concat(),
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
            Work::Zadd => words(&["ZADD", &format!("zhash:{}", i / 3), &score(i), &format!("hash:{}", uuid(i))]),
            Work::Zrevrange => words(&["ZREVRANGE", &format!("zhash:{i}"), "0", "-1"]),
            Work::Key(command, prefix, rest) => {
                [words(&[command, &format!("{prefix}{}", uuid(i))]), words(rest)].concat()
            }
            Work::Floor(command, keys) => {
                let key = |i: usize| format!("flor:{}", uuid(i));
                words(&[command]).into_iter().chain((i * keys..(i + 1) * keys).map(key)).collect()
            }
            Work::Of(command) => command(i),
            Work::Then(_) | Work::Three(_) => unreachable!("several commands"),
            Work::Lua(script, "zhash:") => words(&["EVAL", script, "1", &format!("zhash:{i}")]),
            Work::Lua(script, prefix) => {
                let hash = format!("{prefix}{}", uuid(i));
                let keys = [words(&["EVAL", script, "2", &hash, &format!("z{prefix}{}", i / 3), &hash, &score(i)])];
                let all = [keys.concat(), small_fields(), metadata(&user)];
                if *script == LUA_SET {
                    all.concat()
                } else {
                    keys.concat()
                }
            }
        }
    }

    /// All commands for number `i`.
    fn commands(&self, i: usize) -> Vec<Vec<String>> {
        match self {
            Work::Then(works) => works.iter().flat_map(|work| work.commands(i)).collect(),
            Work::Three(work) => (i * 3..i * 3 + 3).flat_map(|i| work.commands(i)).collect(),
            _ => vec![self.command(i)],
        }
    }

    /// The names of the commands that it sends, in lower case.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.commands(0).iter().map(|command| command[0].to_lowercase()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Does it `n` times, pipelined.
    pub fn run(&self, port: u16, n: usize) {
        let mut connection = connect(port);
        for start in (0..n).step_by(PIPELINE) {
            self.pipelined(&mut connection, start..(start + PIPELINE).min(n));
        }
    }

    /// Does it for these numbers, sent all at once.
    pub fn pipelined(&self, connection: &mut Connection, numbers: Range<usize>) {
        let mut pipeline = redis::pipe();
        let mut count = 0;
        for command in numbers.flat_map(|i| self.commands(i)) {
            let mut cmd = redis::cmd(&command[0]);
            for arg in &command[1..] {
                cmd.arg(arg);
            }
            pipeline.add_command(cmd);
            count += 1;
        }
        let replies = connection.req_packed_commands(&pipeline.get_packed_pipeline(), 0, count).unwrap();
        assert_eq!(replies.len(), count);
        for reply in replies {
            assert_ne!(reply, redis::Value::Nil, "nothing was there");
            assert!(!matches!(reply, redis::Value::ServerError(_)), "{reply:?}");
        }
    }
}

/// How many numbers are sent at once.
pub const PIPELINE: usize = 500;

pub fn connect(port: u16) -> Connection {
    let info = ConnectionAddr::Tcp("127.0.0.1".into(), port).into_connection_info().unwrap();
    redis::Client::open(info).unwrap().get_connection().unwrap()
}

fn metadata(user: &str) -> Vec<String> {
    ["user", user, "created", "1700000000000", "accessed", "1700000000000", "idle", "1800000"].map(String::from).into()
}

fn score(i: usize) -> String {
    (1_700_000_000_000 + i as u64).to_string()
}

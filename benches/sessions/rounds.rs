//! What is measured in every round.

use super::common::{self, Server};
use super::contenders::{self, json, uuid, words, Size, Work};
use super::measure::{contender, in_turn, one_at_a_time, Measured};
use super::N;

/// Users of three sessions each.
const USERS: usize = N / 3;

/// Sessions of ten fields, of a JSON text, and large ones.
const FEWER: usize = 30_000;

const HMGET: Work<'_> = Work::Key("HMGET", "hash:", &["user", "created", "accessed", "idle"]);

/// One round. After the floor the contenders' keys stand side by side: `hash:` ten fields with an index in `zhash:`, `six:`
/// six fields, `lua:` what scripts make, `text:` strings.
pub fn all(s: &mut Server, bare: &mut Server, m: &mut Measured) {
    empty(s);
    empty(bare);
    against_the_floor(s, bare, m);
    empty(s);
    begin(s, m);
    read(s, m);
    slide(s, m);
    list(s, m);
    one_field(s, m);
    json_text(s, m);
    large(s, m);
    new_string(m);
}

pub fn used(server: &mut Server) -> f64 {
    server.info("memory", "used_memory").parse().unwrap()
}

/// Empties the server, and waits until the memory is given back.
pub fn empty(server: &mut Server) -> f64 {
    server.says("FLUSHALL SYNC", "OK");
    let mut before = used(server);
    common::wait_until("the memory to be given back", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = used(server);
        std::mem::replace(&mut before, now) <= now
    });
    used(server)
}

/// Two servers, each with nothing but the keys of one of the two.
fn against_the_floor(s: &Server, bare: &Server, m: &mut Measured) {
    let mut pair = |n, (name, work), (floor, command, keys)| {
        in_turn(m, 0..n, &[contender(name, s.port, work), contender(floor, bare.port, Work::Floor(command, keys))]);
    };
    pair(N, ("set alone", Work::Set(Size::Small)), ("floor set", "FLOOR.SET", 1));
    pair(N, ("touch alone", Work::Touch), ("floor touch", "FLOOR.TOUCH", 1));
    pair(USERS, ("byuser alone", Work::ByUser), ("floor byuser", "FLOOR.BYUSER", 3));
    pair(USERS, ("byuser meta alone", Work::ByUserMeta), ("floor meta", "FLOOR.META", 3));
    pair(USERS, ("revoke alone", Work::Revoke), ("floor revoke", "FLOOR.REVOKE", 3));
}

fn begin(s: &Server, m: &mut Measured) {
    let ten = [Work::Hash(Size::Small), Work::Expire("PEXPIRE", "hash:")];
    let work = [
        contender("set", s.port, Work::Set(Size::Small)),
        contender("hset ten", s.port, Work::Then(&ten)),
        contender("hset six", s.port, Work::Bare("six:", Size::Small)),
        contender("lua set", s.port, Work::Lua(contenders::LUA_SET, "lua:")),
    ];
    in_turn(m, 0..N, &work);
    Work::Zadd.run(s.port, N);
    Work::Text.run(s.port, N);
}

fn read(s: &Server, m: &mut Measured) {
    let hgetall = Work::Key("HGETALL", "six:", &[]);
    in_turn(m, 0..N, &[contender("get", s.port, Work::Get), contender("hgetall", s.port, hgetall)]);
    let get = Work::Key("GET", "text:", &[]);
    in_turn(m, 0..N, &[contender("get json", s.port, Work::GetJson), contender("get string", s.port, get)]);
}

fn slide(s: &Server, m: &mut Measured) {
    let touch = [contender("touch", s.port, Work::Touch), contender("expire", s.port, Work::Expire("EXPIRE", "hash:"))];
    in_turn(m, 0..N, &touch);
    let three = [Work::Key("HGETALL", "six:", &[]), Work::Expire("PEXPIRE", "six:"), Work::Zadd];
    let getex = [
        contender("getex", s.port, Work::GetEx),
        contender("getex hash", s.port, Work::Then(&three)),
        contender("lua getex", s.port, Work::Lua(contenders::LUA_GETEX, "lua:")),
    ];
    in_turn(m, 0..N, &getex);
}

/// The last of it ends the sessions.
fn list(s: &Server, m: &mut Measured) {
    let exists = Work::Key("EXISTS", "hash:", &[]);
    let (exists, hmget) = ([Work::Zrevrange, Work::Three(&exists)], [Work::Zrevrange, Work::Three(&HMGET)]);
    let keys = [contender("byuser", s.port, Work::ByUser), contender("zset exists", s.port, Work::Then(&exists))];
    in_turn(m, 0..USERS, &keys);
    let meta =
        [contender("byuser meta", s.port, Work::ByUserMeta), contender("zset hmget", s.port, Work::Then(&hmget))];
    in_turn(m, 0..USERS, &meta);
    let end = [
        contender("revoke", s.port, Work::Revoke),
        contender("lua revoke", s.port, Work::Lua(contenders::LUA_REVOKE, "zhash:")),
    ];
    in_turn(m, 0..USERS, &end);
}

/// A session of ten fields gets a longer value, and then another one of that length.
fn one_field(s: &mut Server, m: &mut Measured) {
    empty(s);
    Work::Set(Size::Ten).run(s.port, FEWER);
    Work::Then(&[Work::Bare("hash:", Size::Ten), Work::Expire("PEXPIRE", "hash:")]).run(s.port, FEWER);
    for (name, theirs, value) in [("field", "hset field", "english"), ("same", "hset same", "deutsch")] {
        let set = |i: usize| words(&format!("SESSION.SET sess:{} FIELDS 1 lang {value}", uuid(i)), &[]);
        let hset = |i: usize| words(&format!("HSET hash:{} lang {value}", uuid(i)), &[]);
        let both = [Work::Of(&hset), Work::Expire("PEXPIRE", "hash:")];
        in_turn(m, 0..FEWER, &[contender(name, s.port, Work::Of(&set)), contender(theirs, s.port, Work::Then(&both))]);
    }
    let set = |i: usize| words(&format!("SESSION.SET sess:{} FIELDS 1 lang fr", uuid(i)), &[]);
    let hset = |i: usize| words(&format!("HSET hash:{} lang fr", uuid(i)), &[]);
    let both = [Work::Of(&hset), Work::Expire("PEXPIRE", "hash:")];
    let ours = contender("field waited", s.port, Work::Of(&set));
    one_at_a_time(m, 0..FEWER / 3, &[ours, contender("hset waited", s.port, Work::Then(&both))]);
}

fn json_text(s: &mut Server, m: &mut Measured) {
    empty(s);
    let user = |i: usize| words(&format!("SESSION.SET sess:{} USER user:{} EX 1800", uuid(i), i / 3), &[]);
    let set = |i: usize| words(&format!("SESSION.SET sess:{} REPLACE JSON", uuid(i)), &[json(i)]);
    let text = |i: usize| words(&format!("SETEX text:{} 1800", uuid(i)), &[json(i)]);
    Work::Then(&[Work::Of(&user), Work::Of(&set), Work::Of(&text)]).run(s.port, FEWER);
    let set = |i: usize| words(&format!("SESSION.SET sess:{} REPLACE JSON", uuid(i)), &[json(i + 1)]);
    let text = |i: usize| [words(&format!("SET text:{}", uuid(i)), &[json(i + 1)]), words("EX 1800", &[])].concat();
    let (ours, theirs) = (Work::Of(&set), Work::Of(&text));
    in_turn(m, 0..FEWER, &[contender("replace json", s.port, ours), contender("replace text", s.port, theirs)]);
    let ours = |i: usize| words(&format!("SESSION.GETEX sess:{} JSON", uuid(i)), &[]);
    let theirs = Work::Key("GETEX", "text:", &["EX", "1800"]);
    in_turn(m, 0..FEWER, &[contender("getex json", s.port, Work::Of(&ours)), contender("getex text", s.port, theirs)]);
}

fn large(s: &mut Server, m: &mut Measured) {
    empty(s);
    let hset = Work::Bare("hash:", Size::Large);
    let ours = contender("set large", s.port, Work::Set(Size::Large));
    in_turn(m, 0..N / 10, &[ours, contender("hset large", s.port, hset)]);
    let hgetall = Work::Key("HGETALL", "hash:", &[]);
    let ours = contender("get large", s.port, Work::Get);
    in_turn(m, 0..N / 10, &[ours, contender("hgetall large", s.port, hgetall)]);
}

/// Strings that begin, on three pairs of servers that begin with them: how a process lies in memory makes more of a
/// difference than what is looked for, and is another one each time.
fn new_string(m: &mut Measured) {
    let set = |i: usize| words(&format!("SET str:{} value", uuid(i)), &[]);
    for _ in 0..3 {
        let (with, without) = (Server::start(&["--maxmemory", "0"]), Server::with_conf(&["maxmemory 0"]));
        let alone = contender("string alone", without.port, Work::Of(&set));
        in_turn(m, 0..N / 2, &[contender("string", with.port, Work::Of(&set)), alone]);
    }
}

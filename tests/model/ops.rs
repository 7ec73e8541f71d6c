//! The operations, as they are drawn and as they are sent.

use super::state::Bytes;
use proptest::prelude::*;
use std::sync::atomic::{AtomicI64, Ordering};

/// A key in a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    pub db: usize,
    pub key: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Never,
    Lifetime(i64),
    At(i64),
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Times {
    pub idle: Option<Option<i64>>,
    pub end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    None,
    Nx,
    Xx,
    Version(i64),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    Same,
    User(Bytes),
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cap {
    pub most: usize,
    pub policy: &'static str,
}

/// A member of a JSON object: its name and value as they are sent, and the field that they stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    pub name: &'static JsonName,
    pub value: &'static JsonValue,
}

/// The text of a name, and the name.
pub type JsonName = (&'static str, &'static str);

/// The text of a value, the bytes that are stored, and whether they are stored as JSON.
pub type JsonValue = (&'static str, &'static str, bool);

const JSON_NAMES: [JsonName; 5] =
    [("\"name\"", "name"), ("\"n\"", "n"), ("\"\"", ""), ("\"\\u00e9\"", "é"), ("\"q\\\"\\n\"", "q\"\n")];

const JSON_VALUES: [JsonValue; 12] = [
    ("7", "7", true),
    ("\"7\"", "7", false),
    ("\"\"", "", false),
    ("\"a\\u00e9\\n\\\"\"", "aé\n\"", false),
    ("1e400", "1e400", true),
    ("-0.10", "-0.10", true),
    ("9223372036854775807", "9223372036854775807", true),
    ("null", "null", true),
    ("true", "true", true),
    ("\"\\ud800\"", "\"\\ud800\"", true),
    ("{ \"a b\" : [ 1 , {} ] }", "{\"a b\":[1,{}]}", true),
    ("[ ]", "[]", true),
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Set {
    pub condition: Condition,
    pub replace: bool,
    pub owner: Owner,
    pub times: Times,
    pub keep_ttl: bool,
    pub cap: Option<Cap>,
    pub unset: Vec<Bytes>,
    pub fields: Vec<(Bytes, Bytes)>,
    pub json: Option<Vec<Member>>,
}

impl Set {
    pub fn names_data(&self) -> bool {
        let data = !self.unset.is_empty() || !self.fields.is_empty() || self.json.is_some();
        self.owner != Owner::Same || self.replace || data
    }

    /// Whether a field stands in two of UNSET, FIELDS and JSON.
    fn contradicts_itself(&self) -> bool {
        let is_field = |name: &[u8]| self.fields.iter().any(|(n, _)| n == name);
        let is_unset = |name: &[u8]| self.unset.iter().any(|n| n == name);
        self.unset.iter().any(|name| is_field(name))
            || self.json.iter().flatten().any(|m| is_field(m.name.1.as_bytes()) || is_unset(m.name.1.as_bytes()))
    }
}

/// What is asked of a session: no names of metadata are all of them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Read {
    pub meta: Option<Vec<&'static str>>,
    pub json: bool,
    pub fields: Vec<Bytes>,
}

/// The sessions that `REVOKE` is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    All,
    Except(Vec<Bytes>),
    Only(Vec<Bytes>),
}

/// A point in time for the server's own expiry: later than any deadline, or earlier than most and later than the end of
/// the test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Far(i64),
    Near(i64),
}

/// When the sequence that runs began.
pub static BEGAN: AtomicI64 = AtomicI64::new(0);

impl When {
    pub fn at(self) -> i64 {
        match self {
            When::Far(ms) => AHEAD + ms,
            When::Near(ms) => BEGAN.load(Ordering::Relaxed) + 500_000 + ms,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Op {
    Set(Slot, Set),
    New(usize, Set),
    Get(Slot, Read),
    Info(Slot),
    GetEx(Slot, Option<Option<i64>>, Read),
    Touch(usize, Vec<Bytes>),
    Adjust(Slot, Times),
    Del(usize, Vec<Bytes>),
    Revoke(usize, Bytes, Which),
    Rotate(Slot, Bytes, Set, Option<i64>),
    /// One of the latest rotations that left a snapshot, sent again.
    Repeat(usize),
    Unset(Slot, Condition, bool, Vec<Bytes>),
    Pop(Slot, Condition, bool, Vec<Bytes>),
    IncrBy(Slot, Bytes, i64, Condition, bool),
    ByUser(usize, Bytes, Read, Option<(i64, i64)>),
    Count(usize, Bytes),
    /// One behind the other: crowds come and go so.
    Many(Vec<Op>),
    /// A session that is past its deadline while its key is there.
    Lapse(Slot, Bytes),
    /// Keys whose own expiry has passed when the next operation meets them.
    Ended(usize, Vec<Bytes>, Box<Op>),
    /// Whether touches are absorbed.
    Interval(bool),
    /// Commands in a transaction, and in a script.
    Multi(Vec<Op>),
    Script(Vec<Op>),
    PlainDel(Slot),
    Unlink(Slot),
    ExpireNow(Slot),
    Expire(Slot, When, Option<&'static str>),
    Persist(Slot),
    Rename(Slot, Bytes),
    Copy(Slot, Slot, bool),
    Move(Slot, usize),
    Dump(Slot),
    Restore(Slot, Option<When>, bool),
    SwapDb(usize, usize),
    FlushDb(usize),
    PlainSet(Slot),
    Reload,
    LoadAof,
    RewriteAof,
    Restart,
    Failover,
}

impl Op {
    /// Whether it is refused for its arguments alone.
    pub fn is_malformed(&self) -> bool {
        match self {
            Op::Set(_, set) | Op::New(_, set) | Op::Rotate(_, _, set, _) => {
                set.contradicts_itself() || set.owner == Owner::User(vec![])
            }
            Op::Revoke(_, user, _) | Op::ByUser(_, user, ..) | Op::Count(_, user) => user.is_empty(),
            _ => false,
        }
    }

    /// Whether it takes something to another database.
    pub fn crosses(&self) -> bool {
        match self {
            Op::Move(..) => true,
            Op::Copy(slot, to, _) => slot.db != to.db,
            _ => false,
        }
    }
}

/// How many keys a crowd may take.
const CROWD: usize = 48;

fn crowd_key(i: usize) -> Bytes {
    format!("c:{:02}", i % CROWD).into_bytes()
}

fn key() -> impl Strategy<Value = Bytes> {
    let few = prop::sample::select(vec![&b"a"[..], b"b", b"c", b"d", b"", b"\0", b"\xff\r\n", b"USER"]);
    prop_oneof![5 => few.prop_map(<[u8]>::to_vec), 1 => (0..CROWD).prop_map(crowd_key)]
}

fn slot() -> impl Strategy<Value = Slot> {
    (0..3usize, key()).prop_map(|(db, key)| Slot { db, key })
}

pub const USERS: [&[u8]; 2] = [b"alice", b"\0\xff"];

fn somebody() -> impl Strategy<Value = Bytes> {
    prop_oneof![3 => Just(USERS[0].to_vec()), 1 => Just(USERS[1].to_vec())]
}

/// A user, now and then the empty one that is none.
fn user() -> impl Strategy<Value = Bytes> {
    prop_oneof![30 => somebody(), 1 => Just(vec![])]
}

fn name() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec![&b"name"[..], b"n", b"", b"\0\xff"]).prop_map(<[u8]>::to_vec)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        3 => prop::sample::select(vec![&b"7"[..], b"", b"x y", b"\0\r\n\xff"]).prop_map(<[u8]>::to_vec),
        1 => (0..3000usize).prop_map(|n| vec![b'v'; n]),
    ]
}

/// Spans that do not run out during the test.
fn span() -> impl Strategy<Value = i64> {
    prop_oneof![Just(1_800_000), Just(3_600_000), 1_000_000..9_000_000i64]
}

/// A point far ahead.
const AHEAD: i64 = 4_000_000_000_000;

fn idle() -> impl Strategy<Value = Option<Option<i64>>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(None)), 2 => span().prop_map(|ms| Some(Some(ms)))]
}

fn times() -> impl Strategy<Value = Times> {
    let end = prop_oneof![
        12 => Just(None),
        2 => Just(Some(End::Never)),
        2 => span().prop_map(|ms| Some(End::Lifetime(ms))),
        2 => (AHEAD..AHEAD + 9).prop_map(|at| Some(End::At(at))),
        1 => Just(Some(End::At(1))),
    ];
    (idle(), end).prop_map(|(idle, end)| Times { idle, end })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![4 => Just(Condition::None), 2 => (1..4i64).prop_map(Condition::Version)]
}

fn set() -> impl Strategy<Value = Set> {
    let condition = prop_oneof![4 => condition(), 1 => Just(Condition::Nx), 1 => Just(Condition::Xx)];
    let owner = prop_oneof![3 => Just(Owner::Same), 4 => user().prop_map(Owner::User), 1 => Just(Owner::Nobody)];
    (condition, prop::bool::weighted(0.1), owner, times(), prop::bool::weighted(0.2), cap(), data()).prop_map(
        |(condition, replace, owner, times, keep, cap, (unset, fields, json))| {
            let keep_ttl = keep && times == Times::default();
            Set { condition, replace, owner, times, keep_ttl, cap, unset, fields, json }
        },
    )
}

/// A cap for a user with a few sessions, or for one with a crowd.
fn cap() -> impl Strategy<Value = Option<Cap>> {
    let most = prop_oneof![4 => 1..5usize, 1 => 5..12usize, 2 => 12..32usize];
    let policy = prop::sample::select(vec!["REJECT", "OLDEST", "LRU"]);
    prop_oneof![5 => Just(None), 2 => (most, policy).prop_map(|(most, policy)| Some(Cap { most, policy }))]
}

type Data = (Vec<Bytes>, Vec<(Bytes, Bytes)>, Option<Vec<Member>>);

/// What to write; seldom something that names a field in two ways.
fn data() -> impl Strategy<Value = Data> {
    let fields = prop::collection::vec((name(), value()), 0..3);
    let members = prop::sample::subsequence(&JSON_NAMES[..], 0..4).prop_flat_map(|names| {
        let values = prop::collection::vec(prop::sample::select(&JSON_VALUES[..]), names.len());
        values.prop_map(move |values| names.iter().zip(values).map(member).collect::<Vec<_>>())
    });
    let json = prop_oneof![3 => Just(None), 1 => members.prop_map(Some)];
    let wrong = prop::bool::weighted(0.05);
    (prop::collection::vec(name(), 0..2), fields, json, wrong).prop_map(|(mut unset, mut fields, json, wrong)| {
        if !wrong {
            let is_member = |name: &Bytes| json.iter().flatten().any(|m| m.name.1.as_bytes() == name);
            fields.retain(|(n, _)| !is_member(n));
            unset.retain(|n| !is_member(n) && !fields.iter().any(|(f, _)| f == n));
        }
        (unset, fields, json)
    })
}

/// A member of these texts, which stand in the tables.
fn member((name, value): (&JsonName, JsonValue)) -> Member {
    let name = JSON_NAMES.iter().find(|n| *n == name).expect("a name of the table");
    let value = JSON_VALUES.iter().find(|v| **v == value).expect("a value of the table");
    Member { name, value }
}

const META: [&str; 9] = ["user", "created", "accessed", "idle", "lifetime", "end", "deadline", "version", "grace"];

fn read() -> impl Strategy<Value = Read> {
    let named = prop::sample::subsequence(&META[..], 1..4).prop_shuffle();
    let meta = prop_oneof![4 => Just(None), 1 => Just(Some(vec![])), 2 => named.prop_map(Some)];
    let fields = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(name(), 1..4)];
    (meta, any::<bool>(), fields).prop_map(|(meta, json, fields)| Read { meta, json, fields })
}

fn plain_read() -> impl Strategy<Value = Read> {
    prop_oneof![1 => Just(Read::default()), 2 => read()]
}

/// A read of several sessions, in which every field is named once.
fn list_read() -> impl Strategy<Value = Read> {
    plain_read().prop_map(|mut read| {
        let mut seen = vec![];
        read.fields.retain(|n| {
            !seen.contains(n) && {
                seen.push(n.clone());
                true
            }
        });
        read
    })
}

fn limit() -> impl Strategy<Value = Option<(i64, i64)>> {
    prop_oneof![1 => Just(None), 1 => (0..20i64, 0..20i64).prop_map(Some)]
}

/// A write without the options that only `SET` has, but with `REPLACE`.
fn plain() -> impl Strategy<Value = Set> {
    set().prop_map(|set| {
        let condition = if let Condition::Version(_) = set.condition { set.condition } else { Condition::None };
        Set { condition, keep_ttl: false, ..set }
    })
}

fn new() -> impl Strategy<Value = Set> {
    plain().prop_map(|set| {
        let owner = if set.owner == Owner::Nobody { Owner::Same } else { set.owner };
        Set { condition: Condition::None, owner, replace: false, unset: vec![], ..set }
    })
}

fn change() -> impl Strategy<Value = (Slot, Condition, bool, Vec<Bytes>)> {
    (slot(), condition(), any::<bool>(), prop::collection::vec(name(), 1..3))
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        90 => ours(),
        40 => servers(),
        8 => several(),
        1 => prop_oneof![
            12 => Just(Op::Reload), 8 => Just(Op::LoadAof), 4 => Just(Op::RewriteAof), 1 => Just(Op::Restart),
            1 => Just(Op::Failover)
        ],
    ]
}

fn ours() -> impl Strategy<Value = Op> {
    let keys = || prop::collection::vec(key(), 1..4);
    let grace = prop_oneof![
        2 => Just(None), 2 => (200..300i64).prop_map(|s| Some(s * 1000)), 2 => (200_000..300_000i64).prop_map(Some)
    ];
    let which = prop_oneof![
        1 => Just(Which::All), 1 => keys().prop_map(Which::Except), 2 => keys().prop_map(Which::Only)
    ];
    let keep = || prop::bool::weighted(0.3);
    let by = prop_oneof![-9..9i64, Just(i64::MAX), Just(i64::MIN)];
    prop_oneof![
        14 => (slot(), set()).prop_map(|(slot, set)| Op::Set(slot, set)),
        2 => (0..3usize, new()).prop_map(|(db, set)| Op::New(db, set)),
        4 => (slot(), plain_read()).prop_map(|(slot, read)| Op::Get(slot, read)),
        2 => slot().prop_map(Op::Info),
        4 => (slot(), idle(), plain_read()).prop_map(|(slot, idle, read)| Op::GetEx(slot, idle, read)),
        3 => (0..3usize, keys()).prop_map(|(db, keys)| Op::Touch(db, keys)),
        3 => (slot(), times().prop_filter("one at least", |t| *t != Times::default()))
            .prop_map(|(slot, times)| Op::Adjust(slot, times)),
        2 => (0..3usize, keys()).prop_map(|(db, keys)| Op::Del(db, keys)),
        2 => (0..3usize, user(), which).prop_map(|(db, user, which)| Op::Revoke(db, user, which)),
        6 => (slot(), key(), plain(), grace).prop_map(|(slot, to, set, grace)| Op::Rotate(slot, to, set, grace)),
        2 => (0..3usize).prop_map(Op::Repeat),
        2 => change().prop_map(|(slot, c, keep, names)| Op::Unset(slot, c, keep, names)),
        2 => change().prop_map(|(slot, c, keep, names)| Op::Pop(slot, c, keep, names)),
        3 => (slot(), name(), by, condition(), keep()).prop_map(|(s, n, by, c, keep)| Op::IncrBy(s, n, by, c, keep)),
        4 => (0..3usize, user(), list_read(), limit()).prop_map(|(db, user, r, l)| Op::ByUser(db, user, r, l)),
        2 => (0..3usize, user()).prop_map(|(db, user)| Op::Count(db, user)),
    ]
}

fn servers() -> impl Strategy<Value = Op> {
    let lone = (slot(), somebody()).prop_map(|(slot, user)| Op::Lapse(slot, user));
    prop_oneof![2 => lone, 2 => slot().prop_map(Op::Dump), 30 => plain_commands()]
}

/// Commands of the server that can be part of a transaction or a script.
fn plain_commands() -> impl Strategy<Value = Op> {
    let when = || prop_oneof![(0..9i64).prop_map(When::Far), (0..9i64).prop_map(When::Near)];
    let expires = prop_oneof![Just(None), when().prop_map(Some)];
    let only = prop_oneof![2 => Just(None), 3 => prop::sample::select(vec!["NX", "XX", "GT", "LT"]).prop_map(Some)];
    prop_oneof![
        2 => slot().prop_map(Op::PlainDel),
        1 => slot().prop_map(Op::Unlink),
        2 => slot().prop_map(Op::ExpireNow),
        4 => (slot(), when(), only).prop_map(|(slot, at, only)| Op::Expire(slot, at, only)),
        2 => slot().prop_map(Op::Persist),
        4 => (slot(), key()).prop_map(|(slot, to)| Op::Rename(slot, to)),
        4 => (slot(), slot(), any::<bool>()).prop_map(|(slot, to, replace)| Op::Copy(slot, to, replace)),
        3 => (slot(), 0..3usize).prop_map(|(slot, db)| Op::Move(slot, db)),
        3 => (slot(), expires, any::<bool>()).prop_map(|(slot, at, replace)| Op::Restore(slot, at, replace)),
        2 => (0..3usize, 0..3usize).prop_map(|(a, b)| Op::SwapDb(a, b)),
        1 => (0..3usize).prop_map(Op::FlushDb),
        2 => slot().prop_map(Op::PlainSet),
    ]
}

/// Operations made of others.
fn several() -> impl Strategy<Value = Op> {
    let keys = || prop::collection::vec(key(), 1..4);
    prop_oneof![
        3 => fill(),
        3 => thin(),
        2 => (0..3usize, keys(), ours()).prop_map(|(db, keys, op)| Op::Ended(db, keys, Box::new(op))),
        2 => (0..3usize, crowd_keys(), ours()).prop_map(|(db, keys, op)| Op::Ended(db, keys, Box::new(op))),
        1 => (0..3usize, crowd_keys()).prop_map(|(db, keys)| Op::Touch(db, keys)),
        1 => any::<bool>().prop_map(Op::Interval),
        3 => prop::collection::vec(in_transaction(), 1..6).prop_map(Op::Multi),
        3 => prop::collection::vec(in_script(), 1..6).prop_map(Op::Script),
    ]
}

/// Some keys of a crowd, one behind the other.
fn crowd_keys() -> impl Strategy<Value = Vec<Bytes>> {
    (0..CROWD, 1..16usize).prop_map(|(first, n)| (first..first + n).map(crowd_key).collect())
}

/// Many sessions of one user.
fn fill() -> impl Strategy<Value = Op> {
    let set = (times(), cap(), data()).prop_map(|(times, cap, (_, fields, json))| Set {
        condition: Condition::None,
        replace: false,
        owner: Owner::Same,
        times: Times { end: times.end.filter(|end| *end != End::At(1)), ..times },
        keep_ttl: false,
        cap: cap.filter(|cap| cap.most > 4),
        unset: vec![],
        fields,
        json,
    });
    (0..3usize, somebody(), 0..CROWD, 6..28usize, set).prop_map(|(db, user, first, n, set)| {
        let set = Set { owner: Owner::User(user), ..set };
        let slot = |i| Slot { db, key: crowd_key(i) };
        Op::Many((first..first + n).map(|i| Op::Set(slot(i), set.clone())).collect())
    })
}

/// What happens to some of a crowd, each in the same way.
fn thin() -> impl Strategy<Value = Op> {
    let grace = (200_000..300_000i64).prop_map(Some);
    (0..3usize, 0..CROWD, 2..24usize, 0..10u8, plain(), somebody(), grace).prop_map(
        |(db, first, n, how, set, user, grace)| {
            let one = |i| {
                let slot = Slot { db, key: crowd_key(i) };
                let aside = crowd_key(i + 24);
                match how {
                    0 => Op::Del(db, vec![slot.key]),
                    1 => Op::Unlink(slot),
                    2 => Op::ExpireNow(slot),
                    3 if i < first + 6 => Op::Lapse(slot, user.clone()),
                    3 => Op::PlainSet(slot),
                    4 => Op::Rotate(slot, aside, set.clone(), grace),
                    5 => Op::Rename(slot, aside),
                    6 => Op::Move(slot, (db + 1) % 3),
                    7 => Op::Expire(slot, When::Near(i as i64), None),
                    8 => Op::Revoke(db, user.clone(), Which::Only(vec![slot.key, aside])),
                    _ => Op::Copy(slot, Slot { db: (db + i) % 3, key: aside }, true),
                }
            };
            Op::Many((first..first + n).map(one).collect())
        },
    )
}

/// Questions that take no time to answer.
fn questions() -> impl Strategy<Value = Op> {
    let keys = || prop::collection::vec(key(), 1..4);
    prop_oneof![
        2 => (0..3usize, somebody()).prop_map(|(db, user)| Op::Count(db, user)),
        1 => (0..3usize, somebody(), limit()).prop_map(|(db, user, l)| Op::ByUser(db, user, Read::default(), l)),
        1 => (0..3usize, keys()).prop_map(|(db, keys)| Op::Del(db, keys)),
        1 => (0..3usize, somebody(), keys()).prop_map(|(db, user, k)| Op::Revoke(db, user, Which::Except(k))),
    ]
}

fn in_transaction() -> impl Strategy<Value = Op> {
    prop_oneof![12 => plain_commands(), 6 => questions(), 1 => Just(Op::Reload)]
}

fn in_script() -> impl Strategy<Value = Op> {
    prop_oneof![2 => plain_commands(), 1 => questions()]
}

/// A command: the database to send it in, and its arguments.
pub type Command = (usize, Vec<Bytes>);

fn words(parts: &[&str]) -> Vec<Bytes> {
    parts.iter().map(|p| p.as_bytes().to_vec()).collect()
}

fn on(slot: &Slot, name: &str) -> Vec<Bytes> {
    vec![name.into(), slot.key.clone()]
}

fn push_times(out: &mut Vec<Bytes>, times: &Times) {
    match times.idle {
        None => {}
        Some(None) => out.push("PERSIST".into()),
        Some(Some(ms)) => out.extend(words(&["PX", &ms.to_string()])),
    }
    match times.end {
        None => {}
        Some(End::Never) => out.push("NOLIFETIME".into()),
        Some(End::Lifetime(ms)) => out.extend(words(&["PLIFETIME", &ms.to_string()])),
        Some(End::At(at)) => out.extend(words(&["PXAT", &at.to_string()])),
    }
}

fn push_counted(out: &mut Vec<Bytes>, word: &str, things: &[Bytes]) {
    if !things.is_empty() {
        out.extend(words(&[word, &things.len().to_string()]));
        out.extend(things.iter().cloned());
    }
}

fn push_set(out: &mut Vec<Bytes>, set: &Set) {
    match set.condition {
        Condition::None => {}
        Condition::Nx => out.push("NX".into()),
        Condition::Xx => out.push("XX".into()),
        Condition::Version(v) => out.extend(words(&["IFVERSION", &v.to_string()])),
    }
    if set.replace {
        out.push("replace".into());
    }
    push_counted(out, "UNSET", &set.unset);
    match &set.owner {
        Owner::Same => {}
        Owner::User(user) => out.extend(["USER".into(), user.clone()]),
        Owner::Nobody => out.push("NOUSER".into()),
    }
    push_times(out, &set.times);
    if set.keep_ttl {
        out.push("KEEPTTL".into());
    }
    if let Some(cap) = set.cap {
        out.extend(words(&["MAXSESSIONS", &cap.most.to_string(), cap.policy]));
    }
    if !set.fields.is_empty() {
        out.extend(words(&["FIELDS", &set.fields.len().to_string()]));
        set.fields.iter().for_each(|(n, v)| out.extend([n.clone(), v.clone()]));
    }
    if let Some(members) = &set.json {
        let texts: Vec<_> = members.iter().map(|m| format!(" {} : {}", m.name.0, m.value.0)).collect();
        out.extend(words(&["JSON", &format!("{{{}}}", texts.join(","))]));
    }
}

/// Metadata in front or behind, as it falls.
fn push_read(out: &mut Vec<Bytes>, read: &Read) {
    let mut meta = vec![];
    match &read.meta {
        None => {}
        Some(names) if names.is_empty() => meta.push("WithMeta".into()),
        Some(names) => {
            meta.extend(words(&["META", &names.len().to_string()]));
            meta.extend(words(names));
        }
    }
    let in_front = read.meta.as_ref().is_some_and(|names| names.len() % 2 == 1);
    if in_front {
        out.append(&mut meta);
    }
    if read.json {
        out.push("JSON".into());
    }
    push_counted(out, "FIELDS", &read.fields);
    out.append(&mut meta);
}

impl Op {
    /// What it does, in one line.
    pub fn line(&self) -> String {
        let lines = |ops: &[Op]| ops.iter().map(Op::line).collect::<Vec<_>>().join("\n  ");
        match (self, self.command(Some(&b"(payload)".to_vec()))) {
            (Op::Many(ops), _) => format!("MANY\n  {}", lines(ops)),
            (Op::Multi(ops), _) => format!("MULTI\n  {}", lines(ops)),
            (Op::Script(ops), _) => format!("SCRIPT\n  {}", lines(ops)),
            (Op::Ended(db, keys, then), _) => {
                let keys: Vec<_> = keys.iter().map(|key| key.escape_ascii().to_string()).collect();
                format!("{db}> EXPIRED {keys:?} AND THEN {}", then.line())
            }
            (_, None) => format!("{self:?}"),
            (_, Some((db, words))) => {
                let words = words.iter().map(|word| format!("{:.60}", word.escape_ascii().to_string()));
                format!(
                    "{db}> {}",
                    words.map(|w| if w.is_empty() { "''".into() } else { w }).collect::<Vec<_>>().join(" ")
                )
            }
        }
    }

    /// The command to send; none where an operation is more than that.
    pub fn command(&self, payload: Option<&Bytes>) -> Option<Command> {
        let mut out;
        let db = match self {
            Op::Set(s, set) => {
                out = on(s, "SESSION.SET");
                push_set(&mut out, set);
                s.db
            }
            Op::New(db, set) => {
                out = words(&["SESSION.NEW", "PREFIX", "new:"]);
                push_set(&mut out, set);
                *db
            }
            Op::Rotate(s, to, set, grace) => {
                out = on(s, "SESSION.ROTATE");
                out.push(to.clone());
                push_set(&mut out, set);
                match grace {
                    None => {}
                    Some(ms) if ms % 1000 == 0 => out.extend(words(&["GRACE", &(ms / 1000).to_string()])),
                    Some(ms) => out.extend(words(&["PGRACE", &ms.to_string()])),
                }
                s.db
            }
            Op::Get(s, read) => {
                out = on(s, "SESSION.GET");
                push_read(&mut out, read);
                s.db
            }
            Op::Info(s) => return Some((s.db, on(s, "SESSION.INFO"))),
            Op::GetEx(s, idle, read) => {
                out = on(s, "SESSION.GETEX");
                push_times(&mut out, &Times { idle: *idle, end: None });
                push_read(&mut out, read);
                s.db
            }
            Op::Touch(db, keys) => return Some((*db, [words(&["SESSION.TOUCH"]), keys.clone()].concat())),
            Op::Del(db, keys) => return Some((*db, [words(&["SESSION.DEL"]), keys.clone()].concat())),
            Op::Adjust(s, times) => {
                out = on(s, "SESSION.ADJUST");
                push_times(&mut out, times);
                s.db
            }
            Op::Revoke(db, user, which) => {
                out = vec!["SESSION.REVOKE".into(), user.clone()];
                match which {
                    Which::All => {}
                    Which::Except(keys) => push_counted(&mut out, "EXCEPT", keys),
                    Which::Only(keys) => push_counted(&mut out, "ONLY", keys),
                }
                *db
            }
            Op::Unset(s, condition, keep, names) | Op::Pop(s, condition, keep, names) => {
                out = on(s, if matches!(self, Op::Pop(..)) { "SESSION.POP" } else { "SESSION.UNSET" });
                if let Condition::Version(v) = condition {
                    out.extend(words(&["IFVERSION", &v.to_string()]));
                }
                if *keep {
                    out.push("KEEPTTL".into());
                }
                push_counted(&mut out, "FIELDS", names);
                s.db
            }
            Op::IncrBy(s, name, by, condition, keep) => {
                out = on(s, "SESSION.INCRBY");
                out.extend([name.clone(), by.to_string().into_bytes()]);
                if let Condition::Version(v) = condition {
                    out.extend(words(&["IFVERSION", &v.to_string()]));
                }
                if *keep {
                    out.push("KEEPTTL".into());
                }
                s.db
            }
            Op::ByUser(db, user, read, limit) => {
                out = vec!["SESSION.BYUSER".into(), user.clone()];
                push_read(&mut out, read);
                if let Some((offset, count)) = limit {
                    out.extend(words(&["LIMIT", &offset.to_string(), &count.to_string()]));
                }
                *db
            }
            Op::Count(db, user) => return Some((*db, vec!["SESSION.COUNT".into(), user.clone()])),
            Op::PlainDel(s) => return Some((s.db, on(s, "DEL"))),
            Op::Unlink(s) => return Some((s.db, on(s, "UNLINK"))),
            Op::ExpireNow(s) => return Some((s.db, [on(s, "PEXPIREAT"), words(&["1"])].concat())),
            Op::Expire(s, at, only) => {
                out = [on(s, "PEXPIREAT"), words(&[&at.at().to_string()])].concat();
                out.extend(only.map(Into::into));
                s.db
            }
            Op::Persist(s) => return Some((s.db, on(s, "PERSIST"))),
            Op::Rename(s, to) => return Some((s.db, [on(s, "RENAME"), vec![to.clone()]].concat())),
            Op::Copy(s, to, replace) => {
                out = on(s, "COPY");
                out.push(to.key.clone());
                out.extend(words(&["DB", &to.db.to_string()]));
                if *replace {
                    out.push("REPLACE".into());
                }
                s.db
            }
            Op::Move(s, db) => return Some((s.db, [on(s, "MOVE"), words(&[&db.to_string()])].concat())),
            Op::Restore(s, at, replace) => {
                out = on(s, "RESTORE");
                out.extend(words(&[&at.map_or(0, When::at).to_string()]));
                out.push(payload?.clone());
                if *replace {
                    out.push("REPLACE".into());
                }
                if at.is_some() {
                    out.push("ABSTTL".into());
                }
                s.db
            }
            Op::SwapDb(a, b) => return Some((0, words(&["SWAPDB", &a.to_string(), &b.to_string()]))),
            Op::FlushDb(db) => return Some((*db, words(&["FLUSHDB"]))),
            Op::PlainSet(s) => return Some((s.db, [on(s, "SET"), words(&["text"])].concat())),
            Op::Reload => return Some((0, words(&["DEBUG", "RELOAD"]))),
            Op::Lapse(..) | Op::Dump(_) | Op::Ended(..) | Op::Interval(_) | Op::Repeat(_) => return None,
            Op::Many(_) | Op::Multi(_) | Op::Script(_) => return None,
            Op::LoadAof | Op::RewriteAof | Op::Restart | Op::Failover => return None,
        };
        Some((db, out))
    }
}

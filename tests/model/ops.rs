//! The operations, as they are drawn and as they are sent.

use super::state::Bytes;
use proptest::prelude::*;

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
}

impl Set {
    pub fn names_data(&self) -> bool {
        self.owner != Owner::Same || self.replace || !self.unset.is_empty() || !self.fields.is_empty()
    }
}

#[derive(Clone, Debug)]
pub enum Op {
    Set(Slot, Set),
    New(usize, Set),
    Get(Slot),
    Info(Slot),
    GetEx(Slot, Option<Option<i64>>),
    Touch(usize, Vec<Bytes>),
    Adjust(Slot, Times),
    Del(usize, Vec<Bytes>),
    Revoke(usize, Bytes, Vec<Bytes>),
    Rotate(Slot, Bytes, Set, Option<i64>),
    Unset(Slot, Condition, bool, Vec<Bytes>),
    Pop(Slot, Condition, bool, Vec<Bytes>),
    IncrBy(Slot, Bytes, i64),
    ByUser(usize, Bytes),
    Count(usize, Bytes),
    /// A session that is past its deadline while its key is there.
    Lapse(Slot, Bytes),
    PlainDel(Slot),
    Unlink(Slot),
    ExpireNow(Slot),
    ExpireAt(Slot, i64),
    Persist(Slot),
    Rename(Slot, Bytes),
    Copy(Slot, Slot, bool),
    Move(Slot, usize),
    Dump(Slot),
    Restore(Slot, Option<i64>, bool),
    SwapDb(usize, usize),
    FlushDb(usize),
    PlainSet(Slot),
    Reload,
    LoadAof,
    RewriteAof,
    Restart,
    Failover,
}

fn key() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec![&b"a"[..], b"b", b"c", b"d", b"", b"\0", b"\xff\r\n", b"USER"]).prop_map(<[u8]>::to_vec)
}

fn slot() -> impl Strategy<Value = Slot> {
    (0..3usize, key()).prop_map(|(db, key)| Slot { db, key })
}

fn user() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec![&b"alice"[..], b"", b"\0\xff"]).prop_map(<[u8]>::to_vec)
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
    1_000_000..9_000_000i64
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
    let cap = prop_oneof![
        3 => Just(None),
        1 => (1..4usize, prop::sample::select(vec!["REJECT", "OLDEST", "LRU"]))
            .prop_map(|(most, policy)| Some(Cap { most, policy })),
    ];
    let fields = prop::collection::vec((name(), value()), 0..3);
    let data = (prop::collection::vec(name(), 0..2), fields);
    (condition, prop::bool::weighted(0.1), owner, times(), prop::bool::weighted(0.2), cap, data).prop_map(
        |(condition, replace, owner, times, keep, cap, (mut unset, fields))| {
            unset.retain(|n| !fields.iter().any(|(f, _)| f == n));
            let keep_ttl = keep && times == Times::default();
            Set { condition, replace, owner, times, keep_ttl, cap, unset, fields }
        },
    )
}

/// A write without the options that only `SET` has.
fn plain() -> impl Strategy<Value = Set> {
    set().prop_map(|set| {
        let condition = if let Condition::Version(_) = set.condition { set.condition } else { Condition::None };
        Set { condition, replace: false, keep_ttl: false, ..set }
    })
}

fn new() -> impl Strategy<Value = Set> {
    plain().prop_map(|set| {
        let owner = if set.owner == Owner::Nobody { Owner::Same } else { set.owner };
        Set { condition: Condition::None, owner, unset: vec![], ..set }
    })
}

fn change() -> impl Strategy<Value = (Slot, Condition, bool, Vec<Bytes>)> {
    (slot(), condition(), any::<bool>(), prop::collection::vec(name(), 1..3))
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        90 => ours(),
        40 => servers(),
        1 => prop_oneof![
            12 => Just(Op::Reload), 8 => Just(Op::LoadAof), 4 => Just(Op::RewriteAof), 1 => Just(Op::Restart),
            1 => Just(Op::Failover)
        ],
    ]
}

fn ours() -> impl Strategy<Value = Op> {
    let keys = || prop::collection::vec(key(), 1..4);
    let grace = prop_oneof![Just(None), (200_000..300_000i64).prop_map(Some)];
    prop_oneof![
        14 => (slot(), set()).prop_map(|(slot, set)| Op::Set(slot, set)),
        2 => (0..3usize, new()).prop_map(|(db, set)| Op::New(db, set)),
        3 => slot().prop_map(Op::Get),
        2 => slot().prop_map(Op::Info),
        3 => (slot(), idle()).prop_map(|(slot, idle)| Op::GetEx(slot, idle)),
        3 => (0..3usize, keys()).prop_map(|(db, keys)| Op::Touch(db, keys)),
        3 => (slot(), times().prop_filter("one at least", |t| *t != Times::default()))
            .prop_map(|(slot, times)| Op::Adjust(slot, times)),
        2 => (0..3usize, keys()).prop_map(|(db, keys)| Op::Del(db, keys)),
        2 => (0..3usize, user(), prop::collection::vec(key(), 0..3)).prop_map(|(db, u, k)| Op::Revoke(db, u, k)),
        5 => (slot(), key(), plain(), grace).prop_map(|(slot, to, set, grace)| Op::Rotate(slot, to, set, grace)),
        2 => change().prop_map(|(slot, c, keep, names)| Op::Unset(slot, c, keep, names)),
        2 => change().prop_map(|(slot, c, keep, names)| Op::Pop(slot, c, keep, names)),
        2 => (slot(), name(), prop_oneof![-9..9i64, Just(i64::MAX)]).prop_map(|(s, n, by)| Op::IncrBy(s, n, by)),
        3 => (0..3usize, user()).prop_map(|(db, user)| Op::ByUser(db, user)),
        2 => (0..3usize, user()).prop_map(|(db, user)| Op::Count(db, user)),
    ]
}

fn servers() -> impl Strategy<Value = Op> {
    let expires = || prop_oneof![Just(None), (AHEAD..AHEAD + 9).prop_map(Some)];
    prop_oneof![
        2 => (slot(), user()).prop_map(|(slot, user)| Op::Lapse(slot, user)),
        2 => slot().prop_map(Op::PlainDel),
        1 => slot().prop_map(Op::Unlink),
        2 => slot().prop_map(Op::ExpireNow),
        2 => (slot(), AHEAD..AHEAD + 9).prop_map(|(slot, at)| Op::ExpireAt(slot, at)),
        2 => slot().prop_map(Op::Persist),
        4 => (slot(), key()).prop_map(|(slot, to)| Op::Rename(slot, to)),
        4 => (slot(), slot(), any::<bool>()).prop_map(|(slot, to, replace)| Op::Copy(slot, to, replace)),
        3 => (slot(), 0..3usize).prop_map(|(slot, db)| Op::Move(slot, db)),
        2 => slot().prop_map(Op::Dump),
        3 => (slot(), expires(), any::<bool>()).prop_map(|(slot, at, replace)| Op::Restore(slot, at, replace)),
        2 => (0..3usize, 0..3usize).prop_map(|(a, b)| Op::SwapDb(a, b)),
        1 => (0..3usize).prop_map(Op::FlushDb),
        2 => slot().prop_map(Op::PlainSet),
    ]
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
}

impl Op {
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
                if let Some(ms) = grace {
                    out.extend(words(&["GRACE", &ms.to_string()]));
                }
                s.db
            }
            Op::Get(s) => return Some((s.db, on(s, "SESSION.GET"))),
            Op::Info(s) => return Some((s.db, on(s, "SESSION.INFO"))),
            Op::GetEx(s, idle) => {
                out = on(s, "SESSION.GETEX");
                push_times(&mut out, &Times { idle: *idle, end: None });
                s.db
            }
            Op::Touch(db, keys) => return Some((*db, [words(&["SESSION.TOUCH"]), keys.clone()].concat())),
            Op::Del(db, keys) => return Some((*db, [words(&["SESSION.DEL"]), keys.clone()].concat())),
            Op::Adjust(s, times) => {
                out = on(s, "SESSION.ADJUST");
                push_times(&mut out, times);
                s.db
            }
            Op::Revoke(db, user, except) => {
                out = vec!["SESSION.REVOKE".into(), user.clone()];
                push_counted(&mut out, "EXCEPT", except);
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
            Op::IncrBy(s, name, by) => {
                out = on(s, "SESSION.INCRBY");
                out.extend([name.clone(), by.to_string().into_bytes()]);
                s.db
            }
            Op::ByUser(db, user) => return Some((*db, vec!["SESSION.BYUSER".into(), user.clone()])),
            Op::Count(db, user) => return Some((*db, vec!["SESSION.COUNT".into(), user.clone()])),
            Op::PlainDel(s) => return Some((s.db, on(s, "DEL"))),
            Op::Unlink(s) => return Some((s.db, on(s, "UNLINK"))),
            Op::ExpireNow(s) => return Some((s.db, [on(s, "PEXPIREAT"), words(&["1"])].concat())),
            Op::ExpireAt(s, at) => return Some((s.db, [on(s, "PEXPIREAT"), words(&[&at.to_string()])].concat())),
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
                out.extend(words(&[&at.unwrap_or(0).to_string()]));
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
            Op::Lapse(..) | Op::Dump(_) => return None,
            Op::Reload | Op::LoadAof | Op::RewriteAof | Op::Restart | Op::Failover => return None,
        };
        Some((db, out))
    }
}

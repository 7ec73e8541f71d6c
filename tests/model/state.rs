//! The plain model: databases of keys, sessions as structures, users found by looking at every session.

use super::ops::{Cap, Condition, End, Op, Owner, Set, Slot, Times};
use std::collections::BTreeMap;

pub type Bytes = Vec<u8>;

/// A reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(Bytes),
    List(Vec<Reply>),
    /// An error whose text begins so.
    Error(String),
}

pub fn text(s: impl AsRef<[u8]>) -> Reply {
    Reply::Text(s.as_ref().to_vec())
}

fn int_or_nil(value: Option<i64>) -> Reply {
    value.map_or(Reply::Nil, Reply::Int)
}

fn refused(prefix: &str) -> Reply {
    Reply::Error(prefix.into())
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub user: Option<Bytes>,
    pub fields: Vec<(Bytes, Bytes)>,
    pub version: i64,
    pub created: i64,
    pub accessed: i64,
    pub idle: Option<i64>,
    pub end: End,
    pub grace: Option<i64>,
    /// Past its deadline, though the key is there.
    pub dead: bool,
}

impl Session {
    fn end_at(&self) -> Option<i64> {
        match self.end {
            End::Never => None,
            End::Lifetime(ms) => Some(self.created + ms),
            End::At(at) => Some(at),
        }
    }

    pub fn deadline(&self) -> Option<i64> {
        [self.idle.map(|ms| self.accessed + ms), self.end_at(), self.grace].into_iter().flatten().min()
    }

    pub fn get(&self) -> Reply {
        Reply::List(self.fields.iter().flat_map(|(n, v)| [text(n), text(v)]).collect())
    }

    /// The reply of `SESSION.INFO`.
    pub fn info(&self) -> Reply {
        let bytes: usize = self.fields.iter().map(|(n, v)| n.len() + v.len()).sum();
        let pairs = [
            ("user", self.user.as_ref().map_or(Reply::Nil, text)),
            ("created", Reply::Int(self.created)),
            ("accessed", Reply::Int(self.accessed)),
            ("idle", int_or_nil(self.idle)),
            ("lifetime", if let End::Lifetime(ms) = self.end { Reply::Int(ms) } else { Reply::Nil }),
            ("end", int_or_nil(self.end_at())),
            ("deadline", int_or_nil(self.deadline())),
            ("version", Reply::Int(self.version)),
            ("fields", Reply::Int(self.fields.len() as i64)),
            ("bytes", Reply::Int(bytes as i64)),
            ("grace", int_or_nil(self.grace)),
        ];
        Reply::List(pairs.into_iter().flat_map(|(name, value)| [text(name), value]).collect())
    }

    fn value(&self, name: &Bytes) -> Option<&Bytes> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    fn put(&mut self, name: &Bytes, value: &Bytes) {
        match self.fields.iter_mut().find(|(n, _)| n == name) {
            Some(field) => field.1.clone_from(value),
            None => self.fields.push((name.clone(), value.clone())),
        }
    }

    fn adjust(&mut self, times: &Times) {
        if let Some(idle) = times.idle {
            self.idle = idle;
        }
        if let Some(end) = times.end {
            self.end = end;
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Session(Session),
    Text,
}

/// A key: what it holds, and its own expiry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub value: Value,
    pub expires: Option<i64>,
}

#[derive(Clone, Default, Debug)]
pub struct Model {
    pub dbs: [BTreeMap<Bytes, Entry>; 3],
    pub dumped: Option<Entry>,
}

/// What a key holds, to a session command.
enum State {
    Missing,
    Live(Session),
    Frozen(Session),
    Other,
}

/// What an operation came to: the reply, and where the time of the command can be read from: a session, and which of its
/// times.
pub struct Done {
    pub reply: Reply,
    pub clock: Option<(Slot, &'static str)>,
}

impl Done {
    fn new(reply: Reply) -> Self {
        Done { reply, clock: None }
    }

    fn at(reply: Reply, slot: &Slot) -> Self {
        Done { reply, clock: Some((slot.clone(), "accessed")) }
    }
}

const WRONGTYPE: &str = "WRONGTYPE";

impl Model {
    pub fn session(&self, slot: &Slot) -> Option<&Session> {
        match &self.dbs[slot.db].get(&slot.key)?.value {
            Value::Session(s) => Some(s),
            Value::Text => None,
        }
    }

    fn state(&self, slot: &Slot) -> State {
        match self.dbs[slot.db].get(&slot.key) {
            None => State::Missing,
            Some(Entry { value: Value::Text, .. }) => State::Other,
            Some(Entry { value: Value::Session(s), .. }) if s.dead => State::Missing,
            Some(Entry { value: Value::Session(s), .. }) if s.grace.is_some() => State::Frozen(s.clone()),
            Some(Entry { value: Value::Session(s), .. }) => State::Live(s.clone()),
        }
    }

    fn store(&mut self, slot: &Slot, session: Session) {
        let expires = session.deadline();
        self.dbs[slot.db].insert(slot.key.clone(), Entry { value: Value::Session(session), expires });
    }

    fn change(&mut self, slot: &Slot, session: Session, keep_ttl: bool) {
        let unmoved = self.session(slot).is_some_and(|s| s.deadline() == session.deadline());
        let expires = if keep_ttl && unmoved { self.dbs[slot.db][&slot.key].expires } else { session.deadline() };
        self.dbs[slot.db].insert(slot.key.clone(), Entry { value: Value::Session(session), expires });
    }

    /// Live sessions of a user, latest first.
    pub fn of_user(&self, db: usize, user: &Bytes) -> Vec<(Bytes, Session)> {
        let mut all: Vec<(Bytes, Session)> = self.dbs[db]
            .iter()
            .filter_map(|(key, entry)| match &entry.value {
                Value::Session(s) if !s.dead && s.grace.is_none() && s.user.as_ref() == Some(user) => {
                    Some((key.clone(), s.clone()))
                }
                _ => None,
            })
            .collect();
        all.sort_by(|(ka, a), (kb, b)| b.accessed.cmp(&a.accessed).then(ka.cmp(kb)));
        all
    }

    /// Which sessions must go; the error if none may.
    fn room(
        &self,
        db: usize,
        cap: Option<Cap>,
        user: Option<&Bytes>,
        joins: bool,
        but: &[&Bytes],
    ) -> Result<Vec<Bytes>, ()> {
        let (Some(cap), Some(user)) = (cap, user) else { return Ok(vec![]) };
        let mut others = self.of_user(db, user);
        others.retain(|(key, _)| !but.contains(&key));
        let excess = (others.len() + 1).saturating_sub(cap.most);
        match cap.policy {
            "REJECT" if joins && excess > 0 => return Err(()),
            "REJECT" => return Ok(vec![]),
            "OLDEST" => others.sort_by_key(|(key, s)| (s.created, s.accessed, key.clone())),
            _ => others.sort_by_key(|(key, s)| (s.accessed, s.created, key.clone())),
        }
        Ok(others.into_iter().take(excess).map(|(key, _)| key).collect())
    }

    /// Ends a session that is past its deadline, as every writer does that comes upon one.
    fn sweep(&mut self, slot: &Slot) {
        if self.session(slot).is_some_and(|s| s.dead) {
            self.dbs[slot.db].remove(&slot.key);
        }
    }

    /// Carries an operation out, at this time. `made` is the key that the server made up, for the operations that have one.
    pub fn apply(&mut self, op: &Op, now: i64, made: Option<&Bytes>) -> Done {
        match op {
            Op::Set(slot, set) => self.set(slot, set, now),
            Op::New(db, set) => {
                let slot = Slot { db: *db, key: made.cloned().unwrap_or(b"new:refused".to_vec()) };
                let mut done = self.set(&slot, set, now);
                if !matches!(done.reply, Reply::Error(_)) {
                    done.reply = text(&slot.key);
                }
                done
            }
            Op::Get(slot) => Done::new(match self.state(slot) {
                State::Missing => Reply::Nil,
                State::Live(s) | State::Frozen(s) => s.get(),
                State::Other => refused(WRONGTYPE),
            }),
            Op::Info(slot) => Done::new(match self.state(slot) {
                State::Missing => Reply::Nil,
                State::Live(s) | State::Frozen(s) => s.info(),
                State::Other => refused(WRONGTYPE),
            }),
            Op::GetEx(slot, idle) => self.getex(slot, *idle, now),
            Op::Touch(db, keys) => self.touch(*db, keys, now),
            Op::Adjust(slot, times) => self.adjust(slot, times, now),
            Op::Del(db, keys) => self.del(*db, keys),
            Op::Revoke(db, user, except) => self.revoke(*db, user, except),
            Op::Rotate(slot, to, set, grace) => self.rotate(slot, to, set, *grace, now),
            Op::Unset(slot, condition, keep, names) => self.remove(slot, *condition, *keep, names, false, now),
            Op::Pop(slot, condition, keep, names) => self.remove(slot, *condition, *keep, names, true, now),
            Op::IncrBy(slot, name, by) => self.incrby(slot, name, *by, now),
            Op::ByUser(db, user) => {
                Done::new(Reply::List(self.of_user(*db, user).iter().map(|(key, _)| text(key)).collect()))
            }
            Op::Count(db, user) => Done::new(Reply::Int(self.of_user(*db, user).len() as i64)),
            _ => Done::new(self.server(op)),
        }
    }

    fn begin(&mut self, slot: &Slot, set: &Set, now: i64) -> Done {
        let mut s = Session {
            user: if let Owner::User(user) = &set.owner { Some(user.clone()) } else { None },
            fields: vec![],
            version: 1,
            created: now,
            accessed: now,
            idle: Some(1_800_000),
            end: End::Never,
            grace: None,
            dead: false,
        };
        s.adjust(&set.times);
        set.fields.iter().for_each(|(n, v)| s.put(n, v));
        if s.deadline().is_some_and(|at| at <= now) {
            return Done::new(Reply::Int(1));
        }
        let Ok(gone) = self.room(slot.db, set.cap, s.user.as_ref(), true, &[&slot.key]) else {
            return Done::new(refused("SESSIONLIMIT"));
        };
        gone.iter().for_each(|key| drop(self.dbs[slot.db].remove(key)));
        self.store(slot, s);
        Done::at(Reply::Int(1), slot)
    }

    /// A session after a write, and whether it newly is its user's.
    fn written(s: &Session, set: &Set, now: i64) -> (Session, bool) {
        let mut next = s.clone();
        if !set.keep_ttl {
            next.accessed = now;
        }
        next.adjust(&set.times);
        match &set.owner {
            Owner::Same => {}
            Owner::User(user) => next.user = Some(user.clone()),
            Owner::Nobody => next.user = None,
        }
        let joins = next.user != s.user;
        if joins {
            next.created = now;
        }
        if set.replace {
            next.fields.clear();
        }
        next.fields.retain(|(n, _)| !set.unset.contains(n));
        set.fields.iter().for_each(|(n, v)| next.put(n, v));
        if set.names_data() {
            next.version += 1;
        }
        (next, joins)
    }

    fn set(&mut self, slot: &Slot, set: &Set, now: i64) -> Done {
        if !matches!(self.state(slot), State::Other) {
            self.sweep(slot);
        }
        let s = match (self.state(slot), set.condition) {
            (State::Other, _) => return Done::new(refused(WRONGTYPE)),
            (State::Live(_) | State::Frozen(_), Condition::Nx) => return Done::new(Reply::Nil),
            (State::Frozen(_), _) => return Done::new(refused("SESSIONGONE")),
            (State::Missing, Condition::Xx | Condition::Version(_)) => return Done::new(Reply::Nil),
            (State::Missing, _) => return self.begin(slot, set, now),
            (State::Live(s), Condition::Version(v)) if s.version != v => return Done::new(Reply::Nil),
            (State::Live(s), _) => s,
        };
        let (next, joins) = Self::written(&s, set, now);
        if next.deadline().is_some_and(|at| at <= now) {
            self.dbs[slot.db].remove(&slot.key);
            return Done::new(Reply::Int(next.version));
        }
        let Ok(gone) = self.room(slot.db, set.cap, next.user.as_ref(), joins, &[&slot.key]) else {
            return Done::new(refused("SESSIONLIMIT"));
        };
        gone.iter().for_each(|key| drop(self.dbs[slot.db].remove(key)));
        let version = next.version;
        self.change(slot, next, set.keep_ttl);
        let time = if !set.keep_ttl { Some("accessed") } else { joins.then_some("created") };
        Done { reply: Reply::Int(version), clock: time.map(|time| (slot.clone(), time)) }
    }

    fn getex(&mut self, slot: &Slot, idle: Option<Option<i64>>, now: i64) -> Done {
        self.sweep(slot);
        match self.state(slot) {
            State::Missing => Done::new(Reply::Nil),
            State::Other => Done::new(refused(WRONGTYPE)),
            State::Frozen(s) => Done::new(s.get()),
            State::Live(mut s) => {
                s.accessed = now;
                s.adjust(&Times { idle, end: None });
                let reply = s.get();
                self.store(slot, s);
                Done::at(reply, slot)
            }
        }
    }

    fn any_other(&self, db: usize, keys: &[Bytes]) -> bool {
        keys.iter().any(|key| matches!(self.state(&Slot { db, key: key.clone() }), State::Other))
    }

    fn touch(&mut self, db: usize, keys: &[Bytes], now: i64) -> Done {
        if self.any_other(db, keys) {
            return Done::new(refused(WRONGTYPE));
        }
        let (mut live, mut clock) = (0, None);
        for key in keys {
            let slot = Slot { db, key: key.clone() };
            self.sweep(&slot);
            if let State::Live(mut s) = self.state(&slot) {
                s.accessed = now;
                self.store(&slot, s);
                live += 1;
                clock = Some((slot, "accessed"));
            }
        }
        Done { reply: Reply::Int(live), clock }
    }

    fn adjust(&mut self, slot: &Slot, times: &Times, now: i64) -> Done {
        self.sweep(slot);
        match self.state(slot) {
            State::Missing => Done::new(Reply::Int(0)),
            State::Other => Done::new(refused(WRONGTYPE)),
            State::Frozen(_) => Done::new(refused("SESSIONGONE")),
            State::Live(mut s) => {
                s.accessed = now;
                s.adjust(times);
                if s.deadline().is_some_and(|at| at <= now) {
                    self.dbs[slot.db].remove(&slot.key);
                    return Done::new(Reply::Int(1));
                }
                self.store(slot, s);
                Done::at(Reply::Int(1), slot)
            }
        }
    }

    fn del(&mut self, db: usize, keys: &[Bytes]) -> Done {
        if self.any_other(db, keys) {
            return Done::new(refused(WRONGTYPE));
        }
        let mut ended = 0;
        for key in keys {
            self.sweep(&Slot { db, key: key.clone() });
            ended += i64::from(self.dbs[db].remove(key).is_some());
        }
        Done::new(Reply::Int(ended))
    }

    fn revoke(&mut self, db: usize, user: &Bytes, except: &[Bytes]) -> Done {
        let mut ended = 0;
        self.dbs[db].retain(|key, entry| match &entry.value {
            Value::Session(s) if s.user.as_ref() == Some(user) && !except.contains(key) => {
                ended += i64::from(!s.dead);
                false
            }
            _ => true,
        });
        Done::new(Reply::Int(ended))
    }

    fn rotate(&mut self, slot: &Slot, to: &Bytes, set: &Set, grace: Option<i64>, now: i64) -> Done {
        self.sweep(slot);
        let s = match (self.state(slot), set.condition) {
            (State::Other, _) => return Done::new(refused(WRONGTYPE)),
            (State::Frozen(_), _) => return Done::new(refused("SESSIONGONE")),
            (State::Missing, _) => return Done::new(Reply::Nil),
            (State::Live(s), Condition::Version(v)) if s.version != v => return Done::new(Reply::Nil),
            (State::Live(s), _) => s,
        };
        let target = Slot { db: slot.db, key: to.clone() };
        self.sweep(&target);
        if self.dbs[slot.db].contains_key(to) {
            return Done::new(refused("BUSYKEY"));
        }
        let (mut next, joins) = Self::written(&s, set, now);
        next.version = s.version + 1;
        if next.deadline().is_some_and(|at| at <= now) {
            self.dbs[slot.db].remove(&slot.key);
            return Done::new(Reply::Int(next.version));
        }
        let Ok(gone) = self.room(slot.db, set.cap, next.user.as_ref(), joins, &[&slot.key, to]) else {
            return Done::new(refused("SESSIONLIMIT"));
        };
        gone.iter().for_each(|key| drop(self.dbs[slot.db].remove(key)));
        let version = next.version;
        self.store(&target, next);
        self.dbs[slot.db].remove(&slot.key);
        if let Some(grace) = grace {
            self.store(slot, Session { grace: Some(now + grace), ..s });
        }
        Done::at(Reply::Int(version), &target)
    }

    fn remove(
        &mut self,
        slot: &Slot,
        condition: Condition,
        keep_ttl: bool,
        names: &[Bytes],
        pop: bool,
        now: i64,
    ) -> Done {
        self.sweep(slot);
        let mut s = match (self.state(slot), condition) {
            (State::Other, _) => return Done::new(refused(WRONGTYPE)),
            (State::Frozen(_), _) => return Done::new(refused("SESSIONGONE")),
            (State::Missing, Condition::None) if !pop => return Done::new(Reply::Int(0)),
            (State::Missing, _) => return Done::new(Reply::Nil),
            (State::Live(s), Condition::Version(v)) if s.version != v => return Done::new(Reply::Nil),
            (State::Live(s), _) => s,
        };
        let values = names.iter().map(|n| s.value(n).map_or(Reply::Nil, text)).collect();
        let before = s.fields.len();
        s.fields.retain(|(n, _)| !names.contains(n));
        let removed = (before - s.fields.len()) as i64;
        s.version += i64::from(removed > 0);
        if !keep_ttl {
            s.accessed = now;
        }
        self.change(slot, s, keep_ttl);
        let clock = (!keep_ttl).then(|| (slot.clone(), "accessed"));
        Done { reply: if pop { Reply::List(values) } else { Reply::Int(removed) }, clock }
    }

    fn incrby(&mut self, slot: &Slot, name: &Bytes, by: i64, now: i64) -> Done {
        self.sweep(slot);
        let mut s = match self.state(slot) {
            State::Other => return Done::new(refused(WRONGTYPE)),
            State::Frozen(_) => return Done::new(refused("SESSIONGONE")),
            State::Missing => return Done::new(Reply::Nil),
            State::Live(s) => s,
        };
        let old = match s.value(name) {
            None => Some(0),
            Some(value) => std::str::from_utf8(value).ok().and_then(|v| v.parse::<i64>().ok()),
        };
        let Some(sum) = old.and_then(|old| old.checked_add(by)) else {
            return Done::new(refused("ERR value is not an integer or out of range"));
        };
        s.put(name, &sum.to_string().into_bytes());
        s.version += 1;
        s.accessed = now;
        self.store(slot, s);
        Done::at(Reply::Int(sum), slot)
    }

    /// The server's own commands.
    fn server(&mut self, op: &Op) -> Reply {
        let moved = |ok: bool| Reply::Int(i64::from(ok));
        match op {
            Op::PlainDel(slot) | Op::Unlink(slot) | Op::ExpireNow(slot) => {
                moved(self.dbs[slot.db].remove(&slot.key).is_some())
            }
            Op::Persist(slot) => match self.dbs[slot.db].get_mut(&slot.key) {
                Some(entry) => moved(entry.expires.take().is_some()),
                None => moved(false),
            },
            Op::ExpireAt(slot, at) => match self.dbs[slot.db].get_mut(&slot.key) {
                Some(entry) => {
                    entry.expires = Some(*at);
                    moved(true)
                }
                None => moved(false),
            },
            Op::Rename(slot, to) => match self.dbs[slot.db].remove(&slot.key) {
                None => refused("ERR no such key"),
                Some(entry) => {
                    self.dbs[slot.db].insert(to.clone(), entry);
                    text("OK")
                }
            },
            Op::Copy(slot, to, replace) => match self.dbs[slot.db].get(&slot.key).cloned() {
                None if slot == to => refused("ERR source and destination objects are the same"),
                Some(_) if slot == to => refused("ERR source and destination objects are the same"),
                Some(entry) if *replace || !self.dbs[to.db].contains_key(&to.key) => {
                    self.dbs[to.db].insert(to.key.clone(), entry);
                    moved(true)
                }
                _ => moved(false),
            },
            Op::Move(slot, db) => {
                if slot.db == *db {
                    return refused("ERR source and destination objects are the same");
                }
                if self.dbs[*db].contains_key(&slot.key) {
                    return moved(false);
                }
                match self.dbs[slot.db].remove(&slot.key) {
                    None => moved(false),
                    Some(entry) => {
                        self.dbs[*db].insert(slot.key.clone(), entry);
                        moved(true)
                    }
                }
            }
            Op::Dump(slot) => {
                self.dumped = self.dbs[slot.db].get(&slot.key).cloned();
                Reply::Nil
            }
            Op::Restore(slot, expires, replace) => match self.dumped.clone() {
                None => Reply::Nil,
                Some(_) if !replace && self.dbs[slot.db].contains_key(&slot.key) => refused("BUSYKEY"),
                Some(entry) => {
                    self.dbs[slot.db].insert(slot.key.clone(), Entry { expires: *expires, ..entry });
                    text("OK")
                }
            },
            Op::SwapDb(a, b) => {
                self.dbs.swap(*a, *b);
                text("OK")
            }
            Op::FlushDb(db) => {
                self.dbs[*db].clear();
                text("OK")
            }
            Op::PlainSet(slot) => {
                self.dbs[slot.db].insert(slot.key.clone(), Entry { value: Value::Text, expires: None });
                text("OK")
            }
            Op::Lapse(slot, user) => {
                let s = Session {
                    user: Some(user.clone()),
                    fields: vec![],
                    version: 1,
                    created: 0,
                    accessed: 0,
                    idle: Some(1),
                    end: End::Never,
                    grace: None,
                    dead: true,
                };
                self.dbs[slot.db].insert(slot.key.clone(), Entry { value: Value::Session(s), expires: None });
                text("OK")
            }
            _ => text("OK"),
        }
    }
}

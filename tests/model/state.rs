//! The plain model: databases of keys, sessions as structures, users found by looking at every session.

use super::ops::{Cap, Condition, End, Op, Owner, Read, Set, Slot, Times, When, Which};
use std::collections::{BTreeMap, BTreeSet};

pub type Bytes = Vec<u8>;

/// A reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(Bytes),
    List(Vec<Reply>),
    /// A list of names and values, in any order.
    Map(Vec<(Reply, Reply)>),
    /// The text of a JSON object: its names, and the values' texts as they stand or as the strings that they stand for.
    Object(Vec<(String, Json)>),
    /// An error whose text begins so.
    Error(String),
}

/// A value in a JSON object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Json {
    Verbatim(String),
    String(String),
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

/// A field; as it was given as JSON, or raw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    name: Bytes,
    value: Bytes,
    json: bool,
}

/// What makes a session a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grace {
    until: i64,
    newkey: Bytes,
    /// The rotation that left it, with all its arguments.
    rotation: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub user: Option<Bytes>,
    pub fields: Vec<Field>,
    pub version: i64,
    pub created: i64,
    pub accessed: i64,
    pub idle: Option<i64>,
    pub end: End,
    pub grace: Option<Grace>,
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
        [self.idle.map(|ms| self.accessed + ms), self.end_at(), self.until()].into_iter().flatten().min()
    }

    fn until(&self) -> Option<i64> {
        self.grace.as_ref().map(|grace| grace.until)
    }

    /// All fields.
    pub fn get(&self) -> Reply {
        Reply::Map(self.fields.iter().map(|f| (text(&f.name), text(&f.value))).collect())
    }

    /// What `GET` and `GETEX` answer.
    fn read(&self, read: &Read) -> Reply {
        let data = match (read.json, &read.fields[..]) {
            (true, names) => match self.object(names) {
                Some(object) => object,
                None => return refused("ERR "),
            },
            (false, []) => self.get(),
            (false, names) => Reply::List(names.iter().map(|n| self.value(n).map_or(Reply::Nil, text)).collect()),
        };
        let Some(meta) = &read.meta else { return data };
        let mut pairs = self.meta(meta);
        pairs.extend([text("data"), data]);
        Reply::List(pairs)
    }

    /// What `BYUSER` answers of it.
    fn listed(&self, key: &Bytes, read: &Read) -> Reply {
        if *read == Read::default() {
            return text(key);
        }
        let mut pairs = vec![text("key"), text(key)];
        if let Some(names) = &read.meta {
            pairs.extend(self.meta(names));
        }
        if read.json {
            pairs.extend([text("data"), self.object(&read.fields).unwrap_or(Reply::Nil)]);
        } else if !read.fields.is_empty() {
            let present = read.fields.iter().filter_map(|n| Some((text(n), text(self.value(n)?))));
            pairs.extend([text("data"), Reply::Map(present.collect())]);
        }
        Reply::List(pairs)
    }

    /// The object of these fields, or of all; nothing where one of them is not text.
    fn object(&self, names: &[Bytes]) -> Option<Reply> {
        let string = |bytes: &Bytes| String::from_utf8(bytes.clone()).ok();
        let chosen = self.fields.iter().filter(|f| names.is_empty() || names.contains(&f.name));
        let pairs = chosen.map(|f| {
            let value = string(&f.value)?;
            Some((string(&f.name)?, if f.json { Json::Verbatim(value) } else { Json::String(value) }))
        });
        pairs.collect::<Option<Vec<_>>>().map(Reply::Object)
    }

    /// The metadata of these names, or all that `WITHMETA` shows.
    fn meta(&self, names: &[&str]) -> Vec<Reply> {
        let Reply::List(all) = self.info() else { panic!("no list") };
        let of =
            |name: &str| all.chunks(2).find(|pair| pair[0] == text(name)).map(<[Reply]>::to_vec).unwrap_or_default();
        const ALL: [&str; 9] =
            ["user", "created", "accessed", "idle", "lifetime", "end", "deadline", "version", "grace"];
        let names = if names.is_empty() { &ALL[..] } else { names };
        names.iter().flat_map(|name| of(name)).collect()
    }

    /// The reply of `SESSION.INFO`.
    pub fn info(&self) -> Reply {
        let bytes: usize = self.fields.iter().map(|f| f.name.len() + f.value.len()).sum();
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
            ("grace", int_or_nil(self.until())),
        ];
        Reply::List(pairs.into_iter().flat_map(|(name, value)| [text(name), value]).collect())
    }

    fn value(&self, name: &Bytes) -> Option<&Bytes> {
        self.fields.iter().find(|f| f.name == *name).map(|f| &f.value)
    }

    fn put(&mut self, name: &[u8], value: &[u8], json: bool) {
        self.fields.retain(|f| f.name != name);
        self.fields.push(Field { name: name.to_vec(), value: value.to_vec(), json });
    }

    /// Writes what a command gives in FIELDS and JSON.
    fn put_all(&mut self, set: &Set) {
        set.fields.iter().for_each(|(n, v)| self.put(n, v, false));
        set.json.iter().flatten().for_each(|m| self.put(m.name.1.as_bytes(), m.value.1.as_bytes(), m.value.2));
    }

    /// Whether it has all of these times already.
    fn has(&self, times: &Times) -> bool {
        times.idle.is_none_or(|idle| idle == self.idle) && times.end.is_none_or(|end| end == self.end)
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
    /// When it came to its user, counted in arrivals; unknown after a file or a full sync was loaded.
    arrived: Option<u64>,
}

#[derive(Clone, Default, Debug)]
pub struct Model {
    pub dbs: [BTreeMap<Bytes, Entry>; 3],
    pub dumped: Option<Entry>,
    /// Whether `session.touch-interval-ms` is so long that it absorbs every touch.
    pub absorbs: bool,
    arrivals: u64,
}

/// What was seen of a command that the model cannot know: the key that it made up, and which keys are there afterwards.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    pub made: Option<Bytes>,
    pub there: Option<BTreeSet<Bytes>>,
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
            Some(Entry { value: Value::Session(s), .. }) if self.is_over(slot.db, s) => State::Missing,
            Some(Entry { value: Value::Session(s), .. }) if s.grace.is_some() => State::Frozen(s.clone()),
            Some(Entry { value: Value::Session(s), .. }) => State::Live(s.clone()),
        }
    }

    /// Whether a session that is there is missing to every command: its deadline has passed, or it is a snapshot of a
    /// session that is no more.
    pub fn is_over(&self, db: usize, s: &Session) -> bool {
        s.dead || s.grace.as_ref().is_some_and(|grace| !self.lives_on(db, &grace.newkey, s.version))
    }

    /// Whether there is a live session at a key, or where further rotations have taken it. A rotation counts the version on:
    /// one that is not later is of another session, which has taken the key.
    fn lives_on(&self, db: usize, key: &Bytes, mut version: i64) -> bool {
        let mut key = key;
        loop {
            let Some(Entry { value: Value::Session(s), .. }) = self.dbs[db].get(key) else { return false };
            if s.dead || s.version <= version {
                return false;
            }
            let Some(grace) = &s.grace else { return true };
            (key, version) = (&grace.newkey, s.version);
        }
    }

    /// The number of an arrival.
    fn arrives(&mut self) -> Option<u64> {
        self.arrivals += 1;
        Some(self.arrivals)
    }

    /// Forgets in which order sessions came to their users.
    pub fn forget_arrivals(&mut self) {
        self.dbs.iter_mut().flat_map(|db| db.values_mut()).for_each(|entry| entry.arrived = None);
    }

    fn store(&mut self, slot: &Slot, session: Session) {
        let expires = session.deadline();
        self.put(slot, session, expires);
    }

    /// A session under a key. One that has the same user as before has not arrived anew.
    fn put(&mut self, slot: &Slot, session: Session, expires: Option<i64>) {
        let stays = |entry: &Entry| match &entry.value {
            Value::Session(s) => (s.user == session.user && s.grace.is_none()).then_some(entry.arrived),
            Value::Text => None,
        };
        let arrived = match self.dbs[slot.db].get(&slot.key).and_then(stays) {
            Some(arrived) => arrived,
            None => self.arrives(),
        };
        self.dbs[slot.db].insert(slot.key.clone(), Entry { value: Value::Session(session), expires, arrived });
    }

    fn change(&mut self, slot: &Slot, session: Session, keep_ttl: bool) {
        let unmoved = self.session(slot).is_some_and(|s| s.deadline() == session.deadline());
        let expires = if keep_ttl && unmoved { self.dbs[slot.db][&slot.key].expires } else { session.deadline() };
        self.put(slot, session, expires);
    }

    /// Live sessions of a user, latest first.
    pub fn of_user(&self, db: usize, user: &[u8]) -> Vec<(Bytes, Session)> {
        let mut all: Vec<(Bytes, Session)> = self.dbs[db]
            .iter()
            .filter_map(|(key, entry)| match &entry.value {
                Value::Session(s) if !s.dead && s.grace.is_none() && s.user.as_deref() == Some(user) => {
                    Some((key.clone(), s.clone()))
                }
                _ => None,
            })
            .collect();
        all.sort_by(|(ka, a), (kb, b)| b.accessed.cmp(&a.accessed).then(ka.cmp(kb)));
        all
    }

    /// What `BYUSER` lists.
    pub fn listed(&self, db: usize, user: &[u8], read: &Read, limit: Option<(i64, i64)>) -> Reply {
        let all = self.of_user(db, user);
        let (offset, count) = limit.map_or((0, all.len()), |(offset, count)| (offset as usize, count as usize));
        Reply::List(all.iter().skip(offset).take(count).map(|(key, s)| s.listed(key, read)).collect())
    }

    /// Which sessions must go; the error if none may. Of several that began and were used at the same time the first to
    /// come goes first; where the order in which they came is not known, those that were seen to be gone.
    fn room(
        &self,
        db: usize,
        cap: Option<Cap>,
        user: Option<&Bytes>,
        joins: bool,
        but: &[&Bytes],
        seen: &Seen,
    ) -> Result<Vec<Bytes>, ()> {
        let (Some(cap), Some(user)) = (cap, user) else { return Ok(vec![]) };
        let mut others = self.of_user(db, user);
        others.retain(|(key, _)| !but.contains(&key));
        let excess = (others.len() + 1).saturating_sub(cap.most);
        let times = |s: &Session| match cap.policy {
            "OLDEST" => (s.created, s.accessed),
            _ => (s.accessed, s.created),
        };
        match cap.policy {
            "REJECT" if joins && excess > 0 => return Err(()),
            "REJECT" => return Ok(vec![]),
            _ => {}
        }
        let arrived = |key: &Bytes| self.dbs[db][key].arrived;
        let is_there = |key: &Bytes| seen.there.as_ref().is_none_or(|there| there.contains(key));
        let all_known =
            |of: &Session| others.iter().filter(|(_, s)| times(s) == times(of)).all(|(key, _)| arrived(key).is_some());
        let rank = |key: &Bytes, s: &Session| match all_known(s) {
            true => arrived(key).unwrap_or_default(),
            false => u64::from(is_there(key)),
        };
        let mut ranked: Vec<_> = others.iter().map(|(key, s)| (times(s), rank(key, s), key)).collect();
        ranked.sort();
        Ok(ranked.into_iter().take(excess).map(|(.., key)| key.clone()).collect())
    }

    /// Ends a session that is missing to every command though its key is there, as every writer does that comes upon one.
    fn sweep(&mut self, slot: &Slot) {
        if self.session(slot).is_some_and(|s| self.is_over(slot.db, s)) {
            self.dbs[slot.db].remove(&slot.key);
        }
    }

    /// The keys of a database that hold what is over.
    pub fn over(&self, db: usize) -> Vec<(Bytes, Entry)> {
        let is_over = |entry: &Entry| matches!(&entry.value, Value::Session(s) if self.is_over(db, s));
        self.dbs[db]
            .iter()
            .filter(|(_, entry)| is_over(entry))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect()
    }

    /// Takes over which keys that hold what is over are still there. A command may end it where it only came upon it: at
    /// the new key of a rotation, or on the way to the sessions that make room; one that is refused may leave it.
    pub fn reconcile(&mut self, db: usize, over_before: Vec<(Bytes, Entry)>, there: &BTreeSet<Bytes>, refused: bool) {
        for (key, _) in self.over(db) {
            if !there.contains(&key) {
                self.dbs[db].remove(&key);
            }
        }
        for (key, entry) in over_before {
            if refused && there.contains(&key) {
                self.dbs[db].entry(key).or_insert(entry);
            }
        }
    }

    /// Carries an operation out, at this time.
    pub fn apply(&mut self, op: &Op, now: i64, seen: &Seen) -> Done {
        if op.is_malformed() {
            return Done::new(refused("ERR "));
        }
        match op {
            Op::Set(slot, set) => self.set(slot, set, now, seen),
            Op::New(db, set) => {
                let slot = Slot { db: *db, key: seen.made.clone().unwrap_or(b"new:refused".to_vec()) };
                let mut done = self.set(&slot, set, now, seen);
                if !matches!(done.reply, Reply::Error(_)) {
                    done.reply = text(&slot.key);
                }
                done
            }
            Op::Get(slot, read) => Done::new(match self.state(slot) {
                State::Missing => Reply::Nil,
                State::Live(s) | State::Frozen(s) => s.read(read),
                State::Other => refused(WRONGTYPE),
            }),
            Op::Info(slot) => Done::new(match self.state(slot) {
                State::Missing => Reply::Nil,
                State::Live(s) | State::Frozen(s) => s.info(),
                State::Other => refused(WRONGTYPE),
            }),
            Op::GetEx(slot, idle, read) => self.getex(slot, *idle, read, now),
            Op::Touch(db, keys) => self.touch(*db, keys, now),
            Op::Adjust(slot, times) => self.adjust(slot, times, now),
            Op::Del(db, keys) => self.del(*db, keys),
            Op::Revoke(db, user, which) => self.revoke(*db, user, which),
            Op::Rotate(slot, to, set, grace) => {
                let (_, rotation) = op.command(None).expect("a command");
                let grace = grace.map(|ms| Grace { until: now + ms, newkey: to.clone(), rotation: rotation.clone() });
                self.rotate(slot, to, set, grace, &rotation, now, seen)
            }
            Op::Unset(slot, condition, keep, names) => self.remove(slot, *condition, *keep, names, false, now),
            Op::Pop(slot, condition, keep, names) => self.remove(slot, *condition, *keep, names, true, now),
            Op::IncrBy(slot, name, by, condition, keep) => self.incrby(slot, name, *by, *condition, *keep, now),
            Op::ByUser(db, user, read, limit) => Done::new(self.listed(*db, user, read, *limit)),
            Op::Count(db, user) => Done::new(Reply::Int(self.of_user(*db, user).len() as i64)),
            _ => Done::new(self.server(op)),
        }
    }

    fn begin(&mut self, slot: &Slot, set: &Set, now: i64, seen: &Seen) -> Done {
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
        s.put_all(set);
        if s.deadline().is_some_and(|at| at <= now) {
            return Done::new(Reply::Int(1));
        }
        let Ok(gone) = self.room(slot.db, set.cap, s.user.as_ref(), true, &[&slot.key], seen) else {
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
        next.fields.retain(|f| !set.unset.contains(&f.name));
        next.put_all(set);
        if set.names_data() {
            next.version += 1;
        }
        (next, joins)
    }

    fn set(&mut self, slot: &Slot, set: &Set, now: i64, seen: &Seen) -> Done {
        if !matches!(self.state(slot), State::Other) {
            self.sweep(slot);
        }
        let s = match (self.state(slot), set.condition) {
            (State::Other, _) => return Done::new(refused(WRONGTYPE)),
            (State::Live(_) | State::Frozen(_), Condition::Nx) => return Done::new(Reply::Nil),
            (State::Frozen(_), _) => return Done::new(refused("SESSIONGONE")),
            (State::Missing, Condition::Xx | Condition::Version(_)) => return Done::new(Reply::Nil),
            (State::Missing, _) => return self.begin(slot, set, now, seen),
            (State::Live(s), Condition::Version(v)) if s.version != v => return Done::new(Reply::Nil),
            (State::Live(s), _) => s,
        };
        let (next, joins) = Self::written(&s, set, now);
        if next.deadline().is_some_and(|at| at <= now) {
            self.dbs[slot.db].remove(&slot.key);
            return Done::new(Reply::Int(next.version));
        }
        let Ok(gone) = self.room(slot.db, set.cap, next.user.as_ref(), joins, &[&slot.key], seen) else {
            return Done::new(refused("SESSIONLIMIT"));
        };
        gone.iter().for_each(|key| drop(self.dbs[slot.db].remove(key)));
        let version = next.version;
        self.change(slot, next, set.keep_ttl);
        let time = if !set.keep_ttl { Some("accessed") } else { joins.then_some("created") };
        Done { reply: Reply::Int(version), clock: time.map(|time| (slot.clone(), time)) }
    }

    fn getex(&mut self, slot: &Slot, idle: Option<Option<i64>>, read: &Read, now: i64) -> Done {
        self.sweep(slot);
        match self.state(slot) {
            State::Missing => Done::new(Reply::Nil),
            State::Other => Done::new(refused(WRONGTYPE)),
            State::Frozen(s) => Done::new(s.read(read)),
            State::Live(s) if matches!(s.read(read), Reply::Error(_)) => Done::new(s.read(read)),
            State::Live(s) => {
                let clock = self.slide(slot, s, &Times { idle, end: None }, now);
                let Some(s) = self.session(slot) else { return Done::new(Reply::Nil) };
                Done { reply: s.read(read), clock }
            }
        }
    }

    /// Touches or re-times a live session; where to read the time from, unless it was absorbed or ended it.
    fn slide(&mut self, slot: &Slot, mut s: Session, times: &Times, now: i64) -> Option<(Slot, &'static str)> {
        if s.has(times) && self.absorbs {
            return None;
        }
        s.accessed = now;
        s.adjust(times);
        if s.deadline().is_some_and(|at| at <= now) {
            self.dbs[slot.db].remove(&slot.key);
            return None;
        }
        self.store(slot, s);
        Some((slot.clone(), "accessed"))
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
            if let State::Live(s) = self.state(&slot) {
                live += 1;
                clock = self.slide(&slot, s, &Times::default(), now).or(clock);
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
            State::Live(s) => Done { reply: Reply::Int(1), clock: self.slide(slot, s, times, now) },
        }
    }

    fn del(&mut self, db: usize, keys: &[Bytes]) -> Done {
        if self.any_other(db, keys) {
            return Done::new(refused(WRONGTYPE));
        }
        // What was there before the command counts, so that a session and its snapshot may be named in any order.
        let over: Vec<bool> = keys.iter().map(|key| self.is_over_at(&Slot { db, key: key.clone() })).collect();
        let mut ended = 0;
        for (key, over) in keys.iter().zip(over) {
            ended += i64::from(self.dbs[db].remove(key).is_some() && !over);
        }
        Done::new(Reply::Int(ended))
    }

    fn is_over_at(&self, slot: &Slot) -> bool {
        self.session(slot).is_some_and(|s| self.is_over(slot.db, s))
    }

    fn revoke(&mut self, db: usize, user: &Bytes, which: &Which) -> Done {
        let is_meant = |key: &Bytes| match which {
            Which::All => true,
            Which::Except(keys) => !keys.contains(key),
            Which::Only(keys) => keys.contains(key),
        };
        let theirs = |entry: &Entry| match &entry.value {
            Value::Session(s) => (s.user.as_ref() == Some(user)).then(|| !self.is_over(db, s)),
            Value::Text => None,
        };
        let meant: Vec<(Bytes, bool)> = self.dbs[db]
            .iter()
            .filter(|(key, _)| is_meant(key))
            .filter_map(|(key, entry)| Some((key.clone(), theirs(entry)?)))
            .collect();
        meant.iter().for_each(|(key, _)| drop(self.dbs[db].remove(key)));
        Done::new(Reply::Int(meant.iter().filter(|(_, lived)| *lived).count() as i64))
    }

    #[allow(clippy::too_many_arguments)]
    fn rotate(
        &mut self,
        slot: &Slot,
        to: &Bytes,
        set: &Set,
        grace: Option<Grace>,
        rotation: &[Bytes],
        now: i64,
        seen: &Seen,
    ) -> Done {
        // Even when its session is no more, a snapshot tells who rotates it again that it comes too late.
        let left_behind = self.session(slot).is_some_and(|s| s.grace.is_some() && !s.dead);
        if left_behind && self.is_over_at(slot) {
            return Done::new(refused("SESSIONGONE"));
        }
        self.sweep(slot);
        let s = match (self.state(slot), set.condition) {
            (State::Other, _) => return Done::new(refused(WRONGTYPE)),
            (State::Frozen(s), _) if s.grace.as_ref().is_some_and(|grace| grace.rotation == rotation) => {
                return Done::new(match self.state(&Slot { db: slot.db, key: to.clone() }) {
                    State::Live(now) if now.version > s.version => Reply::Int(now.version),
                    _ => refused("SESSIONGONE"),
                });
            }
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
        let Ok(gone) = self.room(slot.db, set.cap, next.user.as_ref(), joins, &[&slot.key, to], seen) else {
            return Done::new(refused("SESSIONLIMIT"));
        };
        gone.iter().for_each(|key| drop(self.dbs[slot.db].remove(key)));
        let version = next.version;
        self.store(&target, next);
        self.dbs[slot.db].remove(&slot.key);
        if let Some(grace) = grace {
            self.store(slot, Session { grace: Some(grace), ..s });
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
        s.fields.retain(|f| !names.contains(&f.name));
        let removed = (before - s.fields.len()) as i64;
        s.version += i64::from(removed > 0);
        if !keep_ttl {
            s.accessed = now;
        }
        self.change(slot, s, keep_ttl);
        let clock = (!keep_ttl).then(|| (slot.clone(), "accessed"));
        Done { reply: if pop { Reply::List(values) } else { Reply::Int(removed) }, clock }
    }

    fn incrby(&mut self, slot: &Slot, name: &Bytes, by: i64, condition: Condition, keep_ttl: bool, now: i64) -> Done {
        self.sweep(slot);
        let mut s = match (self.state(slot), condition) {
            (State::Other, _) => return Done::new(refused(WRONGTYPE)),
            (State::Frozen(_), _) => return Done::new(refused("SESSIONGONE")),
            (State::Missing, _) => return Done::new(Reply::Nil),
            (State::Live(s), Condition::Version(v)) if s.version != v => return Done::new(Reply::Nil),
            (State::Live(s), _) => s,
        };
        let old = match s.fields.iter().find(|f| f.name == *name) {
            None => Some((0, true)),
            Some(f) => std::str::from_utf8(&f.value).ok().and_then(|v| v.parse().ok()).map(|n: i64| (n, f.json)),
        };
        let Some((old, json)) = old else {
            return Done::new(refused("ERR value is not an integer or out of range"));
        };
        let Some(sum) = old.checked_add(by) else {
            return Done::new(refused("ERR increment or decrement would overflow"));
        };
        s.put(name, sum.to_string().as_bytes(), json);
        s.version += 1;
        if !keep_ttl {
            s.accessed = now;
        }
        self.change(slot, s, keep_ttl);
        Done { reply: Reply::Int(sum), clock: (!keep_ttl).then(|| (slot.clone(), "accessed")) }
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
            Op::Expire(slot, at, only) => match self.dbs[slot.db].get_mut(&slot.key) {
                Some(entry) => {
                    let at = at.at();
                    let meant = match *only {
                        Some("NX") => entry.expires.is_none(),
                        Some("XX") => entry.expires.is_some(),
                        Some("GT") => entry.expires.is_some_and(|old| at > old),
                        Some("LT") => entry.expires.is_none_or(|old| at < old),
                        _ => true,
                    };
                    if meant {
                        entry.expires = Some(at);
                    }
                    moved(meant)
                }
                None => moved(false),
            },
            Op::Rename(slot, to) => match self.dbs[slot.db].remove(&slot.key) {
                None => refused("ERR no such key"),
                Some(entry) => {
                    let arrived = if slot.key == *to { entry.arrived } else { self.arrives() };
                    self.dbs[slot.db].insert(to.clone(), Entry { arrived, ..entry });
                    text("OK")
                }
            },
            Op::Copy(slot, to, replace) => match self.dbs[slot.db].get(&slot.key).cloned() {
                None if slot == to => refused("ERR source and destination objects are the same"),
                Some(_) if slot == to => refused("ERR source and destination objects are the same"),
                Some(entry) if *replace || !self.dbs[to.db].contains_key(&to.key) => {
                    let arrived = self.arrives();
                    self.dbs[to.db].insert(to.key.clone(), Entry { arrived, ..entry });
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
                        let arrived = self.arrives();
                        self.dbs[*db].insert(slot.key.clone(), Entry { arrived, ..entry });
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
                    let (expires, arrived) = (expires.map(When::at), self.arrives());
                    self.dbs[slot.db].insert(slot.key.clone(), Entry { expires, arrived, ..entry });
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
                self.dbs[slot.db].insert(slot.key.clone(), Entry { value: Value::Text, expires: None, arrived: None });
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
                self.put(slot, s, None);
                text("OK")
            }
            Op::Ended(db, keys, _) => {
                keys.iter().for_each(|key| drop(self.dbs[*db].remove(key)));
                Reply::Nil
            }
            Op::Interval(absorbs) => {
                self.absorbs = *absorbs;
                Reply::Nil
            }
            Op::Reload => {
                self.forget_arrivals();
                text("OK")
            }
            _ => text("OK"),
        }
    }
}

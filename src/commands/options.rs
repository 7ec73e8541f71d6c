//! The options that the writing commands share: user, times, a cap on sessions, and data.

use super::args::{is, once, Args, Times};
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{printable, Access, Call, Error, Event, Key, Name, Permission, Result};
use crate::session::json::{self, Refused, Room};
use crate::session::limit::{Cap, Full, Other, Policy};
use crate::session::selection::Selection;
use crate::session::slot::slot_of;
use crate::session::write::{Condition, Refusal, Write};
use crate::session::{Fields, UserChange};

/// What a writing command was asked for beside its keys.
pub struct Options<'c> {
    times: Times,
    user: Option<UserChange<'c>>,
    cap: Option<Cap>,
    condition: Option<Condition>,
    removed: Option<Vec<&'c [u8]>>,
    fields: Option<Fields>,
    replace: Option<()>,
    keep_ttl: Option<()>,
}

impl<'c> Options<'c> {
    /// None given yet, for the command of this name.
    pub fn of(command: &'static str) -> Self {
        Options {
            times: Times::of(command),
            user: None,
            cap: None,
            condition: None,
            removed: None,
            fields: None,
            replace: None,
            keep_ttl: None,
        }
    }

    /// Takes an option of a session that begins: `USER`, times, `MAXSESSIONS`, `FIELDS`, `JSON`. Whether it was one.
    pub fn take_new(&mut self, option: &[u8], args: &mut Args<'c>) -> Result<bool> {
        if is(option, "FIELDS") {
            once(&mut self.fields, args.counted_pairs()?)?;
        } else if is(option, "USER") {
            once(&mut self.user, UserChange::Set(args.user()?))?;
        } else if is(option, "MAXSESSIONS") {
            once(&mut self.cap, cap(args)?)?;
        } else if is(option, "JSON") {
            once(&mut self.fields, json_fields(args.value()?.bytes())?)?;
        } else {
            return self.times.take(option, args);
        }
        Ok(true)
    }

    /// Takes an option of a session that is there: those above, `NOUSER`, `UNSET`, `IFVERSION`. Whether it was one.
    pub fn take_change(&mut self, option: &[u8], args: &mut Args<'c>) -> Result<bool> {
        if is(option, "NOUSER") {
            once(&mut self.user, UserChange::Clear)?;
        } else if is(option, "UNSET") {
            once(&mut self.removed, args.counted("numfields")?)?;
        } else if is(option, "IFVERSION") {
            once(&mut self.condition, version(args)?)?;
        } else {
            return self.take_new(option, args);
        }
        Ok(true)
    }

    /// Takes an option of `SET`: those above, `NX`, `XX`, `REPLACE`, `KEEPTTL`. Whether it was one.
    pub fn take_set(&mut self, option: &[u8], args: &mut Args<'c>) -> Result<bool> {
        if is(option, "NX") {
            once(&mut self.condition, Condition::Missing)?;
        } else if is(option, "XX") {
            once(&mut self.condition, Condition::Exists)?;
        } else if is(option, "REPLACE") {
            once(&mut self.replace, ())?;
        } else if is(option, "KEEPTTL") {
            once(&mut self.keep_ttl, ())?;
        } else {
            return self.take_change(option, args);
        }
        Ok(true)
    }

    /// Checks what no option can see alone.
    pub fn check(&self) -> Result<()> {
        let (Some(removed), Some(fields)) = (&self.removed, &self.fields) else { return Ok(()) };
        match Selection::of(removed.clone()).present_names(fields.view()).first() {
            Some(name) => Err(Error::text(format!("ERR field '{}' is both set and unset", printable(name)))),
            None => Ok(()),
        }
    }

    /// The write that was asked for.
    pub fn write(&self) -> Write<'_> {
        Write {
            condition: self.condition.unwrap_or_default(),
            replace: self.replace.is_some(),
            user: self.user.unwrap_or_default(),
            times: self.times.change(),
            keep_ttl: self.keep_ttl.is_some(),
            removed: self.removed.clone().unwrap_or_default(),
            fields: self.fields.as_ref().map(Fields::view).unwrap_or_default(),
            names_data: self.user.is_some()
                || self.fields.is_some()
                || self.removed.is_some()
                || self.replace.is_some(),
        }
    }

    /// The cap on the user's sessions.
    pub fn cap(&self) -> Option<Cap> {
        self.cap
    }
}

/// `IFVERSION v`.
pub fn version(args: &mut Args<'_>) -> Result<Condition> {
    u64::try_from(args.integer()?).map(Condition::Version).map_err(|_| Error::NOT_INTEGER)
}

fn cap(args: &mut Args<'_>) -> Result<Cap> {
    let most = usize::try_from(args.integer()?).ok().filter(|n| *n > 0).ok_or(Error::NOT_INTEGER)?;
    let word = args.value()?.bytes();
    let policy = [("REJECT", Policy::Reject), ("OLDEST", Policy::Oldest), ("LRU", Policy::Lru)];
    let policy = policy.into_iter().find(|(name, _)| is(word, name)).ok_or(Error::SYNTAX)?;
    Ok(Cap { most, policy: policy.1 })
}

fn json_fields(text: &[u8]) -> Result<Fields> {
    let rules = config::rules();
    let room = Room { max_fields: rules.max_fields, max_bytes: rules.max_bytes };
    let mut packed = Vec::new();
    let taken = json::parse_object(text, room, &mut packed).map_err(|refused| match refused {
        Refused::TooManyFields => Refusal::Fields(room.max_fields).into(),
        Refused::TooManyBytes => Refusal::Bytes(room.max_bytes).into(),
        Refused::Malformed(why) => Error::text(format!("ERR invalid JSON: {why}")),
    })?;
    Ok(taken.fields(&packed).to_owned())
}

/// Which sessions must end so that the one that was `before`'s can be `user`'s within the cap, as far as the caller may
/// write them; in a cluster, those in the same slot. The keys that the command itself writes are none of them. Nothing is
/// changed yet.
pub fn make_room(
    call: &Call<'_>,
    cap: Option<Cap>,
    user: Option<&[u8]>,
    before: Option<&[u8]>,
    written: &[Name<'_>],
) -> Result<Vec<Other>> {
    let (Some(cap), Some(user)) = (cap, user) else { return Ok(Vec::new()) };
    let joins = before != Some(user);
    if cap.policy == Policy::Reject && !joins {
        return Ok(Vec::new());
    }
    let (caller, now) = (call.caller(), call.now());
    let mut names = call.names_of(user);
    if let (Some(key), true) = (written.first(), call.in_cluster()) {
        let slot = slot_of(key.bytes());
        names.retain(|name| slot_of(name.name().bytes()) == slot);
    }
    let mut others = Vec::new();
    call.each_session_of(user, &names, Access::Peek, |key, meta| {
        let (name, times) = (key.name(), &meta.times);
        if !meta.live(now) {
            return;
        }
        if written.iter().all(|w| w.bytes() != name.bytes()) && caller.may(Permission::Write, name) {
            others.push(Other { created: times.created, accessed: times.accessed, key: name.bytes().into() });
        }
    });
    cap.make_room(others, joins).map_err(|Full| {
        info::count(Counter::LimitRejected);
        Error::text(format!("SESSIONLIMIT the user has the maximum of {} concurrent sessions", cap.most))
    })
}

/// Ends sessions that make room.
pub fn end_all(call: &Call<'_>, ended: &[Other]) {
    for other in ended {
        info::count(Counter::LimitEnded);
        let name = crate::keyspace::OwnedName::new(&other.key);
        end(&mut call.open(name.name(), Access::Write));
    }
}

/// Ends the session of a key on behalf of a command.
pub fn end(key: &mut Key<'_>) {
    info::count(Counter::Ended);
    key.notify(Event::Del);
    key.end();
}

//! `SESSION.ROTATE`: gives a session a new id, at login and wherever privileges change.

use super::args::{Args, Token, Tokens};
use super::options::{Options, CHANGE};
use super::read::reply_version;
use super::room::{make_room, Room};
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Call, Ending, Error, Event, Handler, Name, Permission, Reply, Result, WriteKey};
use crate::session::limit::Cap;
use crate::session::rotation::{fingerprint, NewKey, Rotated, Rotation, MAX_GRACE};
use crate::session::write::{Change, Refusal};
use crate::session::{caps, Effect, Fields, Session, Snapshot, State, Times};

/// `SESSION.ROTATE key newkey [IFVERSION v] [REPLACE] [USER user | NOUSER] times max data [GRACE s | PGRACE ms]`
pub struct Rotate;

impl Handler for Rotate {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        const OPTIONS: Tokens = CHANGE.and(Tokens::of(&[Token::Grace, Token::PGrace]));
        let mut args = Args::of(call);
        let (old, new) = (args.first()?, args.first()?);
        let (mut options, mut grace) = (Options::default(), None);
        while let Some(option) = args.option(OPTIONS)? {
            match option {
                Token::Grace | Token::PGrace => {
                    let unit = if option == Token::Grace { 1000 } else { 1 };
                    let span = args.span(unit, MAX_GRACE)?;
                    args.once(&mut grace, span)?;
                }
                option => options.take(option, &mut args)?,
            }
        }
        options.check()?;
        if grace.is_some() && new.bytes().len() > caps::SUCCESSOR {
            return Err(Error::text(format!("ERR with a grace newkey has at most {} bytes", caps::SUCCESSOR)));
        }
        let request = grace.map_or(0, |_| request(call));
        let rotation = Rotation::of(options.write(), grace, new.bytes(), request);
        rotate(call, reply, (old, new), &rotation, options.cap())
    }
}

/// The fingerprint of all arguments behind the old key.
fn request(call: &Call<'_>) -> u64 {
    let args = call.args();
    fingerprint((2..args.len()).filter_map(|i| args.get(i)).map(Name::bytes))
}

/// The session under its new key, free of all that was open when it was decided.
struct Next<'a> {
    times: Times,
    version: u64,
    user: Option<Vec<u8>>,
    fields: Fields,
    /// Whether its user changes.
    joins: bool,
    /// What makes a snapshot of what stays under the old key.
    snapshot: Option<Snapshot<'a>>,
}

fn rotate<'c>(
    call: &mut Call<'c>,
    reply: &Reply,
    (old, new): (Name<'c>, Name<'c>),
    rotation: &Rotation<'_>,
    cap: Option<Cap>,
) -> Result<()> {
    let found = what_is_at(call, old, new);
    let (now, rules) = (call.now(), config::rules());
    // Also where its session is no more: a request that was carried out before must not be told that nothing was there.
    let mut key = call.write_with_snapshot(old)?;
    let next = match rotation.decide(key.state(), found, &rules, now)? {
        Rotated::Unmet => {
            reply.null();
            return Ok(());
        }
        Rotated::Busy => return Err(Error::text("BUSYKEY Target key name already exists.")),
        Rotated::Again(version) => {
            drop(key);
            // It tells of the new key, which the command otherwise only writes.
            if !call.caller().may(Permission::Read, new) {
                return Err(Refusal::Gone.into());
            }
            reply_version(reply, version);
            return Ok(());
        }
        Rotated::End(version) => {
            key.end(Ending::Command);
            reply_version(reply, version);
            return Ok(());
        }
        Rotated::Change { change, snapshot } => Next::of(&key, change, snapshot),
    };
    drop(key);
    if let (Some(cap), Some(user)) = (cap, next.user.as_deref()) {
        make_room(call, &Room { cap, user, joins: next.joins }, &[old, new])?;
    }
    next.begin(call, new)?;
    next.give_up(call, old)?;
    info::count(Counter::Rotated);
    reply_version(reply, next.version);
    Ok(())
}

/// What is at the new key. A session there that is past its deadline is ended first.
fn what_is_at<'c>(call: &mut Call<'c>, old: Name<'c>, new: Name<'c>) -> NewKey {
    if old.bytes() == new.bytes() {
        return NewKey::Taken;
    }
    match call.write(new).as_ref().map(|key| key.state()) {
        Ok(State::Missing) => NewKey::Free,
        Ok(State::Live(session)) => NewKey::Live(session.version),
        Ok(State::Frozen(_)) | Err(_) => NewKey::Taken,
    }
}

impl<'a> Next<'a> {
    fn of(key: &WriteKey<'_, '_>, change: Change<'a>, snapshot: Option<Snapshot<'a>>) -> Self {
        let before = key.session().unwrap_or_default();
        let user = change.effect.user.after(before.user);
        Next {
            times: change.effect.times,
            version: change.effect.version,
            user: user.map(<[u8]>::to_vec),
            joins: user != before.user,
            snapshot,
            fields: change.fields.unwrap_or_else(|| before.fields.to_owned()),
        }
    }

    /// Begins the session under its new key.
    fn begin<'c>(&self, call: &mut Call<'c>, new: Name<'c>) -> Result<()> {
        let session = Session {
            times: self.times,
            version: self.version,
            user: self.user.as_deref(),
            snapshot: None,
            fields: self.fields.view(),
        };
        call.write(new)?.commit(Change { effect: Effect::whole(session), fields: None }, Event::Rotate)
    }

    /// The old key goes, or stays for the grace as a snapshot.
    fn give_up<'c>(&self, call: &mut Call<'c>, old: Name<'c>) -> Result<()> {
        let mut key = call.write(old)?;
        let Some(session) = key.session() else { return Ok(()) };
        match self.snapshot {
            None => key.end(Ending::Rotation),
            Some(_) => {
                let (times, version) = (session.times, session.version);
                let effect = Effect { snapshot: self.snapshot, ..Effect::times(times, version) };
                key.commit(Change { effect, fields: None }, Event::Rotate)?;
            }
        }
        Ok(())
    }
}

//! `SESSION.ROTATE`: gives a session a new id, at login and wherever privileges change.

use super::args::{is, once, span, Args};
use super::options::{end, end_all, make_room, Options};
use super::read::reply_version;
use crate::keyspace::{Access, Call, Error, Event, Handler, Key, Name, Result};
use crate::session::write::{Change, Outcome};
use crate::session::{Effect, Meta, Millis, Session, State};
use crate::{config, info};

/// `SESSION.ROTATE key newkey [IFVERSION v] [USER user | NOUSER] times max data [GRACE ms]`
pub struct Rotate;

const NAME: &str = "session.rotate";

/// The longest grace: 5 minutes.
const MAX_GRACE: Millis = 5 * 60 * 1000;

impl Handler for Rotate {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let (old, new) = (args.first()?, args.first()?);
        let (mut options, mut grace) = (Options::of(NAME), None);
        while let Some(option) = args.next() {
            if is(option.bytes(), "GRACE") {
                once(&mut grace, span(NAME, &mut args, 1, MAX_GRACE)?)?;
            } else if !options.take_change(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        options.check()?;
        rotate(call, old, new, &options, grace)
    }
}

fn rotate(call: &Call<'_>, old: Name<'_>, new: Name<'_>, options: &Options<'_>, grace: Option<Millis>) -> Result<()> {
    let now = call.now();
    let mut key = call.open_session(old)?;
    let state = key.state(now)?;
    let outcome = options.write().of_existing().decide(state, &config::rules(), now)?;
    let (State::Live(session), false) = (state, matches!(outcome, Outcome::Unmet)) else {
        call.null();
        return Ok(());
    };
    if old.bytes() == new.bytes() || !is_free(call, new) {
        return Err(Error::text("BUSYKEY Target key name already exists."));
    }
    let change = match outcome {
        Outcome::Change(change) => change,
        Outcome::End(version) => {
            end(&mut key);
            reply_version(call, version);
            return Ok(());
        }
        Outcome::Unmet => return Ok(()),
    };
    let before = session.user;
    let ended = make_room(call, options.cap(), change.effect.user.after(before), before, &[old, new])?;
    let frozen = grace.map(|grace| Meta { grace: Some(now.saturating_add(grace)), ..session.meta });
    let next = change.effect.after(session, change.fields.as_ref());
    let version = change.effect.meta.version;
    end_all(call, &ended);
    begin(call, new, next)?;
    give_up(&mut key, frozen)?;
    info::count(info::Counter::Rotated);
    reply_version(call, version);
    Ok(())
}

/// Whether nothing is at the key. A session there that is past its deadline is ended first.
fn is_free(call: &Call<'_>, name: Name<'_>) -> bool {
    match call.open_session(name) {
        Ok(key) => key.is_empty(),
        Err(_) => false,
    }
}

fn begin(call: &Call<'_>, name: Name<'_>, session: Session<'_>) -> Result<()> {
    let mut key = call.open(name, Access::Write);
    key.commit(Change { effect: Effect::snapshot(session), fields: None })?;
    key.modified();
    key.notify(Event::Rotate);
    Ok(())
}

/// The old key goes, or stays for the grace as a snapshot.
fn give_up(key: &mut Key<'_>, frozen: Option<Meta>) -> Result<()> {
    key.notify(Event::Rotate);
    match frozen {
        None => key.end(),
        Some(meta) => {
            key.commit(Change { effect: Effect::times(meta), fields: None })?;
            key.modified();
        }
    }
    Ok(())
}

//! `SESSION.NEW`: begins a session under an id of its own.

use super::args::Args;
use super::options::{end_all, make_room, Options};
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Access, Call, Error, Event, Handler, OwnedName, Permission, Result};
use crate::session::id;
use crate::session::slot::hash_tag;
use crate::session::write::Outcome;
use crate::session::{caps, State};

/// `SESSION.NEW [PREFIX p] [USER user] times max [FIELDS n field value … | JSON object]`
pub struct New;

impl Handler for New {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let mut options = Options::of("session.new");
        let mut prefix = None;
        while let Some(option) = args.next() {
            if super::args::is(option.bytes(), "PREFIX") {
                super::args::once(&mut prefix, args.value()?.bytes())?;
            } else if !options.take_new(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        call.refuse_transaction()?;
        let prefix = prefix.unwrap_or_default();
        if prefix.len() > caps::PREFIX {
            return Err(Error::text(format!("ERR prefix is longer than {} bytes", caps::PREFIX)));
        }
        if call.in_cluster() && options.cap().is_some() && hash_tag(prefix).is_none() {
            return Err(Error::text("ERR MAXSESSIONS needs a PREFIX with a hash tag in cluster mode"));
        }
        let write = options.write();
        let outcome = write.decide(State::Missing, &config::rules(), call.now())?;
        let name = free_name(call, prefix)?;
        if !call.caller().may(Permission::Write, name.name()) {
            return Err(Error::text("NOPERM No permissions to access a key"));
        }
        if let Outcome::Change(change) = outcome {
            let ended = make_room(call, options.cap(), change.effect.user.after(None), None, &[name.name()])?;
            end_all(call, &ended);
            info::count(Counter::Created);
            let mut key = call.open(name.name(), Access::Write);
            key.commit(change)?;
            key.modified();
            key.notify(Event::Set);
        }
        call.bulk(name.name().bytes());
        Ok(())
    }
}

/// A name that nothing has yet. (Random ids do not collide; a key made by hand might.)
fn free_name(call: &Call<'_>, prefix: &[u8]) -> Result<OwnedName> {
    let random = |why| Error::text(format!("ERR no randomness for a session id: {why}"));
    for _ in 0..3 {
        let id = id::generate(config::id_format()).map_err(random)?;
        let name = call.place(prefix, &id)?;
        if call.open(name.name(), Access::Write).is_empty() {
            return Ok(name);
        }
    }
    Err(Error::text("ERR no free session id was found"))
}

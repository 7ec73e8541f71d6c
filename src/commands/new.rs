//! `SESSION.NEW`: begins a session under an id of its own.

use super::args::{Args, Token, Tokens};
use super::options::{Options, BEGIN};
use super::room::{make_room, Room};
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Call, Error, Event, Handler, Look, Name, Permission, Reply, Result};
use crate::session::id;
use crate::session::slot::hash_tag;
use crate::session::write::Outcome;
use crate::session::{caps, State};

/// `SESSION.NEW [PREFIX p] [USER user] times max [FIELDS n field value …] [JSON object]`
pub struct New;

impl Handler for New {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        const OPTIONS: Tokens = BEGIN.and(Tokens::of(&[Token::Prefix]));
        let mut args = Args::of(call);
        let (mut options, mut prefix) = (Options::default(), None);
        while let Some(option) = args.option(OPTIONS)? {
            match option {
                Token::Prefix => {
                    let value = args.value()?.bytes();
                    args.once(&mut prefix, value)?;
                }
                option => options.take(option, &mut args)?,
            }
        }
        options.check()?;
        call.refuse_transaction()?;
        let prefix = prefix.unwrap_or_default();
        if prefix.len() > caps::PREFIX {
            return Err(Error::text(format!("ERR prefix is longer than {} bytes", caps::PREFIX)));
        }
        if call.in_cluster() && options.cap().is_some() && hash_tag(prefix).is_none() {
            return Err(Error::text("ERR MAXSESSIONS needs a PREFIX with a hash tag in cluster mode"));
        }
        let outcome = options.write().decide(State::Missing, &config::rules(), call.now())?;
        let name = free_name(call, prefix)?;
        if !call.caller().may(Permission::Write, name) {
            return Err(Error::text("NOPERM No permissions to access a key"));
        }
        if let Outcome::Change(change) = outcome {
            if let (Some(cap), Some(user)) = (options.cap(), change.effect.user.after(None)) {
                make_room(call, &Room { cap, user, joins: true }, &[name])?;
            }
            call.write(name)?.commit(change, Event::Set)?;
            info::count(Counter::Created);
        }
        reply.bulk(name.bytes());
        Ok(())
    }
}

/// A name that nothing has yet. (Random ids do not collide; a key made by hand might.)
fn free_name<'c>(call: &mut Call<'c>, prefix: &[u8]) -> Result<Name<'c>> {
    let random = |why| Error::text(format!("ERR no randomness for a session id: {why}"));
    for _ in 0..3 {
        let id = id::generate(config::id_format()).map_err(random)?;
        let name = call.place(prefix, &id)?;
        if call.read(name, Look::Peek).is_ok_and(|key| key.session().is_none()) {
            return Ok(name);
        }
    }
    Err(Error::text("ERR no free session id was found"))
}

//! `SESSION.APPLY`: carries out an effect, on a replica, while a file is loaded, or for a tool that replays one.

use super::args::Args;
use crate::keyspace::{Call, Error, Event, Handler, Reply, Result};
use crate::session::write::Change;
use crate::session::{Effect, Session};

/// `SESSION.APPLY key payload`
pub struct Apply;

impl Handler for Apply {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let (name, payload) = (args.first()?, args.first()?.bytes());
        if !call.caller().may_configure() {
            return Err(Error::text("NOPERM session.apply is for users who may run 'config|set'"));
        }
        let effect = Effect::decode(payload).map_err(|why| {
            if why.is_of_later_version() {
                call.refuse_file(&why.to_string());
            }
            Error::text(format!("ERR {why}"))
        })?;
        let mut key = call.write_as_it_stands(name)?;
        let session = key.session();
        if session.is_none() && !effect.whole {
            return Err(Error::text("ERR no session that this effect could change"));
        }
        let event = event(&effect, session.as_ref());
        let change = Change::of(effect, session.as_ref());
        let before = session.map(|s| s.fields).unwrap_or_default();
        if !change.fields_after(before).within_caps() {
            return Err(Error::text("ERR the session would pass the hard caps"));
        }
        key.apply(&change)?;
        key.published(event);
        drop(key);
        call.replicate_verbatim();
        reply.ok();
        Ok(())
    }
}

/// The event that the command had which caused this effect.
fn event(effect: &Effect<'_>, session: Option<&Session<'_>>) -> Event {
    let Some(session) = session else { return Event::Set };
    let (before, after) = (&session.times, &effect.times);
    if effect.snapshot.is_some() && effect.snapshot != session.snapshot {
        Event::Rotate
    } else if effect.whole || session.version != effect.version {
        Event::Set
    } else if (before.idle, before.end) != (after.idle, after.end) {
        Event::Adjust
    } else {
        Event::Touch
    }
}

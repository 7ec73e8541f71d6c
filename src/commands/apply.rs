//! `SESSION.APPLY`: carries out an effect, on a replica, while a file is loaded, or for a tool that replays one.

use super::args::Args;
use crate::keyspace::{change_of, Access, Call, Error, Event, Handler, Result};
use crate::session::{Effect, Session};

/// `SESSION.APPLY key payload`
pub struct Apply;

impl Handler for Apply {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let (name, payload) = (args.first()?, args.first()?.bytes());
        if !call.caller().may_configure() {
            return Err(Error::text("NOPERM session.apply is for users who may run 'config|set'"));
        }
        let effect = Effect::decode(payload).map_err(|why| Error::text(format!("ERR {why}")))?;
        let mut key = call.open(name, Access::Write);
        let session = key.session()?;
        if session.is_none() && !effect.whole {
            return Err(Error::text("ERR no session that this effect could change"));
        }
        let event = event(&effect, session);
        let change = change_of(effect, session);
        if !change.effect.within_caps(change.fields.as_ref()) {
            return Err(Error::text("ERR the session would pass the hard caps"));
        }
        key.apply(change, payload)?;
        call.replicate_verbatim();
        if event != Event::Touch {
            key.modified();
        }
        key.notify(event);
        call.ok();
        Ok(())
    }
}

/// The event that the command had which caused this effect.
fn event(effect: &Effect<'_>, session: Option<Session<'_>>) -> Event {
    let Some(session) = session else { return Event::Set };
    let (before, after) = (&session.meta, &effect.meta);
    if before.grace != after.grace {
        Event::Rotate
    } else if effect.whole || before.version != after.version {
        Event::Set
    } else if (before.times.idle, before.times.end) != (after.times.idle, after.times.end) {
        Event::Adjust
    } else {
        Event::Touch
    }
}

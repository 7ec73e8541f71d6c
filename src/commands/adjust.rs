//! `SESSION.ADJUST`: changes a session's own timeouts.

use super::args::{Args, Times};
use super::options::end;
use crate::config;
use crate::keyspace::{Call, Error, Event, Handler, Result};
use crate::session::write::{Condition, Outcome, Write};

/// `SESSION.ADJUST key seconds` or `SESSION.ADJUST key times`
pub struct Adjust;

impl Handler for Adjust {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let mut times = Times::of("session.adjust");
        let bare = call.arg(2).filter(|_| call.arg_count() == 3);
        if bare.is_some_and(|arg| arg.bytes().first().is_some_and(|c| c.is_ascii_digit() || *c == b'-')) {
            times.take_seconds(&mut args)?;
        }
        while let Some(option) = args.next() {
            if !times.take(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        let mut key = call.open_session(name)?;
        let state = key.state(call.now())?;
        let write = Write { condition: Condition::Exists, times: times.change(), ..Write::default() };
        match write.decide(state, &config::rules(), call.now())? {
            Outcome::Unmet => call.integer(0),
            Outcome::End(_) => {
                end(&mut key);
                call.integer(1);
            }
            Outcome::Change(change) => {
                key.commit(change)?;
                key.modified();
                key.notify(Event::Adjust);
                call.integer(1);
            }
        }
        Ok(())
    }
}

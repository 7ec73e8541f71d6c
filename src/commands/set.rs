//! `SESSION.SET`: begins a session, or changes one.

use super::args::Args;
use super::options::{end, end_all, make_room, Options};
use super::read::reply_version;
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Call, Error, Event, Handler, Result};
use crate::session::write::Outcome;

/// `SESSION.SET key [NX | XX | IFVERSION v] [REPLACE] [USER user | NOUSER] times [KEEPTTL] max data`
pub struct Set;

impl Handler for Set {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let mut options = Options::of("session.set");
        while let Some(option) = args.next() {
            if !options.take_set(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        options.check()?;
        let write = options.write();
        let mut key = call.open_session(name)?;
        let state = key.state(call.now())?;
        match write.decide(state, &config::rules(), call.now())? {
            Outcome::Unmet => call.null(),
            Outcome::End(version) => {
                if state.live().is_some() {
                    end(&mut key);
                }
                reply_version(call, version);
            }
            Outcome::Change(change) => {
                let before = state.live().and_then(|s| s.user);
                let ended = make_room(call, options.cap(), change.effect.user.after(before), before, &[name])?;
                let version = change.effect.meta.version;
                end_all(call, &ended);
                if change.effect.whole {
                    info::count(Counter::Created);
                }
                key.commit(change)?;
                key.modified();
                key.notify(Event::Set);
                reply_version(call, version);
            }
        }
        Ok(())
    }
}

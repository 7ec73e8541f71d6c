//! `SESSION.GETEX`: reads a session and keeps it alive.

use super::args::{Args, Times};
use super::read::Read;
use super::touch::slide;
use crate::keyspace::{Call, Error, Handler, Result};
use crate::session::State;

/// `SESSION.GETEX key [EX s | PX ms | PERSIST] [WITHMETA] [FIELDS n field … | JSON]`
pub struct GetEx;

impl Handler for GetEx {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let (mut read, mut times) = (Read::default(), Times::of("session.getex"));
        while let Some(option) = args.next() {
            if !read.take(option.bytes(), &mut args)? && !times.take_idle(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        let mut key = call.open_session(name)?;
        match key.state(call.now())? {
            State::Missing => {
                call.null();
                return Ok(());
            }
            State::Frozen(_) => {}
            State::Live(session) => {
                read.check(session)?;
                let meta = session.meta;
                slide(call, &mut key, meta, &times.change())?;
            }
        }
        match key.session()? {
            Some(session) => read.reply(call, session)?,
            None => call.null(),
        }
        Ok(())
    }
}

//! `SESSION.GETEX`: reads a session and keeps it alive.

use super::args::{Args, Token};
use super::options::{take_times, IDLE};
use super::read::{Read, READ};
use super::touch::retime;
use crate::config;
use crate::keyspace::{Call, Handler, Reply, Result};
use crate::session::time::TimesChange;
use crate::session::touch::Touch;
use crate::session::{Session, State};

/// `SESSION.GETEX key [EX s | PX ms | PERSIST] [WITHMETA | META n name …] [JSON] [FIELDS n field …]`
pub struct GetEx;

impl Handler for GetEx {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let (mut read, mut times) = (Read::default(), TimesChange::default());
        while let Some(option) = args.option(READ.and(IDLE))? {
            match option {
                Token::Ex | Token::Px | Token::Persist => take_times(&mut times, option, &mut args)?,
                option => read.take(option, &mut args)?,
            }
        }
        let now = call.now();
        let mut key = call.write(name)?;
        match key.state() {
            State::Missing => reply.null(),
            State::Frozen(session) => read.reply(reply, &session)?,
            State::Live(session) => {
                let touch = session.touch(&times, config::touch_interval(), now);
                let after = match touch {
                    Touch::Slid(times) | Touch::Adjusted(times) => Session { times, ..session },
                    Touch::Absorbed | Touch::End => session,
                };
                // The reply tells what is about to be; it fails, if it does, before anything has changed.
                read.reply(reply, &after)?;
                retime(&mut key, touch)?;
            }
        }
        Ok(())
    }
}

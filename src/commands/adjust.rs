//! `SESSION.ADJUST`: changes a session's own timeouts.

use super::args::{Args, Token};
use super::options::{take_times, TIMES};
use super::touch::retime;
use crate::config;
use crate::keyspace::{Call, Handler, Reply, Result};
use crate::session::time::TimesChange;
use crate::session::write::Refusal;
use crate::session::State;

/// `SESSION.ADJUST key seconds` or `SESSION.ADJUST key times`
pub struct Adjust;

impl Handler for Adjust {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let mut times = TimesChange::default();
        if is_bare_number(call) {
            times.idle = Some(args.idle(Token::Ex)?);
        }
        while let Some(option) = args.option(TIMES)? {
            take_times(&mut times, option, &mut args)?;
        }
        let now = call.now();
        let mut key = call.write(name)?;
        let touch = match key.state() {
            State::Missing => {
                reply.integer(0);
                return Ok(());
            }
            State::Frozen(_) => return Err(Refusal::Gone.into()),
            State::Live(session) => session.touch(&times, config::touch_interval(), now),
        };
        retime(&mut key, touch)?;
        reply.integer(1);
        Ok(())
    }
}

/// Whether the one argument behind the key begins like a number: then it is seconds, and no option.
fn is_bare_number(call: &Call<'_>) -> bool {
    let args = call.args();
    let first = args.get(2).and_then(|arg| arg.bytes().first().copied());
    args.len() == 3 && first.is_some_and(|c| c.is_ascii_digit() || c == b'-')
}

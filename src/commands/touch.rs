//! `SESSION.TOUCH`: keeps sessions alive.

use super::args::Args;
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Call, Ending, Event, Handler, Look, Reply, Result, WriteKey};
use crate::session::time::TimesChange;
use crate::session::touch::Touch as Outcome;

/// `SESSION.TOUCH key [key …]`
pub struct Touch;

impl Handler for Touch {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        check_types(call)?;
        let (mut args, mut live) = (Args::of(call), 0);
        let (now, interval) = (call.now(), config::touch_interval());
        while let Some(name) = args.next() {
            let mut key = call.write(name)?;
            if let Some(session) = key.state().live() {
                let outcome = session.touch(&TimesChange::default(), interval, now);
                retime(&mut key, outcome)?;
                live = i64::saturating_add(live, 1);
            }
        }
        reply.integer(live);
        Ok(())
    }
}

/// Checks that no argument is a key of another type, before anything is changed. (Of one key its opening tells.)
pub fn check_types(call: &Call<'_>) -> Result<()> {
    let mut args = Args::of(call);
    if args.left() > 1 {
        while let Some(name) = args.next() {
            call.read(name, Look::Peek)?;
        }
    }
    Ok(())
}

/// Carries out what a touch of the session in a key came to.
pub fn retime(key: &mut WriteKey<'_, '_>, touch: Outcome) -> Result<()> {
    match touch {
        Outcome::Absorbed => {
            info::count(Counter::TouchesAbsorbed);
            Ok(())
        }
        Outcome::Slid(times) => {
            info::count(Counter::Touched);
            key.retime(times, Event::Touch)
        }
        Outcome::Adjusted(times) => key.retime(times, Event::Adjust),
        Outcome::End => {
            key.end(Ending::Command);
            Ok(())
        }
    }
}

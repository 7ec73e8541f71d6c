//! `SESSION.TOUCH`: keeps sessions alive.

use super::args::Args;
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Access, Call, Event, Handler, Key, Name, Result};
use crate::session::time::TimesChange;
use crate::session::write::Change;
use crate::session::Effect;

/// `SESSION.TOUCH key [key …]`
pub struct Touch;

impl Handler for Touch {
    fn run(call: &Call<'_>) -> Result<()> {
        let names = keys(call)?;
        let mut live = 0;
        for name in names {
            let mut key = call.open_session(name)?;
            if key.state(call.now())?.live().is_some() {
                slide(call, &mut key, &TimesChange::default())?;
                live = i64::saturating_add(live, 1);
            }
        }
        call.integer(live);
        Ok(())
    }
}

/// The arguments as keys, none of which holds another type.
pub fn keys<'c>(call: &'c Call<'c>) -> Result<Vec<Name<'c>>> {
    let mut args = Args::of(call);
    let mut names = vec![args.first()?];
    names.extend(std::iter::from_fn(|| args.next()));
    if names.len() > 1 {
        for name in &names {
            call.open(*name, Access::Peek).session()?;
        }
    }
    Ok(names)
}

/// Slides the deadline of the live session of a key, and changes its idle timeout where that is asked for.
pub fn slide(call: &Call<'_>, key: &mut Key<'_>, times: &TimesChange) -> Result<()> {
    let Some(session) = key.session()? else { return Ok(()) };
    let changes = *times != TimesChange::default();
    let interval = if changes { 0 } else { config::touch_interval() };
    let Some(mut meta) = session.touched(call.now(), interval) else {
        info::count(Counter::TouchesAbsorbed);
        return Ok(());
    };
    info::count(Counter::Touched);
    meta.times.adjust(times);
    key.commit(Change { effect: Effect::times(meta), fields: None })?;
    if changes {
        key.modified();
        key.notify(Event::Adjust);
    } else {
        key.notify(Event::Touch);
    }
    Ok(())
}

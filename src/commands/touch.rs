//! `SESSION.TOUCH`: keeps sessions alive.

use super::args::Args;
use crate::config;
use crate::info::{self, Counter};
use crate::keyspace::{Access, Call, Event, Handler, Key, Name, Result};
use crate::session::time::TimesChange;
use crate::session::write::Change;
use crate::session::{Effect, Meta};

/// `SESSION.TOUCH key [key …]`
pub struct Touch;

impl Handler for Touch {
    fn run(call: &Call<'_>) -> Result<()> {
        check_types(call)?;
        let mut args = Args::of(call);
        let mut live = 0;
        while let Some(name) = args.next() {
            let mut key = call.open_session(name)?;
            if let Some(session) = key.state(call.now())?.live() {
                let meta = session.meta;
                slide(call, &mut key, meta, &TimesChange::default())?;
                live = i64::saturating_add(live, 1);
            }
        }
        call.integer(live);
        Ok(())
    }
}

/// The arguments as keys, none of which holds another type.
pub fn keys<'c>(call: &'c Call<'c>) -> Result<Vec<Name<'c>>> {
    check_types(call)?;
    let mut args = Args::of(call);
    let mut names = vec![args.first()?];
    names.extend(std::iter::from_fn(|| args.next()));
    Ok(names)
}

/// Checks that no argument is a key of another type, before anything is changed. (Of one key its opening tells.)
fn check_types(call: &Call<'_>) -> Result<()> {
    let mut args = Args::of(call);
    if args.left() > 1 {
        while let Some(name) = args.next() {
            call.open(name, Access::Peek).session()?;
        }
    }
    Ok(())
}

/// Slides the deadline of the live session of a key, whose metadata is `meta`, and changes its idle timeout where that is
/// asked for.
pub fn slide(call: &Call<'_>, key: &mut Key<'_>, meta: Meta, times: &TimesChange) -> Result<()> {
    let changes = *times != TimesChange::default();
    let interval = if changes { 0 } else { config::touch_interval() };
    let Some(mut meta) = meta.touched(call.now(), interval) else {
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

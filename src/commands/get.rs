//! `SESSION.GET`: reads a session, and changes nothing.

use super::args::Args;
use super::read::Read;
use crate::keyspace::{Access, Call, Error, Handler, Result};

/// `SESSION.GET key [WITHMETA] [FIELDS n field … | JSON]`
pub struct Get;

impl Handler for Get {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let mut read = Read::default();
        while let Some(option) = args.next() {
            if !read.take(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        let key = call.open(name, Access::Read);
        match key.state(call.now())?.readable() {
            Some(session) => read.reply(call, session)?,
            None => call.null(),
        }
        Ok(())
    }
}

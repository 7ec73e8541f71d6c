//! `SESSION.GET`: reads a session, and changes nothing.

use super::args::Args;
use super::read::{Read, READ};
use crate::keyspace::{Call, Handler, Look, Reply, Result};

/// `SESSION.GET key [WITHMETA | META n name …] [JSON] [FIELDS n field …]`
pub struct Get;

impl Handler for Get {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let name = args.first()?;
        let mut read = Read::default();
        while let Some(option) = args.option(READ)? {
            read.take(option, &mut args)?;
        }
        let key = call.find(name, Look::Client)?;
        match call.state_of(&key).readable() {
            Some(session) => read.reply(reply, &session),
            None => {
                reply.null();
                Ok(())
            }
        }
    }
}

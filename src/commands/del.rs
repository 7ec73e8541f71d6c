//! `SESSION.DEL`: ends sessions.

use super::args::Args;
use super::touch::check_types;
use crate::keyspace::{Call, Ending, Handler, Reply, Result};

/// `SESSION.DEL key [key …]`
pub struct Del;

impl Handler for Del {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        check_types(call)?;
        let (mut args, mut ended) = (Args::of(call), 0);
        while let Some(name) = args.next() {
            let mut key = call.write(name)?;
            // A snapshot of a rotated session ends, too.
            if key.session().is_some() {
                key.end(Ending::Command);
                ended = i64::saturating_add(ended, 1);
            }
        }
        reply.integer(ended);
        Ok(())
    }
}

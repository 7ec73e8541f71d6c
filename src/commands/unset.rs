//! `SESSION.UNSET`: removes fields.

use super::edit::{Removal, Removed};
use crate::keyspace::{Call, Handler, Reply, Result};

/// `SESSION.UNSET key [IFVERSION v] [KEEPTTL] FIELDS n field …`
pub struct Unset;

impl Handler for Unset {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let removal = Removal::parse(call)?;
        match removal.run(call, |_| ())? {
            // Nothing there to remove; but a version that was asked for is not met by a missing session.
            Removed::Missing if !removal.options.names_version() => reply.integer(0),
            Removed::Missing | Removed::Unmet => reply.null(),
            Removed::Fields(found, ()) => reply.count(found),
        }
        Ok(())
    }
}

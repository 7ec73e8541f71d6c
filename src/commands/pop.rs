//! `SESSION.POP`: reads fields and removes them: flash messages, one-time tokens.

use super::edit::{Removal, Removed};
use super::read::reply_or_null;
use crate::keyspace::{Call, Handler, Reply, Result};

/// `SESSION.POP key [IFVERSION v] [KEEPTTL] FIELDS n field …`
pub struct Pop;

impl Handler for Pop {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let removal = Removal::parse(call)?;
        let selection = removal.selection();
        let removed = removal.run(call, |session| {
            let values = selection.values(session.fields);
            values.into_iter().map(|field| field.map(|field| field.value.to_vec())).collect::<Vec<_>>()
        })?;
        match removed {
            Removed::Missing | Removed::Unmet => reply.null(),
            Removed::Fields(_, values) => {
                reply.array(values.len());
                values.iter().for_each(|value| reply_or_null(reply, value.as_deref()));
            }
        }
        Ok(())
    }
}

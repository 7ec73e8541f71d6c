//! `SESSION.POP`: reads fields and removes them: flash messages, one-time tokens.

use super::read::reply_or_null;
use super::unset::{remove, Found, Request, Values};
use crate::keyspace::{Call, Handler, Result};

/// `SESSION.POP key [IFVERSION v] [KEEPTTL] FIELDS n field …`
pub struct Pop;

impl Handler for Pop {
    fn run(call: &Call<'_>) -> Result<()> {
        let request = Request::parse(call)?;
        let mut key = call.open_session(request.key)?;
        match request.found(key.state(call.now())?)? {
            Found::Missing | Found::Unmet => call.null(),
            Found::Values(Values { names, values }) => {
                remove(call, &mut key, &request.options, &names)?;
                call.array(values.len());
                values.iter().for_each(|value| reply_or_null(call, value.as_deref()));
            }
        }
        Ok(())
    }
}

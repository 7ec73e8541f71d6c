//! `SESSION.DEL`: ends sessions.

use super::options::end;
use super::touch::keys;
use crate::keyspace::{Call, Handler, Result};

/// `SESSION.DEL key [key …]`
pub struct Del;

impl Handler for Del {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut ended = 0;
        for name in keys(call)? {
            let mut key = call.open_session(name)?;
            if key.session()?.is_some() {
                end(&mut key);
                ended = i64::saturating_add(ended, 1);
            }
        }
        call.integer(ended);
        Ok(())
    }
}

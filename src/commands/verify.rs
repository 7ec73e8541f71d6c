//! `SESSION.VERIFY`: holds the index against the keyspace.

use super::args::{is, Args};
use crate::keyspace::{Call, Error, Handler, Result};

/// `SESSION.VERIFY [FIX]`
pub struct Verify;

impl Handler for Verify {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let fix = args.next().map(|word| word.bytes());
        if fix.is_some_and(|word| !is(word, "FIX")) || args.next().is_some() {
            return Err(Error::SYNTAX);
        }
        if !call.caller().may_configure() {
            return Err(Error::text("NOPERM session.verify is for users who may run 'config|set'"));
        }
        let audit = call.audit(fix.is_some());
        call.map(5);
        for (name, n) in [
            ("sessions", audit.sessions),
            ("indexed", audit.indexed),
            ("missing", audit.missing),
            ("stale", audit.stale),
            ("fixed", audit.fixed),
        ] {
            call.bulk(name.as_bytes());
            call.count(n);
        }
        Ok(())
    }
}

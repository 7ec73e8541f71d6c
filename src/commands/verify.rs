//! `SESSION.VERIFY`: holds the index against the keyspace.

use super::args::{Args, Token, Tokens};
use crate::keyspace::{Call, Error, Handler, Reply, Result};

/// `SESSION.VERIFY [FIX]`
pub struct Verify;

impl Handler for Verify {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let mut fix = None;
        while args.option(Tokens::of(&[Token::Fix]))?.is_some() {
            args.once(&mut fix, ())?;
        }
        if !call.caller().may_configure() {
            return Err(Error::text("NOPERM session.verify is for users who may run 'config|set'"));
        }
        let audit = call.audit(fix.is_some());
        reply.map(5);
        for (name, n) in [
            ("sessions", audit.sessions),
            ("indexed", audit.indexed),
            ("missing", audit.missing),
            ("stale", audit.stale),
            ("fixed", audit.fixed),
        ] {
            reply.bulk(name.as_bytes());
            reply.count(n);
        }
        Ok(())
    }
}

//! `SESSION.REVOKE`: ends a user's sessions.

use super::args::{check_user, is, Args};
use super::options::end;
use crate::info::{self, Counter};
use crate::keyspace::{Access, Call, Error, Handler, Permission, Result};
use std::collections::HashSet;

/// `SESSION.REVOKE user [EXCEPT n key …]`
pub struct Revoke;

impl Handler for Revoke {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let user = check_user(args.first()?.bytes())?;
        let mut except = None;
        while let Some(option) = args.next() {
            if !is(option.bytes(), "EXCEPT") {
                return Err(Error::SYNTAX);
            }
            super::args::once(&mut except, args.counted("numkeys")?)?;
        }
        let except: HashSet<&[u8]> = except.unwrap_or_default().into_iter().collect();
        call.refuse_transaction()?;
        let (caller, now) = (call.caller(), call.now());
        let mut ended = 0;
        call.each_session_of(user, None, Access::Write, |key| {
            if except.contains(key.name().bytes()) || !caller.may(Permission::Write, key.name()) {
                return;
            }
            // A snapshot of a rotated session ends too; one that is past its deadline has ended already.
            if key.state(now).is_ok_and(|state| state.readable().is_some()) {
                info::count(Counter::Revoked);
                end(key);
                ended = i64::saturating_add(ended, 1);
            } else {
                key.end_expired();
            }
        });
        call.integer(ended);
        Ok(())
    }
}

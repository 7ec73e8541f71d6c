//! `SESSION.REVOKE`: ends a user's sessions.

use super::args::{check_user, is, Args};
use super::options::end;
use crate::info::{self, Counter};
use crate::keyspace::{Access, Call, Error, Handler, Permission, Result, Wanted};
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
        call.check_node(Wanted::Write)?;
        let (caller, now) = (call.caller(), call.now());
        let names = call.names_of(user);
        let say = call.say_over(&names)?;
        let mut ended = 0;
        call.each_session_of(user, &names, Access::Write, |key, meta| {
            let name = key.name();
            // A copy that is on its way to this node follows what becomes of the session where it comes from.
            if except.contains(name.bytes()) || say.is_anothers(name.bytes()) || !caller.may(Permission::Write, name) {
                return;
            }
            // A snapshot of a rotated session ends too; one that is past its deadline has ended already.
            if meta.ended(now) {
                return key.end_expired();
            }
            if say.counts(name.bytes()) {
                info::count(Counter::Revoked);
                ended = i64::saturating_add(ended, 1);
            }
            end(key);
        });
        call.integer(ended);
        Ok(())
    }
}

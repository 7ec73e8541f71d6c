//! `SESSION.REVOKE`: ends a user's sessions.

use super::args::{check_user, is, Args};
use super::options::end;
use crate::info::{self, Counter};
use crate::keyspace::{Access, Call, Error, Handler, Key, OwnedName, Permission, Result};
use crate::session::slot::slot_of;
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
        let chosen = |key: &Key<'_>| !except.contains(key.name().bytes()) && caller.may(Permission::Write, key.name());
        let names = call.names_of(user);
        let counted = counted(call, user, &names)?;
        let mut ended = 0;
        call.each_session_of(user, &names, Access::Write, |key, meta| {
            if !chosen(key) {
                return;
            }
            // A snapshot of a rotated session ends too; one that is past its deadline has ended already.
            if meta.ended(now) {
                return key.end_expired();
            }
            if counted.as_ref().is_none_or(|slots| slots.contains(&slot_of(key.name().bytes()))) {
                info::count(Counter::Revoked);
                ended = i64::saturating_add(ended, 1);
            }
            end(key);
        });
        call.integer(ended);
        Ok(())
    }
}

/// In a cluster, the slots that this node answers for, of those of the user's sessions. What it holds of other slots is the
/// copy of a session that is on its way: it ends here and there, and is counted there.
fn counted(call: &Call<'_>, user: &[u8], names: &[OwnedName]) -> Result<Option<HashSet<u16>>> {
    if !call.in_cluster() {
        return Ok(None);
    }
    let mut keys = Vec::new();
    call.each_session_of(user, names, Access::Peek, |key, _| keys.push(key.name().bytes()));
    call.keep_served(&mut keys, |key| key)?;
    Ok(Some(keys.iter().map(|key| slot_of(key)).collect()))
}

//! `SESSION.REVOKE`: ends a user's sessions.

use super::args::{check_user, Args, Token, Tokens};
use crate::info::{self, Counter};
use crate::keyspace::{Call, Ending, Handler, Name, Permission, Reply, Result, Wanted};
use std::collections::HashSet;

/// `SESSION.REVOKE user [EXCEPT n key … | ONLY n key …]`
pub struct Revoke;

impl Handler for Revoke {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let user = check_user(args.first()?.bytes())?;
        let mut which = None;
        while let Some(option) = args.option(Tokens::of(&[Token::Except, Token::Only]))? {
            let keys = args.counted("numkeys")?;
            args.once(&mut which, (option, keys))?;
        }
        call.check_node(Wanted::Write)?;
        let ended = match which {
            Some((Token::Only, keys)) => {
                let names = keys.into_iter().map(|key| call.name(key)).collect();
                revoke(call, user, names, &HashSet::new())?
            }
            except => {
                let except = except.map(|(_, keys)| keys.into_iter().collect()).unwrap_or_default();
                revoke(call, user, call.names_of(user), &except)?
            }
        };
        reply.integer(ended);
        Ok(())
    }
}

/// Ends those of these keys that hold a session of the user, or a snapshot of one, but for the exceptions; how many.
fn revoke<'c>(call: &mut Call<'c>, user: &[u8], names: Vec<Name<'c>>, except: &HashSet<&[u8]>) -> Result<i64> {
    let (caller, authority) = (call.caller(), call.authority_over(&names)?);
    let mut ended = 0;
    for name in names {
        // A copy that is on its way to this node follows what becomes of the session where it comes from.
        if except.contains(name.bytes())
            || authority.is_with_another(name.bytes())
            || !caller.may(Permission::Write, name)
        {
            continue;
        }
        let Some(mut key) = call.write_session_of(user, name) else { continue };
        if authority.counts(name.bytes()) {
            info::count(Counter::Revoked);
            ended = i64::saturating_add(ended, 1);
        }
        key.end(Ending::Revocation);
    }
    Ok(ended)
}

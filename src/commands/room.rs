//! Making room under `MAXSESSIONS`.

use crate::info::{self, Counter};
use crate::keyspace::{Call, Ending, Error, Name, Result};
use crate::session::limit::{Cap, Full};

/// A cap on the sessions of a user, and what becomes of one of them.
pub struct Room<'r> {
    /// The cap.
    pub cap: Cap,
    /// The user who is to have the session that is written.
    pub user: &'r [u8],
    /// Whether it is newly this user's.
    pub joins: bool,
}

/// Ends as many of the user's other sessions as the cap asks for; on an error nothing has changed. They are those that the
/// caller may write, in a cluster those in the same slot; the keys that the command itself writes are none of them.
pub fn make_room(call: &mut Call<'_>, room: &Room<'_>, written: &[Name<'_>]) -> Result<()> {
    let ended = call.others_over(room.cap, room.user, room.joins, written).map_err(|Full| {
        info::count(Counter::LimitRejected);
        Error::text(format!("SESSIONLIMIT the user has the maximum of {} concurrent sessions", room.cap.most))
    })?;
    for other in ended {
        let name = call.name(&other.key);
        let now = call.now();
        let mut key = call.write(name)?;
        // Found live: what the index tells is no more than a reason to look.
        if key.session().is_some_and(|s| s.live(now) && s.user == Some(room.user)) {
            info::count(Counter::LimitEnded);
            key.end(Ending::Revocation);
        }
    }
    Ok(())
}

//! What a rotation decides: a session gets a new id, and leaves a snapshot under the old one or nothing.

use super::record::{Snapshot, State};
use super::time::Millis;
use super::write::{Change, Condition, Counts, Outcome, Refusal, Rules, Write};
use crc::{Crc, CRC_64_XZ};

/// The longest grace: 5 minutes.
pub const MAX_GRACE: Millis = 5 * 60 * 1000;

/// A rotation as it was asked for.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// What it changes of the session on the way.
    pub write: Write<'a>,
    /// How long the old id stays to be read.
    pub grace: Option<Millis>,
    /// The new key.
    pub successor: &'a [u8],
    /// The fingerprint of all its arguments.
    pub request: u64,
}

/// What is at the new key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewKey {
    /// Nothing.
    Free,
    /// A live session of this version.
    Live(u64),
    /// Anything else; or it is the old key.
    Taken,
}

/// What a rotation comes to.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "made once a command, and never kept")]
pub enum Rotated<'a> {
    /// There is no session, or it has another version: nothing happens.
    Unmet,
    /// The same request was carried out before, and its reply got lost: the version that the session has now.
    Again(u64),
    /// Something is at the new key.
    Busy,
    /// The session would be past its deadline: it ends. The version that it would have had.
    End(u64),
    /// It goes on under the new key.
    Change {
        /// What changes on the way.
        change: Change<'a>,
        /// What makes a snapshot of what stays at the old key, if anything does.
        snapshot: Option<Snapshot<'a>>,
    },
}

impl<'a> Rotation<'a> {
    /// A rotation with the options of this write: of a session that is there, and always a new version.
    pub fn of(mut write: Write<'a>, grace: Option<Millis>, successor: &'a [u8], request: u64) -> Self {
        if write.condition == Condition::None {
            write.condition = Condition::Exists;
        }
        write.counts = Counts::Yes;
        Rotation { write, grace, successor, request }
    }

    /// Decides: checks everything, changes nothing. O(bytes of the session).
    pub fn decide(&self, old: State<'_>, new: NewKey, rules: &Rules, now: Millis) -> Result<Rotated<'a>, Refusal> {
        if let State::Frozen(session) = old {
            return match (session.snapshot, new) {
                // A rotation counts the version on: an earlier one is another session that has taken the key.
                (Some(left), NewKey::Live(version)) if self.left(&left) && version > session.version => {
                    Ok(Rotated::Again(version))
                }
                _ => Err(Refusal::Gone),
            };
        }
        match self.write.decide(old, rules, now)? {
            Outcome::Unmet => Ok(Rotated::Unmet),
            _ if new != NewKey::Free => Ok(Rotated::Busy),
            Outcome::End(version) => Ok(Rotated::End(version)),
            Outcome::Change(change) => {
                let snapshot = self.grace.map(|grace| Snapshot {
                    grace: now.saturating_add(grace),
                    request: self.request,
                    successor: self.successor,
                });
                Ok(Rotated::Change { change, snapshot })
            }
        }
    }

    /// Whether this request left that snapshot.
    fn left(&self, snapshot: &Snapshot<'_>) -> bool {
        snapshot.request == self.request && snapshot.successor == self.successor
    }
}

const CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// The fingerprint of a request: the CRC-64/XZ of its arguments, each behind its length in eight bytes, the lowest first. It
/// is kept in files and sent to replicas, so it never changes.
pub fn fingerprint<'a>(args: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut digest = CRC.digest();
    for arg in args {
        digest.update(&(arg.len() as u64).to_le_bytes());
        digest.update(arg);
    }
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::super::fields::{Field, Fields};
    use super::super::record::Session;
    use super::super::time::{End, Times};
    use super::super::UserChange;
    use super::*;

    const RULES: Rules = Rules { idle: Some(1_000), end: End::Never, max_fields: 9, max_bytes: 90 };

    fn rotation(grace: Option<Millis>) -> Rotation<'static> {
        let write = Write { user: UserChange::Set(b"ann"), ..Write::default() };
        Rotation::of(write, grace, b"new", 77)
    }

    fn session(fields: &Fields) -> Session<'_> {
        let times = Times { created: 10, accessed: 20, idle: Some(500), end: End::Never };
        Session { times, version: 7, fields: fields.view(), ..Session::default() }
    }

    fn fields() -> Fields {
        Fields::of(&[Field::raw(b"cart", b"17")])
    }

    fn said(rotation: &Rotation<'_>, old: State<'_>, new: NewKey) -> String {
        match rotation.decide(old, new, &RULES, 100) {
            Ok(Rotated::Unmet) => "unmet".into(),
            Ok(Rotated::Again(version)) => format!("again {version}"),
            Ok(Rotated::Busy) => "busy".into(),
            Ok(Rotated::End(version)) => format!("end {version}"),
            Ok(Rotated::Change { change, snapshot }) => {
                format!("version {} grace {:?}", change.effect.version, snapshot.map(|s| s.grace))
            }
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    #[test]
    fn a_session_that_is_there_gets_a_new_version_and_leaves_a_snapshot_if_asked() {
        let fields = fields();
        let live = State::Live(session(&fields));
        assert_eq!(said(&rotation(None), live, NewKey::Free), "version 8 grace None");
        assert_eq!(said(&rotation(Some(50)), live, NewKey::Free), "version 8 grace Some(150)");
        assert_eq!(said(&rotation(None), live, NewKey::Taken), "busy");
        assert_eq!(said(&rotation(None), live, NewKey::Live(3)), "busy");
        assert_eq!(said(&rotation(None), State::Missing, NewKey::Taken), "unmet");
        let mut other = rotation(None);
        other.write.condition = Condition::Version(6);
        assert_eq!(said(&other, live, NewKey::Taken), "unmet");
        let mut past = rotation(None);
        past.write.times.end = Some(End::At(100));
        assert_eq!(said(&past, live, NewKey::Free), "end 8");
    }

    #[test]
    fn the_same_request_again_is_answered_and_any_other_is_refused() {
        let fields = fields();
        let snapshot = Some(Snapshot { grace: 9_000, request: 77, successor: b"new" });
        let frozen = State::Frozen(Session { snapshot, ..session(&fields) });
        assert_eq!(said(&rotation(Some(50)), frozen, NewKey::Live(12)), "again 12");
        assert_eq!(said(&rotation(Some(50)), frozen, NewKey::Live(7)), "Gone", "another session under that key");
        assert_eq!(said(&rotation(Some(50)), frozen, NewKey::Free), "Gone");
        assert_eq!(said(&rotation(Some(50)), frozen, NewKey::Taken), "Gone");
        assert_eq!(said(&Rotation { request: 78, ..rotation(Some(50)) }, frozen, NewKey::Live(12)), "Gone");
        assert_eq!(said(&Rotation { successor: b"neu", ..rotation(Some(50)) }, frozen, NewKey::Live(12)), "Gone");
    }

    #[test]
    fn the_fingerprint_is_pinned_and_tells_arguments_apart() {
        assert_eq!(CRC.checksum(b"123456789"), 0x995d_c9bb_df19_39fa);
        let of = |args: &[&str]| fingerprint(args.iter().map(|arg| arg.as_bytes()));
        assert_eq!(of(&["new", "GRACE", "10"]), of(&["new", "GRACE", "10"]));
        assert_ne!(of(&["new", "GRACE", "10"]), of(&["new", "GRACE1", "0"]));
        assert_eq!(of(&["new", "USER", "ann"]), 14_280_095_102_401_100_374);
    }
}

//! The sessions of a user.

use super::call::Call;
use super::index;
use super::key::{Access, Key};
use super::name::OwnedName;
use crate::session::slot::slot_of;
use crate::session::Meta;

impl Call<'_> {
    /// Opens every key that holds a session of this user, one after the other: live ones, snapshots, and those past their
    /// deadline that the server still has; `visit` gets its metadata. Where a `slot` is given, those in it and no others: a
    /// command that has a key may open none of another slot. O(sessions of the user).
    pub fn each_session_of(
        &self,
        user: &[u8],
        slot: Option<u16>,
        access: Access,
        mut visit: impl FnMut(&mut Key<'_>, &Meta),
    ) {
        let db = self.db();
        let within = |key: &[u8]| slot.is_none_or(|slot| slot == slot_of(key));
        let names = index::with(|index| index.keys(db, user, |key| within(key).then(|| OwnedName::new(key))));
        for name in names.into_iter().flatten() {
            let mut key = self.open(name.name(), access);
            match key.session() {
                Ok(Some(session)) if session.user == Some(user) => {
                    let meta = session.meta;
                    visit(&mut key, &meta);
                }
                // Something else is there: the index was wrong, and is put right.
                Ok(Some(_)) | Err(_) => index::with(|index| index.remove(db, user, name.name().bytes())),
                // Nothing is seen. That is no proof: a replica hides a key whose expiry its primary may yet move.
                Ok(None) => {}
            }
        }
    }
}

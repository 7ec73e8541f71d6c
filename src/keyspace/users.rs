//! The sessions of a user.

use super::call::Call;
use super::index;
use super::key::{Access, Key};
use super::name::OwnedName;
use crate::session::Meta;

impl Call<'_> {
    /// The names of the keys that may hold a session of this user.
    pub fn names_of(&self, user: &[u8]) -> Vec<OwnedName> {
        let db = self.db();
        index::with(|index| index.keys(db, user, OwnedName::new))
    }

    /// Opens every key of these names that holds a session of this user, one after the other: live ones, snapshots, and
    /// those past their deadline that the server still has; `visit` gets its metadata. O(sessions of the user).
    pub fn each_session_of<'n>(
        &'n self,
        user: &[u8],
        names: &'n [OwnedName],
        access: Access,
        mut visit: impl FnMut(&mut Key<'n>, &Meta),
    ) {
        let db = self.db();
        for name in names {
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

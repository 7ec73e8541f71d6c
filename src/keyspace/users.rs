//! The sessions of a user.

use super::call::Call;
use super::index;
use super::key::{Access, Key};
use super::name::OwnedName;

impl Call<'_> {
    /// Opens every key that holds a session of this user, one after the other: live ones, snapshots, and those past their
    /// deadline that the server still has. O(sessions of the user).
    pub fn each_session_of(&self, user: &[u8], access: Access, mut visit: impl FnMut(&mut Key<'_>)) {
        let db = self.db();
        for name in index::with(|index| index.keys(db, user, OwnedName::new)) {
            let mut key = self.open(name.name(), access);
            match key.session() {
                Ok(Some(session)) if session.user == Some(user) => visit(&mut key),
                // Something else is there: the index was wrong, and is put right.
                Ok(Some(_)) | Err(_) => index::with(|index| index.remove(db, user, name.name().bytes())),
                // Nothing is seen. That is no proof: a replica hides a key whose expiry its primary may yet move.
                Ok(None) => {}
            }
        }
    }
}

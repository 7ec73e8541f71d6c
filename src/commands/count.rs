//! `SESSION.COUNT`: how many live sessions a user has.

use super::args::{check_user, Args};
use super::byuser::live;
use crate::keyspace::{Call, Handler, Result};

/// `SESSION.COUNT user`
pub struct Count;

impl Handler for Count {
    fn run(call: &Call<'_>) -> Result<()> {
        let user = check_user(Args::of(call).first()?.bytes())?;
        call.count(live(call, user, &call.names_of(user), |_| ())?.len());
        Ok(())
    }
}

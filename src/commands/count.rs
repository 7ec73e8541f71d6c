//! `SESSION.COUNT`: how many live sessions a user has.

use super::args::{check_user, Args};
use crate::keyspace::{Call, Handler, Reply, Result};

/// `SESSION.COUNT user`
pub struct Count;

impl Handler for Count {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let user = check_user(Args::of(call).first()?.bytes())?;
        reply.count(call.count_sessions(user)?);
        Ok(())
    }
}

//! `SESSION.INFO`: what a session is, without its data.

use super::args::Args;
use super::read::reply_info;
use crate::keyspace::{Call, Handler, Look, Reply, Result};

/// `SESSION.INFO key`
pub struct Info;

impl Handler for Info {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let key = call.find(Args::of(call).first()?, Look::Client)?;
        match call.state_of(&key).readable() {
            Some(session) => {
                let fields = session.fields;
                reply_info(reply, &session, &[("fields", fields.len()), ("bytes", fields.size())]);
            }
            None => reply.null(),
        }
        Ok(())
    }
}

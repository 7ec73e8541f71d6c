//! `SESSION.INFO`: what a session is, without its data.

use super::args::Args;
use super::read::{reply_time, reply_times};
use crate::keyspace::{Access, Call, Handler, Result};

/// `SESSION.INFO key`
pub struct Info;

impl Handler for Info {
    fn run(call: &Call<'_>) -> Result<()> {
        let key = call.open(Args::of(call).first()?, Access::Read);
        let Some(session) = key.state(call.now())?.readable() else {
            call.null();
            return Ok(());
        };
        let fields = session.fields;
        call.map(11);
        reply_times(call, session);
        call.bulk(b"fields");
        call.count(fields.len());
        call.bulk(b"bytes");
        call.count(fields.size());
        reply_time(call, "grace", session.meta.grace);
        Ok(())
    }
}

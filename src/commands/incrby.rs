//! `SESSION.INCRBY`: adds to a counter.

use super::args::Args;
use super::edit::{Options, EDIT};
use crate::config;
use crate::keyspace::{Call, Event, Handler, Reply, Result};
use crate::session::write::{incremented, Outcome};
use crate::session::{Field, Fields, FieldsView};

/// `SESSION.INCRBY key field n [IFVERSION v] [KEEPTTL]`
pub struct IncrBy;

impl Handler for IncrBy {
    fn run(call: &mut Call<'_>, reply: &Reply) -> Result<()> {
        let mut args = Args::of(call);
        let (name, field, by) = (args.first()?, args.first()?.bytes(), args.integer()?);
        let mut options = Options::default();
        while let Some(option) = args.option(EDIT)? {
            options.take(option, &mut args)?;
        }
        let now = call.now();
        let mut key = call.write(name)?;
        let target = options.write(&[], FieldsView::default()).target(key.state())?;
        let Some(session) = target.flatten() else {
            reply.null();
            return Ok(());
        };
        let (sum, kind) = incremented(session.fields, field, by)?;
        let value = sum.to_string();
        let fields = Fields::of(&[Field { name: field, value: value.as_bytes(), kind }]);
        match options.write(&[], fields.view()).decide(key.state(), &config::rules(), now)? {
            Outcome::Change(change) => {
                key.commit(change, Event::Set)?;
                reply.integer(sum);
            }
            Outcome::Unmet | Outcome::End(_) => reply.null(),
        }
        Ok(())
    }
}

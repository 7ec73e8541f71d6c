//! `SESSION.INCRBY`: adds to a counter.

use super::args::Args;
use super::unset::{set, Options};
use crate::keyspace::{Call, Error, Handler, Result};
use crate::session::{Field, FieldsView};

/// `SESSION.INCRBY key field n [IFVERSION v] [KEEPTTL]`
pub struct IncrBy;

impl Handler for IncrBy {
    fn run(call: &Call<'_>) -> Result<()> {
        let mut args = Args::of(call);
        let (name, field, by) = (args.first()?, args.first()?.bytes(), args.integer()?);
        let mut options = Options::default();
        while let Some(option) = args.next() {
            if !options.take(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        let mut key = call.open_session(name)?;
        let target = options.write(Vec::new(), FieldsView::default()).target(key.state(call.now())?)?;
        let Some(session) = target.flatten() else {
            call.null();
            return Ok(());
        };
        let (sum, kind) = session.incremented(field, by)?;
        let value = sum.to_string();
        set(call, &mut key, &options, Field { name: field, value: value.as_bytes(), kind })?;
        call.integer(sum);
        Ok(())
    }
}

//! What the reading commands reply: data, metadata, or both.

use super::args::{is, once, Args};
use crate::keyspace::{printable, Call, Error, Result};
use crate::session::selection::Selection;
use crate::session::{json, End, Field, FieldsView, Session};

/// `[WITHMETA] [FIELDS n field … | JSON]`.
#[derive(Default)]
pub struct Read<'c> {
    meta: Option<()>,
    what: Option<What<'c>>,
}

enum What<'c> {
    Fields(Selection<'c>),
    Json,
}

/// The data of a session as it will be replied.
pub enum Data<'s> {
    All(FieldsView<'s>),
    Some(Vec<Option<Field<'s>>>),
    Json(Vec<u8>),
}

impl<'c> Read<'c> {
    /// Takes an option of reads; whether it was one.
    pub fn take(&mut self, option: &[u8], args: &mut Args<'c>) -> Result<bool> {
        if is(option, "WITHMETA") {
            once(&mut self.meta, ())?;
        } else if is(option, "FIELDS") {
            once(&mut self.what, What::Fields(Selection::of(args.counted("numfields")?)))?;
        } else if is(option, "JSON") {
            once(&mut self.what, What::Json)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether metadata was asked for.
    pub fn meta(&self) -> bool {
        self.meta.is_some()
    }

    /// Checks that the session can be replied as it was asked for: JSON has no text for every field.
    pub fn check(&self, session: Session<'_>) -> Result<()> {
        self.data(session).map(drop)
    }

    fn data<'s>(&self, session: Session<'s>) -> Result<Data<'s>> {
        let fields = session.fields;
        match &self.what {
            None => Ok(Data::All(fields)),
            Some(What::Fields(selection)) => Ok(Data::Some(selection.values(fields))),
            Some(What::Json) => {
                let mut text = Vec::new();
                json::write_object(fields, &mut text).map_err(|name| {
                    Error::text(format!("ERR field '{}' is not UTF-8 text, JSON cannot hold it", printable(name)))
                })?;
                Ok(Data::Json(text))
            }
        }
    }

    /// Replies.
    pub fn reply(&self, call: &Call<'_>, session: Session<'_>) -> Result<()> {
        let data = self.data(session)?;
        if self.meta() {
            call.map(META.saturating_add(1));
            reply_meta(call, session);
            call.bulk(b"data");
        }
        match data {
            Data::All(fields) => reply_fields(call, fields.len(), fields.iter()),
            Data::Json(text) => call.bulk(&text),
            Data::Some(values) => {
                call.array(values.len());
                for value in values {
                    reply_or_null(call, value.map(|field| field.value));
                }
            }
        }
        Ok(())
    }
}

/// A map from names to values.
pub fn reply_fields<'s>(call: &Call<'_>, len: usize, fields: impl Iterator<Item = Field<'s>>) {
    call.map(len);
    for field in fields {
        call.bulk(field.name);
        call.bulk(field.value);
    }
}

/// How many pairs [`reply_meta`] replies.
pub const META: usize = 9;

/// The pairs of a map of metadata.
pub fn reply_meta(call: &Call<'_>, session: Session<'_>) {
    reply_times(call, session);
    reply_time(call, "grace", session.meta.grace);
}

/// The pairs of a map of metadata but the last, `grace`.
pub fn reply_times(call: &Call<'_>, session: Session<'_>) {
    let times = &session.meta.times;
    let lifetime = if let End::Lifetime(span) = times.end { Some(span) } else { None };
    call.bulk(b"user");
    reply_or_null(call, session.user);
    reply_time(call, "created", Some(times.created));
    reply_time(call, "accessed", Some(times.accessed));
    reply_time(call, "idle", times.idle);
    reply_time(call, "lifetime", lifetime);
    reply_time(call, "end", times.end_at());
    reply_time(call, "deadline", session.meta.deadline());
    call.bulk(b"version");
    reply_version(call, session.meta.version);
}

/// A pair of a name and a time that may be absent.
pub fn reply_time(call: &Call<'_>, name: &str, time: Option<i64>) {
    call.bulk(name.as_bytes());
    match time {
        Some(time) => call.integer(time),
        None => call.null(),
    }
}

/// A session's version.
pub fn reply_version(call: &Call<'_>, version: u64) {
    call.integer(i64::try_from(version).unwrap_or(i64::MAX));
}

/// Bytes, or nil.
pub fn reply_or_null(call: &Call<'_>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => call.bulk(bytes),
        None => call.null(),
    }
}

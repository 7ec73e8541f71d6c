//! What the reading commands reply: data, metadata, or both.

use super::args::{Args, Token, Tokens};
use crate::keyspace::{printable, Error, Reply, Result, Shown};
use crate::session::buffer::Buffer;
use crate::session::selection::Selection;
use crate::session::{json, End, Field, Millis, Session};

/// `[WITHMETA | META n name …] [JSON] [FIELDS n field …]`
pub const READ: Tokens = Tokens::of(&[Token::WithMeta, Token::Meta, Token::Json, Token::Fields]);

/// What of a session is asked for.
#[derive(Default)]
pub struct Read<'c> {
    meta: Option<Vec<Meta>>,
    json: Option<()>,
    fields: Option<Selection<'c>>,
}

/// A piece of metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meta {
    User,
    Created,
    Accessed,
    Idle,
    Lifetime,
    End,
    Deadline,
    Version,
    Grace,
}

/// All of it, in the order of `WITHMETA`.
const META: [(Meta, &str); 9] = [
    (Meta::User, "user"),
    (Meta::Created, "created"),
    (Meta::Accessed, "accessed"),
    (Meta::Idle, "idle"),
    (Meta::Lifetime, "lifetime"),
    (Meta::End, "end"),
    (Meta::Deadline, "deadline"),
    (Meta::Version, "version"),
    (Meta::Grace, "grace"),
];

impl<'c> Read<'c> {
    /// Takes an option of [`READ`].
    pub fn take(&mut self, option: Token, args: &mut Args<'c>) -> Result<()> {
        match option {
            Token::WithMeta => args.once(&mut self.meta, META.map(|(meta, _)| meta).into()),
            Token::Meta => {
                let names = named(args)?;
                args.once(&mut self.meta, names)
            }
            Token::Json => args.once(&mut self.json, ()),
            Token::Fields => {
                let names = args.counted("numfields")?;
                args.once(&mut self.fields, Selection::of(names))
            }
            _ => Err(args.syntax_error()),
        }
    }

    /// What of each session of a list is asked for.
    pub fn shown(&self) -> Shown {
        match (&self.meta, self.json.is_some() || self.fields.is_some()) {
            (_, true) => Shown::Data,
            (Some(_), false) => Shown::Meta,
            (None, false) => Shown::Key,
        }
    }

    /// Replies a session as `GET` does. On an error, which comes where JSON has no text for a field, nothing has been said.
    pub fn reply(&self, reply: &Reply, session: &Session<'_>) -> Result<()> {
        let text = self.json.map(|()| self.json_text(session)).transpose().map_err(|name| {
            Error::text(format!("ERR field '{}' is not UTF-8 text, JSON cannot hold it", printable(name)))
        })?;
        if let Some(meta) = &self.meta {
            reply.map(meta.len().saturating_add(1));
            meta.iter().for_each(|meta| meta.reply(reply, session));
            reply.bulk(b"data");
        }
        match (text, &self.fields) {
            (Some(text), _) => reply.bulk(&text),
            (None, None) => {
                reply.map(session.fields.len());
                session.fields.iter().for_each(|field| reply_field(reply, field));
            }
            (None, Some(selection)) => {
                let values = selection.values(session.fields);
                reply.array(values.len());
                values.into_iter().for_each(|field| reply_or_null(reply, field.map(|field| field.value)));
            }
        }
        Ok(())
    }

    /// Replies a session of a list, under this key, as a map.
    pub fn reply_listed(&self, reply: &Reply, key: &[u8], session: &Session<'_>) {
        let data = self.shown() == Shown::Data;
        let meta = self.meta.as_deref().unwrap_or_default();
        reply.map(meta.len().saturating_add(1).saturating_add(usize::from(data)));
        reply.bulk(b"key");
        reply.bulk(key);
        meta.iter().for_each(|meta| meta.reply(reply, session));
        if data {
            reply.bulk(b"data");
        }
        match (self.json, &self.fields) {
            // A session that has no text in JSON does not spoil the list.
            (Some(()), _) => reply_or_null(reply, self.json_text(session).ok().as_ref().map(|text| text.as_slice())),
            (None, Some(selection)) => {
                let present = selection.present(session.fields);
                reply.map(present.len());
                present.into_iter().for_each(|(_, field)| reply_field(reply, field));
            }
            (None, None) => {}
        }
    }

    /// The data as a JSON object. The error is the name of a field that has no text there.
    fn json_text<'s>(&self, session: &Session<'s>) -> std::result::Result<Buffer, &'s [u8]> {
        let mut text = Buffer::new();
        match &self.fields {
            None => json::write_object(session.fields, &mut text)?,
            Some(selection) => json::write_selected(session.fields, selection, &mut text)?,
        }
        Ok(text)
    }
}

/// `META n name …`: each name once.
fn named(args: &mut Args<'_>) -> Result<Vec<Meta>> {
    let mut wanted = Vec::with_capacity(META.len());
    for name in args.counted("numnames")? {
        let known = META.iter().find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
        match known {
            Some((meta, _)) if !wanted.contains(meta) => wanted.push(*meta),
            Some(_) => return Err(Error::text(format!("ERR META names '{}' twice", printable(name)))),
            None => return Err(Error::text(format!("ERR META knows no '{}'", printable(name)))),
        }
    }
    Ok(wanted)
}

impl Meta {
    /// Replies its name and its value.
    fn reply(self, reply: &Reply, session: &Session<'_>) {
        let name = META.iter().find(|(meta, _)| *meta == self).map_or("", |(_, name)| name);
        reply.bulk(name.as_bytes());
        let times = &session.times;
        let time = match self {
            Meta::User => return reply_or_null(reply, session.user),
            Meta::Version => return reply_version(reply, session.version),
            Meta::Created => Some(times.created),
            Meta::Accessed => Some(times.accessed),
            Meta::Idle => times.idle,
            Meta::Lifetime => match times.end {
                End::Lifetime(span) => Some(span),
                End::At(_) | End::Never => None,
            },
            Meta::End => times.end_at(),
            Meta::Deadline => session.deadline(),
            Meta::Grace => session.snapshot.map(|snapshot| snapshot.grace),
        };
        reply_time(reply, time);
    }
}

/// The pairs of metadata of `INFO` before and after what is counted.
pub fn reply_info(reply: &Reply, session: &Session<'_>, counts: &[(&str, usize)]) {
    reply.map(META.len().saturating_add(counts.len()));
    for (meta, _) in META {
        if meta == Meta::Grace {
            for (name, n) in counts {
                reply.bulk(name.as_bytes());
                reply.count(*n);
            }
        }
        meta.reply(reply, session);
    }
}

fn reply_field(reply: &Reply, field: Field<'_>) {
    reply.bulk(field.name);
    reply.bulk(field.value);
}

/// A time that may be absent.
fn reply_time(reply: &Reply, time: Option<Millis>) {
    match time {
        Some(time) => reply.integer(time),
        None => reply.null(),
    }
}

/// A session's version.
pub fn reply_version(reply: &Reply, version: u64) {
    reply.integer(i64::try_from(version).unwrap_or(i64::MAX));
}

/// Bytes, or nil.
pub fn reply_or_null(reply: &Reply, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => reply.bulk(bytes),
        None => reply.null(),
    }
}

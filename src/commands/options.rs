//! The options that the writing commands share: condition, user, times, a cap on sessions, and data.

use super::args::{Args, Token, Tokens};
use crate::config;
use crate::keyspace::{printable, Error, Name, Result};
use crate::session::buffer::Buffer;
use crate::session::json::{self, Refused, Room};
use crate::session::limit::{Cap, Policy};
use crate::session::time::TimesChange;
use crate::session::write::{Condition, Counts, Refusal, Write};
use crate::session::{Field, Fields, FieldsView, UserChange};

/// The options of timeouts.
pub const IDLE: Tokens = Tokens::of(&[Token::Ex, Token::Px, Token::Persist]);
/// All options of times.
pub const TIMES: Tokens =
    IDLE.and(Tokens::of(&[Token::Lifetime, Token::PLifetime, Token::ExAt, Token::PxAt, Token::NoLifetime]));
/// What a session may begin with.
pub const BEGIN: Tokens = TIMES.and(Tokens::of(&[Token::User, Token::MaxSessions, Token::Fields, Token::Json]));
/// What may change of a session that is there.
pub const CHANGE: Tokens = BEGIN.and(Tokens::of(&[Token::NoUser, Token::Unset, Token::IfVersion, Token::Replace]));

/// What a writing command was asked for beside its keys.
#[derive(Default)]
pub struct Options<'c> {
    times: TimesChange,
    user: Option<UserChange<'c>>,
    cap: Option<Cap>,
    condition: Option<Condition>,
    removed: Option<Vec<&'c [u8]>>,
    fields: Option<Fields>,
    json: Option<Fields>,
    replace: Option<()>,
    keep_ttl: Option<()>,
}

impl<'c> Options<'c> {
    /// Takes an option with its values.
    pub fn take(&mut self, option: Token, args: &mut Args<'c>) -> Result<()> {
        match option {
            Token::Nx => args.once(&mut self.condition, Condition::Missing),
            Token::Xx => args.once(&mut self.condition, Condition::Exists),
            Token::IfVersion => {
                let version = args.unsigned()?;
                args.once(&mut self.condition, Condition::Version(version))
            }
            Token::Replace => args.once(&mut self.replace, ()),
            Token::KeepTtl => args.once(&mut self.keep_ttl, ()),
            Token::User => {
                let user = args.user()?;
                args.once(&mut self.user, UserChange::Set(user))
            }
            Token::NoUser => args.once(&mut self.user, UserChange::Clear),
            Token::MaxSessions => {
                let cap = cap(args)?;
                args.once(&mut self.cap, cap)
            }
            Token::Unset => {
                let names = args.counted("numfields")?;
                args.once(&mut self.removed, names)
            }
            Token::Fields => {
                let fields = pairs(args)?;
                args.once(&mut self.fields, fields)
            }
            Token::Json => {
                let fields = json_fields(args.value()?)?;
                args.once(&mut self.json, fields)
            }
            times => take_times(&mut self.times, times, args),
        }
    }

    /// Puts the data together, which comes by several options: no field may be in two of them.
    pub fn check(&mut self) -> Result<()> {
        if let Some(json) = self.json.take() {
            match &mut self.fields {
                None => self.fields = Some(json),
                Some(fields) => fields.append(json.view()).map_err(|name| twice(name, "in FIELDS and in JSON"))?,
            }
        }
        if let (Some(removed), Some(fields)) = (&self.removed, &self.fields) {
            if let Some(name) = fields.first_of(removed) {
                return Err(twice(name, "both set and unset"));
            }
        }
        Ok(())
    }

    /// The write that was asked for.
    pub fn write(&self) -> Write<'_> {
        let names_data =
            self.user.is_some() || self.fields.is_some() || self.removed.is_some() || self.replace.is_some();
        Write {
            condition: self.condition.unwrap_or_default(),
            replace: self.replace.is_some(),
            user: self.user.unwrap_or_default(),
            times: self.times,
            keep_ttl: self.keep_ttl.is_some(),
            removed: self.removed.as_deref().unwrap_or_default(),
            fields: self.fields.as_ref().map_or(FieldsView::default(), Fields::view),
            counts: if names_data { Counts::Yes } else { Counts::No },
        }
    }

    /// The cap on the user's sessions.
    pub fn cap(&self) -> Option<Cap> {
        self.cap
    }
}

/// Takes an option of [`TIMES`].
pub fn take_times(times: &mut TimesChange, option: Token, args: &mut Args<'_>) -> Result<()> {
    match option {
        Token::Ex | Token::Px | Token::Persist => {
            let idle = args.idle(option)?;
            args.once(&mut times.idle, idle)
        }
        Token::Lifetime | Token::PLifetime | Token::ExAt | Token::PxAt | Token::NoLifetime => {
            let end = args.end(option)?;
            args.once(&mut times.end, end)
        }
        _ => Err(args.syntax_error()),
    }
}

fn twice(name: &[u8], how: &str) -> Error {
    Error::text(format!("ERR field '{}' is {how}", printable(name)))
}

fn cap(args: &mut Args<'_>) -> Result<Cap> {
    const POLICIES: Tokens = Tokens::of(&[Token::Reject, Token::Oldest, Token::Lru]);
    let most = args.positive()?;
    let policy = match args.word(POLICIES)? {
        Token::Reject => Policy::Reject,
        Token::Oldest => Policy::Oldest,
        _ => Policy::Lru,
    };
    Ok(Cap { most, policy })
}

/// `n field value …`: so many pairs.
fn pairs(args: &mut Args<'_>) -> Result<Fields> {
    let n = args.count(2, "numfields")?;
    // As many as were counted are there.
    let mut next = || args.next().map_or(&[][..], Name::bytes);
    Ok(Fields::pack((0..n).map(|_| {
        let name = next();
        Field::raw(name, next())
    })))
}

fn json_fields(text: Name<'_>) -> Result<Fields> {
    let rules = config::rules();
    let room = Room { max_fields: rules.max_fields, max_bytes: rules.max_bytes };
    let mut packed = Buffer::new();
    let taken = json::parse_object(text.bytes(), room, &mut packed).map_err(|refused| match refused {
        Refused::TooManyFields => Refusal::Fields(room.max_fields).into(),
        Refused::TooManyBytes => Refusal::Bytes(room.max_bytes).into(),
        Refused::Malformed(why) => Error::text(format!("ERR invalid JSON: {why}")),
    })?;
    Ok(Fields::packed(taken.count, packed))
}

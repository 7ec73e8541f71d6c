//! What `UNSET`, `POP` and `INCRBY` share: they change single fields of a session that is there.

use super::args::{Args, Token, Tokens};
use crate::config;
use crate::keyspace::{Call, Event, Name, Result};
use crate::session::selection::Selection;
use crate::session::write::{Condition, Counts, Outcome, Write};
use crate::session::{FieldsView, Session, State};

/// `[IFVERSION v] [KEEPTTL]`
pub const EDIT: Tokens = Tokens::of(&[Token::IfVersion, Token::KeepTtl]);

/// The options of these commands.
#[derive(Default)]
pub struct Options {
    condition: Option<Condition>,
    keep_ttl: Option<()>,
}

impl Options {
    /// Takes one of [`EDIT`].
    pub fn take(&mut self, option: Token, args: &mut Args<'_>) -> Result<()> {
        match option {
            Token::IfVersion => {
                let version = args.unsigned()?;
                args.once(&mut self.condition, Condition::Version(version))
            }
            Token::KeepTtl => args.once(&mut self.keep_ttl, ()),
            _ => Err(args.syntax_error()),
        }
    }

    /// A write with these options, of a session that is there.
    pub fn write<'a>(&self, removed: &'a [&'a [u8]], fields: FieldsView<'a>) -> Write<'a> {
        Write {
            condition: self.condition.unwrap_or(Condition::Exists),
            keep_ttl: self.keep_ttl.is_some(),
            removed,
            fields,
            counts: if fields.is_empty() { Counts::IfFound } else { Counts::Yes },
            ..Write::default()
        }
    }

    /// Whether a version is asked for.
    pub fn names_version(&self) -> bool {
        self.condition.is_some()
    }
}

/// `key [IFVERSION v] [KEEPTTL] FIELDS n field …`
pub struct Removal<'c> {
    /// The session's key.
    pub key: Name<'c>,
    /// When and how.
    pub options: Options,
    names: Vec<&'c [u8]>,
}

/// What a removal came to.
pub enum Removed<T> {
    /// There is no session.
    Missing,
    /// It has another version.
    Unmet,
    /// So many fields were removed; and what was read of the session before.
    Fields(usize, T),
}

impl<'c> Removal<'c> {
    /// Takes the arguments of the running command.
    pub fn parse(call: &Call<'c>) -> Result<Self> {
        let mut args = Args::of(call);
        let key = args.first()?;
        let (mut options, mut names) = (Options::default(), None);
        while let Some(option) = args.option(EDIT.and(Tokens::of(&[Token::Fields])))? {
            match option {
                Token::Fields => {
                    let fields = args.counted("numfields")?;
                    args.once(&mut names, fields)?;
                }
                option => options.take(option, &mut args)?,
            }
        }
        let names = names.ok_or_else(|| args.syntax_error())?;
        Ok(Removal { key, options, names })
    }

    /// The fields that it names.
    pub fn selection(&self) -> Selection<'c> {
        Selection::of(self.names.clone())
    }

    /// Carries it out; `read` reads of the session before. With no field of them there it is an access like any other: it
    /// slides, unless `KEEPTTL`.
    pub fn run<T>(&self, call: &mut Call<'c>, read: impl FnOnce(&Session<'_>) -> T) -> Result<Removed<T>> {
        let (now, rules) = (call.now(), config::rules());
        let mut key = call.write(self.key)?;
        let write = self.options.write(&self.names, FieldsView::default());
        let state = key.state();
        let outcome = write.decide(state, &rules, now)?;
        let State::Live(session) = state else { return Ok(Removed::Missing) };
        let Outcome::Change(change) = outcome else { return Ok(Removed::Unmet) };
        let (read, found) = (read(&session), change.effect.removed.len());
        if found > 0 {
            key.commit(change, Event::Set)?;
        } else if !write.keep_ttl {
            key.commit(change, Event::Touch)?;
        }
        Ok(Removed::Fields(found, read))
    }
}

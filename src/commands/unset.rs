//! `SESSION.UNSET`: removes fields.

use super::args::{is, once, Args};
use super::options::version;
use crate::config;
use crate::keyspace::{Call, Error, Event, Handler, Key, Name, Result};
use crate::session::selection::Selection;
use crate::session::write::{Condition, Outcome, Write};
use crate::session::{Field, FieldsView, State};

/// `SESSION.UNSET key [IFVERSION v] [KEEPTTL] FIELDS n field …`
pub struct Unset;

impl Handler for Unset {
    fn run(call: &Call<'_>) -> Result<()> {
        let request = Request::parse(call)?;
        let mut key = call.open_session(request.key)?;
        match request.found(key.state(call.now())?)? {
            // Nothing there to remove; but a version that was asked for is not met by a missing session.
            Found::Missing if request.options.condition == Condition::None => call.integer(0),
            Found::Missing | Found::Unmet => call.null(),
            Found::Values(values) => {
                let names = values.names;
                remove(call, &mut key, &request.options, &names)?;
                call.count(names.len());
            }
        }
        Ok(())
    }
}

/// The options of commands that change single fields of a session that is there: `[IFVERSION v] [KEEPTTL]`.
#[derive(Default)]
pub struct Options {
    condition: Condition,
    keep_ttl: bool,
}

impl Options {
    /// Takes one of them; whether it was one.
    pub fn take(&mut self, option: &[u8], args: &mut Args<'_>) -> Result<bool> {
        if is(option, "IFVERSION") && self.condition == Condition::None {
            self.condition = version(args)?;
        } else if is(option, "KEEPTTL") && !self.keep_ttl {
            self.keep_ttl = true;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// A write with these options that changes data.
    pub fn write<'a>(&self, removed: Vec<&'a [u8]>, fields: FieldsView<'a>) -> Write<'a> {
        let names_data = !removed.is_empty() || !fields.is_empty();
        Write { condition: self.condition, keep_ttl: self.keep_ttl, removed, fields, names_data, ..Write::default() }
    }
}

/// `key [IFVERSION v] [KEEPTTL] FIELDS n field …`
pub struct Request<'c> {
    /// The session's key.
    pub key: Name<'c>,
    /// When and how.
    pub options: Options,
    wanted: Selection<'c>,
}

/// What such a request finds.
pub enum Found<'c> {
    /// No session.
    Missing,
    /// One of another version.
    Unmet,
    /// One with the version that was asked for, if one was.
    Values(Values<'c>),
}

/// The named fields of a session.
pub struct Values<'c> {
    /// The names of those that are there, each once.
    pub names: Vec<&'c [u8]>,
    /// The value of each name as it was asked for.
    pub values: Vec<Option<Vec<u8>>>,
}

impl<'c> Request<'c> {
    /// Takes the arguments of the running command.
    pub fn parse(call: &'c Call<'c>) -> Result<Self> {
        let mut args = Args::of(call);
        let key = args.first()?;
        let (mut options, mut names) = (Options::default(), None);
        while let Some(option) = args.next() {
            if is(option.bytes(), "FIELDS") {
                once(&mut names, args.counted("numfields")?)?;
            } else if !options.take(option.bytes(), &mut args)? {
                return Err(Error::SYNTAX);
            }
        }
        Ok(Request { key, options, wanted: Selection::of(names.ok_or(Error::SYNTAX)?) })
    }

    /// Looks the fields up, where the session is there and the version met.
    pub fn found(&self, state: State<'_>) -> Result<Found<'c>> {
        match self.options.write(Vec::new(), FieldsView::default()).target(state)? {
            Some(Some(session)) => {
                let values = self.wanted.values(session.fields).into_iter();
                Ok(Found::Values(Values {
                    names: self.wanted.present_names(session.fields),
                    values: values.map(|field| field.map(|field| field.value.to_vec())).collect(),
                }))
            }
            Some(None) => Ok(Found::Missing),
            None if state.live().is_none() => Ok(Found::Missing),
            None => Ok(Found::Unmet),
        }
    }
}

/// Removes fields that are there. With none it is an access like any other: it slides, unless `KEEPTTL`.
pub fn remove(call: &Call<'_>, key: &mut Key<'_>, options: &Options, names: &[&[u8]]) -> Result<()> {
    if names.is_empty() && options.keep_ttl {
        return Ok(());
    }
    let write = options.write(names.to_vec(), FieldsView::default());
    change(call, key, &write, if names.is_empty() { Event::Touch } else { Event::Set })
}

/// Sets a field.
pub fn set(call: &Call<'_>, key: &mut Key<'_>, options: &Options, field: Field<'_>) -> Result<()> {
    let fields = crate::session::Fields::of(&[field]);
    change(call, key, &options.write(Vec::new(), fields.view()), Event::Set)
}

fn change(call: &Call<'_>, key: &mut Key<'_>, write: &Write<'_>, event: Event) -> Result<()> {
    let state = key.state(call.now())?;
    if let Outcome::Change(change) = write.decide(state, &config::rules(), call.now())? {
        key.commit(change)?;
        if event != Event::Touch {
            key.modified();
        }
        key.notify(event);
    }
    Ok(())
}

//! Taking the arguments of a command one by one.

use crate::keyspace::{Call, Error, Name, Result};
use crate::session::time::{timeout, TimesChange, MAX_TIME, MAX_TIMEOUT};
use crate::session::write::parse_int;
use crate::session::{caps, End, Field, Fields, Millis};

/// The arguments of a command, from left to right.
pub struct Args<'c> {
    call: &'c Call<'c>,
    at: usize,
}

impl<'c> Args<'c> {
    /// The arguments after the command's name.
    pub fn of(call: &'c Call<'c>) -> Self {
        Args { call, at: 1 }
    }

    /// The next argument, if there is one.
    pub fn next(&mut self) -> Option<Name<'c>> {
        let arg = self.call.arg(self.at)?;
        self.at = self.at.saturating_add(1);
        Some(arg)
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.call.arg_count().saturating_sub(self.at)
    }

    /// The next argument, which must be there: an option's value.
    pub fn value(&mut self) -> Result<Name<'c>> {
        self.next().ok_or(Error::SYNTAX)
    }

    /// The first argument, which the arity promises.
    pub fn first(&mut self) -> Result<Name<'c>> {
        self.next().ok_or(Error::WrongArity)
    }

    /// An integer.
    pub fn integer(&mut self) -> Result<i64> {
        parse_int(self.value()?.bytes()).ok_or(Error::NOT_INTEGER)
    }

    /// A user's name.
    pub fn user(&mut self) -> Result<&'c [u8]> {
        check_user(self.value()?.bytes())
    }

    /// `n thing …`: so many things.
    pub fn counted(&mut self, what: &str) -> Result<Vec<&'c [u8]>> {
        let n = self.count(1, what)?;
        let mut things = Vec::with_capacity(n);
        for _ in 0..n {
            things.push(self.value()?.bytes());
        }
        Ok(things)
    }

    /// `n field value …`: so many pairs.
    pub fn counted_pairs(&mut self) -> Result<Fields> {
        let n = self.count(2, "numfields")?;
        let mut pairs = Vec::with_capacity(n);
        for _ in 0..n {
            pairs.push(Field::raw(self.value()?.bytes(), self.value()?.bytes()));
        }
        Ok(Fields::of(&pairs))
    }

    /// A count of what follows, `each` arguments apiece; it is checked against what is there before anything is taken.
    fn count(&mut self, each: usize, what: &str) -> Result<usize> {
        let n = self.integer()?;
        match usize::try_from(n) {
            Ok(n) if n > 0 => match n.checked_mul(each) {
                Some(all) if all <= self.left() => Ok(n),
                _ => Err(Error::text(format!("ERR The `{what}` parameter must match the number of arguments"))),
            },
            _ => Err(Error::text(format!("ERR Parameter `{what}` should be greater than 0"))),
        }
    }
}

/// Checks a user's name.
pub fn check_user(user: &[u8]) -> Result<&[u8]> {
    if user.len() > caps::USER {
        return Err(Error::text(format!("ERR user name is longer than {} bytes", caps::USER)));
    }
    Ok(user)
}

/// Whether an argument is this word.
pub fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// Sets an option that may be given once.
pub fn once<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::SYNTAX),
    }
}

/// `[EX s | PX ms | PERSIST] [LIFETIME s | PLIFETIME ms | EXAT unix-s | PXAT unix-ms | NOLIFETIME]`, for the command of
/// this name.
pub struct Times {
    command: &'static str,
    change: TimesChange,
}

impl Times {
    /// None given yet.
    pub fn of(command: &'static str) -> Self {
        Times { command, change: TimesChange::default() }
    }

    /// What was given.
    pub fn change(&self) -> TimesChange {
        self.change
    }

    /// Takes an option of idle timeouts; whether it was one.
    pub fn take_idle(&mut self, option: &[u8], args: &mut Args<'_>) -> Result<bool> {
        let idle = if is(option, "EX") {
            Some(span(self.command, args, 1000, MAX_TIMEOUT)?)
        } else if is(option, "PX") {
            Some(span(self.command, args, 1, MAX_TIMEOUT)?)
        } else if is(option, "PERSIST") {
            None
        } else {
            return Ok(false);
        };
        once(&mut self.change.idle, idle).map(|()| true)
    }

    /// Takes an option of ends; whether it was one.
    fn take_end(&mut self, option: &[u8], args: &mut Args<'_>) -> Result<bool> {
        let end = if is(option, "LIFETIME") {
            End::Lifetime(span(self.command, args, 1000, MAX_TIMEOUT)?)
        } else if is(option, "PLIFETIME") {
            End::Lifetime(span(self.command, args, 1, MAX_TIMEOUT)?)
        } else if is(option, "EXAT") {
            End::At(span(self.command, args, 1000, MAX_TIME)?)
        } else if is(option, "PXAT") {
            End::At(span(self.command, args, 1, MAX_TIME)?)
        } else if is(option, "NOLIFETIME") {
            End::Never
        } else {
            return Ok(false);
        };
        once(&mut self.change.end, end).map(|()| true)
    }

    /// Takes any option of times; whether it was one.
    pub fn take(&mut self, option: &[u8], args: &mut Args<'_>) -> Result<bool> {
        Ok(self.take_idle(option, args)? || self.take_end(option, args)?)
    }

    /// Sets the idle timeout to so many seconds.
    pub fn take_seconds(&mut self, args: &mut Args<'_>) -> Result<()> {
        self.change.idle = Some(Some(span(self.command, args, 1000, MAX_TIMEOUT)?));
        Ok(())
    }
}

/// A time of so many units, from 1 ms to `most`, for the command of this name.
pub fn span(command: &str, args: &mut Args<'_>, unit: i64, most: Millis) -> Result<Millis> {
    timeout(args.integer()?, unit, most)
        .ok_or_else(|| Error::text(format!("ERR invalid expire time in '{command}' command")))
}

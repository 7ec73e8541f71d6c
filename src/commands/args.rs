//! Taking the arguments of a command one by one.

use crate::keyspace::{printable, Arguments, Call, Error, Name, Result};
use crate::session::time::{timeout, MAX_TIME, MAX_TIMEOUT};
use crate::session::write::parse_int;
use crate::session::{caps, End, Millis};

/// The words that commands take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is its own word")]
pub enum Token {
    Ex,
    Px,
    Persist,
    Lifetime,
    PLifetime,
    ExAt,
    PxAt,
    NoLifetime,
    Nx,
    Xx,
    IfVersion,
    Replace,
    User,
    NoUser,
    KeepTtl,
    MaxSessions,
    Unset,
    Fields,
    Json,
    Prefix,
    WithMeta,
    Meta,
    Limit,
    Except,
    Only,
    Grace,
    PGrace,
    Fix,
    Reject,
    Oldest,
    Lru,
}

/// Some of the words: those that a command takes.
#[derive(Clone, Copy)]
pub struct Tokens(u64);

impl Tokens {
    /// Those of the list.
    pub const fn of(list: &[Token]) -> Self {
        let (mut bits, mut rest) = (0, list);
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u64;
            rest = others;
        }
        Tokens(bits)
    }

    /// Those of either.
    pub const fn and(self, others: Tokens) -> Self {
        Tokens(self.0 | others.0)
    }

    fn contain(self, token: Token) -> bool {
        self.0 & (1u64.wrapping_shl(token as u32)) != 0
    }
}

impl Token {
    /// The word in any case.
    fn of(word: &[u8]) -> Option<Self> {
        const LONGEST: usize = 11;
        let mut upper = [0; LONGEST];
        let upper = upper.get_mut(..word.len())?;
        upper.copy_from_slice(word);
        upper.make_ascii_uppercase();
        Some(match &*upper {
            b"EX" => Token::Ex,
            b"PX" => Token::Px,
            b"PERSIST" => Token::Persist,
            b"LIFETIME" => Token::Lifetime,
            b"PLIFETIME" => Token::PLifetime,
            b"EXAT" => Token::ExAt,
            b"PXAT" => Token::PxAt,
            b"NOLIFETIME" => Token::NoLifetime,
            b"NX" => Token::Nx,
            b"XX" => Token::Xx,
            b"IFVERSION" => Token::IfVersion,
            b"REPLACE" => Token::Replace,
            b"USER" => Token::User,
            b"NOUSER" => Token::NoUser,
            b"KEEPTTL" => Token::KeepTtl,
            b"MAXSESSIONS" => Token::MaxSessions,
            b"UNSET" => Token::Unset,
            b"FIELDS" => Token::Fields,
            b"JSON" => Token::Json,
            b"PREFIX" => Token::Prefix,
            b"WITHMETA" => Token::WithMeta,
            b"META" => Token::Meta,
            b"LIMIT" => Token::Limit,
            b"EXCEPT" => Token::Except,
            b"ONLY" => Token::Only,
            b"GRACE" => Token::Grace,
            b"PGRACE" => Token::PGrace,
            b"FIX" => Token::Fix,
            b"REJECT" => Token::Reject,
            b"OLDEST" => Token::Oldest,
            b"LRU" => Token::Lru,
            _ => return None,
        })
    }
}

/// The arguments of a command, from left to right.
pub struct Args<'c> {
    all: Arguments<'c>,
    at: usize,
    /// Where the option stands that is being taken; 0 before the first one.
    option: usize,
}

impl<'c> Args<'c> {
    /// The arguments after the command's name.
    pub fn of(call: &Call<'c>) -> Self {
        Args { all: call.args(), at: 1, option: 0 }
    }

    /// The next argument, if there is one.
    #[inline]
    pub fn next(&mut self) -> Option<Name<'c>> {
        let arg = self.all.get(self.at)?;
        self.at = self.at.saturating_add(1);
        Some(arg)
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.all.len().saturating_sub(self.at)
    }

    /// The first argument, which the arity promises.
    pub fn first(&mut self) -> Result<Name<'c>> {
        self.next().ok_or(Error::WrongArity)
    }

    /// The next option, which must be one of these; nothing at the end.
    pub fn option(&mut self, known: Tokens) -> Result<Option<Token>> {
        self.option = self.at;
        let Some(word) = self.next() else { return Ok(None) };
        match Token::of(word.bytes()).filter(|token| known.contain(*token)) {
            Some(token) => Ok(Some(token)),
            None => Err(self.syntax_error()),
        }
    }

    /// The next argument, which must be there: a value of the option.
    pub fn value(&mut self) -> Result<Name<'c>> {
        self.next().ok_or_else(|| self.syntax_error())
    }

    /// A word after the option, one of these.
    pub fn word(&mut self, known: Tokens) -> Result<Token> {
        let word = self.value()?.bytes();
        let token = Token::of(word).filter(|token| known.contain(*token));
        token.ok_or_else(|| syntax_error(word, self.at.saturating_sub(1)))
    }

    /// Sets an option that may be given once.
    pub fn once<T>(&self, place: &mut Option<T>, value: T) -> Result<()> {
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.syntax_error()),
        }
    }

    /// An integer of the option.
    pub fn integer(&mut self) -> Result<i64> {
        let value = self.value()?.bytes();
        parse_int(value).ok_or_else(|| self.not_an_integer())
    }

    /// An integer that is not negative.
    pub fn unsigned(&mut self) -> Result<u64> {
        u64::try_from(self.integer()?).map_err(|_| self.not_an_integer())
    }

    /// A number of things, at least one.
    pub fn positive(&mut self) -> Result<usize> {
        let n = usize::try_from(self.integer()?).ok().filter(|n| *n > 0);
        n.ok_or_else(|| self.not_an_integer())
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

    /// A count of what follows, `each` arguments apiece; it is checked against what is there before anything is taken.
    pub fn count(&mut self, each: usize, what: &str) -> Result<usize> {
        match usize::try_from(self.integer()?) {
            Ok(n) if n > 0 => match n.checked_mul(each) {
                Some(all) if all <= self.left() => Ok(n),
                _ => Err(Error::text(format!("ERR The `{what}` parameter must match the number of arguments"))),
            },
            _ => Err(Error::text(format!("ERR Parameter `{what}` should be greater than 0"))),
        }
    }

    /// A time of so many units, from 1 ms to `most`.
    pub fn span(&mut self, unit: Millis, most: Millis) -> Result<Millis> {
        timeout(self.integer()?, unit, most).ok_or_else(|| {
            let command = self.all.get(0).map_or(&[][..], Name::bytes).to_ascii_lowercase();
            Error::text(format!("ERR invalid expire time in '{}' command", printable(&command)))
        })
    }

    /// The idle timeout of one of `EX s`, `PX ms`, `PERSIST`.
    pub fn idle(&mut self, token: Token) -> Result<Option<Millis>> {
        match token {
            Token::Ex => self.span(1000, MAX_TIMEOUT).map(Some),
            Token::Px => self.span(1, MAX_TIMEOUT).map(Some),
            _ => Ok(None),
        }
    }

    /// The end of one of `LIFETIME s`, `PLIFETIME ms`, `EXAT unix-s`, `PXAT unix-ms`, `NOLIFETIME`.
    pub fn end(&mut self, token: Token) -> Result<End> {
        match token {
            Token::Lifetime => self.span(1000, MAX_TIMEOUT).map(End::Lifetime),
            Token::PLifetime => self.span(1, MAX_TIMEOUT).map(End::Lifetime),
            Token::ExAt => self.span(1000, MAX_TIME).map(End::At),
            Token::PxAt => self.span(1, MAX_TIME).map(End::At),
            _ => Ok(End::Never),
        }
    }

    /// `ERR syntax error`, and where: at the option that is being taken, or at the end, where one is missing.
    pub fn syntax_error(&self) -> Error {
        match self.all.get(self.option) {
            Some(word) => syntax_error(word.bytes(), self.option),
            None => Error::text("ERR syntax error at the end"),
        }
    }

    fn not_an_integer(&self) -> Error {
        let what = match self.option {
            0 => self.all.get(self.at.saturating_sub(1)),
            option => self.all.get(option),
        };
        let what = printable(what.map_or(&[], Name::bytes));
        Error::text(format!("ERR value is not an integer or out of range: {what}"))
    }
}

fn syntax_error(word: &[u8], at: usize) -> Error {
    Error::text(format!("ERR syntax error at '{}' (argument {at})", printable(word)))
}

/// Checks a user's name. An empty one is refused: in an application it is a mistake that would give strangers one account.
pub fn check_user(user: &[u8]) -> Result<&[u8]> {
    match user.len() {
        0 => Err(Error::text("ERR user name is empty")),
        1..=caps::USER => Ok(user),
        _ => Err(Error::text(format!("ERR user name is longer than {} bytes", caps::USER))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_case() {
        assert_eq!(Token::of(b"ex"), Some(Token::Ex));
        assert_eq!(Token::of(b"MaxSessions"), Some(Token::MaxSessions));
        for word in [&b""[..], b"E", b"EXX", b"maxsessionss", b"\0"] {
            assert_eq!(Token::of(word), None);
        }
        let known = Tokens::of(&[Token::Ex]).and(Tokens::of(&[Token::Lru]));
        assert!(known.contain(Token::Ex) && known.contain(Token::Lru) && !known.contain(Token::Px));
    }
}

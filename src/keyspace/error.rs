//! What a command answers when it refuses.

use crate::session::write::Refusal;
use std::borrow::Cow;

/// The result of a step of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// An error reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The server's own words for a wrong number of arguments.
    WrongArity,
    /// Another type's key.
    WrongType,
    /// Anything else, with its prefix (`ERR …`).
    Text(Cow<'static, str>),
}

impl Error {
    /// An error with words of its own.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Error::Text(text.into())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::text(refusal.to_string())
    }
}

/// Bytes as they can stand in an error: what is not printable ASCII as `\xNN`, and no more than the first of them.
pub fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 64;
    match bytes.get(..MOST) {
        Some(first) if first.len() < bytes.len() => format!("{}...", first.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_errors_are_printable() {
        assert_eq!(printable(b"a\0\r\n\xff"), r"a\x00\r\n\xff");
        assert_eq!(printable(&[b'a'; 64]), "a".repeat(64));
        assert_eq!(printable(&[b'a'; 65]), "a".repeat(64) + "...");
    }
}

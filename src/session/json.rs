//! JSON in and out: an object becomes fields, one a member, and fields become an object again.
//!
//! A string becomes the bytes it stands for; any other value is kept as its text, white space outside strings removed
//! and numbers untouched, so that `1e400` and `12345678901234567890` come back as they were written.
//!
//! serde_json judges the grammar. What it has no say in, how deep a value nests and how much of it would be kept, is
//! looked at right before serde_json reads a name or a value ([`Ahead`]), so that no more is read than could be stored.

use super::fields::{Field, FieldsView, Kind};
use super::selection::{Distinct, Selection};
use super::wire::{put_bytes, put_int};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// How deep objects and arrays may nest, the outermost object included.
pub const MAX_DEPTH: usize = 64;

/// How much of a name an error shows.
const SHOWN: usize = 64;

/// What the fields of an object may come to.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The most fields.
    pub max_fields: usize,
    /// The most bytes of names and values together.
    pub max_bytes: usize,
}

/// What the fields of an object came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// How many they are.
    pub count: usize,
    /// Bytes of their names and values together.
    pub size: usize,
}

/// Why an object was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It has more members than there may be fields.
    TooManyFields,
    /// Its names and values are more bytes than there may be.
    TooManyBytes,
    /// It is not what can be taken; the text says why, and where.
    Malformed(String),
}

/// Takes a JSON object apart and appends its members to `out`, as packed fields in their order.
///
/// Members that do not fit into `room` end it as soon as one is met. Where it is refused, `out` is left as it was.
pub fn parse_object(text: &[u8], room: Room, out: &mut Vec<u8>) -> Result<Taken, Refused> {
    // The parser's own words for this would repeat the text, however long.
    let first = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    if text.get(first).is_some_and(|byte| *byte != b'{') {
        return Err(Refused::Malformed("not an object".into()));
    }
    let start = out.len();
    // A member in its packed form is hardly ever longer than its text.
    out.reserve(text.len().min(room.max_bytes));
    let ahead = may_be_too_much(text, room).then_some(Ahead { text, at: first.saturating_add(1) });
    // The text of most is checked for UTF-8 at once, and the parser then has no need to. Of others it is to read, and
    // complain of, no more than it has come to.
    let utf8 = if ahead.is_none() { std::str::from_utf8(text).ok() } else { None };
    let mut members = Members {
        ahead,
        room,
        taken: Taken { count: 0, size: 0 },
        names: Distinct::default(),
        start,
        out,
        refused: None,
    };
    let done = match utf8 {
        Some(text) => members.read(serde_json::Deserializer::from_str(text)),
        None => members.read(serde_json::Deserializer::from_slice(text)),
    };
    let Members { taken, refused, out, .. } = members;
    done.map(|()| taken).map_err(|error| {
        out.truncate(start);
        refused.unwrap_or_else(|| Refused::Malformed(error.to_string()))
    })
}

/// Whether an object could pass the caps, or nest too deep: neither can a text that is short enough and has few enough
/// brackets, which is nearly every text, and found out at a fraction of what reading costs.
fn may_be_too_much(text: &[u8], room: Room) -> bool {
    text.len() > room.max_bytes || count(text, |byte| matches!(byte, b'{' | b'[')) > MAX_DEPTH
}

/// Appends the object whose members are the fields. The error is the name of the field that JSON has no text for: a name
/// or a raw value that is not UTF-8. `out` is then left as it was.
pub fn write_object<'s>(fields: FieldsView<'s>, out: &mut Vec<u8>) -> Result<(), &'s [u8]> {
    // Beside its name and value, a member has a colon, a comma and mostly four quotes, and its entry had two lengths.
    out.reserve(fields.packed().len().saturating_add(fields.len().saturating_mul(4)).saturating_add(2));
    write_members(fields.iter(), out)
}

/// Appends the object of those of the selected fields that are there, in the order in which they were first named, each
/// once. Only these must have a text in JSON; the error is as that of [`write_object`].
pub fn write_selected<'s>(
    fields: FieldsView<'s>,
    selection: &Selection<'_>,
    out: &mut Vec<u8>,
) -> Result<(), &'s [u8]> {
    write_members(selection.present(fields).into_iter().map(|(_, field)| field), out)
}

fn write_members<'s>(fields: impl Iterator<Item = Field<'s>>, out: &mut Vec<u8>) -> Result<(), &'s [u8]> {
    let start = out.len();
    let mut before = b'{';
    for field in fields {
        out.push(before);
        before = b',';
        if write_member(field, out).is_none() {
            out.truncate(start);
            return Err(field.name);
        }
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
    Ok(())
}

fn write_member(field: Field<'_>, out: &mut Vec<u8>) -> Option<()> {
    write_string(field.name, out)?;
    out.push(b':');
    match field.kind {
        Kind::Raw => write_string(field.value, out),
        Kind::Json => {
            out.extend_from_slice(field.value);
            Some(())
        }
    }
}

fn write_string(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !is_plain(bytes) {
        return serde_json::to_writer(out, std::str::from_utf8(bytes).ok()?).ok();
    }
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
    Some(())
}

/// Whether bytes are ASCII text that stands in a JSON string as it is.
fn is_plain(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((eight, more)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        // A byte below a space borrows from its high bit, one that is not ASCII has it set.
        let other = word | word.wrapping_sub(EACH_BYTE.wrapping_mul(0x20)) | quotes_or_backslashes(word);
        if other & HIGH_BITS != 0 {
            return false;
        }
        rest = more;
    }
    rest.iter().all(|byte| matches!(byte, b' '..=0x7f) && !matches!(byte, b'"' | b'\\'))
}

/// Whether `text` is a JSON value as [`parse_object`] keeps one: compact, not too deep, and no string that bytes stand
/// for.
pub fn is_canonical(text: &[u8]) -> bool {
    match text {
        b"true" | b"false" | b"null" => true,
        [b'1'..=b'9', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => true,
        [b'"', .., b'"'] => text.contains(&b'\\') && is_json(text) && serde_json::from_slice::<String>(text).is_err(),
        [b'{' | b'[', ..] => {
            let mut ahead = Ahead { text, at: 0 };
            ahead.nested(usize::MAX) == Ok(0) && ahead.at == text.len() && is_json(text)
        }
        _ => !text.iter().any(|byte| is_space(*byte) || *byte == b'"') && is_json(text),
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// How many bytes of the text are such ones.
fn count(text: &[u8], is_one: impl Fn(u8) -> bool) -> usize {
    // Sums that stay below 256 the compiler makes of many bytes at once.
    let of_part = |part: &[u8]| part.iter().fold(0u8, |sum, byte| sum.wrapping_add(u8::from(is_one(*byte))));
    text.chunks(128).map(|part| usize::from(of_part(part))).sum()
}

/// Looks ahead of the parser, at what it is about to read: nothing there is known to be JSON. What is not, the parser will
/// refuse in its own words, so that here it may count as anything.
struct Ahead<'t> {
    text: &'t [u8],
    at: usize,
}

impl Ahead<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn pass(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    /// Passes white space and the punctuation that the parser has read already.
    fn pass_to_next(&mut self, punctuation: u8) {
        while self.peek().is_some_and(|byte| is_space(byte) || byte == punctuation) {
            self.pass(1);
        }
    }

    /// Passes a value. It is refused as soon as more than `most` bytes of it would be kept.
    fn value(&mut self, most: usize) -> Result<(), Refused> {
        match self.peek() {
            Some(b'"') => self.string(most),
            Some(b'{' | b'[') => self.nested(most).map(drop),
            _ => self.word(most),
        }
    }

    /// Passes a string that stands for `most` bytes at most.
    fn string(&mut self, most: usize) -> Result<(), Refused> {
        self.pass(1);
        let mut left = most;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            // One byte more than may be there shows that it is too long.
            let window = rest.get(..left.saturating_add(1)).unwrap_or(rest);
            let run = quote_or_escape(window);
            left = left.checked_sub(run).ok_or(Refused::TooManyBytes)?;
            self.pass(run.saturating_add(1));
            match rest.get(run) {
                Some(b'\\') => {
                    let (bytes, stands_for) = escape(rest.get(run..).unwrap_or_default());
                    left = left.checked_sub(stands_for).ok_or(Refused::TooManyBytes)?;
                    self.pass(bytes.saturating_sub(1));
                }
                _ => return Ok(()),
            }
        }
    }

    /// Passes an object or array that is a value in an object. How much white space is in it, outside strings.
    fn nested(&mut self, most: usize) -> Result<usize, Refused> {
        let (start, mut depth, mut spaces) = (self.at, 1usize, 0usize);
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string(most)?;
                    continue;
                }
                b'{' | b'[' if depth == MAX_DEPTH => {
                    return Err(Refused::Malformed(format!("nesting deeper than {MAX_DEPTH} at byte {}", self.at)));
                }
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => depth = depth.saturating_sub(1),
                b' ' | b'\t' | b'\n' | b'\r' => spaces = spaces.saturating_add(1),
                _ => {}
            }
            self.at = self.at.saturating_add(1);
            if self.at.saturating_sub(start).saturating_sub(spaces) > most {
                return Err(Refused::TooManyBytes);
            }
            if depth == 1 {
                break;
            }
        }
        Ok(spaces)
    }

    /// Passes a number, `true`, `false` or `null`.
    fn word(&mut self, most: usize) -> Result<(), Refused> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let window = rest.get(..most.saturating_add(1)).unwrap_or(rest);
        let ends = |byte: &u8| is_space(*byte) || matches!(byte, b',' | b'}' | b']');
        let len = window.iter().position(ends).unwrap_or(window.len());
        self.pass(len);
        if len > most {
            return Err(Refused::TooManyBytes);
        }
        Ok(())
    }
}

/// How many bytes come before the first quote or backslash.
fn quote_or_escape(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((eight, more)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let found = quotes_or_backslashes(word);
        if found != 0 {
            let passed = bytes.len().saturating_sub(rest.len());
            return passed.saturating_add(found.trailing_zeros() as usize / 8);
        }
        rest = more;
    }
    let passed = bytes.len().saturating_sub(rest.len());
    let tail = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
    passed.saturating_add(tail)
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = EACH_BYTE.wrapping_mul(0x80);

/// The high bit of each byte that is a quote or a backslash; those above the first such byte may be wrong.
fn quotes_or_backslashes(eight: u64) -> u64 {
    let zeros = |word: u64| word.wrapping_sub(EACH_BYTE) & !word & HIGH_BITS;
    zeros(eight ^ EACH_BYTE.wrapping_mul(0x22)) | zeros(eight ^ EACH_BYTE.wrapping_mul(0x5c))
}

/// How many bytes an escape has, and how many it stands for (half of a pair of surrogates: for half of their four).
fn escape(text: &[u8]) -> (usize, usize) {
    match text {
        [_, b'u', b'0', b'0', b'0'..=b'7', ..] => (6, 1),
        [_, b'u', b'0', b'0'..=b'7', ..] | [_, b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => {
            (6, 2)
        }
        [_, b'u', ..] => (6, 3),
        _ => (2, 1),
    }
}

/// The members of an object while they are read.
struct Members<'t, 'o> {
    /// Nothing where there is no need to look ahead.
    ahead: Option<Ahead<'t>>,
    room: Room,
    taken: Taken,
    names: Distinct,
    /// Where they begin in `out`.
    start: usize,
    out: &'o mut Vec<u8>,
    /// Why it ends here, where that is not the parser's to say.
    refused: Option<Refused>,
}

impl<'t> Members<'t, '_> {
    fn read<R: serde_json::de::Read<'t>>(&mut self, mut json: serde_json::Deserializer<R>) -> serde_json::Result<()> {
        json.deserialize_map(&mut *self)?;
        json.end()
    }

    fn left(&self) -> usize {
        self.room.max_bytes.saturating_sub(self.taken.size)
    }

    /// Counts bytes that will be kept.
    fn take(&mut self, bytes: usize) -> Result<(), Refused> {
        if bytes > self.left() {
            return Err(Refused::TooManyBytes);
        }
        self.taken.size = self.taken.size.saturating_add(bytes);
        Ok(())
    }

    /// Looks at the name that the parser is about to read.
    fn before_name(&mut self) -> Result<(), Refused> {
        if self.taken.count >= self.room.max_fields {
            return Err(Refused::TooManyFields);
        }
        let left = self.left();
        let Some(ahead) = &mut self.ahead else { return Ok(()) };
        ahead.pass_to_next(b',');
        ahead.string(left)
    }

    /// Looks at the value that the parser is about to read.
    fn before_value(&mut self) -> Result<(), Refused> {
        let left = self.left();
        let Some(ahead) = &mut self.ahead else { return Ok(()) };
        ahead.pass_to_next(b':');
        ahead.value(left)
    }

    fn push_name(&mut self, name: &[u8]) -> Result<(), Refused> {
        self.take(name.len())?;
        self.taken.count = self.taken.count.saturating_add(1);
        put_bytes(self.out, name);
        Ok(())
    }

    fn push_value(&mut self, text: &str) -> Result<(), Refused> {
        match text.as_bytes() {
            [b'"', string @ .., b'"'] if !string.contains(&b'\\') => self.push_raw(string),
            [b'"', ..] => match serde_json::Deserializer::from_str(text).deserialize_str(Unescaped(self)) {
                Ok(pushed) => pushed,
                // A lone surrogate is in it, which no bytes stand for.
                Err(_) => self.push_json(text),
            },
            [b'{' | b'[', ..] if count(text.as_bytes(), is_space) > 0 => self.push_compact(text),
            _ => self.push_json(text),
        }
    }

    fn push_raw(&mut self, value: &[u8]) -> Result<(), Refused> {
        self.take(value.len())?;
        self.put_tagged_len(value.len(), Kind::Raw);
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn push_json(&mut self, text: &str) -> Result<(), Refused> {
        self.take(text.len())?;
        self.put_tagged_len(text.len(), Kind::Json);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Pushes JSON without its white space outside strings.
    fn push_compact(&mut self, text: &str) -> Result<(), Refused> {
        let start = self.out.len();
        compact(text.as_bytes(), self.out);
        let end = self.out.len();
        let len = end.saturating_sub(start);
        self.take(len)?;
        // The length is known only now. It is put behind the value, and then the two change places.
        self.put_tagged_len(len, Kind::Json);
        let len_of_len = self.out.len().saturating_sub(end);
        self.out.get_mut(start..).into_iter().for_each(|entry| entry.rotate_right(len_of_len));
        Ok(())
    }

    /// What stands before a value in a packed entry.
    fn put_tagged_len(&mut self, len: usize, kind: Kind) {
        put_int(self.out, (len as u64).saturating_mul(2) | u64::from(kind == Kind::Json));
    }

    /// Keeps the reason, and stops the parser.
    fn stop<E: de::Error>(&mut self, refused: Refused) -> E {
        self.refused = Some(refused);
        E::custom("refused")
    }
}

/// Appends the text without white space outside strings.
fn compact(text: &[u8], out: &mut Vec<u8>) {
    let mut ahead = Ahead { text, at: 0 };
    while let Some(byte) = ahead.peek() {
        let start = ahead.at;
        if byte == b'"' {
            // As long as the text is, it cannot be too long.
            let _ = ahead.string(text.len());
            out.extend_from_slice(text.get(start..ahead.at).unwrap_or_default());
        } else {
            ahead.at = start.saturating_add(1);
            if !is_space(byte) {
                out.push(byte);
            }
        }
    }
}

impl<'de> Visitor<'de> for &mut Members<'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Name(self))?.is_some() {
            map.next_value_seed(Value(self))?;
        }
        Ok(())
    }
}

/// A member's name: checked as it is read, so that an error says where it stands.
struct Name<'m, 't, 'o>(&'m mut Members<'t, 'o>);

impl<'de> DeserializeSeed<'de> for Name<'_, 'de, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        self.0.before_name().map_err(|refused| self.0.stop(refused))?;
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<(), E> {
        let members = self.0;
        let packed = members.out.get(members.start..).unwrap_or_default();
        if !members.names.is_new(packed, name.as_bytes()) {
            let shown: String = name.chars().take(SHOWN).collect();
            return Err(E::custom(format_args!("duplicate member {shown:?}")));
        }
        members.push_name(name.as_bytes()).map_err(|refused| members.stop(refused))
    }
}

/// A member's value.
struct Value<'m, 't, 'o>(&'m mut Members<'t, 'o>);

impl<'de> DeserializeSeed<'de> for Value<'_, 'de, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        self.0.before_value().map_err(|refused| self.0.stop(refused))?;
        let value = <&RawValue>::deserialize(json)?;
        self.0.push_value(value.get()).map_err(|refused| self.0.stop(refused))
    }
}

/// The bytes that a string stands for.
struct Unescaped<'m, 't, 'o>(&'m mut Members<'t, 'o>);

impl<'de> Visitor<'de> for Unescaped<'_, '_, '_> {
    type Value = Result<(), Refused>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, string: &str) -> Result<Self::Value, E> {
        Ok(self.0.push_raw(string.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fields::{Fields, FieldsView};
    use proptest::prelude::*;
    use std::collections::HashSet;

    const ROOM: Room = Room { max_fields: 1 << 16, max_bytes: 64 << 20 };

    /// The fields of an object that is taken.
    struct Parsed {
        taken: Taken,
        packed: Vec<u8>,
    }

    impl Parsed {
        fn of(text: &[u8], room: Room) -> Result<Self, Refused> {
            let mut packed = b"before".to_vec();
            let taken = parse_object(text, room, &mut packed);
            assert!(taken.is_ok() || packed == b"before", "out changed");
            Ok(Parsed { taken: taken?, packed: packed.split_off(6) })
        }

        fn view(&self) -> FieldsView<'_> {
            let view = FieldsView::decode(self.taken.count as u64, &self.packed).unwrap();
            assert_eq!(view.size(), self.taken.size);
            view
        }
    }

    fn written(fields: FieldsView<'_>) -> Vec<u8> {
        let mut out = b"before".to_vec();
        write_object(fields, &mut out).unwrap();
        assert_eq!(out.get(..6), Some(&b"before"[..]));
        out.split_off(6)
    }

    fn back(text: &str) -> String {
        String::from_utf8(written(Parsed::of(text.as_bytes(), ROOM).unwrap().view())).unwrap()
    }

    fn refused_in(text: &str, room: Room) -> Refused {
        Parsed::of(text.as_bytes(), room).err().unwrap()
    }

    fn refused(text: &str) -> String {
        match refused_in(text, ROOM) {
            Refused::Malformed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// What the fields of an object are, as serde_json sees it and with nothing in mind but to be plain.
    fn model(text: &str) -> Vec<(String, Vec<u8>, Kind)> {
        let compact = |text: &str| {
            let (mut kept, mut in_string, mut escaped) = (Vec::new(), false, false);
            for &byte in text.as_bytes() {
                if in_string || !byte.is_ascii_whitespace() {
                    kept.push(byte);
                }
                let quote = byte == b'"' && !escaped;
                escaped = in_string && byte == b'\\' && !escaped;
                in_string ^= quote;
            }
            kept
        };
        let members: Vec<(String, Box<RawValue>)> = serde_json::from_str::<Pairs>(text).unwrap().0;
        let field = |(name, value): (String, Box<RawValue>)| match serde_json::from_str::<String>(value.get()) {
            Ok(string) => (name, string.into_bytes(), Kind::Raw),
            Err(_) => (name, compact(value.get()), Kind::Json),
        };
        members.into_iter().map(field).collect()
    }

    /// The members of an object in their order.
    struct Pairs(Vec<(String, Box<RawValue>)>);

    impl<'de> Deserialize<'de> for Pairs {
        fn deserialize<D: de::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
            struct All;
            impl<'de> Visitor<'de> for All {
                type Value = Pairs;
                fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(Pairs(pairs))
                }
            }
            json.deserialize_map(All)
        }
    }

    #[test]
    fn numbers_order_and_text_stay_as_written() {
        for text in [
            "{}",
            r#"{"z":1e400,"a":0.10,"m":12345678901234567890,"n":-0}"#,
            r#"{"cart":{"b":[1,2,{"c":null}],"a":"x y"},"ok":true}"#,
            r#"{"lone":"\ud800","e":"","":1}"#,
            r#"{"quote":"a\"b\\","list":["\"]"," ","\\"]}"#,
        ] {
            assert_eq!(back(text), text);
        }
        assert_eq!(
            back(" { \"a\" : [ 1 , \" b c \\\" \" ] ,\n\t\"b\":\"\\u00e9\" } "),
            r#"{"a":[1," b c \" "],"b":"é"}"#
        );
    }

    #[test]
    fn strings_become_their_bytes_and_the_rest_stays_text() {
        let parsed = Parsed::of(br#"{"name":"Ann","n":1,"s":"1","u":"\ud800","e":"\u00e9\n"}"#, ROOM).unwrap();
        let kinds: Vec<_> = parsed.view().iter().map(|f| (f.value, f.kind)).collect();
        let lone = &br#""\ud800""#[..];
        let expected: [(&[u8], Kind); 5] = [
            (b"Ann", Kind::Raw),
            (b"1", Kind::Json),
            (b"1", Kind::Raw),
            (lone, Kind::Json),
            ("é\n".as_bytes(), Kind::Raw),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn what_is_refused_says_where() {
        for text in ["[1]", " \"text\"", "7", "nul", &"[".repeat(1_000_000)] {
            assert_eq!(refused(text), "not an object");
        }
        let long = "n".repeat(1000);
        assert!(refused(&format!("{{\"{long}\":1,\"{long}\":2}}")).len() < 120);
        assert!(refused(r#"{"a":1,"b":2,"a":3}"#).starts_with("duplicate member \"a\" at line 1 column 16"));
        assert!(refused(r#"{"a":1,"b":2,"\u0061":3}"#).starts_with("duplicate member \"a\" at line 1 column 21"));
        assert!(refused(r#"{"a":1} x"#).contains("trailing characters at line 1 column 9"));
        assert!(refused(r#"{"a":}"#).contains("line 1 column 6"));
        assert!(refused("").contains("EOF"));
        assert!(refused(r#"{"\ud800":1}"#).contains("line 1"));
        assert!(Parsed::of(b"{\"a\":\"\xff\"}", ROOM).is_err());
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(Parsed::of(deep(63).as_bytes(), ROOM).is_ok());
        assert_eq!(refused(&deep(64)), "nesting deeper than 64 at byte 68");
        assert_eq!(refused(&deep(1_000_000)), "nesting deeper than 64 at byte 68");
        assert!(refused(&format!("{{\"a\":\"{}", "x".repeat(1_000_000))).len() < 120);
    }

    #[test]
    fn the_caps_are_exact() {
        let room = |max_fields, max_bytes| Room { max_fields, max_bytes };
        // A text, its fields, and their bytes.
        for (text, fields, bytes) in [
            ("{}", 0, 0),
            (r#"{"":""}"#, 1, 0),
            (r#"{"ab":"cde","f":12}"#, 2, 8),
            (r#"{"ab":[ 1 , 2 ],"c":{"d" : "e f"}}"#, 2, 19),
            (r#"{"\u00e9":"\u0041\u0080\u0800\ud83d\ude00\n"}"#, 1, 13),
            (r#"{"a":"\ud800","b":true}"#, 2, 14),
        ] {
            let taken = Taken { count: fields, size: bytes };
            assert_eq!(Parsed::of(text.as_bytes(), room(fields, bytes)).unwrap().taken, taken, "{text}");
            if fields > 0 {
                assert_eq!(refused_in(text, room(fields - 1, bytes)), Refused::TooManyFields, "{text}");
            }
            if bytes > 0 {
                assert_eq!(refused_in(text, room(fields, bytes - 1)), Refused::TooManyBytes, "{text}");
            }
        }
    }

    #[test]
    fn it_is_refused_as_soon_as_a_cap_is_passed() {
        // What follows is no JSON: whoever read on would say so.
        let room = Room { max_fields: 3, max_bytes: 20 };
        assert_eq!(refused_in(r#"{"a":1,"b":2,"c":3,"d"!"#, room), Refused::TooManyFields);
        for text in [
            r#"{"a":"12345678901234567890!"#,
            r#"{"a":"1234567890\n123456789012345678!"#,
            r#"{"a":12345678901234567890!"#,
            r#"{"a": [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, "!"#,
            r#"{"a":["12345678901234567890!"#,
            r#"{"123456789012345678901!"#,
            r#"{"a":"1234567890","b":"123456789!"#,
        ] {
            assert_eq!(refused_in(text, room), Refused::TooManyBytes, "{text}");
        }
        // No more than the caps is held, however long the text is.
        let mut out = Vec::new();
        let long = format!("{{\"a\":\"\\n{}\"}}", "x".repeat(10 << 20));
        assert!(parse_object(long.as_bytes(), room, &mut out).is_err());
        assert!(out.capacity() < 1000);
    }

    #[test]
    fn what_is_not_utf8_is_named() {
        let mut out = b"before".to_vec();
        let fields = Fields::of(&[Field::raw(b"ok", b"v"), Field::raw(b"bad", b"\xff")]);
        assert_eq!(write_object(fields.view(), &mut out), Err(&b"bad"[..]));
        let other = Fields::of(&[Field::raw(b"\xfe", b"v")]);
        assert_eq!(write_object(other.view(), &mut out), Err(&b"\xfe"[..]));
        assert_eq!(out, b"before");
        // Of some fields, the others may be anything.
        let ok = Selection::of(vec![b"ok", b"none", b"ok"]);
        assert_eq!(write_selected(fields.view(), &ok, &mut out), Ok(()));
        assert_eq!(out, br#"before{"ok":"v"}"#);
        let both = Selection::of(vec![b"ok", b"bad"]);
        assert_eq!(write_selected(fields.view(), &both, &mut out), Err(&b"bad"[..]));
    }

    #[test]
    fn selected_fields_come_in_the_order_in_which_they_were_named() {
        let parsed = Parsed::of(br#"{"a":1,"b":"5","c":[2]}"#, ROOM).unwrap();
        for (names, object) in [
            (&["c", "x", "a", "c"][..], r#"{"c":[2],"a":1}"#),
            (&["b"], r#"{"b":"5"}"#),
            (&["x"], "{}"),
            (&["c", "b", "a"], r#"{"c":[2],"b":"5","a":1}"#),
        ] {
            let mut out = Vec::new();
            let selection = Selection::of(names.iter().map(|name| name.as_bytes()).collect());
            assert_eq!(write_selected(parsed.view(), &selection, &mut out), Ok(()));
            assert_eq!(String::from_utf8(out).unwrap(), object);
        }
    }

    #[test]
    fn only_what_would_be_kept_is_canonical() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        for text in ["0", "-0", "12", "1e400", "-1.50", "true", "[]", "{}", r#"{"a":" "}"#, r#""\ud800""#, &deep(63)] {
            assert!(is_canonical(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            " ",
            " 1",
            "1 ",
            "01",
            "+1",
            "1x",
            "[1, 2]",
            "[1] ",
            "\n{}",
            "{}{}",
            "[}",
            "[1,]",
            "tru",
            "\"",
            "\"a\"",
            "\"\\n\"",
            " \"\\ud800\"",
            "\"\\ud800\" ",
            "\"\\ud800\"\"\\ud800\"",
            "[\"]",
            "1,2",
            &deep(64),
        ] {
            assert!(!is_canonical(text.as_bytes()), "{text}");
        }
        assert!(!is_canonical(b"[\"\xff\"]"));
        assert!(!is_canonical(b"\"\xff\\ud800\""));
    }

    /// A string in JSON, of plain text, escapes and the odd lone surrogate.
    fn string() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[ a-z\\]\\[{}:,0-9]{0,12}",
            2 => "[é€😀]{1,3}",
            2 => prop::sample::select(vec!["\\\"", "\\\\", "\\n", "\\/", "\\u0041", "\\u00e9", "\\u0800", "\\ud83d\\ude00", "\\u0000"])
                .prop_map(String::from),
            1 => prop::sample::select(vec!["\\ud800", "\\uDFFF"]).prop_map(String::from),
        ];
        prop::collection::vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    fn value() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec!["0", "-0.5", "1e400", "12345678901234567890", "true", "false", "null"]);
        prop_oneof![word.prop_map(String::from), string()].prop_recursive(4, 24, 5, |inner| {
            let space = || prop::sample::select(vec!["", "", " ", "\n\t"]);
            let member = (string(), space(), inner.clone(), space()).prop_map(|(n, a, v, b)| format!("{n}{a}:{b}{v}"));
            prop_oneof![
                (prop::collection::vec(inner, 0..5), space())
                    .prop_map(|(v, s)| format!("[{s}{}{s}]", v.join(&format!("{s},")))),
                (prop::collection::vec(member, 0..5), space())
                    .prop_map(|(v, s)| format!("{{{}{s}}}", v.join(&format!(",{s}")))),
            ]
        })
    }

    /// The text of an object, whose members may share a name or have one that is not Unicode.
    fn object() -> impl Strategy<Value = String> {
        let space = || prop::sample::select(vec!["", "", " ", "\r\n "]);
        let member = (string(), space(), value()).prop_map(|(name, s, value)| format!("{s}{name}{s}:{s}{value}"));
        prop::collection::vec(member, 0..25).prop_map(|members| format!(" {{{}}} ", members.join(" ,")))
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(text in prop::collection::vec(any::<u8>(), 0..60), most in 0usize..70) {
            for room in [ROOM, Room { max_fields: 2, max_bytes: most }] {
                let _ = Parsed::of(&text, room);
            }
            let _ = is_canonical(&text);
        }

        #[test]
        fn json_like_text_is_taken_or_refused(text in "[{}\\[\\]\":,ae0-3 \\\\u.d8]{0,40}", most in 0usize..40) {
            let text = format!("{{\"{text}");
            if let Ok(parsed) = Parsed::of(text.as_bytes(), ROOM) {
                let once = written(parsed.view());
                prop_assert_eq!(Parsed::of(&once, ROOM).unwrap().packed, parsed.packed);
            }
            let _ = Parsed::of(text.as_bytes(), Room { max_fields: 2, max_bytes: most });
            // The model finds what is canonical in what is kept of it.
            let value = text.get(1..).unwrap_or_default();
            let kept = serde_json::from_str::<&RawValue>(value).is_ok()
                && matches!(&model(&format!("{{\"a\":{value}}}"))[..], [(_, kept, Kind::Json)] if kept == value.as_bytes());
            prop_assert_eq!(is_canonical(value.as_bytes()), kept);
        }

        #[test]
        fn an_object_becomes_the_fields_of_the_model_within_exactly_its_caps(text in object()) {
            let Ok(pairs) = serde_json::from_str::<Pairs>(&text) else {
                prop_assert!(matches!(refused_in(&text, ROOM), Refused::Malformed(_)));
                return Ok(());
            };
            let mut names = HashSet::new();
            if !pairs.0.iter().all(|(name, _)| names.insert(name.as_str())) {
                prop_assert!(refused(&text).starts_with("duplicate member"));
                return Ok(());
            }
            let parsed = Parsed::of(text.as_bytes(), ROOM).unwrap();
            let model = model(&text);
            let found: Vec<_> = parsed.view().iter().map(|f| (f.name.to_vec(), f.value.to_vec(), f.kind)).collect();
            let expected: Vec<_> = model.into_iter().map(|(name, value, kind)| (name.into_bytes(), value, kind)).collect();
            prop_assert_eq!(found, expected);
            // Written and read again, it is the same; and every value that is JSON is canonical, which `view` asked.
            let once = written(parsed.view());
            prop_assert_eq!(&Parsed::of(&once, ROOM).unwrap().packed, &parsed.packed);
            prop_assert_eq!(written(Parsed::of(&once, ROOM).unwrap().view()), once);
            let Taken { count, size } = parsed.taken;
            let room = Room { max_fields: count, max_bytes: size };
            prop_assert_eq!(Parsed::of(text.as_bytes(), room).unwrap().packed, parsed.packed);
            if count > 0 {
                prop_assert_eq!(refused_in(&text, Room { max_fields: count - 1, ..room }), Refused::TooManyFields);
            }
            if size > 0 {
                prop_assert_eq!(refused_in(&text, Room { max_bytes: size - 1, ..room }), Refused::TooManyBytes);
            }
        }

        #[test]
        fn what_was_written_is_read_back(fields in prop::collection::vec((".{0,20}", ".{0,40}"), 0..30)) {
            let fields: Vec<Field> = fields.iter().map(|(n, v)| Field::raw(n.as_bytes(), v.as_bytes())).collect();
            let fields = Fields::of(&fields);
            let text = written(fields.view());
            prop_assert_eq!(Parsed::of(&text, ROOM).unwrap().packed, fields.view().packed());
        }

        #[test]
        fn text_is_plain_where_serde_json_writes_it_as_it_is(text in prop_oneof![".{0,20}", "[ -~]{0,20}", "[ -!#-\\[\\]-~]{0,30}"]) {
            let plain = serde_json::to_string(&text).unwrap() == format!("\"{text}\"") && text.is_ascii();
            prop_assert_eq!(is_plain(text.as_bytes()), plain);
        }
    }

    /// Prints what a typical session object costs: `cargo test --release --lib -- --ignored --nocapture typical`.
    #[test]
    #[ignore = "prints times, which only a release build has to tell"]
    fn how_long_a_typical_object_takes() {
        let object = concat!(
            r#"{"_auth_user_id":"48213","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","#,
            r#""_auth_user_hash":"9f2c4b8e1d7a3f605c8e2b9d4a7f1e3c6b0d5a8f2e9c7b41","locale":"en-GB","theme":"dark","#,
            r#""csrf_token":"Xk29sLq8Vb3nTz7YwRf4Pm6Hj1Dc5Ga0","last_login":"2026-02-14T09:31:07.442Z","visits":217,"#,
            r#""ip":"203.0.113.42","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 "#,
            r#"(KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36","admin":false,"display_name":"Ann Müller","#,
            r#""cart":{"items":[{"sku":"A-1042","qty":2,"price":19.9},{"sku":"B-77","qty":1,"price":5.25}],"#,
            r#""currency":"GBP","coupon":null},"flash":["Welcome back, Ann","Your order was \"shipped\""]}"#
        );
        let time = |what: &str, step: &mut dyn FnMut()| {
            let batch = |step: &mut dyn FnMut()| {
                let start = std::time::Instant::now();
                (0..2000).for_each(|_| step());
                start.elapsed().as_nanos() / 2000
            };
            let best = (0..50).map(|_| batch(step)).min();
            println!("{what} of {} bytes: {} ns", object.len(), best.unwrap());
        };
        let mut out = Vec::new();
        time("parse", &mut || {
            out.clear();
            assert!(parse_object(std::hint::black_box(object.as_bytes()), ROOM, &mut out).is_ok());
        });
        let parsed = Parsed::of(object.as_bytes(), ROOM).unwrap();
        let view = parsed.view();
        time("write", &mut || {
            out.clear();
            assert!(write_object(std::hint::black_box(view), &mut out).is_ok());
        });
        time("decode", &mut || {
            assert!(FieldsView::decode(view.len() as u64, std::hint::black_box(view.packed())).is_some());
        });
    }
}

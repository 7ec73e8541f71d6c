//! JSON in and out: an object becomes fields, one a member, and fields become an object again.
//!
//! A string becomes the bytes it stands for; any other value is kept as its text, white space outside strings removed
//! and numbers untouched, so that `1e400` and `12345678901234567890` come back as they were written.

use super::fields::{Field, FieldsView, Kind};
use serde::de::{self, DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt;

/// How deep objects and arrays may nest, the outermost object included.
pub const MAX_DEPTH: usize = 64;

/// How much of a name an error shows.
const SHOWN: usize = 64;

/// A member of an object, as a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The member's name.
    pub name: String,
    /// The bytes of a string, or the text of any other value.
    pub value: Vec<u8>,
    /// Which of the two.
    pub kind: Kind,
}

impl Member {
    /// The field that it becomes.
    pub fn field(&self) -> Field<'_> {
        Field { name: self.name.as_bytes(), value: &self.value, kind: self.kind }
    }
}

/// Takes a JSON object apart, in the order of its members. The error says what is wrong, and where.
pub fn parse_object(text: &[u8]) -> Result<Vec<Member>, String> {
    if let Some(at) = too_deep(text, MAX_DEPTH) {
        return Err(format!("nesting deeper than {MAX_DEPTH} at byte {at}"));
    }
    // The parser's own words for this would repeat the text, however long.
    if text.iter().find(|byte| !is_space(**byte)).is_some_and(|first| *first != b'{') {
        return Err("not an object".into());
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let members = json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
    members.map_err(|e| e.to_string())
}

/// The object whose members are the fields. The error is the name of the field that JSON has no text for: a name or a
/// raw value that is not UTF-8.
pub fn write_object<'a>(fields: FieldsView<'a>) -> Result<Vec<u8>, &'a [u8]> {
    let mut out = Vec::with_capacity(fields.packed().len().saturating_mul(2).saturating_add(2));
    out.push(b'{');
    for field in fields.iter() {
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&mut out, field.name).ok_or(field.name)?;
        out.push(b':');
        match field.kind {
            Kind::Json => out.extend_from_slice(field.value),
            Kind::Raw => write_string(&mut out, field.value).ok_or(field.name)?,
        }
    }
    out.push(b'}');
    Ok(out)
}

/// Whether `text` is a JSON value as [`parse_object`] keeps it.
pub fn is_canonical(text: &[u8]) -> bool {
    let inner = MAX_DEPTH.saturating_sub(1);
    too_deep(text, inner).is_none()
        && !Outside::of(text).any(|(_, byte)| is_space(byte))
        && serde_json::from_slice::<&RawValue>(text).is_ok()
}

fn write_string(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    serde_json::to_writer(out, std::str::from_utf8(bytes).ok()?).ok()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where `text` first nests deeper than `most`. (The parser's own limit does not hold for values kept as text.)
fn too_deep(text: &[u8], most: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in Outside::of(text) {
        match byte {
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return Some(at);
        }
    }
    None
}

/// The bytes of a JSON text that are not inside a string, with their places.
struct Outside<'a> {
    bytes: std::iter::Enumerate<std::slice::Iter<'a, u8>>,
    in_string: bool,
}

impl<'a> Outside<'a> {
    fn of(text: &'a [u8]) -> Self {
        Outside { bytes: text.iter().enumerate(), in_string: false }
    }
}

impl Iterator for Outside<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        loop {
            let (at, &byte) = self.bytes.next()?;
            match (self.in_string, byte) {
                (true, b'\\') => {
                    self.bytes.next();
                }
                (_, b'"') => {
                    self.in_string = !self.in_string;
                    return Some((at, byte));
                }
                (true, _) => {}
                (false, _) => return Some((at, byte)),
            }
        }
    }
}

/// The text without white space outside strings.
fn compact(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text.as_bytes() {
        if in_string || !is_space(byte) {
            out.push(byte);
        }
        if escaped {
            escaped = false;
        } else if byte == b'"' {
            in_string = !in_string;
        } else {
            escaped = in_string && byte == b'\\';
        }
    }
    out
}

/// A value as a field keeps it.
fn value(text: &str) -> (Vec<u8>, Kind) {
    match serde_json::from_str::<String>(text) {
        Ok(string) => (string.into_bytes(), Kind::Raw),
        // Not a string, or one with a lone surrogate, which no bytes stand for.
        Err(_) => (compact(text), Kind::Json),
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Member>, A::Error> {
        let (mut members, mut names) = (Vec::new(), HashSet::new());
        while let Some(name) = map.next_key_seed(NewName(&mut names))? {
            let text: &RawValue = map.next_value()?;
            let (value, kind) = value(text.get());
            members.push(Member { name, value, kind });
        }
        Ok(members)
    }
}

/// A member's name that has not come before: checked as it is read, so that the error says where it stands.
struct NewName<'s>(&'s mut HashSet<String>);

impl<'de> DeserializeSeed<'de> for NewName<'_> {
    type Value = String;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<String, D::Error> {
        let name: String = de::Deserialize::deserialize(d)?;
        if self.0.insert(name.clone()) {
            Ok(name)
        } else {
            let shown: String = name.chars().take(SHOWN).collect();
            Err(de::Error::custom(format_args!("duplicate member {shown:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fields::Fields;
    use proptest::prelude::*;

    fn back(text: &str) -> String {
        let members = parse_object(text.as_bytes()).unwrap();
        let fields: Vec<Field> = members.iter().map(Member::field).collect();
        let fields = Fields::of(&fields);
        assert!(FieldsView::decode(fields.view().len() as u64, fields.view().packed()).is_some());
        String::from_utf8(write_object(fields.view()).unwrap()).unwrap()
    }

    fn refused(text: &str) -> String {
        parse_object(text.as_bytes()).unwrap_err()
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
        let members = parse_object(br#"{"name":"Ann","n":1,"s":"1","u":"\ud800"}"#).unwrap();
        let kinds: Vec<_> = members.iter().map(|m| (m.value.as_slice(), m.kind)).collect();
        assert_eq!(
            kinds,
            [(&b"Ann"[..], Kind::Raw), (b"1", Kind::Json), (b"1", Kind::Raw), (br#""\ud800""#, Kind::Json)]
        );
    }

    #[test]
    fn what_is_refused_says_where() {
        for text in ["[1]", " \"text\"", "7", "nul"] {
            assert_eq!(refused(text), "not an object");
        }
        let long = "n".repeat(1000);
        assert!(refused(&format!("{{\"{long}\":1,\"{long}\":2}}")).len() < 120);
        assert!(refused(r#"{"a":1,"b":2,"a":3}"#).starts_with("duplicate member \"a\" at line 1 column"));
        assert!(refused(r#"{"a":1} x"#).contains("trailing characters at line 1 column 9"));
        assert!(refused(r#"{"a":}"#).contains("line 1 column 6"));
        assert!(refused("").contains("EOF"));
        assert!(refused(r#"{"\ud800":1}"#).contains("line 1"));
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse_object(deep(63).as_bytes()).is_ok());
        assert_eq!(refused(&deep(64)), "nesting deeper than 64 at byte 68");
        assert!(refused(&"[".repeat(1_000_000)).contains("nesting"));
        assert!(refused(&format!("{{\"a\":\"{}", "x".repeat(1_000_000))).len() < 120);
    }

    #[test]
    fn what_is_not_utf8_is_named() {
        let fields = Fields::of(&[Field::raw(b"ok", b"v"), Field::raw(b"bad", b"\xff")]);
        assert_eq!(write_object(fields.view()), Err(&b"bad"[..]));
        let fields = Fields::of(&[Field::raw(b"\xfe", b"v")]);
        assert_eq!(write_object(fields.view()), Err(&b"\xfe"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_object(&text);
            let _ = is_canonical(&text);
        }

        #[test]
        fn json_like_text_is_taken_or_refused(text in "[{}\\[\\]\":,ae0-3 \\\\u.]{0,40}") {
            if let Ok(members) = parse_object(text.as_bytes()) {
                let fields: Vec<Field> = members.iter().map(Member::field).collect();
                let once = write_object(Fields::of(&fields).view()).unwrap();
                prop_assert_eq!(parse_object(&once).unwrap(), members);
            }
        }
    }
}

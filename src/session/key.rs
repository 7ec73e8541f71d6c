//! Keys as the index holds them: most are a prefix and a UUID, 41 bytes of text that are 16 of content.

use super::wire::{int_len, put_bytes, Reader};

type Bytes = Box<[u8]>;

/// Prefixes that are remembered. Applications have a few; keys with further ones are held as they are.
const PREFIXES: usize = 64;

/// The longest prefix that is remembered.
const LONGEST: usize = 64;

/// What stands in a packed list where another key has the number of its prefix.
const OTHER: u8 = u8::MAX;

/// A key; its text, where it needs one, is borrowed or its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key<T> {
    /// The number of a prefix, and a UUID in its usual form.
    Uuid(u8, [u8; 16]),
    /// Any other key.
    Other(T),
}

impl<T: AsRef<[u8]>> Key<T> {
    /// The same, to be read.
    pub fn view(&self) -> Key<&[u8]> {
        match self {
            Key::Uuid(prefix, uuid) => Key::Uuid(*prefix, *uuid),
            Key::Other(text) => Key::Other(text.as_ref()),
        }
    }
}

impl<'a> Key<&'a [u8]> {
    /// A copy of its own.
    pub fn to_owned(self) -> Key<Bytes> {
        match self {
            Key::Uuid(prefix, uuid) => Key::Uuid(prefix, uuid),
            Key::Other(text) => Key::Other(text.into()),
        }
    }

    /// Appends it to a packed list.
    pub fn pack(self, out: &mut Vec<u8>) {
        match self {
            Key::Uuid(prefix, uuid) => {
                out.push(prefix);
                out.extend_from_slice(&uuid);
            }
            Key::Other(text) => {
                out.push(OTHER);
                put_bytes(out, text);
            }
        }
    }

    /// Takes one from a packed list; nothing at its end.
    pub fn unpack(list: &mut Reader<'a>) -> Option<Self> {
        match list.byte()? {
            OTHER => list.bytes().map(Key::Other),
            prefix => Some(Key::Uuid(prefix, list.take(16)?.try_into().ok()?)),
        }
    }

    /// Bytes of text that it holds.
    pub fn text_len(self) -> usize {
        match self {
            Key::Uuid(..) => 0,
            Key::Other(text) => text.len(),
        }
    }

    /// Bytes that it takes in a packed list.
    pub fn packed_len(self) -> usize {
        match self {
            Key::Uuid(..) => 17,
            Key::Other(text) => text.len().saturating_add(int_len(text.len() as u64)).saturating_add(1),
        }
    }
}

/// The prefixes of the keys that were noted, for good.
#[derive(Default, Debug)]
pub struct Prefixes(Vec<Bytes>);

impl Prefixes {
    /// A key, to be held.
    pub fn note<'k>(&mut self, key: &'k [u8]) -> Key<&'k [u8]> {
        match self.parse(key) {
            Some((prefix, uuid)) => Key::Uuid(prefix, uuid),
            None => Key::Other(key),
        }
    }

    fn parse(&mut self, key: &[u8]) -> Option<(u8, [u8; 16])> {
        let (prefix, uuid) = key.split_at_checked(key.len().checked_sub(36)?)?;
        let uuid = parse_uuid(uuid)?;
        let number = match self.0.iter().position(|p| **p == *prefix) {
            Some(known) => known,
            None if self.0.len() < PREFIXES && prefix.len() <= LONGEST => {
                self.0.push(prefix.into());
                self.0.len().checked_sub(1)?
            }
            None => return None,
        };
        Some((u8::try_from(number).ok()?, uuid))
    }

    /// Writes a key out as it was noted.
    pub fn write(&self, key: Key<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        match key {
            Key::Other(text) => out.extend_from_slice(text),
            Key::Uuid(prefix, uuid) => {
                out.extend_from_slice(self.0.get(usize::from(prefix)).map_or(&[], |prefix| prefix));
                let mut text = [0; 36];
                let text = uuid::Uuid::from_bytes_ref(&uuid).as_hyphenated().encode_lower(&mut text);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// A UUID in the one form that it is written in again: lower case, with hyphens.
fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    // All of it at once, which is faster than to stop at the first.
    if text.iter().fold(false, |found, byte| found | byte.is_ascii_uppercase()) {
        return None;
    }
    // Of 36 characters only the hyphenated form is.
    uuid::Uuid::try_parse_ascii(text).ok().map(uuid::Uuid::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_comes_back_as_it_was(
            keys in prop::collection::vec(
                prop_oneof![
                    "[a-c:]{0,3}[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(String::into_bytes),
                    "[0-9a-fA-F{}-]{36}".prop_map(String::into_bytes),
                    prop::collection::vec(any::<u8>(), 0..50),
                ],
                1..200,
            ),
        ) {
            let mut prefixes = Prefixes::default();
            let mut out = Vec::new();
            for key in &keys {
                let noted = prefixes.note(key);
                prefixes.write(noted, &mut out);
                prop_assert_eq!(&out, key);
                prop_assert_eq!(prefixes.note(key), noted, "a key has one form");
                let owned = noted.to_owned();
                prop_assert_eq!(owned.view(), noted);
            }
        }

        #[test]
        fn a_packed_list_is_read_back(keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut list = Vec::new();
            let uuid = Key::Uuid(63, [OTHER; 16]);
            for key in &keys {
                let before = list.len();
                Key::Other(key.as_slice()).pack(&mut list);
                prop_assert_eq!(list.len() - before, Key::Other(key.as_slice()).packed_len());
                uuid.pack(&mut list);
                prop_assert_eq!(list.len() - before, Key::Other(key.as_slice()).packed_len() + uuid.packed_len());
            }
            let mut reader = Reader::new(&list);
            for key in &keys {
                prop_assert_eq!(Key::unpack(&mut reader), Some(Key::Other(key.as_slice())));
                prop_assert_eq!(Key::unpack(&mut reader), Some(uuid));
            }
            prop_assert_eq!(Key::unpack(&mut reader), None);
        }
    }

    #[test]
    fn a_uuid_takes_17_bytes_and_prefixes_are_bounded() {
        let uuid = "8f14e45f-ceea-4a7b-8c1d-0123456789ab";
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.note(format!("sess:{uuid}").as_bytes()).packed_len(), 17);
        assert!(matches!(prefixes.note(uuid.to_uppercase().as_bytes()), Key::Other(_)));
        for i in 0..1000 {
            prefixes.note(format!("{i}:{uuid}").as_bytes());
        }
        assert_eq!(prefixes.0.len(), PREFIXES);
        assert!(matches!(prefixes.note(format!("x:{uuid}").as_bytes()), Key::Other(_)));
        assert!(matches!(prefixes.note(format!("sess:{uuid}").as_bytes()), Key::Uuid(0, _)));
    }
}

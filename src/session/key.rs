//! Keys as the index holds them: most are a prefix and a UUID, 41 bytes of text that are 16 of content; in a cluster a hash
//! tag stands between the two.

use super::wire::{int_len, put_bytes, Reader};

type Bytes = Box<[u8]>;

/// Prefixes that are remembered. Applications have a few; keys with further ones are held as they are.
const PREFIXES: usize = 64;

/// The longest prefix that is remembered.
const LONGEST: usize = 64;

/// What stands in a packed list where another key has the number of its prefix.
const OTHER: u8 = u8::MAX;

/// Added to the number of the prefix where a hash tag follows.
const TAGGED: u8 = 0x80;

/// A key; its text, where it needs one, is borrowed or its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key<T> {
    /// The number of a prefix, and a UUID in its usual form.
    Uuid(u8, [u8; 16]),
    /// The number of a prefix, a hash tag of four characters, and a UUID: what `SESSION.NEW` makes in a cluster.
    Tagged(u8, [u8; 4], [u8; 16]),
    /// Any other key.
    Other(T),
}

impl<T: AsRef<[u8]>> Key<T> {
    /// The same, to be read.
    pub fn view(&self) -> Key<&[u8]> {
        match self {
            Key::Uuid(prefix, uuid) => Key::Uuid(*prefix, *uuid),
            Key::Tagged(prefix, tag, uuid) => Key::Tagged(*prefix, *tag, *uuid),
            Key::Other(text) => Key::Other(text.as_ref()),
        }
    }
}

impl<'a> Key<&'a [u8]> {
    /// A copy of its own.
    pub fn to_owned(self) -> Key<Bytes> {
        match self {
            Key::Uuid(prefix, uuid) => Key::Uuid(prefix, uuid),
            Key::Tagged(prefix, tag, uuid) => Key::Tagged(prefix, tag, uuid),
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
            Key::Tagged(prefix, tag, uuid) => {
                out.push(prefix | TAGGED);
                out.extend_from_slice(&tag);
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
            prefix if prefix & TAGGED == 0 => Some(Key::Uuid(prefix, list.take(16)?.try_into().ok()?)),
            prefix => {
                let tag = list.take(4)?.try_into().ok()?;
                Some(Key::Tagged(prefix & !TAGGED, tag, list.take(16)?.try_into().ok()?))
            }
        }
    }

    /// Bytes of text that it holds.
    pub fn text_len(self) -> usize {
        match self {
            Key::Uuid(..) | Key::Tagged(..) => 0,
            Key::Other(text) => text.len(),
        }
    }

    /// Bytes that it takes in a packed list.
    pub fn packed_len(self) -> usize {
        match self {
            Key::Uuid(..) => 17,
            Key::Tagged(..) => 21,
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
        self.parse(key).unwrap_or(Key::Other(key))
    }

    fn parse<'k>(&mut self, key: &'k [u8]) -> Option<Key<&'k [u8]>> {
        let (start, uuid) = key.split_at_checked(key.len().checked_sub(36)?)?;
        let uuid = parse_uuid(uuid)?;
        Some(match start {
            [prefix @ .., b'{', a, b, c, d, b'}'] => Key::Tagged(self.number(prefix)?, [*a, *b, *c, *d], uuid),
            prefix => Key::Uuid(self.number(prefix)?, uuid),
        })
    }

    /// The number of a prefix; nothing where there is no room to remember it.
    fn number(&mut self, prefix: &[u8]) -> Option<u8> {
        let number = match self.0.iter().position(|p| **p == *prefix) {
            Some(known) => known,
            None if self.0.len() < PREFIXES && prefix.len() <= LONGEST => {
                self.0.push(prefix.into());
                self.0.len().checked_sub(1)?
            }
            None => return None,
        };
        u8::try_from(number).ok()
    }

    /// Writes a key out as it was noted.
    pub fn write(&self, key: Key<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        let (prefix, tag, uuid) = match key {
            Key::Other(text) => return out.extend_from_slice(text),
            Key::Uuid(prefix, uuid) => (prefix, None, uuid),
            Key::Tagged(prefix, tag, uuid) => (prefix, Some(tag), uuid),
        };
        out.extend_from_slice(self.0.get(usize::from(prefix)).map_or(&[], |prefix| prefix));
        if let Some([a, b, c, d]) = tag {
            out.extend_from_slice(&[b'{', a, b, c, d, b'}']);
        }
        let mut text = [0; 36];
        let text = uuid::Uuid::from_bytes_ref(&uuid).as_hyphenated().encode_lower(&mut text);
        out.extend_from_slice(text.as_bytes());
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
                    "[a-c:]{0,2}[{][0-9{}a]{3,5}[}][0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
                        .prop_map(String::into_bytes),
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
            let (uuid, tagged) = (Key::Uuid(63, [OTHER; 16]), Key::Tagged(63, [OTHER; 4], [OTHER; 16]));
            for key in &keys {
                let before = list.len();
                Key::Other(key.as_slice()).pack(&mut list);
                prop_assert_eq!(list.len() - before, Key::Other(key.as_slice()).packed_len());
                uuid.pack(&mut list);
                tagged.pack(&mut list);
                let three = [Key::Other(key.as_slice()), uuid, tagged].map(Key::packed_len);
                prop_assert_eq!(list.len() - before, three.iter().sum::<usize>());
            }
            let mut reader = Reader::new(&list);
            for key in &keys {
                prop_assert_eq!(Key::unpack(&mut reader), Some(Key::Other(key.as_slice())));
                prop_assert_eq!(Key::unpack(&mut reader), Some(uuid));
                prop_assert_eq!(Key::unpack(&mut reader), Some(tagged));
            }
            prop_assert_eq!(Key::unpack(&mut reader), None);
        }
    }

    #[test]
    fn a_uuid_takes_17_bytes_with_a_tag_21_and_prefixes_are_bounded() {
        let uuid = "8f14e45f-ceea-4a7b-8c1d-0123456789ab";
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.note(format!("sess:{uuid}").as_bytes()).packed_len(), 17);
        assert_eq!(prefixes.note(format!("sess:{{k3x9}}{uuid}").as_bytes()).packed_len(), 21);
        assert_eq!(prefixes.0.len(), 1, "one prefix, whatever the tag");
        assert!(matches!(prefixes.note(uuid.to_uppercase().as_bytes()), Key::Other(_)));
        for i in 0..1000 {
            prefixes.note(format!("{i}:{uuid}").as_bytes());
        }
        assert_eq!(prefixes.0.len(), PREFIXES);
        assert!(matches!(prefixes.note(format!("x:{uuid}").as_bytes()), Key::Other(_)));
        assert!(matches!(prefixes.note(format!("sess:{uuid}").as_bytes()), Key::Uuid(0, _)));
    }
}

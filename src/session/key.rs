//! Keys as the index holds them: most are a prefix and a UUID, 41 bytes of text that are 16 of content.

type Bytes = Box<[u8]>;

/// Prefixes that are remembered. Applications have a few; keys with further ones are held as they are.
const PREFIXES: usize = 64;

/// The longest prefix that is remembered.
const LONGEST: usize = 64;

/// A key, in 24 bytes if it is a known prefix and a UUID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// The number of a prefix, and a UUID in its usual form.
    Uuid(u16, [u8; 16]),
    /// Any other key.
    Other(Bytes),
}

impl Key {
    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let text = if let Key::Other(text) = self { text.len() } else { 0 };
        std::mem::size_of::<Key>().saturating_add(text)
    }
}

/// The prefixes of the keys that were noted, for good.
#[derive(Default, Debug)]
pub struct Prefixes(Vec<Bytes>);

impl Prefixes {
    /// A key, to be held.
    pub fn note(&mut self, key: &[u8]) -> Key {
        match self.parse(key) {
            Some((prefix, uuid)) => Key::Uuid(prefix, uuid),
            None => Key::Other(key.into()),
        }
    }

    fn parse(&mut self, key: &[u8]) -> Option<(u16, [u8; 16])> {
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
        Some((u16::try_from(number).ok()?, uuid))
    }

    /// Writes a key out as it was noted.
    pub fn write(&self, key: &Key, out: &mut Vec<u8>) {
        out.clear();
        match key {
            Key::Other(text) => out.extend_from_slice(text),
            Key::Uuid(prefix, uuid) => {
                out.extend_from_slice(self.0.get(usize::from(*prefix)).map_or(&[], |prefix| prefix));
                let mut text = [0; 36];
                let text = uuid::Uuid::from_bytes_ref(uuid).as_hyphenated().encode_lower(&mut text);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// A UUID in the one form that it is written in again: lower case, with hyphens.
fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.iter().any(u8::is_ascii_uppercase) {
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
                prefixes.write(&noted, &mut out);
                prop_assert_eq!(&out, key);
                prop_assert_eq!(&prefixes.note(key), &noted, "a key has one form");
            }
        }
    }

    #[test]
    fn a_uuid_takes_24_bytes_and_prefixes_are_bounded() {
        let uuid = "8f14e45f-ceea-4a7b-8c1d-0123456789ab";
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.note(format!("sess:{uuid}").as_bytes()).memory(), 24);
        assert!(matches!(prefixes.note(uuid.to_uppercase().as_bytes()), Key::Other(_)));
        for i in 0..1000 {
            prefixes.note(format!("{i}:{uuid}").as_bytes());
        }
        assert_eq!(prefixes.0.len(), PREFIXES);
        assert!(matches!(prefixes.note(format!("x:{uuid}").as_bytes()), Key::Other(_)));
        assert!(matches!(prefixes.note(format!("sess:{uuid}").as_bytes()), Key::Uuid(0, _)));
    }
}

//! Keys as the index holds them: most are a prefix and a UUID, 41 bytes of text that are 16 of content; in a cluster a hash
//! tag stands between the two.

use super::wire::{int_len, put_bytes, Reader};
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackedKey<T> {
    /// The number of a prefix, and a UUID in its usual form.
    Uuid(u8, [u8; 16]),
    /// The number of a prefix, a hash tag of four characters, and a UUID: what `SESSION.NEW` makes in a cluster.
    Tagged(u8, [u8; 4], [u8; 16]),
    /// Any other key.
    Other(T),
}

impl<T: AsRef<[u8]>> PackedKey<T> {
    /// The same, to be read.
    pub fn view(&self) -> PackedKey<&[u8]> {
        match self {
            PackedKey::Uuid(prefix, uuid) => PackedKey::Uuid(*prefix, *uuid),
            PackedKey::Tagged(prefix, tag, uuid) => PackedKey::Tagged(*prefix, *tag, *uuid),
            PackedKey::Other(text) => PackedKey::Other(text.as_ref()),
        }
    }
}

impl<'a> PackedKey<&'a [u8]> {
    /// A copy of its own.
    pub fn to_owned(self) -> PackedKey<Bytes> {
        match self {
            PackedKey::Uuid(prefix, uuid) => PackedKey::Uuid(prefix, uuid),
            PackedKey::Tagged(prefix, tag, uuid) => PackedKey::Tagged(prefix, tag, uuid),
            PackedKey::Other(text) => PackedKey::Other(text.into()),
        }
    }

    /// The hash of it.
    pub fn hash(self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        match self {
            PackedKey::Uuid(prefix, uuid) => {
                state.write(&uuid);
                state.write_u8(prefix);
            }
            PackedKey::Tagged(prefix, tag, uuid) => {
                state.write(&uuid);
                state.write(&tag);
                state.write_u8(prefix);
            }
            PackedKey::Other(text) => state.write(text),
        }
        state.finish()
    }

    /// Appends it to a packed list.
    pub fn pack(self, out: &mut Vec<u8>) {
        match self {
            PackedKey::Uuid(prefix, uuid) => {
                out.push(prefix);
                out.extend_from_slice(&uuid);
            }
            PackedKey::Tagged(prefix, tag, uuid) => {
                out.push(prefix | TAGGED);
                out.extend_from_slice(&tag);
                out.extend_from_slice(&uuid);
            }
            PackedKey::Other(text) => {
                out.push(OTHER);
                put_bytes(out, text);
            }
        }
    }

    /// Takes one from a packed list; nothing at its end.
    pub fn unpack(list: &mut Reader<'a>) -> Option<Self> {
        match list.byte()? {
            OTHER => list.bytes().map(PackedKey::Other),
            prefix if prefix & TAGGED == 0 => Some(PackedKey::Uuid(prefix, list.take(16)?.try_into().ok()?)),
            prefix => {
                let tag = list.take(4)?.try_into().ok()?;
                Some(PackedKey::Tagged(prefix & !TAGGED, tag, list.take(16)?.try_into().ok()?))
            }
        }
    }

    /// Bytes of text that it holds.
    pub fn text_len(self) -> usize {
        match self {
            PackedKey::Uuid(..) | PackedKey::Tagged(..) => 0,
            PackedKey::Other(text) => text.len(),
        }
    }

    /// Bytes that it takes in a packed list.
    pub fn packed_len(self) -> usize {
        match self {
            PackedKey::Uuid(..) => 17,
            PackedKey::Tagged(..) => 21,
            PackedKey::Other(text) => text.len().saturating_add(int_len(text.len() as u64)).saturating_add(1),
        }
    }
}

/// The longest text of a key that is not held as it is.
const TEXT: usize = LONGEST + 6 + 36;

/// The prefixes of the keys that were noted, for good.
#[derive(Default, Debug)]
pub struct Prefixes(Vec<Bytes>);

impl Prefixes {
    /// A key, to be held.
    pub fn note<'k>(&mut self, key: &'k [u8]) -> PackedKey<&'k [u8]> {
        parse(key, |prefix| self.number(prefix).or_else(|| self.remember(prefix)))
    }

    /// A key, to be looked up. (Its prefix is not remembered: a key that is not held must not cost others their room.)
    pub fn find<'k>(&self, key: &'k [u8]) -> PackedKey<&'k [u8]> {
        parse(key, |prefix| self.number(prefix))
    }

    fn number(&self, prefix: &[u8]) -> Option<u8> {
        u8::try_from(self.0.iter().position(|p| **p == *prefix)?).ok()
    }

    /// A number for a prefix that has none; nothing where there is no room to remember it.
    fn remember(&mut self, prefix: &[u8]) -> Option<u8> {
        let number = u8::try_from(self.0.len()).ok()?;
        if self.0.len() >= PREFIXES || prefix.len() > LONGEST {
            return None;
        }
        self.0.push(prefix.into());
        Some(number)
    }

    /// Writes a key out as it was noted.
    pub fn write(&self, key: PackedKey<&[u8]>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.text(key, &mut [0; TEXT]));
    }

    /// The order of two keys' texts.
    pub fn compare(&self, a: PackedKey<&[u8]>, b: PackedKey<&[u8]>) -> Ordering {
        // Of one prefix, as most are, they are in the order of what follows it.
        match (a, b) {
            (PackedKey::Uuid(p, a), PackedKey::Uuid(q, b)) if p == q => a.cmp(&b),
            (PackedKey::Tagged(p, a, x), PackedKey::Tagged(q, b, y)) if p == q => (a, x).cmp(&(b, y)),
            _ => self.text(a, &mut [0; TEXT]).cmp(self.text(b, &mut [0; TEXT])),
        }
    }

    /// The text of a key, as it was noted, in the given room where it is not held as it is.
    fn text<'t>(&self, key: PackedKey<&'t [u8]>, room: &'t mut [u8; TEXT]) -> &'t [u8] {
        let (prefix, tag, uuid) = match key {
            PackedKey::Other(text) => return text,
            PackedKey::Uuid(prefix, uuid) => (prefix, None, uuid),
            PackedKey::Tagged(prefix, tag, uuid) => (prefix, Some(tag), uuid),
        };
        let prefix = self.0.get(usize::from(prefix)).map_or(&[][..], |prefix| prefix);
        let tag = tag.map(|[a, b, c, d]| [b'{', a, b, c, d, b'}']);
        let text = uuid_text(uuid);
        let mut len: usize = 0;
        for part in [prefix, tag.as_ref().map_or(&[][..], |tag| tag), &text] {
            let end = len.saturating_add(part.len());
            if let Some(place) = room.get_mut(len..end) {
                place.copy_from_slice(part);
                len = end;
            }
        }
        room.get(..len).unwrap_or_default()
    }
}

/// A key taken apart, with the number that its prefix has; as it is where that has none.
fn parse(key: &[u8], number: impl FnOnce(&[u8]) -> Option<u8>) -> PackedKey<&[u8]> {
    let packed = || {
        let (start, uuid) = key.split_at_checked(key.len().checked_sub(36)?)?;
        let uuid = parse_uuid(uuid)?;
        Some(match start {
            [prefix @ .., b'{', a, b, c, d, b'}'] => PackedKey::Tagged(number(prefix)?, [*a, *b, *c, *d], uuid),
            prefix => PackedKey::Uuid(number(prefix)?, uuid),
        })
    };
    packed().unwrap_or(PackedKey::Other(key))
}

/// The text of a UUID: lower case, with hyphens. (What the library does byte by byte, and this in a fifth of the steps; it is
/// written for every session that is listed or ended.)
fn uuid_text(uuid: [u8; 16]) -> [u8; 36] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = uuid;
    let [a0, a1, a2, a3, a4, a5, a6, a7] = hex([a, b, c, d]);
    let [b0, b1, b2, b3, b4, b5, b6, b7] = hex([e, f, g, h]);
    let [c0, c1, c2, c3, c4, c5, c6, c7] = hex([i, j, k, l]);
    let [d0, d1, d2, d3, d4, d5, d6, d7] = hex([m, n, o, p]);
    const H: u8 = b'-';
    [
        a0, a1, a2, a3, a4, a5, a6, a7, H, b0, b1, b2, b3, H, b4, b5, b6, b7, H, c0, c1, c2, c3, H, c4, c5, c6, c7, d0,
        d1, d2, d3, d4, d5, d6, d7,
    ]
}

/// Four bytes in hexadecimal, all eight digits at once.
fn hex(bytes: [u8; 4]) -> [u8; 8] {
    // Each half byte moves to a byte of its own.
    let n = u64::from(u32::from_be_bytes(bytes));
    let n = (n | n << 16) & 0x0000_ffff_0000_ffff;
    let n = (n | n << 8) & 0x00ff_00ff_00ff_00ff;
    let n = (n | n << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // From ten on a letter: by so much further from the digits.
    let letters = (n.wrapping_add(0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    n.wrapping_add(0x3030_3030_3030_3030).wrapping_add(letters.wrapping_mul(0x27)).to_be_bytes()
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
        fn a_uuid_is_written_as_the_library_writes_it(bytes: [u8; 16]) {
            let text = uuid::Uuid::from_bytes(bytes).to_string();
            let written = uuid_text(bytes);
            prop_assert_eq!(std::str::from_utf8(&written), Ok(text.as_str()));
        }

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
                prop_assert_eq!(prefixes.find(key), noted);
                prefixes.write(noted, &mut out);
                prop_assert_eq!(&out, key);
                prop_assert_eq!(prefixes.note(key), noted, "a key has one form");
                let owned = noted.to_owned();
                prop_assert_eq!(owned.view(), noted);
            }
            for (a, b) in keys.iter().zip(keys.iter().skip(1)) {
                prop_assert_eq!(prefixes.compare(prefixes.find(a), prefixes.find(b)), a.cmp(b));
            }
        }

        #[test]
        fn a_packed_list_is_read_back(keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut list = Vec::new();
            let (uuid, tagged) = (PackedKey::Uuid(63, [OTHER; 16]), PackedKey::Tagged(63, [OTHER; 4], [OTHER; 16]));
            for key in &keys {
                let before = list.len();
                PackedKey::Other(key.as_slice()).pack(&mut list);
                prop_assert_eq!(list.len() - before, PackedKey::Other(key.as_slice()).packed_len());
                uuid.pack(&mut list);
                tagged.pack(&mut list);
                let three = [PackedKey::Other(key.as_slice()), uuid, tagged].map(PackedKey::packed_len);
                prop_assert_eq!(list.len() - before, three.iter().sum::<usize>());
            }
            let mut reader = Reader::new(&list);
            for key in &keys {
                prop_assert_eq!(PackedKey::unpack(&mut reader), Some(PackedKey::Other(key.as_slice())));
                prop_assert_eq!(PackedKey::unpack(&mut reader), Some(uuid));
                prop_assert_eq!(PackedKey::unpack(&mut reader), Some(tagged));
            }
            prop_assert_eq!(PackedKey::unpack(&mut reader), None);
        }
    }

    #[test]
    fn a_uuid_takes_17_bytes_with_a_tag_21_and_prefixes_are_bounded() {
        let uuid = "8f14e45f-ceea-4a7b-8c1d-0123456789ab";
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.note(format!("sess:{uuid}").as_bytes()).packed_len(), 17);
        assert_eq!(prefixes.note(format!("sess:{{k3x9}}{uuid}").as_bytes()).packed_len(), 21);
        assert_eq!(prefixes.0.len(), 1, "one prefix, whatever the tag");
        assert!(matches!(prefixes.note(uuid.to_uppercase().as_bytes()), PackedKey::Other(_)));
        assert!(matches!(prefixes.find(format!("x:{uuid}").as_bytes()), PackedKey::Other(_)));
        assert_eq!(prefixes.0.len(), 1, "what is looked up is not remembered");
        for i in 0..1000 {
            prefixes.note(format!("{i}:{uuid}").as_bytes());
        }
        assert_eq!(prefixes.0.len(), PREFIXES);
        assert!(matches!(prefixes.note(format!("x:{uuid}").as_bytes()), PackedKey::Other(_)));
        assert!(matches!(prefixes.note(format!("sess:{uuid}").as_bytes()), PackedKey::Uuid(0, _)));
    }
}

//! Slots of a cluster: which one a key belongs to, and which ones a node says that it has.

use crc::{Crc, CRC_16_XMODEM};
use std::fmt;

/// How many slots a cluster has.
pub const SLOTS: u16 = 16_384;

const CRC16: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key: the CRC16 (XMODEM) of its hash tag or, without one, of all of it, modulo 16384.
/// <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>
pub fn slot_of(key: &[u8]) -> u16 {
    CRC16.checksum(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// What stands between the first `{` and the first `}` after it, if that is not nothing.
pub fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let (_, after) = key.split_at_checked(key.iter().position(|b| *b == b'{')?.checked_add(1)?)?;
    let (tag, _) = after.split_at_checked(after.iter().position(|b| *b == b'}')?)?;
    Some(tag).filter(|tag| !tag.is_empty())
}

/// A new key: a prefix, a hash tag where the prefix brings none, and an id.
pub struct NewKey<'k> {
    /// What it begins with.
    pub prefix: &'k [u8],
    /// What it ends with.
    pub id: &'k [u8],
}

impl NewKey<'_> {
    /// Without a hash tag.
    pub fn plain(&self) -> Vec<u8> {
        [self.prefix, self.id].concat()
    }

    /// The slot of all keys of this prefix, if that brings a hash tag.
    pub fn own_slot(&self) -> Option<u16> {
        hash_tag(self.prefix).map(slot_of)
    }

    /// With a hash tag that puts it in one of these slots; nothing if there are none. Where the id is random, so is which
    /// one. O(16384 / slots).
    pub fn in_one_of(&self, slots: &Slots) -> Option<Vec<u8>> {
        slots.first()?;
        let seed = u32::from(slot_of(self.id)).wrapping_mul(64);
        let mut key = [self.prefix, b"{0000}", self.id].concat();
        let start = self.prefix.len().checked_add(1)?;
        let tag_alone = !self.prefix.contains(&b'{');
        for n in 0..1 << 20 {
            let tag = tag(seed.wrapping_add(n));
            key.get_mut(start..start.checked_add(tag.len())?)?.copy_from_slice(&tag);
            if slots.contains(if tag_alone { slot_of(&tag) } else { slot_of(&key) }) {
                return Some(key);
            }
        }
        None
    }
}

/// A hash tag of four characters, another one for each of the 2^20 seeds, so that few tries find one of a given slot.
pub fn tag(seed: u32) -> [u8; 4] {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    [15, 10, 5, 0].map(|shift: u32| {
        let digit = seed.wrapping_shr(shift) % 32;
        DIGITS.get(digit as usize).copied().unwrap_or(b'0')
    })
}

/// A set of slots.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots([u64; SLOTS as usize / 64]);

impl Default for Slots {
    fn default() -> Self {
        Slots([0; SLOTS as usize / 64])
    }
}

impl Slots {
    /// Whether the slot is in the set.
    pub fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// The first in the set.
    pub fn first(&self) -> Option<u16> {
        (0..SLOTS).find(|slot| self.contains(*slot))
    }

    /// Adds ranges: `0-5460 7000`.
    pub fn add(&mut self, ranges: &str) {
        for range in ranges.split_ascii_whitespace() {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
                (first..=last.min(SLOTS - 1)).for_each(|slot| self.set(slot, true));
            }
        }
    }

    fn set(&mut self, slot: u16, to: bool) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            let bit = 1 << (slot % 64);
            *word = if to { *word | bit } else { *word & !bit };
        }
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..SLOTS).filter(|slot| self.contains(*slot))).finish()
    }
}

/// What a node says of itself in `CLUSTER NODES`.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Node {
    /// The slots that it serves, or its primary if it is a replica, but for those that are being given away: where a
    /// key may begin.
    pub settled: Slots,
    /// The slots that it serves and is giving away key by key.
    pub giving: Slots,
    /// The slots that it is importing key by key, which another node still serves.
    pub importing: Slots,
}

impl Node {
    /// Reads the output of `CLUSTER NODES`, as the node itself gives it.
    /// <https://redis.io/docs/latest/commands/cluster-nodes/>
    pub fn read(nodes: &str) -> Option<Self> {
        let lines = || nodes.lines().map(|line| line.split_ascii_whitespace());
        let mut myself = lines().find(|words| words.clone().nth(2).is_some_and(is_myself))?.skip(3);
        let primary = myself.next()?;
        let primary = lines().find(|words| words.clone().next() == Some(primary));
        // Ping, pong, epoch and the state of the link stand before the slots.
        let slots = primary.into_iter().flat_map(|words| words.skip(8)).chain(myself.skip(4));
        let mut node = Node::default();
        // What is being given away stands after the ranges that hold it.
        slots.for_each(|word| node.note(word));
        Some(node)
    }

    /// `0-5460`, `7000`, `[93-<-` and a node's id (importing), `[77->-` and a node's id (giving away).
    fn note(&mut self, word: &str) {
        if let Some(word) = word.strip_prefix('[') {
            let slot = |way| word.split_once(way).and_then(|(slot, _)| slot.parse().ok());
            slot("-<-").into_iter().for_each(|slot| self.importing.set(slot, true));
            slot("->-").into_iter().for_each(|slot| {
                self.giving.set(slot, true);
                self.settled.set(slot, false);
            });
            return;
        }
        self.settled.add(word);
    }
}

fn is_myself(flags: &str) -> bool {
    flags.split(',').any(|flag| flag == "myself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(CRC16.checksum(b"123456789"), 0x31c3);
        // As CLUSTER KEYSLOT answers.
        for (key, slot) in
            [("", 0), ("foo", 12182), ("somekey", 11058), ("foo{hash_tag}", 2515), ("bar{hash_tag}", 2515)]
        {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_hash_tag_is_the_first_one_and_not_empty() {
        let tag = |key: &'static str| hash_tag(key.as_bytes()).map(|tag| std::str::from_utf8(tag).unwrap());
        for (key, expected) in [
            ("{user1000}.following", Some("user1000")),
            ("foo{}{bar}", None),
            ("foo{{bar}}zap", Some("{bar")),
            ("foo{bar}{zap}", Some("bar")),
            ("}{a", None),
            ("a}b{c}", Some("c")),
            ("", None),
        ] {
            assert_eq!(tag(key), expected, "{key}");
        }
    }

    #[test]
    fn tags_differ_and_reach_every_slot() {
        let tags: HashSet<_> = (0..1 << 20).map(tag).collect();
        assert_eq!(tags.len(), 1 << 20);
        let slots: HashSet<_> = tags.iter().map(|tag| slot_of(tag)).collect();
        assert_eq!(slots.len(), usize::from(SLOTS));
    }

    #[test]
    fn a_new_key_is_in_one_of_the_slots() {
        let id = b"8f14e45f-ceea-4a7b-8c1d-0123456789ab";
        let mut slots = Slots::default();
        for prefix in ["", "sess:", "odd{", "odd{}", "}{", "{", "a}b", "{}{"] {
            let key = NewKey { prefix: prefix.as_bytes(), id };
            assert_eq!((key.own_slot(), key.in_one_of(&Slots::default())), (None, None));
            for ranges in ["77", "16000-16383", "0-5460 7000"] {
                slots = Slots::default();
                slots.add(ranges);
                let placed = key.in_one_of(&slots).unwrap();
                assert!(slots.contains(slot_of(&placed)), "{prefix} {ranges}");
                assert_eq!(placed.len(), prefix.len() + 42);
                assert!(placed.starts_with(prefix.as_bytes()) && placed.ends_with(id));
            }
        }
        assert_eq!(NewKey { prefix: b"a{b}c", id }.own_slot(), Some(slot_of(b"b")));
        assert!(slots.contains(7000) && !slots.contains(6999));
    }

    const NODES: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,host4 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002 MYSELF master - 0 1426238316232 2 connected 5461-10922 16383
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca :30001@31001,,shard-id=x YOU master - 0 0 1 connected 0-2 7 77 [77->-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1] [93-<-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1]
";

    #[test]
    fn a_primary_tells_what_it_serves_and_imports() {
        let node = Node::read(&NODES.replace("YOU", "myself,fail?").replace("MYSELF ", "")).unwrap();
        assert_eq!(format!("{:?}", node.settled), "{0, 1, 2, 7}");
        assert_eq!(format!("{:?} {:?}", node.importing, node.giving), "{93} {77}");
        assert_eq!(node.settled.first(), Some(0));
    }

    #[test]
    fn a_replica_tells_what_its_primary_serves() {
        let node = Node::read(&NODES.replace(" slave", " myself,slave")).unwrap();
        assert_eq!(format!("{:?}", node.settled), "{0, 1, 2, 7}");
    }

    #[test]
    fn a_node_without_slots_and_what_is_no_answer() {
        let node = Node::read("id 127.0.0.1:1@2 myself,master - 0 0 0 connected").unwrap();
        assert_eq!((node.settled.first(), &node), (None, &Node::default()));
        for text in ["", "myself", "a b c d e f g h i", "ERR this instance has cluster support disabled"] {
            assert_eq!(Node::read(text), None);
        }
        assert!(Node::read("a b myself d").is_some_and(|node| node.settled.first().is_none()));
        let odd = Node::read("id a myself - 0 0 0 connected 16383-65535 x-3 5-1 [x-<-] [").unwrap();
        assert_eq!(format!("{:?}", odd.settled), "{16383}");
    }
}

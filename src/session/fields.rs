//! The fields of a session: names and values in one packed buffer, in the order in which they came.
//!
//! An entry is `name length, name, value length × 2 + json bit, value`; the same bytes are the value in memory, in an
//! effect and in a file. A look-up walks the buffer: sessions have a handful of fields, and a walk over a few hundred
//! bytes is cheaper than what a table of them would cost each session in memory.

use super::caps;
use super::wire::{int_len, put_bytes, put_int, Reader};
use std::collections::{HashMap, HashSet};

/// What the bytes of a value are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes as the client gave them.
    Raw,
    /// The text of a JSON value.
    Json,
}

/// One field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// Its name, any bytes.
    pub name: &'a [u8],
    /// Its value, any bytes.
    pub value: &'a [u8],
    /// What the value is.
    pub kind: Kind,
}

impl<'a> Field<'a> {
    /// A field of plain bytes.
    pub fn raw(name: &'a [u8], value: &'a [u8]) -> Self {
        Field { name, value, kind: Kind::Raw }
    }

    fn size(&self) -> usize {
        self.name.len().saturating_add(self.value.len())
    }

    fn tagged_len(&self) -> u64 {
        (self.value.len() as u64).saturating_mul(2) | u64::from(self.kind == Kind::Json)
    }

    fn packed_len(&self) -> usize {
        self.size().saturating_add(int_len(self.name.len() as u64)).saturating_add(int_len(self.tagged_len()))
    }

    fn pack(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.name);
        put_int(out, self.tagged_len());
        out.extend_from_slice(self.value);
    }
}

/// Up to this many names a plain search beats hashing them.
const FEW: usize = 12;

/// Finds names in a list: a plain search in a short one, a (keyed) hash table for a long one.
enum Names<'a> {
    Few(Vec<&'a [u8]>),
    Many(HashMap<&'a [u8], usize>),
}

impl<'a> Names<'a> {
    fn of(names: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        if names.len() <= FEW {
            Names::Few(names.collect())
        } else {
            Names::Many(names.enumerate().map(|(i, name)| (name, i)).collect())
        }
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        match self {
            Names::Few(list) => list.iter().position(|n| *n == name),
            Names::Many(map) => map.get(name).copied(),
        }
    }
}

/// Whether none of so many names comes twice.
fn differ<'a>(count: usize, mut names: impl Iterator<Item = &'a [u8]>) -> bool {
    if count <= FEW {
        let mut seen = Seen::default();
        return names.all(|name| seen.is_new(name));
    }
    let mut seen = HashSet::with_capacity(count);
    names.all(|name| seen.insert(name))
}

/// Up to [`FEW`] names, to find one that comes again.
#[derive(Default)]
struct Seen<'a> {
    names: [&'a [u8]; FEW],
    len: usize,
    /// A bit for each name: one whose bit is not set is new without a comparison.
    marks: u64,
}

impl<'a> Seen<'a> {
    fn is_new(&mut self, name: &'a [u8]) -> bool {
        let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
        let mark = 1u64.wrapping_shl(u32::from(first ^ last.rotate_left(3)) ^ name.len() as u32);
        let new = self.marks & mark == 0 || self.names.iter().take(self.len).all(|seen| *seen != name);
        self.marks |= mark;
        self.names.get_mut(self.len).into_iter().for_each(|place| *place = name);
        self.len = self.len.saturating_add(1);
        new
    }
}

/// The fields of a session, or some of them, held elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FieldsView<'a> {
    count: usize,
    packed: &'a [u8],
}

impl<'a> FieldsView<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The fields in their order.
    pub fn iter(&self) -> Iter<'a> {
        Iter { left: self.count, reader: Reader::new(self.packed) }
    }

    /// Bytes of names and values together.
    pub fn size(&self) -> usize {
        self.iter().map(|f| f.size()).fold(0, usize::saturating_add)
    }

    /// The field of that name. O(bytes).
    pub fn get(&self, name: &[u8]) -> Option<Field<'a>> {
        self.iter().find(|f| f.name == name)
    }

    /// The packed entries, as [`FieldsView::decode`] takes them.
    pub fn packed(&self) -> &'a [u8] {
        self.packed
    }

    /// Packed entries that were checked when they were stored.
    pub(super) fn trusted(count: u64, packed: &'a [u8]) -> Self {
        FieldsView { count: usize::try_from(count).unwrap_or(0), packed }
    }

    /// Checks packed entries from outside: `count` of them that fill `packed` and stay within the caps, no name twice,
    /// every JSON value well-formed.
    pub fn decode(count: u64, packed: &'a [u8]) -> Option<Self> {
        // An entry is two bytes at least, so a lying count is refused before anything is walked or taken.
        let count = usize::try_from(count).ok().filter(|n| *n <= caps::FIELDS && *n <= packed.len())?;
        let view = FieldsView { count, packed };
        let mut fields = view.iter();
        let mut size = 0usize;
        for field in fields.by_ref() {
            size = size.saturating_add(field.size());
            if field.kind == Kind::Json && !super::json::is_canonical(field.value) {
                return None;
            }
        }
        let whole = fields.left == 0 && fields.reader.rest().is_empty();
        (whole && size <= caps::BYTES && differ(count, view.iter().map(|f| f.name))).then_some(view)
    }

    /// A copy of its own.
    pub fn to_owned(self) -> Fields {
        Fields { count: self.count as u32, packed: self.packed.into() }
    }

    /// These fields without `removed` and with `set`: a field that is there keeps its place, a new one goes to the end.
    /// O(bytes).
    pub fn merge(&self, removed: &[&[u8]], set: FieldsView<'_>) -> Fields {
        if self.is_empty() {
            return set.to_owned();
        }
        let removed = Names::of(removed.iter().copied());
        let changes: Vec<Field> = set.iter().collect();
        let changed = Names::of(changes.iter().map(|f| f.name));
        let mut placed = vec![false; changes.len()];
        let mut out = Packer::with_capacity(self.packed.len().saturating_add(set.packed.len()));
        for field in self.iter() {
            match changed.find(field.name) {
                Some(i) => {
                    if let (Some(change), Some(done)) = (changes.get(i), placed.get_mut(i)) {
                        *done = true;
                        out.push(change);
                    }
                }
                None if removed.find(field.name).is_some() => {}
                None => out.push(&field),
            }
        }
        for (change, placed) in changes.iter().zip(placed) {
            if !placed {
                out.push(change);
            }
        }
        out.finish()
    }
}

/// Walks over the fields in their order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    left: usize,
    reader: Reader<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        if self.left == 0 {
            return None;
        }
        let name = self.reader.bytes()?;
        let tagged = self.reader.int()?;
        let value = self.reader.take(tagged >> 1)?;
        self.left = self.left.saturating_sub(1);
        Some(Field { name, value, kind: if tagged & 1 == 1 { Kind::Json } else { Kind::Raw } })
    }
}

/// The fields of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields {
    count: u32,
    packed: Box<[u8]>,
}

impl Fields {
    /// Packs fields in their order; of those that share a name the last gives the value, the first the place.
    pub fn of(fields: &[Field<'_>]) -> Self {
        let mut out = Packer::with_capacity(fields.iter().map(Field::packed_len).fold(0, usize::saturating_add));
        if differ(fields.len(), fields.iter().map(|f| f.name)) {
            fields.iter().for_each(|f| out.push(f));
        } else {
            let mut last: HashMap<&[u8], &Field<'_>> = fields.iter().map(|f| (f.name, f)).collect();
            // Each name is taken out when its first place is reached.
            fields.iter().filter_map(|f| last.remove(f.name)).for_each(|f| out.push(f));
        }
        out.finish()
    }

    /// The fields, to read.
    pub fn view(&self) -> FieldsView<'_> {
        FieldsView { count: self.count as usize, packed: &self.packed }
    }
}

struct Packer {
    count: u32,
    packed: Vec<u8>,
}

impl Packer {
    fn with_capacity(bytes: usize) -> Self {
        Packer { count: 0, packed: Vec::with_capacity(bytes) }
    }

    fn push(&mut self, field: &Field<'_>) {
        field.pack(&mut self.packed);
        self.count = self.count.saturating_add(1);
    }

    fn finish(self) -> Fields {
        Fields { count: self.count, packed: self.packed.into() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn pairs(fields: FieldsView<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        fields.iter().map(|f| (f.name.to_vec(), f.value.to_vec())).collect()
    }

    fn raw<'a>(fields: &'a [(Vec<u8>, Vec<u8>)]) -> Vec<Field<'a>> {
        fields.iter().map(|(n, v)| Field::raw(n, v)).collect()
    }

    /// What `merge` must give, written plainly.
    fn model(old: &[(Vec<u8>, Vec<u8>)], removed: &[Vec<u8>], set: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, value) in old {
            match all.iter_mut().find(|(n, _)| n == name) {
                Some(entry) => entry.1.clone_from(value),
                None => all.push((name.clone(), value.clone())),
            }
        }
        all.retain(|(n, _)| !removed.contains(n));
        for (name, value) in set {
            match all.iter_mut().find(|(n, _)| n == name) {
                Some(entry) => entry.1.clone_from(value),
                None => all.push((name.clone(), value.clone())),
            }
        }
        all
    }

    fn name() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![Just(vec![]), Just(vec![0]), Just(vec![0xff]), prop::collection::vec(any::<u8>(), 1..4)]
    }

    fn fields(max: usize) -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
        prop::collection::vec((name(), prop::collection::vec(any::<u8>(), 0..300)), 0..max)
    }

    proptest! {
        #[test]
        fn packing_and_merging_follow_the_plain_model(
            old in fields(40), set in fields(40), removed in prop::collection::vec(name(), 0..20),
        ) {
            let fields = Fields::of(&raw(&old));
            prop_assert_eq!(pairs(fields.view()), model(&old, &[], &[]));
            let removed: Vec<_> = removed.into_iter().filter(|n| !set.iter().any(|(s, _)| s == n)).collect();
            let names: Vec<&[u8]> = removed.iter().map(Vec::as_slice).collect();
            let merged = fields.view().merge(&names, Fields::of(&raw(&set)).view());
            let expected = model(&old, &removed, &set);
            prop_assert_eq!(pairs(merged.view()), expected.clone());
            let bytes: usize = expected.iter().map(|(n, v)| n.len() + v.len()).sum();
            prop_assert_eq!(merged.view().size(), bytes);
        }

        #[test]
        fn what_was_packed_is_taken_back_and_nothing_else_of_it(old in fields(30), cut in any::<prop::sample::Index>()) {
            let fields = Fields::of(&raw(&old));
            let view = fields.view();
            prop_assert_eq!(FieldsView::decode(view.len() as u64, view.packed()), Some(view));
            prop_assert_eq!(FieldsView::decode(view.len() as u64 + 1, view.packed()), None);
            if !view.is_empty() {
                let cut = cut.index(view.packed().len());
                prop_assert_eq!(FieldsView::decode(view.len() as u64, &view.packed()[..cut]), None);
                prop_assert_eq!(FieldsView::decode(view.len() as u64 - 1, view.packed()), None);
            }
        }
    }

    #[test]
    fn a_name_twice_is_refused_from_outside() {
        for n in [2u8, 20] {
            let mut packed: Vec<u8> = Vec::new();
            for i in 0..n {
                Field::raw(&[i], b"v").pack(&mut packed);
            }
            assert!(FieldsView::decode(u64::from(n), &packed).is_some());
            Field::raw(&[0], b"w").pack(&mut packed);
            assert_eq!(FieldsView::decode(u64::from(n) + 1, &packed), None);
        }
    }

    #[test]
    fn a_json_value_from_outside_must_be_json() {
        let mut packed = Vec::new();
        Field { name: b"n", value: b"{\"a\":1}", kind: Kind::Json }.pack(&mut packed);
        assert!(FieldsView::decode(1, &packed).is_some());
        packed.clear();
        Field { name: b"n", value: b"{\"a\":", kind: Kind::Json }.pack(&mut packed);
        assert_eq!(FieldsView::decode(1, &packed), None);
    }
}

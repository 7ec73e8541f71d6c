//! The fields of a session: names and values in one packed buffer, in the order in which they came.
//!
//! An entry is `name length, name, value length × 2 + json bit, value`; the same bytes are the value in memory, in an
//! effect and in a file. A look-up walks the buffer: sessions have a handful of fields, and a walk over a few hundred
//! bytes is cheaper than what a table of them would cost each session in memory.

use super::buffer::Buffer;
use super::caps;
use super::selection::Distinct;
use super::wire::{put_bytes, put_int, Reader};
use std::collections::HashMap;

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

    #[inline]
    fn pack(&self, out: &mut Vec<u8>) {
        // One check of the room instead of four; so much is enough for two lengths.
        const LENGTHS: usize = 20;
        out.reserve(self.size().saturating_add(LENGTHS));
        put_bytes(out, self.name);
        put_int(out, self.tagged_len());
        out.extend_from_slice(self.value);
    }
}

/// Up to this many names a plain search beats hashing them.
pub(super) const FEW: usize = 16;

/// What has a name.
trait Named {
    fn name(&self) -> &[u8];
}

impl Named for Field<'_> {
    fn name(&self) -> &[u8] {
        self.name
    }
}

impl Named for &[u8] {
    fn name(&self) -> &[u8] {
        self
    }
}

/// Finds things by their names: a plain search in a short list, a (keyed) hash table for a long one.
enum Names<'n, T> {
    Few(&'n [T]),
    Many(HashMap<&'n [u8], usize>),
}

impl<'n, T: Named> Names<'n, T> {
    fn of(things: &'n [T]) -> Self {
        if things.len() <= FEW {
            Names::Few(things)
        } else {
            Names::Many(things.iter().enumerate().map(|(i, thing)| (thing.name(), i)).collect())
        }
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<usize> {
        match self {
            Names::Few(list) => list.iter().position(|thing| thing.name() == name),
            Names::Many(map) => map.get(name).copied(),
        }
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
        debug_assert!(count <= caps::FIELDS as u64, "what is stored is within the caps");
        FieldsView { count: usize::try_from(count).unwrap_or(0), packed }
    }

    /// Checks packed entries from outside: `count` of them that fill `packed` and stay within the caps, no name twice,
    /// every JSON value well-formed.
    pub fn decode(count: u64, packed: &'a [u8]) -> Option<Self> {
        // An entry is two bytes at least, so a lying count is refused before anything is walked or taken.
        let count = usize::try_from(count).ok().filter(|n| *n <= caps::FIELDS && *n <= packed.len())?;
        let view = FieldsView { count, packed };
        let mut fields = view.iter();
        let (mut size, mut names, mut start) = (0usize, Distinct::default(), 0);
        while let Some(field) = fields.next() {
            size = size.saturating_add(field.size());
            if field.kind == Kind::Json && !super::json::is_canonical(field.value) {
                return None;
            }
            if !names.is_new(packed.get(..start)?, field.name) {
                return None;
            }
            start = packed.len().checked_sub(fields.reader.rest().len())?;
        }
        let whole = fields.left == 0 && fields.reader.rest().is_empty();
        (whole && size <= caps::BYTES).then_some(view)
    }

    /// A copy of its own.
    pub fn to_owned(self) -> Fields {
        let mut packed = Buffer::new();
        packed.extend_from_slice(self.packed);
        Fields { count: self.count, packed }
    }

    /// Whether it stays within the hard caps. What does not could not be read back from a file.
    pub fn within_caps(&self) -> bool {
        // What is packed is larger than what it holds: most need no count.
        self.count <= caps::FIELDS && (self.packed.len() <= caps::BYTES || self.size() <= caps::BYTES)
    }

    /// These fields without `removed` and with `set`: a field that is there keeps its place, a new one goes to the end.
    /// A field that is in both is set. Also which of the removed names were there, each once. O(bytes + names).
    pub fn merge<'r>(&self, removed: &[&'r [u8]], set: FieldsView<'_>) -> (Fields, Vec<&'r [u8]>) {
        if self.is_empty() {
            return (set.to_owned(), Vec::new());
        }
        let mut few = [Field::raw(&[], &[]); FEW];
        let mut many = Vec::new();
        let changes = match few.get_mut(..set.len()) {
            Some(few) => {
                few.iter_mut().zip(set.iter()).for_each(|(place, field)| *place = field);
                &*few
            }
            None => {
                many.extend(set.iter());
                &many[..]
            }
        };
        Merge { changes, removed, kept: self, out: Fields::default(), found: Vec::new() }.run()
    }
}

/// A merge of fields under way.
struct Merge<'m, 'a, 'r> {
    /// What is set.
    changes: &'m [Field<'a>],
    /// What is removed.
    removed: &'m [&'r [u8]],
    /// What is there.
    kept: &'m FieldsView<'m>,
    /// What comes of it.
    out: Fields,
    /// Which of `removed` were there.
    found: Vec<&'r [u8]>,
}

impl<'r> Merge<'_, '_, 'r> {
    fn run(mut self) -> (Fields, Vec<&'r [u8]>) {
        let (changed, removed) = (Names::of(self.changes), Names::of(self.removed));
        let mut placed = Placed::of(self.changes.len());
        // What stays is copied in runs, as long as nothing in between changes.
        let packed = self.kept.packed();
        let (mut run, mut at) = (0, 0);
        let mut walk = self.kept.iter();
        while let Some(field) = walk.next() {
            let start = at;
            at = packed.len().saturating_sub(walk.reader.rest().len());
            let change = changed.find(field.name);
            let gone = if change.is_none() { removed.find(field.name) } else { None };
            if change.is_none() && gone.is_none() {
                self.out.count = self.out.count.saturating_add(1);
                continue;
            }
            self.out.packed.extend_from_slice(packed.get(run..start).unwrap_or_default());
            run = at;
            if let Some(change) = change.and_then(|i| placed.mark(i).then(|| self.changes.get(i)).flatten()) {
                self.out.push(change);
            }
            self.found.extend(gone.and_then(|i| self.removed.get(i)));
        }
        self.out.packed.extend_from_slice(packed.get(run..).unwrap_or_default());
        for (i, change) in self.changes.iter().enumerate() {
            if placed.mark(i) {
                self.out.push(change);
            }
        }
        (self.out, self.found)
    }
}

/// Which of so many changes have found their place: a bit each while they are few.
enum Placed {
    Few(u64),
    Many(Vec<bool>),
}

impl Placed {
    fn of(len: usize) -> Self {
        if len <= FEW {
            Placed::Few(0)
        } else {
            Placed::Many(vec![false; len])
        }
    }

    /// Marks one; whether it was not marked before.
    fn mark(&mut self, i: usize) -> bool {
        match self {
            Placed::Few(bits) => {
                let (bit, before) = (1u64.wrapping_shl(i as u32), *bits);
                *bits |= bit;
                before & bit == 0
            }
            Placed::Many(marks) => marks.get_mut(i).is_some_and(|mark| !std::mem::replace(mark, true)),
        }
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

/// Fields of their own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields {
    count: usize,
    packed: Buffer,
}

impl Fields {
    /// Packs fields in their order; of those that share a name the last gives the value, the first the place.
    pub fn pack<'f>(fields: impl ExactSizeIterator<Item = Field<'f>>) -> Self {
        let mut out = Fields { count: 0, packed: Buffer::new() };
        let (mut names, mut differ) = (Distinct::default(), true);
        for field in fields {
            differ = differ && names.is_new(&out.packed, field.name);
            out.push(&field);
        }
        if differ {
            return out;
        }
        let mut last: HashMap<&[u8], Field<'_>> = out.view().iter().map(|f| (f.name, f)).collect();
        let mut once = Fields { count: 0, packed: Buffer::new() };
        // Each name is taken out when its first place is reached.
        out.view().iter().filter_map(|f| last.remove(f.name)).for_each(|f| once.push(&f));
        once
    }

    /// The same of fields that stand in a list.
    pub fn of(fields: &[Field<'_>]) -> Self {
        Self::pack(fields.iter().copied())
    }

    /// Fields that are packed already, so many and no name twice.
    pub fn packed(count: usize, packed: Buffer) -> Self {
        Fields { count, packed }
    }

    /// Appends a field, whose name is new.
    #[inline]
    fn push(&mut self, field: &Field<'_>) {
        field.pack(&mut self.packed);
        self.count = self.count.saturating_add(1);
    }

    /// Appends others. The error is a name that is in both.
    pub fn append<'o>(&mut self, others: FieldsView<'o>) -> Result<(), &'o [u8]> {
        let names: Vec<&[u8]> = others.iter().map(|f| f.name).collect();
        if let Some(both) = self.first_of(&names) {
            return Err(both);
        }
        self.packed.extend_from_slice(others.packed);
        self.count = self.count.saturating_add(others.count);
        Ok(())
    }

    /// The first of these names that is among the fields.
    pub fn first_of<'n>(&self, names: &[&'n [u8]]) -> Option<&'n [u8]> {
        let mine: Vec<&[u8]> = self.view().iter().map(|f| f.name).collect();
        let mine = Names::of(&mine);
        names.iter().find(|name| mine.find(name).is_some()).copied()
    }

    /// The fields, to be read.
    pub fn view(&self) -> FieldsView<'_> {
        FieldsView { count: self.count, packed: &self.packed }
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
            let (merged, found) = fields.view().merge(&names, Fields::of(&raw(&set)).view());
            let expected = model(&old, &removed, &set);
            prop_assert_eq!(pairs(merged.view()), expected.clone());
            let bytes: usize = expected.iter().map(|(n, v)| n.len() + v.len()).sum();
            prop_assert_eq!(merged.view().size(), bytes);
            for (name, value) in &expected {
                prop_assert_eq!(merged.view().get(name).unwrap().value, value);
            }
            let mut there: Vec<_> = model(&old, &[], &[]).into_iter().map(|(n, _)| n).collect();
            there.retain(|n| removed.contains(n));
            prop_assert_eq!(found, there, "those that were there, each once, in the session's order");
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

//! Fields picked by their names.
//!
//! A command names the fields that it wants once, however many sessions it looks at. The list of names is made ready
//! once, too; after that each session costs a walk over its own fields, and none over the list.

use super::fields::{Field, FieldsView, FEW};
use super::wire::Reader;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The names of the fields that a command wants.
pub struct Selection<'n> {
    /// Each name once, in the order in which they were first named.
    names: Vec<&'n [u8]>,
    /// For each name as it was asked for its place in `names`; empty where no name was repeated, so that they are the same.
    asked: Vec<usize>,
    /// The places of the names in `names`, where they are many.
    places: HashMap<&'n [u8], usize>,
}

impl<'n> Selection<'n> {
    /// Of these names; one may be there more than once.
    pub fn of(names: Vec<&'n [u8]>) -> Self {
        let all = names.len();
        let mut selection = Selection { names, asked: Vec::new(), places: HashMap::new() };
        if all <= FEW {
            if (1..all).any(|at| selection.is_repeated(at)) {
                selection.keep_first(|names, name| names.iter().position(|n| *n == name));
            }
            return selection;
        }
        let mut places = HashMap::with_capacity(all);
        selection.keep_first(|names, name| match *places.entry(name).or_insert(names.len()) {
            place if place == names.len() => None,
            place => Some(place),
        });
        selection.places = places;
        selection
    }

    fn is_repeated(&self, at: usize) -> bool {
        let (before, rest) = self.names.split_at_checked(at).unwrap_or_default();
        rest.first().is_some_and(|name| before.contains(name))
    }

    /// Keeps each name where it stands first. `find` tells the place of one that is kept already.
    fn keep_first(&mut self, mut find: impl FnMut(&[&'n [u8]], &'n [u8]) -> Option<usize>) {
        let mut kept: Vec<&[u8]> = Vec::with_capacity(self.names.len());
        let mut asked = Vec::with_capacity(self.names.len());
        for &name in &self.names {
            let place = find(&kept, name).unwrap_or(kept.len());
            if place == kept.len() {
                kept.push(name);
            }
            asked.push(place);
        }
        if kept.len() < self.names.len() {
            (self.names, self.asked) = (kept, asked);
        }
    }

    fn place(&self, name: &[u8]) -> Option<usize> {
        if self.names.len() <= FEW {
            return self.names.iter().position(|n| *n == name);
        }
        self.places.get(name).copied()
    }

    /// The fields that are there, in the order in which they were first named, each once, with the places of their names
    /// among the different names. O(bytes of the fields).
    pub fn present<'s>(&self, fields: FieldsView<'s>) -> Vec<(usize, Field<'s>)> {
        let most = self.names.len().min(fields.len());
        let mut found = Vec::with_capacity(most);
        for field in fields.iter() {
            // Once all are found, there is nothing left to look for.
            if found.len() == most {
                break;
            }
            if let Some(place) = self.place(field.name) {
                found.push((place, field));
            }
        }
        found.sort_unstable_by_key(|(place, _)| *place);
        found
    }

    /// The names of the fields that are there, in the order in which they were first named, each once.
    #[cfg(test)]
    pub fn present_names(&self, fields: FieldsView<'_>) -> Vec<&'n [u8]> {
        self.present(fields).into_iter().filter_map(|(place, _)| self.names.get(place).copied()).collect()
    }

    /// For each name that was asked for, in that order and repeats included, its field if it is there.
    /// O(names + bytes of the fields).
    pub fn values<'s>(&self, fields: FieldsView<'s>) -> Vec<Option<Field<'s>>> {
        let mut values = vec![None; self.names.len()];
        for (place, field) in self.present(fields) {
            values.get_mut(place).into_iter().for_each(|value| *value = Some(field));
        }
        if self.asked.is_empty() {
            return values;
        }
        self.asked.iter().map(|place| values.get(*place).copied().flatten()).collect()
    }
}

/// Tells whether a name is new among packed fields to which more and more are added.
///
/// Few are walked through where a name looks like one of them; many are in a table of their places, so that no name is
/// held twice.
#[derive(Default)]
pub struct Distinct {
    count: usize,
    /// A bit for each name: one whose bit is not set is new without a comparison.
    marks: u64,
    /// Where the names stand, once they are many. The hash is keyed, because clients choose the names.
    places: HashTable<usize>,
    hasher: Option<RandomState>,
}

impl Distinct {
    /// Takes a name that is about to be added to `packed`, which holds the fields whose names were taken before (and the
    /// name only afterwards). Whether it is new.
    pub fn is_new(&mut self, packed: &[u8], name: &[u8]) -> bool {
        if self.count == FEW {
            self.make_table(packed);
        }
        let new = match &self.hasher {
            None => self.is_new_among_few(packed, name),
            Some(hasher) => {
                let hash = hasher.hash_one(name);
                let new = self.places.find(hash, |place| name_at(packed, *place) == name).is_none();
                if new {
                    self.places.insert_unique(hash, packed.len(), |place| hasher.hash_one(name_at(packed, *place)));
                }
                new
            }
        };
        self.count = self.count.saturating_add(usize::from(new));
        new
    }

    fn is_new_among_few(&mut self, packed: &[u8], name: &[u8]) -> bool {
        let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
        let mark = 1u64.wrapping_shl(u32::from(first ^ last.rotate_left(3)) ^ name.len() as u32);
        let new = self.marks & mark == 0 || Places::of(packed).all(|place| name_at(packed, place) != name);
        self.marks |= mark;
        new
    }

    fn make_table(&mut self, packed: &[u8]) {
        if self.hasher.is_some() {
            return;
        }
        let hasher = RandomState::new();
        let hash = |place: &usize| hasher.hash_one(name_at(packed, *place));
        for place in Places::of(packed) {
            self.places.insert_unique(hash(&place), place, hash);
        }
        self.hasher = Some(hasher);
    }
}

/// The name of the entry that begins at `place`.
fn name_at(packed: &[u8], place: usize) -> &[u8] {
    packed.get(place..).and_then(|entry| Reader::new(entry).bytes()).unwrap_or_default()
}

/// Where the entries of packed fields begin.
struct Places<'a> {
    all: usize,
    reader: Reader<'a>,
}

impl<'a> Places<'a> {
    fn of(packed: &'a [u8]) -> Self {
        Places { all: packed.len(), reader: Reader::new(packed) }
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let place = self.all.saturating_sub(self.reader.rest().len());
        self.reader.bytes()?;
        let tagged = self.reader.int()?;
        self.reader.take(tagged >> 1)?;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fields::Fields;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![Just(vec![]), prop::collection::vec(0u8..4, 1..4), prop::collection::vec(any::<u8>(), 1..300)]
    }

    fn names(max: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(name(), 0..max)
    }

    fn naive_first<'a>(names: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let mut once: Vec<&[u8]> = Vec::new();
        for name in names {
            if !once.contains(name) {
                once.push(name);
            }
        }
        once
    }

    proptest! {
        #[test]
        fn a_selection_finds_what_a_search_for_each_name_finds(held in names(60), wanted in names(60), repeats: bool) {
            let held: Vec<Field> = held.iter().map(|name| Field::raw(name, name)).collect();
            let fields = Fields::of(&held);
            let fields = fields.view();
            let mut wanted: Vec<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
            if !repeats {
                wanted = naive_first(&wanted);
            }
            let selection = Selection::of(wanted.clone());
            let values: Vec<_> = wanted.iter().map(|name| fields.get(name)).collect();
            prop_assert_eq!(selection.values(fields), values);
            let first = naive_first(&wanted);
            let present: Vec<_> =
                first.iter().enumerate().filter_map(|(at, name)| Some((at, fields.get(name)?))).collect();
            prop_assert_eq!(selection.present(fields), present);
            let there: Vec<_> = first.iter().copied().filter(|name| fields.get(name).is_some()).collect();
            prop_assert_eq!(selection.present_names(fields), there);
        }

        #[test]
        fn a_name_is_new_until_it_comes_again(all in names(80)) {
            let (mut distinct, mut packed, mut seen) = (Distinct::default(), Vec::new(), Vec::new());
            for name in all {
                let new = !seen.contains(&name);
                prop_assert_eq!(distinct.is_new(&packed, &name), new);
                if new {
                    packed.extend_from_slice(Fields::of(&[Field::raw(&name, b"value")]).view().packed());
                    seen.push(name);
                }
            }
        }
    }

    #[test]
    fn a_long_list_costs_each_session_its_own_fields_only() {
        let names: Vec<Vec<u8>> = (0..100_000u32).map(|i| i.to_le_bytes().to_vec()).collect();
        let selection = Selection::of(names.iter().map(Vec::as_slice).collect());
        let fields =
            Fields::of(&[Field::raw(&names[70_000], b"b"), Field::raw(&names[3], b"a"), Field::raw(b"x", b"")]);
        // Each of these would be a walk over 100,000 names: minutes rather than a moment.
        for _ in 0..10_000 {
            let found: Vec<_> = selection.present(fields.view()).into_iter().map(|(at, f)| (at, f.value)).collect();
            assert_eq!(found, [(3, &b"a"[..]), (70_000, b"b")]);
        }
    }
}

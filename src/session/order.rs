//! Slots in the order of a time each, for a user with many sessions.
//!
//! Sorted lists of some hundred places, one behind the other: of a hundred thousand one is found, added or removed in some
//! tens of nanoseconds, and none of it ever takes long.

use super::time::Millis;

/// Places of a list. A full one that is added to is divided.
const PART: usize = 256;

/// What a place takes, with the room that lists have to spare on average.
const PLACE: usize = 16;

/// A slot and its time. (The time is in two halves so that twelve bytes hold all.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    high: i32,
    low: u32,
    slot: u32,
}

impl Place {
    fn new(time: Millis, slot: u32) -> Self {
        Place { high: (time >> 32) as i32, low: time as u32, slot }
    }

    fn parts(self) -> (Millis, u32) {
        (Millis::from(self.high) << 32 | Millis::from(self.low), self.slot)
    }
}

#[derive(Debug)]
struct Part {
    /// None of its places is below this, and those of the parts before are.
    least: Place,
    places: Vec<Place>,
}

/// Slots by their times, and of one time by their numbers.
#[derive(Default, Debug)]
pub struct Order {
    parts: Vec<Part>,
    len: usize,
}

impl Order {
    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes that it takes, estimated.
    pub fn memory(&self) -> usize {
        self.len.saturating_mul(PLACE)
    }

    /// All times and slots, the least first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Millis, u32)> + '_ {
        self.parts.iter().flat_map(|part| &part.places).map(|place| place.parts())
    }

    /// How many have this time or an earlier one. Its cost is a fraction of their number.
    pub fn until(&self, time: Millis) -> usize {
        let bound = Place::new(time, u32::MAX);
        let mut count: usize = 0;
        for part in &self.parts {
            let all = part.places.last().is_some_and(|last| *last <= bound);
            let here = if all { part.places.len() } else { part.places.partition_point(|place| *place <= bound) };
            count = count.saturating_add(here);
            if !all {
                break;
            }
        }
        count
    }

    /// Which part a place belongs to.
    fn part_of(&self, place: Place) -> usize {
        self.parts.partition_point(|part| part.least <= place).saturating_sub(1)
    }

    /// Adds a slot.
    pub fn insert(&mut self, time: Millis, slot: u32) {
        let place = Place::new(time, slot);
        let mut n = self.part_of(place);
        if self.parts.get(n).is_some_and(|part| part.places.len() >= PART) {
            self.divide(n, place);
            n = self.part_of(place);
        }
        let Some(part) = self.parts.get_mut(n) else {
            self.parts.push(Part { least: place, places: vec![place] });
            self.len = 1;
            return;
        };
        if let Err(at) = part.places.binary_search(&place) {
            part.places.insert(at, place);
            self.len = self.len.saturating_add(1);
        }
    }

    /// Makes room for a place in a part that is full.
    fn divide(&mut self, n: usize, place: Place) {
        let behind = n.saturating_add(1);
        let last = behind == self.parts.len();
        let Some(part) = self.parts.get_mut(n) else { return };
        // Most come at the end: then what is before stays full.
        let at_end = last && part.places.last().is_some_and(|last| *last < place);
        let new = if at_end {
            Part { least: place, places: Vec::new() }
        } else {
            let places = part.places.split_off(PART / 2);
            Part { least: places.first().copied().unwrap_or(place), places }
        };
        self.parts.insert(behind, new);
    }

    /// Removes a slot.
    pub fn remove(&mut self, time: Millis, slot: u32) {
        let place = Place::new(time, slot);
        let n = self.part_of(place);
        let Some(part) = self.parts.get_mut(n) else { return };
        let Ok(at) = part.places.binary_search(&place) else { return };
        part.places.remove(at);
        self.len = self.len.saturating_sub(1);
        if part.places.len() < PART / 4 {
            self.join(n);
        }
    }

    /// Drops a part that is empty, and joins one that has become small with one beside it.
    fn join(&mut self, n: usize) {
        let len = |n: usize| self.parts.get(n).map(|part| part.places.len());
        if len(n) == Some(0) {
            self.parts.remove(n);
            return;
        }
        for (first, second) in [(Some(n), n.saturating_add(1)), (n.checked_sub(1), n)] {
            let Some((first, a, b)) = first.and_then(|first| Some((first, len(first)?, len(second)?))) else {
                continue;
            };
            if a.saturating_add(b) <= PART / 4 * 3 {
                let moved = self.parts.remove(second).places;
                if let Some(part) = self.parts.get_mut(first) {
                    part.places.extend(moved);
                }
                return;
            }
        }
    }

    /// Gives the place of a slot to another number.
    pub fn rename(&mut self, time: Millis, from: u32, to: u32) {
        let (old, new) = (Place::new(time, from), Place::new(time, to));
        let n = self.part_of(old);
        // Mostly no other slot has the same time, and the place stays where it is.
        let stays = n == self.part_of(new)
            && self.parts.get_mut(n).is_some_and(|part| {
                let Ok(at) = part.places.binary_search(&old) else { return false };
                let before = at.checked_sub(1).and_then(|at| part.places.get(at));
                let after = part.places.get(at.saturating_add(1));
                let fits = before.is_none_or(|place| *place < new) && after.is_none_or(|place| new < *place);
                if let Some(place) = part.places.get_mut(at).filter(|_| fits) {
                    *place = new;
                }
                fits
            });
        if !stays {
            self.remove(time, from);
            self.insert(time, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_as_a_plain_set(ops in prop::collection::vec((0..4u8, -3..40i64, 0..60u32, 0..60u32), 0..3000), wide: bool) {
            let (mut order, mut model) = (Order::default(), BTreeSet::new());
            for (op, time, slot, to) in ops {
                let time = if wide { time << 31 } else { time };
                match op {
                    0 => { order.remove(time, slot); model.remove(&(time, slot)); }
                    1 if model.contains(&(time, slot)) && !model.contains(&(time, to)) => {
                        order.rename(time, slot, to);
                        model.remove(&(time, slot));
                        model.insert((time, to));
                    }
                    _ => { order.insert(time, slot); model.insert((time, slot)); }
                }
                prop_assert_eq!(order.len(), model.len());
            }
            prop_assert!(order.iter().eq(model.iter().copied()));
            prop_assert!(order.iter().rev().eq(model.iter().rev().copied()));
            for time in [-4, 0, 7, 39, 40, Millis::MAX, Millis::MIN] {
                prop_assert_eq!(order.until(time), model.iter().filter(|(t, _)| *t <= time).count());
            }
            for (time, slot) in model {
                order.remove(time, slot);
            }
            prop_assert!(order.parts.is_empty() && order.len() == 0);
        }
    }

    #[test]
    fn what_comes_at_the_end_leaves_full_parts_and_what_moves_no_small_ones() {
        let mut order = Order::default();
        (0..100_000).for_each(|n| order.insert(n.into(), n));
        assert_eq!(order.parts.len(), 100_000usize.div_ceil(PART));
        for n in 0..200_000u32 {
            let slot = ((u64::from(n) * 7919) % 100_000) as u32;
            // The multiplier has no divisor in common with the number: each slot comes once in each round.
            let time = if n < 100_000 { Millis::from(slot) } else { Millis::from(n) };
            order.remove(time, slot);
            order.insert(Millis::from(n) + 100_000, slot);
        }
        assert_eq!(order.len(), 100_000);
        assert!(order.parts.len() < 100_000 / (PART / 4), "{}", order.parts.len());
    }
}

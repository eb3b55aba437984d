//! When the calls of a backend are to be looked at without being woken: a heap that knows where each call's moment stands, so
//! that one that is over takes its moment with it and a million calls with an hour's deadline leave nothing behind.
//!
//! A binary heap (Williams, "Algorithm 232: Heapsort", 1964) in a vector, and for each key its place there. Setting and
//! clearing take logarithmic time; they allocate nothing after [`Timers::reserve`].

use crate::deadline::Deadline;

/// At most one moment for each key.
pub(super) struct Timers {
    /// No child is earlier than its parent.
    heap: Vec<(Deadline, u32)>,
    /// Where each key stands in the heap, or [`NOWHERE`].
    places: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Timers {
    pub(super) const fn new() -> Timers {
        Timers { heap: Vec::new(), places: Vec::new() }
    }

    /// Room for the keys below `keys`. `false`: there is no memory.
    pub(super) fn reserve(&mut self, keys: usize) -> bool {
        let more = keys.saturating_sub(self.heap.len());
        if self.heap.try_reserve(more).is_err()
            || self.places.try_reserve(keys.saturating_sub(self.places.len())).is_err()
        {
            return false;
        }
        if self.places.len() < keys {
            self.places.resize(keys, NOWHERE);
        }
        true
    }

    /// The earliest moment.
    pub(super) fn first(&self) -> Deadline {
        self.heap.first().map_or(Deadline::NEVER, |first| first.0)
    }

    /// Sets the moment of `key`, in place of an earlier one; never is none.
    pub(super) fn set(&mut self, key: u32, at: Deadline) {
        match (self.place(key), at == Deadline::NEVER) {
            (None, true) => {}
            (None, false) => {
                self.heap.push((at, key));
                self.rise(self.heap.len() - 1);
            }
            (Some(place), true) => self.remove(place),
            (Some(place), false) => {
                self.heap[place].0 = at;
                self.rise(place);
                if let Some(place) = self.place(key) {
                    self.sink(place);
                }
            }
        }
    }

    /// Takes the key with the earliest moment, if that has passed by `now`.
    pub(super) fn take_due(&mut self, now: Deadline) -> Option<u32> {
        let (at, key) = *self.heap.first()?;
        if at > now {
            return None;
        }
        self.remove(0);
        Some(key)
    }

    fn place(&self, key: u32) -> Option<usize> {
        self.places.get(index(key)).filter(|place| **place != NOWHERE).map(|place| index(*place))
    }

    fn remove(&mut self, place: usize) {
        let (_, key) = self.heap.swap_remove(place);
        self.places[index(key)] = NOWHERE;
        if place < self.heap.len() {
            self.rise(place);
            // If it rose, what came down from there is no later than its children.
            self.sink(place);
        }
    }

    /// Notes where the one at `place` stands.
    fn note(&mut self, place: usize) {
        // There are fewer than 2^32 keys.
        self.places[index(self.heap[place].1)] = u32::try_from(place).unwrap_or(NOWHERE);
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].0 <= self.heap[place].0 {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let earlier =
                |a: usize, b: usize| if self.heap.get(b).is_some_and(|b| b.0 < self.heap[a].0) { b } else { a };
            let earliest = earlier(earlier(place, 2 * place + 1), 2 * place + 2);
            if earliest == place {
                break;
            }
            self.heap.swap(earliest, place);
            self.note(place);
            place = earliest;
        }
        self.note(place);
    }
}

fn index(key: u32) -> usize {
    key as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Beside a sorted list of pairs.
        #[test]
        fn as_a_sorted_list(steps in prop::collection::vec((0_u32..12, 0_u64..40, any::<bool>()), 0..200)) {
            let mut timers = Timers::new();
            prop_assert!(timers.reserve(12));
            let mut twin: BTreeMap<u32, u64> = BTreeMap::new();
            for (key, at, is_due) in steps {
                if is_due {
                    let due = timers.take_due(Deadline::from_bits(at));
                    let first = twin.values().min().copied().filter(|first| *first <= at);
                    prop_assert_eq!(due.is_some(), first.is_some());
                    if let Some(due) = due {
                        prop_assert_eq!(twin.remove(&due), first);
                    }
                } else if at == 0 {
                    timers.set(key, Deadline::NEVER);
                    twin.remove(&key);
                } else {
                    timers.set(key, Deadline::from_bits(at));
                    twin.insert(key, at);
                }
                let first = twin.values().min().map_or(Deadline::NEVER, |first| Deadline::from_bits(*first));
                prop_assert_eq!(timers.first(), first);
                prop_assert_eq!(timers.heap.len(), twin.len());
            }
        }
    }
}

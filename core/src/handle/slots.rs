//! The slots of a thread's record: lists that only their owner lengthens, that anybody may read, and
//! that never give memory back.

use crate::Error;
use crate::allocate::try_box;
use crate::handle::slot::Slot;
use crate::shim::{AtomicPtr, AtomicUsize, Ordering, compiler_fence};
use std::ptr;

/// Slots of each sort that a record has without further memory.
const FIRST: usize = 8;

/// Slots of one sort: a first row, and further ones, each twice as long, if more were needed.
#[repr(C)]
pub(crate) struct Slots {
    first: [Slot; FIRST],
    /// The latest, longest row, which links to the one before it.
    more: AtomicPtr<Row>,
    /// Where among the further slots the search for an empty one goes on; the owner's alone.
    hint: AtomicUsize,
}

struct Row {
    slots: &'static [Slot],
    shorter: Option<&'static Row>,
}

impl Slots {
    pub(crate) const fn new() -> Slots {
        Slots {
            first: [const { Slot::new() }; FIRST],
            more: AtomicPtr::new(ptr::null_mut()),
            hint: AtomicUsize::new(0),
        }
    }

    fn longest(&self) -> Option<&'static Row> {
        // Acquire: pairs with the release that linked the row.
        let row = self.more.load(Ordering::Acquire);
        // SAFETY: rows are leaked: null, or alive for ever.
        unsafe { row.as_ref() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.first.iter().chain(self.further())
    }

    /// The slots behind the first ones, those of the longest row first.
    fn further(&self) -> impl Iterator<Item = &Slot> {
        std::iter::successors(self.longest(), |row| row.shorter).flat_map(|row| row.slots)
    }

    /// How many are so.
    pub(crate) fn count(&self, is_so: impl Fn(&Slot) -> bool) -> u32 {
        let count = self.iter().filter(|slot| is_so(slot)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.iter().all(Slot::is_empty)
    }

    /// The first empty one of the first two; the owner's alone to ask for.
    #[inline(always)]
    pub(crate) fn one_of_two(&'static self) -> Option<&'static Slot> {
        let [first, second, ..] = &self.first;
        if first.is_empty() {
            return Some(first);
        }
        // For the compiler alone: without it there is no branch but a choice of addresses, which has all that follows wait for
        // what was just stored in the first slot.
        compiler_fence(Ordering::SeqCst);
        Some(second).filter(|slot| slot.is_empty())
    }

    /// An empty slot; the owner's alone to ask for.
    #[inline]
    pub(crate) fn vacant(&'static self) -> Result<&'static Slot, Error> {
        match self.first.iter().find(|slot| slot.is_empty()) {
            Some(slot) => Ok(slot),
            None => self.vacant_in_more(),
        }
    }

    #[cold]
    fn vacant_in_more(&'static self) -> Result<&'static Slot, Error> {
        // Onwards from where the last one was found, once around. As each row is twice as long as the one before, taking
        // n slots, or emptying and taking them again, looks at a small multiple of n.
        let start = self.hint.load(Ordering::Relaxed);
        let mut onwards = self.further().enumerate().skip(start).chain(self.further().enumerate().take(start));
        match onwards.find(|(_, slot)| slot.is_empty()) {
            Some((position, slot)) => {
                self.hint.store(position + 1, Ordering::Relaxed);
                Ok(slot)
            }
            None => self.lengthen(),
        }
    }

    fn lengthen(&'static self) -> Result<&'static Slot, Error> {
        let shorter = self.longest();
        let length = 2 * shorter.map_or(FIRST, |row| row.slots.len());
        let mut slots = Vec::new();
        slots.try_reserve_exact(length).map_err(|_| Error::NoMemory)?;
        slots.resize_with(length, Slot::new);
        let row = try_box(Row { slots: slots.leak(), shorter });
        let row = match row {
            Some(row) => Box::leak(row),
            None => return Err(Error::NoMemory),
        };
        // Release: readers see the row's first stores.
        self.more.store(row, Ordering::Release);
        self.hint.store(1, Ordering::Relaxed);
        Ok(&row.slots[0])
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ffi::c_char;

    fn slots() -> &'static Slots {
        Box::leak(Box::new(Slots::new()))
    }

    /// The token of handle `n`, which is odd.
    fn token(n: u64) -> u64 {
        2 * n + 1
    }

    fn take(slots: &'static Slots, n: u64) -> &'static Slot {
        let slot = slots.vacant().expect("memory");
        assert!(slot.is_empty());
        slot.set_since(n * 10);
        slot.fill(token(n), c"test".as_ptr());
        slot
    }

    fn noted(slots: &Slots, n: u64) -> u32 {
        slots.count(|slot| slot.notes(token(n)))
    }

    fn rows(slots: &'static Slots) -> Vec<usize> {
        std::iter::successors(slots.longest(), |row| row.shorter).map(|row| row.slots.len()).collect()
    }

    #[test]
    fn the_first_eight_need_no_memory_and_each_row_is_twice_as_long() {
        let slots = slots();
        (1..=8).for_each(|n| assert!(take(slots, n).notes(token(n))));
        assert!(rows(slots).is_empty());
        take(slots, 9);
        assert_eq!(rows(slots), [16]);
        (10..=24).for_each(|n| assert!(take(slots, n).notes(token(n))));
        assert_eq!(rows(slots), [16]);
        (25..=1000).for_each(|n| assert!(take(slots, n).notes(token(n))));
        assert_eq!(rows(slots), [512, 256, 128, 64, 32, 16]);
        for n in 1..=1000 {
            assert_eq!(noted(slots, n), 1, "handle {n}");
        }
        assert!(!slots.are_empty());
    }

    #[test]
    fn emptied_slots_are_used_again_before_there_are_more() {
        let slots = slots();
        let mut all: Vec<_> = (1..=200).map(|n| take(slots, n)).collect();
        let before = rows(slots);
        let places: std::collections::HashSet<*const Slot> = all.iter().map(|slot| ptr::from_ref(*slot)).collect();
        assert_eq!(places.len(), 200, "two takers have the same slot");
        for round in 0..20 {
            for _ in 0..=(round * 37 % 199) {
                all.swap_remove(round * 13 % all.len()).clear();
            }
            while all.len() < 200 {
                all.push(take(slots, 7));
            }
        }
        assert_eq!(rows(slots), before, "grew although no more were in use than before");
        all.iter().for_each(|slot| slot.clear());
        assert!(slots.are_empty());
        assert!(ptr::eq(take(slots, 1), &raw const slots.first[0]), "the first row is looked at first");
    }

    #[test]
    fn a_reader_sees_a_token_with_its_operation() {
        let slots = slots();
        let slot = take(slots, 5);
        assert_eq!(slot.sight(token(5)), Some((c"test".as_ptr(), 50)));
        assert_eq!((slot.sight(token(6)), slot.sight(1)), (None, None));
        assert!(slot.notes(token(5)) && slot.protects(token(5)));
        slot.clear();
        assert_eq!(slot.sight(token(5)), None);
        assert_eq!(noted(slots, 5), 0);
        slot.fill_counted(token(5), c"counted".as_ptr());
        assert!(slot.notes(token(5)) && !slot.is_empty());
        assert!(!slot.protects(token(5)), "the count does, not the slot");
        assert_eq!(slot.sight(token(5)).map(|(operation, _)| operation), Some(c"counted".as_ptr()));
    }

    /// While the owner takes and empties slots, a reader sees each token with its own operation.
    #[test]
    fn readers_see_whole_slots_while_the_list_grows() {
        let names: [*const c_char; 3] = [c"one".as_ptr(), c"two".as_ptr(), c"three".as_ptr()];
        let addresses = names.map(<*const c_char>::addr);
        let slots = slots();
        let over = std::sync::atomic::AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0_u64;
                while !over.load(Ordering::SeqCst) {
                    for slot in slots.iter() {
                        for (n, address) in (1..).zip(addresses) {
                            let Some((operation, _)) = slot.sight(token(n)) else { continue };
                            assert_eq!(operation.addr(), address, "handle {n} with another's operation");
                            seen += 1;
                        }
                    }
                }
                seen
            });
            let start = std::time::Instant::now();
            let mut taken = Vec::new();
            for round in 0.. {
                if start.elapsed().as_millis() > 300 {
                    break;
                }
                // Ever the same token with the same name, as in a life; slots change tokens between lives.
                for (n, name) in (1..).zip(names) {
                    for _ in 0..round % 9 {
                        let slot = slots.vacant().expect("memory");
                        slot.fill(token(n), name);
                        taken.push(slot);
                    }
                }
                taken.drain(..).for_each(Slot::clear);
            }
            over.store(true, Ordering::SeqCst);
            reader.join().expect("no panic")
        });
        println!("the reader saw {seen} slots");
        assert!(seen > 0, "the reader saw nothing: nothing was tested");
    }
}

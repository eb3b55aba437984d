//! The slots of a thread's record: lists that only their owner lengthens, that anybody may read, and
//! that never give memory back.

use crate::Error;
use crate::allocate::try_box;
use crate::shim::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::ffi::c_char;
use std::ptr;

/// Slots of each sort that a record has without further memory.
const FIRST: usize = 8;

/// One thing in flight.
pub(crate) struct Slot {
    token: AtomicU64,
    operation: AtomicPtr<c_char>,
    /// Of a hold: when it was taken. Of an operation: its place in the order of the thread's enters.
    since: AtomicU64,
}

/// Slots of one sort: a first row, and further ones, each twice as long, if more were needed.
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

impl Slot {
    const fn new() -> Slot {
        Slot { token: AtomicU64::new(0), operation: AtomicPtr::new(ptr::null_mut()), since: AtomicU64::new(0) }
    }

    fn is_empty(&self) -> bool {
        self.token.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn fill(&self, token: u64, operation: *const c_char, since: u64) {
        self.operation.store(operation.cast_mut(), Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
        // Release: a reader that sees the token sees its operation.
        self.token.store(token, Ordering::Release);
    }

    /// Whether it notes `token`; for the owner.
    #[inline]
    pub(crate) fn notes(&self, token: u64) -> bool {
        self.token.load(Ordering::Relaxed) == token
    }

    /// What another thread sees of it: the operation's name, and its order or time; `None` if it does
    /// not note `token`.
    pub(crate) fn sight(&self, token: u64) -> Option<(*const c_char, u64)> {
        // Acquire: who sees the token sees its operation.
        if self.token.load(Ordering::Acquire) != token {
            return None;
        }
        let operation: *const c_char = self.operation.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Acquire);
        // Not if it was taken for something else in between.
        self.notes(token).then_some((operation, since))
    }

    /// Its operation's place in the order of enters; for the owner.
    pub(crate) fn order(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Empties the slot.
    #[inline]
    pub(crate) fn clear(&self) {
        // Release: orders a hold's release on another thread before the owner's next use of the slot.
        self.token.store(0, Ordering::Release);
    }
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

    /// How many note `token`.
    pub(crate) fn noted(&self, token: u64) -> u32 {
        let noted = self.iter().filter(|slot| slot.notes(token));
        u32::try_from(noted.count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.iter().all(Slot::is_empty)
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

    fn slots() -> &'static Slots {
        Box::leak(Box::new(Slots::new()))
    }

    fn take(slots: &'static Slots, token: u64) -> &'static Slot {
        let slot = slots.vacant().expect("memory");
        assert!(slot.is_empty());
        slot.fill(token, c"test".as_ptr(), token * 10);
        slot
    }

    fn rows(slots: &'static Slots) -> Vec<usize> {
        std::iter::successors(slots.longest(), |row| row.shorter).map(|row| row.slots.len()).collect()
    }

    #[test]
    fn the_first_eight_need_no_memory_and_each_row_is_twice_as_long() {
        let slots = slots();
        (1..=8).for_each(|token| assert!(take(slots, token).notes(token)));
        assert!(rows(slots).is_empty());
        take(slots, 9);
        assert_eq!(rows(slots), [16]);
        (10..=24).for_each(|token| assert!(take(slots, token).notes(token)));
        assert_eq!(rows(slots), [16]);
        (25..=1000).for_each(|token| assert!(take(slots, token).notes(token)));
        assert_eq!(rows(slots), [512, 256, 128, 64, 32, 16]);
        for token in 1..=1000 {
            assert_eq!(slots.noted(token), 1, "token {token}");
        }
        assert!(!slots.are_empty());
    }

    #[test]
    fn emptied_slots_are_used_again_before_there_are_more() {
        let slots = slots();
        let mut all: Vec<_> = (1..=200).map(|token| take(slots, token)).collect();
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
        assert_eq!(slot.sight(5), Some((c"test".as_ptr(), 50)));
        assert_eq!((slot.sight(6), slot.sight(0)), (None, None));
        assert_eq!((slot.order(), slot.notes(5)), (50, true));
        slot.clear();
        assert_eq!(slot.sight(5), None);
        assert_eq!(slots.noted(5), 0);
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
                        for (token, address) in (1..).zip(addresses) {
                            let Some((operation, _)) = slot.sight(token) else { continue };
                            assert_eq!(operation.addr(), address, "token {token} with another's operation");
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
                for (token, name) in (1..).zip(names) {
                    for _ in 0..round % 9 {
                        let slot = slots.vacant().expect("memory");
                        slot.fill(token, name, 0);
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

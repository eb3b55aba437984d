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
    /// Where in `more` the search for an empty slot goes on; the owner's alone.
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
        let rows = std::iter::successors(self.longest(), |row| row.shorter);
        self.first.iter().chain(rows.flat_map(|row| row.slots))
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
        // From where the last one was found; all else only when the longest row is full. As each row is twice as
        // long as the one before, taking n slots looks at a small multiple of n.
        if let Some(longest) = self.longest() {
            let start = self.hint.load(Ordering::Relaxed).min(longest.slots.len());
            if let Some(found) = longest.slots[start..].iter().position(Slot::is_empty) {
                self.hint.store(start + found + 1, Ordering::Relaxed);
                return Ok(&longest.slots[start + found]);
            }
            self.hint.store(0, Ordering::Relaxed);
            if let Some(slot) = self.iter().find(|slot| slot.is_empty()) {
                return Ok(slot);
            }
        }
        self.lengthen()
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

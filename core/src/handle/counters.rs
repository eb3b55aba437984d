//! How often things have happened, counted where they happen.
//!
//! Each thread counts in its own record, by a load and a store; what happens on a thread without a record is counted
//! in one place for all of them. Records are leaked and re-used with their counts, so a sum over all of them never
//! shrinks. A signal handler that interrupts its thread between the load and the store has its own counts undone:
//! these numbers are for people.
//!
//! A forked child goes on from its parent's numbers.

use crate::handle::{current, records};
use crate::shim::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// Handles, kinds and holds apart.
    Opened,
    /// Their objects destroyed.
    Freed,
    /// Frees that found somebody inside.
    Drains,
    /// Heavy sides of the barrier.
    Barriers,
    // Refusals that an exported function answered.
    RefusedNull,
    RefusedBadHandle,
    RefusedWrongKind,
    RefusedFreed,
    RefusedForked,
    RefusedBusy,
    RefusedOther,
    // Misuses, unless they are ignored.
    DoubleFree,
    Stale,
    WrongKind,
    NotInside,
}

const COUNTERS: usize = Counter::NotInside as usize + 1;

/// One count of each.
pub(crate) struct Counters([AtomicU64; COUNTERS]);

/// Of the threads that have no record: before their first handle, at their end, or for want of memory.
static WITHOUT_RECORD: Counters = Counters::new();

impl Counters {
    pub(crate) const fn new() -> Counters {
        Counters([const { AtomicU64::new(0) }; COUNTERS])
    }

    fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }

    /// One more; for the owner alone.
    #[inline]
    fn add(&self, counter: Counter) {
        self.0[counter as usize].store(self.get(counter) + 1, Ordering::Relaxed);
    }

    #[cold]
    fn add_shared(&self, counter: Counter) {
        self.0[counter as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts one more, on the calling thread.
#[inline]
pub(crate) fn count(counter: Counter) {
    match current::get() {
        Some(record) => record.counters.add(counter),
        None => WITHOUT_RECORD.add_shared(counter),
    }
}

/// How often it has happened, on all threads.
pub(crate) fn sum(counter: Counter) -> u64 {
    let recorded = records::all().map(|record| record.counters.get(counter));
    recorded.sum::<u64>() + WITHOUT_RECORD.get(counter)
}

//! All threads' records: what the one who frees looks through, and who is told of in reports.
//!
//! # The barrier, and when it is not needed
//!
//! Before the slots say who is inside a handle that was just closed, the barrier has to run (`lane.rs`). It is skipped while all records are the closer's own: then nobody else has a slot. A thread links its
//! record, executes a full fence, stores its slot and looks at the word; the closer changes the word, executes a full
//! fence, and looks at this list. So it sees the record, or the thread sees the closed word. (A record that an ended thread
//! left is another's, too, whoever takes it over.)
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | link | release | the acquire of whoever walks the list | the record's first stores |
//! | look at a slot | acquire | the release that cleared it, or filled it anew | what the operation did |

use crate::handle::current;
use crate::handle::record::Record;
use crate::handle::slot::{Phase, Slot};
use crate::shim::{AtomicPtr, Ordering};
use std::ffi::{CStr, c_char};
use std::ptr;

static FIRST: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());

/// A slot of somebody's, as another thread read it.
pub(crate) struct Sighting {
    pub(crate) record: &'static Record,
    operation: *const c_char,
    /// Of a hold: its phase, and since when; `None`: an operation.
    pub(crate) hold: Option<(Phase, u64)>,
}

/// Adds a record, for ever.
pub(crate) fn link(record: &'static Record) -> &'static Record {
    let mut first = FIRST.load(Ordering::Relaxed);
    loop {
        record.next.store(first, Ordering::Relaxed);
        let new = ptr::from_ref(record).cast_mut();
        match FIRST.compare_exchange_weak(first, new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return record,
            Err(now) => first = now,
        }
    }
}

/// All records, the latest first.
pub(crate) fn all() -> impl Iterator<Item = &'static Record> {
    // SAFETY: records are leaked: null, or alive for ever.
    let at = |next: &AtomicPtr<Record>| unsafe { next.load(Ordering::Acquire).as_ref() };
    std::iter::successors(at(&FIRST), move |record| at(&record.next))
}

/// Whether there are none but the calling thread's.
pub(crate) fn are_own() -> bool {
    let own = current::get();
    all().all(|record| own.is_some_and(|own| ptr::eq(own, record)))
}

/// How many slots protect `token`.
pub(crate) fn protecting(token: u64) -> u32 {
    u32::try_from(slots().filter(|slot| slot.protects(token)).count()).unwrap_or(u32::MAX)
}

/// Whether any slot does. It looks up to the first.
pub(crate) fn is_protected(token: u64) -> bool {
    slots().any(|slot| slot.protects(token))
}

fn slots() -> impl Iterator<Item = &'static Slot> {
    all().flat_map(|record| record.operations().chain(record.holds()))
}

/// Everybody's operations and holds on `token`, at some moment during the call.
pub(crate) fn sightings(token: u64) -> impl Iterator<Item = Sighting> {
    all().flat_map(move |record| {
        let operations = record.operations().map(|slot| (slot, false));
        let holds = record.holds().map(|slot| (slot, true));
        operations.chain(holds).filter_map(move |(slot, is_hold)| {
            let (operation, since) = slot.sight(token)?;
            let hold = is_hold.then(|| (Phase::of(since), since));
            Some(Sighting { record, operation, hold })
        })
    })
}

impl Sighting {
    /// Whether it is a hold that has been taken.
    pub(crate) fn is_hold(&self) -> bool {
        self.hold.is_some_and(|(phase, _)| phase != Phase::Waiting)
    }

    /// The operation's name.
    pub(crate) fn operation(&self) -> Option<&CStr> {
        // SAFETY: an operation's name is a C string that is never given back (the contract of every enter).
        (!self.operation.is_null()).then(|| unsafe { CStr::from_ptr(self.operation) })
    }
}

/// In a forked child, still alone: the other threads are gone, and whatever was in flight is the
/// parent's.
#[cfg(unix)]
pub(crate) fn in_child() {
    all().for_each(|record| record.in_child(current::get()));
}

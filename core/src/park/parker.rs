//! One thread's place to sleep until somebody wakes it, and the waker that does.
//!
//! # States
//!
//! | state | means |
//! |---|---|
//! | empty | awake, nobody has called since the last look |
//! | parked | asleep, or about to be |
//! | notified | called: the next park returns at once |
//!
//! As the parker of Rust's standard library (`sys/sync/thread_parking/futex.rs`), but in memory that is never given back
//! (a thread's record). So a waker is its address alone: it needs no memory and no count, and one that is used late, when
//! the record is another thread's, wakes that for nothing. Each wait looks again.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | unpark | release | park | what the caller did before |
//! | park, on return | acquire | unpark | |

use super::{Half, backend};
use crate::deadline::Deadline;
use crate::shim::{AtomicU64, Ordering, const_fn};
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// See the file head.
pub struct Parker(AtomicU64);

const EMPTY: u64 = 0;
const NOTIFIED: u64 = 1;
const PARKED: u64 = 2;
/// The same, as the sleeper names what it expects.
const PARKED_HALF: u32 = 2;

impl Parker {
    const_fn! {
        /// Empty.
        #[allow(clippy::new_without_default, reason = "it is made in a constant")]
        #[must_use]
        pub fn new() -> Parker {
            Parker(AtomicU64::new(EMPTY))
        }
    }

    /// Sleeps until somebody unparks this thread, has done so since the last park, or `deadline` passes. The owner's alone.
    pub fn park(&self, deadline: Deadline) {
        if self.0.compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            while self.0.load(Ordering::Relaxed) == PARKED && !deadline.has_passed() {
                backend::wait(&self.0, Half::Low, PARKED_HALF, deadline);
            }
        }
        // A call that comes at the deadline is taken, too.
        self.0.swap(EMPTY, Ordering::Acquire);
    }

    /// Wakes the owner, or has its next park return at once.
    pub fn unpark(&self) {
        if self.0.swap(NOTIFIED, Ordering::Release) == PARKED {
            backend::wake_all(&self.0, Half::Low);
        }
    }

    /// Unparks when it is woken.
    #[must_use]
    pub fn waker(&'static self) -> Waker {
        // SAFETY: the functions below keep the contract of a waker: the parker is alive for ever, and is `Sync`.
        unsafe { Waker::from_raw(raw(self)) }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| {});

fn raw(parker: &'static Parker) -> RawWaker {
    RawWaker::new(ptr::from_ref(parker).cast(), &VTABLE)
}

/// # Safety
/// `data` is a parker's address, as [`raw`] put it there.
unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

/// # Safety
/// As [`clone`].
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise; parkers are alive for ever.
    unsafe { &*data.cast::<Parker>() }.unpark();
}

//! Whose a thread's record is: one thread's, from when it takes it over to when it ends.
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | end | release | take over | all that the thread did with the record |
//! | take over | acquire | end | |

use crate::shim::{AtomicU32, Ordering, const_fn};

/// Owned, or ended and there for the next thread.
pub struct Ownership(AtomicU32);

const ENDED: u32 = 0;
const OWNED: u32 = 1;

impl Ownership {
    const_fn! {
        /// The calling thread's.
        #[must_use]
        pub fn new() -> Ownership {
            Ownership(AtomicU32::new(OWNED))
        }
    }

    /// Whether its thread has ended.
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire) == ENDED
    }

    /// The owner ends; what it left in flight stays.
    pub fn end(&self) {
        self.0.store(ENDED, Ordering::Release);
    }

    /// Makes what an ended thread left the calling thread's, if it `is_empty`.
    pub fn take_over(&self, is_empty: impl FnOnce() -> bool) -> bool {
        if self.0.compare_exchange(ENDED, OWNED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // Looked at by the owner alone: another thread may have had it in between, and ended inside something.
        let is_empty = is_empty();
        if !is_empty {
            self.end();
        }
        is_empty
    }
}

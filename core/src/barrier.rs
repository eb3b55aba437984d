//! A barrier with a light side, which costs nothing, and a heavy side, which pays for both.
//!
//! One thread stores A, calls [`light`], and loads B; another stores B, calls [`heavy`], and loads A. At
//! least one of them sees the other's store, as if each had executed a full fence between its two steps.
//! The light side is a fence for the compiler alone. The heavy side has the kernel run a full fence on
//! every processor that runs a thread of this process: whatever such a thread stored before that point
//! is seen from then on, and whatever it loads after that point is loaded after it.
//!
//! (D. Dice, H. Huang, M. Yang: "Asymmetric Dekker Synchronization", 2001; Linux `membarrier(2)`, its
//! private expedited command.)
//!
//! | build | light | heavy |
//! |---|---|---|
//! | Linux, Android | for the compiler | `membarrier`, unless the kernel has none or it is forbidden |
//! | `--cfg quiescent_symmetric_barrier`, and the models | full fence | full fence |
//! | elsewhere | nothing | there is none, so the hazard lane is never opened |
//!
//! The symmetric build is for ThreadSanitizer, which does not know `membarrier`.

#[cfg(any(loom, quiescent_symmetric_barrier))]
#[path = "barrier/symmetric.rs"]
mod backend;

#[cfg(all(not(any(loom, quiescent_symmetric_barrier)), any(target_os = "linux", target_os = "android")))]
#[path = "barrier/membarrier.rs"]
mod backend;

#[cfg(all(not(any(loom, quiescent_symmetric_barrier)), not(any(target_os = "linux", target_os = "android"))))]
#[path = "barrier/none.rs"]
mod backend;

#[cfg(not(loom))]
use crate::handle::counters::{self, Counter};
use crate::shim::{Ordering, fence};

/// Whether [`heavy`] can be expected to work. Asks the system once.
#[cfg(not(loom))]
pub(crate) use backend::is_available;

/// The light side.
pub(crate) use backend::light;

/// The heavy side; `false`: the system refused, and nothing is ordered. Calls that were made before it
/// count, so one is enough for many.
pub(crate) fn heavy() -> bool {
    #[cfg(not(loom))]
    counters::count(Counter::Barriers);
    backend::heavy()
}

/// A full fence by this thread alone.
pub fn full() {
    fence(Ordering::SeqCst);
}

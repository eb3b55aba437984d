//! Whether a panic left what a lock protects half-changed, as in the standard library.

use crate::shim::{AtomicU32, Ordering, const_fn};

/// Set by a guard that is dropped by a panic which began while it existed. Only looked at and set by whoever has the lock,
/// whose queue orders one holder after the other.
pub(crate) struct Poison(AtomicU32);

/// What a guard keeps: whether its thread was panicking already when it locked.
#[derive(Clone, Copy)]
pub(crate) struct Calm(bool);

impl Calm {
    pub(crate) fn now() -> Calm {
        Calm(!std::thread::panicking())
    }
}

impl Poison {
    const_fn! {
        pub(crate) fn new() -> Poison {
            Poison(AtomicU32::new(0))
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// A guard that was taken so is dropped.
    pub(crate) fn set_if_panicking(&self, taken: Calm) {
        if taken.0 && std::thread::panicking() {
            self.0.store(1, Ordering::Relaxed);
        }
    }
}

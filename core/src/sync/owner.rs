//! Which thread holds a lock, so that one that would wait for itself is told so at once.

use crate::shim::{AtomicU64, Ordering, const_fn};
use std::cell::Cell;

/// A thread, or none. Set and cleared by whoever has the lock; a thread that looks for itself sees what itself did.
pub(crate) struct Owner(AtomicU64);

const NOBODY: u64 = 0;

impl Owner {
    const_fn! {
        pub(crate) fn nobody() -> Owner {
            Owner(AtomicU64::new(NOBODY))
        }
    }

    pub(crate) fn set_to_this_thread(&self) {
        self.0.store(this_thread(), Ordering::Relaxed);
    }

    /// It is given back, or belongs to another thread from now on.
    pub(crate) fn clear(&self) {
        self.0.store(NOBODY, Ordering::Relaxed);
    }

    pub(crate) fn is_this_thread(&self) -> bool {
        self.0.load(Ordering::Relaxed) == this_thread()
    }
}

/// A number that no other thread of this process has, or ever had.
pub(crate) fn this_thread() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(NOBODY);
    #[cfg(not(loom))]
    thread_local! {
        // Without a destructor, so that it can be read while other destructors run at the thread's end.
        static NUMBER: Cell<u64> = const { Cell::new(NOBODY) };
    }
    // A model's threads are one to std.
    #[cfg(loom)]
    loom::thread_local! {
        static NUMBER: Cell<u64> = Cell::new(NOBODY);
    }
    NUMBER.with(|number| match number.get() {
        NOBODY => {
            number.set(LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
            number.get()
        }
        number => number,
    })
}

//! The one place that names std's atomics or loom's: everything else imports them from here.
//!
//! Under `--cfg loom` the same protocol code runs in the model checker. There are no timeouts there
//! (a model stands for a deadline with a thread or with `Duration::ZERO`), and nothing spins.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// How often a drain looks at the word before it sleeps: about 20 us of `pause`, long enough to meet the
/// last leave of a short operation awake (0.3 us instead of the 4 to 15 us of a futex wake).
#[cfg(not(loom))]
pub(crate) const SPINS: u32 = 2000;
#[cfg(loom)]
pub(crate) const SPINS: u32 = 0;

#[cfg(not(loom))]
pub(crate) fn spin() {
    std::hint::spin_loop();
}
#[cfg(loom)]
pub(crate) fn spin() {
    loom::thread::yield_now();
}

/// `const fn` outside of loom, whose atomics cannot be made in a constant.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;

//! Under loom: a list of who is asleep, beside the model. A sleeper that nobody wakes is a deadlock, which loom reports: that
//! is how a lost wake-up is found.
//!
//! To loom, [`wait`] is one step, which compares and falls asleep, as it is in the kernel, and [`wake_all`] is none: it belongs
//! to the change of the word just before it. What a futex may do besides:
//!
//! - *It wakes some time after the change.* Whoever slept on the old value sleeps on meanwhile; here it may run, but need not
//!   yet, which is the same. Whoever falls asleep on the new value meanwhile is woken for nothing:
//! - *It returns for nothing.* [`crate::park::until`] then looks and sleeps again, and has touched nothing: what the others
//!   can do is as if it had come to sleep that much later, which is explored.
//! - *It orders nothing that one could rely on.* Here a sleeper sees what was done before it was woken. So for each ordering
//!   there is a model in which nobody sleeps.

use crate::deadline::Deadline;
use crate::park::Half;
use crate::shim::{AtomicU64, Ordering};
use loom::thread::{Thread, current, park};
use std::cell::RefCell;

/// A thread asleep on one half of the word at an address.
struct Sleeper {
    word: *const AtomicU64,
    half: Half,
    thread: Thread,
}

thread_local! {
    /// All threads of a model are one thread to std, so this is theirs together. Loom does not see it.
    static ASLEEP: RefCell<Vec<Sleeper>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn wait(word: &AtomicU64, half: Half, expected: u32, deadline: Deadline) {
    assert!(deadline == Deadline::NEVER, "models have no clock: a deadline is never or has passed");
    // A load may see an old value, a compare-and-swap the newest alone. No word is like this, so it changes nothing.
    let never = u64::MAX;
    let bits = word.compare_exchange(never, never, Ordering::Relaxed, Ordering::Relaxed).unwrap_or_else(|bits| bits);
    let now = match half {
        Half::Low => bits & u64::from(u32::MAX),
        Half::High => bits >> 32,
    };
    if now == u64::from(expected) {
        ASLEEP.with_borrow_mut(|asleep| asleep.push(Sleeper { word, half, thread: current() }));
        park();
    }
}

pub(super) fn wake_all(word: &AtomicU64, half: Half) {
    ASLEEP.with_borrow_mut(|asleep| {
        asleep.retain(|sleeper| {
            let woken = std::ptr::eq(sleeper.word, word) && sleeper.half == half;
            if woken {
                sleeper.thread.unpark();
            }
            !woken
        });
    });
}

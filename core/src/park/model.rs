//! Under loom: one mutex and one condition variable for all words. A sleeper that nobody wakes is a
//! deadlock, which loom reports: that is how a lost wake-up is found.

use crate::deadline::Deadline;
use crate::park::Half;
use crate::shim::{AtomicU64, Ordering};
use loom::sync::{Condvar, Mutex};

loom::lazy_static! {
    static ref LOCK: Mutex<()> = Mutex::new(());
    static ref CHANGED: Condvar = Condvar::new();
}

pub(super) fn wait(word: &AtomicU64, half: Half, expected: u32, deadline: Deadline) {
    assert!(deadline == Deadline::NEVER, "models have no clock: a deadline is never or has passed");
    let locked = LOCK.lock().expect("no model panics while it sleeps");
    let bits = word.load(Ordering::Relaxed);
    let now = match half {
        Half::Low => bits & u64::from(u32::MAX),
        Half::High => bits >> 32,
    };
    if now == u64::from(expected) {
        drop(CHANGED.wait(locked).expect("no model panics while it sleeps"));
    }
}

pub(super) fn wake_all(_word: &AtomicU64, _half: Half) {
    drop(LOCK.lock().expect("no model panics while it sleeps"));
    CHANGED.notify_all();
}

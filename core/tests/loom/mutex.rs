//! Mutexes: one holder at a time, whose successor sees what it did; a thread is told that it waits for itself only when it does;
//! and what was handed to a waiter that gives up is handed on.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use quiescent_core::sync::{CancelToken, LockError, Mutex};
use quiescent_core::{Interrupted, Wait};
use std::sync::Arc;

/// A lock, and what it protects.
struct Locked {
    mutex: Mutex<()>,
    object: Object,
    cancel: CancelToken,
}

impl Locked {
    fn new() -> Arc<Locked> {
        let cancel = CancelToken::new().expect("memory");
        Arc::new(Locked { mutex: Mutex::new(()), object: Object::new(), cancel })
    }

    fn use_it(&self, wait: Wait<'_>) -> &'static str {
        match self.mutex.lock(wait) {
            Ok(_guard) => {
                self.object.operate(0);
                "had it"
            }
            Err(LockError::Deadlock) => "told that it waits for itself",
            Err(LockError::Closed) => "closed",
            Err(LockError::Interrupted(Interrupted::Cancelled)) => "cancelled",
            Err(LockError::Poisoned(_) | LockError::Interrupted(_)) => "otherwise",
        }
    }

    fn is_unlocked(&self) -> bool {
        self.mutex.try_lock().is_ok()
    }
}

/// Each of the two may come first; the other waits, and has it then.
#[test]
fn lock_vs_lock() {
    explore([("had it", "had it")], || {
        let locked = Locked::new();
        let other = with(&locked, |locked| locked.use_it(Wait::FOREVER));
        let this = locked.use_it(Wait::FOREVER);
        let other = join(other);
        assert!(locked.is_unlocked());
        (this, other)
    });
}

/// The lock is free again, or the waiter had it, whoever was faster.
#[test]
fn unlock_vs_cancel() {
    explore_at_most(3, ["had it", "cancelled"], || {
        let locked = Locked::new();
        let held = locked.mutex.lock(Wait::FOREVER).expect("nobody has it").pass_on();
        let waiter = with(&locked, |locked| locked.use_it(Wait::FOREVER.or_cancelled(&locked.cancel)));
        let canceller = with(&locked, |locked| locked.cancel.cancel());
        drop(held);
        let answer = join(waiter);
        join(canceller);
        assert!(locked.is_unlocked(), "it was handed to who had gone");
        answer
    });
}

/// A guard that is dropped on another thread: the one that took it may take it again, and is never told that it waits for itself
/// once it is free.
#[test]
fn unlock_elsewhere_vs_lock() {
    explore(["had it", "told that it waits for itself"], || {
        let locked = Locked::new();
        std::mem::forget(locked.mutex.lock(Wait::FOREVER).expect("nobody has it"));
        let other = with(&locked, |locked| {
            locked.object.operate(0);
            locked.mutex.unlock_forgotten();
        });
        let answer = locked.use_it(Wait::FOREVER);
        join(other);
        assert!(locked.is_unlocked());
        answer
    });
}

#[test]
fn close_vs_lock() {
    explore(["had it", "closed"], || {
        let locked = Locked::new();
        let closer = with(&locked, |locked| locked.mutex.close());
        let answer = locked.use_it(Wait::FOREVER);
        join(closer);
        answer
    });
}

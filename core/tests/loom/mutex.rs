//! Mutexes: one holder at a time, whose successor sees what it did; a thread is told that it waits for itself only when it does;
//! and what was handed to a waiter that gives up is handed on.
//!
//! In the models of three threads nobody sleeps: who waits is a future, polled by hand, and gives up by being dropped. So most
//! are explored in every execution. Each ends with the question whether the lock is there.

use crate::object::Object;
use crate::{explore, explore_at_most, join, with};
use quiescent_core::sync::{CancelToken, LockError, Mutex, OwnedMutexGuard};
use quiescent_core::{Interrupted, Wait};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A lock, and what it protects.
struct Locked {
    mutex: Arc<Mutex<()>>,
    object: Object,
    cancel: CancelToken,
}

impl Locked {
    fn new() -> Arc<Locked> {
        let cancel = CancelToken::new().expect("memory");
        Arc::new(Locked { mutex: Arc::new(Mutex::new(())), object: Object::new(), cancel })
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

    /// One that does not wait.
    fn try_it(&self) -> &'static str {
        self.use_it(Wait::NOT)
    }

    /// One that is to stand in line.
    fn newcomer(&self) -> Locking {
        Box::pin(Arc::clone(&self.mutex).lock_owned_async())
    }

    /// One that stands in line.
    fn waiter(&self) -> Locking {
        let mut locking = self.newcomer();
        assert_eq!(self.poll(&mut locking), "waits");
        locking
    }

    /// Looks once; what it has is given back.
    fn poll(&self, locking: &mut Locking) -> &'static str {
        match locking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(_guard)) => {
                self.object.operate(0);
                "had it"
            }
            Poll::Ready(Err(LockError::Closed)) => "closed",
            Poll::Ready(Err(_)) => "otherwise",
            Poll::Pending => "waits",
        }
    }

    /// Looks once and then gives up.
    fn poll_and_leave(&self, mut locking: Locking) -> &'static str {
        self.poll(&mut locking)
    }
}

type Locking = Pin<Box<dyn Future<Output = Result<OwnedMutexGuard<()>, LockError<OwnedMutexGuard<()>>>>>>;

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

/// One that is in line gives up as the lock is handed over, and another comes.
#[test]
fn hand_over_vs_give_up_vs_try() {
    explore(["had it", "otherwise"], || {
        let locked = Locked::new();
        let held = locked.mutex.try_lock().expect("nobody has it");
        locked.object.operate(0);
        let waiter = locked.waiter();
        let leaver = with(&locked, move |_| drop(waiter));
        let other = with(&locked, Locked::try_it);
        drop(held);
        let answer = join(other);
        join(leaver);
        assert!(locked.is_unlocked(), "it was handed to who had gone");
        answer
    });
}

/// Both that are in line give up as the lock is handed over.
#[test]
fn hand_over_vs_two_that_give_up() {
    explore([()], || {
        let locked = Locked::new();
        let held = locked.mutex.try_lock().expect("nobody has it");
        let leavers = [(); 2].map(|()| locked.waiter()).map(|waiter| with(&locked, move |_| drop(waiter)));
        drop(held);
        let _ = leavers.map(join);
        assert!(locked.is_unlocked(), "it was handed to who had gone");
    });
}

/// Two come while the lock is given back, and each looks once.
#[test]
fn give_back_vs_two_that_come() {
    let outcomes = [("had it", "had it"), ("had it", "waits"), ("waits", "had it"), ("waits", "waits")];
    explore_at_most(3, outcomes, || {
        let locked = Locked::new();
        let held = locked.mutex.try_lock().expect("nobody has it");
        locked.object.operate(0);
        let others = [(); 2].map(|()| {
            with(&locked, |locked| {
                let locking = locked.newcomer();
                locked.poll_and_leave(locking)
            })
        });
        drop(held);
        let [first, second] = others.map(join);
        assert!(locked.is_unlocked(), "it was handed to who had gone");
        (first, second)
    });
}

/// The first in line has it, or gives up; the second has it then, whoever tries.
#[test]
fn hand_over_vs_give_up_with_another_in_line() {
    explore_at_most(3, [("waits", "had it"), ("had it", "had it")], || {
        let locked = Locked::new();
        let held = locked.mutex.try_lock().expect("nobody has it");
        let (first, mut second) = (locked.waiter(), locked.waiter());
        let first = with(&locked, move |locked| locked.poll_and_leave(first));
        let other = with(&locked, Locked::try_it);
        drop(held);
        let first = join(first);
        assert_eq!(join(other), "otherwise", "it barged in");
        let second = locked.poll(&mut second);
        assert!(locked.is_unlocked());
        (first, second)
    });
}

/// Closed while it is handed over: the one in line may have it or not, and nobody has it after that.
#[test]
fn hand_over_vs_close_vs_give_up() {
    explore_at_most(3, ["had it", "closed", "waits"], || {
        let locked = Locked::new();
        let held = locked.mutex.try_lock().expect("nobody has it");
        locked.object.operate(0);
        let waiter = locked.waiter();
        let waiter = with(&locked, move |locked| locked.poll_and_leave(waiter));
        let closer = with(&locked, |locked| locked.mutex.close());
        drop(held);
        let answer = join(waiter);
        join(closer);
        assert_eq!(locked.try_it(), "closed");
        let mut late = locked.newcomer();
        assert_eq!(locked.poll(&mut late), "closed");
        answer
    });
}

/// Three that wait for each other, asleep.
#[test]
fn lock_vs_lock_vs_lock() {
    explore_at_most(2, [()], || {
        let locked = Locked::new();
        let others = [(); 2].map(|()| with(&locked, |locked| locked.use_it(Wait::FOREVER)));
        assert_eq!(locked.use_it(Wait::FOREVER), "had it");
        assert_eq!(others.map(join), ["had it"; 2]);
        assert!(locked.is_unlocked());
    });
}

//! Mutexes.

use crate::races::{close_wakes_all, grant_vs_cancel};
use quiescent_core::sync::{CancelToken, ContendedMutex, LockError, Mutex, MutexGuard, TryLockError};
use quiescent_core::{Error, Interrupted, Wait, block_on};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn soon() -> Wait<'static> {
    Duration::from_millis(20).into()
}

fn long() -> Wait<'static> {
    Duration::from_secs(60).into()
}

#[test]
fn one_at_a_time() {
    let mutex = Mutex::new(0_u64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5_000).for_each(|_| *mutex.lock(long()).unwrap() += 1));
        }
    });
    assert_eq!(mutex.into_inner(), 20_000);
}

#[test]
fn first_in_first_out() {
    let mutex = Mutex::new(Vec::new());
    let held = mutex.lock(long()).unwrap();
    let queued = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for number in 0..5_u32 {
            let (mutex, queued) = (&mutex, &queued);
            scope.spawn(move || {
                let mut locking = Box::pin(mutex.lock_async());
                // In line from the first poll on.
                assert!(block_on(&mut locking, Wait::NOT).is_err());
                queued.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                block_on(locking, long()).unwrap().unwrap().push(number);
            });
            while queued.load(std::sync::atomic::Ordering::SeqCst) <= number {
                std::thread::yield_now();
            }
        }
        drop(held);
        // Not before those that wait.
        mutex.lock(long()).unwrap().push(5);
    });
    assert_eq!(mutex.into_inner(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_thread_that_would_wait_for_itself_is_told_at_once() {
    let mutex = Mutex::new(());
    let guard = mutex.lock(long()).unwrap();
    let start = Instant::now();
    assert!(matches!(mutex.lock(Duration::from_secs(20).into()), Err(LockError::Deadlock)));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(matches!(mutex.try_lock(), Err(TryLockError::Busy)), "a try waits for nobody");
    std::thread::scope(|scope| {
        let other = scope.spawn(|| mutex.lock(soon()).map(drop));
        let answer = other.join().unwrap();
        assert!(matches!(answer, Err(LockError::Interrupted(Interrupted::TimedOut))), "another thread may wait");
        // Handed to another thread, it can be waited for.
        let guard = guard.pass_on();
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(guard);
        });
        drop(mutex.lock(long()).unwrap());
    });
    drop(mutex.try_lock().unwrap());
    drop(mutex.lock(Wait::FOREVER).unwrap());
}

/// Who has given it back is not its owner any more; and what a future holds is no thread's.
#[test]
fn a_lock_that_a_future_holds_can_be_waited_for() {
    let mutex = Mutex::new(());
    drop(mutex.lock(long()).unwrap());
    let held = block_on(mutex.lock_async(), long()).unwrap().unwrap();
    assert!(matches!(mutex.lock(soon()), Err(LockError::Interrupted(Interrupted::TimedOut))));
    drop(held);
}

#[test]
fn a_guard_may_be_dropped_on_another_thread() {
    let mutex = Arc::new(Mutex::new(1));
    let guard = Arc::clone(&mutex).lock_owned(long()).unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    let guard = mutex.lock(Wait::NOT).unwrap();
    std::thread::scope(|scope| scope.spawn(move || drop(guard)).join().unwrap());
    assert_eq!(*mutex.lock(Wait::NOT).unwrap(), 1, "the owner of the past is forgotten");
}

#[test]
fn poisoned_by_a_panic_of_the_holder_and_still_accessible() {
    let mutex = Mutex::new(7);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = mutex.lock(long()).unwrap();
        panic!("while locked");
    }));
    assert!(panicked.is_err() && mutex.is_poisoned());
    let guard = match mutex.lock(long()) {
        Err(LockError::Poisoned(guard)) => guard,
        other => panic!("{other:?}"),
    };
    assert_eq!(*guard, 7);
    drop(guard);
    assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
    assert!(matches!(block_on(mutex.lock_async(), long()).unwrap(), Err(LockError::Poisoned(_))));
    mutex.clear_poison();
    drop(mutex.lock(long()).unwrap());
}

/// A lock taken and given back while a panic is under way already, as destructors do, poisons nothing.
#[test]
fn a_panic_that_began_before_does_not_poison() {
    struct LocksInDrop<'a>(&'a Mutex<u32>);
    impl Drop for LocksInDrop<'_> {
        fn drop(&mut self) {
            *self.0.lock(long()).unwrap() += 1;
        }
    }
    let mutex = Mutex::new(0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _locks = LocksInDrop(&mutex);
        panic!("somewhere else");
    }));
    assert!(panicked.is_err() && !mutex.is_poisoned());
    assert_eq!(mutex.into_inner(), 1);
}

#[test]
fn waits_that_end_early_take_nothing_and_leave_the_line() {
    let mutex = Mutex::new(());
    let held = mutex.lock(long()).unwrap().pass_on();
    let start = Instant::now();
    assert!(matches!(mutex.lock(soon()), Err(LockError::Interrupted(Interrupted::TimedOut))));
    assert!(start.elapsed() >= Duration::from_millis(20), "early");
    let cancel = CancelToken::new().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| mutex.lock(Wait::FOREVER.or_cancelled(&cancel)).map(drop));
        std::thread::sleep(Duration::from_millis(10));
        cancel.cancel();
        assert!(matches!(waiter.join().unwrap(), Err(LockError::Interrupted(Interrupted::Cancelled))));
    });
    let mut dropped = Box::pin(mutex.lock_async());
    assert!(block_on(&mut dropped, Wait::NOT).is_err());
    drop(held);
    drop(dropped);
    drop(mutex.try_lock().expect("what the dropped one was handed is back"));
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let mutex = Mutex::new(());
    let held = mutex.lock(long()).unwrap();
    close_wakes_all(1000, |wait| mutex.lock(wait).map(drop).expect_err("it is held").into(), || mutex.close());
    assert!(mutex.is_closed());
    drop(held);
    assert!(matches!(mutex.lock(long()), Err(LockError::Closed)));
    assert!(matches!(mutex.try_lock(), Err(TryLockError::Closed)));
}

#[test]
fn cancel_vs_grant() {
    let mutex = Mutex::new(());
    grant_vs_cancel(
        || mutex.lock(Wait::FOREVER).expect("it is back"),
        |wait| mutex.lock(wait).map(drop).map_err(Error::from),
        || mutex.try_lock().is_ok(),
    );
}

#[test]
fn what_a_measured_mutex_tells() {
    let mutex = ContendedMutex::new(());
    let unmeasured = ContendedMutex::unmeasured(());
    drop(unmeasured.lock(long()).unwrap());
    assert!(unmeasured.metrics().is_none());
    assert_eq!(mutex.metrics(), Some(Default::default()));
    let guard = mutex.lock(long()).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| mutex.lock(long()).map(drop).unwrap());
        while mutex.metrics().unwrap().waiters == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(20));
        let metrics = mutex.metrics().unwrap();
        assert!(metrics.holder.is_some() && metrics.held_for >= Some(Duration::from_millis(20)));
        drop(guard);
        waiter.join().unwrap();
    });
    drop(mutex.try_lock().unwrap());
    drop(block_on(mutex.lock_async(), long()).unwrap().unwrap());
    let metrics = mutex.metrics().unwrap();
    assert_eq!((metrics.acquisitions, metrics.contended, metrics.waiters), (4, 1, 0));
    assert_eq!((metrics.holder, metrics.held_for), (None, None));
    let least = Duration::from_millis(20);
    assert!(metrics.wait_max >= least && metrics.wait_total == metrics.wait_max);
    assert!(metrics.hold_max >= least && metrics.hold_total >= metrics.hold_max);
}

/// A wait that fails is no acquisition, and no longer a waiter.
#[test]
fn what_a_measured_mutex_does_not_count() {
    let mutex = ContendedMutex::new(());
    let guard = mutex.lock(long()).unwrap().pass_on();
    assert!(matches!(mutex.lock(soon()), Err(LockError::Interrupted(Interrupted::TimedOut))));
    let mut locking = Box::pin(mutex.lock_async());
    assert!(block_on(&mut locking, Wait::NOT).is_err());
    assert_eq!(mutex.metrics().unwrap().waiters, 1);
    drop(locking);
    let metrics = mutex.metrics().unwrap();
    assert_eq!((metrics.acquisitions, metrics.contended, metrics.waiters), (1, 0, 0));
    drop(guard);
}

fn is_send<T: Send>(_: &T) {}
fn is_sync<T: Sync>(_: &T) {}

#[test]
fn guards_are_sent_and_shared_as_their_value_allows() {
    let mutex = Mutex::new(std::cell::Cell::new(1));
    is_sync(&mutex);
    let guard: MutexGuard<'_, std::cell::Cell<u32>> = mutex.lock(long()).unwrap();
    is_send(&guard);
    drop(guard);
    let shared = Mutex::new(1);
    is_sync(&shared.lock(long()).unwrap());
}

//! Within one process: threads and tasks exclude each other, whatever they call the file.

use crate::{Exclusive, Scratch, Shared, elsewhere, long, soon, timed_out};
use quiescent_core::file_lock::{FileLockError, FileLockHold, TryFileLockError};
use quiescent_core::{Wait, block_on};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[test]
fn one_holder_whatever_the_file_is_called() {
    let scratch = Scratch::new("names");
    let lock = scratch.lock("file");
    symlink(scratch.path("file"), scratch.path("link")).unwrap();
    std::fs::hard_link(scratch.path("file"), scratch.path("hard")).unwrap();
    std::fs::create_dir(scratch.path("directory")).unwrap();
    let hold = lock.acquire(Exclusive, long()).unwrap();
    for name in ["file", "link", "hard", "./file", "directory/../link", ".//file"] {
        let other = scratch.lock(name);
        assert!(matches!(other.try_acquire(Exclusive), Err(TryFileLockError::Busy(_))), "{name}");
        assert!(matches!(other.try_acquire(Shared), Err(TryFileLockError::Busy(_))), "{name}");
        let start = Instant::now();
        assert!(matches!(other.acquire(Exclusive, long()), Err(FileLockError::Deadlock)), "{name}");
        assert!(matches!(other.acquire(Shared, long()), Err(FileLockError::Deadlock)), "{name}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(elsewhere(|| timed_out(&other.acquire(Exclusive, soon()))), "{name}: another thread may wait");
    }
    drop(hold);
    drop(scratch.lock("hard").try_acquire(Exclusive).unwrap());
}

#[test]
fn those_that_share() {
    let scratch = Scratch::new("share");
    let lock = scratch.lock("file");
    let first = lock.acquire(Shared, long()).unwrap();
    let second = lock.acquire(Shared, long()).unwrap();
    assert!(matches!(lock.acquire(Exclusive, long()), Err(FileLockError::Deadlock)), "it shares it itself");
    assert!(elsewhere(|| timed_out(&lock.acquire(Exclusive, soon()))));
    drop(first);
    assert!(matches!(lock.try_acquire(Exclusive), Err(TryFileLockError::Busy(_))));
    drop(second);
    drop(lock.try_acquire(Exclusive).unwrap());
}

/// And one that wants it alone is not passed by those that share.
#[test]
fn first_in_first_out() {
    let scratch = Scratch::new("fifo");
    let lock = scratch.lock("file");
    let held = lock.acquire(Shared, long()).unwrap().pass_on();
    let order = std::sync::Mutex::new(Vec::new());
    let queued = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for (number, mode) in [Exclusive, Shared, Shared, Exclusive].into_iter().enumerate() {
            let (lock, order, queued) = (&lock, &order, &queued);
            scope.spawn(move || {
                let mut acquiring = Box::pin(lock.acquire_async(mode));
                assert!(block_on(&mut acquiring, Wait::NOT).is_err());
                queued.fetch_add(1, SeqCst);
                let hold = block_on(acquiring, long()).unwrap().unwrap();
                order.lock().unwrap().push((number, mode));
                drop(hold);
            });
            while queued.load(SeqCst) as usize <= number {
                std::thread::yield_now();
            }
        }
        assert!(matches!(lock.try_acquire(Shared), Err(TryFileLockError::Busy(_))), "not before those that wait");
        drop(held);
    });
    let mut order = order.into_inner().unwrap();
    // Those that share come together, in whatever order they get to say so.
    order[1..3].sort_by_key(|(number, _)| *number);
    assert_eq!(order.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

fn is_send<T: Send>(_: &T) {}

#[test]
fn a_hold_may_be_dropped_on_another_thread_and_passed_on() {
    let scratch = Scratch::new("hold");
    let lock = scratch.lock("file");
    let hold: FileLockHold = lock.acquire(Exclusive, long()).unwrap();
    is_send(&hold);
    std::thread::spawn(move || drop(hold)).join().unwrap();
    let hold = lock.acquire(Exclusive, Wait::NOT).unwrap().pass_on();
    assert!(timed_out(&lock.acquire(Exclusive, soon())), "it is another thread's now");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(hold);
        });
        drop(lock.acquire(Exclusive, long()).unwrap());
    });
    // It outlives the lock.
    let hold = lock.acquire(Exclusive, long()).unwrap();
    drop(lock);
    let again = scratch.lock("file");
    assert!(matches!(again.try_acquire(Shared), Err(TryFileLockError::Busy(_))));
    drop(hold);
    drop(again.try_acquire(Shared).unwrap());
}

#[test]
fn what_a_future_holds_is_no_threads() {
    let scratch = Scratch::new("future");
    let lock = scratch.lock("file");
    let acquiring = lock.acquire_async(Exclusive);
    is_send(&acquiring);
    let hold = block_on(acquiring, long()).unwrap().unwrap();
    assert!(timed_out(&lock.acquire(Exclusive, soon())));
    drop(hold);
}

#[test]
fn released_when_a_panic_unwinds() {
    let scratch = Scratch::new("panic");
    let lock = scratch.lock("file");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _hold = lock.acquire(Exclusive, long()).unwrap();
        panic!("while locked");
    }));
    assert!(panicked.is_err());
    drop(lock.try_acquire(Exclusive).unwrap());
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let scratch = Scratch::new("close");
    let (lock, other) = (scratch.lock("file"), scratch.lock("file"));
    let held = lock.acquire(Exclusive, long()).unwrap();
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let wait = || {
            inside.fetch_add(1, SeqCst);
            lock.acquire(Exclusive, long())
        };
        let spawn = |_| std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, wait).unwrap();
        let waiters: Vec<_> = (0..1000).map(spawn).collect();
        let others = scope.spawn(|| other.acquire(Exclusive, long()).map(drop));
        while inside.load(SeqCst) < 1000 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        lock.close();
        for waiter in waiters {
            assert!(matches!(waiter.join().unwrap(), Err(FileLockError::Closed)));
        }
        assert!(start.elapsed() < Duration::from_secs(20));
        drop(held);
        assert!(others.join().unwrap().is_ok(), "who waits with another one is not concerned");
    });
    assert!(matches!(lock.acquire(Exclusive, long()), Err(FileLockError::Closed)));
    assert!(matches!(lock.try_acquire(Exclusive), Err(TryFileLockError::Closed)));
    assert!(matches!(block_on(lock.acquire_async(Shared), long()).unwrap(), Err(FileLockError::Closed)));
}

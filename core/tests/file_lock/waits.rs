//! Waits for another process: how they end, and that they leave nothing.

use crate::process::Other;
use crate::{Exclusive, Scratch, Shared, long, soon, timed_out};
use quiescent_core::file_lock::{FileLock, FileLockError, TryFileLockError};
use quiescent_core::sync::CancelToken;
use quiescent_core::{Interrupted, Wait, block_on};
use std::time::{Duration, Instant};

#[test]
fn other_processes_are_waited_for() {
    let scratch = Scratch::new("others");
    let lock = scratch.lock("file");
    for (role, modes) in [("hold", &[Exclusive, Shared][..]), ("share", &[Exclusive])] {
        let mut other = Other::play(role, lock.path(), 0);
        assert_eq!(other.says(), "held");
        for &mode in modes {
            assert!(matches!(lock.try_acquire(mode), Err(TryFileLockError::Busy(_))), "{role} {mode:?}");
            let start = Instant::now();
            assert!(timed_out(&lock.acquire(mode, soon())), "{role} {mode:?}");
            assert!(start.elapsed() >= Duration::from_millis(30) && start.elapsed() < Duration::from_secs(10));
        }
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock.acquire(Exclusive, long()).map(drop));
            std::thread::sleep(Duration::from_millis(100));
            assert!(!waiter.is_finished());
            other.go_on();
            assert!(waiter.join().unwrap().is_ok());
        });
        other.ends();
    }
    let mut other = Other::play("share", lock.path(), 0);
    assert_eq!(other.says(), "held");
    drop(lock.try_acquire(Shared).expect("it is shared between processes"));
    other.go_on();
    other.ends();
}

/// A future waits as well, whoever drives it.
#[test]
fn a_future_waits_for_another_process() {
    let scratch = Scratch::new("async");
    let lock = scratch.lock("file");
    let mut other = Other::play("hold", lock.path(), 0);
    assert_eq!(other.says(), "held");
    let mut dropped = Box::pin(lock.acquire_async(Exclusive));
    assert!(block_on(&mut dropped, soon()).is_err());
    drop(dropped);
    let acquiring = lock.acquire_async(Exclusive);
    other.go_on();
    drop(block_on(acquiring, long()).unwrap().unwrap());
    other.ends();
}

/// Killed, it frees the lock; and not for those that are still in its line, as it had none.
#[test]
fn a_holder_that_is_killed_frees_it() {
    let scratch = Scratch::new("killed");
    let lock = scratch.lock("file");
    let mut other = Other::play("hold", lock.path(), 0);
    assert_eq!(other.says(), "held");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| lock.acquire(Exclusive, long()).map(drop));
        std::thread::sleep(Duration::from_millis(50));
        other.kill();
        assert!(waiter.join().unwrap().is_ok());
    });
}

/// Nobody is told of an unlock without a close: the back-off finds it.
#[test]
fn a_holder_that_does_not_close() {
    let scratch = Scratch::new("open");
    let lock = scratch.lock("file");
    let mut other = Other::play("hold-open", lock.path(), 0);
    assert_eq!(other.says(), "held");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| (lock.acquire(Exclusive, long()).map(drop), Instant::now()));
        std::thread::sleep(Duration::from_millis(300));
        other.go_on();
        assert_eq!(other.says(), "released");
        let released = Instant::now();
        let (answer, held) = waiter.join().unwrap();
        assert!(answer.is_ok() && held.saturating_duration_since(released) < Duration::from_secs(5));
        other.go_on();
    });
    other.ends();
}

/// Each cancelled while it waits for the operating system's lock; nothing of it is left, and least of all the lock. In a process of
/// its own, whose threads and descriptors nobody else has a part in.
#[cfg(target_os = "linux")]
#[test]
fn cancelled_ten_thousand_times_in_a_real_wait() {
    let scratch = Scratch::new("cancel");
    let lock = scratch.lock("file");
    let mut other = Other::play("hold", lock.path(), 0);
    assert_eq!(other.says(), "held");
    let mut cancelling = Other::play("cancel", lock.path(), 10_000);
    println!("{}", cancelling.says());
    other.go_on();
    assert_eq!(other.says(), "released");
    // Nobody else has it: no cancelled wait got it after all.
    drop(lock.try_acquire(Exclusive).unwrap());
    cancelling.go_on();
    cancelling.ends();
    other.ends();
}

/// The role.
#[cfg(target_os = "linux")]
pub fn cancel(lock: &FileLock, rounds: u64) -> String {
    let mut before = (0, 0, 0);
    let mut worst = Duration::ZERO;
    std::thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel::<CancelToken>();
        let (answer, answers) = std::sync::mpsc::channel();
        scope.spawn(move || {
            for cancel in receive {
                let answered = lock.acquire(Exclusive, long().or_cancelled(&cancel)).map(drop);
                answer.send((answered, Instant::now())).unwrap();
            }
        });
        for round in 0..rounds {
            if round == rounds / 10 {
                before = (crate::threads(), crate::descriptors(), crate::memory());
            }
            let cancel = CancelToken::new().unwrap();
            send.send(cancel.clone()).unwrap();
            // From before it is tried to well inside of the wait.
            (0..round % 128 * 200).for_each(|_| std::hint::spin_loop());
            let at = Instant::now();
            cancel.cancel();
            let (answered, when) = answers.recv().unwrap();
            worst = worst.max(when.saturating_duration_since(at));
            assert!(matches!(answered, Err(FileLockError::Interrupted(Interrupted::Cancelled, _))), "{answered:?}");
        }
        // The watcher may have been between two of its threads before.
        let settled = crate::eventually(|| crate::threads() <= before.0 && crate::descriptors() <= before.1);
        let after = (crate::threads(), crate::descriptors(), crate::memory());
        assert!(settled, "something was left: {before:?}, {after:?}");
        assert!(after.2 <= before.2 + 2048, "memory grows: {before:?}, {after:?}");
        assert!(worst < Duration::from_secs(20));
        drop(send);
        format!("threads, descriptors, kB: {before:?}, {after:?}; the slowest cancel {worst:?}")
    })
}

/// The thread, and what it sleeps on, are gone when nobody waits any more.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_when_nobody_waits() {
    let watchers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|name| name.trim() == "qz-file-lock").count()
    };
    let scratch = Scratch::new("nothing");
    let lock = scratch.lock("file");
    let mut other = Other::play("hold", lock.path(), 0);
    assert_eq!(other.says(), "held");
    std::thread::scope(|scope| {
        let cancel = CancelToken::new().unwrap();
        for _ in 0..20 {
            let wait = Wait::FOREVER;
            scope.spawn({
                let (lock, cancel) = (&lock, cancel.clone());
                move || lock.acquire(Exclusive, wait.or_cancelled(&cancel)).map(drop)
            });
        }
        // Also if there are none yet, or the one of other tests is about to end as this one begins.
        let is_there = crate::eventually(|| watchers() == 1);
        std::thread::sleep(Duration::from_millis(100));
        let is_one = is_there && crate::eventually(|| watchers() == 1);
        cancel.cancel();
        assert!(is_one, "one thread for all");
    });
    // Other tests of this process may wait, too; at some moment none does.
    assert!(crate::eventually(|| watchers() == 0), "it stays");
}

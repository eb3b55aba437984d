//! Read-write locks.

use crate::races::{close_wakes_all, grant_vs_cancel};
use quiescent_core::sync::{CancelToken, OwnedRwLockWriteGuard, RwLock, RwLockError, TryReadError, TryWriteError};
use quiescent_core::{Error, Interrupted, Wait, block_on};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::scope;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

fn short() -> Wait<'static> {
    Duration::from_millis(20).into()
}

/// What the first look at a future finds.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Nobody has it, nobody waits, and every reader has left its place.
fn is_whole<T>(lock: &RwLock<T>, max_readers: u32) -> bool {
    let is_unlocked = lock.try_write().is_ok_and(|_writer| matches!(lock.try_read(), Err(TryReadError::Busy)));
    let readers: Vec<_> = (0..max_readers).map_while(|_| lock.try_read().ok()).collect();
    is_unlocked && readers.len() == max_readers as usize
}

#[test]
fn many_read_or_one_writes() {
    let lock = RwLock::new(5);
    let (one, two) = (lock.read(Wait::FOREVER).unwrap(), lock.read(Wait::NOT).unwrap());
    assert_eq!((*one, *two), (5, 5));
    assert_eq!(lock.write(short()).map(|_| ()).unwrap_err().to_string(), "the deadline passed");
    assert!(matches!(lock.try_write(), Err(TryWriteError::Busy)));
    drop((one, two));
    let mut writer = lock.write(Wait::FOREVER).unwrap();
    *writer += 1;
    assert!(matches!(lock.try_read(), Err(TryReadError::Busy)));
    assert!(matches!(lock.try_write(), Err(TryWriteError::Busy)));
    drop(writer);
    assert_eq!(*lock.try_read().unwrap(), 6);
    assert_eq!(lock.into_inner(), 6);
}

#[test]
fn a_waiting_writer_is_not_overtaken_and_readers_before_it_go_first() {
    let lock = RwLock::new(0);
    let first = lock.read(Wait::FOREVER).unwrap();
    let mut writer = pin!(lock.write_async());
    assert!(poll(writer.as_mut()).is_pending());
    let mut late = [Box::pin(lock.read_async()), Box::pin(lock.read_async())];
    let mut last = pin!(lock.write_async());
    assert!(late.iter_mut().all(|late| poll(late.as_mut()).is_pending()));
    assert!(poll(last.as_mut()).is_pending());
    assert!(matches!(lock.try_read(), Err(TryReadError::Busy)), "a writer waits");
    drop(first);
    let Poll::Ready(Ok(written)) = poll(writer) else { panic!("the writer is first in line") };
    assert!(late.iter_mut().all(|late| poll(late.as_mut()).is_pending()));
    drop(written);
    let guards = late.each_mut().map(|late| match poll(late.as_mut()) {
        Poll::Ready(Ok(guard)) => guard,
        _ => panic!("neighbours in line go in together"),
    });
    assert!(poll(last.as_mut()).is_pending());
    drop(guards);
    assert!(matches!(poll(last), Poll::Ready(Ok(_))));
}

#[test]
fn a_wait_that_ends_early_takes_nothing_and_leaves_the_line() {
    let lock = RwLock::with_max_readers(0, 2).unwrap();
    let reader = lock.read(Wait::FOREVER).unwrap();
    let start = Instant::now();
    let late = lock.write(short()).map(drop).unwrap_err();
    assert!(matches!(late, RwLockError::Interrupted(Interrupted::TimedOut)));
    assert!(start.elapsed() >= Duration::from_millis(20), "early");
    drop(lock.try_read().expect("no writer waits any more"));
    {
        let mut writer = Box::pin(lock.write_async());
        assert!(poll(writer.as_mut()).is_pending());
        let mut behind = pin!(lock.read_async());
        assert!(poll(behind.as_mut()).is_pending());
        drop(writer);
        assert!(matches!(poll(behind), Poll::Ready(Ok(_))), "whoever stood behind it goes in");
    }
    drop(reader);
    let writer = lock.write(Wait::FOREVER).unwrap().pass_on();
    assert!(matches!(lock.read(short()), Err(RwLockError::Interrupted(Interrupted::TimedOut))));
    let cancel = CancelToken::new().unwrap();
    scope(|scope| {
        let reading = scope.spawn(|| lock.read(Wait::from(LONG).or_cancelled(&cancel)).map(drop).map_err(Error::from));
        std::thread::sleep(Duration::from_millis(10));
        cancel.cancel();
        assert_eq!(reading.join().unwrap(), Err(Error::Cancelled));
    });
    drop(writer);
    let refused = lock.read(Wait::FOREVER.or_cancelled(&cancel)).map(drop).unwrap_err();
    assert!(matches!(refused, RwLockError::Interrupted(Interrupted::Cancelled)), "even what is free");
    assert!(is_whole(&lock, 2));
}

#[test]
fn a_writer_that_waits_for_itself_is_told_so_at_once() {
    let lock = RwLock::new(0);
    let writer = lock.write(Wait::FOREVER).unwrap();
    let start = Instant::now();
    assert!(matches!(lock.write(Duration::from_secs(5).into()), Err(RwLockError::Deadlock)));
    assert!(matches!(lock.read(Wait::FOREVER), Err(RwLockError::Deadlock)));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(matches!(lock.try_read(), Err(TryReadError::Busy)), "that is no wait");
    scope(|scope| {
        let other = scope.spawn(|| lock.read(short()).map(drop).map_err(Error::from));
        assert_eq!(other.join().unwrap(), Err(Error::Timeout), "another thread is not this one");
    });
    let passed_on = writer.pass_on();
    assert!(matches!(lock.read(short()), Err(RwLockError::Interrupted(Interrupted::TimedOut))));
    scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(10));
            drop(passed_on);
        });
        drop(lock.write(LONG.into()).expect("the other thread gives it back"));
    });
    let tried = lock.try_write().unwrap();
    assert!(matches!(lock.read(LONG.into()), Err(RwLockError::Deadlock)));
    let reader = tried.downgrade();
    drop(lock.read(LONG.into()).expect("it reads, and no writer waits"));
    assert!(
        matches!(lock.write(short()), Err(RwLockError::Interrupted(Interrupted::TimedOut))),
        "readers have no names"
    );
    drop(reader);
    let of_a_task = block_on(lock.write_async(), Wait::FOREVER).unwrap().unwrap();
    assert!(matches!(lock.read(short()), Err(RwLockError::Interrupted(Interrupted::TimedOut))), "tasks are no threads");
    drop(of_a_task);
    assert!(lock.write(Wait::NOT).is_ok());
}

#[test]
fn too_many_readers_are_refused_and_do_not_wait() {
    assert_eq!(RwLock::with_max_readers(0, 0).unwrap_err(), Error::InvalidArgument);
    assert_eq!(RwLock::with_max_readers(0, RwLock::<u32>::MAX_READERS + 1).unwrap_err(), Error::InvalidArgument);
    drop(RwLock::with_max_readers(0, RwLock::<u32>::MAX_READERS).unwrap().write(Wait::FOREVER).unwrap());
    let lock = RwLock::with_max_readers(0, 2).unwrap();
    let two = [(); 2].map(|()| lock.read(Wait::FOREVER).unwrap());
    assert!(matches!(lock.try_read(), Err(TryReadError::TooManyReaders)));
    assert!(matches!(lock.read(Wait::FOREVER), Err(RwLockError::TooManyReaders)));
    assert!(matches!(poll(pin!(lock.read_async())), Poll::Ready(Err(RwLockError::TooManyReaders))));
    assert!(matches!(lock.write(short()), Err(RwLockError::Interrupted(_))), "a writer waits for them");
    drop(two);
    let writer = lock.write(Wait::FOREVER).unwrap().pass_on();
    let mut waiting = [Box::pin(lock.read_async()), Box::pin(lock.read_async())];
    assert!(waiting.iter_mut().all(|waiting| poll(waiting.as_mut()).is_pending()));
    assert!(matches!(lock.read(Wait::FOREVER), Err(RwLockError::TooManyReaders)), "those that wait count");
    let downgraded = writer.downgrade();
    assert!(
        waiting.iter_mut().all(|waiting| matches!(poll(waiting.as_mut()), Poll::Ready(Ok(_)))),
        "one that has downgraded takes no place of theirs"
    );
    drop((waiting, downgraded));
    assert!(is_whole(&lock, 2));
}

/// Not even beside one that has downgraded, who takes the permit to spare: so a reader has to give back permit and place in this
/// order.
#[test]
fn without_a_writer_no_reader_is_kept_waiting() {
    let lock = RwLock::with_max_readers((), 1).unwrap();
    let downgraded = lock.write(Wait::FOREVER).unwrap().downgrade();
    let counts = [const { AtomicU32::new(0) }; 2];
    scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..400_000 {
                    match lock.try_read() {
                        Ok(_guard) => counts[0].fetch_add(1, Ordering::Relaxed),
                        Err(TryReadError::TooManyReaders) => counts[1].fetch_add(1, Ordering::Relaxed),
                        Err(error) => panic!("{error}: but there is no writer"),
                    };
                }
            });
        }
    });
    drop(downgraded);
    assert!(is_whole(&lock, 1));
    println!("{counts:?} read and refused");
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 100), "{counts:?}: hardly a race");
}

#[test]
fn a_downgrade_lets_readers_in_and_no_writer() {
    let lock = Arc::new(RwLock::new(0));
    let mut writer = lock.write(Wait::FOREVER).unwrap();
    *writer = 1;
    let mut before = pin!(lock.read_async());
    let mut next = pin!(lock.write_async());
    let mut behind = pin!(lock.read_async());
    assert!(poll(before.as_mut()).is_pending() && poll(next.as_mut()).is_pending());
    assert!(poll(behind.as_mut()).is_pending());
    let reader = writer.downgrade();
    let Poll::Ready(Ok(other)) = poll(before) else { panic!("a reader that stood before the next writer") };
    assert_eq!((*reader, *other), (1, 1));
    assert!(poll(next.as_mut()).is_pending() && poll(behind.as_mut()).is_pending(), "those keep their turns");
    drop(other);
    assert!(poll(next.as_mut()).is_pending(), "the one that has downgraded still reads");
    drop(reader);
    let Poll::Ready(Ok(guard)) = poll(next) else { panic!("nobody reads") };
    drop(guard);
    assert!(matches!(poll(behind), Poll::Ready(Ok(_))));

    let owned = Arc::clone(&lock).write_owned(Wait::FOREVER).unwrap().downgrade();
    assert_eq!(Arc::strong_count(&lock), 2);
    assert!(matches!(lock.try_write(), Err(TryWriteError::Busy)));
    drop((lock.try_read().unwrap(), owned));
    assert!(is_whole(&lock, 3));
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn a_panic_of_a_writer_poisons_and_the_guard_gives_access_all_the_same() {
    let lock = Arc::new(RwLock::new(0));
    let panicking = |body: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(body)).is_err());
    panicking(&|| {
        let _reader = lock.read(Wait::FOREVER).unwrap();
        panic!("a reader");
    });
    assert!(!lock.is_poisoned(), "readers change nothing");
    panicking(&|| {
        let mut writer = lock.write(Wait::FOREVER).unwrap();
        *writer = 7;
        panic!("a writer");
    });
    assert!(lock.is_poisoned());
    let Err(RwLockError::Poisoned(reader)) = lock.read(Wait::FOREVER) else { panic!("half-changed") };
    let Err(TryReadError::Poisoned(second)) = lock.try_read() else { panic!("half-changed") };
    assert_eq!((*reader, *second), (7, 7));
    drop((reader, second));
    let Err(TryWriteError::Poisoned(writer)) = lock.try_write() else { panic!("half-changed") };
    drop(writer);
    let Ok(Err(RwLockError::Poisoned(mut writer))) = block_on(lock.write_async(), Wait::FOREVER) else {
        panic!("half-changed")
    };
    *writer = 8;
    drop(writer);
    lock.clear_poison();
    assert_eq!(*lock.read(Wait::FOREVER).unwrap(), 8);

    struct LocksWhileItUnwinds<'a>(&'a RwLock<i32>);
    impl Drop for LocksWhileItUnwinds<'_> {
        fn drop(&mut self) {
            drop(self.0.write(Wait::FOREVER).unwrap());
        }
    }
    panicking(&|| {
        let _locks = LocksWhileItUnwinds(&lock);
        panic!("before it locks");
    });
    assert!(!lock.is_poisoned(), "a panic that began before");
    panicking(&|| {
        let _reader = Arc::clone(&lock).write_owned(Wait::FOREVER).unwrap().downgrade();
        panic!("it only reads");
    });
    assert!(!lock.is_poisoned());
    panicking(&|| {
        let _writer = Arc::clone(&lock).write_owned(Wait::FOREVER).unwrap();
        panic!("an owned guard");
    });
    assert!(lock.is_poisoned());
    assert_eq!(Error::from(Arc::clone(&lock).read_owned(Wait::FOREVER).unwrap_err()), Error::Poisoned);
    lock.clear_poison();
    assert!(is_whole(&lock, 3));
}

#[test]
fn guards_are_dropped_on_another_thread() {
    let lock = Arc::new(RwLock::new(vec![1]));
    let (read, owned_read) = (lock.read(Wait::FOREVER).unwrap(), Arc::clone(&lock).try_read_owned().unwrap());
    scope(|scope| {
        scope.spawn(move || assert_eq!((read.len(), owned_read.len()), (1, 1)));
    });
    let write = lock.write(Wait::FOREVER).unwrap();
    scope(|scope| {
        scope.spawn(move || {
            let mut write = write;
            write.push(2);
        });
    });
    let mut owned: OwnedRwLockWriteGuard<Vec<i32>> = Arc::clone(&lock).try_write_owned().unwrap();
    std::thread::spawn(move || owned.push(3)).join().unwrap();
    assert_eq!(*lock.write(Wait::FOREVER).expect("it is nobody's"), [1, 2, 3]);
}

#[test]
fn an_unsized_value() {
    let lock: Arc<RwLock<[u32]>> = Arc::new(RwLock::new([1, 2, 3]));
    lock.write(Wait::FOREVER).unwrap()[1] = 5;
    assert_eq!(*Arc::clone(&lock).read_owned(Wait::FOREVER).unwrap(), [1, 5, 3]);
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let lock = RwLock::with_max_readers((), 500).unwrap();
    let held = lock.write(Wait::FOREVER).unwrap().pass_on();
    let number = AtomicU32::new(0);
    let wait_for = |wait: Wait<'_>| match number.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => lock.read(wait).map(drop).expect_err("it is written").into(),
        _ => lock.write(wait).map(drop).expect_err("it is written").into(),
    };
    close_wakes_all(1000, wait_for, || lock.close());
    assert!(lock.is_closed());
    drop(held);
    assert!(matches!(lock.try_read(), Err(TryReadError::Closed)));
    assert!(matches!(lock.try_write(), Err(TryWriteError::Closed)));
    assert!(matches!(lock.read(Wait::FOREVER), Err(RwLockError::Closed)));
    assert!(matches!(lock.write(Wait::FOREVER), Err(RwLockError::Closed)));
    let full = RwLock::with_max_readers((), 1).unwrap();
    let _reader = full.read(Wait::FOREVER).unwrap();
    full.close();
    assert!(matches!(full.read(Wait::FOREVER), Err(RwLockError::Closed)), "not: too many");
}

#[test]
fn cancel_vs_grant_of_a_writer() {
    let lock = RwLock::with_max_readers((), 2).unwrap();
    grant_vs_cancel(
        || lock.read(Wait::FOREVER).expect("it is back"),
        |wait| lock.write(wait).map(drop).map_err(Error::from),
        || is_whole(&lock, 2),
    );
}

#[test]
fn cancel_vs_grant_of_a_reader() {
    let lock = RwLock::with_max_readers((), 1).unwrap();
    grant_vs_cancel(
        || lock.write(Wait::FOREVER).expect("it is back"),
        |wait| lock.read(wait).map(drop).map_err(Error::from),
        || is_whole(&lock, 1),
    );
}

/// Readers see whole values, and each write is there in the end.
#[test]
fn writers_and_readers_all_at_once() {
    let lock = RwLock::new((0, 0));
    scope(|scope| {
        for number in 0..4 {
            let lock = &lock;
            scope.spawn(move || {
                for round in 0..5000 {
                    if (round + number) % 4 != 0 {
                        let pair = lock.read(Wait::FOREVER).unwrap();
                        assert_eq!(pair.0, pair.1);
                        continue;
                    }
                    let mut pair = lock.write(Wait::FOREVER).unwrap();
                    pair.0 += 1;
                    pair.1 += 1;
                    if round % 3 == 0 {
                        let written = pair.0;
                        let pair = pair.downgrade();
                        assert_eq!((pair.0, pair.1), (written, written), "a writer came in between");
                    }
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), (5000, 5000));
}

#[cfg(feature = "tokio")]
#[test]
fn the_futures_run_on_tokio_and_calls_block_inside_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lock = Arc::new(RwLock::new(0));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let lock = Arc::clone(&lock);
                tokio::spawn(async move {
                    for _ in 0..100 {
                        if number % 2 == 0 {
                            let mut guard = lock.write_async().await.unwrap();
                            *guard += 1;
                            tokio::task::yield_now().await;
                        } else {
                            let guard = Arc::clone(&lock).read_owned_async().await.unwrap();
                            let seen = *guard;
                            tokio::task::yield_now().await;
                            assert_eq!(*guard, seen, "changed while it is read");
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // A task that blocks its thread, which holds nothing.
        assert_eq!(*lock.read(Wait::FOREVER).unwrap(), 500);
        let mut owned = Arc::clone(&lock).write_owned_async().await.unwrap();
        *owned += 1;
    });
    assert_eq!(*lock.read(Wait::FOREVER).unwrap(), 501);
}

/// What the forking thread has it has in the child as well; what another thread has stays taken.
#[cfg(target_os = "linux")]
#[test]
fn a_forked_child_finds_it_as_it_was() {
    let (mine, others) = (RwLock::new(1), RwLock::new(2));
    let (taken, over) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    scope(|scope| {
        scope.spawn(|| {
            let _held = others.write(Wait::FOREVER).unwrap();
            taken.wait();
            over.wait();
        });
        taken.wait();
        let held = mine.write(Wait::FOREVER).unwrap();
        // SAFETY: the child uses nothing but atomics, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let is_mine = matches!(mine.try_read(), Err(TryReadError::Busy));
            drop(held);
            let is_free = mine.try_write().is_ok();
            let stays_taken = matches!(others.try_read(), Err(TryReadError::Busy));
            // SAFETY: ends the child without more of ours.
            unsafe { libc::_exit(i32::from(!(is_mine && is_free && stays_taken))) };
        }
        let mut status = -1;
        // SAFETY: a child of ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        over.wait();
        assert_eq!(status, 0, "one of the three was otherwise");
    });
}

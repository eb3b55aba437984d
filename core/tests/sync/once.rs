//! Cells whose value is made once.

use crate::races::{ROUNDS, close_wakes_all};
use quiescent_core::sync::{CancelToken, OnceCell, OnceCellError, OnceInitError};
use quiescent_core::{Error, Interrupted, Wait, block_on};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread::scope;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Has `cell`'s value be made by another thread from now until the answer is called.
fn while_made<T: Sync + Send, R>(
    cell: &OnceCell<T>,
    make: impl FnOnce() -> Result<T, Error> + Send,
    body: impl FnOnce(&dyn Fn()) -> R,
) -> R {
    let (begun, go_on) = (Barrier::new(2), Barrier::new(2));
    scope(|scope| {
        scope.spawn(|| {
            let init = || {
                begun.wait();
                go_on.wait();
                make()
            };
            let _ = cell.get_or_try_init(init, Wait::FOREVER);
        });
        begun.wait();
        body(&|| {
            go_on.wait();
        })
    })
}

#[test]
fn made_once_by_whoever_comes_first() {
    let cell = OnceCell::new();
    assert_eq!(cell.get(), None);
    assert_eq!(cell.get_or_init(|| 5, Wait::FOREVER), Ok(&5));
    assert_eq!(cell.get_or_init(|| panic!("it is there"), Wait::FOREVER), Ok(&5));
    assert_eq!(cell.get(), Some(&5));
    let cell = OnceCell::new();
    assert_eq!(cell.set(String::from("one")).unwrap(), "one");
    let refused = cell.set(String::from("two")).unwrap_err();
    assert!(refused == OnceCellError::AlreadyInitialized(String::from("two")));
    assert_eq!(refused.to_string(), "the cell has a value already");
    assert_eq!((refused.clone().into_value(), Error::from(refused)), (String::from("two"), Error::Limit));
    assert_eq!(OnceCell::from(3).into_inner(), Some(3));
}

#[test]
fn of_many_at_once_one_makes_it_and_all_have_it() {
    for _ in 0..50 {
        let (cell, made) = (OnceCell::new(), AtomicU32::new(0));
        let init = || {
            std::thread::yield_now();
            made.fetch_add(1, Ordering::Relaxed) + 1
        };
        scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| cell.get_or_init(init, LONG.into()).copied())).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap() == Ok(1)));
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn if_it_fails_the_next_in_line_tries_with_its_own() {
    let cell = OnceCell::new();
    assert_eq!(cell.get_or_try_init(|| Err::<u32, _>("no"), Wait::FOREVER), Err(OnceInitError::Failed("no")));
    assert_eq!(cell.get(), None);
    while_made(
        &cell,
        || Err(Error::Io),
        |go_on| {
            let mut second = pin!(cell.get_or_try_init_async(|| async { Err::<u32, _>("neither") }));
            let mut third = pin!(cell.get_or_init_async(|| async { 3 }));
            assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
            go_on();
            assert_eq!(block_on(second, Wait::FOREVER).unwrap(), Err(OnceInitError::Failed("neither")));
            assert_eq!(block_on(third, Wait::FOREVER).unwrap(), Ok(&3));
        },
    );
    assert_eq!(Error::from(OnceInitError::Failed(Error::Io)), Error::Io, "a refusal is passed on");
}

#[test]
fn if_it_panics_the_next_in_line_tries() {
    let cell = OnceCell::new();
    let begun = Barrier::new(2);
    scope(|scope| {
        let panicking = scope.spawn(|| {
            let init = || -> u32 {
                begun.wait();
                std::thread::sleep(Duration::from_millis(10));
                panic!("an initialiser")
            };
            catch_unwind(AssertUnwindSafe(|| cell.get_or_init(init, Wait::FOREVER).copied())).is_err()
        });
        begun.wait();
        assert_eq!(cell.get_or_init(|| 4, LONG.into()), Ok(&4));
        assert!(panicking.join().unwrap(), "the panic goes on in its own thread");
    });
    let cell = OnceCell::new();
    let panics = || async { panic!("an initialiser") };
    assert!(
        catch_unwind(AssertUnwindSafe(|| poll(pin!(
            cell.get_or_init_async::<std::future::Pending<u32>>(|| panic!("at once"))
        ))))
        .is_err()
    );
    assert!(catch_unwind(AssertUnwindSafe(|| poll(pin!(cell.get_or_init_async(panics))))).is_err());
    assert_eq!(cell.get_or_init(|| 5, Wait::NOT), Ok(&5), "nobody is thought to make it");
}

#[test]
fn if_it_is_cancelled_the_next_in_line_tries() {
    let cell = OnceCell::new();
    let mut dropped = Box::pin(cell.get_or_init_async(pending::<u32>));
    assert!(poll(dropped.as_mut()).is_pending());
    let mut next = pin!(cell.get_or_init_async(|| async { 6 }));
    assert!(poll(next.as_mut()).is_pending());
    assert_eq!(cell.get_or_init(|| 7, Wait::NOT), Err(OnceInitError::Interrupted(Interrupted::TimedOut)));
    assert!(matches!(cell.set(7), Err(OnceCellError::Initializing(7))));
    drop(dropped);
    assert_eq!(poll(next), Poll::Ready(Ok(&6)));
}

#[test]
fn a_wait_that_ends_early_leaves_the_line() {
    let cell = OnceCell::new();
    let cancel = CancelToken::new().unwrap();
    while_made(
        &cell,
        || Ok(1),
        |go_on| {
            let late = cell.get_or_init(|| 2, Duration::from_millis(20).into());
            assert_eq!(late, Err(OnceInitError::Interrupted(Interrupted::TimedOut)));
            scope(|scope| {
                let waiting = scope.spawn(|| cell.get_or_init(|| 3, Wait::from(LONG).or_cancelled(&cancel)).copied());
                std::thread::sleep(Duration::from_millis(10));
                cancel.cancel();
                assert_eq!(waiting.join().unwrap(), Err(OnceInitError::Interrupted(Interrupted::Cancelled)));
            });
            let mut dropped = Box::pin(cell.get_or_init_async(|| async { 4 }));
            assert!(poll(dropped.as_mut()).is_pending());
            drop(dropped);
            go_on();
            assert_eq!(cell.get_or_init(|| 5, LONG.into()), Ok(&1));
        },
    );
    let refused = cell.get_or_init(|| 6, Wait::FOREVER.or_cancelled(&cancel));
    assert_eq!(refused, Err(OnceInitError::Interrupted(Interrupted::Cancelled)), "even what is there");
}

#[test]
fn an_initialiser_that_asks_for_its_own_value_is_told_so_at_once() {
    let cell = OnceCell::new();
    let made = cell.get_or_init(
        || {
            assert_eq!(cell.get_or_init(|| 1, Wait::FOREVER), Err(OnceInitError::Deadlock));
            assert_eq!(poll(pin!(cell.get_or_init_async(|| async { 1 }))), Poll::Ready(Err(OnceInitError::Deadlock)));
            assert!(matches!(cell.set(1), Err(OnceCellError::Initializing(1))));
            assert_eq!(cell.get(), None);
            2
        },
        Wait::FOREVER,
    );
    assert_eq!(made, Ok(&2));
    let cell = OnceCell::new();
    let init = || async {
        assert_eq!(cell.get_or_init_async(|| async { 1 }).await, Err(OnceInitError::Deadlock));
        assert_eq!(cell.get_or_init(|| 1, Wait::FOREVER), Err(OnceInitError::Deadlock));
        let mut is_second = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut is_second, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(cell.get_or_init_async(|| async { 1 }).await, Err(OnceInitError::Deadlock), "at a later poll, too");
        3
    };
    let mut first = pin!(cell.get_or_init_async(init));
    assert!(poll(first.as_mut()).is_pending());
    let other = cell.get_or_init(|| 4, Duration::from_millis(10).into());
    assert_eq!(other, Err(OnceInitError::Interrupted(Interrupted::TimedOut)), "its own code does not run now");
    assert_eq!(poll(first), Poll::Ready(Ok(&3)));
    assert_eq!(Error::from(OnceInitError::<Infallible>::Deadlock), Error::Deadlock);
}

/// What an initialiser does while it is dropped half-way, or after it has answered, is its own code, too.
#[test]
fn an_initialiser_that_asks_while_it_is_dropped_is_told_so_at_once() {
    struct Asks<'a>(&'a OnceCell<u32>, &'a AtomicU32);
    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            let asked = self.0.get_or_init(|| 1, Duration::from_millis(100).into());
            assert_eq!(asked, Err(OnceInitError::Deadlock));
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (cell, asked) = (OnceCell::new(), AtomicU32::new(0));
    let mut dropped = Box::pin(cell.get_or_init_async(|| async {
        let _asks = Asks(&cell, &asked);
        pending().await
    }));
    assert!(poll(dropped.as_mut()).is_pending());
    drop(dropped);
    let asks = Asks(&cell, &asked);
    let mut failed = pin!(cell.get_or_try_init_async(|| std::future::poll_fn(move |_| {
        let _ = &asks;
        Poll::Ready(Err::<u32, _>("no"))
    })));
    assert_eq!(poll(failed.as_mut()), Poll::Ready(Err(OnceInitError::Failed("no"))));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(cell.get_or_init(|| 2, Wait::NOT), Ok(&2), "nobody is thought to make it");
}

#[test]
fn the_value_is_destroyed_with_the_cell_or_taken_out() {
    let value = Arc::new(());
    let mut cell = OnceCell::new();
    cell.set(Arc::clone(&value)).unwrap();
    assert!(cell.get_mut().is_some());
    assert!(cell.take().is_some_and(|taken| Arc::ptr_eq(&taken, &value)));
    assert!(cell.get().is_none() && cell.take().is_none());
    cell.set(Arc::clone(&value)).expect("it is empty again");
    assert_eq!(Arc::strong_count(&value), 2);
    cell.close();
    assert!(cell.take().is_some());
    assert!(matches!(cell.set(Arc::clone(&value)), Err(OnceCellError::Closed(_))), "closed all the same");
    assert_eq!(Arc::strong_count(&value), 1);
    drop(OnceCell::from(Arc::clone(&value)));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn closed_for_those_that_wait_and_those_that_come_unless_the_value_is_there() {
    let cell = OnceCell::new();
    while_made(
        &cell,
        || Ok(1),
        |go_on| {
            close_wakes_all(
                1000,
                |wait| cell.get_or_init(|| 2, wait).expect_err("it is being made").into(),
                || cell.close(),
            );
            assert!(cell.is_closed());
            assert_eq!(cell.get_or_init(|| 2, Wait::FOREVER), Err(OnceInitError::Closed));
            assert!(matches!(cell.set(2), Err(OnceCellError::Closed(2))));
            go_on();
        },
    );
    assert_eq!(cell.get(), Some(&1), "what was being made is there");
    assert_eq!(cell.get_or_init(|| 2, Wait::FOREVER), Ok(&1));
    assert_eq!(block_on(cell.get_or_init_async(|| async { 2 }), Wait::FOREVER), Ok(Ok(&1)));
    let empty = OnceCell::<u32>::new();
    empty.close();
    assert_eq!(block_on(empty.get_or_init_async(|| async { 2 }), Wait::FOREVER), Ok(Err(OnceInitError::Closed)));
}

/// A value that is made, or not, and a cancellation at the same moment.
#[test]
fn cancel_vs_made() {
    let gate = Barrier::new(2);
    let round = std::sync::Mutex::new(Arc::new((OnceCell::new(), CancelToken::new().unwrap())));
    let counts = [const { AtomicU32::new(0) }; 3];
    scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                gate.wait();
                let now = Arc::clone(&round.lock().unwrap());
                let wait = Wait::from(LONG).or_cancelled(&now.1);
                match now.0.get_or_init(|| 2, wait) {
                    Ok(value) => counts[*value - 1].fetch_add(1, Ordering::Relaxed),
                    Err(OnceInitError::Interrupted(Interrupted::Cancelled)) => {
                        counts[2].fetch_add(1, Ordering::Relaxed)
                    }
                    Err(error) => panic!("{error}"),
                };
                gate.wait();
            }
        });
        for number in 0..ROUNDS {
            let now = Arc::new((OnceCell::new(), CancelToken::new().unwrap()));
            *round.lock().unwrap() = Arc::clone(&now);
            let made = now.0.get_or_try_init(
                || {
                    gate.wait();
                    (0..number % 97 * 7).for_each(|_| std::hint::spin_loop());
                    if number % 3 == 0 {
                        now.1.cancel();
                    }
                    if number % 2 == 0 { Ok(1) } else { Err(()) }
                },
                Wait::FOREVER,
            );
            let is_made = made.is_ok();
            (0..number % 11).for_each(|_| std::hint::spin_loop());
            now.1.cancel();
            gate.wait();
            assert_eq!(is_made, number % 2 == 0);
            if is_made {
                assert_eq!(now.0.get(), Some(&1));
            }
            assert!(now.0.get_or_init(|| 3, Wait::NOT).is_ok(), "the line is stuck in round {number}");
        }
    });
    println!("{counts:?} made, made by the waiter, cancelled");
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 100), "{counts:?}: hardly a race");
}

#[cfg(feature = "tokio")]
#[test]
fn the_futures_run_on_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cell = Arc::new(OnceCell::new());
    let made = Arc::new(AtomicU32::new(0));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (cell, made) = (Arc::clone(&cell), Arc::clone(&made));
                tokio::spawn(async move {
                    let init = || async {
                        tokio::task::yield_now().await;
                        made.fetch_add(1, Ordering::Relaxed) + 1
                    };
                    cell.get_or_init_async(init).await.copied()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(1));
        }
        assert_eq!(cell.get_or_init(|| 2, Wait::FOREVER), Ok(&1), "blocking inside of a runtime");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_forked_child_finds_it_as_it_was() {
    let (full, making) = (OnceCell::from(1), OnceCell::new());
    while_made(
        &making,
        || Ok(2),
        |go_on| {
            // SAFETY: the child uses nothing but atomics, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let is_full = full.get() == Some(&1);
                let is_never_made = matches!(making.set(3), Err(OnceCellError::Initializing(3)));
                // SAFETY: ends the child without more of ours.
                unsafe { libc::_exit(i32::from(!(is_full && is_never_made))) };
            }
            let mut status = -1;
            // SAFETY: a child of ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            go_on();
            assert_eq!(status, 0);
        },
    );
}

//! The engine: any future, with a deadline and a cancel token, on any thread.

use quiescent_core::sync::CancelToken;
use quiescent_core::{Deadline, Interrupted, Wait, block_on};
use std::future::{pending, poll_fn, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

#[test]
fn what_is_ready_needs_no_time() {
    assert_eq!(block_on(ready(5), Wait::NOT), Ok(5));
    assert_eq!(block_on(ready(5), Wait::FOREVER), Ok(5));
}

#[test]
fn a_deadline_ends_the_wait_and_never_early() {
    assert_eq!(block_on(pending::<()>(), Wait::NOT), Err(Interrupted::TimedOut));
    let start = Instant::now();
    let wait = Wait::from(Duration::from_millis(30));
    assert_eq!(block_on(pending::<()>(), wait), Err(Interrupted::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(30), "early");
}

#[test]
fn a_cancelled_token_refuses_even_what_is_ready() {
    let token = CancelToken::new().unwrap();
    token.cancel();
    assert_eq!(block_on(ready(5), Wait::FOREVER.or_cancelled(&token)), Err(Interrupted::Cancelled));
}

#[test]
fn it_is_woken_from_another_thread_at_once() {
    let start = Instant::now();
    let waker = std::sync::Mutex::new(None::<Waker>);
    let is_set = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while waker.lock().unwrap().is_none() {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(20));
            is_set.store(1, Ordering::Release);
            waker.lock().unwrap().take().unwrap().wake();
        });
        let future = poll_fn(|context| {
            if is_set.load(Ordering::Acquire) == 1 {
                return Poll::Ready(());
            }
            waker.lock().unwrap().get_or_insert_with(|| context.waker().clone());
            Poll::Pending
        });
        assert_eq!(block_on(future, Duration::from_secs(60).into()), Ok(()));
    });
    assert!(start.elapsed() < Duration::from_secs(20), "woken by the deadline");
}

/// A call for the outer wait that comes while the inner one sleeps is not lost.
#[test]
fn a_wait_inside_of_another_takes_no_call_for_the_outer_one() {
    let outer = AtomicU32::new(0);
    let mut polled = 0;
    let start = Instant::now();
    let future = poll_fn(|context| {
        polled += 1;
        if polled == 1 {
            // The call comes now, to the thread's one parker; the inner wait takes it.
            context.waker().wake_by_ref();
            let inner = block_on(pending::<()>(), Duration::from_millis(5).into());
            assert_eq!(inner, Err(Interrupted::TimedOut));
            outer.store(1, Ordering::Relaxed);
            return Poll::Pending;
        }
        Poll::Ready(())
    });
    assert_eq!(block_on(future, Duration::from_secs(60).into()), Ok(()));
    assert!(start.elapsed() < Duration::from_secs(20), "the outer wait slept through its call");
    assert_eq!((outer.load(Ordering::Relaxed), polled), (1, 2));
}

/// A waker is an address in memory that is never given back: it may outlive the wait and the thread.
#[test]
fn a_waker_may_be_used_after_its_thread_has_ended() {
    let keep = |waker: &Waker| waker.clone();
    let waker = std::thread::spawn(move || {
        let mut kept = None;
        let future = poll_fn(|context| {
            kept = Some(keep(context.waker()));
            Poll::Ready(())
        });
        assert_eq!(block_on(future, Wait::FOREVER), Ok(()));
        kept.unwrap()
    });
    let waker = waker.join().unwrap();
    waker.wake_by_ref();
    // Whoever has that record now looks once for nothing.
    let late = std::thread::spawn(|| block_on(pending::<()>(), Duration::from_millis(5).into()));
    waker.wake();
    assert_eq!(late.join().unwrap(), Err(Interrupted::TimedOut));
}

#[test]
fn the_deadline_of_a_token_can_be_set_while_somebody_waits() {
    let token = CancelToken::new().unwrap();
    let child = token.child().unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let wait = Wait::from(Duration::from_secs(20)).or_cancelled(&child);
            block_on(pending::<()>(), wait)
        });
        std::thread::sleep(Duration::from_millis(20));
        token.cancel_at(Deadline::after(Duration::from_millis(20))).unwrap();
        assert_eq!(waiter.join().unwrap(), Err(Interrupted::Cancelled));
    });
    assert!(start.elapsed() >= Duration::from_millis(40), "early");
    assert!(start.elapsed() < Duration::from_secs(20));
}

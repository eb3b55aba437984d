//! Waking one, or all.

use crate::races::{close_wakes_all, grant_vs_cancel};
use quiescent_core::sync::{CancelToken, Notified, Notify, NotifyWaitError};
use quiescent_core::{Error, Freed, Interrupted, Token, Wait, block_on, ffi};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const WOKEN: Result<(), NotifyWaitError> = Ok(());
const TIMED_OUT: Result<(), NotifyWaitError> = Err(NotifyWaitError::Interrupted(Interrupted::TimedOut));
const CLOSED: Result<(), NotifyWaitError> = Err(NotifyWaitError::Closed);

/// In line.
fn waiter(notify: &Notify) -> Pin<Box<Notified<'_>>> {
    let mut waiter = Box::pin(notify.notified());
    assert!(!waiter.as_mut().enable(), "nothing is stored");
    waiter
}

/// What it has by now.
fn answer(waiter: &mut Pin<Box<Notified<'_>>>) -> Option<Result<(), NotifyWaitError>> {
    block_on(waiter.as_mut(), Wait::NOT).ok()
}

#[test]
fn one_wake_up_is_stored_and_no_more() {
    let notify = Notify::new();
    assert_eq!(notify.wait(Wait::NOT), TIMED_OUT);
    notify.notify_one();
    notify.notify_one();
    assert_eq!(notify.wait(Wait::NOT), WOKEN);
    assert_eq!(notify.wait(Wait::NOT), TIMED_OUT);
}

#[test]
fn all_are_those_that_wait_now() {
    let notify = Notify::new();
    notify.notify_all();
    let (mut first, mut second) = (waiter(&notify), waiter(&notify));
    notify.notify_all();
    let mut late = waiter(&notify);
    assert_eq!([answer(&mut first), answer(&mut second), answer(&mut late)], [Some(WOKEN), Some(WOKEN), None]);
    notify.notify_one();
    assert_eq!(answer(&mut late), Some(WOKEN));
    notify.notify_one();
    notify.notify_all();
    assert_eq!(notify.wait(Wait::NOT), WOKEN, "what was stored for one is still there");
}

#[test]
fn first_in_first_out() {
    let notify = Notify::new();
    let mut waiters = [waiter(&notify), waiter(&notify), waiter(&notify)];
    for turn in 0..3 {
        notify.notify_one();
        assert!(waiters[turn + 1..].iter_mut().all(|later| answer(later).is_none()));
        assert_eq!(answer(&mut waiters[turn]), Some(WOKEN));
    }
}

/// For all from when it is made, for one from its first poll or `enable` on.
#[test]
fn when_a_waiter_begins_to_wait() {
    let notify = Notify::new();
    let mut made = Box::pin(notify.notified());
    notify.notify_all();
    assert_eq!(answer(&mut made), Some(WOKEN));

    let mut made = Box::pin(notify.notified());
    let mut before = waiter(&notify);
    assert!(!made.as_mut().enable());
    notify.notify_one();
    assert_eq!((answer(&mut made), answer(&mut before)), (None, Some(WOKEN)), "made first, in line second");
    notify.notify_one();
    assert!(made.as_mut().enable());
    assert_eq!(answer(&mut made), Some(WOKEN));
}

#[test]
fn who_gives_up_passes_its_wake_up_on() {
    let notify = Notify::new();
    let (first, mut second) = (waiter(&notify), waiter(&notify));
    notify.notify_one();
    drop(first);
    assert_eq!(answer(&mut second), Some(WOKEN), "to the next in line");

    let (first, mut second) = (waiter(&notify), waiter(&notify));
    notify.notify_all();
    drop(first);
    assert_eq!(answer(&mut second), Some(WOKEN));
    assert_eq!(notify.wait(Wait::NOT), TIMED_OUT, "one of a wake-up for all is nobody else's");

    let only = waiter(&notify);
    notify.notify_one();
    drop(only);
    assert_eq!(notify.wait(Wait::NOT), WOKEN, "or it is stored");

    let gone = waiter(&notify);
    drop(gone);
    notify.notify_one();
    assert_eq!(notify.wait(Wait::NOT), WOKEN, "one that has left the line takes none");
}

#[test]
fn a_wait_that_ends_early_leaves_the_line() {
    let notify = Notify::new();
    let start = Instant::now();
    assert_eq!(notify.wait(Duration::from_millis(20).into()), TIMED_OUT);
    assert!(start.elapsed() >= Duration::from_millis(20), "early");
    let cancel = CancelToken::new().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| notify.wait(Wait::FOREVER.or_cancelled(&cancel)));
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
        assert_eq!(waiter.join().unwrap(), Err(NotifyWaitError::Interrupted(Interrupted::Cancelled)));
    });
    notify.notify_one();
    assert_eq!(notify.wait(Wait::NOT.or_cancelled(&cancel)).map_err(Error::from), Err(Error::Cancelled));
    assert_eq!(notify.wait(Wait::NOT), WOKEN, "nobody else took it");
}

#[test]
fn it_is_woken_on_another_thread_at_once() {
    let notify = Notify::new();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(|| notify.wait(Duration::from_secs(60).into()))).collect();
        while !waiters.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            notify.notify_all();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == WOKEN));
    });
    assert!(start.elapsed() < Duration::from_secs(20), "woken by their deadlines");
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let notify = Notify::new();
    close_wakes_all(1000, |wait| notify.wait(wait).expect_err("nobody wakes").into(), || notify.close());
    assert!(notify.is_closed());
    assert_eq!(notify.wait(Duration::from_secs(20).into()), CLOSED);
    notify.notify_one();
    notify.notify_all();
    let mut late = Box::pin(notify.notified());
    assert!(late.as_mut().enable());
    assert_eq!(answer(&mut late), Some(CLOSED));
    let stored = Notify::new();
    stored.notify_one();
    stored.close();
    assert_eq!(stored.wait(Duration::from_secs(20).into()), CLOSED, "what was stored is for nobody who comes later");
}

#[test]
fn who_was_woken_before_the_close_is_answered_so() {
    let notify = Notify::new();
    let (mut one, mut other) = (waiter(&notify), waiter(&notify));
    let mut made = Box::pin(notify.notified());
    notify.notify_one();
    notify.close();
    assert_eq!((answer(&mut one), answer(&mut other)), (Some(WOKEN), Some(CLOSED)));
    assert_eq!(answer(&mut made), Some(CLOSED));

    let notify = Notify::new();
    let mut waiters = [waiter(&notify), waiter(&notify)];
    notify.notify_all();
    notify.close();
    assert!(waiters.iter_mut().all(|waiter| answer(waiter) == Some(WOKEN)));
}

/// A wake-up is not a hold: who waits next may be who woke.
#[test]
fn a_thread_may_wake_itself() {
    let notify = Notify::new();
    (0..100).for_each(|_| {
        notify.notify_one();
        assert_eq!(notify.wait(Wait::NOT), WOKEN);
    });
}

#[test]
fn a_panic_poisons_nothing() {
    let notify = Notify::new();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _chosen = waiter(&notify);
        notify.notify_one();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(unwound.is_err());
    assert_eq!(notify.wait(Wait::NOT), WOKEN, "who unwound has passed it on");
}

#[test]
fn cancel_vs_grant() {
    struct Wake<'a>(&'a Notify);
    impl Drop for Wake<'_> {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let notify = Notify::new();
    let woken = AtomicBool::new(false);
    grant_vs_cancel(
        || Wake(&notify),
        |wait| {
            notify.wait(wait)?;
            woken.store(true, Ordering::Relaxed);
            Ok(())
        },
        // Either it was woken, or the wake-up is stored.
        || woken.swap(false, Ordering::Relaxed) != (notify.wait(Wait::NOT) == WOKEN),
    );
}

/// As C sees it.
#[test]
fn a_freed_handle_ends_the_waits() {
    let token = Token::open(Notify::new()).unwrap();
    let raw: usize = token.into_raw::<u8>().addr();
    let wait = move || {
        let raw: *mut u8 = std::ptr::without_provenance_mut(raw);
        ffi::wait(raw, c"wait", ffi::INFINITE, std::ptr::null_mut::<u8>(), |n: &Notify, wait| n.wait(wait))
    };
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
        while token.any().info().unwrap().in_flight < 8 {
            std::thread::yield_now();
        }
        assert_eq!(token.free(Duration::from_secs(60)), Ok(Freed::Destroyed));
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Error::Freed.into());
        }
    });
}

//! Semaphores.

use crate::races::{close_wakes_all, grant_vs_cancel};
use quiescent_core::sync::{AcquireError, CancelToken, Semaphore, TryAcquireError};
use quiescent_core::{Error, Freed, Interrupted, Token, Wait, block_on, ffi};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn semaphore(initial: u32, max: u32) -> Semaphore {
    Semaphore::new(initial, max).expect("these are allowed")
}

#[test]
fn permits_are_taken_and_given_back() {
    let semaphore = semaphore(3, 3);
    let two = semaphore.acquire(2, Wait::FOREVER).unwrap();
    assert_eq!((two.permits(), semaphore.available()), (2, 1));
    assert_eq!(semaphore.try_acquire(2).unwrap_err(), TryAcquireError::NoPermits);
    let one = semaphore.try_acquire(1).unwrap();
    drop(two);
    assert_eq!(semaphore.available(), 2);
    drop(one);
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn numbers_that_no_wait_would_help() {
    assert_eq!(Semaphore::new(2, 1).unwrap_err(), Error::InvalidArgument);
    assert_eq!(Semaphore::new(0, 0).unwrap_err(), Error::InvalidArgument);
    assert_eq!(Semaphore::new(0, Semaphore::MAX + 1).unwrap_err(), Error::InvalidArgument);
    let semaphore = semaphore(1, 4);
    let second = Wait::from(Duration::from_secs(1));
    assert_eq!(semaphore.acquire(5, second).unwrap_err(), AcquireError::InvalidNumber);
    assert_eq!(semaphore.acquire(0, second).unwrap_err(), AcquireError::InvalidNumber);
    assert_eq!(semaphore.try_acquire(5).unwrap_err(), TryAcquireError::InvalidNumber);
    assert_eq!(
        block_on(semaphore.acquire_async(u32::MAX), Wait::FOREVER).unwrap().unwrap_err(),
        AcquireError::InvalidNumber
    );
}

#[test]
fn added_up_to_the_maximum_counting_those_that_are_out() {
    let semaphore = semaphore(1, 3);
    let out = semaphore.acquire(1, Wait::FOREVER).unwrap();
    assert_eq!(semaphore.add(3), Err(Error::Limit));
    assert_eq!(semaphore.add(u32::MAX), Err(Error::Limit));
    semaphore.add(2).unwrap();
    assert_eq!(semaphore.available(), 2);
    assert_eq!(semaphore.add(1), Err(Error::Limit));
    out.forget();
    semaphore.add(1).unwrap();
    assert_eq!(semaphore.available(), 3);
    assert_eq!((semaphore.forget(2), semaphore.forget(5)), (2, 1));
    semaphore.add(3).unwrap();
}

/// Before tokio 1.51.1 that opened it again.
#[test]
fn forgotten_after_the_close() {
    let semaphore = semaphore(2, 2);
    semaphore.close();
    assert_eq!(semaphore.forget(1), 1);
    assert!(semaphore.is_closed());
    assert_eq!(semaphore.try_acquire(1).unwrap_err(), TryAcquireError::Closed);
}

#[test]
fn split_and_merged() {
    let (semaphore, other) = (Arc::new(semaphore(5, 5)), Arc::new(semaphore(5, 5)));
    let mut permit = semaphore.acquire(5, Wait::FOREVER).unwrap();
    assert!(permit.split(5).is_none() && permit.split(0).is_none(), "neither part may be nothing");
    let mut part = permit.split(2).unwrap();
    assert_eq!((permit.permits(), part.permits()), (3, 2));
    let foreign = other.acquire(1, Wait::FOREVER).unwrap();
    let foreign = part.merge(foreign).unwrap_err();
    drop(foreign);
    assert_eq!(other.available(), 5);
    permit.merge(part).unwrap();
    assert_eq!((permit.permits(), semaphore.available()), (5, 0));
    drop(permit);

    let mut owned = Arc::clone(&semaphore).try_acquire_owned(4).unwrap();
    let part = owned.split(3).unwrap();
    assert!(Arc::clone(&other).try_acquire_owned(1).unwrap().merge(part).is_err(), "and the part is given back");
    assert_eq!((semaphore.available(), other.available()), (4, 5));
    drop(owned);
    assert_eq!(semaphore.available(), 5);
}

#[test]
fn a_large_request_is_not_overtaken() {
    let semaphore = Arc::new(semaphore(2, 2));
    let one = semaphore.acquire(1, Wait::FOREVER).unwrap();
    std::thread::scope(|scope| {
        let large = scope.spawn(|| semaphore.acquire(2, Duration::from_secs(60).into()).map(|permit| permit.permits()));
        while semaphore.available() > 0 {
            // The first in line is handed what is there.
            std::thread::yield_now();
        }
        assert_eq!(semaphore.try_acquire(1).unwrap_err(), TryAcquireError::NoPermits, "somebody waits already");
        let late = semaphore.acquire(1, Duration::from_millis(20).into());
        assert_eq!(late.unwrap_err(), AcquireError::Interrupted(Interrupted::TimedOut));
        drop(one);
        assert_eq!(large.join().unwrap(), Ok(2));
    });
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_wait_that_ends_early_takes_nothing_and_leaves_the_line() {
    let semaphore = semaphore(1, 2);
    let start = Instant::now();
    let wait = Wait::from(Duration::from_millis(20));
    assert_eq!(semaphore.acquire(2, wait).unwrap_err(), AcquireError::Interrupted(Interrupted::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(20), "early");
    assert_eq!(semaphore.available(), 1, "what it was handed while it waited is back");
    let cancel = CancelToken::new().unwrap();
    cancel.cancel();
    let wait = Wait::FOREVER.or_cancelled(&cancel);
    assert_eq!(semaphore.acquire(1, wait).unwrap_err(), AcquireError::Interrupted(Interrupted::Cancelled));
    assert_eq!(semaphore.available(), 1);
    let mut dropped = Box::pin(semaphore.acquire_async(2));
    assert!(block_on(&mut dropped, Wait::NOT).is_err());
    drop(dropped);
    assert_eq!(semaphore.available(), 1);
    drop(semaphore.acquire(1, Wait::NOT).expect("at once"));
}

#[test]
fn closed_for_those_that_wait_and_those_that_come() {
    let closing = semaphore(0, 1);
    close_wakes_all(1000, |wait| closing.acquire(1, wait).expect_err("there are none").into(), || closing.close());
    assert!(closing.is_closed());
    assert_eq!(closing.try_acquire(1).unwrap_err(), TryAcquireError::Closed);
    assert_eq!(closing.acquire(1, Wait::FOREVER).unwrap_err(), AcquireError::Closed);
}

#[test]
fn cancel_vs_grant() {
    let semaphore = semaphore(1, 1);
    grant_vs_cancel(
        || semaphore.acquire(1, Wait::FOREVER).expect("it is back"),
        |wait| semaphore.acquire(1, wait).map(drop).map_err(Error::from),
        || semaphore.available() == 1,
    );
}

/// As C sees it: a handle, whose holds are permits.
#[test]
fn a_hold_of_a_handle_is_permits() {
    let token = Token::open(semaphore(2, 2)).unwrap();
    let raw: *mut u8 = token.into_raw();
    let take = |permits, timeout_ms| {
        let mut hold: *mut u8 = std::ptr::null_mut();
        let none = std::ptr::null_mut::<u8>();
        // SAFETY: `hold` is writable.
        let status = unsafe {
            ffi::take(raw, c"take", timeout_ms, none, &raw mut hold, |s: &Semaphore, wait| s.take(permits, wait))
        };
        (status, hold)
    };
    let (status, hold) = take(2, 0);
    assert_eq!((status, hold.is_null()), (ffi::Status::Ok, false));
    let (status, none) = take(1, 5);
    assert_eq!((status, none.is_null()), (Error::Timeout.into(), true));
    // SAFETY: this thread's last words.
    let words = unsafe { std::ffi::CStr::from_ptr(ffi::last_error()) }.to_str().unwrap();
    assert!(words.starts_with("the deadline passed; held by: thread ") && words.contains("in hold 'take'"), "{words}");
    assert_eq!(token.any().info().unwrap().holds, 1);
    assert_eq!(token.free(Duration::from_secs(60)), Ok(Freed::Pending), "its own hold is all that is in flight");
    assert_eq!(ffi::release(hold), ffi::Status::Ok);
    assert_eq!(ffi::release(hold), ffi::Status::AlreadyFreed);
    assert_eq!(token.wait_freed(Duration::ZERO), Ok(()));
}

//! Windows: waking whoever watches an event. What `waker.rs` and `polling.rs` ask of descriptors.

use crate::desk::Desk;
use crate::{cpu_time, in_time};
use quiescent_core::backend::{BackendError, EventWaker, IoBackendExt, Pollable, PollingFlags, PollingHandle};
use quiescent_core::{Deadline, Wait};
use std::future::pending;
use std::io::ErrorKind;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{ERROR_INVALID_HANDLE, GetHandleInformation, HANDLE};
use windows_sys::Win32::System::Threading::ResetEvent;

fn new() -> EventWaker {
    EventWaker::new().expect("handles are left")
}

fn signaled(event: impl AsHandle) -> bool {
    event.as_handle().poll(&PollingFlags::all(), Deadline::PASSED).expect("an event")
}

fn is_open(handle: HANDLE) -> bool {
    let mut flags = 0;
    // SAFETY: a plain number, and writable.
    unsafe { GetHandleInformation(handle, &raw mut flags) != 0 }
}

#[test]
fn it_is_signaled_from_a_wake_until_it_is_cleared() {
    let waker = new();
    let wakers = [waker.waker(), waker.waker()];
    assert!(!signaled(&waker));
    for _ in 0..3 {
        wakers[0].wake_by_ref();
        wakers[1].wake_by_ref();
        waker.wake();
        assert!(signaled(&waker));
        assert!(signaled(&waker), "a look changes nothing");
        waker.clear();
        assert!(!signaled(&waker));
    }
}

/// Many wakes are one ring, until it is cleared.
#[test]
fn further_wakes_set_nothing() {
    let waker = new();
    // Taken by somebody who does not clear: the mark still says that it was rung.
    let taken = || {
        let was = signaled(&waker);
        // SAFETY: the event is open.
        assert!(unsafe { ResetEvent(waker.as_handle().as_raw_handle()) } != 0);
        was
    };
    waker.wake();
    assert!(taken());
    waker.wake();
    assert!(!taken());
    waker.clear();
    waker.wake();
    assert!(taken());
}

#[test]
fn a_wake_after_the_end_does_nothing_to_the_event() {
    let owner = new();
    let late = owner.waker();
    // The same event, to look at.
    let same = owner.as_handle().try_clone_to_owned().expect("handles are left");
    let number = owner.as_handle().as_raw_handle();
    drop(owner);
    assert!(is_open(number), "a waker that is left owns it");
    late.wake_by_ref();
    assert!(!signaled(&same), "set after the end");
    drop(late);
}

/// The number of what was closed is soon another object's, which a late wake must not touch.
#[test]
fn a_number_is_not_used_again_while_a_waker_is_left() {
    let owner = new();
    let (number, late) = (owner.as_handle().as_raw_handle(), owner.waker());
    drop(owner);
    let others: Vec<EventWaker> = (0..64).map(|_| new()).collect();
    assert!(others.iter().all(|other| other.as_handle().as_raw_handle() != number));
    late.wake_by_ref();
    late.wake();
    assert!(others.iter().all(|other| !signaled(other)), "a late wake met somebody else's event");
}

#[test]
fn what_cannot_be_polled_is_an_error() {
    // SAFETY: it is only polled; that number is nobody's.
    let nobody = unsafe { BorrowedHandle::borrow_raw(0xdead_bee0 as HANDLE) };
    let flags = PollingFlags::all();
    let error = nobody.poll(&flags, Deadline::NEVER).expect_err("not open");
    assert_eq!(error.raw_os_error(), i32::try_from(ERROR_INVALID_HANDLE).ok());
    let handle = PollingHandle::new(nobody, &flags, PollingFlags::all(), Waker::noop().clone());
    assert!(matches!(handle.wait(Deadline::NEVER), Err(BackendError::Io(_))));
}

#[test]
fn neither_is_an_error() {
    let event = new();
    let flags = PollingFlags::new();
    let error = event.as_handle().poll(&flags, Deadline::PASSED).expect_err("it would never be ready");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let handle = PollingHandle::new(event.as_handle(), &flags, PollingFlags::all(), Waker::noop().clone());
    assert!(matches!(handle.wait(Deadline::NEVER), Err(BackendError::NoInterest)));
}

#[test]
fn it_sleeps_until_the_deadline() {
    let event = new();
    for (timeout, sleeps) in [(0, false), (300, true)] {
        let (start, computed) = (Instant::now(), cpu_time());
        let deadline = Deadline::after(Duration::from_millis(timeout));
        assert!(!event.as_handle().poll(&PollingFlags::all(), deadline).expect("an event"));
        assert!(start.elapsed() >= Duration::from_millis(timeout));
        assert!(!sleeps || cpu_time() - computed < Duration::from_millis(timeout / 2), "it spins");
    }
}

#[test]
fn waiting_clears_what_was_rung() {
    let waker = new();
    let handle = waker.polling_handle();
    handle.waker.wake_by_ref();
    handle.wait(Deadline::NEVER).expect("ready");
    assert!(!signaled(&waker));
    // Not ready is not cleared: a ring that comes at the deadline is there the next time.
    handle.wait(Deadline::PASSED).expect("not ready");
    handle.waker.wake_by_ref();
    handle.wait(Deadline::NEVER).expect("ready");
}

/// A thread drives a backend that an event is given for, and sleeps in between.
#[test]
fn a_thread_drives_a_backend_by_its_event() {
    let desk = Arc::new(Desk::new());
    let other = Arc::clone(&desk);
    let doubled = in_time(move || {
        let doubling = other.double(21);
        other.block_on(doubling, Wait::FOREVER)
    });
    assert_eq!(doubled.expect("it completes"), 42);
    let (polls, computed) = (desk.polls(), cpu_time());
    let timeout = Duration::from_millis(300).into();
    assert!(desk.block_on(pending::<()>(), timeout).is_err(), "it ends by its deadline");
    assert!(desk.polls() - polls < 5 && cpu_time() - computed < Duration::from_millis(150), "it spins");
}

/// One that gives nothing to be watched wakes by itself.
#[test]
fn a_thread_drives_a_backend_without_an_event() {
    let doubled = in_time(|| {
        let desk = Desk::unwatched();
        desk.block_on(desk.double(4), Wait::FOREVER)
    });
    assert_eq!(doubled.expect("it completes"), 8);
}

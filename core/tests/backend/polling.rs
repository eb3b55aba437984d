//! What is watched, and for what.

use crate::{cpu_time, in_time};
use quiescent_core::Deadline;
use quiescent_core::backend::{BackendError, FdWaker, Pollable, PollingFlags, PollingHandle};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

fn only(read: bool, write: bool) -> PollingFlags {
    PollingFlags::new().read(read).write(write)
}

fn ready(descriptor: impl AsFd, read: bool, write: bool) -> std::io::Result<bool> {
    descriptor.as_fd().poll(&only(read, write), Deadline::PASSED)
}

fn pair() -> [UnixStream; 2] {
    UnixStream::pair().expect("descriptors are left").into()
}

#[test]
fn flags_are_set_and_read_and_told_to_the_system() {
    assert_eq!(PollingFlags::new().get(), (false, false));
    assert_eq!(PollingFlags::all().get(), (true, true));
    for (read, write) in [(false, false), (false, true), (true, false), (true, true)] {
        let expected = (if read { libc::POLLIN } else { 0 }) | (if write { libc::POLLOUT } else { 0 });
        for flags in [PollingFlags::new(), PollingFlags::all()] {
            let flags = flags.read(read).write(write);
            assert_eq!((flags.get(), flags.to_posix()), ((read, write), expected));
        }
        for flags in [PollingFlags::new(), PollingFlags::all()] {
            flags.set_read(read);
            flags.set_write(write);
            assert_eq!((flags.get(), flags.to_posix()), ((read, write), expected));
        }
    }
}

#[test]
fn reading_and_writing_are_watched_for_as_asked() {
    let [here, mut there] = pair();
    assert!(!ready(&here, true, false).expect("open"));
    assert!(ready(&here, false, true).expect("open"), "the write bit polls for writing");
    assert!(ready(&here, true, true).expect("open"));
    there.write_all(b"a").expect("room");
    assert!(ready(&here, true, false).expect("open"));
    // Full, and so not ready to be written.
    here.set_nonblocking(true).expect("open");
    while (&here).write(&[0; 4096]).is_ok() {}
    assert!(!ready(&here, false, true).expect("open"));
    assert!(ready(&here, true, true).expect("open"));
}

#[test]
fn a_hang_up_is_ready() {
    let [mut here, there] = pair();
    drop(there);
    assert!(ready(&here, true, false).expect("open"));
    assert_eq!(here.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn what_cannot_be_polled_is_an_error() {
    // SAFETY: it is only polled; that number is nobody's.
    let nobody = unsafe { BorrowedFd::borrow_raw(1_000_000) };
    let error = nobody.poll(&only(true, false), Deadline::NEVER).expect_err("not open");
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    let flags = only(true, false);
    let handle = PollingHandle::new(nobody, &flags, only(true, false), Waker::noop().clone());
    assert!(matches!(handle.wait(Deadline::NEVER), Err(BackendError::Io(_))));
}

/// The writing end of a pipe that nobody reads can be watched for reading, in vain.
#[test]
fn an_error_alone_is_an_error() {
    let mut ends = [0; 2];
    // SAFETY: room for two.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: they were just opened.
    let [reading, writing] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    drop(reading);
    assert!(ready(&writing, true, false).is_err());
    assert!(ready(&writing, false, true).expect("writing tells what is wrong"));
}

#[test]
fn neither_is_an_error() {
    let [here, _there] = pair();
    let error = ready(&here, false, false).expect_err("it would never be ready");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let flags = PollingFlags::new();
    let handle = PollingHandle::new(here.as_fd(), &flags, PollingFlags::all(), Waker::noop().clone());
    assert!(matches!(handle.wait(Deadline::NEVER), Err(BackendError::NoInterest)));
    assert!(matches!(handle.interest(), Err(BackendError::NoInterest)));
    flags.set_write(true);
    handle.wait(Deadline::NEVER).expect("ready");
}

#[test]
fn it_sleeps_until_the_deadline() {
    let [here, _there] = pair();
    for (timeout, sleeps) in [(0, false), (30, true)] {
        let (start, computed) = (Instant::now(), cpu_time());
        let deadline = Deadline::after(Duration::from_millis(timeout));
        assert!(!here.as_fd().poll(&only(true, false), deadline).expect("open"));
        assert!(start.elapsed() >= Duration::from_millis(timeout));
        assert!(!sleeps || cpu_time() - computed < Duration::from_millis(timeout / 2), "it spins");
    }
}

/// A signal ends the system call, not the sleep.
#[test]
fn a_signal_neither_ends_the_sleep_nor_prolongs_it() {
    extern "C" fn ignore(_signal: libc::c_int) {}
    // SAFETY: a handler that does nothing; without SA_RESTART.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    in_time(|| {
        let [here, mut there] = pair();
        let is_past = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_past);
        let sleeper = std::thread::spawn(move || {
            let start = Instant::now();
            let in_vain = here.as_fd().poll(&only(true, false), Deadline::after(Duration::from_millis(100)));
            let slept = start.elapsed();
            told.store(true, Ordering::Relaxed);
            let then = here.as_fd().poll(&only(true, false), Deadline::NEVER);
            (in_vain.expect("a signal is no error"), slept, then.expect("a signal is no error"))
        });
        let signal = || {
            std::thread::sleep(Duration::from_millis(3));
            // SAFETY: the thread was not joined yet.
            assert_eq!(unsafe { libc::pthread_kill(sleeper.as_pthread_t(), libc::SIGUSR1) }, 0);
        };
        // Whenever it comes to run.
        while !is_past.load(Ordering::Relaxed) {
            signal();
        }
        (0..20).for_each(|_| signal());
        there.write_all(b"a").expect("room");
        let (in_vain, slept, then) = sleeper.join().expect("no panic");
        assert!(!in_vain && then);
        assert!(slept >= Duration::from_millis(100), "ended by a signal after {slept:?}");
    });
}

/// A backend's own descriptor, with the waker beside it: what the waker made ready is cleared by whoever waits.
#[test]
fn waiting_clears_what_was_rung() {
    let waker = FdWaker::new().expect("descriptors are left");
    let handle = waker.polling_handle();
    handle.waker.wake_by_ref();
    handle.wait(Deadline::NEVER).expect("ready");
    assert!(!ready(&waker, true, false).expect("open"));
    // Not ready is not cleared: a ring that comes at the deadline is there the next time.
    handle.wait(Deadline::PASSED).expect("not ready");
    handle.waker.wake_by_ref();
    handle.wait(Deadline::NEVER).expect("ready");
}

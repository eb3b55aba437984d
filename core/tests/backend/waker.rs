//! Waking whoever watches a descriptor.

use crate::readable;
use quiescent_core::backend::{Event, FdWaker};
use std::os::fd::{AsFd, AsRawFd, RawFd};

fn is_open(descriptor: RawFd) -> bool {
    // SAFETY: a plain number.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}

#[test]
fn it_is_readable_from_a_wake_until_it_is_cleared() {
    let waker = FdWaker::new().expect("descriptors are left");
    let wakers = [waker.waker(), waker.waker()];
    assert!(!readable(&waker));
    for _ in 0..3 {
        wakers[0].wake_by_ref();
        wakers[1].wake_by_ref();
        waker.wake();
        assert!(readable(&waker));
        waker.clear();
        assert!(!readable(&waker));
    }
}

/// Many wakes are one ring: the descriptor is written to once, until it is cleared.
#[test]
fn further_wakes_write_nothing() {
    let waker = FdWaker::new().expect("descriptors are left");
    waker.wake();
    let mut written = [0_u8; 64];
    let read = |written: &mut [u8; 64]| {
        // SAFETY: writable for its length; it does not block.
        unsafe { libc::read(waker.as_fd().as_raw_fd(), written.as_mut_ptr().cast(), written.len()) }
    };
    assert_eq!(read(&mut written), 8);
    // Taken by somebody who does not clear: the mark still says that it was rung.
    waker.wake();
    assert_eq!(read(&mut written), -1);
    waker.clear();
    waker.wake();
    assert_eq!(read(&mut written), 8);
}

#[test]
fn a_wake_after_the_end_does_nothing_to_the_descriptor() {
    let owner = FdWaker::new().expect("descriptors are left");
    let late = owner.waker();
    // The same open file, to look at.
    let same = owner.as_fd().try_clone_to_owned().expect("descriptors are left");
    let number = owner.as_fd().as_raw_fd();
    drop(owner);
    assert!(is_open(number), "a waker that is left owns it");
    late.wake_by_ref();
    assert!(!readable(&same), "written to after the end");
    drop(late);
}

/// The number of what was closed is soon another descriptor's, to which a late wake must not write. (In a process of its own,
/// other tests would open descriptors meanwhile: here the number is kept by whoever could be late, which is the promise.)
#[test]
fn a_number_is_not_used_again_while_a_waker_is_left() {
    let owner = FdWaker::new().expect("descriptors are left");
    let (number, late) = (owner.as_fd().as_raw_fd(), owner.waker());
    drop(owner);
    let others: Vec<Event> = (0..64).map(|_| Event::new().expect("descriptors are left")).collect();
    assert!(others.iter().all(|other| other.as_fd().as_raw_fd() != number));
    late.wake_by_ref();
    late.wake();
    assert!(others.iter().all(|other| !readable(other)), "a late wake met somebody else's descriptor");
}

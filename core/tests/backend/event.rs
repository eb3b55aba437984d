//! The descriptor that is readable while it is rung.

use crate::readable;
use quiescent_core::backend::Event;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

fn flag(descriptor: BorrowedFd<'_>, command: i32, flag: i32) -> bool {
    // SAFETY: plain numbers.
    unsafe { libc::fcntl(descriptor.as_raw_fd(), command) & flag != 0 }
}

#[test]
fn it_is_readable_while_it_is_rung() {
    let event = Event::new().expect("descriptors are left");
    assert!(!readable(&event));
    event.clear();
    for rings in [1, 2, 1000] {
        for _ in 0..rings {
            event.ring();
        }
        assert!(readable(&event));
        assert!(readable(&event), "a look changes nothing");
        event.clear();
        assert!(!readable(&event), "after {rings} rings");
    }
}

#[test]
fn ringing_it_over_and_over_does_not_block() {
    let event = Event::new().expect("descriptors are left");
    for _ in 0..1_000_000 {
        event.ring();
    }
    assert!(readable(&event));
    event.clear();
    assert!(!readable(&event));
}

#[test]
fn a_full_eventfd_or_socket_is_rung_and_is_cleared() {
    let event = Event::new().expect("descriptors are left");
    let most = (u64::MAX - 1).to_ne_bytes();
    // SAFETY: eight readable bytes.
    let written = unsafe { libc::write(event.ringing_fd().as_raw_fd(), most.as_ptr().cast(), most.len()) };
    assert_eq!(written, 8);
    event.ring();
    assert!(readable(&event));
    event.clear();
    assert!(!readable(&event));
}

#[test]
fn its_descriptors_never_block_and_are_not_inherited() {
    let event = Event::new().expect("descriptors are left");
    for descriptor in [event.as_fd(), event.ringing_fd()] {
        assert!(flag(descriptor, libc::F_GETFL, libc::O_NONBLOCK));
        assert!(flag(descriptor, libc::F_GETFD, libc::FD_CLOEXEC));
    }
}

#[test]
fn what_was_done_before_the_ring_is_seen_by_whoever_clears_it() {
    let event = Event::new().expect("descriptors are left");
    let sent = std::sync::atomic::AtomicU32::new(0);
    const ALL: u32 = 20_000;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for _ in 0..ALL {
                sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                event.ring();
            }
        });
        let mut seen = 0;
        while seen < ALL {
            let mut entry = libc::pollfd { fd: event.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry.
            let ready = unsafe { libc::poll(&raw mut entry, 1, 10_000) };
            assert_eq!(ready, 1, "a ring was lost: {seen} seen");
            event.clear();
            seen = sent.load(std::sync::atomic::Ordering::Relaxed);
        }
    });
}

//! Backends: who drives them, what wakes them, and what they answer.

#![cfg(all(unix, not(loom)))]
#![allow(missing_docs, reason = "a test")]

mod block_on;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod completion;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod completion_twin;
mod container;
mod desk;
mod event;
#[path = "../in_time/eventually.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod eventually;
mod example;
mod integration;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod nested;
mod polling;
mod waker;

use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::time::Duration;

/// What hangs or spins is given up after this long.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs `work` on a thread of its own: what it answers, unless that takes too long.
fn in_time<O: Send + 'static>(work: impl FnOnce() -> O + Send + 'static) -> O {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || answer.send(work()));
    answered.recv_timeout(LIMIT).expect("it hangs, or spins, or has panicked")
}

/// Whether it can be read at once.
fn readable(descriptor: impl AsFd) -> bool {
    let mut entry = libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    let ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    ready == 1
}

/// What this thread has computed for so far.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writable.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(
        u64::try_from(time.tv_sec).expect("positive"),
        u32::try_from(time.tv_nsec).expect("a part of a second"),
    )
}

//! Backends: who drives them, what wakes them, and what they answer.

#![cfg(all(any(unix, windows), not(loom)))]
#![allow(missing_docs, reason = "a test")]

#[cfg(unix)]
mod block_on;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod completion;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod completion_twin;
mod container;
mod desk;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod edges;
#[cfg(unix)]
mod event;
#[cfg(windows)]
mod event_waker;
#[path = "../in_time/eventually.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod eventually;
#[cfg(unix)]
mod example;
#[cfg(unix)]
mod integration;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod nested;
#[cfg(unix)]
mod polling;
mod system_waker;
#[cfg(unix)]
mod waker;

/// What a backend of the tests is woken by.
#[cfg(windows)]
use quiescent_core::backend::EventWaker as SystemWaker;
#[cfg(unix)]
use quiescent_core::backend::FdWaker as SystemWaker;
#[cfg(unix)]
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
#[cfg(unix)]
fn readable(descriptor: impl AsFd) -> bool {
    let mut entry = libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    let ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
    assert!(ready >= 0, "{}", std::io::Error::last_os_error());
    ready == 1
}

/// What this thread has computed for so far.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writable.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(
        u64::try_from(time.tv_sec).expect("positive"),
        u32::try_from(time.tv_nsec).expect("a part of a second"),
    )
}

/// What this thread has computed for so far.
#[cfg(windows)]
fn cpu_time() -> Duration {
    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::{GetCurrentThread, GetThreadTimes};
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let [mut begin, mut end, mut kernel, mut user] = [zero; 4];
    // SAFETY: all are writable.
    let told =
        unsafe { GetThreadTimes(GetCurrentThread(), &raw mut begin, &raw mut end, &raw mut kernel, &raw mut user) };
    assert!(told != 0, "{}", std::io::Error::last_os_error());
    let ticks = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    // A tick is 100 ns.
    Duration::from_nanos(100 * (ticks(kernel) + ticks(user)))
}

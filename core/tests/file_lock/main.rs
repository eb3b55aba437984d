//! The lock between processes, with real processes: this executable runs itself.

#![cfg(all(unix, not(loom)))]

mod errors;
mod forks;
mod holder;
mod many;
#[cfg(target_os = "linux")]
mod odd;
mod one;
mod pack;
mod process;
mod removed;
mod waits;

use quiescent_core::file_lock::{FileLock, FileLockError};
use quiescent_core::{LockMode, Wait};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use LockMode::{Exclusive, Shared};

/// A wait that is not to end by its deadline, on however slow a machine.
pub(crate) fn long() -> Wait<'static> {
    Duration::from_secs(60).into()
}

/// A wait that is to end by its deadline.
pub(crate) fn soon() -> Wait<'static> {
    Duration::from_millis(30).into()
}

/// A directory of the test's own, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("file-lock-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory");
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn lock(&self, name: &str) -> FileLock {
        FileLock::open(self.path(name)).expect("a file to lock")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether it comes to be so, on however slow a machine.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let start = std::time::Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if start.elapsed() > Duration::from_secs(60) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a wait of another thread is answered.
pub(crate) fn elsewhere<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| scope.spawn(body).join()).expect("no panic on the other thread")
}

pub(crate) fn timed_out<T>(answer: &Result<T, FileLockError>) -> bool {
    matches!(answer, Err(FileLockError::Interrupted(quiescent_core::Interrupted::TimedOut, _)))
}

/// What this process has: threads and open descriptors.
#[cfg(target_os = "linux")]
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("there is /proc").count()
}

#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("there is /proc").count()
}

/// Resident memory, in kilobytes.
#[cfg(target_os = "linux")]
pub(crate) fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

//! Waiting for what other threads do, so that a test fails instead of hanging.

use std::thread;
use std::time::{Duration, Instant};

pub const MS: Duration = Duration::from_millis(1);
/// A wait that is not to end by its deadline; if it does all the same, the test fails instead of hanging.
pub const LONG: Duration = Duration::from_secs(20);

/// Waits until `holds` does.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG / 2, "still not after {:?}: {what}", LONG / 2);
        thread::yield_now();
    }
}

/// What `thread` answers. Fails if it sleeps on although what it waits for has happened.
#[track_caller]
pub fn ended<R>(thread: thread::ScopedJoinHandle<'_, R>) -> R {
    eventually("the other thread ends", || thread.is_finished());
    thread.join().expect("no panic on the other thread")
}

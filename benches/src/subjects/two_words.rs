//! The classic guard of two words, as it is usually described: count yourself in, look whether it is
//! closed, count yourself out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A closed flag and a counter, sequentially consistent.
#[derive(Debug, Default)]
pub struct TwoWords {
    closed: AtomicBool,
    inside: AtomicU64,
}

impl TwoWords {
    /// Whether the caller is inside now. A refused caller has been counted for a moment.
    #[inline]
    pub fn enter(&self) -> bool {
        self.inside.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.inside.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// The caller is no longer inside.
    #[inline]
    pub fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    /// Closes, and looks every millisecond whether the counter is zero: whether it was before `timeout`.
    pub fn close_and_poll(&self, timeout: Duration) -> bool {
        self.closed.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + timeout;
        while self.inside.load(Ordering::SeqCst) != 0 {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

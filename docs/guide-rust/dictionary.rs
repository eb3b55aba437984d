//! A list of words that grows: the library's own code, which knows nothing of handles, and stays as it is.

use std::ffi::{CStr, CString};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Words that are added, and never removed.
pub struct Dictionary {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    words: Vec<CString>,
    is_closed: bool,
}

impl Dictionary {
    /// With no word.
    pub fn new() -> Self {
        let state = Mutex::new(State { words: Vec::new(), is_closed: false });
        Self { state, changed: Condvar::new() }
    }

    /// Adds a word, and says how many there are then.
    pub fn add(&self, word: &CStr) -> usize {
        let mut state = self.lock();
        state.words.push(word.to_owned());
        self.changed.notify_all();
        state.words.len()
    }

    /// Waits until there are `n` words. Whether there are.
    pub fn wait(&self, n: usize, timeout: Duration) -> bool {
        let too_few = |state: &mut State| state.words.len() < n && !state.is_closed;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, too_few);
        waited.unwrap_or_else(PoisonError::into_inner).0.words.len() >= n
    }

    /// A word. It does not move, as long as the dictionary lives.
    #[allow(dead_code, reason = "the first steps do not lend")]
    pub fn word(&self, index: usize) -> Option<*const std::ffi::c_char> {
        self.lock().words.get(index).map(|word| word.as_ptr())
    }

    /// Ends what waits, now and from now on.
    #[allow(dead_code, reason = "the first steps do not")]
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether it is closed.
    #[allow(dead_code, reason = "only the last step asks")]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

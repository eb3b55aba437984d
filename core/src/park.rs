//! Sleeping on one half of a word until somebody changes it.
//!
//! The one loop that waits is [`until`]. Each backend's `wait` returns when it was woken, when the half
//! is no longer what the caller saw, when the deadline has passed, or for no reason at all (a signal):
//! the loop looks again. [`wake_all`] wakes every thread asleep on that half. The kernel compares and
//! falls asleep in one step, so a change that comes between the look and the sleep is not slept through,
//! provided that whoever changes the half calls [`wake_all`] afterwards. Nothing here allocates on
//! Linux, where it is a futex on the word itself; elsewhere it is a table of `parking_lot` condition
//! variables.

use crate::deadline::Deadline;
use crate::shim::{SPINS, spin};
use crate::word::{State, Word};

#[cfg(all(not(loom), any(target_os = "linux", target_os = "android"), not(quiescent_park_fallback)))]
#[path = "park/futex.rs"]
mod backend;

#[cfg(all(not(loom), any(not(any(target_os = "linux", target_os = "android")), quiescent_park_fallback)))]
#[path = "park/condvar.rs"]
mod backend;

#[cfg(loom)]
#[path = "park/model.rs"]
mod backend;

#[path = "park/parker.rs"]
mod parker;
pub use parker::Parker;

/// What to sleep on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Count and flags.
    Low,
    /// The generation.
    High,
}

/// Waits until `over` holds: `true`, or `false` at the deadline.
///
/// Looks a while; then announces the sleep with `mark`, in a change that saw that it is not over, asks `over` once more,
/// and sleeps on the value that the change left. So whoever makes it over afterwards sees the mark and wakes.
pub(crate) fn until(
    word: &Word,
    half: Half,
    deadline: Deadline,
    over: impl Fn(State) -> bool,
    mark: impl Fn(State) -> State,
) -> bool {
    let mut state = word.look();
    // Who slept here once, and is back for another round, does not look around again.
    let looks = if deadline == Deadline::PASSED || mark(state) == state { 0 } else { SPINS };
    for _ in 0..looks {
        if over(state) {
            return true;
        }
        spin();
        state = word.look();
    }
    loop {
        if over(state) {
            return true;
        }
        if deadline.has_passed() {
            return false;
        }
        if mark(state) == state {
            // Announced, and asked since: what `over` asks may be elsewhere than in the word.
            let seen = match half {
                Half::Low => state.low(),
                Half::High => state.high(),
            };
            wait(word, half, seen, deadline);
            state = word.look();
        } else {
            let announced = word.change_from(state, |state| if over(state) { Err(state) } else { Ok(mark(state)) });
            state = announced.map_or_else(|over| over, |change| change.after);
        }
    }
}

/// Sleeps while `half` of `word` is `expected`, at most until `deadline`. May return early: look again.
#[cold]
fn wait(word: &Word, half: Half, expected: u32, deadline: Deadline) {
    backend::wait(word.atomic(), half, expected, deadline);
}

/// Wakes all that sleep on `half` of `word`. Uses the address only: the word may already belong to
/// somebody else.
#[cold]
pub(crate) fn wake_all(word: &Word, half: Half) {
    backend::wake_all(word.atomic(), half);
}

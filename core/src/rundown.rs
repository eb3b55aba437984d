//! Run-down: close and drain something that may be opened again.
//!
//! After the run-down protection of the NT kernel (`ExAcquireRundownProtection` and its siblings), as a
//! thin policy over the word of the guard.
//!
//! # States
//!
//! | state | closed | count | generation | means |
//! |---|---|---|---|---|
//! | open | – | n | g | n references are out, more may be acquired |
//! | in progress | yes | n > 0 | g | a run-down has begun; n are still to be released |
//! | complete | yes | 0 | g + 1 | all were released; `re_init` may open it again |
//!
//! # Protocol
//!
//! The generation counts completed run-downs: the step that makes a closed word idle, be it the last
//! release or a close that finds nobody, moves it on. Waiters sleep on it (the high half), so any number
//! of them may wait, and none sleeps through a `re_init` that follows at once. Only
//! [`RundownRef::re_init`] clears the closed bit, and only when complete.
//!
//! # Orderings, last touch
//!
//! As in `guard.rs`. In addition: `re_init` (release) publishes the owner's re-initialisation to the
//! next acquire.
//!
//! # Checked by
//!
//! Models in `tests/loom/rundown.rs` (`re_init` vs acquire, two waiters, release vs wait), the naive
//! twin in `tests/twin.rs`.

use crate::deadline::Deadline;
use crate::park::{self, Half};
use crate::shim::const_fn;
use crate::word::{Refused, State, Word};
use std::time::Duration;

/// Protects an object that is shut down and opened again: eight bytes, all-zero bytes are open.
///
/// Unlike a [`crate::HandleGuard`] it says nothing about who may release the object's memory; the owner
/// keeps that in place while anybody may still try to acquire.
///
/// ```
/// use quiescent_core::{RundownError, RundownRef};
///
/// let device = RundownRef::new();
/// {
///     let _using = device.try_acquire().expect("open");
/// }
/// device.wait_for_rundown();
/// assert_eq!(device.try_acquire().unwrap_err(), RundownError::Completed);
/// device.re_init().expect("complete");
/// assert!(device.try_acquire().is_ok());
/// ```
#[repr(transparent)]
pub struct RundownRef {
    word: Word,
}

/// References acquired from a [`RundownRef`], released when dropped. It cannot be made by hand;
/// forgetting it is safe (the run-down then does not complete).
#[must_use = "the references are released when this is dropped"]
#[derive(Debug)]
pub struct RundownGuard<'rundown> {
    rundown: &'rundown RundownRef,
    references: u32,
}

/// Why a [`RundownRef`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RundownError {
    /// A run-down has begun, and references are still out.
    InProgress,
    /// The run-down is complete; nothing can be acquired before `re_init`.
    Completed,
    /// `re_init` of something that is open: no run-down has begun.
    NotBegun,
    /// More than 16,777,214 references would be out at once.
    Limit,
}

impl std::fmt::Display for RundownError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RundownError::InProgress => "a run-down is in progress",
            RundownError::Completed => "the run-down is complete",
            RundownError::NotBegun => "no run-down has begun",
            RundownError::Limit => "too many references are out",
        })
    }
}

impl std::error::Error for RundownError {}

impl RundownError {
    /// Why a closed word admits nobody.
    pub(crate) fn of_closed(state: State) -> RundownError {
        if state.is_idle() { RundownError::Completed } else { RundownError::InProgress }
    }
}

/// A release of more references than are out. Nothing was changed.
#[derive(Debug)]
pub(crate) struct NotOut;

impl RundownRef {
    const_fn! {
        /// Open, with no reference out.
        #[must_use]
        pub fn new() -> RundownRef {
            RundownRef { word: Word::new(State::OPEN) }
        }
    }

    /// Acquires one reference. Never blocks; a refused call writes nothing.
    ///
    /// # Errors
    /// [`RundownError::InProgress`], [`RundownError::Completed`] or [`RundownError::Limit`].
    #[inline]
    pub fn try_acquire(&self) -> Result<RundownGuard<'_>, RundownError> {
        self.try_acquire_n(1)
    }

    /// Acquires `references` at once, all or none; zero is allowed and protects nothing.
    ///
    /// # Errors
    /// As [`RundownRef::try_acquire`].
    #[inline]
    pub fn try_acquire_n(&self, references: u32) -> Result<RundownGuard<'_>, RundownError> {
        let acquired = self.word.change(|state| {
            state.admitted(references).map_err(|refused| match refused {
                Refused::Limit => RundownError::Limit,
                Refused::Closed => RundownError::of_closed(state),
            })
        });
        acquired.map(|_| RundownGuard { rundown: self, references })
    }

    /// Begins the run-down and waits until every reference is released. Any number of threads may call
    /// it, at any time; on a completed run-down it returns at once. The caller must not hold a
    /// reference itself: it would wait for itself.
    pub fn wait_for_rundown(&self) {
        let completed = self.rundown_by(Deadline::NEVER);
        debug_assert!(completed, "never passes");
    }

    /// [`RundownRef::wait_for_rundown`] for at most `timeout`: whether the run-down is complete. After
    /// `false` it is still in progress: nothing can be acquired, and one may wait again.
    #[must_use]
    pub fn wait_for_rundown_timeout(&self, timeout: Duration) -> bool {
        self.rundown_by(Deadline::after(timeout))
    }

    fn rundown_by(&self, deadline: Deadline) -> bool {
        let begun = self.word.change(|state| {
            if state.is_closed() {
                Err(state)
            } else if state.is_idle() {
                Ok(state.closed().next_generation())
            } else {
                Ok(state.closed())
            }
        });
        let begun = begun.map_or_else(|closed| closed, |change| change.after);
        begun.is_quiescent() || self.outwaits(begun.generation(), deadline)
    }

    /// Waits until the run-down of life `generation`, which has begun, is complete: `true`, or `false` at the deadline.
    pub(crate) fn outwaits(&self, generation: u32, deadline: Deadline) -> bool {
        let over = |state: State| state.generation() != generation;
        park::until(&self.word, Half::High, deadline, over, State::with_waiters)
    }

    /// Opens a completed run-down again. Re-initialise the protected object first: the moment this
    /// returns, others acquire.
    ///
    /// # Errors
    /// [`RundownError::InProgress`] while references are out, [`RundownError::NotBegun`] if it is open.
    /// Nothing was changed.
    pub fn re_init(&self) -> Result<(), RundownError> {
        let opened = self.word.change(|state| {
            if !state.is_closed() {
                Err(RundownError::NotBegun)
            } else if state.is_idle() {
                Ok(State::open(state.generation()))
            } else {
                Err(RundownError::InProgress)
            }
        });
        opened.map(|_| ())
    }

    /// Releases `references` for a caller that acquired them without keeping the [`RundownGuard`]: a C
    /// program.
    ///
    /// Answers `false`, and changes nothing, when fewer are out.
    ///
    /// # Safety
    /// The caller acquired them from this run-down (and forgot those [`RundownGuard`]s) and has not
    /// released them before.
    #[must_use]
    pub unsafe fn release(&self, references: u32) -> bool {
        self.put_back(references).is_ok()
    }

    /// Releases `references`: whether that completed a run-down; an error when fewer are out.
    pub(crate) fn put_back(&self, references: u32) -> Result<bool, NotOut> {
        let released = self.word.change(|state| {
            let left = state.departed(references).ok_or(NotOut)?;
            let completes = left.is_quiescent() && !state.is_idle();
            Ok::<_, NotOut>(if completes { left.next_generation() } else { left })
        })?;
        let completed = released.after.generation() != released.before.generation();
        if completed && released.before.has_waiters() {
            park::wake_all(&self.word, Half::High);
        }
        Ok(completed)
    }
}

// Further steps, for a run-down that is made of several: see `cache_aware_rundown.rs`.
impl RundownRef {
    /// The word as it is now.
    pub(crate) fn look(&self) -> State {
        self.word.look()
    }

    /// Acquires `references` that somebody gives back by [`RundownRef::put_back`].
    #[inline]
    pub(crate) fn admit(&self, references: u32) -> Result<(), Refused> {
        self.word.change(|state| state.admitted(references)).map(|_| ())
    }

    /// [`RundownRef::admit`] to life `generation`, which nobody has opened here yet. `None`: somebody has, or that life is
    /// behind it.
    pub(crate) fn admit_first(&self, generation: u32, references: u32) -> Option<Result<(), Refused>> {
        let opened = self.word.change(|state| {
            if state.is_quiescent() && state.generation() == generation {
                State::open(generation).admitted(references).map_err(Some)
            } else {
                Err(None)
            }
        });
        match opened {
            Ok(_) => Some(Ok(())),
            Err(refused) => refused.map(Err),
        }
    }

    /// Begins a run-down that is not complete before `parts` references, which this acquires, are put back; or finds that
    /// one had begun. The word of that run-down.
    pub(crate) fn begin_with(&self, parts: u32) -> State {
        let begun = self.word.change(|state| match state.admitted(parts) {
            Ok(state) => Ok(state.closed()),
            Err(_) => Err(state),
        });
        begun.map_or_else(|closed| closed, |change| change.after)
    }

    /// Begins the run-down of life `generation`, also if nobody has opened that life here; does nothing if it had begun.
    /// Whether that completed it.
    pub(crate) fn close_life(&self, generation: u32) -> bool {
        let closed = self.word.change(|state| {
            if state.generation() != generation || state.is_closed() && !state.is_idle() {
                Err(())
            } else if state.is_idle() {
                Ok(state.closed().next_generation())
            } else {
                Ok(state.closed())
            }
        });
        closed.is_ok_and(|change| change.after.is_idle())
    }
}

impl RundownGuard<'_> {
    /// How many references this releases.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.references
    }
}

impl Drop for RundownGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let released = self.rundown.put_back(self.references);
        debug_assert!(released.is_ok(), "references are released once");
    }
}

impl Default for RundownRef {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for RundownRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RundownRef({:?})", self.word.look())
    }
}

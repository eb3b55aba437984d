//! Why a lock was not taken.

use crate::error::Error;
use crate::wait::Interrupted;
use std::fmt;

/// Why a lock was not taken, or not as it should be.
pub enum LockError<G> {
    /// Taken, but a panic left the value half-changed: the guard gives access all the same.
    Poisoned(G),
    /// The calling thread holds it itself, and has not passed it on. A future does not answer this.
    Deadlock,
    /// The mutex was closed.
    Closed,
    /// The wait was ended. A future does not answer this.
    Interrupted(Interrupted),
}

/// Why a lock was not taken at once, or not as it should be.
pub enum TryLockError<G> {
    /// Taken, but a panic left the value half-changed: the guard gives access all the same.
    Poisoned(G),
    /// Somebody holds it, or is about to.
    Busy,
    /// The mutex was closed.
    Closed,
}

impl<G> LockError<G> {
    /// The same with another guard.
    pub(crate) fn map<H>(self, guard: impl FnOnce(G) -> H) -> LockError<H> {
        match self {
            LockError::Poisoned(taken) => LockError::Poisoned(guard(taken)),
            LockError::Deadlock => LockError::Deadlock,
            LockError::Closed => LockError::Closed,
            LockError::Interrupted(interrupted) => LockError::Interrupted(interrupted),
        }
    }

    fn as_error(&self) -> Error {
        match self {
            LockError::Poisoned(_) => Error::Poisoned,
            LockError::Deadlock => Error::Deadlock,
            LockError::Closed => Error::Freed,
            LockError::Interrupted(interrupted) => (*interrupted).into(),
        }
    }
}

impl<G> TryLockError<G> {
    /// The same with another guard.
    pub(crate) fn map<H>(self, guard: impl FnOnce(G) -> H) -> TryLockError<H> {
        match self {
            TryLockError::Poisoned(taken) => TryLockError::Poisoned(guard(taken)),
            TryLockError::Busy => TryLockError::Busy,
            TryLockError::Closed => TryLockError::Closed,
        }
    }

    fn as_error(&self) -> Error {
        match self {
            TryLockError::Poisoned(_) => Error::Poisoned,
            TryLockError::Busy => Error::Busy,
            TryLockError::Closed => Error::Freed,
        }
    }
}

impl<G> From<Interrupted> for LockError<G> {
    fn from(interrupted: Interrupted) -> LockError<G> {
        LockError::Interrupted(interrupted)
    }
}

impl<G> From<LockError<G>> for Error {
    fn from(error: LockError<G>) -> Error {
        error.as_error()
    }
}

impl<G> From<TryLockError<G>> for Error {
    fn from(error: TryLockError<G>) -> Error {
        error.as_error()
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_error(), f)
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_error(), f)
    }
}

impl<G> std::error::Error for LockError<G> {}

impl<G> fmt::Debug for TryLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_error(), f)
    }
}

impl<G> fmt::Display for TryLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_error(), f)
    }
}

impl<G> std::error::Error for TryLockError<G> {}

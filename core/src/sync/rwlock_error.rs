//! Why a read-write lock was not taken.

use crate::error::Error;
use crate::wait::Interrupted;
use std::fmt;

/// Why the lock was not taken, or not as it should be.
pub enum RwLockError<G> {
    /// Taken, but a panic left the value half-changed: the guard gives access all the same.
    Poisoned(G),
    /// The calling thread writes, and has not passed the guard on. A future does not answer this.
    Deadlock,
    /// No more readers may have it or wait for it at once. Writers are not answered this.
    TooManyReaders,
    /// The lock was closed.
    Closed,
    /// The wait was ended. A future does not answer this.
    Interrupted(Interrupted),
}

/// Why the lock was not taken at once to read, or not as it should be.
pub enum TryReadError<G> {
    /// Taken, but a panic left the value half-changed: the guard gives access all the same.
    Poisoned(G),
    /// A writer has it or waits for it.
    Busy,
    /// No more readers may have it or wait for it at once.
    TooManyReaders,
    /// The lock was closed.
    Closed,
}

/// Why the lock was not taken at once to write, or not as it should be.
pub enum TryWriteError<G> {
    /// Taken, but a panic left the value half-changed: the guard gives access all the same.
    Poisoned(G),
    /// Somebody has it or waits for it.
    Busy,
    /// The lock was closed.
    Closed,
}

impl<G> RwLockError<G> {
    fn as_error(&self) -> Error {
        match self {
            RwLockError::Poisoned(_) => Error::Poisoned,
            RwLockError::Deadlock => Error::Deadlock,
            RwLockError::TooManyReaders => Error::Limit,
            RwLockError::Closed => Error::Freed,
            RwLockError::Interrupted(interrupted) => (*interrupted).into(),
        }
    }
}

impl<G> TryReadError<G> {
    fn as_error(&self) -> Error {
        match self {
            TryReadError::Poisoned(_) => Error::Poisoned,
            TryReadError::Busy => Error::Busy,
            TryReadError::TooManyReaders => Error::Limit,
            TryReadError::Closed => Error::Freed,
        }
    }
}

impl<G> TryWriteError<G> {
    fn as_error(&self) -> Error {
        match self {
            TryWriteError::Poisoned(_) => Error::Poisoned,
            TryWriteError::Busy => Error::Busy,
            TryWriteError::Closed => Error::Freed,
        }
    }
}

impl<G> From<Interrupted> for RwLockError<G> {
    fn from(interrupted: Interrupted) -> RwLockError<G> {
        RwLockError::Interrupted(interrupted)
    }
}

impl<G> From<RwLockError<G>> for Error {
    fn from(error: RwLockError<G>) -> Error {
        error.as_error()
    }
}

impl<G> From<TryReadError<G>> for Error {
    fn from(error: TryReadError<G>) -> Error {
        error.as_error()
    }
}

impl<G> From<TryWriteError<G>> for Error {
    fn from(error: TryWriteError<G>) -> Error {
        error.as_error()
    }
}

impl<G> fmt::Debug for RwLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_error(), f)
    }
}

impl<G> fmt::Display for RwLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_error(), f)
    }
}

impl<G> std::error::Error for RwLockError<G> {}

impl<G> fmt::Debug for TryReadError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_error(), f)
    }
}

impl<G> fmt::Display for TryReadError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_error(), f)
    }
}

impl<G> std::error::Error for TryReadError<G> {}

impl<G> fmt::Debug for TryWriteError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_error(), f)
    }
}

impl<G> fmt::Display for TryWriteError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_error(), f)
    }
}

impl<G> std::error::Error for TryWriteError<G> {}

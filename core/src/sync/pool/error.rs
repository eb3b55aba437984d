//! Why a pool hands nothing out.

use crate::error::Error;
use crate::wait::Interrupted;
use std::fmt;

/// Why no resource was acquired or made. Nothing was taken. `E` is the factory's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError<E> {
    /// The pool was closed.
    Closed,
    /// The wait for somebody to give one back, or for the check of an idle one, was ended; the futures do not answer this.
    Interrupted(Interrupted),
    /// The wait for one that was being made was ended; the futures do not answer this.
    CreateInterrupted(Interrupted),
    /// The factory could not make one.
    Create(E),
    /// The factory panicked, making or checking one. The panic is contained; one that was being checked is destroyed.
    Panicked,
    /// There is no memory for one more.
    NoMemory,
}

/// Why no resource was acquired at once. Nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolTryAcquireError {
    /// The pool was closed.
    Closed,
    /// None is idle.
    NoneIdle,
    /// The factory panicked, checking one: that one is destroyed.
    Panicked,
}

impl<E> From<PoolError<E>> for Error {
    fn from(error: PoolError<E>) -> Error {
        match error {
            PoolError::Closed => Error::Freed,
            PoolError::Interrupted(interrupted) | PoolError::CreateInterrupted(interrupted) => interrupted.into(),
            PoolError::Create(_) => Error::Io,
            PoolError::Panicked => Error::Panic,
            PoolError::NoMemory => Error::NoMemory,
        }
    }
}

impl From<PoolTryAcquireError> for Error {
    fn from(error: PoolTryAcquireError) -> Error {
        match error {
            PoolTryAcquireError::Closed => Error::Freed,
            PoolTryAcquireError::NoneIdle => Error::Busy,
            PoolTryAcquireError::Panicked => Error::Panic,
        }
    }
}

impl<E: fmt::Display> fmt::Display for PoolError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Closed => Error::Freed.fmt(f),
            PoolError::Interrupted(interrupted) | PoolError::CreateInterrupted(interrupted) => interrupted.fmt(f),
            PoolError::Create(error) => write!(f, "the resource could not be made: {error}"),
            PoolError::Panicked => Error::Panic.fmt(f),
            PoolError::NoMemory => Error::NoMemory.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for PoolError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let PoolError::Create(error) = self { Some(error) } else { None }
    }
}

impl fmt::Display for PoolTryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(*self).fmt(f)
    }
}

impl std::error::Error for PoolTryAcquireError {}

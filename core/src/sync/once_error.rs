//! Why a cell has no value.

use crate::error::Error;
use crate::wait::Interrupted;
use std::convert::Infallible;
use std::fmt;

/// Why a cell was not given a value, and the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnceCellError<T> {
    /// It has one already.
    AlreadyInitialized(T),
    /// Somebody is making one.
    Initializing(T),
    /// It was closed.
    Closed(T),
}

/// Why there is no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnceInitError<E> {
    /// The caller's own initialiser failed.
    Failed(E),
    /// Asked for from within the initialiser that makes it.
    Deadlock,
    /// It was closed before there was one.
    Closed,
    /// The wait was ended. A future does not answer this.
    Interrupted(Interrupted),
}

impl<T> OnceCellError<T> {
    /// The value that the cell did not take.
    pub fn into_value(self) -> T {
        match self {
            OnceCellError::AlreadyInitialized(value)
            | OnceCellError::Initializing(value)
            | OnceCellError::Closed(value) => value,
        }
    }

    fn as_error(&self) -> Error {
        match self {
            OnceCellError::AlreadyInitialized(_) => Error::Limit,
            OnceCellError::Initializing(_) => Error::Busy,
            OnceCellError::Closed(_) => Error::Freed,
        }
    }
}

impl<T> From<OnceCellError<T>> for Error {
    fn from(error: OnceCellError<T>) -> Error {
        error.as_error()
    }
}

impl<E> From<Interrupted> for OnceInitError<E> {
    fn from(interrupted: Interrupted) -> OnceInitError<E> {
        OnceInitError::Interrupted(interrupted)
    }
}

impl<E: Into<Error>> From<OnceInitError<E>> for Error {
    fn from(error: OnceInitError<E>) -> Error {
        match error {
            OnceInitError::Failed(error) => error.into(),
            OnceInitError::Deadlock => Error::Deadlock,
            OnceInitError::Closed => Error::Freed,
            OnceInitError::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

/// What cannot fail.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Error {
        match never {}
    }
}

impl<T> fmt::Debug for OnceCellError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnceCellError::AlreadyInitialized(_) => "AlreadyInitialized",
            OnceCellError::Initializing(_) => "Initializing",
            OnceCellError::Closed(_) => "Closed",
        })
    }
}

impl<T> fmt::Display for OnceCellError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnceCellError::AlreadyInitialized(_) => f.write_str("the cell has a value already"),
            _ => self.as_error().fmt(f),
        }
    }
}

impl<T> std::error::Error for OnceCellError<T> {}

impl<E: fmt::Debug> fmt::Debug for OnceInitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnceInitError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            OnceInitError::Deadlock => f.write_str("Deadlock"),
            OnceInitError::Closed => f.write_str("Closed"),
            OnceInitError::Interrupted(interrupted) => f.debug_tuple("Interrupted").field(interrupted).finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for OnceInitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnceInitError::Failed(error) => error.fmt(f),
            OnceInitError::Deadlock => Error::Deadlock.fmt(f),
            OnceInitError::Closed => Error::Freed.fmt(f),
            OnceInitError::Interrupted(interrupted) => interrupted.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for OnceInitError<E> {}

//! Why a backend was not driven, or no further.

use crate::error::Error;
use crate::wait::Interrupted;
use std::{fmt, io};

/// Why a backend was not driven, or no further.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackendError {
    /// Somebody else drives it.
    Busy,
    /// It has completed, which a backend should not: it drives nothing any more.
    Ended,
    /// The wait was ended.
    Interrupted(Interrupted),
    /// What it gives to be watched is to be watched neither for reading nor for writing, and would never be ready.
    NoInterest,
    /// It gives something to be watched, and nobody here could watch it.
    Unwatched,
    /// The operating system refused to watch, or to wait.
    Io(io::Error),
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackendError::Busy => f.write_str("somebody else drives the backend"),
            BackendError::Ended => f.write_str("the backend has completed, and drives nothing any more"),
            BackendError::Interrupted(interrupted) => interrupted.fmt(f),
            BackendError::NoInterest => f.write_str("the backend is to be watched neither for reading nor for writing"),
            BackendError::Unwatched => f.write_str("the backend has to be watched, which is not done here"),
            BackendError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BackendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BackendError::Interrupted(interrupted) => Some(interrupted),
            BackendError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Interrupted> for BackendError {
    fn from(interrupted: Interrupted) -> BackendError {
        BackendError::Interrupted(interrupted)
    }
}

impl From<io::Error> for BackendError {
    fn from(error: io::Error) -> BackendError {
        BackendError::Io(error)
    }
}

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Error {
        match error {
            BackendError::Busy => Error::Busy,
            BackendError::Ended => Error::Freed,
            BackendError::Interrupted(interrupted) => interrupted.into(),
            BackendError::NoInterest | BackendError::Unwatched => Error::InvalidArgument,
            BackendError::Io(_) => Error::Io,
        }
    }
}

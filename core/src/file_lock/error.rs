//! Why a file was not opened or locked.

use crate::error::Error;
use crate::file_lock::holder::Holder;
use crate::file_lock::sidecar::LockPath;
use crate::shared::Shared;
use crate::wait::Interrupted;
use std::ffi::CStr;
use std::fmt;

/// What the operating system refused, with its error number, and the file that it was about.
///
/// Some of them: `EISDIR` (a directory in place of the file), `EACCES` and `EROFS`, `ELOOP` (symbolic links in a circle), `ENOSPC`,
/// `EMFILE` and `ENFILE`, `ENOLCK` and `EOPNOTSUPP` (a file system without locks), `EINVAL` (no regular file, or a name with a
/// NUL in it), `ENOMEM`.
#[derive(Clone)]
pub struct FileLockIoError {
    what: &'static str,
    errno: i32,
    path: Option<Shared<LockPath>>,
}

/// Why a file was not locked. Nothing was taken, and nothing is left behind.
#[derive(Clone, Debug)]
pub enum FileLockError {
    /// The calling thread holds it itself, through whatever name, and has not passed it on. A future does not answer this.
    Deadlock,
    /// The lock was closed ([`crate::FileLock::close`]).
    Closed,
    /// The operating system refused.
    Io(FileLockIoError),
    /// The wait was ended. A future does not answer this.
    Interrupted(Interrupted, Option<Holder>),
}

/// Why a file was not locked at once. Nothing was taken, and nothing is left behind.
#[derive(Clone, Debug)]
pub enum TryFileLockError {
    /// Somebody holds it, or waits for it in this process; and who says so of itself.
    Busy(Option<Holder>),
    /// The lock was closed.
    Closed,
    /// The operating system refused.
    Io(FileLockIoError),
}

impl FileLockIoError {
    pub(super) fn new(what: &'static str, errno: i32, path: &Shared<LockPath>) -> FileLockIoError {
        FileLockIoError { what, errno, path: Some(path.clone()) }
    }

    /// Before there is a path to name.
    pub(super) fn without_path(what: &'static str, errno: i32) -> FileLockIoError {
        FileLockIoError { what, errno, path: None }
    }

    pub(super) fn no_memory() -> FileLockIoError {
        FileLockIoError::without_path("allocate", libc::ENOMEM)
    }

    /// The operating system's error number.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The file, absolute, as it was named; empty if it could not even be named.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        self.path.as_ref().map_or(std::path::Path::new(""), |path| path.as_path())
    }
}

impl fmt::Display for FileLockIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.what)?;
        if let Some(path) = &self.path {
            // Not `display()`, which would not say where one name ends.
            write!(f, " '{}'", path.as_path().display())?;
        }
        let mut words = [0; 128];
        // SAFETY: `words` is writable for its length, and what is written ends with a NUL.
        let known = unsafe { libc::strerror_r(self.errno, words.as_mut_ptr(), words.len()) } == 0;
        // SAFETY: as above.
        let words = unsafe { CStr::from_ptr(words.as_ptr()) };
        let words = words.to_str().ok().filter(|_| known).unwrap_or("an unknown error");
        write!(f, ": {words} (errno {})", self.errno)
    }
}

impl fmt::Debug for FileLockIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for FileLockIoError {}

impl From<&FileLockIoError> for Error {
    fn from(error: &FileLockIoError) -> Error {
        if error.errno == libc::ENOMEM { Error::NoMemory } else { Error::Io }
    }
}

impl From<FileLockIoError> for Error {
    fn from(error: FileLockIoError) -> Error {
        (&error).into()
    }
}

impl From<FileLockIoError> for std::io::Error {
    fn from(error: FileLockIoError) -> std::io::Error {
        std::io::Error::from_raw_os_error(error.errno)
    }
}

impl FileLockError {
    pub(super) fn as_error(&self) -> Error {
        match self {
            FileLockError::Deadlock => Error::Deadlock,
            FileLockError::Closed => Error::Freed,
            FileLockError::Io(error) => error.into(),
            FileLockError::Interrupted(interrupted, _) => (*interrupted).into(),
        }
    }
}

impl TryFileLockError {
    pub(super) fn as_error(&self) -> Error {
        match self {
            TryFileLockError::Busy(_) => Error::Busy,
            TryFileLockError::Closed => Error::Freed,
            TryFileLockError::Io(error) => error.into(),
        }
    }
}

impl From<Interrupted> for FileLockError {
    fn from(interrupted: Interrupted) -> FileLockError {
        FileLockError::Interrupted(interrupted, None)
    }
}

impl From<FileLockIoError> for FileLockError {
    fn from(error: FileLockIoError) -> FileLockError {
        FileLockError::Io(error)
    }
}

impl From<FileLockIoError> for TryFileLockError {
    fn from(error: FileLockIoError) -> TryFileLockError {
        TryFileLockError::Io(error)
    }
}

impl From<FileLockError> for Error {
    fn from(error: FileLockError) -> Error {
        error.as_error()
    }
}

impl From<TryFileLockError> for Error {
    fn from(error: TryFileLockError) -> Error {
        error.as_error()
    }
}

/// The kind of error in words, then what is known of it.
fn explain(
    f: &mut fmt::Formatter<'_>,
    error: Error,
    io: Option<&FileLockIoError>,
    holder: Option<&Holder>,
) -> fmt::Result {
    match (io, holder) {
        (Some(io), _) => fmt::Display::fmt(io, f),
        (None, Some(holder)) => write!(f, "{error}; held by {holder}"),
        (None, None) => fmt::Display::fmt(&error, f),
    }
}

impl fmt::Display for FileLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (io, holder) = match self {
            FileLockError::Io(io) => (Some(io), None),
            FileLockError::Interrupted(_, holder) => (None, holder.as_ref()),
            FileLockError::Deadlock | FileLockError::Closed => (None, None),
        };
        explain(f, self.as_error(), io, holder)
    }
}

impl std::error::Error for FileLockError {}

impl fmt::Display for TryFileLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (io, holder) = match self {
            TryFileLockError::Io(io) => (Some(io), None),
            TryFileLockError::Busy(holder) => (None, holder.as_ref()),
            TryFileLockError::Closed => (None, None),
        };
        explain(f, self.as_error(), io, holder)
    }
}

impl std::error::Error for TryFileLockError {}

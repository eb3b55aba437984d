//! A lock of a directory ("pack"), by a file in it.

use crate::error::Error;
use crate::file_lock::sidecar::Content;
use crate::file_lock::{FileLock, FileLockError, FileLockHold, FileLockIoError, Holder, LockMode, TryFileLockError};
use crate::sync::CancelToken;
use crate::wait::{Interrupted, Wait};
use std::fmt;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

/// A directory to be locked, by a sidecar in it: a file that is a lock and nothing else. See [the module](super).
#[derive(Debug)]
pub struct PackLock(FileLock);

/// A locked directory; unlocked when this is dropped, on whatever thread.
#[must_use = "the directory is unlocked when this is dropped"]
#[derive(Debug)]
pub struct PackLockHold(FileLockHold);

/// Why a directory was not locked. Nothing was taken, and nothing is left behind.
#[derive(Clone, Debug)]
pub enum PackLockError {
    /// Somebody holds it (who says so), and still did at the deadline.
    Busy(Option<Holder>),
    /// The operating system refused.
    Io(FileLockIoError),
}

/// Why a directory was not locked, by a call that blocks or can be cancelled.
#[derive(Clone, Debug)]
pub enum PackLockErrorOrCancelled {
    /// It would have been refused in any case.
    Error(PackLockError),
    /// The calling thread holds it itself, through whatever name, and has not passed it on: it would wait for ever.
    Deadlock,
    /// The cancel token was cancelled.
    Cancelled,
}

impl PackLock {
    /// What the sidecar is called, unless it is said.
    pub const SIDECAR: &str = ".pack.lock";

    /// The directory, which is made if it is missing. Locks nothing.
    ///
    /// # Errors
    /// [`FileLockIoError`]; then nothing was made.
    pub fn open(directory: impl AsRef<Path>) -> Result<PackLock, FileLockIoError> {
        PackLock::open_named(directory, PackLock::SIDECAR)
    }

    /// The same, by a sidecar of another name. Locks of different sidecars do not exclude each other.
    ///
    /// # Errors
    /// [`FileLockIoError`]; `EINVAL` also for a name that is empty, or that leads elsewhere (with a slash, `.`, `..`).
    pub fn open_named(directory: impl AsRef<Path>, sidecar: impl AsRef<Path>) -> Result<PackLock, FileLockIoError> {
        let sidecar = sidecar.as_ref().as_os_str().as_bytes();
        if sidecar.is_empty() || sidecar.contains(&b'/') || sidecar == b"." || sidecar == b".." {
            return Err(FileLockIoError::without_path("name the sidecar", libc::EINVAL));
        }
        let directory = directory.as_ref().as_os_str().as_bytes();
        FileLock::open_bytes(directory, sidecar, Content::Sidecar).map(PackLock)
    }

    /// Locks it alone, waiting for those that hold it or came before.
    ///
    /// # Errors
    /// [`PackLockErrorOrCancelled`]; at the deadline [`PackLockError::Busy`].
    pub fn acquire(&self, wait: Wait<'_>) -> Result<PackLockHold, PackLockErrorOrCancelled> {
        Ok(PackLockHold(self.0.acquire(LockMode::Exclusive, wait)?))
    }

    /// The same as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// [`PackLockError::Io`].
    pub async fn acquire_async(&self) -> Result<PackLockHold, PackLockError> {
        self.0.acquire_async(LockMode::Exclusive).await.map(PackLockHold).map_err(PackLockError::from_wait)
    }

    /// The same, ended as well by a cancel token, or by one of `tokio_util`'s.
    ///
    /// # Errors
    /// [`PackLockErrorOrCancelled`].
    pub async fn acquire_cancellable(
        &self,
        cancel: impl Into<CancelToken>,
    ) -> Result<PackLockHold, PackLockErrorOrCancelled> {
        let cancel = cancel.into();
        let mut cancelled = pin!(cancel.cancelled());
        let mut acquired = pin!(self.acquire_async());
        std::future::poll_fn(|context| match cancelled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(PackLockErrorOrCancelled::Cancelled)),
            Poll::Pending => acquired.as_mut().poll(context).map_err(PackLockErrorOrCancelled::Error),
        })
        .await
    }

    /// Locks it alone if nobody holds it, or waits for it in this process. Does not wait.
    ///
    /// # Errors
    /// [`PackLockError`].
    pub fn try_acquire(&self) -> Result<PackLockHold, PackLockError> {
        self.0.try_acquire(LockMode::Exclusive).map(PackLockHold).map_err(|error| match error {
            TryFileLockError::Busy(holder) => PackLockError::Busy(holder),
            TryFileLockError::Io(error) => PackLockError::Io(error),
            // Nobody can close it.
            TryFileLockError::Closed => PackLockError::Busy(None),
        })
    }

    /// See [`FileLock::holder`].
    ///
    /// # Errors
    /// [`FileLockIoError`].
    pub fn holder(&self) -> Result<Option<Holder>, FileLockIoError> {
        self.0.holder()
    }

    /// The sidecar.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl PackLockHold {
    /// As [`FileLockHold::pass_on`].
    pub fn pass_on(self) -> PackLockHold {
        PackLockHold(self.0.pass_on())
    }
}

impl PackLockError {
    fn from_wait(error: FileLockError) -> PackLockError {
        match error {
            FileLockError::Io(error) => PackLockError::Io(error),
            FileLockError::Interrupted(Interrupted::NoMemory, _) => PackLockError::Io(FileLockIoError::no_memory()),
            FileLockError::Interrupted(_, holder) => PackLockError::Busy(holder),
            // A future does not answer the first, and nobody can close it.
            FileLockError::Deadlock | FileLockError::Closed => PackLockError::Busy(None),
        }
    }
}

impl From<FileLockError> for PackLockErrorOrCancelled {
    fn from(error: FileLockError) -> PackLockErrorOrCancelled {
        match error {
            FileLockError::Deadlock => PackLockErrorOrCancelled::Deadlock,
            FileLockError::Interrupted(Interrupted::Cancelled, _) => PackLockErrorOrCancelled::Cancelled,
            error => PackLockErrorOrCancelled::Error(PackLockError::from_wait(error)),
        }
    }
}

impl From<FileLockIoError> for PackLockError {
    fn from(error: FileLockIoError) -> PackLockError {
        PackLockError::Io(error)
    }
}

impl From<&PackLockError> for Error {
    fn from(error: &PackLockError) -> Error {
        match error {
            PackLockError::Busy(_) => Error::Busy,
            PackLockError::Io(error) => error.into(),
        }
    }
}

impl From<PackLockError> for Error {
    fn from(error: PackLockError) -> Error {
        (&error).into()
    }
}

impl From<PackLockErrorOrCancelled> for Error {
    fn from(error: PackLockErrorOrCancelled) -> Error {
        match error {
            PackLockErrorOrCancelled::Error(error) => error.into(),
            PackLockErrorOrCancelled::Deadlock => Error::Deadlock,
            PackLockErrorOrCancelled::Cancelled => Error::Cancelled,
        }
    }
}

impl fmt::Display for PackLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackLockError::Busy(Some(holder)) => write!(f, "{}; held by {holder}", Error::Busy),
            PackLockError::Busy(None) => Error::Busy.fmt(f),
            PackLockError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PackLockError {}

impl fmt::Display for PackLockErrorOrCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackLockErrorOrCancelled::Error(error) => error.fmt(f),
            PackLockErrorOrCancelled::Deadlock => Error::Deadlock.fmt(f),
            PackLockErrorOrCancelled::Cancelled => Error::Cancelled.fmt(f),
        }
    }
}

impl std::error::Error for PackLockErrorOrCancelled {}

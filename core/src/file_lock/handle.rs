//! File locks as handles, with which C holds them.

use crate::error::Error;
use crate::ffi::Explain;
use crate::file_lock::sidecar::Content;
use crate::file_lock::taker::Taker;
use crate::file_lock::{FileLock, FileLockError, FileLockIoError, LockMode, TryFileLockError};
use crate::handle::AnyHandle;
use crate::wait::Wait;
use crate::{Handle, Kind};

static KIND: Kind<FileLock> = Kind::new("file lock");

/// A hold has taken a hold of its own, by number.
impl Handle for FileLock {
    fn kind() -> &'static Kind<FileLock> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }

    fn on_release(&self, taken: u64) {
        // Not under the lock.
        drop(self.taken.with(|all| {
            let position = all.iter().position(|hold| hold.number() == taken);
            position.map(|position| all.swap_remove(position))
        }));
    }
}

impl FileLock {
    /// [`FileLock::open`], by a path of C's; `is_sidecar`: the file is a lock and nothing else, so that it may be written into if it is
    /// empty.
    ///
    /// # Errors
    /// [`FileLockIoError`].
    pub fn open_c(path: &std::ffi::CStr, is_sidecar: bool) -> Result<FileLock, FileLockIoError> {
        let content = if is_sidecar { Content::Sidecar } else { Content::Kept };
        FileLock::open_bytes(path.to_bytes(), b"", content)
    }

    /// [`FileLock::acquire`], for a hold of `handle`, which is this lock's ([`crate::ffi::take`]).
    ///
    /// # Errors
    /// [`FileLockError`].
    pub fn take(&self, handle: AnyHandle, mode: LockMode, wait: Wait<'_>) -> Result<u64, FileLockError> {
        let hold = self.acquire_for(Taker::Handle(handle), mode, wait)?;
        Ok(self.keep(hold)?)
    }

    /// The same as a future, which may be dropped at any time. The hold is that of the thread that polls it first.
    ///
    /// # Errors
    /// [`FileLockError::Closed`], [`FileLockError::Io`].
    pub async fn take_async(&self, handle: AnyHandle, mode: LockMode) -> Result<u64, FileLockError> {
        let hold = self.unless_closed(self.wait_in_line(Taker::call(handle), mode)).await?;
        Ok(self.keep(hold)?)
    }

    /// The same, without waiting.
    ///
    /// # Errors
    /// [`TryFileLockError`].
    pub fn try_take(&self, handle: AnyHandle, mode: LockMode) -> Result<u64, TryFileLockError> {
        let hold = self.try_acquire_for(Taker::Handle(handle), mode)?;
        Ok(self.keep(hold)?)
    }

    fn keep(&self, hold: super::FileLockHold) -> Result<u64, FileLockIoError> {
        let number = hold.number();
        let mut hold = Some(hold);
        self.taken.with(|all| {
            all.try_reserve(1).map_err(|_| FileLockIoError::no_memory())?;
            all.extend(hold.take());
            Ok(number)
        })
    }
}

impl Explain for FileLockIoError {
    fn error(&self) -> Error {
        self.into()
    }

    fn os_error(&self) -> i32 {
        self.errno()
    }

    fn says_more(&self) -> bool {
        true
    }
}

impl Explain for FileLockError {
    fn error(&self) -> Error {
        self.as_error()
    }

    fn os_error(&self) -> i32 {
        if let FileLockError::Io(error) = self { error.errno() } else { 0 }
    }

    fn says_more(&self) -> bool {
        matches!(self, FileLockError::Io(_) | FileLockError::Interrupted(_, Some(_)))
    }
}

impl Explain for TryFileLockError {
    fn error(&self) -> Error {
        self.as_error()
    }

    fn os_error(&self) -> i32 {
        if let TryFileLockError::Io(error) = self { error.errno() } else { 0 }
    }

    fn says_more(&self) -> bool {
        matches!(self, TryFileLockError::Io(_) | TryFileLockError::Busy(Some(_)))
    }
}

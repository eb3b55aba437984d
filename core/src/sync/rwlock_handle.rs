//! A read-write lock as C holds it: without a value, by holds of a handle.
//!
//! A hold notes what it has taken: to read, or to write. A downgrade does not change that note: between looking at it
//! and changing it the hold may be released, and its place in the thread's record be another hold's. It *lessens* the
//! hold ([`crate::ffi::lessen`]): one step in the hold's own shell, generation included, after which whoever releases
//! it gives back only what was left. The downgrade gives back the rest. So each permit is given back once, whichever
//! comes first.
//!
//! Holds have no owner: [`crate::ffi::take_once`] knows a thread that would wait for itself by its holds. And no
//! poison: no panic of Rust's passes them.

use crate::sync::rwlock::RwLock;
use crate::sync::rwlock_error::{RwLockError, TryReadError, TryWriteError};
use crate::wait::Wait;
use crate::{Handle, Kind};

static KIND: Kind<RwLock<()>> = Kind::new("rwlock");

const READ: u64 = 1;
const WRITE: u64 = 2;

/// A hold has locked it, to read or to write.
impl Handle for RwLock<()> {
    fn kind() -> &'static Kind<RwLock<()>> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }

    fn on_release(&self, taken: u64) {
        if taken == WRITE { self.give_back_write() } else { self.give_back_read(true) }
    }

    fn on_release_rest(&self, _taken: u64) {
        self.give_back_read(false);
    }
}

impl RwLock<()> {
    /// [`RwLock::read`], for a hold of a handle ([`crate::ffi::take_once`]).
    ///
    /// # Errors
    /// As [`RwLock::read`]; never [`RwLockError::Poisoned`].
    pub fn take_read(&self, wait: Wait<'_>) -> Result<u64, RwLockError<()>> {
        self.wait_to_read(wait).map(|_turn| READ)
    }

    /// [`RwLock::write`], for a hold of a handle ([`crate::ffi::take_once`]).
    ///
    /// # Errors
    /// As [`RwLock::write`]; never [`RwLockError::Poisoned`].
    pub fn take_write(&self, wait: Wait<'_>) -> Result<u64, RwLockError<()>> {
        self.wait_to_write(wait).map(|_turn| WRITE)
    }

    /// [`RwLock::take_read`] as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// As [`RwLock::read_async`]; never [`RwLockError::Poisoned`].
    pub async fn take_read_async(&self) -> Result<u64, RwLockError<()>> {
        self.turn_to_read().await.map(|_turn| READ)
    }

    /// [`RwLock::take_write`] as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// As [`RwLock::write_async`]; never [`RwLockError::Poisoned`].
    pub async fn take_write_async(&self) -> Result<u64, RwLockError<()>> {
        self.turn_to_write().await.map(|_turn| WRITE)
    }

    /// [`RwLock::try_read`], for a hold of a handle ([`crate::ffi::try_take`]).
    ///
    /// # Errors
    /// As [`RwLock::try_read`]; never [`TryReadError::Poisoned`].
    pub fn try_take_read(&self) -> Result<u64, TryReadError<()>> {
        self.try_turn_to_read().map(|_turn| READ)
    }

    /// [`RwLock::try_write`], for a hold of a handle ([`crate::ffi::try_take`]).
    ///
    /// # Errors
    /// As [`RwLock::try_write`]; never [`TryWriteError::Poisoned`].
    pub fn try_take_write(&self) -> Result<u64, TryWriteError<()>> {
        self.try_turn_to_write().map(|_turn| WRITE)
    }

    /// Whether what a hold has taken can be downgraded.
    #[must_use]
    pub fn is_write(taken: u64) -> bool {
        taken == WRITE
    }

    /// Gives back what a write hold no longer needs that is to read from now on ([`crate::ffi::lessen`]).
    pub fn downgrade_taken(&self) {
        self.keep_read();
    }
}

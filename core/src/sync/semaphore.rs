//! A number of permits, to be taken and given back.
//!
//! Fair: first in, first out, by the order in which callers began to wait. A caller that wants many is not overtaken by
//! those that want few; so permits may lie idle while the first in line waits for more. The queue is
//! `tokio::sync::Semaphore`'s.
//!
//! What is counted by hand is the *total*: the permits that are there or out. Adding is refused beyond the maximum, so
//! that a request that can be granted at all (at most the maximum) can be told from one that never will.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::shim::{AtomicU32, Ordering};
use crate::sync::queue;
use crate::wait::{Interrupted, Wait, block_on};
#[cfg(not(loom))]
use crate::{Handle, Kind};
use std::fmt;
use std::mem::forget;
use std::sync::Arc;

/// See [the module](self::super). Fair; not re-entrant (who waits for permits that it has itself waits for ever); a permit
/// may be given back on another thread; cancelled or timed-out calls leave the line and take nothing.
pub struct Semaphore {
    permits: queue::Semaphore,
    total: AtomicU32,
    max: u32,
}

/// Permits of a semaphore, given back when this is dropped.
#[must_use = "the permits are given back when this is dropped"]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: u32,
}

/// The same, keeping the semaphore alive.
#[must_use = "the permits are given back when this is dropped"]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: u32,
}

/// Why no permits were acquired. Nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireError {
    /// More than the maximum, or none: no wait would help.
    InvalidNumber,
    /// The semaphore was closed.
    Closed,
    /// The wait was ended; the futures do not answer this.
    Interrupted(Interrupted),
}

/// Why no permits were acquired at once. Nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// More than the maximum, or none: no wait would help.
    InvalidNumber,
    /// The semaphore was closed.
    Closed,
    /// Not so many are there, or somebody waits already.
    NoPermits,
}

impl Semaphore {
    /// `initial` permits, never more than `max`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: `max` is 0 or beyond [`Semaphore::MAX`], or `initial` is more than `max`.
    pub fn new(initial: u32, max: u32) -> Result<Semaphore, Error> {
        if max == 0 || max > Semaphore::MAX || initial > max {
            return Err(Error::InvalidArgument);
        }
        let permits = queue::Semaphore::new(initial as usize);
        Ok(Semaphore { permits, total: AtomicU32::new(initial), max })
    }

    /// The highest maximum.
    pub const MAX: u32 = 1 << 28;

    /// Takes `permits` permits, waiting until they are there.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub fn acquire(&self, permits: u32, wait: Wait<'_>) -> Result<SemaphorePermit<'_>, AcquireError> {
        wait.check()?;
        match self.try_acquire(permits) {
            Err(TryAcquireError::NoPermits) if wait.deadline() != Deadline::PASSED => {
                block_on(self.acquire_in_line(permits), wait)?
            }
            answer => answer.map_err(AcquireError::from),
        }
    }

    /// The same as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn acquire_async(&self, permits: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        match self.try_acquire(permits) {
            // To be had at once only if nobody waits: so nobody is overtaken.
            Err(TryAcquireError::NoPermits) => {}
            answer => return answer.map_err(AcquireError::from),
        }
        self.acquire_in_line(permits).await
    }

    /// For a caller that has just tried.
    async fn acquire_in_line(&self, permits: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        match self.permits.acquire_many(permits).await {
            Ok(permit) => Ok(self.adopt(permit, permits)),
            Err(_) => Err(AcquireError::Closed),
        }
    }

    /// Takes `permits` permits if they are there and nobody waits.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire(&self, permits: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.check(permits).ok_or(TryAcquireError::InvalidNumber)?;
        match self.permits.try_acquire_many(permits) {
            Ok(permit) => Ok(self.adopt(permit, permits)),
            Err(tokio::sync::TryAcquireError::Closed) => Err(TryAcquireError::Closed),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(TryAcquireError::NoPermits),
        }
    }

    /// [`Semaphore::acquire`], for permits that outlive the borrow.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub fn acquire_owned(self: Arc<Self>, permits: u32, wait: Wait<'_>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire(permits, wait)?.forget_to_keep();
        Ok(OwnedSemaphorePermit { semaphore: self, permits })
    }

    /// [`Semaphore::acquire_async`], for permits that outlive the borrow.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn acquire_owned_async(self: Arc<Self>, permits: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_async(permits).await?.forget_to_keep();
        Ok(OwnedSemaphorePermit { semaphore: self, permits })
    }

    /// [`Semaphore::try_acquire`], for permits that outlive the borrow.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire_owned(self: Arc<Self>, permits: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire(permits)?.forget_to_keep();
        Ok(OwnedSemaphorePermit { semaphore: self, permits })
    }

    /// Adds permits.
    ///
    /// # Errors
    /// [`Error::Limit`]: there would be more than the maximum, counting those that are out; none was added.
    pub fn add(&self, permits: u32) -> Result<(), Error> {
        let more = |total: u32| total.checked_add(permits).filter(|total| *total <= self.max);
        self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map_err(|_| Error::Limit)?;
        self.permits.add_permits(permits as usize);
        Ok(())
    }

    /// Takes up to `permits` of the permits that are there away for good, and answers how many.
    pub fn forget(&self, permits: u32) -> u32 {
        let forgotten = u32::try_from(self.permits.forget_permits(permits as usize)).unwrap_or(u32::MAX);
        self.total.fetch_sub(forgotten, Ordering::Relaxed);
        forgotten
    }

    /// How many are there now.
    #[must_use]
    pub fn available(&self) -> u32 {
        u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX)
    }

    /// The most there can be.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.max
    }

    /// Ends it: whoever waits, and whoever comes, is answered "closed". Permits that are out stay out.
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    fn check(&self, permits: u32) -> Option<()> {
        (permits > 0 && permits <= self.max).then_some(())
    }

    fn adopt(&self, permit: tokio::sync::SemaphorePermit<'_>, permits: u32) -> SemaphorePermit<'_> {
        permit.forget();
        SemaphorePermit { semaphore: self, permits }
    }

    /// Gives back what [`SemaphorePermit::forget_to_keep`] kept.
    fn give_back(&self, permits: u32) {
        self.permits.add_permits(permits as usize);
    }
}

impl SemaphorePermit<'_> {
    /// How many permits.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.permits
    }

    /// Never gives them back: there are so many less.
    pub fn forget(self) {
        self.semaphore.total.fetch_sub(self.permits, Ordering::Relaxed);
        self.forget_to_keep();
    }

    /// Parts `permits` of them; `None`: there are not more than that.
    pub fn split(&mut self, permits: u32) -> Option<Self> {
        self.permits = split(self.permits, permits)?;
        Some(SemaphorePermit { semaphore: self.semaphore, permits })
    }

    /// Takes in those of `other`.
    ///
    /// # Errors
    /// `other`, if it is of another semaphore.
    pub fn merge(&mut self, other: Self) -> Result<(), Self> {
        if !std::ptr::eq(self.semaphore, other.semaphore) {
            return Err(other);
        }
        self.permits += other.forget_to_keep();
        Ok(())
    }

    /// Somebody else gives them back.
    fn forget_to_keep(self) -> u32 {
        let permits = self.permits;
        forget(self);
        permits
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.give_back(self.permits);
    }
}

impl OwnedSemaphorePermit {
    /// How many permits.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.permits
    }

    /// Never gives them back: there are so many less.
    pub fn forget(mut self) {
        self.semaphore.total.fetch_sub(self.permits, Ordering::Relaxed);
        self.permits = 0;
    }

    /// Parts `permits` of them; `None`: there are not more than that.
    pub fn split(&mut self, permits: u32) -> Option<Self> {
        self.permits = split(self.permits, permits)?;
        Some(OwnedSemaphorePermit { semaphore: Arc::clone(&self.semaphore), permits })
    }

    /// Takes in those of `other`.
    ///
    /// # Errors
    /// `other`, if it is of another semaphore.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        if !Arc::ptr_eq(&self.semaphore, &other.semaphore) {
            return Err(other);
        }
        self.permits += std::mem::take(&mut other.permits);
        Ok(())
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.give_back(self.permits);
    }
}

/// What is left of `all` without `part`, if both are some.
fn split(all: u32, part: u32) -> Option<u32> {
    all.checked_sub(part).filter(|rest| *rest > 0 && part > 0)
}

impl From<Interrupted> for AcquireError {
    fn from(interrupted: Interrupted) -> AcquireError {
        AcquireError::Interrupted(interrupted)
    }
}

/// Without permits and without time for them.
impl From<TryAcquireError> for AcquireError {
    fn from(error: TryAcquireError) -> AcquireError {
        match error {
            TryAcquireError::InvalidNumber => AcquireError::InvalidNumber,
            TryAcquireError::Closed => AcquireError::Closed,
            TryAcquireError::NoPermits => AcquireError::Interrupted(Interrupted::TimedOut),
        }
    }
}

impl From<AcquireError> for Error {
    fn from(error: AcquireError) -> Error {
        match error {
            AcquireError::InvalidNumber => Error::InvalidArgument,
            AcquireError::Closed => Error::Freed,
            AcquireError::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

impl From<TryAcquireError> for Error {
    fn from(error: TryAcquireError) -> Error {
        match error {
            TryAcquireError::InvalidNumber => Error::InvalidArgument,
            TryAcquireError::Closed => Error::Freed,
            TryAcquireError::NoPermits => Error::Busy,
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(*self).fmt(f)
    }
}

impl std::error::Error for AcquireError {}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::from(*self).fmt(f)
    }
}

impl std::error::Error for TryAcquireError {}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .field("max", &self.max)
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

#[cfg(not(loom))]
static KIND: Kind<Semaphore> = Kind::new("semaphore");

/// A hold has taken a number of permits.
#[cfg(not(loom))]
impl Handle for Semaphore {
    fn kind() -> &'static Kind<Semaphore> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }

    fn on_release(&self, taken: u64) {
        self.give_back(u32::try_from(taken).unwrap_or(0));
    }
}

#[cfg(not(loom))]
impl Semaphore {
    /// [`Semaphore::acquire`], for a hold of a handle ([`crate::ffi::take`]).
    ///
    /// # Errors
    /// [`AcquireError`].
    pub fn take(&self, permits: u32, wait: Wait<'_>) -> Result<u64, AcquireError> {
        Ok(u64::from(self.acquire(permits, wait)?.forget_to_keep()))
    }

    /// The same as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// As [`Semaphore::acquire_async`].
    pub async fn take_async(&self, permits: u32) -> Result<u64, AcquireError> {
        Ok(u64::from(self.acquire_async(permits).await?.forget_to_keep()))
    }

    /// The same, without waiting.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_take(&self, permits: u32) -> Result<u64, TryAcquireError> {
        Ok(u64::from(self.try_acquire(permits)?.forget_to_keep()))
    }
}

//! A lock around a value that many may read, or one may change.
//!
//! Fair: first in, first out. A waiting writer is not overtaken by readers that come after it, so writers do not starve;
//! readers that came before it go first, and all readers that stand next to each other in line go in together. The queue is
//! that of `tokio::sync::Semaphore`. By hand are the limit of readers, the downgrade, the poison (as in the standard
//! library), and the owner, who is told at once that he would wait for himself.
//!
//! # States
//!
//! With room for n readers the semaphore has n + 1 permits. A reader takes one, a writer all; a writer that downgrades
//! keeps one. A reader also has one of n *places*, from before it stands in line until after its permit is back.
//!
//! | permits out | places taken | means |
//! |---|---|---|
//! | 0 | 0 | unlocked |
//! | r of r readers | r, and those in line | read |
//! | r + 1 | r, and those in line | read, also by one that has downgraded: that one has no place |
//! | n + 1 of one | those in line | written |
//! | n + 1, some of them kept for the first in line | any | read, and a writer waits |
//!
//! # Invariants
//!
//! 1. A reader waits for writers only, never for readers. There are at most n places, so at most n readers with a permit
//!    or in line for one; and at most one that has downgraded, since no writer comes in while it reads. So with no
//!    writer inside or in line before it, a reader finds one of n + 1 permits.
//! 2. So too many readers are told from a writer by the places alone: no place is "too many", a place without a permit is
//!    "a writer". Who finds no place waits for nobody and changes nothing.
//! 3. No writer comes in during a downgrade: one permit stays out all the time. Readers that stood behind the writer go in,
//!    up to the first waiting writer.
//! 4. A future that is dropped gives back what permits it was handed, then its place: it leaves as a reader does.
//! 5. The owner is set after all permits were taken and cleared before one is given back, by whoever writes. A thread that
//!    finds itself there set it, and has not cleared it: so it is told that it waits for itself only when it does.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | give a place back | release | take a place: acquire | that the permit is back (invariant 1) |
//!
//! What one holder did with the value the next one sees by the semaphore.
//!
//! # Checked by
//!
//! Models in `tests/loom/rwlock.rs` (the semaphore is one step each time there: `queue.rs`), and `tests/sync/rwlock.rs`.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::shim::{AtomicU32, Ordering, const_fn};
use crate::sync::owner::Owner;
use crate::sync::poison::Poison;
use crate::sync::queue::Semaphore;
use crate::sync::rwlock_error::{RwLockError, TryReadError, TryWriteError};
use crate::sync::rwlock_guards::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, Place, RwLockReadGuard, RwLockWriteGuard,
};
use crate::wait::{Interrupted, Wait, block_on};
use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::mem::forget;
use std::sync::Arc;
use tokio::sync::TryAcquireError;

/// A lock around a value that many may read, or one may change.
///
/// - Fair: first in, first out; a waiting writer is not overtaken by later readers. A wait that ends early leaves the line
///   and takes nothing.
/// - Not re-entrant. A thread that writes and blocks for the lock again is told so at once ([`RwLockError::Deadlock`]).
///   Readers are not known by name: one that blocks to write waits for itself, and one that blocks to read once more does
///   if a writer waits. (Holds of a handle are known: see [`crate::ffi::take_once`].)
/// - At most so many readers have it or wait for it at once; one more is refused, and does not wait
///   ([`RwLockError::TooManyReaders`]).
/// - Poisoned by a panic of whoever writes, never of readers.
/// - Guards may be dropped on another thread.
/// - In a forked child it is locked as it was: what the forking thread had it has there as well, what another thread had
///   stays taken.
pub struct RwLock<T: ?Sized> {
    permits: Semaphore,
    places: Places,
    pub(super) owner: Owner,
    pub(super) poison: Poison,
    pub(super) value: UnsafeCell<T>,
}

// SAFETY: the value goes with the lock.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: many threads have `&T` at a time (`Sync`), or one has `&mut T`, whichever (`Send`).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// Room for readers.
struct Places {
    taken: AtomicU32,
    all: u32,
}

impl<T> RwLock<T> {
    const_fn! {
        /// Unlocked, with room for [`RwLock::MAX_READERS`].
        #[must_use]
        pub fn new(value: T) -> RwLock<T> {
            RwLock::with_room(value, MAX_READERS)
        }
    }

    /// Unlocked, with room for `max_readers`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: none, or more than [`RwLock::MAX_READERS`].
    pub fn with_max_readers(value: T, max_readers: u32) -> Result<RwLock<T>, Error> {
        if max_readers == 0 || max_readers > MAX_READERS {
            return Err(Error::InvalidArgument);
        }
        Ok(RwLock::with_room(value, max_readers))
    }

    const_fn! {
        fn with_room(value: T, max_readers: u32) -> RwLock<T> {
            RwLock {
                permits: Semaphore::const_new(max_readers as usize + 1),
                places: Places { taken: AtomicU32::new(0), all: max_readers },
                owner: Owner::nobody(),
                poison: Poison::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value, poisoned or not.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

const MAX_READERS: u32 = (1 << 28) - 1;

/// What was taken of the lock, to be given back by [`RwLock::give_back_read`] or [`RwLock::give_back_write`].
pub(super) struct Turn;

impl<T: ?Sized> RwLock<T> {
    /// The most readers there can be room for.
    pub const MAX_READERS: u32 = MAX_READERS;

    /// Locks to read, waiting for writers that have it or came before.
    ///
    /// # Errors
    /// [`RwLockError`].
    pub fn read(&self, wait: Wait<'_>) -> Result<RwLockReadGuard<'_, T>, RwLockError<RwLockReadGuard<'_, T>>> {
        let turn = self.wait_to_read(wait)?;
        RwLockReadGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// Locks to write, waiting for all that have it or came before.
    ///
    /// # Errors
    /// [`RwLockError`]; not [`RwLockError::TooManyReaders`].
    pub fn write(&self, wait: Wait<'_>) -> Result<RwLockWriteGuard<'_, T>, RwLockError<RwLockWriteGuard<'_, T>>> {
        let turn = self.wait_to_write(wait)?;
        self.owner.set_to_this_thread();
        RwLockWriteGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// [`RwLock::read`] as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// [`RwLockError::Poisoned`], [`RwLockError::TooManyReaders`], [`RwLockError::Closed`].
    pub async fn read_async(&self) -> Result<RwLockReadGuard<'_, T>, RwLockError<RwLockReadGuard<'_, T>>> {
        let turn = self.turn_to_read().await?;
        RwLockReadGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// [`RwLock::write`] as a future, which may be dropped at any time. The lock is then no thread's: a thread that blocks
    /// for it while a task of its own has it is not told so.
    ///
    /// # Errors
    /// [`RwLockError::Poisoned`], [`RwLockError::Closed`].
    pub async fn write_async(&self) -> Result<RwLockWriteGuard<'_, T>, RwLockError<RwLockWriteGuard<'_, T>>> {
        let turn = self.turn_to_write().await?;
        RwLockWriteGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// Locks to read if no writer has it or waits for it.
    ///
    /// # Errors
    /// [`TryReadError`].
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryReadError<RwLockReadGuard<'_, T>>> {
        let turn = self.try_turn_to_read()?;
        RwLockReadGuard::new(self, turn).map_err(TryReadError::Poisoned)
    }

    /// Locks to write if nobody has it.
    ///
    /// # Errors
    /// [`TryWriteError`].
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryWriteError<RwLockWriteGuard<'_, T>>> {
        let turn = self.try_turn_to_write()?;
        self.owner.set_to_this_thread();
        RwLockWriteGuard::new(self, turn).map_err(TryWriteError::Poisoned)
    }

    /// [`RwLock::read`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// As [`RwLock::read`].
    pub fn read_owned(
        self: Arc<Self>,
        wait: Wait<'_>,
    ) -> Result<OwnedRwLockReadGuard<T>, RwLockError<OwnedRwLockReadGuard<T>>> {
        let turn = self.wait_to_read(wait)?;
        OwnedRwLockReadGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// [`RwLock::write`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// As [`RwLock::write`].
    pub fn write_owned(
        self: Arc<Self>,
        wait: Wait<'_>,
    ) -> Result<OwnedRwLockWriteGuard<T>, RwLockError<OwnedRwLockWriteGuard<T>>> {
        let turn = self.wait_to_write(wait)?;
        self.owner.set_to_this_thread();
        OwnedRwLockWriteGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// [`RwLock::read_async`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// As [`RwLock::read_async`].
    pub async fn read_owned_async(
        self: Arc<Self>,
    ) -> Result<OwnedRwLockReadGuard<T>, RwLockError<OwnedRwLockReadGuard<T>>> {
        let turn = self.turn_to_read().await?;
        OwnedRwLockReadGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// [`RwLock::write_async`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// As [`RwLock::write_async`].
    pub async fn write_owned_async(
        self: Arc<Self>,
    ) -> Result<OwnedRwLockWriteGuard<T>, RwLockError<OwnedRwLockWriteGuard<T>>> {
        let turn = self.turn_to_write().await?;
        OwnedRwLockWriteGuard::new(self, turn).map_err(RwLockError::Poisoned)
    }

    /// [`RwLock::try_read`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// [`TryReadError`].
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryReadError<OwnedRwLockReadGuard<T>>> {
        let turn = self.try_turn_to_read()?;
        OwnedRwLockReadGuard::new(self, turn).map_err(TryReadError::Poisoned)
    }

    /// [`RwLock::try_write`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// [`TryWriteError`].
    pub fn try_write_owned(
        self: Arc<Self>,
    ) -> Result<OwnedRwLockWriteGuard<T>, TryWriteError<OwnedRwLockWriteGuard<T>>> {
        let turn = self.try_turn_to_write()?;
        self.owner.set_to_this_thread();
        OwnedRwLockWriteGuard::new(self, turn).map_err(TryWriteError::Poisoned)
    }

    /// Ends it: whoever waits, and whoever comes, is answered "closed". Who has it keeps it.
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    /// Whether a panic left the value half-changed. As of some moment, unless the caller has the lock.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// The value is as it should be: later locks succeed again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The value, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub(super) fn wait_to_read<G>(&self, wait: Wait<'_>) -> Result<Turn, RwLockError<G>> {
        wait.check()?;
        match self.try_turn_to_read::<G>() {
            Err(TryReadError::Busy) => self.wait_for(self.turn_to_read(), wait),
            Err(TryReadError::TooManyReaders) => Err(RwLockError::TooManyReaders),
            Err(_) => Err(RwLockError::Closed),
            Ok(turn) => Ok(turn),
        }
    }

    pub(super) fn wait_to_write<G>(&self, wait: Wait<'_>) -> Result<Turn, RwLockError<G>> {
        wait.check()?;
        match self.try_turn_to_write::<G>() {
            Err(TryWriteError::Busy) => self.wait_for(self.turn_to_write(), wait),
            Err(_) => Err(RwLockError::Closed),
            Ok(turn) => Ok(turn),
        }
    }

    /// Somebody is in the way.
    fn wait_for<G>(
        &self,
        turn: impl Future<Output = Result<Turn, RwLockError<G>>>,
        wait: Wait<'_>,
    ) -> Result<Turn, RwLockError<G>> {
        if self.owner.is_this_thread() {
            Err(RwLockError::Deadlock)
        } else if wait.deadline() == Deadline::PASSED {
            Err(Interrupted::TimedOut.into())
        } else {
            block_on(turn, wait)?
        }
    }

    pub(super) async fn turn_to_read<G>(&self) -> Result<Turn, RwLockError<G>> {
        // Dropped after what follows it: see invariant 4.
        let place = match self.places.take() {
            Some(place) => place,
            None if self.is_closed() => return Err(RwLockError::Closed),
            None => return Err(RwLockError::TooManyReaders),
        };
        self.permits.acquire().await.map_err(|_| RwLockError::Closed)?.forget();
        forget(place);
        Ok(Turn)
    }

    pub(super) async fn turn_to_write<G>(&self) -> Result<Turn, RwLockError<G>> {
        self.permits.acquire_many(self.places.all + 1).await.map_err(|_| RwLockError::Closed)?.forget();
        Ok(Turn)
    }

    pub(super) fn try_turn_to_read<G>(&self) -> Result<Turn, TryReadError<G>> {
        let place = match self.places.take() {
            Some(place) => place,
            None if self.is_closed() => return Err(TryReadError::Closed),
            None => return Err(TryReadError::TooManyReaders),
        };
        match self.permits.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(TryReadError::Busy),
            Err(TryAcquireError::Closed) => return Err(TryReadError::Closed),
        }
        forget(place);
        Ok(Turn)
    }

    pub(super) fn try_turn_to_write<G>(&self) -> Result<Turn, TryWriteError<G>> {
        match self.permits.try_acquire_many(self.places.all + 1) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(TryWriteError::Busy),
            Err(TryAcquireError::Closed) => return Err(TryWriteError::Closed),
        }
        Ok(Turn)
    }

    /// By a reader: the permit, and then the place, if it has one (even when what is woken panics).
    pub(super) fn give_back_read(&self, has_place: bool) {
        let _place = has_place.then(|| self.places.taken_one());
        self.permits.add_permits(1);
    }

    /// By the writer.
    pub(super) fn give_back_write(&self) {
        self.owner.clear();
        self.permits.add_permits(self.places.all as usize + 1);
    }

    /// By the writer, who reads from now on, without a place.
    pub(super) fn keep_read(&self) {
        self.owner.clear();
        self.permits.add_permits(self.places.all as usize);
    }
}

impl Places {
    fn take(&self) -> Option<Place<'_>> {
        let one_more = |taken| (taken < self.all).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more).ok()?;
        Some(self.taken_one())
    }

    /// One that was taken and forgotten.
    fn taken_one(&self) -> Place<'_> {
        Place::of(&self.taken)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock")
            .field("is_locked", &(self.permits.available_permits() <= self.places.all as usize))
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

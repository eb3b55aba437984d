//! A lock around a value.
//!
//! Fair: first in, first out; an unlock hands the lock to the first in line, so that nobody barges in. That is the business of
//! `turns.rs`. Here are the poison (as in the standard library), and the owner, who is told at once that he would
//! wait for himself.
//!
//! # States
//!
//! | turn | owner | means |
//! |---|---|---|
//! | nobody's | nobody | unlocked, nobody waits |
//! | taken | a thread | locked by that thread, by a call that blocks or tries |
//! | taken | nobody | locked by a future, or by a thread that has passed it on; or on its way to the first in line |
//!
//! The owner is set after the turn is taken and cleared before it is given back, by whoever has it. A thread that finds
//! itself there set it, and has not cleared it: so it is told that it waits for itself only when it does.

use crate::deadline::Deadline;
use crate::shim::const_fn;
use crate::sync::lock_error::{LockError, TryLockError};
use crate::sync::owner::Owner;
use crate::sync::poison::{Calm, Poison};
use crate::sync::turns::{NoTurn, Turns};
use crate::wait::{Interrupted, Wait, block_on};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A lock around a value: fair, not re-entrant, poisoned by a panic of whoever holds it. The guard may be dropped on
/// another thread. A wait that ends early leaves the line. In a forked child a lock that another thread of the parent held
/// stays locked.
pub struct Mutex<T: ?Sized> {
    turns: Turns,
    owner: Owner,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: the value is used by one guard at a time, on whatever thread.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// The locked value; unlocked when this is dropped, on whatever thread.
#[must_use = "the lock is given back when this is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    calm: Calm,
    /// So that it is shared and sent as `T` allows.
    value: PhantomData<&'a mut T>,
}

/// The same, keeping the mutex alive.
#[must_use = "the lock is given back when this is dropped"]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
    calm: Calm,
    /// So that it is shared and sent as `T` allows.
    value: PhantomData<Box<T>>,
}

/// The lock is the caller's, to be given back by [`Mutex::unlock`].
struct Turn;

impl<T> Mutex<T> {
    const_fn! {
        /// Unlocked.
        #[must_use]
        pub fn new(value: T) -> Mutex<T> {
            Mutex {
                turns: Turns::new(),
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

impl<T: ?Sized> Mutex<T> {
    /// Locks, waiting for those that hold it or came before.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn lock(&self, wait: Wait<'_>) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let turn = self.wait_for_turn(wait)?;
        self.owner.set_to_this_thread();
        self.enter(&turn).map_err(LockError::Poisoned)
    }

    /// The same as a future, which may be dropped at any time. The lock is then no thread's: a thread that blocks for it
    /// while a task of its own holds it is not told so.
    ///
    /// # Errors
    /// [`LockError::Poisoned`], [`LockError::Closed`].
    pub async fn lock_async(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let turn = self.turn_async().await?;
        self.enter(&turn).map_err(LockError::Poisoned)
    }

    /// Locks if nobody holds it or waits for it.
    ///
    /// # Errors
    /// [`TryLockError`].
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        let turn = self.try_turn()?;
        self.owner.set_to_this_thread();
        self.enter(&turn).map_err(TryLockError::Poisoned)
    }

    /// [`Mutex::lock`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn lock_owned(self: Arc<Self>, wait: Wait<'_>) -> Result<OwnedMutexGuard<T>, LockError<OwnedMutexGuard<T>>> {
        let turn = self.wait_for_turn(wait)?;
        self.owner.set_to_this_thread();
        self.enter_owned(&turn).map_err(LockError::Poisoned)
    }

    /// [`Mutex::lock_async`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// [`LockError::Poisoned`], [`LockError::Closed`].
    pub async fn lock_owned_async(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, LockError<OwnedMutexGuard<T>>> {
        let turn = self.turn_async().await?;
        self.enter_owned(&turn).map_err(LockError::Poisoned)
    }

    /// [`Mutex::try_lock`], for a guard that outlives the borrow.
    ///
    /// # Errors
    /// [`TryLockError`].
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError<OwnedMutexGuard<T>>> {
        let turn = self.try_turn()?;
        self.owner.set_to_this_thread();
        self.enter_owned(&turn).map_err(TryLockError::Poisoned)
    }

    /// Ends it: whoever waits, and whoever comes, is answered "closed". Who holds it keeps it.
    pub fn close(&self) {
        self.turns.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.turns.is_closed()
    }

    /// Whether a panic left the value half-changed. As of some moment, unless the caller holds the lock.
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

    #[inline]
    fn wait_for_turn<G>(&self, wait: Wait<'_>) -> Result<Turn, LockError<G>> {
        wait.check()?;
        match self.try_turn::<G>() {
            Ok(turn) => Ok(turn),
            Err(TryLockError::Closed) => Err(LockError::Closed),
            Err(_) if self.owner.is_this_thread() => Err(LockError::Deadlock),
            Err(_) if wait.deadline() == Deadline::PASSED => Err(Interrupted::TimedOut.into()),
            Err(_) => block_on(self.turn_in_line(), wait)?,
        }
    }

    async fn turn_async<G>(&self) -> Result<Turn, LockError<G>> {
        match self.try_turn::<G>() {
            // To be had at once only if nobody waits: so nobody is overtaken.
            Ok(turn) => Ok(turn),
            Err(_) => self.turn_in_line().await,
        }
    }

    /// For a caller that has just tried.
    async fn turn_in_line<G>(&self) -> Result<Turn, LockError<G>> {
        self.turns.take_in_line().await.map(|()| Turn).map_err(|_| LockError::Closed)
    }

    #[inline]
    fn try_turn<G>(&self) -> Result<Turn, TryLockError<G>> {
        self.turns.try_take().map(|()| Turn).map_err(|refused| match refused {
            NoTurn::Taken => TryLockError::Busy,
            NoTurn::Closed => TryLockError::Closed,
        })
    }

    fn enter(&self, _turn: &Turn) -> Result<MutexGuard<'_, T>, MutexGuard<'_, T>> {
        let guard = MutexGuard { mutex: self, calm: Calm::now(), value: PhantomData };
        if self.poison.is_set() { Err(guard) } else { Ok(guard) }
    }

    fn enter_owned(self: Arc<Self>, _turn: &Turn) -> Result<OwnedMutexGuard<T>, OwnedMutexGuard<T>> {
        let is_poisoned = self.poison.is_set();
        let guard = OwnedMutexGuard { mutex: self, calm: Calm::now(), value: PhantomData };
        if is_poisoned { Err(guard) } else { Ok(guard) }
    }

    /// For a guard that was forgotten, in a model: loom's threads do not outlive a borrow.
    #[cfg(loom)]
    pub fn unlock_forgotten(&self) {
        self.unlock();
    }

    /// By whoever holds it.
    #[inline]
    fn unlock(&self) {
        self.owner.clear();
        self.turns.give_back();
    }
}

/// For holds of a handle, whose thread the hold knows, and which no panic of Rust's passes.
impl Mutex<()> {
    #[inline]
    pub(crate) fn take(&self, wait: Wait<'_>) -> Result<(), LockError<()>> {
        self.wait_for_turn(wait).map(|Turn| ())
    }

    #[inline]
    pub(crate) fn try_take(&self) -> Result<(), TryLockError<()>> {
        self.try_turn().map(|Turn| ())
    }

    #[inline]
    pub(crate) fn give_back(&self) {
        self.unlock();
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// From now on the lock is another thread's: the one that took it may wait for it.
    pub fn pass_on(self) -> MutexGuard<'a, T> {
        self.mutex.owner.clear();
        self
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// From now on the lock is another thread's: the one that took it may wait for it.
    pub fn pass_on(self) -> OwnedMutexGuard<T> {
        self.mutex.owner.clear();
        self
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has the lock.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.poison.set_if_panicking(self.calm);
        self.mutex.unlock();
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has the lock.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for OwnedMutexGuard<T> {
    fn drop(&mut self) {
        self.mutex.poison.set_if_panicking(self.calm);
        self.mutex.unlock();
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("is_locked", &self.turns.is_taken())
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

//! What holders of a read-write lock have: see `rwlock.rs`.
//!
//! A guard is made with the [`Turn`] that was taken and gives it back once: by its drop, or by a downgrade, whose guard has
//! the rest.

use crate::shim::{AtomicU32, Ordering};
use crate::sync::poison::Calm;
use crate::sync::rwlock::{RwLock, Turn};
use std::fmt;
use std::mem::forget;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The value to read; given back when this is dropped, on whatever thread.
#[must_use = "the lock is given back when this is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// Not after a downgrade.
    has_place: bool,
}

/// The value to change; given back when this is dropped, on whatever thread.
#[must_use = "the lock is given back when this is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    calm: Calm,
}

/// The value to read, keeping the lock alive.
#[must_use = "the lock is given back when this is dropped"]
pub struct OwnedRwLockReadGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    /// Not after a downgrade.
    has_place: bool,
}

/// The value to change, keeping the lock alive.
#[must_use = "the lock is given back when this is dropped"]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    calm: Calm,
    /// Another guard gives back what is left.
    is_downgraded: bool,
}

/// Room for one reader, given back when this is dropped.
pub(super) struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    /// One that is counted in `taken`.
    pub(super) fn of(taken: &'a AtomicU32) -> Place<'a> {
        Place(taken)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Release: whoever has it next finds the permit that came with it.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// `Err`: it is poisoned.
    pub(super) fn new(lock: &'a RwLock<T>, _turn: Turn) -> Result<Self, Self> {
        let guard = RwLockReadGuard { lock, has_place: true };
        if lock.poison.is_set() { Err(guard) } else { Ok(guard) }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// `Err`: it is poisoned.
    pub(super) fn new(lock: &'a RwLock<T>, _turn: Turn) -> Result<Self, Self> {
        let guard = RwLockWriteGuard { lock, calm: Calm::now() };
        if lock.poison.is_set() { Err(guard) } else { Ok(guard) }
    }

    /// Reads from now on; no writer comes in between. Readers that wait before the first writer in line go in.
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        let lock = self.lock;
        lock.poison.set_if_panicking(self.calm);
        forget(self);
        // Made first, so that what is woken may panic.
        let guard = RwLockReadGuard { lock, has_place: false };
        lock.keep_read();
        guard
    }

    /// From now on it is another thread's: the one that took it may wait for the lock.
    pub fn pass_on(self) -> RwLockWriteGuard<'a, T> {
        self.lock.owner.clear();
        self
    }
}

impl<T: ?Sized> OwnedRwLockReadGuard<T> {
    /// `Err`: it is poisoned.
    pub(super) fn new(lock: Arc<RwLock<T>>, _turn: Turn) -> Result<Self, Self> {
        let guard = OwnedRwLockReadGuard { lock, has_place: true };
        if guard.lock.poison.is_set() { Err(guard) } else { Ok(guard) }
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// `Err`: it is poisoned.
    pub(super) fn new(lock: Arc<RwLock<T>>, _turn: Turn) -> Result<Self, Self> {
        let guard = OwnedRwLockWriteGuard { lock, calm: Calm::now(), is_downgraded: false };
        if guard.lock.poison.is_set() { Err(guard) } else { Ok(guard) }
    }

    /// As [`RwLockWriteGuard::downgrade`].
    pub fn downgrade(mut self) -> OwnedRwLockReadGuard<T> {
        let guard = OwnedRwLockReadGuard { lock: Arc::clone(&self.lock), has_place: false };
        self.is_downgraded = true;
        guard.lock.poison.set_if_panicking(self.calm);
        guard.lock.keep_read();
        guard
    }

    /// As [`RwLockWriteGuard::pass_on`].
    pub fn pass_on(self) -> OwnedRwLockWriteGuard<T> {
        self.lock.owner.clear();
        self
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has a permit, so that nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has all permits.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has all permits.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for OwnedRwLockReadGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has a permit, so that nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for OwnedRwLockWriteGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has all permits.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for OwnedRwLockWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has all permits.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.give_back_read(self.has_place);
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.poison.set_if_panicking(self.calm);
        self.lock.give_back_write();
    }
}

impl<T: ?Sized> Drop for OwnedRwLockReadGuard<T> {
    fn drop(&mut self) {
        self.lock.give_back_read(self.has_place);
    }
}

impl<T: ?Sized> Drop for OwnedRwLockWriteGuard<T> {
    fn drop(&mut self) {
        if !self.is_downgraded {
            self.lock.poison.set_if_panicking(self.calm);
            self.lock.give_back_write();
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockReadGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

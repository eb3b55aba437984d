//! A mutex that can tell how much it is fought for.
//!
//! What it notes is noted by whoever has the lock, so without a locked instruction, except for the number of those that
//! wait. Taking it reads the clock once more, giving it back once.

use crate::deadline::now;
use crate::shim::{AtomicU32, AtomicU64, Ordering};
use crate::sync::lock_error::{LockError, TryLockError};
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::wait::Wait;
#[cfg(not(loom))]
use crate::{Handle, Kind};
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::time::Duration;

/// A [`Mutex`] with metrics; those of one that is made [`ContendedMutex::unmeasured`] stay zero, and cost nothing but the
/// question.
#[derive(Debug)]
pub struct ContendedMutex<T> {
    mutex: Mutex<T>,
    metrics: Option<Metrics>,
}

/// The locked value; unlocked when this is dropped, on whatever thread.
#[must_use = "the lock is given back when this is dropped"]
pub struct ContendedMutexGuard<'a, T> {
    // Dropped in this order: what is noted last is noted by the holder.
    noting: Option<Noting<'a>>,
    guard: MutexGuard<'a, T>,
}

/// What a [`ContendedMutex`] has noted, as of some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockMetricsSnapshot {
    /// How often it was taken.
    pub acquisitions: u64,
    /// How often of those it was not there at once.
    pub contended: u64,
    /// How long was waited for it, by those that got it, added up.
    pub wait_total: Duration,
    /// The longest of these waits.
    pub wait_max: Duration,
    /// How long it was held, added up, without the present holder.
    pub hold_total: Duration,
    /// The longest of these.
    pub hold_max: Duration,
    /// How many wait now.
    pub waiters: u32,
    /// Since when it is held.
    pub held_for: Option<Duration>,
    /// The thread that took it, as the operating system numbers it, if it is held.
    pub holder: Option<u64>,
}

#[derive(Debug, Default)]
struct Metrics {
    acquisitions: Cell,
    contended: Cell,
    wait_total: Cell,
    wait_max: Cell,
    hold_total: Cell,
    hold_max: Cell,
    /// In nanoseconds, or 0: not held.
    held_since: Cell,
    holder: Cell,
    waiters: AtomicU32,
}

/// A number that only the holder of the lock changes.
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Cell {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn add(&self, value: u64) {
        self.set(self.get() + value);
    }

    fn raise_to(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    fn duration(&self) -> Duration {
        Duration::from_nanos(self.get())
    }
}

/// Notes that the lock is given back, when it is dropped.
struct Noting<'a>(&'a Metrics);

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.0.given_back();
    }
}

/// One that waits, counted until it is dropped.
struct Waiter<'a> {
    metrics: &'a Metrics,
    since: u64,
}

impl Metrics {
    fn waiter(&self) -> Waiter<'_> {
        // Looked at first: whoever sees it counted knows that it waits since before.
        let since = now();
        self.waiters.fetch_add(1, Ordering::Relaxed);
        Waiter { metrics: self, since }
    }

    /// By the new holder.
    fn taken(&self, after: Option<&Waiter<'_>>) {
        let now = now();
        self.acquisitions.add(1);
        if let Some(waiter) = after {
            let waited = now.saturating_sub(waiter.since);
            self.contended.add(1);
            self.wait_total.add(waited);
            self.wait_max.raise_to(waited);
        }
        self.holder.set(thread());
        self.held_since.set(now);
    }

    /// By the holder.
    fn given_back(&self) {
        let held = now().saturating_sub(self.held_since.get());
        self.hold_total.add(held);
        self.hold_max.raise_to(held);
        self.held_since.set(0);
    }

    fn snapshot(&self) -> LockMetricsSnapshot {
        let held_since = self.held_since.get();
        let is_held = held_since != 0;
        LockMetricsSnapshot {
            acquisitions: self.acquisitions.get(),
            contended: self.contended.get(),
            wait_total: self.wait_total.duration(),
            wait_max: self.wait_max.duration(),
            hold_total: self.hold_total.duration(),
            hold_max: self.hold_max.duration(),
            waiters: self.waiters.load(Ordering::Relaxed),
            held_for: is_held.then(|| Duration::from_nanos(now().saturating_sub(held_since))),
            holder: is_held.then(|| self.holder.get()).filter(|thread| *thread != 0),
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.metrics.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The calling thread, as the operating system numbers it, or 0.
#[cfg(not(loom))]
fn thread() -> u64 {
    crate::handle::record::Record::current().map_or(0, crate::handle::record::Record::thread)
}

#[cfg(loom)]
fn thread() -> u64 {
    0
}

impl<T> ContendedMutex<T> {
    /// Unlocked, and measured.
    #[must_use]
    pub fn new(value: T) -> ContendedMutex<T> {
        ContendedMutex { mutex: Mutex::new(value), metrics: Some(Metrics::default()) }
    }

    /// Unlocked, and not measured.
    #[must_use]
    pub fn unmeasured(value: T) -> ContendedMutex<T> {
        ContendedMutex { mutex: Mutex::new(value), metrics: None }
    }

    /// As [`Mutex::lock`].
    ///
    /// # Errors
    /// [`LockError`].
    pub fn lock(&self, wait: Wait<'_>) -> Result<ContendedMutexGuard<'_, T>, LockError<ContendedMutexGuard<'_, T>>> {
        let metrics = self.metrics.as_ref();
        wait.check()?;
        match self.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(guard)) => Err(LockError::Poisoned(guard)),
            Err(TryLockError::Closed) => Err(LockError::Closed),
            Err(TryLockError::Busy) => {
                let waiter = metrics.map(Metrics::waiter);
                let guarded = |guard| ContendedMutexGuard::new(guard, metrics, waiter.as_ref());
                self.mutex.lock(wait).map(guarded).map_err(|error| error.map(guarded))
            }
        }
    }

    /// As [`Mutex::lock_async`].
    ///
    /// # Errors
    /// [`LockError::Poisoned`], [`LockError::Closed`].
    pub async fn lock_async(&self) -> Result<ContendedMutexGuard<'_, T>, LockError<ContendedMutexGuard<'_, T>>> {
        let metrics = self.metrics.as_ref();
        let mut locking = pin!(self.mutex.lock_async());
        let mut waiter = None;
        let answer = poll_fn(|context| {
            let polled = locking.as_mut().poll(context);
            if polled.is_pending() && waiter.is_none() {
                waiter = metrics.map(Metrics::waiter);
            }
            polled
        });
        let answer = answer.await;
        let guarded = |guard| ContendedMutexGuard::new(guard, metrics, waiter.as_ref());
        answer.map(guarded).map_err(|error| error.map(guarded))
    }

    /// As [`Mutex::try_lock`].
    ///
    /// # Errors
    /// [`TryLockError`].
    pub fn try_lock(&self) -> Result<ContendedMutexGuard<'_, T>, TryLockError<ContendedMutexGuard<'_, T>>> {
        let guarded = |guard| ContendedMutexGuard::new(guard, self.metrics.as_ref(), None);
        self.mutex.try_lock().map(guarded).map_err(|error| error.map(guarded))
    }

    /// As [`Mutex::close`].
    pub fn close(&self) {
        self.mutex.close();
    }

    /// What was noted so far; `None` if it is not measured.
    #[must_use]
    pub fn metrics(&self) -> Option<LockMetricsSnapshot> {
        self.metrics.as_ref().map(Metrics::snapshot)
    }
}

impl<'a, T> ContendedMutexGuard<'a, T> {
    fn new(guard: MutexGuard<'a, T>, metrics: Option<&'a Metrics>, waiter: Option<&Waiter<'_>>) -> Self {
        let noting = metrics.map(|metrics| {
            metrics.taken(waiter);
            Noting(metrics)
        });
        ContendedMutexGuard { noting, guard }
    }

    /// As [`MutexGuard::pass_on`].
    pub fn pass_on(self) -> ContendedMutexGuard<'a, T> {
        ContendedMutexGuard { noting: self.noting, guard: self.guard.pass_on() }
    }
}

impl<T> Deref for ContendedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for ContendedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: fmt::Debug> fmt::Debug for ContendedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(not(loom))]
static KIND: Kind<ContendedMutex<()>> = Kind::new("mutex");

/// What a hold of a mutex has taken: there is only one.
#[cfg(not(loom))]
const LOCK: u64 = 1;

/// A hold has locked it.
#[cfg(not(loom))]
impl Handle for ContendedMutex<()> {
    fn kind() -> &'static Kind<ContendedMutex<()>> {
        &KIND
    }

    fn on_close(&self) {
        self.close();
    }

    fn on_release(&self, _taken: u64) {
        drop(self.metrics.as_ref().map(Noting));
        self.mutex.give_back();
    }
}

#[cfg(not(loom))]
impl ContendedMutex<()> {
    /// [`ContendedMutex::lock`], for a hold of a handle ([`crate::ffi::take_once`], which knows a thread that would wait for
    /// itself).
    ///
    /// # Errors
    /// [`LockError::Closed`], [`LockError::Interrupted`].
    #[inline]
    pub fn take(&self, wait: Wait<'_>) -> Result<u64, LockError<()>> {
        wait.check()?;
        match self.try_take() {
            Err(TryLockError::Busy) => {
                let waiter = self.metrics.as_ref().map(Metrics::waiter);
                self.mutex.take(wait)?;
                Ok(self.taken(waiter.as_ref()))
            }
            Err(_) => Err(LockError::Closed),
            Ok(taken) => Ok(taken),
        }
    }

    /// The same as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// [`LockError::Closed`].
    pub async fn take_async(&self) -> Result<u64, LockError<()>> {
        match self.lock_async().await {
            // Given back by the release of the hold.
            Ok(guard) | Err(LockError::Poisoned(guard)) => {
                std::mem::forget(guard);
                Ok(LOCK)
            }
            Err(error) => Err(error.map(drop)),
        }
    }

    /// The same, without waiting.
    ///
    /// # Errors
    /// [`TryLockError::Closed`], [`TryLockError::Busy`].
    #[inline]
    pub fn try_take(&self) -> Result<u64, TryLockError<()>> {
        self.mutex.try_take()?;
        Ok(self.taken(None))
    }

    fn taken(&self, after: Option<&Waiter<'_>>) -> u64 {
        if let Some(metrics) = &self.metrics {
            metrics.taken(after);
        }
        LOCK
    }
}

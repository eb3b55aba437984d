//! A backend, and who drives it.
//!
//! # States
//!
//! | lock | backend | means |
//! |---|---|---|
//! | free | there | anybody may take it |
//! | taken | there | one handle drives it; it may be sent to other threads |
//! | either | gone | it has completed: whoever takes it is told so, and gives it back |
//!
//! # Protocol
//!
//! The lock is a [`Mutex`], whose guard a [`BackendHandle`] is: it is given back by the handle's drop, during a panic as
//! well; what is forgotten stays locked. A panic does not poison: it is most often that of the future beside the backend.
//!
//! A nested handle owns the handle of what it was put on top of, so that this stays borrowed as long. Nothing is stored in
//! the container but its own backend: no address outlives a borrow, whatever is forgotten.
//!
//! # Invariants
//!
//! 1. A backend is polled by the one that has its handle, and never after it has completed: it is dropped there and then.
//! 2. Layers are polled from the outside in: the outermost one's work may make some for the next. They are given back
//!    from the inside out: whoever gets the outer one finds the inner one free, if it was that handle that had it.

use crate::backend::BackendError;
use crate::sync::{LockError, Mutex, MutexGuard, TryLockError};
use crate::wait::Wait;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;

/// A backend whose type is not named.
pub type DynBackend = dyn Future<Output = ()> + Send;

/// Holds a backend, which one at a time may drive; see the [module](crate::backend).
///
/// In a forked child, what another thread of the parent had stays taken.
pub struct BackendContainer<B: ?Sized> {
    /// `None`: it has completed. In a box of its own: it may not move once it was polled, as the container may.
    backend: Mutex<Option<Pin<Box<B>>>>,
}

/// The right to drive a backend, given back when this is dropped, on whatever thread. Forgotten, it is never given back.
#[must_use = "the backend is given back when this is dropped"]
pub struct BackendHandle<'a, B: ?Sized> {
    /// What this one is on top of. Before `backend`: given back first.
    inner: Option<Box<dyn Layer + Send + 'a>>,
    backend: Locked<'a, B>,
}

/// The container's lock, taken.
type Locked<'a, B> = MutexGuard<'a, Option<Pin<Box<B>>>>;

/// A handle, whatever its backend is.
trait Layer {
    fn drive(&mut self, context: &mut Context<'_>) -> Result<(), BackendError>;
}

impl<B: Future<Output = ()> + Send> BackendContainer<B> {
    /// Holds `backend`, which should never complete. Ends the process when there is no memory.
    pub fn new(backend: B) -> BackendContainer<B> {
        BackendContainer::of(Box::pin(backend))
    }
}

impl BackendContainer<DynBackend> {
    /// The same, without naming the backend's type.
    pub fn new_dyn<B: Future<Output = ()> + Send + 'static>(backend: B) -> BackendContainer<DynBackend> {
        BackendContainer::of(Box::pin(backend))
    }
}

impl<B: Future<Output = ()> + Send + ?Sized> BackendContainer<B> {
    fn of(backend: Pin<Box<B>>) -> BackendContainer<B> {
        BackendContainer { backend: Mutex::new(Some(backend)) }
    }

    /// Takes it, waiting for those that drive it or came before. Blocks.
    ///
    /// A thread that waits for a handle of its own is not told so: a handle is no thread's.
    ///
    /// # Errors
    /// [`BackendError::Interrupted`], [`BackendError::Ended`].
    pub fn acquire(&self, wait: Wait<'_>) -> Result<BackendHandle<'_, B>, BackendError> {
        BackendHandle::of(self.backend.lock(wait))
    }

    /// The same as a future, which may be dropped at any time.
    ///
    /// # Errors
    /// [`BackendError::Ended`].
    pub async fn acquire_async(&self) -> Result<BackendHandle<'_, B>, BackendError> {
        BackendHandle::of(self.backend.lock_async().await)
    }

    /// Takes it if nobody drives it or waits for it.
    ///
    /// # Errors
    /// [`BackendError::Busy`], [`BackendError::Ended`].
    pub fn try_acquire(&self) -> Result<BackendHandle<'_, B>, BackendError> {
        match self.backend.try_lock() {
            Ok(guard) => BackendHandle::of(Ok(guard)),
            Err(TryLockError::Poisoned(guard)) => BackendHandle::of(Err(LockError::Poisoned(guard))),
            Err(TryLockError::Busy | TryLockError::Closed) => Err(BackendError::Busy),
        }
    }

    /// Takes it as [`BackendContainer::try_acquire`] does, and puts it on top of `inner`: each poll of the new handle polls
    /// this backend, then `inner`. Dropping it gives back `inner`, then this. If it is refused, `inner` is given back.
    ///
    /// What `inner` is a handle of stays borrowed as long as the new handle:
    ///
    /// ```compile_fail,E0505
    /// use quiescent_core::backend::BackendContainer;
    ///
    /// let outer = BackendContainer::new(std::future::pending());
    /// let inner = BackendContainer::new(std::future::pending());
    /// let handle = outer.acquire_nested(inner.try_acquire()?)?;
    /// drop(inner);
    /// drop(handle);
    /// # Ok::<(), quiescent_core::backend::BackendError>(())
    /// ```
    ///
    /// # Errors
    /// [`BackendError::Busy`] (also when `inner` is a handle of this very backend), [`BackendError::Ended`].
    pub fn acquire_nested<'a, I>(&'a self, inner: BackendHandle<'a, I>) -> Result<BackendHandle<'a, B>, BackendError>
    where
        I: Future<Output = ()> + Send + ?Sized,
    {
        let mut outer = self.try_acquire()?;
        outer.inner = Some(Box::new(inner));
        Ok(outer)
    }
}

impl<'a, B: Future<Output = ()> + Send + ?Sized> BackendHandle<'a, B> {
    fn of(locked: Result<Locked<'a, B>, LockError<Locked<'a, B>>>) -> Result<BackendHandle<'a, B>, BackendError> {
        let backend = match locked {
            Ok(guard) | Err(LockError::Poisoned(guard)) => guard.pass_on(),
            Err(LockError::Interrupted(interrupted)) => return Err(interrupted.into()),
            // Not met: the lock is no thread's, and nobody closes it.
            Err(LockError::Deadlock | LockError::Closed) => return Err(BackendError::Busy),
        };
        if backend.is_some() { Ok(BackendHandle { inner: None, backend }) } else { Err(BackendError::Ended) }
    }

    /// Polls the backend once, then what it is on top of. Each does what work there is, and has `context`'s waker called
    /// when there is more.
    ///
    /// # Errors
    /// [`BackendError::Ended`]: one of them has completed, now or before. Those after it were not polled.
    pub fn drive(&mut self, context: &mut Context<'_>) -> Result<(), BackendError> {
        let Some(backend) = self.backend.as_mut() else { return Err(BackendError::Ended) };
        if backend.as_mut().poll(context).is_ready() {
            *self.backend = None;
            return Err(BackendError::Ended);
        }
        self.inner.as_mut().map_or(Ok(()), |inner| inner.drive(context))
    }
}

impl<B: Future<Output = ()> + Send + ?Sized> Layer for BackendHandle<'_, B> {
    fn drive(&mut self, context: &mut Context<'_>) -> Result<(), BackendError> {
        BackendHandle::drive(self, context)
    }
}

impl<B: ?Sized> fmt::Debug for BackendContainer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendContainer").finish_non_exhaustive()
    }
}

impl<B: ?Sized> fmt::Debug for BackendHandle<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendHandle").field("is_nested", &self.inner.is_some()).finish_non_exhaustive()
    }
}

//! What has a backend inside.

use crate::backend::{BackendError, BackendHandle, PollingHandle, WithBackend, block_on};
use crate::wait::Wait;
use std::future::Future;
use std::sync::Arc;

/// Something whose futures complete while its backend is driven.
pub trait IoBackend {
    /// What drives it. It should never complete.
    type Backend: Future<Output = ()> + Send + ?Sized;

    /// What to watch: as soon as it is ready, the backend is to be polled. `None`: the backend wakes those who poll it by
    /// itself, from a thread of its own perhaps, and nothing has to be watched.
    fn polling_handle(&self) -> Option<PollingHandle<'_>>;

    /// The right to drive it, most often [`BackendContainer::try_acquire`](crate::backend::BackendContainer::try_acquire).
    ///
    /// # Errors
    /// [`BackendError::Busy`], [`BackendError::Ended`].
    fn get_backend(&self) -> Result<BackendHandle<'_, Self::Backend>, BackendError>;
}

/// What every [`IoBackend`] can do.
pub trait IoBackendExt: IoBackend {
    /// `future`, driven by the backend, and what is to be watched while it is pending, if anything.
    ///
    /// # Errors
    /// [`BackendError::Busy`], [`BackendError::Ended`].
    #[allow(clippy::type_complexity, reason = "two things that have names")]
    fn with_backend<F: Future>(
        &self,
        future: F,
    ) -> Result<(WithBackend<'_, Self::Backend, F>, Option<PollingHandle<'_>>), BackendError> {
        Ok((WithBackend::new(future, self.get_backend()?), self.polling_handle()))
    }

    /// Drives `future` on this thread until it completes, at most as long as `wait` says; see [`block_on`].
    ///
    /// # Errors
    /// [`BackendError`].
    fn block_on<F: Future>(&self, future: F, wait: Wait<'_>) -> Result<F::Output, BackendError> {
        block_on(future, self.get_backend()?, self.polling_handle(), wait)
    }
}

impl<T: IoBackend + ?Sized> IoBackendExt for T {}

/// Something that leads to an [`IoBackend`], and keeps it alive.
pub trait LinksIoBackend {
    /// Where it leads.
    type Link: IoBackend + ?Sized;

    /// There. It must lead to the same each time.
    fn link(&self) -> &Self::Link;
}

/// To itself.
impl<T: IoBackend> LinksIoBackend for T {
    type Link = T;

    fn link(&self) -> &T {
        self
    }
}

/// To what is shared.
impl<T: IoBackend + ?Sized> LinksIoBackend for Arc<T> {
    type Link = T;

    fn link(&self) -> &T {
        self
    }
}

/// Leads to what it borrows.
#[derive(Debug)]
pub struct RefLink<'a, T: ?Sized>(&'a T);

impl<'a, T: ?Sized> RefLink<'a, T> {
    /// To `borrowed`.
    #[must_use]
    pub fn new(borrowed: &'a T) -> RefLink<'a, T> {
        RefLink(borrowed)
    }
}

impl<T: ?Sized> Clone for RefLink<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for RefLink<'_, T> {}

impl<T: IoBackend + ?Sized> LinksIoBackend for RefLink<'_, T> {
    type Link = T;

    fn link(&self) -> &T {
        self.0
    }
}

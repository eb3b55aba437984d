//! A pool behind a trait, for code that does not care which.

use super::factory::AsyncResourceFactory;
use super::{GenericPool, PoolError, PoolStats, PoolTryAcquireError, PooledResource};
use crate::wait::Wait;
use std::future::Future;
use std::ops::DerefMut;
use std::pin::Pin;
use std::time::Duration;

/// A future of a [`Pool`]'s, boxed so that the trait can be used as an object.
pub type PoolFuture<'a, O> = Pin<Box<dyn Future<Output = O> + Send + 'a>>;

/// What every pool can do; see [`GenericPool`], which is one.
pub trait Pool: Send + Sync {
    /// What is pooled.
    type Resource;
    /// Why one could not be made.
    type Error;
    /// A resource that is given back when this is dropped.
    type Guard: DerefMut<Target = Self::Resource>;

    /// [`GenericPool::acquire`].
    ///
    /// # Errors
    /// [`PoolError`].
    fn acquire(&self, wait: Wait<'_>) -> Result<Self::Guard, PoolError<Self::Error>>;

    /// [`GenericPool::acquire_async`]. The box is allocated as any box: without memory the process ends.
    fn acquire_async(&self) -> PoolFuture<'_, Result<Self::Guard, PoolError<Self::Error>>>;

    /// [`GenericPool::try_acquire`].
    ///
    /// # Errors
    /// [`PoolTryAcquireError`].
    fn try_acquire(&self) -> Result<Self::Guard, PoolTryAcquireError>;

    /// [`GenericPool::maintain`].
    fn maintain(&self) -> Option<Duration>;

    /// [`GenericPool::close`].
    fn close(&self);

    /// [`GenericPool::stats`].
    fn stats(&self) -> PoolStats;
}

impl<F: AsyncResourceFactory> Pool for GenericPool<F> {
    type Resource = F::Resource;
    type Error = F::Error;
    type Guard = PooledResource<F>;

    fn acquire(&self, wait: Wait<'_>) -> Result<PooledResource<F>, PoolError<F::Error>> {
        GenericPool::acquire(self, wait)
    }

    fn acquire_async(&self) -> PoolFuture<'_, Result<PooledResource<F>, PoolError<F::Error>>> {
        Box::pin(GenericPool::acquire_async(self))
    }

    fn try_acquire(&self) -> Result<PooledResource<F>, PoolTryAcquireError> {
        GenericPool::try_acquire(self)
    }

    fn maintain(&self) -> Option<Duration> {
        GenericPool::maintain(self)
    }

    fn close(&self) {
        GenericPool::close(self);
    }

    fn stats(&self) -> PoolStats {
        GenericPool::stats(self)
    }
}

//! What is waited for and held: locks, permits, resources.
//!
//! Each *wait* ends by success, at its deadline, by a cancel token, or because what is waited for is closed; the last
//! three leave nothing taken and nothing behind. What was taken is a *hold* (here a guard), given back exactly once: by
//! its drop, on whatever thread. Every wait exists as a call that blocks ([`crate::Wait`] says how long) and as a future
//! for any runtime, which is cancelled by dropping it.
//!
//! | type | for |
//! |---|---|
//! | [`CancelToken`] | ending waits from outside, one or a whole tree of them |
//! | [`Semaphore`] | a number of permits |
//! | [`GenericPool`] | resources that are costly to make, and used again |
//!
//! The queues are those of `tokio::sync` (no runtime is needed). Each type is also the object of a handle kind, with which
//! C holds it.

mod cancel;
mod owner;
mod poison;
pub(crate) mod pool;
mod semaphore;

pub use cancel::CancelToken;
pub use pool::{
    AsyncResourceFactory, Blocking, DestroyReason, GenericPool, Pool, PoolConfig, PoolError, PoolFuture, PoolStats,
    PoolTryAcquireError, PooledResource, WarmupStrategy,
};
pub use semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};

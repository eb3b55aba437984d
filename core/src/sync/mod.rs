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
//! | [`Mutex`] | a value that one at a time may use; [`ContendedMutex`] measures how it is fought for |
//! | [`RwLock`] | a value that many may read, or one may change |
//! | [`OnceCell`] | a value that is made once |
//! | [`Semaphore`] | a number of permits |
//! | [`Barrier`] | callers that wait for each other |
//! | [`Notify`] | waking one that waits, or all |
//! | [`GenericPool`] | resources that are costly to make, and used again |
//!
//! The queues are those of `tokio::sync` (no runtime is needed). Each type is also the object of a handle kind, with which
//! C holds it.

mod barrier;
mod cancel;
mod contended_mutex;
mod lock_error;
mod mutex;
mod notify;
mod once;
mod once_error;
mod owner;
mod poison;
pub(crate) mod pool;
pub(crate) mod queue;
mod rwlock;
mod rwlock_error;
mod rwlock_guards;
#[cfg(not(loom))]
mod rwlock_handle;
mod semaphore;
mod turns;

pub use barrier::{Barrier, BarrierWaitError, BarrierWaitResult};
pub use cancel::CancelToken;
pub use contended_mutex::{ContendedMutex, ContendedMutexGuard, LockMetricsSnapshot};
pub use lock_error::{LockError, TryLockError};
pub use mutex::{Mutex, MutexGuard, OwnedMutexGuard};
pub use notify::{Notified, Notify, NotifyWaitError};
pub use once::OnceCell;
pub use once_error::{OnceCellError, OnceInitError};
#[cfg(unix)]
pub(crate) use owner::this_thread;
pub use pool::{
    AsyncResourceFactory, Blocking, DestroyReason, GenericPool, Pool, PoolConfig, PoolError, PoolFuture, PoolStats,
    PoolTryAcquireError, PooledResource, WarmupStrategy,
};
pub use rwlock::RwLock;
pub use rwlock_error::{RwLockError, TryReadError, TryWriteError};
pub use rwlock_guards::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};

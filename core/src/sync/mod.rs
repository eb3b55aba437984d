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
//! | [`Semaphore`] | a number of permits |
//!
//! The queues are those of `tokio::sync` (no runtime is needed). Each type is also the object of a handle kind, with which
//! C holds it.

mod cancel;
mod contended_mutex;
mod lock_error;
mod mutex;
mod owner;
mod poison;
mod semaphore;

pub use cancel::CancelToken;
pub use contended_mutex::{ContendedMutex, ContendedMutexGuard, LockMetricsSnapshot};
pub use lock_error::{LockError, TryLockError};
pub use mutex::{Mutex, MutexGuard, OwnedMutexGuard};
#[cfg(all(unix, not(loom)))]
pub(crate) use owner::this_thread;
pub use semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};

//! Resources that are costly to make, and used again: connections, buffers, workers.
//!
//! # States
//!
//! A resource is in one of these, and each change is one step under the pool's lock:
//!
//! | state | has a place | counted in | leaves by |
//! |---|---|---|---|
//! | being made | yes | size, creating | made: in use; not made (failed, panicked, dropped): nothing was there |
//! | in use (or being checked or recycled) | yes | size | put back: idle; detached: its holder's; judged: leaving |
//! | idle | no | size, idle | picked: in use, or leaving; the close: leaving |
//! | leaving | yes; by the close: no | size, leaving | destroyed: gone |
//!
//! A *place* is a permit of a semaphore with the maximal size of permits, which is also the queue of those that wait. It is
//! given back last, after what the resource came to was counted.
//!
//! # Invariants
//!
//! 1. Size is at most the maximal size. A resource that is not idle has a place of its own, until the pool is closed. So when
//!    one is made because none is idle, the maker's place is one for which there is no resource. In every other case one is
//!    made only if the size is below the maximum, in the same step as it is counted.
//! 2. A resource is in one hand: in the list, or owned by one value (`Box<Entry>`). To destroy it takes that value, so it
//!    happens once. A closed pool takes nothing into its list: the flag is looked at under the lock with which the list is
//!    changed, and whoever sets it empties the list afterwards. So whatever comes back after that is destroyed by whoever
//!    brings it, and nothing stays behind.
//! 3. A place is given back by the drop of whatever owns it: a future that is dropped, an error, or a panic loses none.
//! 4. Timeouts never bring the number of those that stay below the minimum: those that leave are subtracted in the step in
//!    which they are chosen.
//! 5. Nothing of the user's runs under the lock, and nothing is allocated or freed under it. So callbacks may use the pool.
//!
//! # Orderings
//!
//! The lock orders everything: whoever takes a resource comes after whoever put it into the list. There are no atomics here but
//! those of the queue, which is tokio's.
//!
//! # Last touch
//!
//! Every resource that is out, every place, and every future owns a share of the pool. The last share destroys what is idle.
//!
//! Checked by the models `pool::*`, the twin `pool`, and `core/tests/sync/pool*.rs`.

use crate::deadline::{self, Deadline};
use crate::error::Error;
use crate::lock::Lock;
use crate::shared::Shared;
use crate::wait::{Interrupted, Wait, block_on};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::TryAcquireError;

mod config;
mod error;
mod factory;
mod inventory;
mod maintenance;
mod object;
mod place;
mod queue;
mod resource;
mod stats;
mod warm_up;

pub use config::{PoolConfig, WarmupStrategy};
pub use error::{PoolError, PoolTryAcquireError};
pub use factory::{AsyncResourceFactory, Blocking, DestroyReason};
pub use object::{Pool, PoolFuture};
pub use resource::PooledResource;
pub use stats::PoolStats;

use config::Limits;
use inventory::Inventory;
use place::{Filled, Make, Place};
use queue::Queue;

/// A pool of resources, made by a factory when they are needed, and given back by being dropped. A clone is the same pool.
///
/// - Fair: those that wait for a resource are served in the order in which they began to wait. Of those that are idle the one
///   that came back last is taken, so that the others may grow old.
/// - Not re-entrant in this: who has all resources and waits for one more waits for itself. Else the factory may use the pool.
/// - A wait that ends early takes nothing and leaves the line. Futures may be dropped at any time: the place goes to the next,
///   one that was being checked is destroyed, one that was being made is the factory's to clean up.
/// - No poison: what a panicking holder had is destroyed, and the pool goes on.
/// - In a forked child it is a copy of the parent's, whose resources are the parent's: leave it alone. (A C handle refuses.)
/// - It has no thread and no timer: timeouts are looked at when something is taken or given back, and by
///   [`GenericPool::maintain`].
pub struct GenericPool<F: AsyncResourceFactory>(Shared<Inner<F>>);

struct Inner<F: AsyncResourceFactory> {
    inventory: Lock<Inventory<F::Resource>>,
    queue: Queue,
    limits: Limits,
    wait_timeout: Duration,
    create_timeout: Duration,
    factory: F,
}

impl<F: AsyncResourceFactory> GenericPool<F> {
    /// An open pool, in which there is nothing yet: see [`GenericPool::warm_up`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: sizes that [`PoolConfig`] does not allow. [`Error::NoMemory`].
    pub fn new(factory: F, config: PoolConfig) -> Result<GenericPool<F>, Error> {
        let limits = config.limits()?;
        let inner = Inner {
            inventory: Lock::new(Inventory::new(limits)?),
            queue: Queue::new(config.max_size),
            limits,
            wait_timeout: config.wait_timeout,
            create_timeout: config.create_timeout,
            factory,
        };
        Shared::try_new(inner).map(GenericPool).ok_or(Error::NoMemory)
    }

    /// Takes a resource: one that is idle and passes its check, or a new one, or the first one that comes back.
    ///
    /// `wait` bounds the whole call, and the pool's own timeouts each part of it: see [`PoolConfig`]. Where `wait` is over
    /// nothing is made. Blocks the thread; may be called where a runtime runs, and needs none, unless the factory does.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn acquire(&self, wait: Wait<'_>) -> Result<PooledResource<F>, PoolError<F::Error>> {
        wait.check().map_err(PoolError::Interrupted)?;
        let place = self.place_within(wait)?;
        let make = if wait.deadline().has_passed() { Make::Never } else { Make::IfNeeded };
        match block_on(place.fill(make), wait).map_err(PoolError::Interrupted)?? {
            Filled::Ready(resource) => Ok(resource),
            Filled::Missing(reserved) => self.create_within(reserved, wait)?.hand_out(),
            Filled::Nothing => Err(PoolError::Interrupted(Interrupted::TimedOut)),
        }
    }

    /// The same as a future, which may be dropped at any time. It has no deadline.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn acquire_async(&self) -> Result<PooledResource<F>, PoolError<F::Error>> {
        let place = self.place().await?;
        match place.fill(Make::IfNeeded).await? {
            Filled::Ready(resource) => Ok(resource),
            Filled::Missing(reserved) => reserved.create(Deadline::NEVER).await?.hand_out(),
            // Unreachable: one is made if needed.
            Filled::Nothing => Err(PoolError::Closed),
        }
    }

    /// Takes a resource that is idle, if it passes its check at once: one that does not answer at once is destroyed. Makes
    /// none, and does not wait.
    ///
    /// # Errors
    /// [`PoolTryAcquireError`].
    pub fn try_acquire(&self) -> Result<PooledResource<F>, PoolTryAcquireError> {
        let place = match self.try_place() {
            Ok(place) => place,
            Err(TryAcquireError::Closed) => return Err(PoolTryAcquireError::Closed),
            Err(TryAcquireError::NoPermits) => return Err(PoolTryAcquireError::NoneIdle),
        };
        match block_on(place.fill(Make::Never), Wait::NOT) {
            Ok(Ok(Filled::Ready(resource))) => Ok(resource),
            Ok(Err(PoolError::Closed)) => Err(PoolTryAcquireError::Closed),
            Ok(Err(PoolError::Panicked)) => Err(PoolTryAcquireError::Panicked),
            Ok(_) | Err(_) => Err(PoolTryAcquireError::NoneIdle),
        }
    }

    /// Ends it: whoever waits, and whoever comes, is answered "closed"; what is idle is destroyed, here; what is out is
    /// destroyed when it comes back, by whoever brings it. Any number of times.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.inventory.with(|inventory| inventory.is_closed())
    }

    /// Closes it, and waits until the last resource is destroyed or detached.
    ///
    /// # Errors
    /// [`Interrupted`]: some are out still. It stays closed.
    pub fn drain(&self, wait: Wait<'_>) -> Result<(), Interrupted> {
        self.close();
        block_on(self.0.drained(), wait)
    }

    /// The same as a future. Dropped, it leaves the pool closed.
    pub async fn drain_async(&self) {
        self.close();
        self.0.drained().await;
    }

    /// What it has, and what has happened.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.inventory.with(|inventory| inventory.stats())
    }

    /// The factory.
    #[must_use]
    pub fn factory(&self) -> &F {
        &self.0.factory
    }

    /// Gives back what [`PooledResource::into_raw`] kept.
    ///
    /// # Safety
    /// `raw` is of a resource of this pool, and is used once.
    #[cfg(not(loom))]
    pub(crate) unsafe fn resource_from_raw(&self, raw: u64) -> PooledResource<F> {
        // SAFETY: the caller's promise.
        unsafe { PooledResource::from_raw(&self.0, raw) }
    }
}

impl<F: AsyncResourceFactory> GenericPool<F> {
    fn try_place(&self) -> Result<Place<F>, TryAcquireError> {
        self.0.queue.try_take().map(|()| Place::new(&self.0))
    }

    /// In turn.
    async fn place(&self) -> Result<Place<F>, PoolError<F::Error>> {
        match self.try_place() {
            Ok(place) => Ok(place),
            Err(TryAcquireError::Closed) => Err(PoolError::Closed),
            Err(TryAcquireError::NoPermits) => {
                let _waiting = Waiting::begin(&self.0);
                self.0.queue.take().await.map_err(|_| PoolError::Closed)?;
                Ok(Place::new(&self.0))
            }
        }
    }

    fn place_within(&self, wait: Wait<'_>) -> Result<Place<F>, PoolError<F::Error>> {
        match self.try_place() {
            Ok(place) => Ok(place),
            Err(TryAcquireError::Closed) => Err(PoolError::Closed),
            Err(TryAcquireError::NoPermits) if wait.deadline() == Deadline::PASSED => {
                Err(PoolError::Interrupted(Interrupted::TimedOut))
            }
            Err(TryAcquireError::NoPermits) => {
                block_on(self.place(), within(wait, self.0.wait_timeout)).map_err(PoolError::Interrupted)?
            }
        }
    }

    fn create_within(
        &self,
        reserved: place::Reserved<F>,
        wait: Wait<'_>,
    ) -> Result<PooledResource<F>, PoolError<F::Error>> {
        let wait = within(wait, self.0.create_timeout);
        block_on(reserved.create(wait.deadline()), wait).map_err(PoolError::CreateInterrupted)?
    }
}

impl<F: AsyncResourceFactory> Inner<F> {
    fn close(&self) {
        self.inventory.with(Inventory::close);
        self.queue.close();
        self.queue.call();
        while let Some(entry) = self.inventory.with(Inventory::pick_closing) {
            self.destroy(entry, DestroyReason::Closing);
        }
    }

    /// What `future` answers; `None`: the pool was closed before it did.
    async fn unless_closed<T: Future>(&self, future: T) -> Option<T::Output> {
        let mut future = pin!(future);
        let mut closed = pin!(self.until(Inventory::is_closed));
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            closed.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Waits until a closed pool has nothing any more.
    async fn drained(&self) {
        self.until(|inventory| inventory.size() == 0).await;
    }

    /// For what is followed by a call of the queue's.
    async fn until(&self, has_come: impl Fn(&Inventory<F::Resource>) -> bool) {
        loop {
            // Before the look: a call that comes after it is not missed.
            let woken = self.queue.called();
            if self.inventory.with(|inventory| has_come(inventory)) {
                return;
            }
            woken.await;
        }
    }

    /// Nanoseconds; 0 in a pool that does not go by the time.
    fn now(&self) -> u64 {
        if self.limits.keep_time() { deadline::now() } else { 0 }
    }
}

/// What is idle goes with the pool.
impl<F: AsyncResourceFactory> Drop for Inner<F> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Somebody who waits for a place, and is counted.
struct Waiting<'a, F: AsyncResourceFactory> {
    pool: &'a Inner<F>,
    since: u64,
}

impl<F: AsyncResourceFactory> Waiting<'_, F> {
    fn begin(pool: &Inner<F>) -> Waiting<'_, F> {
        // Looked at first: whoever sees it counted knows that it waits since before.
        let since = deadline::now();
        pool.inventory.with(Inventory::begin_to_wait);
        Waiting { pool, since }
    }
}

impl<F: AsyncResourceFactory> Drop for Waiting<'_, F> {
    fn drop(&mut self) {
        let waited = deadline::now().saturating_sub(self.since);
        self.pool.inventory.with(|inventory| inventory.end_of_wait(waited));
    }
}

/// The same wait, with a timeout of its own from now on.
fn within(wait: Wait<'_>, timeout: Duration) -> Wait<'_> {
    if timeout == Duration::MAX {
        return wait;
    }
    Wait::new(wait.deadline().min(Deadline::after(timeout)), wait.cancel())
}

impl<F: AsyncResourceFactory> Clone for GenericPool<F> {
    fn clone(&self) -> GenericPool<F> {
        GenericPool(self.0.clone())
    }
}

impl<F: AsyncResourceFactory> fmt::Debug for GenericPool<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenericPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

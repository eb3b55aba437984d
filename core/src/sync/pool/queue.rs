//! A pool's places and calls: what is tokio's, each operation one step.
//!
//! loom does not see into tokio's types. In a model each operation is announced by a step of loom's own, so that it is tried
//! before and after whatever other threads do, and ordered as tokio's own locks order it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use tokio::sync::futures::Notified;
use tokio::sync::{AcquireError, Notify, Semaphore, TryAcquireError};

pub(super) struct Queue {
    places: Semaphore,
    /// Wakes whoever waits for the close, or for the last resource to be gone.
    changes: Notify,
    step: Step,
}

impl Queue {
    pub(super) fn new(places: u32) -> Queue {
        Queue { places: Semaphore::new(places as usize), changes: Notify::const_new(), step: Step::new() }
    }

    /// Takes a place, to be given back.
    pub(super) fn try_take(&self) -> Result<(), TryAcquireError> {
        self.step.take();
        self.places.try_acquire().map(tokio::sync::SemaphorePermit::forget)
    }

    /// The same, in turn.
    pub(super) async fn take(&self) -> Result<(), AcquireError> {
        let mut permit = pin!(self.places.acquire());
        let polled = poll_fn(|context| {
            self.step.take();
            permit.as_mut().poll(context)
        });
        polled.await.map(tokio::sync::SemaphorePermit::forget)
    }

    pub(super) fn give_back(&self) {
        self.step.take();
        self.places.add_permits(1);
    }

    /// No places any more, for those that wait, too.
    pub(super) fn close(&self) {
        self.step.take();
        self.places.close();
    }

    /// Wakes all that have asked to be told.
    pub(super) fn call(&self) {
        self.step.take();
        self.changes.notify_waiters();
    }

    /// To be told of calls from now on.
    pub(super) fn called(&self) -> Notified<'_> {
        self.step.take();
        self.changes.notified()
    }
}

#[cfg(not(loom))]
struct Step;
#[cfg(loom)]
struct Step(crate::shim::AtomicUsize);

#[cfg(not(loom))]
impl Step {
    fn new() -> Step {
        Step
    }

    #[allow(clippy::unused_self, reason = "in a model it is one")]
    fn take(&self) {}
}

#[cfg(loom)]
impl Step {
    fn new() -> Step {
        Step(crate::shim::AtomicUsize::new(0))
    }

    fn take(&self) {
        self.0.fetch_add(1, crate::shim::Ordering::AcqRel);
    }
}

//! A pool's places and calls.

use crate::sync::queue::{Notified, Notify, Semaphore};
use tokio::sync::{AcquireError, SemaphorePermit, TryAcquireError};

pub(super) struct Queue {
    places: Semaphore,
    /// Wakes whoever waits for the close, or for the last resource to be gone.
    changes: Notify,
}

impl Queue {
    pub(super) fn new(places: u32) -> Queue {
        Queue { places: Semaphore::new(places as usize), changes: Notify::const_new() }
    }

    /// Takes a place, to be given back.
    pub(super) fn try_take(&self) -> Result<(), TryAcquireError> {
        self.places.try_acquire().map(SemaphorePermit::forget)
    }

    /// The same, in turn.
    pub(super) async fn take(&self) -> Result<(), AcquireError> {
        self.places.acquire().await.map(SemaphorePermit::forget)
    }

    pub(super) fn give_back(&self) {
        self.places.add_permits(1);
    }

    /// No places any more, for those that wait, too.
    pub(super) fn close(&self) {
        self.places.close();
    }

    /// Wakes all that have asked to be told.
    pub(super) fn call(&self) {
        self.changes.notify_waiters();
    }

    /// To be told of calls from now on.
    pub(super) fn called(&self) -> Notified<'_> {
        self.changes.notified()
    }
}

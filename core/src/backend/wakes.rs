//! Waking whoever watches something, at most once until he has seen it.
//!
//! # States
//!
//! | closed | rung | means |
//! |---|---|---|
//! | no | no | the next wake rings |
//! | no | yes | it is ready, or a wake is about to make it so: further ones change nothing |
//! | yes | either | wakes change nothing, for ever |
//!
//! # Protocol
//!
//! A wake marks the state as rung and, if it was not, rings. Whoever sees it ready clears what is rung, then the mark, then
//! polls. What a wake rings belongs to all wakers together, and is closed with the last of them: a late one meets what it
//! was made for, or the mark "closed", and never something else under the same number.
//!
//! # Invariants
//!
//! 1. Marked, it becomes ready: whoever set the mark rings next.
//! 2. A wake is seen by the poll after the clearing that took its mark, or rings: clearing and waking are both changes of the
//!    state, so one comes before the other. A wake that merely looked could see an old mark while the poll sees old work.
//! 3. A ring may come late, after the mark it belongs to was taken: then it is ready once more, for nothing, and cleared by
//!    whoever sees that. That is why clearing does not go by the mark: what is ready and not cleared would be so for ever.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | mark | release | clear the mark: acquire | what the waker did before |
//! | clear the mark, after what was rung | release | mark: acquire | that it is quiet: the ring comes after it |
//!
//! Checked by `tests/loom/backend.rs`.

use crate::shim::{AtomicU32, Ordering};
use std::sync::Arc;
use std::task::Wake;

/// Something that can be rung, and is ready to whoever watches it until it is cleared. It carries no count.
pub trait Doorbell {
    /// Makes it ready. From any thread; never blocks.
    fn ring(&self);
    /// Makes it not ready.
    fn clear(&self);
}

/// What was rung, to be cleared.
pub trait Clear: Sync {
    /// To be called by whoever saw it ready, before he looks what for.
    fn clear(&self);
}

/// See the file head.
pub struct Wakes<D> {
    state: AtomicU32,
    doorbell: D,
}

const RUNG: u32 = 1;
const CLOSED: u32 = 2;

impl<D: Doorbell> Wakes<D> {
    /// Around something that is quiet.
    pub fn new(doorbell: D) -> Wakes<D> {
        Wakes { state: AtomicU32::new(0), doorbell }
    }

    /// What is rung.
    pub fn doorbell(&self) -> &D {
        &self.doorbell
    }

    /// Makes it ready, unless it is, or is closed.
    pub fn wake_up(&self) {
        if self.state.fetch_or(RUNG, Ordering::AcqRel) & (RUNG | CLOSED) == 0 {
            self.doorbell.ring();
        }
    }

    /// Wakes ring no more. One that comes at the same moment may.
    pub fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::Relaxed);
    }
}

impl<D: Doorbell + Sync> Clear for Wakes<D> {
    fn clear(&self) {
        self.doorbell.clear();
        self.state.fetch_and(!RUNG, Ordering::AcqRel);
    }
}

impl<D: Doorbell + Send + Sync> Wake for Wakes<D> {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

//! Under loom: of the poller the bell alone, and holds that stand for nothing. A sleeper that nobody rings for is a deadlock, which
//! loom reports.

use crate::deadline::Deadline;
use crate::park::Parker;

/// See the file head.
pub(super) struct Poller(Parker);

/// Nothing: the engine looks by itself.
pub(super) enum Seen {}

impl Poller {
    pub(super) fn new() -> std::io::Result<Poller> {
        Ok(Poller(Parker::new()))
    }

    pub(super) fn ring(&self) {
        self.0.unpark();
    }

    /// The ring is gone with the sleep that it ended.
    pub(super) fn quiet(&self) {}

    pub(super) fn attach(&self, _inner: &Poller) -> Result<(), crate::backend::completion::AttachError> {
        Ok(())
    }

    pub(super) fn detach(&self, _inner: &Poller) {}

    pub(super) fn set_timer(&self, _moment: Deadline) {}

    pub(super) fn wait(&self, until: Deadline, _seen: impl FnMut(Seen)) -> std::io::Result<()> {
        self.0.park(until);
        Ok(())
    }
}

/// What a model's call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldToken;

impl HoldToken {
    /// Nothing to release.
    pub(super) fn release(self) -> Result<(), crate::Error> {
        Ok(())
    }
}

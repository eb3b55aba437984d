//! Where the system does not tell when a file is closed, or not in a way that is used here: only time wakes.

use crate::deadline::Deadline;
use crate::file_lock::system::Errno;
use crate::park::Parker;
use std::os::fd::OwnedFd;

/// What the thread sleeps on.
pub(super) struct Notifier(Parker);

/// Nothing is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched;

impl Notifier {
    #[allow(clippy::unnecessary_wraps, reason = "as the others")]
    pub(super) fn new() -> Result<Notifier, Errno> {
        Ok(Notifier(Parker::new()))
    }

    #[allow(clippy::unused_self, reason = "as the others")]
    pub(super) fn watch(&self, _file: &OwnedFd) -> Watched {
        Watched
    }

    #[allow(clippy::unused_self, reason = "as the others")]
    pub(super) fn unwatch(&self, _watched: Watched) {}

    /// Ends the sleep, or the next one.
    pub(super) fn wake(&self) {
        self.0.unpark();
    }

    /// Until then, or a call.
    pub(super) fn sleep(&self, deadline: Deadline) {
        self.0.park(deadline);
    }

    #[allow(clippy::unused_self, reason = "as the others")]
    pub(super) fn changes(&self, _changed: impl FnMut(Watched)) {}
}

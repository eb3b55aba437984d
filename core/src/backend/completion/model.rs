//! Under loom: of the poller the bell and whether it is attached, and holds that stand for nothing. A sleeper that nobody rings for is a
//! deadlock, which loom reports.

use crate::backend::completion::AttachError;
use crate::deadline::Deadline;
use crate::park::Parker;
use std::sync::atomic::{AtomicBool, Ordering};

/// See the file head.
pub(super) struct Poller {
    bell: Parker,
    /// In the set of another, which the kernel allows once. Not loom's: it is looked at between the steps.
    is_attached: AtomicBool,
}

/// Nothing: the engine looks by itself.
pub(super) enum Seen {}

impl Poller {
    pub(super) fn new() -> std::io::Result<Poller> {
        Ok(Poller { bell: Parker::new(), is_attached: AtomicBool::new(false) })
    }

    pub(super) fn ring(&self) {
        self.bell.unpark();
    }

    /// The ring is gone with the sleep that it ended.
    pub(super) fn quiet(&self) {}

    pub(super) fn attach(&self, inner: &Poller) -> Result<(), AttachError> {
        let is_new = !inner.is_attached.swap(true, Ordering::Relaxed);
        if is_new { Ok(()) } else { Err(AttachError::Io(std::io::ErrorKind::AlreadyExists.into())) }
    }

    pub(super) fn detach(&self, inner: &Poller) {
        assert!(
            inner.is_attached.swap(false, Ordering::Relaxed),
            "it is in no set, or will be in one that nobody looks into"
        );
    }

    pub(super) fn set_timer(&self, _moment: Deadline) {}

    pub(super) fn wait(&self, until: Deadline, _seen: impl FnMut(Seen)) -> std::io::Result<()> {
        self.bell.park(until);
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

//! Where there is no epoll: nothing to sleep in, and so no backend. (A kqueue would do; nobody has tried.)

use crate::backend::completion::AttachError;
use crate::backend::completion::entries::Name;
use crate::deadline::Deadline;
use std::convert::Infallible;
use std::io;
#[cfg(unix)]
use std::os::fd::{BorrowedFd, OwnedFd};

/// There is none.
pub(super) struct Poller(Infallible);

/// What would be seen.
pub(super) enum Seen {
    Inside,
    Wake,
    Descriptor { name: Name, readiness: u32 },
}

/// Readable, or at its end.
pub const READABLE: u32 = 1;
/// Writable.
pub const WRITABLE: u32 = 2;
/// Broken, or hung up.
pub const FAILED: u32 = 4;

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn ring(&self) {
        match self.0 {}
    }

    pub(super) fn quiet(&self) {
        match self.0 {}
    }

    pub(super) fn set_timer(&self, _moment: Deadline) {
        match self.0 {}
    }

    pub(super) fn attach(&self, _inner: &Poller) -> Result<(), AttachError> {
        match self.0 {}
    }

    pub(super) fn detach(&self, _inner: &Poller) {
        match self.0 {}
    }

    pub(super) fn wait(&self, _until: Deadline, _seen: impl FnMut(Seen)) -> io::Result<()> {
        match self.0 {}
    }
}

#[cfg(unix)]
impl Poller {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(super) fn wake_descriptor(&self) -> io::Result<OwnedFd> {
        match self.0 {}
    }

    pub(super) fn add(&self, _descriptor: BorrowedFd<'_>, _interest: u32, _name: Name) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn remove(&self, _descriptor: BorrowedFd<'_>) {
        match self.0 {}
    }
}

//! Waking whoever watches a descriptor.

use crate::backend::wakes::{Clear, Doorbell, Wakes};
use crate::backend::{Event, PollingFlags, PollingHandle};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Waker;
use std::{fmt, io};

/// A descriptor that is readable after one of its wakers was called, until it is cleared.
///
/// All wakers own the descriptor together: it is closed when this and the last of them are dropped. From the drop of this
/// on they do nothing. In a forked child a waker wakes the parent.
pub struct FdWaker(Arc<Wakes<Event>>);

/// Nothing but a descriptor of this kind is watched for reading only.
static READ: PollingFlags = PollingFlags::new().read(true);

impl FdWaker {
    /// Quiet.
    ///
    /// # Errors
    /// Of the operating system: no more descriptors, or no memory.
    pub fn new() -> io::Result<FdWaker> {
        Ok(FdWaker(Arc::new(Wakes::new(Event::new()?))))
    }

    /// A waker; a clone of it costs a count. From any thread; does not block.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// What its wakers do.
    pub fn wake(&self) {
        self.0.wake_up();
    }

    /// Makes the descriptor quiet. To be called by whoever saw it readable, before he looks what for.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// For a backend that is watched by this alone.
    #[must_use]
    pub fn polling_handle(&self) -> PollingHandle<'_> {
        self.polling_handle_of(self.as_fd(), &READ, PollingFlags::new().read(true))
    }

    /// For a backend that gives `handle` to be watched, for `cur_flags` now and at most for `max_flags`. It must become ready
    /// when this descriptor does, as an `epoll` descriptor does for what was added to it.
    #[must_use]
    pub fn polling_handle_of<'a>(
        &'a self,
        handle: BorrowedFd<'a>,
        cur_flags: &'a PollingFlags,
        max_flags: PollingFlags,
    ) -> PollingHandle<'a> {
        PollingHandle::new(handle, cur_flags, max_flags, self.waker()).rung(&*self.0)
    }
}

impl Doorbell for Event {
    fn ring(&self) {
        Event::ring(self);
    }

    fn clear(&self) {
        Event::clear(self);
    }
}

/// What is readable.
impl AsFd for FdWaker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.doorbell().as_fd()
    }
}

impl Drop for FdWaker {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for FdWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FdWaker").field(&self.as_fd()).finish()
    }
}

//! Windows: waking whoever watches an event. Tried under Wine.

use crate::backend::wakes::{Clear, Doorbell, Wakes};
use crate::backend::{PollingFlags, PollingHandle};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::sync::Arc;
use std::task::Waker;
use std::{fmt, io, ptr};
use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

/// An event that is signaled after one of its wakers was called, until it is cleared.
///
/// All wakers own the event together: it is closed when this and the last of them are dropped. From the drop of this on they
/// do nothing.
pub struct EventWaker(Arc<Wakes<ManualReset>>);

/// An event that stays signaled until it is reset.
struct ManualReset(OwnedHandle);

/// An event does not say what for.
static READ: PollingFlags = PollingFlags::new().read(true);

impl EventWaker {
    /// Quiet.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn new() -> io::Result<EventWaker> {
        // SAFETY: default security, manual reset, not signaled, no name.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        Ok(EventWaker(Arc::new(Wakes::new(ManualReset(event)))))
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

    /// Makes the event quiet. To be called by whoever saw it signaled, before he looks what for.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// For a backend that is watched by this alone.
    #[must_use]
    pub fn polling_handle(&self) -> PollingHandle<'_> {
        PollingHandle::new(self.as_handle(), &READ, PollingFlags::new().read(true), self.waker()).rung(&*self.0)
    }
}

impl Doorbell for ManualReset {
    fn ring(&self) {
        // SAFETY: the event is open. It cannot fail.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    fn clear(&self) {
        // SAFETY: as above.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }
}

impl AsHandle for EventWaker {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.doorbell().0.as_handle()
    }
}

impl Drop for EventWaker {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for EventWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventWaker").field(&self.as_handle()).finish()
    }
}

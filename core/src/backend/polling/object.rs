//! Windows: an object of the kernel, slept on with `WaitForSingleObject`. Tried under Wine.

use crate::backend::{Pollable, PollingFlags};
use crate::deadline::Deadline;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use windows_sys::Win32::Foundation::{WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};

/// What a backend gives to be watched: an object of the kernel here.
pub type DefaultHandle<'a> = BorrowedHandle<'a>;

/// Ready is what is signaled; for what, it does not say.
impl Pollable for BorrowedHandle<'_> {
    fn poll(&self, flags: &PollingFlags, deadline: Deadline) -> io::Result<bool> {
        if flags.get() == (false, false) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither for reading nor for writing"));
        }
        loop {
            // SAFETY: the handle is open as long as it is borrowed.
            match unsafe { WaitForSingleObject(self.as_raw_handle(), milliseconds(deadline)) } {
                WAIT_OBJECT_0 => return Ok(true),
                WAIT_TIMEOUT if deadline.has_passed() => return Ok(false),
                // Milliseconds have an end before deadlines do.
                WAIT_TIMEOUT => {}
                _ => return Err(io::Error::last_os_error()),
            }
        }
    }
}

/// Until then, rounded up.
fn milliseconds(deadline: Deadline) -> u32 {
    deadline.milliseconds_left().map_or(INFINITE, |left| u32::try_from(left).unwrap_or(INFINITE - 1))
}

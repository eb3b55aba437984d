//! Unix: a descriptor, slept on with `poll(2)`.

use crate::backend::{Pollable, PollingFlags};
use crate::deadline::Deadline;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a backend gives to be watched: a descriptor here.
pub type DefaultHandle<'a> = BorrowedFd<'a>;

/// A hang-up counts as ready: reading tells. An error beside it does, too; an error alone is answered.
impl Pollable for BorrowedFd<'_> {
    fn poll(&self, flags: &PollingFlags, deadline: Deadline) -> io::Result<bool> {
        let events = flags.to_posix();
        if events == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither for reading nor for writing"));
        }
        loop {
            let mut entry = libc::pollfd { fd: self.as_raw_fd(), events, revents: 0 };
            // SAFETY: one entry, writable.
            match unsafe { libc::poll(&raw mut entry, 1, milliseconds(deadline)) } {
                0 if deadline.has_passed() => return Ok(false),
                // Milliseconds have an end before deadlines do.
                0 => {}
                1.. => return ready(entry.revents),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// What `poll` found.
fn ready(found: libc::c_short) -> io::Result<bool> {
    if found & libc::POLLNVAL != 0 {
        Err(io::Error::from_raw_os_error(libc::EBADF))
    } else if found & !libc::POLLERR == 0 {
        Err(io::Error::other("the descriptor is ready for nothing but an error"))
    } else {
        Ok(true)
    }
}

/// Until then, rounded up; negative is for ever.
fn milliseconds(deadline: Deadline) -> libc::c_int {
    deadline.milliseconds_left().map_or(-1, |left| libc::c_int::try_from(left).unwrap_or(libc::c_int::MAX))
}

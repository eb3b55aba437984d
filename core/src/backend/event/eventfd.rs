//! Linux: one eventfd, which is rung and read.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// As a file: for its `read` and `write`, which are the system calls and nothing else.
#[derive(Debug)]
pub(super) struct Descriptors(File);

impl Descriptors {
    pub(super) fn new() -> io::Result<Descriptors> {
        // SAFETY: plain numbers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened.
        Ok(Descriptors(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) })))
    }

    pub(super) fn ringing(&self) -> &File {
        &self.0
    }

    pub(super) fn rung(&self) -> &File {
        &self.0
    }
}

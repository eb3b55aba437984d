//! Waiting until a descriptor of the caller's is ready.

use super::poller::{READABLE, WRITABLE};
use super::{CompletionBackend, Engine, Outcome, Step, Turn};
use crate::error::Error;
use crate::shared::Shared;
use crate::wait::Wait;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a wait for a descriptor did not begin.
#[derive(Debug)]
pub enum WaitDescriptorError {
    /// Interest in nothing, or in what there is not.
    InvalidArgument,
    /// The backend is closed.
    Closed,
    /// There is no memory.
    NoMemory,
    /// The operating system refused to copy the descriptor: it is none, or there are too many.
    Io(io::Error),
}

/// A copy of the caller's descriptor, in the engine's set from the first look on.
struct WaitDescriptor {
    engine: Shared<Engine>,
    descriptor: OwnedFd,
    interest: u32,
    is_added: bool,
}

impl CompletionBackend {
    /// Completes as soon as `descriptor` is ready for any of `interest` ([`READABLE`], [`WRITABLE`]), with what it is ready for
    /// (also [`FAILED`](super::FAILED)) as the value. A regular file is always ready.
    ///
    /// The descriptor is copied, so that the caller may close it meanwhile; the copy is closed when the call is over. A refusal of the
    /// operating system to watch it is the outcome [`Error::Io`]: with `EINVAL` if this backend is attached to another, and too many
    /// calls wait for the same file. (Linux's epoll counts the paths from a file to an outermost set: 500 of two sets, 100 of three, 50
    /// of four, 10 of five; any number of one.)
    ///
    /// # Errors
    /// [`WaitDescriptorError`]; then nothing completes.
    pub fn wait_descriptor(
        &self,
        user_data: usize,
        wait: Wait<'_>,
        descriptor: BorrowedFd<'_>,
        interest: u32,
    ) -> Result<(), WaitDescriptorError> {
        if interest == 0 || interest & !(READABLE | WRITABLE) != 0 {
            return Err(WaitDescriptorError::InvalidArgument);
        }
        let descriptor = descriptor.try_clone_to_owned().map_err(WaitDescriptorError::Io)?;
        let step = WaitDescriptor { engine: self.engine.clone(), descriptor, interest, is_added: false };
        self.submit_step(user_data, wait.deadline(), wait.cancel(), step).map_err(|error| match error {
            Error::Freed => WaitDescriptorError::Closed,
            _ => WaitDescriptorError::NoMemory,
        })
    }

    /// Readable exactly while a poll would find something: a completion, or a call to be looked at. For an event loop to watch; the
    /// backend's own, not to be read from or closed.
    ///
    /// From the first call on, the backend rings for each completion that nobody waits for in a poll (a system call).
    #[must_use]
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.engine.watch();
        self.engine.poller.as_fd()
    }

    /// A descriptor that ends the poll in progress, or the next one, when eight bytes (the number 1) are written to it: from a signal
    /// handler. The caller's own.
    ///
    /// # Errors
    /// Of the operating system: no more descriptors.
    pub fn wake_descriptor(&self) -> io::Result<OwnedFd> {
        let descriptor = self.engine.poller.wake_descriptor()?;
        self.engine.state.with(|state| state.may_be_written = true);
        Ok(descriptor)
    }
}

impl Step for WaitDescriptor {
    fn step(mut self: Pin<&mut Self>, _context: &mut Context<'_>, turn: &Turn) -> Poll<Outcome> {
        if !self.is_added {
            match self.engine.poller.add(self.descriptor.as_fd(), self.interest, turn.name) {
                Ok(()) => {
                    self.is_added = true;
                    self.engine.state.with(|state| state.descriptors += 1);
                }
                // Always ready, and so nothing to be watched.
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Poll::Ready(ready(self.interest)),
                Err(error) => {
                    let os_error = error.raw_os_error().unwrap_or(0);
                    return Poll::Ready(Outcome { os_error, ..Outcome::refused(Error::Io) });
                }
            }
        }
        // Broken or hung up ends it, too: what is read or written then says why.
        if turn.readiness == 0 { Poll::Pending } else { Poll::Ready(ready(turn.readiness)) }
    }
}

fn ready(readiness: u32) -> Outcome {
    Outcome { value: readiness as usize, ..Outcome::DONE }
}

impl Drop for WaitDescriptor {
    fn drop(&mut self) {
        if self.is_added {
            // Before the copy is closed: the set would keep what the caller's own descriptor still stands for.
            self.engine.poller.remove(self.descriptor.as_fd());
            self.engine.state.with(|state| state.descriptors -= 1);
        }
    }
}

impl From<WaitDescriptorError> for Error {
    fn from(error: WaitDescriptorError) -> Error {
        match error {
            WaitDescriptorError::InvalidArgument => Error::InvalidArgument,
            WaitDescriptorError::Closed => Error::Freed,
            WaitDescriptorError::NoMemory => Error::NoMemory,
            WaitDescriptorError::Io(_) => Error::Io,
        }
    }
}

impl fmt::Display for WaitDescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitDescriptorError::InvalidArgument => Error::InvalidArgument.fmt(f),
            WaitDescriptorError::Closed => Error::Freed.fmt(f),
            WaitDescriptorError::NoMemory => Error::NoMemory.fmt(f),
            WaitDescriptorError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WaitDescriptorError {}

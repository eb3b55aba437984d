//! What a backend gives to be watched, and for what.

use crate::backend::wakes::Clear;
use crate::backend::{BackendError, DefaultHandle};
use crate::deadline::Deadline;
use crate::shim::{AtomicU32, Ordering, const_fn};
use std::task::Waker;
use std::{fmt, io};

/// Something that one can sleep on until it is ready.
///
/// An environment with no descriptors, or with better ones, implements this for what it has.
pub trait Pollable {
    /// Sleeps until it is ready for one of `flags`, at most until `deadline`: whether it is ready. It may answer `true` for
    /// no reason. After a signal it sleeps on.
    ///
    /// # Errors
    /// Of the operating system: what it cannot sleep on. Answering "ready" instead would have the caller spin.
    fn poll(&self, flags: &PollingFlags, deadline: Deadline) -> io::Result<bool>;
}

/// Whether to watch for reading, for writing, or for both. The backend may change it at any time; who sleeps by then sleeps
/// by the old ones until it is woken.
pub struct PollingFlags(AtomicU32);

const READ: u32 = 1;
const WRITE: u32 = 2;

impl PollingFlags {
    const_fn! {
        /// Neither.
        #[allow(clippy::new_without_default, reason = "neither is a state that a backend must leave, not one to start from unawares")]
        #[must_use]
        pub fn new() -> PollingFlags {
            PollingFlags(AtomicU32::new(0))
        }
    }

    const_fn! {
        /// Both.
        #[must_use]
        pub fn all() -> PollingFlags {
            PollingFlags(AtomicU32::new(READ | WRITE))
        }
    }

    const_fn! {
        /// The same, for reading or not.
        #[must_use]
        pub fn read(self, read: bool) -> PollingFlags {
            self.with(READ, read)
        }
    }

    const_fn! {
        /// The same, for writing or not.
        #[must_use]
        pub fn write(self, write: bool) -> PollingFlags {
            self.with(WRITE, write)
        }
    }

    const_fn! {
        fn with(self, bit: u32, set: bool) -> PollingFlags {
            let bits = self.0.into_inner();
            PollingFlags(AtomicU32::new(if set { bits | bit } else { bits & !bit }))
        }
    }

    /// For reading from now on, or not.
    pub fn set_read(&self, read: bool) {
        self.set(READ, read);
    }

    /// For writing from now on, or not.
    pub fn set_write(&self, write: bool) {
        self.set(WRITE, write);
    }

    fn set(&self, bit: u32, set: bool) {
        if set {
            self.0.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Whether for reading, and whether for writing.
    #[must_use]
    pub fn get(&self) -> (bool, bool) {
        let bits = self.0.load(Ordering::Relaxed);
        (bits & READ != 0, bits & WRITE != 0)
    }

    /// As `poll(2)` has it: `POLLIN`, `POLLOUT`, both or zero.
    #[cfg(all(unix, not(loom)))]
    #[must_use]
    pub fn to_posix(&self) -> libc::c_short {
        let (read, write) = self.get();
        (if read { libc::POLLIN } else { 0 }) | (if write { libc::POLLOUT } else { 0 })
    }
}

impl fmt::Debug for PollingFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, write) = self.get();
        f.debug_struct("PollingFlags").field("read", &read).field("write", &write).finish()
    }
}

/// What a backend gives to be watched: as soon as it is ready, the backend is to be polled.
///
/// It is watched by one at a time: by whoever drives the backend.
pub struct PollingHandle<'a, H = DefaultHandle<'a>> {
    /// What to watch.
    pub handle: H,
    /// For what, at the moment.
    pub cur_flags: &'a PollingFlags,
    /// For what, at any time: for those who must say it once.
    pub max_flags: PollingFlags,
    /// Makes the handle ready. From any thread.
    pub waker: Waker,
    rung: Option<&'a dyn Clear>,
}

impl<'a, H> PollingHandle<'a, H> {
    /// A handle that becomes ready for `cur_flags` when there is work for the backend, or when `waker` is called, and stays
    /// so until the backend, in a poll, has taken what it was ready for.
    pub fn new(handle: H, cur_flags: &'a PollingFlags, max_flags: PollingFlags, waker: Waker) -> PollingHandle<'a, H> {
        PollingHandle { handle, cur_flags, max_flags, waker, rung: None }
    }

    /// The same, with something of the backend's that was rung and is to be cleared when the handle is ready.
    pub(in crate::backend) fn rung(self, rung: &'a dyn Clear) -> PollingHandle<'a, H> {
        PollingHandle { rung: Some(rung), ..self }
    }

    /// Takes the calls of the waker so far. To be called by whoever saw the handle ready, before polling the backend: else
    /// the handle stays ready.
    pub fn clear(&self) {
        if let Some(rung) = self.rung {
            rung.clear();
        }
    }

    /// Whether to watch for reading, and whether for writing, at the moment.
    ///
    /// # Errors
    /// [`BackendError::NoInterest`]: for neither.
    pub fn interest(&self) -> Result<(bool, bool), BackendError> {
        match self.cur_flags.get() {
            (false, false) => Err(BackendError::NoInterest),
            interest => Ok(interest),
        }
    }
}

impl<H: Pollable> PollingHandle<'_, H> {
    /// Sleeps until the handle is ready, at most until `deadline`, and clears it. May return early.
    ///
    /// # Errors
    /// [`BackendError::NoInterest`], [`BackendError::Io`].
    pub fn wait(&self, deadline: Deadline) -> Result<(), BackendError> {
        self.interest()?;
        if self.handle.poll(self.cur_flags, deadline)? {
            self.clear();
        }
        Ok(())
    }
}

impl<H: fmt::Debug> fmt::Debug for PollingHandle<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollingHandle")
            .field("handle", &self.handle)
            .field("cur_flags", &self.cur_flags)
            .field("max_flags", &self.max_flags)
            .finish_non_exhaustive()
    }
}

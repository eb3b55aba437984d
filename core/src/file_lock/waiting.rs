//! A wait as a future, which a forked child may drop or poll like everybody else.
//!
//! The child's copy stands in queues that were copied as well, maybe while another thread held their locks, and what it had open was
//! closed by `fork`: that descriptor may be any other file's by then. So a child touches nothing of it. Dropped, it is left where it is, in
//! memory of its own, so that what leads to it from those queues still leads somewhere. Polled, it is left, too, and the child begins
//! a wait for itself.

use crate::allocate::try_box;
use crate::file_lock::error::FileLockIoError;
use crate::file_lock::process::ProcessId;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

/// See the file head.
pub(super) struct Waiting<F> {
    wait: ManuallyDrop<Pin<Box<F>>>,
    process: ProcessId,
}

impl<F: Future> Waiting<F> {
    pub(super) fn new(wait: F) -> Result<Waiting<F>, FileLockIoError> {
        let wait = try_box(wait).ok_or_else(FileLockIoError::no_memory)?;
        Ok(Waiting { wait: ManuallyDrop::new(Box::into_pin(wait)), process: ProcessId::this() })
    }

    /// Polls it; in a forked child one that `begin` begins there.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        begin: impl FnOnce() -> Result<Waiting<F>, FileLockIoError>,
    ) -> Result<Poll<F::Output>, FileLockIoError> {
        if !self.process.is_this() {
            *self = begin()?;
        }
        Ok(self.wait.as_mut().poll(context))
    }
}

impl<F> Drop for Waiting<F> {
    fn drop(&mut self) {
        if self.process.is_this() {
            // SAFETY: once, here.
            unsafe { ManuallyDrop::drop(&mut self.wait) };
        }
    }
}

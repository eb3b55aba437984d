//! The hooks (`on_close`, `on_destroy`) that a thread is running, of which it is known to be inside.
//!
//! They lie on the stack of whoever runs them, so that a free needs no memory. One on top of another is the innermost.

use crate::shim::{AtomicPtr, Ordering};
use std::ptr;

/// See the file head. Its thread's alone.
pub(crate) struct RunningHooks(AtomicPtr<Frame>);

struct Frame {
    token: u64,
    outer: *mut Frame,
}

impl RunningHooks {
    pub(crate) fn new() -> RunningHooks {
        RunningHooks(AtomicPtr::new(ptr::null_mut()))
    }

    /// Runs a hook of `token`'s.
    #[inline]
    pub(crate) fn run(&self, token: u64, hook: impl FnOnce()) {
        let mut frame = Frame { token, outer: self.0.load(Ordering::Relaxed) };
        self.0.store(&raw mut frame, Ordering::Relaxed);
        hook();
        self.0.store(frame.outer, Ordering::Relaxed);
    }

    /// How many of `token`'s are running.
    ///
    /// # Safety
    /// By the thread that runs them.
    pub(crate) unsafe fn running(&self, token: u64) -> u32 {
        let mut running = 0;
        let mut frame = self.0.load(Ordering::Relaxed);
        // SAFETY: the caller's promise: frames are pushed and popped by this thread alone, and outlive what runs inside them.
        while let Some(inner) = unsafe { frame.as_ref() } {
            running += u32::from(inner.token == token);
            frame = inner.outer;
        }
        running
    }

    /// The thread has ended: none are running.
    pub(crate) fn forget(&self) {
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
    }
}

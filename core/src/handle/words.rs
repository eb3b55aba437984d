//! What a thread was told last, in words: a C string.

use std::cell::UnsafeCell;
use std::ffi::c_char;

/// See the file head.
pub(crate) struct Words(UnsafeCell<[u8; 1024]>);

// SAFETY: only the thread whose words they are reads and writes them (`get`, and what is made of `as_ptr`).
unsafe impl Sync for Words {}

impl Words {
    pub(crate) fn new() -> Words {
        Words(UnsafeCell::new([0; 1024]))
    }

    /// To be written.
    ///
    /// # Safety
    /// By the thread whose they are, which has no other such reference.
    #[allow(clippy::mut_from_ref, reason = "the caller's promise")]
    pub(crate) unsafe fn get(&self) -> &mut [u8] {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.0.get() }
    }

    /// A C string, until they are written again.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.get().cast_const().cast()
    }
}

//! The report of every handle, for a C caller's memory.

use crate::error::Error;
use crate::ffi::{Status, call, write};
use crate::handle;
use crate::text::Cut;
use std::ffi::c_char;

/// Writes [`handle::report`] as `snprintf` does: what fits into `cap` bytes, cut between characters, with a NUL behind
/// it. `*out_len` becomes the length of the whole.
///
/// # Safety
/// `out` is NULL or writable for `cap` bytes, `out_len` is NULL or writable.
pub unsafe fn report(out: *mut c_char, cap: usize, out_len: *mut usize) -> Status {
    call(|| {
        if out_len.is_null() || (out.is_null() && cap > 0) {
            return Err(Error::Null);
        }
        // SAFETY: the caller's promise.
        let mut text = unsafe { Cut::at(out.cast(), cap) };
        // It never fails to write.
        let _ = handle::report(&mut text);
        // SAFETY: the caller's promise.
        unsafe { write(out_len, text.length()) }
    })
}

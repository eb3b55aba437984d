//! Run-down: what is shut and opened again, embedded in the caller's own memory.

use crate::status::qz_status;
use quiescent_core::ffi;
use quiescent_core::{Error, RundownError};

/// Protects a struct of yours that is shut down and opened again: eight bytes, embedded in it, all zero
/// when it is open.
///
/// Its memory must stay in place while anybody may still call anything on it. It knows no threads: do
/// not wait while holding references, and after a fork the child's copy still counts the parent's.
#[derive(Debug)]
#[repr(C)]
pub struct qz_rundown {
    /// The library's.
    pub word: u64,
}

fn refused(error: RundownError) -> Error {
    match error {
        RundownError::Completed => Error::Freed,
        RundownError::Limit => Error::Limit,
        _ => Error::Busy,
    }
}

/// Acquires `n` references at once, all or none. Never blocks.
///
/// - QZ_OK: release them with qz_rundown_release, on any thread.
/// - QZ_ERR_BUSY: a run-down is in progress. QZ_ERR_FREED: it is complete.
/// - QZ_ERR_LIMIT: more than 16,777,214 would be out. QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, or
///   `r` misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rundown_try_acquire(r: *mut qz_rundown, n: u32) -> qz_status {
    let acquired = ffi::call(|| {
        // SAFETY: `r` is NULL or points at a run-down.
        let rundown = unsafe { ffi::rundown(r) }?;
        if n == 0 {
            return Err(Error::InvalidArgument);
        }
        // The references are given back in `qz_rundown_release`.
        rundown.try_acquire_n(n).map(std::mem::forget).map_err(refused)
    });
    acquired.into()
}

/// Releases `n` references. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NOT_INSIDE: fewer are out, so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, or `r` misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rundown_release(r: *mut qz_rundown, n: u32) -> qz_status {
    let released = ffi::call(|| {
        // SAFETY: `r` is NULL or points at a run-down.
        let rundown = unsafe { ffi::rundown(r) }?;
        if n == 0 {
            return Err(Error::InvalidArgument);
        }
        // SAFETY: the caller has acquired them.
        if unsafe { rundown.release(n) } { Ok(()) } else { Err(Error::NotInside) }
    });
    released.into()
}

/// Begins the run-down, so that nothing can be acquired any more, and waits up to `timeout_ms` until all
/// is released. Any number of threads may wait.
///
/// - QZ_OK: complete.
/// - QZ_ERR_TIMEOUT: still in progress; one may wait again.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT: nothing was begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rundown_wait(r: *mut qz_rundown, timeout_ms: i64) -> qz_status {
    let waited = ffi::call(|| {
        // SAFETY: `r` is NULL or points at a run-down.
        let rundown = unsafe { ffi::rundown(r) }?;
        if rundown.wait_for_rundown_timeout(ffi::timeout(timeout_ms)?) { Ok(()) } else { Err(Error::Timeout) }
    });
    waited.into()
}

/// Opens a completed run-down again. Prepare the struct first: others may acquire before this returns.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_BUSY: not complete (in progress, or never begun), so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rundown_re_init(r: *mut qz_rundown) -> qz_status {
    let opened = ffi::call(|| {
        // SAFETY: `r` is NULL or points at a run-down.
        unsafe { ffi::rundown(r) }?.re_init().map_err(refused)
    });
    opened.into()
}

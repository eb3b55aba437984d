//! Cache-aware run-down: what is shut and opened again, and used by many threads all the time.

use crate::status::qz_status;
use quiescent_core::ffi;
use quiescent_core::{CacheAwareRundown, Error, RundownError};

/// As a qz_rundown, for what many threads use at once: they acquire and release without disturbing each
/// other.
///
/// An address, not a token, and an object of the library's heap: 128 bytes, and as many for each
/// processor (at most 64). It is yours: make it with qz_cache_aware_rundown_new, and give it back with
/// qz_cache_aware_rundown_delete, once. No other function may be called on it after that, and any but
/// NULL and what qz_cache_aware_rundown_new made is undefined behaviour.
///
/// It knows no threads: do not wait while holding references, and after a fork the child's copy still
/// counts the parent's.
pub struct qz_cache_aware_rundown {
    _opaque: (),
}

fn refused(error: RundownError) -> Error {
    match error {
        RundownError::Completed => Error::Freed,
        RundownError::Limit => Error::Limit,
        _ => Error::Busy,
    }
}

/// Makes a run-down that is open, with nothing acquired. Does not block. Pairs with
/// qz_cache_aware_rundown_delete.
///
/// - QZ_OK: `*out` is the run-down.
/// - QZ_ERR_NULL; QZ_ERR_NO_MEMORY: `*out` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cache_aware_rundown_new(out: *mut *mut qz_cache_aware_rundown) -> qz_status {
    let make = || Ok(std::ptr::from_mut(ffi::leak(CacheAwareRundown::new()?)?).cast());
    // SAFETY: `out` is NULL or writable.
    unsafe { ffi::produce(out, make).into() }
}

/// Acquires `n` references at once, all or none. Never blocks.
///
/// While a run-down is about to begin, some threads are refused before others; once any
/// qz_cache_aware_rundown_wait has returned, all are.
///
/// - QZ_OK: release them with qz_cache_aware_rundown_release, on any thread, with the number that is in
///   `*out_stripe` now.
/// - QZ_ERR_BUSY: a run-down is in progress. QZ_ERR_FREED: it is complete.
/// - QZ_ERR_LIMIT: more than 16,777,214 would be out, of this thread and those that share its stripe.
///   QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, or `r` misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cache_aware_rundown_try_acquire(
    r: *mut qz_cache_aware_rundown,
    n: u32,
    out_stripe: *mut u32,
) -> qz_status {
    let acquired = ffi::call(|| {
        // SAFETY: `r` is NULL or a run-down.
        let rundown = unsafe { ffi::cache_aware_rundown(r) }?;
        if out_stripe.is_null() {
            return Err(Error::Null);
        }
        if n == 0 {
            return Err(Error::InvalidArgument);
        }
        let references = rundown.try_acquire_n(n).map_err(refused)?;
        let stripe = references.stripe();
        // They are given back in `qz_cache_aware_rundown_release`.
        std::mem::forget(references);
        // SAFETY: `out_stripe` is writable.
        unsafe { ffi::write(out_stripe, stripe) }
    });
    acquired.into()
}

/// Releases `n` references that were acquired with this `stripe`. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NOT_INSIDE: fewer are out there, so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, there is no such stripe, or `r` is misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cache_aware_rundown_release(
    r: *mut qz_cache_aware_rundown,
    n: u32,
    stripe: u32,
) -> qz_status {
    let released = ffi::call(|| {
        // SAFETY: `r` is NULL or a run-down.
        let rundown = unsafe { ffi::cache_aware_rundown(r) }?;
        if n == 0 {
            return Err(Error::InvalidArgument);
        }
        // SAFETY: the caller has acquired them.
        unsafe { rundown.release(n, stripe) }
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
pub unsafe extern "C" fn qz_cache_aware_rundown_wait(r: *mut qz_cache_aware_rundown, timeout_ms: i64) -> qz_status {
    let waited = ffi::call(|| {
        // SAFETY: `r` is NULL or a run-down.
        let rundown = unsafe { ffi::cache_aware_rundown(r) }?;
        if rundown.wait_for_rundown_timeout(ffi::timeout(timeout_ms)?) { Ok(()) } else { Err(Error::Timeout) }
    });
    waited.into()
}

/// Opens a completed run-down again. Prepare what it protects first: others may acquire before this
/// returns. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_BUSY: not complete (in progress, or never begun), so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cache_aware_rundown_re_init(r: *mut qz_cache_aware_rundown) -> qz_status {
    let opened = ffi::call(|| {
        // SAFETY: `r` is NULL or a run-down.
        unsafe { ffi::cache_aware_rundown(r) }?.re_init().map_err(refused)
    });
    opened.into()
}

/// Gives its memory back, if the run-down is complete. Never blocks.
///
/// The caller owns it, calls this once, and sees to it that no other call on it is running or follows,
/// as with free(). (A qz_cache_aware_rundown_release that a qz_cache_aware_rundown_wait has waited for
/// may still be returning.)
///
/// - QZ_OK: it does not exist any more; or `r` is NULL, and nothing was done.
/// - QZ_ERR_BUSY: not complete (in progress, or never begun), so nothing was changed.
/// - QZ_ERR_INVALID_ARGUMENT: misaligned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cache_aware_rundown_delete(r: *mut qz_cache_aware_rundown) -> qz_status {
    if r.is_null() {
        return qz_status::QZ_OK;
    }
    let deleted = ffi::call(|| {
        // SAFETY: `r` is a run-down.
        if !unsafe { ffi::cache_aware_rundown(r) }?.is_complete() {
            return Err(Error::Busy);
        }
        // SAFETY: leaked in `qz_cache_aware_rundown_new`, and the caller uses it no more.
        drop(unsafe { Box::from_raw(r.cast::<CacheAwareRundown>()) });
        Ok(())
    });
    deleted.into()
}

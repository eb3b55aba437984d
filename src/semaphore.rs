//! Semaphores: a number of permits, to be taken and given back.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::hold::qz_hold;
use crate::status::qz_status;
use quiescent_core::Hold;
use quiescent_core::ffi::{self, Refused, Submission, Taken};
use quiescent_core::sync::Semaphore;
use std::ffi::c_void;

/// A number of permits. Fair: first in, first out; a caller that wants many is not overtaken by those that want
/// few. Not re-entrant: a thread that waits for permits that it has itself waits on. Permits may be given back
/// on another thread.
pub struct qz_semaphore {
    _token: (),
}

/// A semaphore with `initial` permits, never more than `max` (at most 2^28). Does not block. Pairs with
/// qz_semaphore_free.
///
/// - QZ_OK: `*out_semaphore` is the handle.
/// - QZ_ERR_INVALID_ARGUMENT (`max` is 0 or too large, or `initial` is more), QZ_ERR_NULL, QZ_ERR_LIMIT,
///   QZ_ERR_NO_MEMORY: `*out_semaphore` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_new(initial: u32, max: u32, out_semaphore: *mut *mut qz_semaphore) -> qz_status {
    // SAFETY: `out_semaphore` is NULL or writable.
    unsafe { ffi::open(out_semaphore, || Semaphore::new(initial, max)).into() }
}

/// Takes `permits` permits, waiting until they are there. They are given back by qz_hold_release.
///
/// - QZ_OK: `*out_hold` owns them.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has them), QZ_ERR_CANCELLED, QZ_ERR_FREED (the semaphore, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT: `permits` is 0 or more than the maximum, so that no wait would help; or `timeout_ms`.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (also of `cancel`, which may be NULL),
///   QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_acquire(
    semaphore: *mut qz_semaphore,
    permits: u32,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe {
        ffi::take(semaphore, c"qz_semaphore_acquire", timeout_ms, cancel, out_hold, |s: &Semaphore, wait| {
            s.take(permits, wait)
        })
    };
    taken.into()
}

/// Takes `permits` permits if they are there and nobody waits. Never blocks.
///
/// - QZ_OK: `*out_hold` owns them.
/// - QZ_ERR_BUSY (qz_last_error() says who has them), QZ_ERR_FREED, QZ_ERR_INVALID_ARGUMENT (`permits` is 0 or more
///   than the maximum), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT,
///   QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_try_acquire(
    semaphore: *mut qz_semaphore,
    permits: u32,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    unsafe {
        ffi::try_take(semaphore, c"qz_semaphore_try_acquire", out_hold, |s: &Semaphore| s.try_take(permits)).into()
    }
}

/// Adds permits. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_LIMIT: there would be more than the maximum, counting those that are taken; none was added.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_add(semaphore: *mut qz_semaphore, permits: u32) -> qz_status {
    ffi::with(semaphore, c"qz_semaphore_add", |s: &Semaphore| s.add(permits)).into()
}

/// Takes up to `permits` of the permits that are there away for good. Never blocks.
///
/// - QZ_OK: `*out_forgotten` (unless NULL) is how many.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_forget(
    semaphore: *mut qz_semaphore,
    permits: u32,
    out_forgotten: *mut u32,
) -> qz_status {
    let forgotten = ffi::with(semaphore, c"qz_semaphore_forget", |s: &Semaphore| {
        // SAFETY: `out_forgotten` is NULL or writable.
        unsafe { ffi::write_optional(out_forgotten, s.forget(permits)) };
        Ok(())
    });
    forgotten.into()
}

/// How many permits are there, at some moment during the call. Never blocks.
///
/// - QZ_OK: `*out_available` is the number.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_available(semaphore: *mut qz_semaphore, out_available: *mut u32) -> qz_status {
    // SAFETY: `out_available` is NULL or writable.
    let available =
        unsafe { ffi::answer(semaphore, c"qz_semaphore_available", out_available, |s: &Semaphore| Ok(s.available())) };
    available.into()
}

/// Takes `permits` without blocking the thread: completes on `backend` when they are taken. In the same line as those that block.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `semaphore` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` has the permits. QZ_ERR_INVALID_ARGUMENT (`permits` is 0, or more than there can be),
///   QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken, and nobody stands in line any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_acquire_async(
    semaphore: *mut qz_semaphore,
    permits: u32,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted =
        ffi::take_async(semaphore, c"qz_semaphore_acquire_async", on, move |hold: Hold<Semaphore>| async move {
            let taken = hold.take_async(permits).await.map(Taken::from).map_err(Refused::from);
            (hold, taken)
        });
    submitted.into()
}

/// As qz_handle_free. Whoever waits for permits is refused at once, as freed; permits that are out are waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_semaphore_free(semaphore: *mut qz_semaphore, timeout_ms: i64) -> qz_status {
    ffi::free::<Semaphore>(semaphore, timeout_ms).into()
}

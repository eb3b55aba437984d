//! Notifies: waking one that waits, or all.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::status::qz_status;
use quiescent_core::Hold;
use quiescent_core::ffi::{self, Refused, Submission};
use quiescent_core::sync::Notify;
use std::ffi::c_void;

/// Wakes those that wait for it. Fair: first in, first out. One that was chosen and gives up at the same moment passes
/// its wake-up on. Nothing is held, so nothing can be poisoned, and a thread may wake what it waits for next.
pub struct qz_notify {
    _token: (),
}

/// A notify with nothing stored. Does not block. Pairs with qz_notify_free.
///
/// - QZ_OK: `*out_notify` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_notify` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_notify_new(out_notify: *mut *mut qz_notify) -> qz_status {
    // SAFETY: `out_notify` is NULL or writable.
    unsafe { ffi::open(out_notify, || Ok(Notify::new())).into() }
}

/// Waits to be woken, or takes the wake-up that is stored.
///
/// - QZ_OK: woken. What the caller that woke did before is seen.
/// - QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED (the notify, before or meanwhile; or `cancel`, before): not woken,
///   and not in line any more.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_NO_MEMORY (a thread's first call): it did not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_notify_wait(notify: *mut qz_notify, timeout_ms: i64, cancel: *mut qz_cancel) -> qz_status {
    ffi::wait(notify, c"qz_notify_wait", timeout_ms, cancel, |n: &Notify, wait| n.wait(wait)).into()
}

/// Wakes the one that has waited longest. If nobody waits, the wake-up is stored for the next to come; one at most.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_notify_one(notify: *mut qz_notify) -> qz_status {
    let woken = ffi::with(notify, c"qz_notify_one", |n: &Notify| {
        n.notify_one();
        Ok(())
    });
    woken.into()
}

/// Wakes all that wait at this moment; nothing is stored for those that come later. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_notify_all(notify: *mut qz_notify) -> qz_status {
    let woken = ffi::with(notify, c"qz_notify_all", |n: &Notify| {
        n.notify_all();
        Ok(())
    });
    woken.into()
}

/// Waits to be woken without blocking the thread: completes on `backend` then. In line from the submission on.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `notify` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: woken. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: a wake-up for one that came meanwhile goes to
///   the next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_notify_wait_async(
    notify: *mut qz_notify,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::wait_async(notify, c"qz_notify_wait_async", on, |hold: Hold<Notify>| async move {
        let woken = hold.notified().await.map_err(Refused::from);
        (hold, woken.map(|()| 0))
    });
    submitted.into()
}

/// As qz_handle_free. Whoever waits is refused at once, as freed; who was woken before is not.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_notify_free(notify: *mut qz_notify, timeout_ms: i64) -> qz_status {
    ffi::free::<Notify>(notify, timeout_ms).into()
}

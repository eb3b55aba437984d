//! Barriers: a number of callers wait for each other.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::status::qz_status;
use quiescent_core::Hold;
use quiescent_core::ffi::{self, Refused, Submission};
use quiescent_core::sync::Barrier;
use std::ffi::c_void;

/// A number of callers wait for each other, as often as they like. Fair: all that have arrived go on together. Not
/// re-entrant: a thread that waits here cannot arrive again. Nothing is held, so nothing can be poisoned.
pub struct qz_barrier {
    _token: (),
}

/// A barrier for `n` callers (1 to 2^20 - 1). Does not block. Pairs with qz_barrier_free.
///
/// - QZ_OK: `*out_barrier` is the handle.
/// - QZ_ERR_INVALID_ARGUMENT (`n` is 0 or too large), QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_barrier`
///   is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_barrier_new(n: u32, out_barrier: *mut *mut qz_barrier) -> qz_status {
    // SAFETY: `out_barrier` is NULL or writable.
    unsafe { ffi::open(out_barrier, || Barrier::new(n)).into() }
}

/// Arrives, and waits until all have; then the barrier is ready for the next time. What each caller did before it
/// arrived, all see when they go on. The last to arrive does not wait.
///
/// - QZ_OK: all have arrived. `*out_is_leader` (unless NULL) is true for exactly one of them. This is the answer,
///   too, if the last one arrives at the very moment at which the wait would end otherwise.
/// - QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED (the barrier, before or meanwhile; or `cancel`, before): the
///   arrival is withdrawn, as if it had never been; the others wait on for as many as before.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_NO_MEMORY (a thread's first call): it did not arrive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_barrier_wait(
    barrier: *mut qz_barrier,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_is_leader: *mut bool,
) -> qz_status {
    let waited = ffi::wait(barrier, c"qz_barrier_wait", timeout_ms, cancel, |b: &Barrier, wait| {
        // SAFETY: `out_is_leader` is NULL or writable.
        b.wait(wait).map(|all| unsafe { ffi::write_optional(out_is_leader, all.is_leader()) })
    });
    waited.into()
}

/// Arrives without blocking the thread: completes on `backend` when all have arrived.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `barrier` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `value` is 1 for the leader, 0 for the others. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED: it is withdrawn.
///   QZ_ERR_FREED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_barrier_wait_async(
    barrier: *mut qz_barrier,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::wait_async(barrier, c"qz_barrier_wait_async", on, |hold: Hold<Barrier>| async move {
        let over = hold.wait_async().await.map_err(Refused::from);
        (hold, over.map(|over| usize::from(over.is_leader())))
    });
    submitted.into()
}

/// As qz_handle_free. Whoever waits at it is refused at once, as freed.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_barrier_free(barrier: *mut qz_barrier, timeout_ms: i64) -> qz_status {
    ffi::free::<Barrier>(barrier, timeout_ms).into()
}

//! Frees: the end of a handle, whatever its kind.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::handle::qz_handle;
use crate::status::qz_status;
use quiescent_core::ffi::{self, Submission};
use std::ffi::c_void;

/// Frees `h`: closes it, wakes what blocks (`on_close`), waits up to `timeout_ms` for those inside,
/// destroys the object (`on_destroy`). From any thread, however often, at the same time.
///
/// - QZ_OK: this call did; or `h` is NULL.
/// - QZ_ALREADY_FREED: another call did, or began to. After this as after QZ_OK the object is destroyed.
/// - QZ_FREE_PENDING: closed, but somebody is still inside (qz_last_error() and qz_handle_occupants()
///   say who), or it is being destroyed at this moment. The last one out destroys the object;
///   qz_handle_wait_freed waits for that, and a further free wakes what blocks again. At the deadline;
///   at once with `timeout_ms` 0, and if the caller is inside itself or holds that this thread took are
///   all that is in flight. (Also at once where a sandbox has taken the system call membarrier away
///   since: nobody can tell who is inside then. qz_last_error() says so, and a further free tries again.)
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold: release it), QZ_ERR_FORKED, QZ_ERR_INVALID_ARGUMENT
///   (`timeout_ms`): nothing was closed.
///
/// Of a kind: refuses new handles and waits for the open ones, but does not free them; qz_kind_close
/// does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_free(h: *mut qz_handle, timeout_ms: i64) -> qz_status {
    ffi::free_handle(h, timeout_ms).into()
}

/// Frees `h` if nobody is inside. Does not block, but for `on_destroy`.
///
/// - QZ_OK, QZ_ALREADY_FREED: as qz_handle_free.
/// - QZ_ERR_BUSY: somebody is inside, or another thread's qz_handle_try_free looks at this moment. The
///   handle stays open, and nobody is refused on account of this call.
/// - QZ_FREE_PENDING: another call has closed it, and it is not destroyed yet.
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED: nothing was closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_try_free(h: *mut qz_handle) -> qz_status {
    ffi::try_free_handle(h).into()
}

/// Frees `n` handles: closes all of them first, then waits for all up to one common deadline.
///
/// `out_status`, unless NULL, gets `n` statuses, each as of qz_handle_free. A NULL counts as QZ_OK; of a
/// handle listed twice, one gets QZ_OK and the other QZ_ALREADY_FREED.
///
/// - QZ_OK: all are destroyed.
/// - QZ_FREE_PENDING: some are pending.
/// - The refusal of one that was refused, if none is pending; the others are freed all the same.
/// - QZ_ERR_NULL (`handles`, with `n` > 0), QZ_ERR_INVALID_ARGUMENT (`timeout_ms`, or more than can
///   exist), QZ_ERR_NO_MEMORY: nothing was closed, and `out_status` is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_free_many(
    handles: *const *mut qz_handle,
    n: usize,
    timeout_ms: i64,
    out_status: *mut qz_status,
) -> qz_status {
    // SAFETY: `handles` is NULL or `n` readable pointers, `out_status` is NULL or has room for `n`.
    unsafe {
        match ffi::list(handles, n) {
            Ok(list) => ffi::free_many(list, timeout_ms, |position, status| {
                if !out_status.is_null() {
                    out_status.add(position).write(status.into());
                }
            }),
            Err(error) => ffi::call(|| Err::<(), _>(error)),
        }
        .into()
    }
}

/// Waits until the object of `h` is destroyed, by whomever; does not free it. Any number of threads may
/// wait, any number of times.
///
/// - QZ_OK: destroyed.
/// - QZ_ERR_TIMEOUT: not by then.
/// - QZ_ERR_DEADLOCK: the caller itself keeps it alive, being inside, or with holds that are all that is
///   in flight.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED, QZ_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_wait_freed(h: *mut qz_handle, timeout_ms: i64) -> qz_status {
    ffi::wait_handle_freed(h, timeout_ms).into()
}

/// Frees `h` without blocking the thread: closes it at once, and completes on `backend` when the object is destroyed.
/// `on_close` is called by the thread that submits or polls, and again until those inside have left.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (each of `h` and `backend`, or of `cancel`, which may be NULL), QZ_ERR_FREED (`backend`,
///   or `cancel`), QZ_ERR_NO_MEMORY: nothing was freed.
/// - Completion: QZ_OK: this call freed it. QZ_ALREADY_FREED: another did. QZ_FREE_PENDING (at the deadline) and
///   QZ_ERR_CANCELLED: closed, but somebody is still inside; the last one out destroys the object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_free_async(
    h: *mut qz_handle,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    ffi::free_async(h, c"qz_handle_free_async", on).into()
}

/// Waits until `h` is freed, by whomever, without blocking the thread: completes on `backend` when the object is destroyed.
/// A wait that ends early leaves a hundred bytes with `h` until that is freed.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (each of `h` and `backend`, or of `cancel`, which may be NULL), QZ_ERR_FREED (`backend`,
///   or `cancel`), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: the object is destroyed. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_wait_freed_async(
    h: *mut qz_handle,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    ffi::wait_freed_async(h, c"qz_handle_wait_freed_async", on).into()
}

/// Has `fn(ctx)` called once, right after the object of `h` is destroyed, on the thread that destroyed
/// it. Does not block, but for `fn`.
///
/// Any number may be registered; they run in the order of registration, before the call that destroyed
/// the object returns. (A wait, or another thread's free, may return before they have run.)
///
/// - QZ_OK: it will be called.
/// - QZ_ALREADY_FREED: the object was destroyed before, and it has been called, on this thread (or, if
///   that was a moment ago, is being called on the thread that destroyed it).
/// - QZ_ERR_NULL (`h` or `fn`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY: it is never called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_on_freed(
    h: *mut qz_handle,
    r#fn: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> qz_status {
    // SAFETY: the callback may be called once, on any thread, with `ctx`.
    unsafe { ffi::on_handle_freed(h, r#fn, ctx).into() }
}

/// Frees every handle of this process, of every kind, within `timeout_ms`; kinds stay usable. For tests
/// and orderly exits.
///
/// `*out_left`, unless `out_left` is NULL, becomes the number of handles that are left.
///
/// - QZ_OK: none.
/// - QZ_FREE_PENDING: some; somebody is inside, or they were opened meanwhile.
/// - QZ_ERR_INVALID_ARGUMENT, QZ_ERR_NO_MEMORY: nothing was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_quiesce_all(timeout_ms: i64, out_left: *mut usize) -> qz_status {
    // SAFETY: `out_left` is NULL or writable.
    unsafe { ffi::quiesce_all(timeout_ms, out_left).into() }
}

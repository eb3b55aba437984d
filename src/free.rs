//! The end of a handle, whatever its kind.

use crate::handle::qz_handle;
use crate::status::qz_status;
use quiescent_core::Freed;
use quiescent_core::ffi::{self, Status};
use quiescent_core::handle::AnyHandle;
use std::ffi::c_void;

/// Frees `h`: closes it, wakes what blocks (`on_close`), waits up to `timeout_ms` for those inside,
/// destroys the object (`on_destroy`).
///
/// QZ_OK: this call did; or `h` is NULL. QZ_ALREADY_FREED: another call did. After either, the object is
/// destroyed. QZ_FREE_PENDING: closed, but somebody is still inside at the deadline (qz_last_error() and
/// qz_handle_occupants() say who): the last one out destroys the object. At once with `timeout_ms` 0,
/// and also if the caller is inside itself or its own holds are all that is in flight.
///
/// From any thread, however often, at the same time: one call wins, the others wait for it up to their
/// own `timeout_ms`. QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold: release it), QZ_ERR_FORKED,
/// QZ_ERR_INVALID_ARGUMENT (`timeout_ms`): nothing was closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_free(h: *mut qz_handle, timeout_ms: i64) -> qz_status {
    ffi::free_handle(h, timeout_ms).into()
}

/// Frees `h` if nobody is inside; does not block, but for `on_destroy`.
///
/// QZ_OK, QZ_ALREADY_FREED as qz_handle_free. QZ_ERR_BUSY: somebody is inside; the handle stays open,
/// and nobody is refused on account of this call. QZ_FREE_PENDING: another call has closed it, and it is
/// not destroyed yet. Others as qz_handle_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_try_free(h: *mut qz_handle) -> qz_status {
    if h.is_null() {
        return qz_status::QZ_OK;
    }
    ffi::call(|| AnyHandle::from_raw(h).try_free(None)).into()
}

/// Frees `n` handles: closes all of them first, then waits for all up to one common deadline.
///
/// `out_status`, if not NULL, gets `n` statuses, each as of qz_handle_free. Answers QZ_OK when all are
/// destroyed; else QZ_FREE_PENDING when some are pending; else the refusal of one that was refused (the
/// others are freed all the same). QZ_ERR_NULL (`handles`, with `n` > 0), QZ_ERR_INVALID_ARGUMENT
/// (`timeout_ms`), QZ_ERR_NO_MEMORY: nothing was closed, and `out_status` is as it was.
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
/// QZ_OK: destroyed. QZ_ERR_TIMEOUT: not by then. QZ_ERR_DEADLOCK: the caller itself keeps it alive,
/// being inside or with holds that are all that is in flight. QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
/// QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED, QZ_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_wait_freed(h: *mut qz_handle, timeout_ms: i64) -> qz_status {
    ffi::wait_freed(h, timeout_ms).into()
}

/// Has `fn(ctx)` called once, right after the object of `h` is destroyed, on the thread that destroyed
/// it.
///
/// QZ_OK: it will be called. QZ_ALREADY_FREED: the object was destroyed before, and it has been called,
/// on this thread. Any number may be registered; they run in the order of registration. QZ_ERR_NULL (`h`
/// or `fn`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED, QZ_ERR_NO_MEMORY: it is never
/// called. Does not block, but for `fn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_on_freed(
    h: *mut qz_handle,
    r#fn: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> qz_status {
    let registered = ffi::call(|| {
        // SAFETY: the callback may be called once, on any thread, with `ctx`.
        let run = unsafe { ffi::callback(r#fn, ctx) }?;
        Ok(match AnyHandle::from_raw(h).on_freed(run)? {
            Freed::AlreadyFreed => Status::AlreadyFreed,
            Freed::Pending | Freed::Destroyed => Status::Ok,
        })
    });
    registered.into()
}

/// Frees every handle of this process, of every kind, within `timeout_ms`; kinds stay usable. For tests
/// and orderly exits.
///
/// QZ_OK: none is left. QZ_FREE_PENDING: `*out_left` are (somebody is inside, or they were opened
/// meanwhile). `out_left` may be NULL. QZ_ERR_INVALID_ARGUMENT, QZ_ERR_NO_MEMORY: nothing was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_quiesce_all(timeout_ms: i64, out_left: *mut usize) -> qz_status {
    // SAFETY: `out_left` is NULL or writable.
    unsafe { ffi::quiesce_all(timeout_ms, out_left).into() }
}

//! Cancel tokens: ending waits from outside.

use crate::status::qz_status;
use quiescent_core::Deadline;
use quiescent_core::ffi;
use quiescent_core::sync::CancelToken;

/// Ends the waits it is given to, as soon as it is cancelled. A call that waits keeps a share of it: freeing
/// the handle neither cancels nor disturbs that call.
pub struct qz_cancel {
    _token: (),
}

/// A token that is not cancelled. Does not block. Pairs with qz_cancel_free.
///
/// - QZ_OK: `*out_cancel` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_cancel` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_new(out_cancel: *mut *mut qz_cancel) -> qz_status {
    // SAFETY: `out_cancel` is NULL or writable.
    unsafe { ffi::open(out_cancel, CancelToken::new).into() }
}

/// A token that is cancelled with `parent`, and can be by itself. Does not block. It outlives the handle of
/// its parent. Pairs with qz_cancel_free.
///
/// - QZ_OK: `*out_cancel` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (of `parent`),
///   QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_cancel` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_child(parent: *mut qz_cancel, out_cancel: *mut *mut qz_cancel) -> qz_status {
    let make = || ffi::cancel_token(parent)?.ok_or(quiescent_core::Error::Null)?.child();
    // SAFETY: `out_cancel` is NULL or writable.
    unsafe { ffi::open(out_cancel, make).into() }
}

/// Cancels it and its children, for ever: every call that waits with one of them ends
/// as cancelled, and so does every later one. Never blocks. As often as you like.
///
/// - QZ_OK.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_cancel(cancel: *mut qz_cancel) -> qz_status {
    let cancelled = ffi::with(cancel, c"qz_cancel_cancel", |token: &CancelToken| {
        token.cancel();
        Ok(())
    });
    cancelled.into()
}

/// Has it cancelled `timeout_ms` from now, unless it is earlier; the earliest of several calls counts. Takes no
/// thread and no timer: the calls that wait with it or its children keep the deadline. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_after(cancel: *mut qz_cancel, timeout_ms: i64) -> qz_status {
    let set = ffi::with(cancel, c"qz_cancel_after", |token: &CancelToken| {
        token.cancel_at(Deadline::after(ffi::timeout(timeout_ms)?))
    });
    set.into()
}

/// Whether a wait with it would end at once: true unless `cancel` is an open token that is not cancelled. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_is_cancelled(cancel: *mut qz_cancel) -> bool {
    ffi::cancel_token(cancel).map_or(true, |token| token.is_none_or(|token| token.is_cancelled()))
}

/// Waits until it is cancelled.
///
/// - QZ_OK: it is.
/// - QZ_ERR_TIMEOUT.
/// - QZ_ERR_FREED: it was freed before. (Freed meanwhile, it is still waited for: a parent may cancel it.)
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_wait(cancel: *mut qz_cancel, timeout_ms: i64) -> qz_status {
    let waited = ffi::call(|| {
        let deadline = Deadline::after(ffi::timeout(timeout_ms)?);
        let token = ffi::cancel_token(cancel)?.ok_or(quiescent_core::Error::Null)?;
        Ok(token.wait(deadline)?)
    });
    waited.into()
}

/// As qz_handle_free. Whoever waits with it goes on waiting, and is not counted as inside.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_cancel_free(cancel: *mut qz_cancel, timeout_ms: i64) -> qz_status {
    ffi::free::<CancelToken>(cancel, timeout_ms).into()
}

//! Once: a value that is made once.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::hold::qz_hold;
use crate::status::qz_status;
use quiescent_core::Hold;
use quiescent_core::ffi::{self, Init, OncePointer, Refused, Submission};
use std::ffi::c_void;

/// A value that is made once, by whoever comes first, and belongs to the handle from then on. A value stays
/// valid until the handle is destroyed: who cannot know that nobody frees it meanwhile takes a hold
/// (qz_once_hold).
///
/// Fair: those that wait for the value are in line, first in, first out. If an initialiser refuses, the next in
/// line tries, with its own. Not re-entrant: an initialiser that asks for its own value is told so at once.
pub struct qz_once {
    _token: (),
}

/// An empty cell. Does not block. Pairs with qz_once_free.
///
/// `destroy` (may be NULL) is called with the value and `ctx`, once, after the last operation and hold, on the
/// thread of whichever free, leave or release comes last; not if there is no value.
///
/// - QZ_OK: `*out_once` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_once` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_new(
    destroy: Option<unsafe extern "C" fn(value: *mut c_void, ctx: *mut c_void)>,
    ctx: *mut c_void,
    out_once: *mut *mut qz_once,
) -> qz_status {
    // SAFETY: `out_once` is NULL or writable, and `destroy` as the contract says.
    unsafe { ffi::open(out_once, || Ok(OncePointer::new(destroy, ctx))).into() }
}

/// The value, if it is there. Never blocks.
///
/// - QZ_OK: `*out_value` is the value, valid until the handle is destroyed.
/// - QZ_ERR_BUSY: it is not there: nobody has made it yet, or somebody is about to.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_get(once: *mut qz_once, out_value: *mut *mut c_void) -> qz_status {
    // SAFETY: `out_value` is NULL or writable.
    unsafe { ffi::answer(once, c"qz_once_get", out_value, OncePointer::get).into() }
}

/// As qz_once_get, with a hold: the value is not destroyed before qz_hold_release. Never blocks.
///
/// - QZ_OK: `*out_value` is the value, `*out_hold` keeps it.
/// - QZ_ERR_BUSY, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_LIMIT,
///   QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_hold(
    once: *mut qz_once,
    out_value: *mut *mut c_void,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_value` and `out_hold` are each NULL or writable.
    unsafe { ffi::hold_and_answer(once, c"qz_once_hold", out_value, out_hold, OncePointer::get).into() }
}

/// Gives the cell a value. Never blocks.
///
/// - QZ_OK: `value` (which may be NULL) belongs to the cell.
/// - QZ_ERR_LIMIT: it has a value already, for ever.
/// - QZ_ERR_BUSY: somebody is making one.
/// - QZ_ERR_NULL (`once`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
///
/// After a refusal `value` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_set(once: *mut qz_once, value: *mut c_void) -> qz_status {
    ffi::with(once, c"qz_once_set", |cell: &OncePointer| cell.set(value)).into()
}

/// The value; if it is not there, the one that `init` makes on this thread, or whoever else does meanwhile.
///
/// `init` writes the value (NULL if it writes nothing) and returns 0 or more; or it returns a negative
/// qz_status, and the cell has not changed. It runs without any lock of ours; the others wait for it. The
/// timeout does not end it.
///
/// - QZ_OK: `*out_value` is the value, valid until the handle is destroyed.
/// - Whatever refusal `init` returned: QZ_ERR_IO, for one.
/// - QZ_ERR_INVALID_ARGUMENT: `timeout_ms`; or `init` returned a negative number that is no qz_status.
/// - QZ_ERR_DEADLOCK: called from within the `init` that makes the value.
/// - QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED (the cell, before or meanwhile; or `cancel`, before):
///   nobody waits any more.
/// - QZ_ERR_NULL (also `init`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (also of `cancel`, which
///   may be NULL), QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_get_or_init(
    once: *mut qz_once,
    init: Option<unsafe extern "C" fn(ctx: *mut c_void, out_value: *mut *mut c_void) -> i32>,
    ctx: *mut c_void,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_value: *mut *mut c_void,
) -> qz_status {
    // SAFETY: `out_value` is NULL or writable, and `init` as the contract says.
    let made = unsafe {
        ffi::wait_for_answer(once, c"qz_once_get_or_init", timeout_ms, cancel, out_value, |cell: &OncePointer, wait| {
            cell.get_or_init(init, ctx, wait)
        })
    };
    made.into()
}

/// Gets the value, or makes it, without blocking the thread behind another that makes it: completes on `backend`. `init` is
/// called by the thread that submits or polls, unless there is a value, or somebody else makes one.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL (also `init`), QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `once` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `value` is the value, to be cast to a pointer; it is destroyed with the cell. QZ_ERR_DEADLOCK (from
///   inside of `init`), QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED, or what `init` answered (QZ_ERR_IO, …).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_get_or_init_async(
    once: *mut qz_once,
    init: Option<unsafe extern "C" fn(ctx: *mut c_void, out_value: *mut *mut c_void) -> i32>,
    ctx: *mut c_void,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    // SAFETY: `init` as the contract says.
    let init = match unsafe { Init::new(init, ctx) } {
        Ok(init) => init,
        Err(error) => return ffi::call(|| Err::<(), _>(error)).into(),
    };
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted =
        ffi::wait_async(once, c"qz_once_get_or_init_async", on, move |hold: Hold<OncePointer>| async move {
            let made = hold.get_or_init_async(init).await;
            (hold, made.map(<*mut c_void>::expose_provenance).map_err(Refused::from))
        });
    submitted.into()
}

/// As qz_handle_free. Whoever waits for the value is refused at once, as freed; an initialiser that runs is
/// waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_once_free(once: *mut qz_once, timeout_ms: i64) -> qz_status {
    ffi::free::<OncePointer>(once, timeout_ms).into()
}

//! Holds: in flight until released, on any thread.

use crate::handle::qz_handle;
use crate::kind::qz_kind;
use crate::status::qz_status;
use quiescent_core::Error;
use quiescent_core::ffi;
use quiescent_core::handle::{AnyHandle, RawHold};
use std::ffi::{c_char, c_void};

/// Something taken and not yet given back: a token, to be released exactly once.
pub struct qz_hold {
    _token: (),
}

/// As qz_handle_enter, for what outlives a call or ends on another thread: the object cannot be
/// destroyed before qz_hold_release. Never blocks.
///
/// - QZ_OK: `*out_object` is the object, `*out_hold` the obligation.
/// - As qz_handle_enter, and QZ_ERR_LIMIT and QZ_ERR_NO_MEMORY also for the hold's own token: nothing
///   was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_hold(
    h: *mut qz_handle,
    kind: *mut qz_kind,
    operation: *const c_char,
    out_object: *mut *mut c_void,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    let take = || {
        if out_object.is_null() {
            return Err(Error::Null);
        }
        // SAFETY: `operation` is NULL or never given back.
        let (object, hold) = unsafe { RawHold::take(AnyHandle::from_raw(h), ffi::kind(kind), operation) }?;
        let token = hold.into_token()?;
        // SAFETY: `out_object` is NULL or writable.
        unsafe { ffi::write(out_object, object) }?;
        Ok(token.into_raw())
    };
    // SAFETY: `out_hold` is NULL or writable.
    unsafe { ffi::produce(out_hold, take).into() }
}

/// Says that the hold belongs to another thread from now on: the one that took it may then wait for
/// what is held, where it would be told that it waits for itself, and a free by it waits for the hold as for
/// any other's. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_FREED: it is released.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, not a hold), QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_hold_pass_on(hold: *mut qz_hold) -> qz_status {
    ffi::pass_on(hold).into()
}

/// Gives a hold back, on any thread: what it had taken, and then itself. Does not block, but for
/// `on_destroy`.
///
/// - QZ_OK: this call did (or `hold` is NULL). If its handle was freed meanwhile and this was the last
///   one out, `on_destroy` has run, on this thread.
/// - QZ_ALREADY_FREED: another call did, or is about to.
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, not a hold), QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_hold_release(hold: *mut qz_hold) -> qz_status {
    ffi::release(hold).into()
}

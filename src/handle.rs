//! Handles: the caller's own object, to enter and to leave.

use crate::kind::qz_kind;
use crate::status::qz_status;
use quiescent_core::ffi;
use quiescent_core::handle::AnyHandle;
use std::ffi::{c_char, c_void};

/// A handle of whatever kind: a token, never an address.
pub struct qz_handle {
    _token: (),
}

/// Puts `object` behind a new handle of `kind`. Does not block. Pairs with qz_handle_free.
///
/// - QZ_OK: `*out_handle` is the handle. `object` (which may be NULL) belongs to it until `on_destroy`,
///   and may be used from any thread that enters.
/// - QZ_ERR_NULL (`kind` or `out_handle`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (of
///   `kind`), QZ_ERR_FREED (the kind is closed), QZ_ERR_LIMIT (2^24 handles, kinds and holds, counting
///   retired ones), QZ_ERR_NO_MEMORY: `object` is still the caller's, `*out_handle` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_new(
    kind: *mut qz_kind,
    object: *mut c_void,
    out_handle: *mut *mut qz_handle,
) -> qz_status {
    // SAFETY: pointers as the header's conventions say; `object` is what the kind's callbacks expect.
    unsafe { ffi::produce(out_handle, || Ok(AnyHandle::open(ffi::kind(kind), object)?.into_raw())).into() }
}

/// Begins an operation: the object of `h` cannot be destroyed before the matching leave. Never blocks.
///
/// `kind` must be the handle's. `operation` names the operation in reports: a string that is never given
/// back (a literal, not a temporary or a scripting language's buffer), or NULL.
///
/// - QZ_OK: `*out_object` is the object, to be used until this thread calls qz_handle_leave(h). Enters
///   may nest, also on the same handle, and leave in any order.
/// - QZ_ERR_FREED: the handle is being freed, or has been.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED: `h` is no handle of `kind`, or
///   `kind` no kind.
/// - QZ_ERR_LIMIT: 16,777,214 are in flight. QZ_ERR_NO_MEMORY: at a thread's first call, or with more
///   than eight operations at once.
///
/// After a refusal there is nothing to leave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_enter(
    h: *mut qz_handle,
    kind: *mut qz_kind,
    operation: *const c_char,
    out_object: *mut *mut c_void,
) -> qz_status {
    // SAFETY: `operation` is NULL or never given back, `out_object` NULL or writable.
    unsafe { ffi::enter(h, kind, operation, out_object) }
}

/// Ends this thread's latest operation on `h`. Does not block, but for `on_destroy`.
///
/// - QZ_OK: if the handle was freed meanwhile and this was the last one out, `on_destroy` has run, on
///   this thread.
/// - QZ_ERR_NOT_INSIDE: this thread has no operation in flight on `h`.
/// - QZ_ERR_FREED (freed, so nobody is inside), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_leave(h: *mut qz_handle) -> qz_status {
    // SAFETY: the thread is done with the object.
    unsafe { ffi::leave(h) }
}

/// Whether an operation should come to an end: true unless `h` is a handle that is open. For loops
/// inside long operations. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_is_closing(h: *mut qz_handle) -> bool {
    AnyHandle::from_raw(h).is_closing(None)
}

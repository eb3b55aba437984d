//! Kinds: what the handles of one sort have in common.

use crate::status::qz_status;
use quiescent_core::Error;
use quiescent_core::ffi;
use quiescent_core::handle::{AnyKind, Hook, Hooks};
use std::ffi::{c_char, c_void};

/// A kind of handle: its callbacks and its name. A token, and itself a handle: QZ_HANDLE(kind).
pub struct qz_kind {
    _token: (),
}

/// The callbacks of a kind. Set `struct_size` to `sizeof(qz_kind_ops)`, so that this may grow; zero what
/// you do not use.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct qz_kind_ops {
    /// sizeof(qz_kind_ops).
    pub struct_size: usize,
    /// Wakes what blocks inside operations on `object`, because it is being freed; may be NULL.
    ///
    /// Called on the thread that frees, if somebody is inside, at once and then again with growing
    /// pauses (1 to 64 ms) until they have left or that free's deadline passes; and again by a later
    /// free. (An operation may have entered just before and begin to block just after.) So it must be
    /// idempotent. It runs beside the operations, never twice at a time for one object, never during or
    /// after on_destroy.
    pub on_close: Option<unsafe extern "C" fn(object: *mut c_void, ctx: *mut c_void)>,
    /// Destroys `object`; may be NULL. Called exactly once for each handle, after the last leave, on the
    /// thread of whichever free, leave or release comes last.
    pub on_destroy: Option<unsafe extern "C" fn(object: *mut c_void, ctx: *mut c_void)>,
    /// Passed to both.
    pub ctx: *mut c_void,
}

/// Reads the caller's callbacks, whose struct may be older than ours.
///
/// # Safety
/// `ops` is NULL or points at a `qz_kind_ops` of the size it says.
unsafe fn hooks(ops: *const qz_kind_ops) -> Result<Hooks, Error> {
    let none: Option<Hook> = None;
    if ops.is_null() {
        return Ok(Hooks { on_close: none, on_destroy: none, ctx: std::ptr::null_mut() });
    }
    // SAFETY: every version of the struct begins with its size.
    let size = unsafe { (&raw const (*ops).struct_size).read() };
    if size < size_of::<qz_kind_ops>() {
        return Err(Error::InvalidArgument);
    }
    // SAFETY: it is at least as large as this version of it.
    let ops = unsafe { ops.read() };
    Ok(Hooks { on_close: ops.on_close, on_destroy: ops.on_destroy, ctx: ops.ctx })
}

/// Makes a kind of handle. Does not block. Pairs with qz_kind_close.
///
/// `name` appears in reports, cut to 31 bytes. `ops` is copied; NULL: no callbacks. The callbacks and
/// their `ctx` must stay valid until the kind is destroyed: until qz_kind_close, or a free of
/// QZ_HANDLE(kind), says so.
///
/// - QZ_OK: `*out_kind` is the kind.
/// - QZ_ERR_NULL (`name` or `out_kind`), QZ_ERR_INVALID_ARGUMENT (`name` is not UTF-8, or `struct_size`
///   is too small), QZ_ERR_LIMIT (2^24 handles, kinds and holds, counting retired ones),
///   QZ_ERR_NO_MEMORY: `*out_kind` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_kind_new(
    name: *const c_char,
    ops: *const qz_kind_ops,
    out_kind: *mut *mut qz_kind,
) -> qz_status {
    // SAFETY: pointers and callbacks as the header's conventions and this comment say.
    unsafe { ffi::produce(out_kind, || Ok(AnyKind::new(ffi::text(name)?, hooks(ops)?)?.handle().into_raw())).into() }
}

/// Ends a kind together with its handles: no new ones (QZ_ERR_FREED), the existing ones are freed, all
/// within `timeout_ms`.
///
/// `*out_left`, unless `out_left` is NULL, becomes the number of handles that were left a moment ago: 0
/// if the kind is destroyed. A caller inside one of the handles does not wait for itself.
///
/// - QZ_OK: the kind and all of its handles are destroyed. No callback of it can start any more, so the
///   code behind them may be unloaded. (Names of operations must outlive that, too: keep them in the
///   host, or pass NULL.)
/// - QZ_ALREADY_FREED: the same, by another call.
/// - QZ_FREE_PENDING: some handles have somebody inside. They go when those leave, and the kind with the
///   last of them: wait with qz_handle_wait_freed(QZ_HANDLE(kind), ...), or close again.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, not a kind), QZ_ERR_FORKED,
///   QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NO_MEMORY: nothing was closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_kind_close(kind: *mut qz_kind, timeout_ms: i64, out_left: *mut usize) -> qz_status {
    // SAFETY: `out_left` is NULL or writable.
    unsafe { ffi::close_kind(kind, timeout_ms, out_left).into() }
}

//! Misuse: what a correct program does not do, and who is told of it.

use crate::status::qz_status;
use quiescent_core::Error;
use quiescent_core::ffi;
use quiescent_core::handle::{self, MisuseLevel};
use std::ffi::c_void;

/// What a correct program does not do. It is refused safely, as ever; by default nobody is told of it.
///
/// A call that merely came too late, while another call was freeing the handle, is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum qz_misuse {
    /// A free, close or release of a handle, kind or hold that was over before; qz_pool_discard and
    /// qz_pool_detach are releases. (Also a further free after QZ_FREE_PENDING that finds the handle
    /// destroyed: to learn of its end, qz_handle_wait_freed.)
    QZ_MISUSE_DOUBLE_FREE = 1,
    /// Another use of a handle, kind or hold that was over before: an enter, hold, leave or label, a new
    /// handle of the kind, qz_hold_pass_on, qz_rwlock_downgrade. Not a call that only asks:
    /// qz_handle_is_closing, qz_handle_wait_freed, qz_handle_on_freed, qz_handle_get_info,
    /// qz_handle_occupants.
    QZ_MISUSE_STALE = 2,
    /// What is answered QZ_ERR_WRONG_KIND.
    QZ_MISUSE_WRONG_KIND = 3,
    /// A leave, of a handle that is not over, by a thread that is not inside.
    QZ_MISUSE_NOT_INSIDE = 4,
}

/// What is done about misuse of handles, kinds and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum qz_misuse_level {
    /// Nothing: it is neither counted nor told.
    QZ_MISUSE_IGNORE = 0,
    /// It is counted in qz_stats, and the hook is told.
    QZ_MISUSE_COUNT = 1,
    /// It is counted, the hook is told, one line about it is written to stderr, and abort() is called.
    /// For test suites.
    QZ_MISUSE_ABORT = 2,
}

/// Sets what is done about misuse, in all threads: a qz_misuse_level. Never blocks.
///
/// Until this is called, the environment variable QUIESCENT_MISUSE says it ("ignore", "count" or
/// "abort", read once, at the process's first kind), and where it says nothing, misuse is ignored.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT (no level): it is as it was.
#[unsafe(no_mangle)]
pub extern "C" fn qz_misuse_set_level(level: i32) -> qz_status {
    let set = ffi::call(|| {
        handle::set_misuse_level(match level {
            0 => MisuseLevel::Ignore,
            1 => MisuseLevel::Count,
            2 => MisuseLevel::Abort,
            _ => return Err(Error::InvalidArgument),
        });
        Ok(())
    });
    set.into()
}

/// Has `fn(misuse, handle, ctx)` called for each misuse, unless the level is QZ_MISUSE_IGNORE, in place
/// of what was set before; NULL: nobody is called. Never blocks.
///
/// `misuse` is a qz_misuse, `handle` what the caller passed as a handle, kind or hold. It runs on the
/// thread that makes the call, before that is answered, on several threads at once perhaps, and always
/// with the `ctx` it was set with. What it misuses itself is counted, not told. A call that began
/// before it was replaced may still run it: keep `fn` and `ctx` valid.
///
/// - QZ_OK.
/// - QZ_ERR_NO_MEMORY: it is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_misuse_set_hook(
    r#fn: Option<unsafe extern "C" fn(misuse: i32, handle: *const c_void, ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> qz_status {
    // SAFETY: the callback is as this comment says, and does not unwind.
    ffi::call(|| unsafe { handle::set_misuse_hook(r#fn, ctx) }).into()
}

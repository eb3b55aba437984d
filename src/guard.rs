//! Guards: embedded in the caller's own leaked memory.

use crate::status::qz_status;
use quiescent_core::ffi;
use quiescent_core::ffi::Status;
use quiescent_core::{BeginFree, Error, WaitDrained};

/// Guards a struct of yours in place: eight bytes, embedded in it. Zero-initialised, it is open.
///
/// The memory that holds it must never be given back, not even after a drained free: a late caller may
/// still look at the guard. Leak the struct, and free what it owns:
///
/// ```c
/// struct session { qz_guard guard; struct inner *inner; };      // never free() a session
/// if (qz_guard_begin_free(&s->guard, QZ_DEFAULT_TIMEOUT) == QZ_OK) inner_free(s->inner);
/// ```
///
/// (If that memory matters, use a qz_handle: its shells are used again.) A guard knows no threads: do
/// not free from inside, and after a fork the child's copy still counts the parent's operations.
#[derive(Debug)]
#[repr(C)]
pub struct qz_guard {
    /// The library's.
    pub word: u64,
}

/// Begins an operation on the struct that `g` guards. Never blocks.
///
/// - QZ_OK: leave with qz_guard_leave, on any thread.
/// - QZ_ERR_FREED: a free has begun.
/// - QZ_ERR_LIMIT: 16,777,214 are inside. QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_guard_try_enter(g: *mut qz_guard) -> qz_status {
    let entered = ffi::call(|| {
        // SAFETY: `g` is NULL or points at a guard that is never given back.
        let entered = unsafe { ffi::guard(g) }?.enter()?;
        // It ends in `qz_guard_leave`.
        std::mem::forget(entered);
        Ok(())
    });
    entered.into()
}

/// Ends an operation. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NOT_INSIDE: nobody is inside, so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_guard_leave(g: *mut qz_guard) -> qz_status {
    let left = ffi::call(|| {
        // SAFETY: `g` is NULL or points at a guard that is never given back; the caller has entered.
        let left = unsafe { ffi::guard(g)?.leave() };
        if left { Ok(()) } else { Err(Error::NotInside) }
    });
    left.into()
}

/// Closes the guard; the first caller waits up to `timeout_ms` for those inside.
///
/// - QZ_OK, to one caller in the guard's life: all have left. Free what the struct owns.
/// - QZ_ALREADY_FREED: another call closed it before. Unlike qz_handle_free's this does not say that
///   anything is destroyed yet.
/// - QZ_ERR_TIMEOUT: this call closed it, for ever, but somebody is still inside; qz_guard_wait_drained
///   hands out the end.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT: nothing was closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_guard_begin_free(g: *mut qz_guard, timeout_ms: i64) -> qz_status {
    let freed = ffi::call(|| {
        // SAFETY: `g` is NULL or points at a guard that is never given back.
        let guard = unsafe { ffi::guard(g) }?;
        match guard.begin_free_detailed(ffi::free_timeout(timeout_ms)?) {
            BeginFree::Drained => Ok(Status::Ok),
            BeginFree::AlreadyFreeing => Ok(Status::AlreadyFreed),
            BeginFree::TimedOut => Err(Error::Timeout),
        }
    });
    freed.into()
}

/// After a qz_guard_begin_free that timed out: waits up to `timeout_ms` until all have left. Any number
/// of threads may wait.
///
/// - QZ_OK, to one caller in the guard's life: all have left. Free what the struct owns.
/// - QZ_ALREADY_FREED: another call was told so.
/// - QZ_ERR_TIMEOUT: not yet. QZ_ERR_BUSY: no free has begun.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_guard_wait_drained(g: *mut qz_guard, timeout_ms: i64) -> qz_status {
    let drained = ffi::call(|| {
        // SAFETY: `g` is NULL or points at a guard that is never given back.
        let guard = unsafe { ffi::guard(g) }?;
        match guard.wait_drained_detailed(ffi::free_timeout(timeout_ms)?) {
            WaitDrained::Drained => Ok(Status::Ok),
            WaitDrained::AlreadyReported => Ok(Status::AlreadyFreed),
            WaitDrained::TimedOut => Err(Error::Timeout),
            WaitDrained::NotFreeing => Err(Error::Busy),
        }
    });
    drained.into()
}

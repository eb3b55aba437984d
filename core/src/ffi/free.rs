//! The frees: of one handle, of many, of a kind, of all; and what waits for the end.

use crate::error::Error;
use crate::ffi::{Status, call, callback, last_error, timeout, write_optional};
use crate::guard::FFI_HANDLE_FREE_DEADLINE;
use crate::handle::{self, AnyHandle, AnyKind, Freed, Handle, Token};
use std::ffi::c_void;
use std::time::Duration;

/// For a free: [`FFI_HANDLE_FREE_DEADLINE`].
pub const DEFAULT_TIMEOUT: i64 = -2;

/// The timeout of a free: also [`DEFAULT_TIMEOUT`].
///
/// # Errors
/// As [`timeout`].
pub fn free_timeout(timeout_ms: i64) -> Result<Duration, Error> {
    if timeout_ms == DEFAULT_TIMEOUT { Ok(FFI_HANDLE_FREE_DEADLINE) } else { timeout(timeout_ms) }
}

/// The `*_free` of a type: any value, from any thread, however often. NULL is nothing to free.
pub fn free<T: Handle>(handle: *mut impl Sized, timeout_ms: i64) -> Status {
    free_any(handle, timeout_ms, |timeout| Token::<T>::from_raw(handle).free(timeout))
}

/// The free of a handle of whatever kind. A free that stays pending leaves in [`last_error`] who is
/// inside.
pub fn free_handle(handle: *mut impl Sized, timeout_ms: i64) -> Status {
    free_any(handle, timeout_ms, |timeout| AnyHandle::from_raw(handle).free(None, timeout))
}

fn free_any(handle: *mut impl Sized, timeout_ms: i64, free: impl FnOnce(Duration) -> Result<Freed, Error>) -> Status {
    call(|| {
        let timeout = free_timeout(timeout_ms)?;
        if handle.is_null() {
            return Ok(Freed::Destroyed);
        }
        let freed = free(timeout)?;
        if freed == Freed::Pending {
            last_error::tell_pending(AnyHandle::from_raw(handle));
        }
        Ok(freed)
    })
}

/// The free of `handles` together, with one deadline; `each` is told what became of the one at which
/// position. NULLs are nothing to free.
pub fn free_many(handles: &[AnyHandle], timeout_ms: i64, mut each: impl FnMut(usize, Status)) -> Status {
    call(|| {
        let (mut pending, mut refused) = (None, None);
        handle::free_many(handles, free_timeout(timeout_ms)?, |position, freed| {
            let freed = if freed == Err(Error::Null) { Ok(Freed::Destroyed) } else { freed };
            if freed == Ok(Freed::Pending) {
                pending = Some(handles[position]);
            }
            refused = refused.or(freed.err());
            each(position, freed.into());
        })?;
        match (pending, refused) {
            (Some(pending), _) => {
                last_error::tell_pending(pending);
                Ok(Status::FreePending)
            }
            (None, None) => Ok(Status::Ok),
            (None, Some(error)) => Err(error),
        }
    })
}

/// Ends a kind together with its handles; `*out_left`, unless NULL, becomes the number of those left.
///
/// # Safety
/// `out_left` is NULL or writable.
pub unsafe fn close_kind(kind: *mut impl Sized, timeout_ms: i64, out_left: *mut usize) -> Status {
    call(|| {
        let kind = AnyKind::from_raw(kind);
        let (freed, left) = kind.close(free_timeout(timeout_ms)?)?;
        if let (Freed::Pending, Some(handle)) = (freed, kind.any_live()) {
            last_error::tell_pending(handle);
        }
        // SAFETY: the caller's promise.
        unsafe { write_optional(out_left, left) };
        Ok(freed)
    })
}

/// Frees every handle of this process, of every kind; `*out_left`, unless NULL, becomes the number of
/// those left.
///
/// # Safety
/// `out_left` is NULL or writable.
pub unsafe fn quiesce_all(timeout_ms: i64, out_left: *mut usize) -> Status {
    call(|| {
        let left = handle::quiesce_all(free_timeout(timeout_ms)?)?;
        // SAFETY: the caller's promise.
        unsafe { write_optional(out_left, left) };
        if left > 0 {
            last_error::tell_left(left);
        }
        Ok(if left == 0 { Freed::Destroyed } else { Freed::Pending })
    })
}

/// Frees if nobody is inside. NULL is nothing to free.
pub fn try_free<T: Handle>(handle: *mut impl Sized) -> Status {
    try_free_any(handle, || Token::<T>::from_raw(handle).try_free())
}

/// Frees a handle of whatever kind if nobody is inside. NULL is nothing to free.
pub fn try_free_handle(handle: *mut impl Sized) -> Status {
    try_free_any(handle, || AnyHandle::from_raw(handle).try_free(None))
}

fn try_free_any(handle: *mut impl Sized, free: impl FnOnce() -> Result<Freed, Error>) -> Status {
    free_any(handle, 0, |_zero| free())
}

/// Waits until the value behind `handle` is dropped.
pub fn wait_freed<T: Handle>(handle: *mut impl Sized, timeout_ms: i64) -> Status {
    call(|| Token::<T>::from_raw(handle).wait_freed(timeout(timeout_ms)?))
}

/// Waits until the object of a handle of whatever kind is destroyed.
pub fn wait_handle_freed(handle: *mut impl Sized, timeout_ms: i64) -> Status {
    call(|| AnyHandle::from_raw(handle).wait_freed(None, timeout(timeout_ms)?))
}

/// Has `run(ctx)` called once, right after the value behind `handle` is dropped: [`Status::Ok`]; or, if
/// that was before, at once: [`Status::AlreadyFreed`].
///
/// # Safety
/// `run` is NULL or may be called once with `ctx`, on any thread, and does not unwind.
pub unsafe fn on_freed<T: Handle>(
    handle: *mut impl Sized,
    run: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> Status {
    // SAFETY: the caller's promise.
    call(|| registered(Token::<T>::from_raw(handle).on_freed(unsafe { callback(run, ctx) }?)?))
}

/// [`on_freed`] of a handle of whatever kind.
///
/// # Safety
/// As [`on_freed`].
pub unsafe fn on_handle_freed(
    handle: *mut impl Sized,
    run: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> Status {
    // SAFETY: the caller's promise.
    call(|| registered(AnyHandle::from_raw(handle).on_freed(None, unsafe { callback(run, ctx) }?)?))
}

/// To a caller who registers a callback, "not freed yet" is plain success.
#[allow(clippy::unnecessary_wraps, reason = "the body of a call")]
fn registered(freed: Freed) -> Result<Status, Error> {
    Ok(if freed == Freed::AlreadyFreed { Status::AlreadyFreed } else { Status::Ok })
}

//! Enter and leave of a C author, who does the operation in between.
//!
//! The usual case needs no call, so that nothing has to be kept in memory for the time after one; everything else is done from
//! the beginning, by one call that answers in its place.

use super::{Status, call, kind, write};
use crate::error::Error;
use crate::handle::AnyHandle;
use crate::handle::slot::Slot;
use std::ffi::{c_char, c_void};

/// Begins an operation on `handle`, which must be of `expected`. `*out_object` is the object, alive until [`leave`] on the same
/// thread.
///
/// # Safety
/// `operation` is NULL or a C string that is never given back. `out_object` is NULL or writable.
#[inline]
pub unsafe fn enter<S: From<Status>>(
    handle: *mut impl Sized,
    expected: *mut impl Sized,
    operation: *const c_char,
    out_object: *mut *mut c_void,
) -> S {
    if out_object.is_null() {
        return unwanted();
    }
    // SAFETY: the caller's promises.
    match unsafe { AnyHandle::from_raw(handle).enter_at_once(kind(expected), operation) } {
        Ok(object) => {
            // SAFETY: the caller's promise; it is not NULL.
            unsafe { out_object.write(object) };
            S::from(Status::Ok)
        }
        // SAFETY: the caller's promises.
        Err(filled) => unsafe { enter_after(handle, expected, operation, out_object, filled) },
    }
}

#[cold]
fn unwanted<S: From<Status>>() -> S {
    S::from(call(|| Err::<(), _>(Error::Null)))
}

/// # Safety
/// As [`enter`].
#[cold]
#[inline(never)]
unsafe fn enter_after<S: From<Status>>(
    handle: *mut impl Sized,
    expected: *mut impl Sized,
    operation: *const c_char,
    out_object: *mut *mut c_void,
    filled: Option<&'static Slot>,
) -> S {
    S::from(call(|| {
        // SAFETY: the caller's promises.
        unsafe { write(out_object, AnyHandle::from_raw(handle).enter_after(kind(expected), operation, filled)?) }
    }))
}

/// Ends the calling thread's latest operation on `handle`.
///
/// # Safety
/// The object is not used afterwards by virtue of that operation.
#[inline]
pub unsafe fn leave<S: From<Status>>(handle: *mut impl Sized) -> S {
    if AnyHandle::from_raw(handle).leave_at_once() { S::from(Status::Ok) } else { leave_begun(handle) }
}

#[cold]
#[inline(never)]
fn leave_begun<S: From<Status>>(handle: *mut impl Sized) -> S {
    S::from(call(|| AnyHandle::from_raw(handle).leave_begun()))
}

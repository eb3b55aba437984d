//! The calls that wait, and those that take a hold of what a handle has to give.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::ffi::{Status, call, last_error, produce, timeout};
use crate::handle::{AnyHandle, Handle, Hold, HoldToken, Token};
use crate::sync::CancelToken;
use crate::wait::Wait;
use std::ffi::CStr;
use std::time::Duration;

/// The cancel token that a C caller names; NULL is none. The caller keeps a share of it: the handle may be freed meanwhile.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::WrongKind`], [`Error::Freed`], [`Error::Forked`], and as [`Token::enter`].
pub fn cancel_token(cancel: *mut impl Sized) -> Result<Option<CancelToken>, Error> {
    if cancel.is_null() {
        return Ok(None);
    }
    Token::<CancelToken>::from_raw(cancel).enter(c"cancel token").map(|token| Some(token.clone()))
}

/// Runs `body`, which may wait, on the value behind `handle`. In reports the thread is waiting in `operation`, since the
/// call's beginning.
///
/// The timeout counts from here. Refused before `body` runs: a bad timeout, handle or cancel token.
pub fn wait<T: Handle, S: Into<Status>, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    timeout_ms: i64,
    cancel: *mut impl Sized,
    body: impl FnOnce(&T, Wait<'_>) -> Result<S, E>,
) -> Status {
    call(|| {
        let deadline = Deadline::after(timeout(timeout_ms)?);
        let cancel = cancel_token(cancel)?;
        let value = Token::<T>::from_raw(handle).wait_to_hold(operation)?;
        body(&value, Wait::new(deadline, cancel.as_ref())).map_err(E::into)
    })
}

/// [`wait`], and writes what `body` answers. A NULL `out` is refused before `body` runs.
///
/// # Safety
/// `out` is NULL or writable.
pub unsafe fn wait_for_answer<T: Handle, V, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    timeout_ms: i64,
    cancel: *mut impl Sized,
    out: *mut V,
    body: impl FnOnce(&T, Wait<'_>) -> Result<V, E>,
) -> Status {
    if out.is_null() {
        return last_error::refuse(Error::Null);
    }
    wait(handle, operation, timeout_ms, cancel, |value: &T, wait| {
        let answer = body(value, wait).map_err(E::into)?;
        // SAFETY: the caller's promise.
        unsafe { super::write(out, answer) }
    })
}

/// Takes something of the value behind `handle`: `body` waits for it and answers what to tell [`Handle::on_release`] (not 0)
/// when the hold is released. `*out_hold` is the hold, or NULL when the answer is a refusal.
///
/// `body` is called once without waiting, and again if that would have helped ([`Error::Timeout`]). A refusal for want of
/// time says in [`crate::ffi::last_error`] who has it.
///
/// # Safety
/// `out_hold` is NULL or writable.
#[inline]
pub unsafe fn take<T: Handle, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    timeout_ms: i64,
    cancel: *mut impl Sized,
    out_hold: *mut *mut impl Sized,
    body: impl Fn(&T, Wait<'_>) -> Result<u64, E>,
) -> Status {
    let may_wait = |_own_holds| Ok(());
    // SAFETY: the caller's promise.
    unsafe { take_if(handle, operation, timeout_ms, cancel, out_hold, may_wait, body) }
}

/// [`take`], of what a thread cannot take twice: one that would wait while it has a hold of the same handle (and has not
/// passed it on) is refused with [`Error::Deadlock`] at once.
///
/// # Safety
/// As [`take`].
#[inline]
pub unsafe fn take_once<T: Handle, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    timeout_ms: i64,
    cancel: *mut impl Sized,
    out_hold: *mut *mut impl Sized,
    body: impl Fn(&T, Wait<'_>) -> Result<u64, E>,
) -> Status {
    let may_wait = |own_holds| if own_holds == 0 { Ok(()) } else { Err(Error::Deadlock) };
    // SAFETY: the caller's promise.
    unsafe { take_if(handle, operation, timeout_ms, cancel, out_hold, may_wait, body) }
}

/// Takes something of the value behind `handle` if that needs no wait: as [`take`], but [`Error::Busy`] in place of a timeout.
///
/// # Safety
/// As [`take`].
pub unsafe fn try_take<T: Handle, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    out_hold: *mut *mut impl Sized,
    body: impl FnOnce(&T) -> Result<u64, E>,
) -> Status {
    let take = || {
        let hold = Token::<T>::from_raw(handle).wait_to_hold(operation)?;
        let taken = body(&hold).map_err(E::into)?;
        hold.keep(taken, false).map(HoldToken::into_raw)
    };
    // SAFETY: the caller's promise.
    let status = unsafe { produce(out_hold, take) };
    say_who_has_it(handle, status)
}

/// Gives back a part of what `hold` has taken of the value behind a handle, by `give`, if `may` says that what was taken has such a
/// part. The rest is given back when the hold is released ([`Handle::on_release_rest`]). Once for each hold; against a release
/// at the same moment, one of the two comes first.
///
/// Refused before `give` runs: a hold of something else ([`Error::WrongKind`]), one that `may` refuses or that was lessened before
/// ([`Error::InvalidArgument`]), one that is released or whose handle is being freed ([`Error::Freed`]).
pub fn lessen<T: Handle>(
    hold: *mut impl Sized,
    operation: &'static CStr,
    may: impl FnOnce(u64) -> bool,
    give: impl FnOnce(&T),
) -> Status {
    call(|| HoldToken::from_raw(hold).lessen(operation, may, give))
}

/// # Safety
/// As [`take`].
#[inline]
unsafe fn take_if<T: Handle, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    timeout_ms: i64,
    cancel: *mut impl Sized,
    out_hold: *mut *mut impl Sized,
    may_wait: impl FnOnce(u32) -> Result<(), Error>,
    body: impl Fn(&T, Wait<'_>) -> Result<u64, E>,
) -> Status {
    let take = || {
        let timeout = timeout(timeout_ms)?;
        if cancel.is_null() {
            return take_of(handle, operation, timeout, None, may_wait, body);
        }
        let cancel = cancel_token(cancel)?;
        take_of(handle, operation, timeout, cancel.as_ref(), may_wait, body)
    };
    // SAFETY: the caller's promise.
    let status = unsafe { produce(out_hold, take) };
    if status == Status::Ok { status } else { say_who_has_it(handle, status) }
}

/// Compiled into its caller, twice: without a cancel token there is nothing to give back, and so nothing to keep.
#[inline(always)]
fn take_of<T: Handle, C, E: Into<Error>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    timeout: Duration,
    cancel: Option<&CancelToken>,
    may_wait: impl FnOnce(u32) -> Result<(), Error>,
    body: impl Fn(&T, Wait<'_>) -> Result<u64, E>,
) -> Result<*mut C, Error> {
    let hold = Token::<T>::from_raw(handle).wait_to_hold(operation)?;
    match body(&hold, Wait::new(Deadline::PASSED, cancel)).map_err(E::into) {
        Ok(taken) => hold.keep(taken, false),
        Err(Error::Timeout) if !timeout.is_zero() => take_later(hold, timeout, cancel, may_wait, body),
        Err(error) => Err(error),
    }
    .map(HoldToken::into_raw)
}

/// What was not there at once.
#[cold]
#[inline(never)]
fn take_later<T: Handle, E: Into<Error>>(
    hold: Hold<T>,
    timeout: Duration,
    cancel: Option<&CancelToken>,
    may_wait: impl FnOnce(u32) -> Result<(), Error>,
    body: impl Fn(&T, Wait<'_>) -> Result<u64, E>,
) -> Result<HoldToken, Error> {
    may_wait(hold.own_holds())?;
    // Not before: what need not wait needs no clock for it.
    let taken = body(&hold, Wait::new(Deadline::after(timeout), cancel)).map_err(E::into)?;
    hold.keep(taken, true)
}

/// A refusal because somebody else has it.
#[cold]
fn say_who_has_it(handle: *mut impl Sized, status: Status) -> Status {
    let refused_for = [Error::Timeout, Error::Busy].into_iter().find(|error| Status::from(*error) == status);
    if let Some(error) = refused_for {
        last_error::tell_held(error, AnyHandle::from_raw(handle));
    }
    status
}

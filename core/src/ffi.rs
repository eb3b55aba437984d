//! The boundary: the plain generic functions with which an exported C function is three to six lines.
//!
//! ```
//! use quiescent_core::ffi::{self, Status};
//! use quiescent_core::{Handle, Kind};
//!
//! pub struct Counter(std::sync::atomic::AtomicU64);
//! static COUNTER: Kind<Counter> = Kind::new("counter");
//! impl Handle for Counter {
//!     fn kind() -> &'static Kind<Counter> { &COUNTER }
//! }
//! #[allow(non_camel_case_types)]
//! pub struct my_counter { _opaque: [u8; 0] }
//!
//! #[unsafe(no_mangle)]
//! pub unsafe extern "C" fn my_counter_new(out: *mut *mut my_counter) -> Status {
//!     // SAFETY: `out` is NULL or writable.
//!     unsafe { ffi::open(out, || Ok(Counter(0.into()))) }
//! }
//! #[unsafe(no_mangle)]
//! pub unsafe extern "C" fn my_counter_add(counter: *mut my_counter, n: u64, out_sum: *mut u64) -> Status {
//!     // SAFETY: `out_sum` is NULL or writable.
//!     unsafe {
//!         ffi::answer(counter, c"my_counter_add", out_sum, |counter: &Counter| {
//!             Ok(counter.0.fetch_add(n, std::sync::atomic::Ordering::Relaxed) + n)
//!         })
//!     }
//! }
//! #[unsafe(no_mangle)]
//! pub extern "C" fn my_counter_free(counter: *mut my_counter, timeout_ms: i64) -> Status {
//!     ffi::free::<Counter>(counter, timeout_ms)
//! }
//! ```
//!
//! What they take from the caller: a handle may be any value at all. An `out` pointer is NULL or
//! writable. What they guarantee: no panic leaves; every refusal, and every free that stays pending,
//! leaves its words in [`last_error`]; an `out` pointer to a handle is set to NULL when there is none,
//! every other one is written on success only.

use crate::allocate::try_box;
use crate::cache_aware_rundown::CacheAwareRundown;
use crate::error::Error;
use crate::guard::HandleGuard;
use crate::handle::slot::Slot;
use crate::handle::{AnyHandle, AnyKind, Handle, Hold, HoldToken, Token};
use crate::rundown::RundownRef;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[path = "ffi/free.rs"]
mod free;
#[path = "ffi/last_error.rs"]
mod last_error;
#[path = "ffi/once.rs"]
mod once;
#[path = "ffi/operation.rs"]
mod operation;
#[path = "ffi/pool.rs"]
mod pool;
#[path = "ffi/report.rs"]
mod report;
#[path = "ffi/status.rs"]
mod status;
#[path = "ffi/submit.rs"]
mod submit;
#[path = "ffi/wait.rs"]
mod wait;
#[path = "ffi/why.rs"]
mod why;
pub use free::{
    DEFAULT_TIMEOUT, close_kind, free, free_handle, free_many, free_timeout, on_freed, on_handle_freed, quiesce_all,
    try_free, try_free_handle, wait_freed, wait_handle_freed,
};
pub use last_error::{last_error, last_os_error};
pub use once::{DestroyValue, Init, InitValue, OncePointer};
pub use operation::{enter, leave};
pub use pool::{
    CallbackPool, CheckResource, CreateResource, DestroyResource, PoolCallbacks, acquire_resource, detach_resource,
    discard_resource, try_acquire_resource,
};
pub use report::report;
pub use status::Status;
#[cfg(unix)]
pub use submit::wait_descriptor_async;
pub use submit::{
    Refused, Submission, Taken, free_async, status_of, take_async, tell_os_error, wait_async, wait_freed_async,
};
pub use wait::{cancel_token, lessen, take, take_once, try_take, wait, wait_for_answer};
pub use why::{Explain, Why};

/// Wait without end.
pub const INFINITE: i64 = -1;

/// Runs the body of an exported function: a refusal is remembered for [`last_error`], a panic goes no
/// further.
#[inline]
pub fn call<S: Into<Status>>(body: impl FnOnce() -> Result<S, Error>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(success)) => success.into(),
        Ok(Err(error)) => last_error::refuse(error),
        Err(payload) => {
            // Leaked: its own destructor may panic.
            std::mem::forget(payload);
            last_error::refuse(Error::Panic)
        }
    }
}

/// A timeout in milliseconds, or [`INFINITE`].
///
/// # Errors
/// [`Error::InvalidArgument`] for any other negative number.
#[inline]
pub fn timeout(timeout_ms: i64) -> Result<Duration, Error> {
    match timeout_ms {
        INFINITE => Ok(Duration::MAX),
        _ => u64::try_from(timeout_ms).map(Duration::from_millis).map_err(|_| Error::InvalidArgument),
    }
}

/// Writes a result. It can only refuse after the fact: for a body that cannot be undone use [`answer`]
/// or [`produce`].
///
/// # Errors
/// [`Error::Null`].
///
/// # Safety
/// `out` is NULL or writable.
#[inline]
pub unsafe fn write<V>(out: *mut V, value: V) -> Result<(), Error> {
    if out.is_null() {
        return Err(Error::Null);
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes a result that the caller may not want.
///
/// # Safety
/// `out` is NULL or writable.
pub unsafe fn write_optional<V>(out: *mut V, value: V) {
    if !out.is_null() {
        // SAFETY: the caller's promise.
        unsafe { out.write(value) };
    }
}

/// A C string of the caller's.
///
/// # Errors
/// [`Error::Null`]; [`Error::InvalidArgument`] if it is not UTF-8.
///
/// # Safety
/// `text` is NULL or a C string that outlives `'a`.
pub unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(Error::Null);
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| Error::InvalidArgument)
}

/// A C string of the caller's, of whatever bytes: the name of a file.
///
/// # Errors
/// [`Error::Null`].
///
/// # Safety
/// As [`text`].
pub unsafe fn bytes<'a>(text: *const c_char) -> Result<&'a CStr, Error> {
    if text.is_null() {
        return Err(Error::Null);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// Puts what `make` makes behind a new handle. `*out` is the handle, or NULL when the answer is a
/// refusal.
///
/// # Safety
/// `out` is NULL or writable.
pub unsafe fn open<T: Handle, C>(out: *mut *mut C, make: impl FnOnce() -> Result<T, Error>) -> Status {
    // SAFETY: the caller's promise.
    unsafe { produce(out, || Ok(Token::open(make()?)?.into_raw())) }
}

/// Writes the handle that `make` makes, or NULL when it refuses. Makes nothing when `out` is NULL.
///
/// # Safety
/// `out` is NULL or writable.
#[inline]
pub unsafe fn produce<C>(out: *mut *mut C, make: impl FnOnce() -> Result<*mut C, Error>) -> Status {
    call(|| {
        // SAFETY: the caller's promise.
        unsafe { write(out, std::ptr::null_mut()) }?;
        let made = make()?;
        // SAFETY: the caller's promise.
        unsafe { write(out, made) }
    })
}

/// Runs `body` on the value behind `handle`, as an operation in flight.
#[inline]
pub fn with<T: Handle, S: Into<Status>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    body: impl FnOnce(&T) -> Result<S, Error>,
) -> Status {
    match Token::<T>::from_raw(handle).enter_at_once(operation) {
        Ok(entry) => call(|| body(&*{ entry })),
        Err(filled) => with_after(handle, operation, body, filled),
    }
}

/// The same where entering takes more. The body is here a second time: so nothing has to be kept for it in the usual case.
#[cold]
#[inline(never)]
fn with_after<T: Handle, S: Into<Status>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    body: impl FnOnce(&T) -> Result<S, Error>,
    filled: Option<&'static Slot>,
) -> Status {
    call(|| body(&*Token::<T>::from_raw(handle).enter_after(operation, filled)?))
}

/// Runs `body` on the value behind `handle`, as an operation in flight, and writes what it answers. A
/// NULL `out` is refused before `body` runs.
///
/// # Safety
/// `out` is NULL or writable.
#[inline]
pub unsafe fn answer<T: Handle, V>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    out: *mut V,
    body: impl FnOnce(&T) -> Result<V, Error>,
) -> Status {
    if out.is_null() {
        return call(|| Err::<(), _>(Error::Null));
    }
    let body = |object: &T| {
        let value = body(object)?;
        // SAFETY: the caller's promise; it is not NULL.
        unsafe { out.write(value) };
        Ok(())
    };
    with(handle, operation, body)
}

/// Takes a hold on `handle`, to be given back with [`release`]. `*out_hold` is the hold, or NULL when
/// the answer is a refusal.
///
/// # Safety
/// `out_hold` is NULL or writable.
pub unsafe fn hold<T: Handle>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    out_hold: *mut *mut impl Sized,
) -> Status {
    let take = || Token::<T>::from_raw(handle).hold(operation).and_then(Hold::into_token);
    // SAFETY: the caller's promise.
    unsafe { produce(out_hold, || Ok(take()?.into_raw())) }
}

/// [`hold`], with what `body` answers of the value behind `handle`. A NULL `out` is refused before `body` runs.
///
/// # Safety
/// `out` and `out_hold` are each NULL or writable.
pub unsafe fn hold_and_answer<T: Handle, V>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    out: *mut V,
    out_hold: *mut *mut impl Sized,
    body: impl FnOnce(&T) -> Result<V, Error>,
) -> Status {
    let take = || {
        if out.is_null() {
            return Err(Error::Null);
        }
        let hold = Token::<T>::from_raw(handle).hold(operation)?;
        let value = body(&hold)?;
        let token = hold.into_token()?;
        // SAFETY: the caller's promise.
        unsafe { write(out, value) }?;
        Ok(token.into_raw())
    };
    // SAFETY: the caller's promise.
    unsafe { produce(out_hold, take) }
}

/// Releases a hold; NULL is nothing to release.
#[inline]
pub fn release(hold: *mut impl Sized) -> Status {
    if hold.is_null() {
        return Status::Ok;
    }
    call(|| HoldToken::from_raw(hold).release())
}

/// Says that a hold belongs to another thread from now on.
pub fn pass_on(hold: *mut impl Sized) -> Status {
    call(|| HoldToken::from_raw(hold).pass_on())
}

/// `value` in leaked memory, for authors who hand out addresses and guard them in place
/// ([`HandleGuard`]).
///
/// # Errors
/// [`Error::NoMemory`]; then `value` is dropped.
pub fn leak<V>(value: V) -> Result<&'static mut V, Error> {
    try_box(value).map(Box::leak).ok_or(Error::NoMemory)
}

/// The handles that a C caller lists.
///
/// # Errors
/// [`Error::Null`], unless `n` is 0; [`Error::InvalidArgument`] for more than can exist.
///
/// # Safety
/// `handles` is NULL or `n` readable pointers that nobody changes during `'a`.
pub unsafe fn list<'a>(handles: *const *mut impl Sized, n: usize) -> Result<&'a [AnyHandle], Error> {
    if n == 0 {
        Ok(&[])
    } else if handles.is_null() {
        Err(Error::Null)
    } else if n > isize::MAX.unsigned_abs() / size_of::<AnyHandle>() {
        Err(Error::InvalidArgument)
    } else {
        // SAFETY: the caller's promise; an `AnyHandle` is the same 64 bits.
        Ok(unsafe { std::slice::from_raw_parts(handles.cast(), n) })
    }
}

/// A callback of the caller's, to be run once.
///
/// # Errors
/// [`Error::Null`], [`Error::NoMemory`].
///
/// # Safety
/// `run` is NULL or may be called once with `ctx`, on any thread, and does not unwind.
pub unsafe fn callback(
    run: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> Result<Box<dyn FnOnce() + Send>, Error> {
    struct Callback(unsafe extern "C" fn(ctx: *mut c_void), *mut c_void);
    // SAFETY: the caller's promise: on any thread.
    unsafe impl Send for Callback {}
    impl Callback {
        fn run(self) {
            // SAFETY: the caller's promise, and `self` is used up.
            unsafe { (self.0)(self.1) }
        }
    }
    let callback = Callback(run.ok_or(Error::Null)?, ctx);
    let run: Box<dyn FnOnce() + Send> = try_box(move || callback.run()).ok_or(Error::NoMemory)?;
    Ok(run)
}

/// The kind that a C caller names.
#[must_use]
pub fn kind(kind: *mut impl Sized) -> AnyKind {
    AnyKind::from_raw(kind)
}

/// A guard embedded in the caller's memory, by its address.
///
/// # Errors
/// [`Error::Null`]; [`Error::InvalidArgument`] for an address that cannot be one's (not a multiple of
/// eight).
///
/// # Safety
/// `guard` is NULL or points at a guard in memory that is never given back.
pub unsafe fn guard<'a>(guard: *mut impl Sized) -> Result<&'a HandleGuard, Error> {
    // SAFETY: the caller's promise; a guard is shared by nature.
    unsafe { embedded(guard) }
}

/// A run-down embedded in the caller's memory, by its address.
///
/// # Errors
/// As [`guard()`].
///
/// # Safety
/// `rundown` is NULL or points at a run-down that outlives `'a`.
pub unsafe fn rundown<'a>(rundown: *mut impl Sized) -> Result<&'a RundownRef, Error> {
    // SAFETY: the caller's promise; a run-down is shared by nature.
    unsafe { embedded(rundown) }
}

/// A cache-aware run-down on the heap, by its address.
///
/// # Errors
/// As [`guard()`].
///
/// # Safety
/// `rundown` is NULL or points at a [`CacheAwareRundown`] that outlives `'a`.
pub unsafe fn cache_aware_rundown<'a>(rundown: *mut impl Sized) -> Result<&'a CacheAwareRundown, Error> {
    // SAFETY: the caller's promise; a run-down is shared by nature.
    unsafe { embedded(rundown) }
}

/// # Safety
/// `address` is NULL or points at a `T` that outlives `'a` and is never borrowed uniquely.
unsafe fn embedded<'a, T>(address: *mut impl Sized) -> Result<&'a T, Error> {
    let address: *const T = address.cast_const().cast();
    if address.is_null() {
        Err(Error::Null)
    } else if !address.is_aligned() {
        Err(Error::InvalidArgument)
    } else {
        // SAFETY: the caller's promise.
        Ok(unsafe { &*address })
    }
}

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
//!     ffi::with(counter, c"my_counter_add", |counter: &Counter| {
//!         let sum = counter.0.fetch_add(n, std::sync::atomic::Ordering::Relaxed) + n;
//!         // SAFETY: `out_sum` is NULL or writable.
//!         unsafe { ffi::write(out_sum, sum) }
//!     })
//! }
//! #[unsafe(no_mangle)]
//! pub extern "C" fn my_counter_free(counter: *mut my_counter, timeout_ms: i64) -> Status {
//!     ffi::free::<Counter, _>(counter, timeout_ms)
//! }
//! ```
//!
//! What they take from the caller: a handle may be any value at all. An `out` pointer is NULL or
//! writable. What they guarantee: no panic leaves; every refusal leaves its words in [`last_error`]; an
//! `out` pointer to a handle is set to NULL when there is none, every other one is written on success
//! only.

use crate::allocate::try_box;
use crate::error::Error;
use crate::guard::{FFI_HANDLE_FREE_DEADLINE, HandleGuard};
use crate::handle::{self, AnyHandle, AnyKind, Freed, Handle, Hold, HoldToken, Token};
use crate::rundown::RundownRef;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[path = "ffi/last_error.rs"]
mod last_error;
#[path = "ffi/status.rs"]
mod status;
pub use last_error::{last_error, last_os_error};
pub use status::Status;

/// Wait without end.
pub const INFINITE: i64 = -1;
/// For a free: [`FFI_HANDLE_FREE_DEADLINE`].
pub const DEFAULT_TIMEOUT: i64 = -2;

/// Runs the body of an exported function: a refusal is remembered for [`last_error`], a panic goes no
/// further.
pub fn call<S: Into<Status>>(body: impl FnOnce() -> Result<S, Error>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(success)) => success.into(),
        Ok(Err(error)) => last_error::refuse(error),
        Err(_panic) => last_error::refuse(Error::Panic),
    }
}

/// A timeout in milliseconds, or [`INFINITE`].
///
/// # Errors
/// [`Error::InvalidArgument`] for any other negative number.
pub fn timeout(timeout_ms: i64) -> Result<Duration, Error> {
    match timeout_ms {
        INFINITE => Ok(Duration::MAX),
        _ => u64::try_from(timeout_ms).map(Duration::from_millis).map_err(|_| Error::InvalidArgument),
    }
}

/// The timeout of a free: also [`DEFAULT_TIMEOUT`].
///
/// # Errors
/// As [`timeout`].
pub fn free_timeout(timeout_ms: i64) -> Result<Duration, Error> {
    if timeout_ms == DEFAULT_TIMEOUT { Ok(FFI_HANDLE_FREE_DEADLINE) } else { timeout(timeout_ms) }
}

/// Writes a result.
///
/// # Errors
/// [`Error::Null`].
///
/// # Safety
/// `out` is NULL or writable.
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
pub fn with<T: Handle, C, S: Into<Status>>(
    handle: *mut C,
    operation: &'static CStr,
    body: impl FnOnce(&T) -> Result<S, Error>,
) -> Status {
    call(|| body(&*Token::<T>::from_raw(handle).enter(operation)?))
}

/// Takes a hold on `handle`, to be given back with [`release`]. `*out_hold` is the hold, or NULL when
/// the answer is a refusal.
///
/// # Safety
/// `out_hold` is NULL or writable.
pub unsafe fn hold<T: Handle, C, H>(handle: *mut C, operation: &'static CStr, out_hold: *mut *mut H) -> Status {
    let take = || Token::<T>::from_raw(handle).hold(operation).and_then(Hold::into_token);
    // SAFETY: the caller's promise.
    unsafe { produce(out_hold, || Ok(take()?.into_raw())) }
}

/// Releases a hold; NULL is nothing to release.
pub fn release<H>(hold: *mut H) -> Status {
    if hold.is_null() {
        return Status::Ok;
    }
    call(|| HoldToken::from_raw(hold).release())
}

/// The `*_free` of a type: any value, from any thread, however often. NULL is nothing to free.
pub fn free<T: Handle, C>(handle: *mut C, timeout_ms: i64) -> Status {
    free_any(handle, timeout_ms, |timeout| Token::<T>::from_raw(handle).free(timeout))
}

/// The free of a handle of whatever kind. A free that stays pending leaves in [`last_error`] who is
/// inside.
pub fn free_handle<C>(handle: *mut C, timeout_ms: i64) -> Status {
    free_any(handle, timeout_ms, |timeout| AnyHandle::from_raw(handle).free(None, timeout))
}

fn free_any<C>(handle: *mut C, timeout_ms: i64, free: impl FnOnce(Duration) -> Result<Freed, Error>) -> Status {
    if handle.is_null() {
        return Status::Ok;
    }
    call(|| {
        let freed = free(free_timeout(timeout_ms)?)?;
        if freed == Freed::Pending {
            last_error::tell_occupants(AnyHandle::from_raw(handle));
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
                last_error::tell_occupants(pending);
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
pub unsafe fn close_kind<C>(kind: *mut C, timeout_ms: i64, out_left: *mut usize) -> Status {
    call(|| {
        let kind = AnyKind::from_raw(kind);
        let (freed, left) = kind.close(free_timeout(timeout_ms)?)?;
        if let (Freed::Pending, Some(handle)) = (freed, kind.any_live()) {
            last_error::tell_occupants(handle);
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
        Ok(if left == 0 { Freed::Destroyed } else { Freed::Pending })
    })
}

/// Frees if nobody is inside. NULL is nothing to free.
pub fn try_free<T: Handle, C>(handle: *mut C) -> Status {
    if handle.is_null() { Status::Ok } else { call(|| Token::<T>::from_raw(handle).try_free()) }
}

/// Waits until the value behind `handle` is dropped.
pub fn wait_freed<C>(handle: *mut C, timeout_ms: i64) -> Status {
    call(|| AnyHandle::from_raw(handle).wait_freed(timeout(timeout_ms)?))
}

/// The handles that a C caller lists.
///
/// # Errors
/// [`Error::Null`], unless `n` is 0; [`Error::InvalidArgument`] for more than can exist.
///
/// # Safety
/// `handles` is NULL or `n` readable pointers that nobody changes during `'a`.
pub unsafe fn list<'a, C>(handles: *const *mut C, n: usize) -> Result<&'a [AnyHandle], Error> {
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
pub fn kind<C>(kind: *mut C) -> AnyKind {
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
pub unsafe fn guard<'a, C>(guard: *mut C) -> Result<&'a HandleGuard, Error> {
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
pub unsafe fn rundown<'a, C>(rundown: *mut C) -> Result<&'a RundownRef, Error> {
    // SAFETY: the caller's promise; a run-down is shared by nature.
    unsafe { embedded(rundown) }
}

/// # Safety
/// `address` is NULL or points at a `T` that outlives `'a` and is never borrowed uniquely.
unsafe fn embedded<'a, T, C>(address: *mut C) -> Result<&'a T, Error> {
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

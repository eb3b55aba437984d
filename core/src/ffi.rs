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

/// Writes a result. It can only refuse after the fact: for a body that cannot be undone use [`answer`]
/// or [`produce`].
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
pub fn with<T: Handle, S: Into<Status>>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    body: impl FnOnce(&T) -> Result<S, Error>,
) -> Status {
    call(|| body(&*Token::<T>::from_raw(handle).enter(operation)?))
}

/// Runs `body` on the value behind `handle`, as an operation in flight, and writes what it answers. A
/// NULL `out` is refused before `body` runs.
///
/// # Safety
/// `out` is NULL or writable.
pub unsafe fn answer<T: Handle, V>(
    handle: *mut impl Sized,
    operation: &'static CStr,
    out: *mut V,
    body: impl FnOnce(&T) -> Result<V, Error>,
) -> Status {
    call(|| {
        if out.is_null() {
            return Err(Error::Null);
        }
        let value = body(&*Token::<T>::from_raw(handle).enter(operation)?)?;
        // SAFETY: the caller's promise.
        unsafe { write(out, value) }
    })
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

/// Releases a hold; NULL is nothing to release.
pub fn release(hold: *mut impl Sized) -> Status {
    if hold.is_null() {
        return Status::Ok;
    }
    call(|| HoldToken::from_raw(hold).release())
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

//! A C library by a Rust author whose operations do next to nothing: one that is guarded by a token, and
//! the same with nothing around it. What lies between the two is the price.

#![allow(non_camel_case_types, reason = "these are the names C sees")]

use quiescent_core::ffi::{self, Status};
use quiescent_core::{Handle, Kind};
use std::sync::atomic::{AtomicU64, Ordering};

struct Object(AtomicU64);

static OBJECT: Kind<Object> = Kind::new("measured");

impl Handle for Object {
    fn kind() -> &'static Kind<Object> {
        &OBJECT
    }
}

/// An object, as C holds it.
pub struct bench_object {
    _token: (),
}

/// Opens an object behind a token.
///
/// # Safety
/// `out_object` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_new(out_object: *mut *mut bench_object) -> Status {
    // SAFETY: `out_object` is NULL or writable.
    unsafe { ffi::open(out_object, || Ok(Object(AtomicU64::new(0)))) }
}

/// Looks at the object behind a token.
#[unsafe(no_mangle)]
pub extern "C" fn bench_op(object: *mut bench_object) -> Status {
    ffi::with(object, c"bench_op", |object: &Object| {
        std::hint::black_box(object.0.load(Ordering::Relaxed));
        Ok(Status::Ok)
    })
}

/// Frees the object behind a token.
#[unsafe(no_mangle)]
pub extern "C" fn bench_free(object: *mut bench_object, timeout_ms: i64) -> Status {
    ffi::free::<Object>(object, timeout_ms)
}

/// An object that C holds by its address, unguarded.
#[unsafe(no_mangle)]
pub extern "C" fn bench_plain_new() -> *mut AtomicU64 {
    Box::into_raw(Box::new(AtomicU64::new(0)))
}

/// Looks at the object at an address.
///
/// # Safety
/// `object` is from [`bench_plain_new`], and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_plain(object: *mut AtomicU64) -> Status {
    // SAFETY: the caller's promise.
    std::hint::black_box(unsafe { &*object }.load(Ordering::Relaxed));
    Status::Ok
}

/// Frees the object at an address.
///
/// # Safety
/// `object` is from [`bench_plain_new`], and freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_plain_free(object: *mut AtomicU64) -> Status {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(object) });
    Status::Ok
}

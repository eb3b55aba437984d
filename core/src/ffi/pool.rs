//! A pool whose factory are a C caller's callbacks.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::ffi::{INFINITE, Status, call, take, try_take};
use crate::handle::{Freed, Handle, HoldToken, Kind};
use crate::sync::{
    AsyncResourceFactory, DestroyReason, GenericPool, PoolConfig, PoolError, PoolStats, PooledResource, WarmupStrategy,
};
use crate::wait::Wait;
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::future::{Future, ready};
use std::time::Duration;

/// Writes a new resource, within so many milliseconds, and answers 0; or answers another status.
pub type CreateResource =
    unsafe extern "C" fn(timeout_ms: i64, ctx: *mut c_void, out_resource: *mut *mut c_void) -> i32;
/// Whether a resource is good.
pub type CheckResource = unsafe extern "C" fn(resource: *mut c_void, ctx: *mut c_void) -> bool;
/// Destroys a resource; `reason` is a [`DestroyReason`].
pub type DestroyResource = unsafe extern "C" fn(resource: *mut c_void, reason: i32, ctx: *mut c_void);

/// The callbacks of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolCallbacks {
    /// See [`AsyncResourceFactory::create`].
    pub create: CreateResource,
    /// See [`AsyncResourceFactory::check`].
    pub check: Option<CheckResource>,
    /// See [`AsyncResourceFactory::recycle`].
    pub recycle: Option<CheckResource>,
    /// See [`AsyncResourceFactory::destroy`].
    pub destroy: Option<DestroyResource>,
    /// Passed to all.
    pub ctx: *mut c_void,
}

/// The object of a pool's handle. A hold has taken a resource: the address of its entry.
pub struct CallbackPool(GenericPool<Factory>);

struct Factory(PoolCallbacks);

/// What the callbacks call a resource.
struct Resource(*mut c_void);

// SAFETY: the promise of `CallbackPool::new`: any callback, with any resource, on any thread.
unsafe impl Send for Factory {}
// SAFETY: as above; the callbacks may run beside each other.
unsafe impl Sync for Factory {}
// SAFETY: as above.
unsafe impl Send for Resource {}

impl AsyncResourceFactory for Factory {
    type Resource = Resource;
    type Error = Error;

    fn create(&self, until: Deadline) -> impl Future<Output = Result<Resource, Error>> + Send {
        let mut resource = std::ptr::null_mut();
        // SAFETY: the promise of `CallbackPool::new`.
        let code = unsafe { (self.0.create)(milliseconds_until(until), self.0.ctx, &raw mut resource) };
        ready(if code == 0 { Ok(Resource(resource)) } else { Err(refusal(code)) })
    }

    fn check(&self, resource: &mut Resource) -> impl Future<Output = bool> + Send {
        // SAFETY: as above; the resource was made, and is not destroyed.
        ready(self.0.check.is_none_or(|check| unsafe { check(resource.0, self.0.ctx) }))
    }

    fn recycle(&self, resource: &mut Resource) -> bool {
        // SAFETY: as above.
        self.0.recycle.is_none_or(|recycle| unsafe { recycle(resource.0, self.0.ctx) })
    }

    fn destroy(&self, resource: Resource, reason: DestroyReason) {
        if let Some(destroy) = self.0.destroy {
            // SAFETY: as above; it comes here once.
            unsafe { destroy(resource.0, reason as i32, self.0.ctx) };
        }
    }
}

fn milliseconds_until(deadline: Deadline) -> i64 {
    deadline.milliseconds_left().map_or(INFINITE, |left| i64::try_from(left).unwrap_or(i64::MAX))
}

/// What a callback's status is answered as: those that the header names are passed on.
fn refusal(code: i32) -> Error {
    match code {
        -5 => Error::Timeout,
        -6 => Error::Busy,
        -7 => Error::Cancelled,
        -11 => Error::NoMemory,
        _ => Error::Io,
    }
}

/// The factory's own refusal is the answer.
fn answer(error: PoolError<Error>) -> Error {
    if let PoolError::Create(error) = error { error } else { error.into() }
}

impl CallbackPool {
    /// A pool in which there is nothing yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::NoMemory`].
    ///
    /// # Safety
    /// Until the pool is destroyed the callbacks may be called with their context on any thread, beside each other: with what
    /// `create` wrote, up to one call of `destroy` for each. They do not unwind.
    pub unsafe fn new(callbacks: PoolCallbacks, config: PoolConfig) -> Result<CallbackPool, Error> {
        GenericPool::new(Factory(callbacks), config).map(CallbackPool)
    }

    /// See [`GenericPool::maintain`].
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn maintain(&self) -> Option<Duration> {
        self.0.maintain()
    }

    /// See [`GenericPool::stats`].
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }

    /// See [`GenericPool::warm_up`].
    ///
    /// # Errors
    /// Those of [`PoolError`]; a refusal of the callback's as it answered it.
    pub fn warm_up(&self, target: u32, strategy: WarmupStrategy, wait: Wait<'_>) -> Result<u32, Error> {
        self.0.warm_up(target, strategy, wait).map_err(answer)
    }

    /// [`GenericPool::acquire_async`], for a hold of a handle: what the hold has taken, and the resource.
    ///
    /// # Errors
    /// Those of [`PoolError`]; a refusal of the callback's as it answered it.
    pub async fn take_async(&self) -> Result<(u64, *mut c_void), Error> {
        let resource = self.0.acquire_async().await.map_err(answer)?;
        let made = resource.0;
        Ok((resource.into_raw(), made))
    }

    /// # Safety
    /// `taken` is of a hold of this pool, whose end the caller has.
    unsafe fn redeem(&self, taken: u64) -> PooledResource<Factory> {
        // SAFETY: the caller's promise.
        unsafe { self.0.resource_from_raw(taken) }
    }
}

static KIND: Kind<CallbackPool> = Kind::new("pool");

impl Handle for CallbackPool {
    fn kind() -> &'static Kind<CallbackPool> {
        &KIND
    }

    fn on_close(&self) {
        self.0.close();
    }

    fn on_release(&self, taken: u64) {
        // SAFETY: a hold of this pool took it, and it is told once.
        drop(unsafe { self.redeem(taken) });
    }
}

/// Takes a resource of the pool `pool`, as [`take`] does: `*out_resource` is what the callback made. Written on success only.
///
/// # Safety
/// `out_resource` and `out_hold` are NULL or writable.
pub unsafe fn acquire_resource(
    pool: *mut impl Sized,
    operation: &'static CStr,
    timeout_ms: i64,
    cancel: *mut impl Sized,
    out_resource: *mut *mut c_void,
    out_hold: *mut *mut impl Sized,
) -> Status {
    let made = Cell::new(std::ptr::null_mut());
    let body = |pool: &CallbackPool, wait: Wait<'_>| {
        if out_resource.is_null() {
            return Err(Error::Null);
        }
        pool.0.acquire(wait).map_err(answer).map(|resource| keep(resource, &made))
    };
    // SAFETY: the caller's promise.
    let status = unsafe { take(pool, operation, timeout_ms, cancel, out_hold, body) };
    // SAFETY: as above, and the body has refused NULL.
    unsafe { write_if_ok(status, out_resource, &made) }
}

/// The same, of an idle one, as [`try_take`] does.
///
/// # Safety
/// As [`acquire_resource`].
pub unsafe fn try_acquire_resource(
    pool: *mut impl Sized,
    operation: &'static CStr,
    out_resource: *mut *mut c_void,
    out_hold: *mut *mut impl Sized,
) -> Status {
    let made = Cell::new(std::ptr::null_mut());
    let body = |pool: &CallbackPool| {
        if out_resource.is_null() {
            return Err(Error::Null);
        }
        pool.0.try_acquire().map_err(Error::from).map(|resource| keep(resource, &made))
    };
    // SAFETY: the caller's promise.
    let status = unsafe { try_take(pool, operation, out_hold, body) };
    // SAFETY: as above, and the body has refused NULL.
    unsafe { write_if_ok(status, out_resource, &made) }
}

/// For a hold to take: see [`Handle::on_release`].
fn keep(resource: PooledResource<Factory>, made: &Cell<*mut c_void>) -> u64 {
    made.set(resource.0);
    resource.into_raw()
}

/// # Safety
/// `out_resource` is writable if `status` is that of success.
unsafe fn write_if_ok(status: Status, out_resource: *mut *mut c_void, made: &Cell<*mut c_void>) -> Status {
    if status == Status::Ok {
        // SAFETY: the caller's promise.
        unsafe { out_resource.write(made.get()) };
    }
    status
}

/// Ends a hold of a pool's resource and leaves the resource to the caller: the pool has one less.
///
/// # Safety
/// `out_resource` is NULL or writable.
pub unsafe fn detach_resource(hold: *mut impl Sized, out_resource: *mut *mut c_void) -> Status {
    call(|| {
        if out_resource.is_null() {
            return Err(Error::Null);
        }
        // SAFETY: the hold's end is this call's.
        let detach = |pool: &CallbackPool, taken| unsafe { pool.redeem(taken) }.detach().0;
        let resource = HoldToken::from_raw(hold).redeem(detach)?.ok_or(Error::Freed)?;
        // SAFETY: the caller's promise.
        unsafe { out_resource.write(resource) };
        Ok(())
    })
}

/// Ends a hold of a pool's resource, which is destroyed as unhealthy. NULL is nothing to discard.
pub fn discard_resource(hold: *mut impl Sized) -> Status {
    if hold.is_null() {
        return Status::Ok;
    }
    call(|| {
        // SAFETY: the hold's end is this call's.
        let discard = |pool: &CallbackPool, taken| unsafe { pool.redeem(taken) }.discard();
        let discarded = HoldToken::from_raw(hold).redeem(discard)?;
        Ok(if discarded.is_some() { Freed::Destroyed } else { Freed::AlreadyFreed })
    })
}

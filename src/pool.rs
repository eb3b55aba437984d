//! Pools: resources that are costly to make, and used again.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::hold::qz_hold;
use crate::sized::{check_output, read_sized, write_sized};
use crate::status::qz_status;
use quiescent_core::ffi::{self, CallbackPool, PoolCallbacks, Refused, Submission, Taken};
use quiescent_core::sync::{DestroyReason, PoolConfig, WarmupStrategy};
use quiescent_core::{Error, Hold};
use std::ffi::c_void;
use std::time::Duration;

/// A pool of resources, which the caller's callbacks make, check, clean and destroy. Each that is handed out is a
/// hold on the pool: reports name who has it. Fair: who waits is served first in, first out; of those that are idle
/// the one that came back last is taken. A thread may have several; one that has all and waits for one more waits
/// for itself.
pub struct qz_pool {
    _token: (),
}

/// Why a resource was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum qz_pool_reason {
    /// It was idle for longer than the idle timeout.
    QZ_POOL_IDLE = 0,
    /// It lived for longer than the maximum.
    QZ_POOL_EXPIRED = 1,
    /// A check or a recycling said no, or it was discarded.
    QZ_POOL_UNHEALTHY = 2,
    /// The pool was freed.
    QZ_POOL_CLOSING = 3,
    /// It came back when enough others were idle.
    QZ_POOL_SURPLUS = 4,
}

/// What it means when a warm-up cannot make every resource. Those that it made stay in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum qz_pool_strategy {
    /// The first failure ends it, and is the answer.
    QZ_POOL_FAIL = 0,
    /// It goes on after a failure, which is no refusal.
    QZ_POOL_BEST_EFFORT = 1,
    /// It goes on after a failure; the last one is the answer if there are less than the minimal size.
    QZ_POOL_REQUIRE_MINIMUM = 2,
}

/// The callbacks of a pool. Set `struct_size` to `sizeof(qz_pool_ops)`, so that this may grow; zero what you do not
/// use.
///
/// They run on the thread that acquires, gives back, maintains or frees, on several at once perhaps, without any lock of
/// ours, and may call anything in here, also for the same pool. A free of the pool from inside one
/// does not wait. They and `ctx` must stay valid until the pool is destroyed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct qz_pool_ops {
    /// sizeof(qz_pool_ops).
    pub struct_size: usize,
    /// Writes a new resource (any value) to `*out_resource` and answers QZ_OK; or leaves nothing behind and answers why not:
    /// QZ_ERR_TIMEOUT, QZ_ERR_BUSY, QZ_ERR_CANCELLED or QZ_ERR_NO_MEMORY (any other number is taken for QZ_ERR_IO).
    /// It should take no longer than `timeout_ms` (or QZ_INFINITE): nothing ends it. What it makes too late is
    /// used all the same. Not NULL.
    pub create: Option<unsafe extern "C" fn(timeout_ms: i64, ctx: *mut c_void, out_resource: *mut *mut c_void) -> i32>,
    /// Whether a resource that was idle may be handed out; may be NULL. If not, it is destroyed.
    pub check: Option<unsafe extern "C" fn(resource: *mut c_void, ctx: *mut c_void) -> bool>,
    /// Cleans a resource that comes back, on the thread that gives it back, and answers whether it may be used
    /// again; may be NULL. If not, it is destroyed.
    pub recycle: Option<unsafe extern "C" fn(resource: *mut c_void, ctx: *mut c_void) -> bool>,
    /// Destroys a resource, once for each that was made and not detached; may be NULL. `reason` is a
    /// qz_pool_reason.
    pub destroy: Option<unsafe extern "C" fn(resource: *mut c_void, reason: i32, ctx: *mut c_void)>,
    /// Passed to all.
    pub ctx: *mut c_void,
}

/// Sizes and times of a pool. Set `struct_size` to `sizeof(qz_pool_config)`, so that this may grow. Times are in
/// milliseconds; 0 and QZ_INFINITE: none.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct qz_pool_config {
    /// sizeof(qz_pool_config).
    pub struct_size: usize,
    /// So many stay, however long they have been idle or alive. At most `max_size`. A warm-up makes them.
    pub min_size: u32,
    /// Never more than this at a time, counting those that are being made and destroyed. 1 to 2^20.
    pub max_size: u32,
    /// One that comes back when so many are idle is surplus. At least `min_size`; 0: as many as there may be.
    pub max_idle: u32,
    /// Zero.
    pub reserved: u32,
    /// A call waits at most so long until somebody gives a resource back.
    pub wait_timeout_ms: i64,
    /// A resource should be made within this time: `create` is told.
    pub create_timeout_ms: i64,
    /// One that has been idle for so long goes.
    pub idle_timeout_ms: i64,
    /// One that was made so long ago goes, as soon as it is not in use.
    pub max_lifetime_ms: i64,
}

/// What a pool has, and what has happened to it, all of one moment. `size` is `idle` + `in_use` + `creating` +
/// `leaving`; `created` is `size` - `creating` + `detached` + all that were destroyed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_pool_stats {
    /// Resources there are, counting those that are being made or destroyed.
    pub size: u64,
    /// Those that wait to be taken.
    pub idle: u64,
    /// Those that somebody has, and those that are being checked or recycled.
    pub in_use: u64,
    /// Those that are being made.
    pub creating: u64,
    /// Those that are being destroyed.
    pub leaving: u64,
    /// Calls that wait for one to come back.
    pub waiting: u64,
    /// How often one was handed out, so far.
    pub acquired: u64,
    /// How many were made.
    pub created: u64,
    /// How often one was not made after all.
    pub not_created: u64,
    /// How many were detached.
    pub detached: u64,
    /// How many were destroyed as QZ_POOL_IDLE.
    pub destroyed_idle: u64,
    /// The same as QZ_POOL_EXPIRED.
    pub destroyed_expired: u64,
    /// The same as QZ_POOL_UNHEALTHY.
    pub destroyed_unhealthy: u64,
    /// The same as QZ_POOL_CLOSING.
    pub destroyed_closing: u64,
    /// The same as QZ_POOL_SURPLUS.
    pub destroyed_surplus: u64,
    /// How often a call had to wait for one to come back, whatever came of it.
    pub waits: u64,
    /// Nanoseconds that they waited, all together.
    pub wait_total_ns: u64,
    /// Nanoseconds of the longest wait.
    pub wait_max_ns: u64,
}

/// Reads the caller's callbacks, whose struct may be newer than ours.
///
/// # Safety
/// `ops` is NULL or points at a `qz_pool_ops` of the size it says.
unsafe fn callbacks(ops: *const qz_pool_ops) -> Result<PoolCallbacks, Error> {
    // SAFETY: the caller's promise.
    let qz_pool_ops { create, check, recycle, destroy, ctx, .. } = unsafe { read_sized(ops) }?;
    Ok(PoolCallbacks { create: create.ok_or(Error::Null)?, check, recycle, destroy, ctx })
}

/// Reads the caller's sizes and times, whose struct may be newer than ours.
///
/// # Safety
/// `config` is NULL or points at a `qz_pool_config` of the size it says.
unsafe fn configuration(config: *const qz_pool_config) -> Result<PoolConfig, Error> {
    // SAFETY: the caller's promise.
    let config = unsafe { read_sized(config) }?;
    Ok(PoolConfig {
        min_size: config.min_size,
        max_size: config.max_size,
        max_idle: if config.max_idle == 0 { config.max_size } else { config.max_idle },
        wait_timeout: optional(config.wait_timeout_ms)?,
        create_timeout: optional(config.create_timeout_ms)?,
        idle_timeout: optional(config.idle_timeout_ms)?,
        max_lifetime: optional(config.max_lifetime_ms)?,
    })
}

/// A time that is none if it is 0.
fn optional(timeout_ms: i64) -> Result<Duration, Error> {
    if timeout_ms == 0 { Ok(Duration::MAX) } else { ffi::timeout(timeout_ms) }
}

fn strategy(number: i32) -> Result<WarmupStrategy, Error> {
    match number {
        0 => Ok(WarmupStrategy::Fail),
        1 => Ok(WarmupStrategy::BestEffort),
        2 => Ok(WarmupStrategy::RequireMinimum),
        _ => Err(Error::InvalidArgument),
    }
}

/// A pool in which there is nothing yet. Does not block, and calls nobody. `ops` and `config` are copied. Pairs with
/// qz_pool_free.
///
/// - QZ_OK: `*out_pool` is the handle.
/// - QZ_ERR_INVALID_ARGUMENT (a `struct_size` is too small, or a size or time is not as qz_pool_config says),
///   QZ_ERR_NULL (also for `create`), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_pool` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_new(
    ops: *const qz_pool_ops,
    config: *const qz_pool_config,
    out_pool: *mut *mut qz_pool,
) -> qz_status {
    // SAFETY: pointers and callbacks as the header's conventions and this comment say.
    unsafe { ffi::open(out_pool, || CallbackPool::new(callbacks(ops)?, configuration(config)?)).into() }
}

/// Takes a resource: one that is idle and passes its `check`, or a new one, or the first one that comes back. It is given
/// back by qz_hold_release, which runs `recycle`, or ended by qz_pool_detach or qz_pool_discard.
///
/// `timeout_ms` bounds the whole call, but no callback; with 0 none is made. The pool's own timeouts bound each part.
///
/// - QZ_OK: `*out_resource` is the resource, `*out_hold` owns it.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has them), QZ_ERR_CANCELLED, QZ_ERR_FREED (the pool, before or meanwhile;
///   or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_IO, QZ_ERR_BUSY: `create` could not make one; see qz_pool_ops for what it may answer.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (also of
///   `cancel`, which may be NULL), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_acquire(
    pool: *mut qz_pool,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_resource: *mut *mut c_void,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_resource` and `out_hold` are NULL or writable.
    unsafe { ffi::acquire_resource(pool, c"qz_pool_acquire", timeout_ms, cancel, out_resource, out_hold).into() }
}

/// Takes a resource that is idle and passes its `check`. Makes none, and waits for nobody.
///
/// - QZ_OK: `*out_resource` is the resource, `*out_hold` owns it.
/// - QZ_ERR_BUSY (none is idle; qz_last_error() says who has them), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_try_acquire(
    pool: *mut qz_pool,
    out_resource: *mut *mut c_void,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_resource` and `out_hold` are NULL or writable.
    unsafe { ffi::try_acquire_resource(pool, c"qz_pool_try_acquire", out_resource, out_hold).into() }
}

/// Ends a hold of a pool's resource, and leaves the resource to the caller: the pool has one less, may make
/// another, and does not destroy this one. Any thread. Does not block, but for the end of a pool that was
/// freed meanwhile.
///
/// - QZ_OK: `*out_resource` is the resource. There is no hold any more.
/// - QZ_ERR_FREED: the hold was released, detached or discarded by another call, or is about to be.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, or a hold that is no pool's), QZ_ERR_FORKED: the
///   hold is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_detach(hold: *mut qz_hold, out_resource: *mut *mut c_void) -> qz_status {
    // SAFETY: `out_resource` is NULL or writable.
    unsafe { ffi::detach_resource(hold, out_resource).into() }
}

/// Gives a pool's resource back as broken: as qz_hold_release, but it is destroyed (QZ_POOL_UNHEALTHY), on this
/// thread, without being recycled.
///
/// - QZ_OK: this call did (or `hold` is NULL).
/// - QZ_ALREADY_FREED: the hold was released, detached or discarded by another call, or is about to be.
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, or a hold that is no pool's), QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_discard(hold: *mut qz_hold) -> qz_status {
    ffi::discard_resource(hold).into()
}

/// Makes resources, one after the other, until there are `target` (at most the maximal size, and as many idle as may
/// be). `strategy` is a qz_pool_strategy; the end of the time is a failure like others, and none is made after it.
///
/// - QZ_OK: `*out_size` (unless NULL) is how many there are, counting those that are in use.
/// - QZ_ERR_TIMEOUT, QZ_ERR_IO, QZ_ERR_BUSY, QZ_ERR_NO_MEMORY (`create` could not make one; see qz_pool_ops for what it
///   may answer): as `strategy` says. What was made stays.
/// - QZ_ERR_CANCELLED, QZ_ERR_FREED (the pool, before or meanwhile; or `cancel`, before): in any case.
/// - QZ_ERR_INVALID_ARGUMENT (`strategy`, `timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FORKED (also of `cancel`, which may be NULL), QZ_ERR_NO_MEMORY (a thread's first call): none was made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_warm_up(
    pool: *mut qz_pool,
    target: u32,
    strategy: i32,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_size: *mut u32,
) -> qz_status {
    let made = ffi::wait(pool, c"qz_pool_warm_up", timeout_ms, cancel, |pool: &CallbackPool, wait| {
        let size = pool.warm_up(target, self::strategy(strategy)?, wait)?;
        // SAFETY: `out_size` is NULL or writable.
        unsafe { ffi::write_optional(out_size, size) };
        Ok::<(), Error>(())
    });
    made.into()
}

/// Destroys, on this thread, what has been idle or alive for too long, but keeps the minimal size. Call it when you
/// like, or not at all: timeouts are looked at as well when something is taken or given back. Waits for nobody.
///
/// - QZ_OK: `*out_next_ms` (unless NULL) is after how many milliseconds that is worth doing again, or QZ_INFINITE: nothing
///   in this pool goes by the time.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_maintain(pool: *mut qz_pool, out_next_ms: *mut i64) -> qz_status {
    let maintained = ffi::with(pool, c"qz_pool_maintain", |pool: &CallbackPool| {
        let next = pool.maintain().map(|next| next.as_nanos().div_ceil(1_000_000));
        let next_ms = next.and_then(|next| i64::try_from(next).ok()).unwrap_or(ffi::INFINITE);
        // SAFETY: `out_next_ms` is NULL or writable.
        unsafe { ffi::write_optional(out_next_ms, next_ms) };
        Ok(())
    });
    maintained.into()
}

/// Writes a pool's statistics. `size` is sizeof(qz_pool_stats). Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8), QZ_ERR_NULL,
///   QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_stats_get(
    pool: *mut qz_pool,
    out_stats: *mut qz_pool_stats,
    size: usize,
) -> qz_status {
    let told = ffi::with(pool, c"qz_pool_stats_get", |pool: &CallbackPool| {
        check_output(out_stats, size)?;
        let stats = pool.stats();
        let stats = qz_pool_stats {
            size: stats.size.into(),
            idle: stats.idle.into(),
            in_use: stats.in_use.into(),
            creating: stats.creating.into(),
            leaving: stats.leaving.into(),
            waiting: stats.waiting.into(),
            acquired: stats.acquired,
            created: stats.created,
            not_created: stats.not_created,
            detached: stats.detached,
            destroyed_idle: stats.destroyed(DestroyReason::Idle),
            destroyed_expired: stats.destroyed(DestroyReason::Expired),
            destroyed_unhealthy: stats.destroyed(DestroyReason::Unhealthy),
            destroyed_closing: stats.destroyed(DestroyReason::Closing),
            destroyed_surplus: stats.destroyed(DestroyReason::Surplus),
            waits: stats.waits,
            wait_total_ns: u64::try_from(stats.wait_total.as_nanos()).unwrap_or(u64::MAX),
            wait_max_ns: u64::try_from(stats.wait_max.as_nanos()).unwrap_or(u64::MAX),
        };
        // SAFETY: `out_stats` is writable for `size` bytes.
        unsafe { write_sized(out_stats, size, stats) };
        Ok(())
    });
    told.into()
}

/// Takes a resource without blocking the thread: completes on `backend` when there is one. In the same line as those that block.
/// The callbacks run on the thread that submits or polls, so a `create` that blocks blocks that.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `pool` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `value` is the resource, to be cast to a pointer, `hold` gives it back. QZ_ERR_TIMEOUT,
///   QZ_ERR_CANCELLED, QZ_ERR_FREED, or what `create` answered (QZ_ERR_IO, …): nothing was taken, and nobody stands in
///   line any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_acquire_async(
    pool: *mut qz_pool,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::take_async(pool, c"qz_pool_acquire_async", on, |hold: Hold<CallbackPool>| async move {
        let taken = hold.take_async().await.map_err(Refused::from);
        (hold, taken.map(|(taken, resource)| Taken { taken, value: resource.expose_provenance() }))
    });
    submitted.into()
}

/// As qz_handle_free. Whoever waits for a resource is refused at once, as freed; what is idle is destroyed at once;
/// resources that are out are waited for, and destroyed when they come back, on the thread that brings them.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_pool_free(pool: *mut qz_pool, timeout_ms: i64) -> qz_status {
    ffi::free::<CallbackPool>(pool, timeout_ms).into()
}

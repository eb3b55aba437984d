//! Mutexes: one at a time.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::hold::qz_hold;
use crate::sized::{check_output, write_sized};
use crate::status::qz_status;
use quiescent_core::ffi::{self, Refused, Submission, Taken};
use quiescent_core::sync::{ContendedMutex, LockMetricsSnapshot};
use quiescent_core::{Error, Hold};
use std::ffi::c_void;
use std::time::Duration;

/// A lock. Fair: first in, first out. Not re-entrant: a thread that would wait for itself is told so. It may be
/// unlocked on another thread.
pub struct qz_mutex {
    _token: (),
}

/// What a measured mutex has noted, as of some moment. Times in nanoseconds.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_mutex_stats {
    /// How often it was locked.
    pub acquisitions: u64,
    /// How often of those it was not to be had at once.
    pub contended: u64,
    /// How long was waited by those that got it then, added up.
    pub wait_total_ns: u64,
    /// The longest of these waits.
    pub wait_max_ns: u64,
    /// How long it was held, added up, without the present holder.
    pub hold_total_ns: u64,
    /// The longest of these.
    pub hold_max_ns: u64,
    /// How long the present holder has it, or 0.
    pub held_for_ns: u64,
    /// The thread that took it, as the operating system numbers it (on Linux: gettid), or 0.
    pub holder: u64,
    /// How many wait.
    pub waiters: u32,
    /// 1: it is held.
    pub is_held: u32,
}

/// A lock, open. Does not block. Pairs with qz_mutex_free.
///
/// - QZ_OK: `*out_mutex` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_mutex` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_new(out_mutex: *mut *mut qz_mutex) -> qz_status {
    // SAFETY: `out_mutex` is NULL or writable.
    unsafe { ffi::open(out_mutex, || Ok(ContendedMutex::unmeasured(()))).into() }
}

/// As qz_mutex_new, and it notes what qz_mutex_stats_get tells, for two looks at the clock each time it is
/// locked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_new_measured(out_mutex: *mut *mut qz_mutex) -> qz_status {
    // SAFETY: `out_mutex` is NULL or writable.
    unsafe { ffi::open(out_mutex, || Ok(ContendedMutex::new(()))).into() }
}

/// Locks, waiting for those that hold it or came before. It is unlocked by qz_hold_release, on any thread.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_DEADLOCK: it would wait for this thread's own hold (see qz_hold_pass_on).
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it), QZ_ERR_CANCELLED, QZ_ERR_FREED (the mutex, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is
///   NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_lock(
    mutex: *mut qz_mutex,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe {
        ffi::take_once(mutex, c"qz_mutex_lock", timeout_ms, cancel, out_hold, |m: &ContendedMutex<()>, wait| {
            m.take(wait)
        })
    };
    taken.into()
}

/// Locks if nobody holds it or waits for it. Never blocks.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_try_lock(mutex: *mut qz_mutex, out_hold: *mut *mut qz_hold) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe { ffi::try_take(mutex, c"qz_mutex_try_lock", out_hold, |m: &ContendedMutex<()>| m.try_take()) };
    taken.into()
}

/// Writes what a measured mutex has noted. `size` is sizeof(qz_mutex_stats). Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8; or the mutex is not
///   measured), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_stats_get(
    mutex: *mut qz_mutex,
    out_stats: *mut qz_mutex_stats,
    size: usize,
) -> qz_status {
    let told = ffi::with(mutex, c"qz_mutex_stats_get", |m: &ContendedMutex<()>| {
        check_output(out_stats, size)?;
        let metrics = m.metrics().ok_or(Error::InvalidArgument)?;
        // SAFETY: `out_stats` is writable for `size` bytes.
        unsafe { write_sized(out_stats, size, stats_of(&metrics)) };
        Ok(())
    });
    told.into()
}

/// Locks without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that block.
/// A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `mutex` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken,
///   and nobody stands in line any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_lock_async(
    mutex: *mut qz_mutex,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::take_async(mutex, c"qz_mutex_lock_async", on, |hold: Hold<ContendedMutex<()>>| async move {
        let taken = hold.take_async().await.map(Taken::from).map_err(Refused::from);
        (hold, taken)
    });
    submitted.into()
}

/// As qz_handle_free. Whoever waits for the lock is refused at once, as freed; who holds it is waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_mutex_free(mutex: *mut qz_mutex, timeout_ms: i64) -> qz_status {
    ffi::free::<ContendedMutex<()>>(mutex, timeout_ms).into()
}

fn stats_of(metrics: &LockMetricsSnapshot) -> qz_mutex_stats {
    qz_mutex_stats {
        acquisitions: metrics.acquisitions,
        contended: metrics.contended,
        wait_total_ns: nanoseconds(metrics.wait_total),
        wait_max_ns: nanoseconds(metrics.wait_max),
        hold_total_ns: nanoseconds(metrics.hold_total),
        hold_max_ns: nanoseconds(metrics.hold_max),
        held_for_ns: metrics.held_for.map_or(0, nanoseconds),
        holder: metrics.holder.unwrap_or(0),
        waiters: metrics.waiters,
        is_held: u32::from(metrics.held_for.is_some()),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

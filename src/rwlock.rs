//! Read-write locks: many that read, or one that writes.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::hold::qz_hold;
use crate::status::qz_status;
use quiescent_core::Hold;
use quiescent_core::ffi::{self, Refused, Submission, Taken};
use quiescent_core::sync::RwLock;
use std::ffi::c_void;

/// A lock that many may have to read, or one to write. Fair: first in, first out; a waiting writer is not
/// overtaken by later readers. Not re-entrant: a thread that would wait while it has the lock itself (in
/// whichever way, and has not passed that hold on) is told so at once. Holds may be given back on another
/// thread.
pub struct qz_rwlock {
    _token: (),
}

/// An unlocked lock. Does not block. Pairs with qz_rwlock_free.
///
/// - QZ_OK: `*out_rwlock` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_rwlock` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_new(out_rwlock: *mut *mut qz_rwlock) -> qz_status {
    // SAFETY: `out_rwlock` is NULL or writable.
    unsafe { ffi::open(out_rwlock, || Ok(RwLock::new(()))).into() }
}

/// Locks to read, waiting for writers that have the lock or came before. Given back by qz_hold_release.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it), QZ_ERR_CANCELLED, QZ_ERR_FREED (the lock, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_DEADLOCK: the calling thread has the lock itself, and would have to wait: for itself, if it
///   writes; if it reads, for a writer that waits for it. (Reading twice is fine while no writer waits.)
///   `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_read(
    rwlock: *mut qz_rwlock,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe {
        ffi::take_once(rwlock, c"qz_rwlock_read", timeout_ms, cancel, out_hold, |lock: &RwLock<()>, wait| {
            lock.take_read(wait)
        })
    };
    taken.into()
}

/// Locks to write, waiting for all that have the lock or came before. Given back by qz_hold_release.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it), QZ_ERR_CANCELLED, QZ_ERR_FREED (the lock, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_DEADLOCK: the calling thread has the lock itself, to read or to write, and would have to wait: for
///   itself. `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_write(
    rwlock: *mut qz_rwlock,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe {
        ffi::take_once(rwlock, c"qz_rwlock_write", timeout_ms, cancel, out_hold, |lock: &RwLock<()>, wait| {
            lock.take_write(wait)
        })
    };
    taken.into()
}

/// Locks to read if no writer has the lock or waits for it. Never blocks.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_try_read(rwlock: *mut qz_rwlock, out_hold: *mut *mut qz_hold) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    unsafe { ffi::try_take(rwlock, c"qz_rwlock_try_read", out_hold, |lock: &RwLock<()>| lock.try_take_read()).into() }
}

/// Locks to write if nobody has the lock or waits for it. Never blocks.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_try_write(rwlock: *mut qz_rwlock, out_hold: *mut *mut qz_hold) -> qz_status {
    // SAFETY: `out_hold` is NULL or writable.
    unsafe { ffi::try_take(rwlock, c"qz_rwlock_try_write", out_hold, |lock: &RwLock<()>| lock.try_take_write()).into() }
}

/// Makes a hold that writes one that reads; no writer comes in between. Readers that wait before the first
/// writer in line go in. Any thread; never blocks. The hold is given back by qz_hold_release as before. Against
/// a release of the same hold at the same moment, one of the two comes first.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT: it reads, or was downgraded before.
/// - QZ_ERR_FREED: it is released, or its lock is being freed: it writes until it is released.
/// - QZ_ERR_WRONG_KIND: a handle, or a hold of something else.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_downgrade(hold: *mut qz_hold) -> qz_status {
    ffi::lessen(hold, c"qz_rwlock_downgrade", RwLock::is_write, RwLock::downgrade_taken).into()
}

/// Locks to read without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that
/// block. A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `rwlock` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken,
///   and nobody stands in line any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_read_async(
    rwlock: *mut qz_rwlock,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::take_async(rwlock, c"qz_rwlock_read_async", on, |hold: Hold<RwLock<()>>| async move {
        let taken = hold.take_read_async().await.map(Taken::from).map_err(Refused::from);
        (hold, taken)
    });
    submitted.into()
}

/// Locks to write without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that
/// block. A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `rwlock` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken,
///   and nobody stands in line any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_write_async(
    rwlock: *mut qz_rwlock,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::take_async(rwlock, c"qz_rwlock_write_async", on, |hold: Hold<RwLock<()>>| async move {
        let taken = hold.take_write_async().await.map(Taken::from).map_err(Refused::from);
        (hold, taken)
    });
    submitted.into()
}

/// As qz_handle_free. Whoever waits for the lock is refused at once, as freed; whoever has it is waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_rwlock_free(rwlock: *mut qz_rwlock, timeout_ms: i64) -> qz_status {
    ffi::free::<RwLock<()>>(rwlock, timeout_ms).into()
}

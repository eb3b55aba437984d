//! File locks: one at a time among processes.

use crate::backend::qz_backend;
use crate::cancel::qz_cancel;
use crate::hold::qz_hold;
use crate::sized::{check_output, write_sized};
use crate::status::qz_status;
use quiescent_core::ffi::{self, Explain, Refused, Submission, Taken};
use quiescent_core::file_lock::{FileLock, Holder};
use quiescent_core::handle::AnyHandle;
use quiescent_core::{Error, Hold, LockMode};
use std::ffi::{c_char, c_void};

/// A lock between processes, on a file (with flock: it meets flock(1)). Threads and processes that lock the same
/// file exclude each other, whatever they call the file and through whichever handle. Within a process fair: first
/// in, first out; between processes whoever comes first when it is free. Not re-entrant: a thread that would wait
/// for itself is told so. It may be unlocked on another thread. It ends with the process, however that ends; a
/// forked child does not release its parent's. (A child that another thread forks in the moment in which an acquire
/// opens the file keeps a copy of it: if the parent then ends without a release, the lock ends with that child, or
/// with its exec.)
///
/// Whoever removes or replaces the file takes the exclusion away from who holds it; but nobody begins to hold a
/// file that its name does not lead to any more. On file systems without locks acquiring is refused; on NFS the
/// server keeps the lock.
///
/// Not on Windows, where its functions are not declared. What waits is one thread for the whole process, while
/// anybody does.
pub struct qz_filelock {
    _token: (),
}

/// How to hold a qz_filelock: alone.
pub const QZ_FILELOCK_EXCLUSIVE: u32 = 0;

/// How to hold a qz_filelock: with others that share it.
pub const QZ_FILELOCK_SHARED: u32 = 1;

/// For qz_filelock_open: the file is a lock and nothing else. So who holds it may be written into it also if it
/// was there before, and is empty.
pub const QZ_FILELOCK_SIDECAR: u32 = 1;

/// Who holds a lock, as it says itself. Information: it may be over by now, or be anybody's words.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_filelock_holder_info {
    /// Its process, as its machine (or container) numbers it; 0: nobody says so, and the rest is zeros.
    pub process: u64,
    /// When it took it: seconds since 1970 by its clock.
    pub since: u64,
    /// Its program, cut to 15 bytes.
    pub program: [c_char; 16],
    /// Its machine.
    pub host: [c_char; 72],
    /// How it holds it: QZ_FILELOCK_EXCLUSIVE, or QZ_FILELOCK_SHARED (one of several).
    pub mode: u32,
    /// 0.
    pub reserved: u32,
}

/// The lock of the file at `path`, whatever bytes that is; made if it is missing, and so are the directories above
/// it. What the file holds is kept; only a file that this library made gets written into who holds it (see
/// QZ_FILELOCK_SIDECAR). Off Linux, on NFS, without /proc, or under a umask that forbids nothing, what somebody else
/// writes into the file in the moment of its making may be lost. `flags` is 0 or QZ_FILELOCK_SIDECAR. Locks nothing,
/// and keeps nothing open. Pairs with qz_filelock_free, which does not remove the file.
///
/// - QZ_OK: `*out_lock` is the handle.
/// - QZ_ERR_IO: qz_last_os_error() is the errno (EISDIR, EACCES, EROFS, ELOOP, ENOSPC, EMFILE, …; EINVAL: no regular
///   file), qz_last_error() names the file. Nothing is left behind; `*out_lock` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`flags`), QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_lock` is NULL.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_filelock_open(
    path: *const c_char,
    flags: u32,
    out_lock: *mut *mut qz_filelock,
) -> qz_status {
    let why = ffi::Why::new();
    let open = || {
        // SAFETY: `path` is NULL or a C string.
        let path = unsafe { ffi::bytes(path) }?;
        let is_sidecar = match flags {
            0 => false,
            QZ_FILELOCK_SIDECAR => true,
            _ => return Err(Error::InvalidArgument),
        };
        FileLock::open_c(path, is_sidecar).map_err(|error| why.keep(error))
    };
    // SAFETY: `out_lock` is NULL or writable.
    why.tell(unsafe { ffi::open(out_lock, open) }).into()
}

/// Locks, waiting for those that hold it or came before. `mode` is QZ_FILELOCK_EXCLUSIVE or QZ_FILELOCK_SHARED. It is
/// unlocked by qz_hold_release, on any thread. A wait that is over leaves nothing behind: no thread, no descriptor,
/// no lock for a moment later.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_DEADLOCK: it would wait for this thread's own hold of the same file, whatever it calls it (see
///   qz_hold_pass_on).
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it, if that is known), QZ_ERR_CANCELLED, QZ_ERR_FREED (the lock,
///   before or meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_IO: as for qz_filelock_open, and ENOLCK or EOPNOTSUPP: a file system without locks. `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`mode`, `timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FORKED (also of `cancel`, which may be NULL), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_filelock_acquire(
    lock: *mut qz_filelock,
    mode: u32,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    let why = ffi::Why::new();
    let take = |l: &FileLock, wait: quiescent_core::Wait<'_>| {
        l.take(AnyHandle::from_raw(lock), mode_of(mode)?, wait).map_err(|error| why.keep(error))
    };
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe { ffi::take(lock, c"qz_filelock_acquire", timeout_ms, cancel, out_hold, take) };
    why.tell(taken).into()
}

/// Locks if nobody holds it, or waits for it in this process. Does not wait.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it, if that is known), QZ_ERR_IO (as for qz_filelock_acquire),
///   QZ_ERR_INVALID_ARGUMENT (`mode`), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FORKED, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_filelock_try_acquire(
    lock: *mut qz_filelock,
    mode: u32,
    out_hold: *mut *mut qz_hold,
) -> qz_status {
    let why = ffi::Why::new();
    let take = |l: &FileLock| l.try_take(AnyHandle::from_raw(lock), mode_of(mode)?).map_err(|error| why.keep(error));
    // SAFETY: `out_hold` is NULL or writable.
    let taken = unsafe { ffi::try_take(lock, c"qz_filelock_try_acquire", out_hold, take) };
    why.tell(taken).into()
}

/// Writes who holds the lock, as far as the file says so. `size` is sizeof(qz_filelock_holder_info). Does not wait.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_IO (as for qz_filelock_open), QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no
///   multiple of 8), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_filelock_holder(
    lock: *mut qz_filelock,
    out_holder: *mut qz_filelock_holder_info,
    size: usize,
) -> qz_status {
    let why = ffi::Why::new();
    let told = ffi::with(lock, c"qz_filelock_holder", |l: &FileLock| {
        check_output(out_holder, size)?;
        let holder = l.holder().map_err(|error| why.keep(error))?;
        // SAFETY: `out_holder` is writable for `size` bytes.
        unsafe { write_sized(out_holder, size, info_of(holder.as_ref())) };
        Ok(())
    });
    why.tell(told).into()
}

/// Locks without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that block.
/// `mode` is QZ_FILELOCK_EXCLUSIVE or QZ_FILELOCK_SHARED. A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`mode`, `timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `lock` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_IO (`os_error`), QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED,
///   QZ_ERR_FREED: nothing was taken, and nobody stands in line any more.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_filelock_acquire_async(
    lock: *mut qz_filelock,
    mode: u32,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    backend: *mut qz_backend,
    user_data: *mut c_void,
) -> qz_status {
    let mode = match mode_of(mode) {
        Ok(mode) => mode,
        Err(error) => return ffi::call(|| Err::<(), _>(error)).into(),
    };
    let handle = AnyHandle::from_raw(lock);
    let on = Submission { backend, user_data, timeout_ms, cancel };
    let submitted = ffi::take_async(lock, c"qz_filelock_acquire_async", on, move |hold: Hold<FileLock>| async move {
        let taken = hold.take_async(handle, mode).await.map(Taken::from);
        (hold, taken.map_err(|error| Refused::new(error.error(), error.os_error())))
    });
    submitted.into()
}

/// As qz_handle_free. Whoever waits for the lock with this handle is refused at once, as freed; who holds it with
/// this handle is waited for. The file stays.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_filelock_free(lock: *mut qz_filelock, timeout_ms: i64) -> qz_status {
    ffi::free::<FileLock>(lock, timeout_ms).into()
}

fn mode_of(mode: u32) -> Result<LockMode, Error> {
    match mode {
        QZ_FILELOCK_EXCLUSIVE => Ok(LockMode::Exclusive),
        QZ_FILELOCK_SHARED => Ok(LockMode::Shared),
        _ => Err(Error::InvalidArgument),
    }
}

fn info_of(holder: Option<&Holder>) -> qz_filelock_holder_info {
    let mut info =
        qz_filelock_holder_info { process: 0, since: 0, program: [0; 16], host: [0; 72], mode: 0, reserved: 0 };
    if let Some(holder) = holder {
        let (program, host) = holder.names();
        info.process = holder.process().into();
        info.since = holder.since();
        info.mode = if holder.mode() == LockMode::Shared { QZ_FILELOCK_SHARED } else { QZ_FILELOCK_EXCLUSIVE };
        info.program.iter_mut().zip(program).for_each(|(to, from)| *to = c_char::from_ne_bytes([*from]));
        info.host.iter_mut().zip(host).for_each(|(to, from)| *to = c_char::from_ne_bytes([*from]));
    }
    info
}

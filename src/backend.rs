//! Backends: calls that complete, in place of calls that block.

use crate::hold::qz_hold;
use crate::status::qz_status;
use quiescent_core::backend::CompletionBackend;
use quiescent_core::backend::completion::{AttachError, Completion, PollError};
use quiescent_core::{Deadline, Error, Token, ffi};
use std::cell::Cell;
use std::ffi::c_void;
#[cfg(not(windows))]
use {
    crate::cancel::qz_cancel,
    quiescent_core::ffi::Submission,
    std::ffi::c_int,
    std::os::fd::{AsRawFd, IntoRawFd},
};

/// Completes calls: an asynchronous call (`qz_…_async`) does what the blocking one does, but returns at once and ends as
/// a completion, which qz_backend_poll hands out; or an event loop watches qz_backend_fd and polls when that is
/// readable. Any number of calls on one thread, without a thread for each, or any of the library's own. On Linux:
/// elsewhere none can be made.
///
/// Each call completes exactly once: with success, its refusal, QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED (its `cancel`), or
/// QZ_ERR_FREED (what it waits for was freed). What was waited for is then in flight no more, and what was taken is the
/// completion's hold: release it. Until then the call is in flight on what it waits for, by the thread that submitted
/// it, which a free by that thread does not wait for; the hold stays that thread's until qz_hold_pass_on.
///
/// The submission itself looks at the call once, which puts it in line; from then on qz_backend_poll does, on
/// whichever thread. So what a call runs (`init`, `create`, `on_close`) runs in either. `user_data` is the caller's
/// own, any value. `cancel` may be NULL, and may be freed after the submission. Not for signal handlers.
pub struct qz_backend {
    _token: (),
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_completion {
    /// The one of the submission.
    pub user_data: *mut c_void,
    /// What was taken, to be released; or NULL.
    pub hold: *mut qz_hold,
    /// What else the call tells: see there; or 0.
    pub value: usize,
    /// A qz_status.
    pub status: i32,
    /// With QZ_ERR_IO, the operating system's error number; or 0.
    pub os_error: i32,
}

/// Readable, or at its end.
pub const QZ_READABLE: u32 = 1;
/// Writable.
pub const QZ_WRITABLE: u32 = 2;
/// Broken, or hung up. Told, never asked for.
pub const QZ_HANGUP: u32 = 4;

const _: () = assert!(
    QZ_READABLE == quiescent_core::backend::completion::READABLE
        && QZ_WRITABLE == quiescent_core::backend::completion::WRITABLE
        && QZ_HANGUP == quiescent_core::backend::completion::FAILED
);

/// A backend on which nothing is under way. It takes four descriptors, closed by exec. Does not block. Pairs with
/// qz_backend_free.
///
/// `on_discard` may be NULL; it is called for each call that nobody collects, see qz_backend_free.
///
/// - QZ_OK: `*out_backend` is the handle.
/// - QZ_ERR_IO (no more descriptors: qz_last_os_error(); or 0: not on Linux), QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY:
///   `*out_backend` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_new(
    on_discard: Option<unsafe extern "C" fn(user_data: *mut c_void, ctx: *mut c_void)>,
    ctx: *mut c_void,
    out_backend: *mut *mut qz_backend,
) -> qz_status {
    let discard = Discard { on_discard, ctx };
    let os_error = Cell::new(0);
    let make = || {
        let backend = CompletionBackend::new(move |user_data| discard.call(user_data));
        backend.map_err(|error| refusal(&error, &os_error))
    };
    // SAFETY: `out_backend` is NULL or writable.
    let made = unsafe { ffi::open(out_backend, make) };
    let what =
        if cfg!(any(target_os = "linux", target_os = "android")) { "no backend" } else { "backends are for Linux" };
    ffi::tell_os_error(made, os_error.get(), what).into()
}

/// Drives the backend until a call is over, and writes the completions, `cap` at most, the earliest first. One poll at a
/// time, on whichever thread.
///
/// Blocks up to `timeout_ms`; 0 looks once at everything that was woken. After the backend's first poll, takes no memory of its own.
/// Not for signal handlers.
///
/// - QZ_OK: `*out_len` were written; none: it was woken (qz_backend_wake).
/// - QZ_ERR_TIMEOUT: no call is over.
/// - QZ_ERR_BUSY: another thread polls it, or it is attached to another backend, which drives it (or was just now).
/// - QZ_ERR_FREED: it is freed, before or meanwhile.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`, or a `cap` of 0), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call). Nothing was handed out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_poll(
    backend: *mut qz_backend,
    out: *mut qz_completion,
    cap: usize,
    timeout_ms: i64,
    out_len: *mut usize,
) -> qz_status {
    let os_error = Cell::new(0);
    let polled = ffi::with(backend, c"qz_backend_poll", |backend: &CompletionBackend| {
        if out.is_null() || out_len.is_null() {
            return Err(Error::Null);
        }
        let deadline = Deadline::after(ffi::timeout(timeout_ms)?);
        let mut next = out;
        let put = |completion: Completion| {
            // SAFETY: `out` has room for `cap`, and no more come.
            unsafe {
                next.write(told(&completion));
                next = next.add(1);
            }
        };
        let handed = backend.poll(cap, deadline, put).map_err(|error| match error {
            PollError::Io(error) => refusal(&error, &os_error),
            other => other.into(),
        })?;
        // SAFETY: it is not NULL, so it is writable.
        unsafe { ffi::write(out_len, handed) }
    });
    ffi::tell_os_error(polled, os_error.get(), "the backend cannot sleep").into()
}

/// Has the poll in progress return, or the next one; of an attached backend, the poll of the one that drives it.
/// Several before a poll are one. Any thread, never blocks; for a signal handler see qz_backend_wake_fd.
///
/// - QZ_OK, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_wake(backend: *mut qz_backend) -> qz_status {
    let woken = ffi::with(backend, c"qz_backend_wake", |backend: &CompletionBackend| {
        backend.wake();
        Ok(())
    });
    woken.into()
}

/// The descriptor for an event loop (epoll, poll, io_uring, libuv, GLib, asyncio): readable exactly while a poll with
/// timeout 0 would find something, a completion or a call to be looked at. The backend's own: not to be read, written or
/// closed, and to be forgotten before the backend is freed.
///
/// When it is readable, poll with timeout 0: until nothing is over, or once, if the event loop reports it again for
/// as long as it is readable (not edge-triggered). Deadlines make it readable, too. From the first call on, a call
/// that is over while nobody polls costs a system call.
///
/// - QZ_OK: `*out_fd` is the descriptor, always the same.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_fd(backend: *mut qz_backend, out_fd: *mut c_int) -> qz_status {
    let watch = |backend: &CompletionBackend| Ok(backend.watch().as_raw_fd());
    // SAFETY: `out_fd` is NULL or writable.
    unsafe { ffi::answer(backend, c"qz_backend_fd", out_fd, watch).into() }
}

/// A descriptor that does what qz_backend_wake does when eight bytes, a uint64_t of 1, are written to it: from a signal
/// handler, or anything else that can only write. The caller's own: close it. Writing to it is harmless for as long as it
/// is open, even after the backend is freed. From the first call on, each poll costs a system call more.
///
/// - QZ_OK: `*out_fd` is the descriptor, closed by exec.
/// - QZ_ERR_IO (no more descriptors: qz_last_os_error()), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_wake_fd(backend: *mut qz_backend, out_fd: *mut c_int) -> qz_status {
    let os_error = Cell::new(0);
    let copy = |backend: &CompletionBackend| {
        let copy = backend.wake_descriptor().map_err(|error| refusal(&error, &os_error))?;
        Ok(copy.into_raw_fd())
    };
    // SAFETY: `out_fd` is NULL or writable.
    let copied = unsafe { ffi::answer(backend, c"qz_backend_wake_fd", out_fd, copy) };
    ffi::tell_os_error(copied, os_error.get(), "no wake descriptor").into()
}

/// Has `outer` drive `inner` as well: completions of `inner` come out of the poll of `outer`, after its own, and the
/// descriptor of `outer` is readable when that of `inner` is. `inner` is not to be polled itself then. It ends with
/// qz_backend_detach, or when either is freed; a free of `inner` waits for a poll of `outer` that looks at its calls.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_BUSY: `inner` is attached already, or somebody polls it; or the poll of what it was attached to still looks at it.
/// - QZ_ERR_DEADLOCK: it would be a circle, or more than five levels.
/// - QZ_ERR_IO: qz_last_os_error(); EINVAL if too many calls on `inner` wait for one file (qz_backend_wait_fd_async).
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY.
///
/// After a refusal both are as they were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_attach(outer: *mut qz_backend, inner: *mut qz_backend) -> qz_status {
    let inner = Token::from_raw(inner);
    let os_error = Cell::new(0);
    let attach = |outer: &CompletionBackend| {
        outer.attach_handle(inner).map_err(|error| match error {
            AttachError::Io(error) => refusal(&error, &os_error),
            other => other.into(),
        })
    };
    let attached = ffi::with(outer, c"qz_backend_attach", attach);
    ffi::tell_os_error(attached, os_error.get(), "not attached").into()
}

/// Ends what qz_backend_attach began: `inner` is to be polled by itself, and hands out what is not handed out yet. Never
/// blocks. If a poll of `outer` looks at calls of `inner` just now, a poll of `inner` is refused as busy until that look ends.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT: `inner` is not attached to `outer`.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_detach(outer: *mut qz_backend, inner: *mut qz_backend) -> qz_status {
    let inner = Token::<CompletionBackend>::from_raw(inner);
    let detach = |outer: &CompletionBackend| {
        let inner = inner.enter(c"qz_backend_detach")?;
        if outer.detach(&inner) { Ok(()) } else { Err(Error::InvalidArgument) }
    };
    ffi::with(outer, c"qz_backend_detach", detach).into()
}

/// How many calls are under way, or wait to be handed out. As of some moment.
///
/// - QZ_OK: `*out_pending` is written.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_pending(backend: *mut qz_backend, out_pending: *mut usize) -> qz_status {
    let pending = |backend: &CompletionBackend| Ok(backend.pending());
    // SAFETY: `out_pending` is NULL or writable.
    unsafe { ffi::answer(backend, c"qz_backend_pending", out_pending, pending).into() }
}

/// For what a call runs (`init`, `create`, `check`, `on_close`): for which call. Of several, one inside of another, the
/// innermost. A blocking call that is made in there is not asked for. Any thread, never blocks.
///
/// - QZ_OK: `*out_user_data` is the `user_data` of the asynchronous call that this thread submits, or looks at in a poll.
/// - QZ_ERR_NOT_INSIDE: there is none; it was called from elsewhere.
/// - QZ_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_current(out_user_data: *mut *mut c_void) -> qz_status {
    let current = ffi::call(|| {
        let user_data = CompletionBackend::current().ok_or(Error::NotInside)?;
        // SAFETY: `out_user_data` is NULL or writable.
        unsafe { ffi::write(out_user_data, std::ptr::with_exposed_provenance_mut(user_data)) }
    });
    current.into()
}

/// Waits until a descriptor of the caller's own is ready for any of `interest` (QZ_READABLE, QZ_WRITABLE, or both). The
/// completion's `value` says what it is ready for, with QZ_HANGUP if it is broken or hung up; read or write to
/// learn why. A regular file is always ready. Readiness is told once: submit again for the next.
///
/// The descriptor is copied (one descriptor more while the call is under way), so that it may be closed meanwhile.
///
/// - QZ_OK: submitted, and will complete: with QZ_OK, QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, or QZ_ERR_IO (`os_error` says
///   why the kernel does not watch it: EINVAL if the backend is attached to another, and more than 500 calls wait for the
///   same file; 100, 50 and 10 with three, four and five levels).
/// - QZ_ERR_IO (`fd` is no descriptor, or there are too many: qz_last_os_error()), QZ_ERR_INVALID_ARGUMENT
///   (`timeout_ms`, `interest`), QZ_ERR_NULL (`backend`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED,
///   QZ_ERR_FORKED (each of `backend` or `cancel`), QZ_ERR_NO_MEMORY: nothing was submitted.
#[cfg(not(windows))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_wait_fd_async(
    backend: *mut qz_backend,
    fd: c_int,
    interest: u32,
    timeout_ms: i64,
    cancel: *mut qz_cancel,
    user_data: *mut c_void,
) -> qz_status {
    let on = Submission { backend, user_data, timeout_ms, cancel };
    // SAFETY: `fd` is open, or a number that is none.
    unsafe { ffi::wait_descriptor_async(fd, interest, c"qz_backend_wait_fd_async", on).into() }
}

/// As qz_handle_free. A poll in progress returns what it has. Calls under way are cancelled, and completions that nobody
/// collected are discarded, their holds released: `on_discard` is called once for each, with the call's `user_data`
/// and the `ctx` of qz_backend_new, on the thread that ends the backend: this one, or the last one out. No lock and no
/// permit is lost, and a free that was submitted goes on without being told. Backends that are attached are their own
/// again.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_backend_free(backend: *mut qz_backend, timeout_ms: i64) -> qz_status {
    ffi::free::<CompletionBackend>(backend, timeout_ms).into()
}

struct Discard {
    on_discard: Option<unsafe extern "C" fn(user_data: *mut c_void, ctx: *mut c_void)>,
    ctx: *mut c_void,
}

// SAFETY: the caller's promise: called on any thread.
unsafe impl Send for Discard {}
// SAFETY: as above.
unsafe impl Sync for Discard {}

impl Discard {
    fn call(&self, user_data: usize) {
        if let Some(on_discard) = self.on_discard {
            // SAFETY: the caller's promise: with its own context and user data.
            unsafe { on_discard(std::ptr::with_exposed_provenance_mut(user_data), self.ctx) };
        }
    }
}

fn told(completion: &Completion) -> qz_completion {
    qz_completion {
        user_data: std::ptr::with_exposed_provenance_mut(completion.user_data),
        hold: completion.outcome.hold.map_or(std::ptr::null_mut(), quiescent_core::handle::HoldToken::into_raw),
        value: completion.outcome.value,
        status: ffi::status_of(completion).code(),
        os_error: completion.outcome.os_error,
    }
}

/// What an error of the operating system's is answered as; its number is kept.
fn refusal(error: &std::io::Error, os_error: &Cell<i32>) -> Error {
    if error.kind() == std::io::ErrorKind::OutOfMemory {
        return Error::NoMemory;
    }
    os_error.set(error.raw_os_error().unwrap_or(0));
    Error::Io
}

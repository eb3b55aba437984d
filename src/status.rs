//! Statuses: the answer of every function, and its words.

use quiescent_core::ffi::{self, Status};
use std::ffi::c_char;

/// What a function answers. The numbers are part of the binary interface and never used again for
/// something else; be prepared for new ones.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum qz_status {
    /// Done. Of a free: this call freed it, the object is destroyed.
    QZ_OK = 0,
    /// Closed, but somebody is still inside, or it is being destroyed at this moment: the last one out
    /// destroys the object.
    QZ_FREE_PENDING = 1,
    /// Another call freed it, or began to: the object is destroyed.
    QZ_ALREADY_FREED = 2,
    /// A NULL was given where a value is needed.
    QZ_ERR_NULL = -1,
    /// Not a handle of this library: garbage, an address, or another copy's handle.
    QZ_ERR_BAD_HANDLE = -2,
    /// A live handle, but of another kind.
    QZ_ERR_WRONG_KIND = -3,
    /// The handle is being freed, or has been.
    QZ_ERR_FREED = -4,
    /// The deadline passed.
    QZ_ERR_TIMEOUT = -5,
    /// Somebody is inside, or in the way.
    QZ_ERR_BUSY = -6,
    /// The cancel token was cancelled.
    QZ_ERR_CANCELLED = -7,
    /// The caller waits for itself.
    QZ_ERR_DEADLOCK = -8,
    /// A number, size or text outside of what the function takes.
    QZ_ERR_INVALID_ARGUMENT = -9,
    /// A count is at its end.
    QZ_ERR_LIMIT = -10,
    /// An allocation failed.
    QZ_ERR_NO_MEMORY = -11,
    /// The operating system refused: see qz_last_os_error().
    QZ_ERR_IO = -12,
    /// A panic inside the library was contained. Please report it.
    QZ_ERR_PANIC = -13,
    /// A handle of the parent process, in a forked child.
    QZ_ERR_FORKED = -14,
    /// A panic left what a lock protects half-changed. Only libraries written in Rust answer it: locks of this header
    /// protect nothing that could be.
    QZ_ERR_POISONED = -15,
    /// A leave without an enter on this thread, or a release without an acquire.
    QZ_ERR_NOT_INSIDE = -16,
}

const NAMES: [(qz_status, &std::ffi::CStr); 19] = [
    (qz_status::QZ_OK, c"QZ_OK"),
    (qz_status::QZ_FREE_PENDING, c"QZ_FREE_PENDING"),
    (qz_status::QZ_ALREADY_FREED, c"QZ_ALREADY_FREED"),
    (qz_status::QZ_ERR_NULL, c"QZ_ERR_NULL"),
    (qz_status::QZ_ERR_BAD_HANDLE, c"QZ_ERR_BAD_HANDLE"),
    (qz_status::QZ_ERR_WRONG_KIND, c"QZ_ERR_WRONG_KIND"),
    (qz_status::QZ_ERR_FREED, c"QZ_ERR_FREED"),
    (qz_status::QZ_ERR_TIMEOUT, c"QZ_ERR_TIMEOUT"),
    (qz_status::QZ_ERR_BUSY, c"QZ_ERR_BUSY"),
    (qz_status::QZ_ERR_CANCELLED, c"QZ_ERR_CANCELLED"),
    (qz_status::QZ_ERR_DEADLOCK, c"QZ_ERR_DEADLOCK"),
    (qz_status::QZ_ERR_INVALID_ARGUMENT, c"QZ_ERR_INVALID_ARGUMENT"),
    (qz_status::QZ_ERR_LIMIT, c"QZ_ERR_LIMIT"),
    (qz_status::QZ_ERR_NO_MEMORY, c"QZ_ERR_NO_MEMORY"),
    (qz_status::QZ_ERR_IO, c"QZ_ERR_IO"),
    (qz_status::QZ_ERR_PANIC, c"QZ_ERR_PANIC"),
    (qz_status::QZ_ERR_FORKED, c"QZ_ERR_FORKED"),
    (qz_status::QZ_ERR_POISONED, c"QZ_ERR_POISONED"),
    (qz_status::QZ_ERR_NOT_INSIDE, c"QZ_ERR_NOT_INSIDE"),
];

impl From<Status> for qz_status {
    #[inline]
    fn from(status: Status) -> qz_status {
        // The usual one, without a look into the table.
        if status == Status::Ok {
            return qz_status::QZ_OK;
        }
        let known = NAMES.iter().find(|(name, _)| *name as i32 == status.code());
        known.map_or(qz_status::QZ_ERR_PANIC, |(name, _)| *name)
    }
}

/// The name of `status`: "QZ_ERR_FREED". For a number that this library does not know: "QZ_ERR_UNKNOWN".
/// Never NULL; static.
#[unsafe(no_mangle)]
pub extern "C" fn qz_status_name(status: i32) -> *const c_char {
    let known = NAMES.iter().find(|(name, _)| *name as i32 == status);
    known.map_or(c"QZ_ERR_UNKNOWN", |(_, text)| *text).as_ptr()
}

/// This thread's last refusal in words; after a free that answered QZ_FREE_PENDING: who is still inside (who waits last),
/// in which operation, and for holds how long. Success does not clear it.
///
/// Empty when there was none yet. Never NULL; valid until this thread's next call in here.
#[unsafe(no_mangle)]
pub extern "C" fn qz_last_error() -> *const c_char {
    ffi::last_error()
}

/// The errno behind this thread's last refusal, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn qz_last_os_error() -> i32 {
    ffi::last_os_error()
}

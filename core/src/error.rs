//! What a refusal is called, in Rust.

use std::ffi::CStr;

/// Why a call was refused. Nothing changed, unless the call's own documentation says so.
///
/// The numbers are those of the C surface; they are never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Error {
    /// A NULL where a value is needed.
    Null = -1,
    /// Not a handle of this copy of the library: garbage, an address, a number, another copy's handle.
    BadHandle = -2,
    /// A live handle of another kind.
    WrongKind = -3,
    /// A handle that is being freed, or has been.
    Freed = -4,
    /// The deadline passed.
    Timeout = -5,
    /// Somebody is inside, or in the way.
    Busy = -6,
    /// The cancel token was cancelled.
    Cancelled = -7,
    /// The caller waits for itself.
    Deadlock = -8,
    /// A number, size or text that the call does not take.
    InvalidArgument = -9,
    /// A count is at its end.
    Limit = -10,
    /// An allocation failed.
    NoMemory = -11,
    /// The operating system refused.
    Io = -12,
    /// A Rust panic was contained.
    Panic = -13,
    /// A handle of the parent process, in a forked child.
    Forked = -14,
    /// A panic left what a lock protects half-changed.
    Poisoned = -15,
    /// A leave without an enter.
    NotInside = -16,
}

impl Error {
    /// The number of the C surface.
    #[must_use]
    pub fn code(self) -> i32 {
        self as i32
    }

    /// What has this number.
    pub(crate) fn of_code(code: i32) -> Option<Error> {
        const ALL: [Error; 16] = [
            Error::Null,
            Error::BadHandle,
            Error::WrongKind,
            Error::Freed,
            Error::Timeout,
            Error::Busy,
            Error::Cancelled,
            Error::Deadlock,
            Error::InvalidArgument,
            Error::Limit,
            Error::NoMemory,
            Error::Io,
            Error::Panic,
            Error::Forked,
            Error::Poisoned,
            Error::NotInside,
        ];
        ALL.into_iter().find(|error| error.code() == code)
    }

    /// One sentence for a person.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.c_message().to_str().unwrap_or_default()
    }

    /// The same for C.
    pub(crate) fn c_message(self) -> &'static CStr {
        match self {
            Error::Null => c"a NULL was given where a value is needed",
            Error::BadHandle => c"not a handle of this library: garbage, an address, or another copy's handle",
            Error::WrongKind => c"a live handle, but of another kind",
            Error::Freed => c"the handle is being freed, or has been",
            Error::Timeout => c"the deadline passed",
            Error::Busy => c"somebody is inside, or in the way",
            Error::Cancelled => c"cancelled",
            Error::Deadlock => c"the caller waits for itself",
            Error::InvalidArgument => c"an argument is outside of what the call takes",
            Error::Limit => c"a count is at its end",
            Error::NoMemory => c"an allocation failed",
            Error::Io => c"the operating system refused",
            Error::Panic => c"a panic was contained",
            Error::Forked => c"a handle of the parent process, used in a forked child",
            Error::Poisoned => c"a panic left the protected value half-changed",
            Error::NotInside => c"a leave without an enter on this thread",
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

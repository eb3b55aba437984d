//! What the operating system knows of the calling thread, and when it ends.

#[cfg(unix)]
#[path = "thread/unix.rs"]
mod system;

#[cfg(windows)]
#[path = "thread/windows.rs"]
mod system;

#[cfg(not(any(unix, windows)))]
#[path = "thread/std.rs"]
mod system;

#[cfg(not(unix))]
#[path = "thread/thread_local.rs"]
mod ending;

/// Whether it could be arranged that the record ends with the thread.
#[cfg(not(unix))]
pub(crate) use ending::at_end;
#[cfg(unix)]
pub(crate) use system::at_end;
/// The calling thread's number (on Linux: gettid; on Windows: `GetCurrentThreadId`) and its name, cut to 15 bytes and padded
/// with NULs.
pub(crate) use system::{id, name};

//! What the operating system knows of the calling thread, and when it ends.

#[cfg(unix)]
#[path = "thread/unix.rs"]
mod system;

#[cfg(not(unix))]
#[path = "thread/std.rs"]
mod system;

/// The calling thread's number (on Linux: gettid) and its name, cut to 15 bytes and padded with NULs;
/// whether `at_end` could be arranged.
pub(crate) use system::{at_end, id, name};

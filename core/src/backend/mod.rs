//! What drives pending work: by blocking, or by something that an event loop can watch.

#[cfg(any(loom, target_os = "linux", target_os = "android"))]
pub mod completion;
#[cfg(all(unix, not(loom)))]
pub mod event;

#[cfg(any(loom, target_os = "linux", target_os = "android"))]
pub use completion::CompletionBackend;
#[cfg(all(unix, not(loom)))]
pub use event::Event;

//! What drives pending work: by blocking, or by something that an event loop can watch.

#[cfg(all(unix, not(loom)))]
pub mod event;

#[cfg(all(unix, not(loom)))]
pub use event::Event;

//! What drives pending work: by blocking, or by something that an event loop can watch.
//!
//! A *backend* is a future that never completes: each poll of it does what work there is. A [`BackendContainer`] holds it,
//! and one at a time drives it, whoever that is. Beside each poll of a future of one's own ([`WithBackend`]) it is polled,
//! too. In between, the thread or the event loop sleeps on what the backend gives to be watched (a [`PollingHandle`]), or
//! until a waker is called.
//!
//! | you have | you take |
//! |---|---|
//! | something that does input and output, or other work | [`IoBackend`], with a [`BackendContainer`] inside |
//! | a thread that may block | [`IoBackendExt::block_on`], with a deadline and a cancel token |
//! | a runtime | an [`Integration`]: [`Null`], `Tokio`, `AsyncIo` |
//! | an event loop of your own | [`IoBackendExt::with_backend`]: a future to poll, and what to watch |
//! | something to wake such a loop with | [`FdWaker`], [`Event`]; on Windows `EventWaker` |
//! | waits of this library's, or futures, that are to be told as completions | `CompletionBackend` |
//! | a backend on top of another one | [`BackendContainer::acquire_nested`] |
//!
//! # Who wakes whom
//!
//! A poll takes what was there; what comes after it wakes. What is watched says "ready" until somebody clears it, and that
//! is done by whoever saw it ready, before the next poll ([`PollingHandle::clear`]): so what comes after the clearing is
//! ready anew, and what came before it is seen by the poll.

mod block_on;
pub mod completion;
mod container;
mod error;
#[cfg(all(unix, not(loom)))]
pub mod event;
#[cfg(all(windows, not(loom)))]
pub mod event_waker;
#[cfg(all(unix, not(loom)))]
pub mod fd_waker;
#[cfg(not(loom))]
pub mod integration;
mod io_backend;
mod polling;
#[cfg(all(unix, not(loom)))]
#[path = "polling/descriptor.rs"]
mod system;
#[cfg(all(windows, not(loom)))]
#[path = "polling/object.rs"]
mod system;
#[cfg(any(not(any(unix, windows)), loom))]
#[path = "polling/nothing.rs"]
mod system;
mod wakes;
mod with_backend;

pub use block_on::block_on;
pub use completion::CompletionBackend;
pub use container::{BackendContainer, BackendHandle, DynBackend};
pub use error::BackendError;
#[cfg(all(unix, not(loom)))]
pub use event::Event;
#[cfg(all(windows, not(loom)))]
pub use event_waker::EventWaker;
#[cfg(all(unix, not(loom)))]
pub use fd_waker::FdWaker;
#[cfg(not(loom))]
pub use integration::{Integration, Null, NullImpl};
pub use io_backend::{IoBackend, IoBackendExt, LinksIoBackend, RefLink};
pub use polling::{Pollable, PollingFlags, PollingHandle};
pub use system::DefaultHandle;
#[cfg(loom)]
pub use wakes::{Clear, Doorbell, Wakes};
pub use with_backend::WithBackend;

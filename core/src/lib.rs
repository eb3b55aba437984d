//! The core of Quiescent: opaque handles that are safe to free from any thread, at any moment.
//!
//! One thing for each author:
//!
//! | you have | you take |
//! |---|---|
//! | your own leaked struct, and want it guarded in place | [`HandleGuard`] (8 bytes, never re-opens) |
//! | something that is shut and opened again | [`RundownRef`] (8 bytes) |
//! | the same, used by many threads all the time | [`CacheAwareRundown`] (128 bytes for each processor) |
//! | a type that foreign code holds by an opaque pointer | [`Handle`], [`Kind`] and [`Token`] |
//! | locks, permits, resources to wait for, with a deadline and a cancel token | [`sync`] |
//! | a file that several processes must not use at once | [`FileLock`], and [`PackLock`](file_lock::PackLock) for a directory |
//! | waits that occupy no thread, for an event loop to watch | [`backend`] |
//!
//! [`ffi`] has the plain generic functions that turn operations on a [`Handle`] into exported C functions of three to six
//! lines.
//!
//! This package exports no C symbol of its own: the C surface of Quiescent is the package `quiescent`.

#![cfg_attr(loom, allow(dead_code, reason = "the models use a part of it"))]

mod allocate;
pub mod backend;
mod barrier;
mod cache_aware_rundown;
mod deadline;
mod error;
#[cfg(unix)]
pub mod file_lock;
mod guard;
mod lock;
mod park;
mod rundown;
mod shared;
mod shim;
mod text;
mod wait;
mod word;

#[cfg(not(loom))]
pub mod ffi;
pub mod handle;
pub mod sync;

/// What waits are made of, for the models in `tests/loom`.
#[cfg(loom)]
pub mod pieces {
    pub use crate::file_lock::model as kernel;
    pub use crate::park::Parker;
    pub use crate::shared::Shared;
}

pub use cache_aware_rundown::{CacheAwareRundown, CacheAwareRundownGuard};
pub use deadline::Deadline;
pub use error::Error;
#[cfg(unix)]
pub use file_lock::{FileLock, FileLockHold, LockMode};
pub use guard::{BeginFree, EnterError, FFI_HANDLE_FREE_DEADLINE, HandleGuard, HandleOp, WaitDrained};
#[cfg(not(loom))]
pub use handle::{AnyHandle, Entry, Freed, Handle, Hold, Kind, Token};
pub use rundown::{RundownError, RundownGuard, RundownRef};
pub use wait::{Interrupted, Wait, block_on};

/// The documents with Rust in them, as doctests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
}

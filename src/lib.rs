//! The C surface of Quiescent: one file per C type, holding only `extern "C"` functions, each written
//! out in full.
//!
//! Everything that repeats (token, kind, entry, panic, status, out-pointer) is in `quiescent_core::ffi`,
//! and what the functions promise is in their comments, which become `include/quiescent.h`. Rust
//! programs want `quiescent-core` instead of this package.

#![allow(non_camel_case_types, reason = "these are the names C sees")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the C contract is in the header's conventions and each function's comment"
)]

pub mod backend;
pub mod barrier;
pub mod cache_aware_rundown;
pub mod cancel;
#[cfg(not(windows))]
pub mod filelock;
pub mod free;
pub mod guard;
pub mod handle;
pub mod hold;
pub mod kind;
pub mod misuse;
pub mod mutex;
pub mod notify;
pub mod once;
pub mod pool;
pub mod report;
pub mod rundown;
pub mod rwlock;
pub mod semaphore;
mod sized;
pub mod stats;
pub mod status;
pub mod version;

//! A C library of a Rust author's own, built on `quiescent-core`: a message queue and a buffered log, each
//! safe to free from any thread while others are using it.
//!
//! The two show the two ways, side by side:
//!
//! | file | C holds | wrong values | free from inside | memory |
//! |---|---|---|---|---|
//! | `tokens.rs`, recommended | a token | refused | destroyed by the last one out | re-used |
//! | `classic.rs` | an address | undefined | pending until somebody frees again | a shell leaks for each object |
//!
//! The contract for C is `include/rust_cdylib.h`.

#![allow(non_camel_case_types, reason = "these are the names C sees")]

mod classic;
mod tokens;

use quiescent_core::ffi;
use std::ffi::c_char;

/// The calling thread's last refusal in words.
#[unsafe(no_mangle)]
pub extern "C" fn rc_last_error() -> *const c_char {
    ffi::last_error()
}

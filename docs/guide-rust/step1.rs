//! Step 1: what is usually written. The handle is the address.

#![allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks, reason = "as it is usually written")]

mod dictionary;

use dictionary::Dictionary;
use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

/// Opens a dictionary.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_open(out: *mut *mut Dictionary) -> c_int {
    unsafe { *out = Box::into_raw(Box::new(Dictionary::new())) };
    0
}

/// Adds a word.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_add(words: *mut Dictionary, word: *const c_char) -> c_int {
    unsafe { (*words).add(CStr::from_ptr(word)) };
    0
}

/// Waits until there are `n` words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_wait(words: *mut Dictionary, n: usize, timeout_ms: i64) -> c_int {
    let timeout = Duration::from_millis(timeout_ms.unsigned_abs());
    if unsafe { (*words).wait(n, timeout) } { 0 } else { -1 }
}

/// Closes the dictionary.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_close(words: *mut Dictionary) -> c_int {
    drop(unsafe { Box::from_raw(words) });
    0
}

//! Step 3: what blocks is woken.

#![allow(non_camel_case_types, reason = "these are the names C sees")]

mod dictionary;

use dictionary::Dictionary;
use quiescent_core::ffi::{self, Status};
use quiescent_core::{Error, Handle, Kind};
use std::ffi::c_char;

static WORDS: Kind<Dictionary> = Kind::new("words");

impl Handle for Dictionary {
    fn kind() -> &'static Kind<Dictionary> {
        &WORDS
    }

    fn on_close(&self) {
        self.close();
    }
}

/// A dictionary, as C holds it.
pub struct words {
    _token: (),
}

/// Opens a dictionary.
///
/// # Safety
/// `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_open(out: *mut *mut words) -> Status {
    // SAFETY: the caller's promise.
    unsafe { ffi::open(out, || Ok(Dictionary::new())) }
}

/// Adds a word.
///
/// # Safety
/// `word` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_add(words: *mut words, word: *const c_char) -> Status {
    ffi::with(words, c"words_add", |dictionary: &Dictionary| {
        // SAFETY: the caller's promise.
        dictionary.add(unsafe { ffi::bytes(word) }?);
        Ok(())
    })
}

/// Waits until there are `n` words.
#[unsafe(no_mangle)]
pub extern "C" fn words_wait(words: *mut words, n: usize, timeout_ms: i64) -> Status {
    ffi::with(words, c"words_wait", |dictionary: &Dictionary| {
        if dictionary.wait(n, ffi::timeout(timeout_ms)?) { Ok(()) } else { Err(Error::Timeout) }
    })
}

/// Closes the dictionary.
#[unsafe(no_mangle)]
pub extern "C" fn words_close(words: *mut words) -> Status {
    ffi::free::<Dictionary>(words, 1000)
}

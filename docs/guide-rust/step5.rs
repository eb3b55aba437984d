//! Step 5: errors that say what happened, and a test.

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

/// A word that is lent, as C holds it.
pub struct words_loan {
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

/// A word that is empty.
const EMPTY: Status = Status::own(-100);

/// Adds a word.
///
/// # Safety
/// `word` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_add(words: *mut words, word: *const c_char) -> Status {
    ffi::with(words, c"words_add", |dictionary: &Dictionary| {
        // SAFETY: the caller's promise.
        let word = unsafe { ffi::bytes(word) }?;
        if word.is_empty() {
            return Ok(EMPTY);
        }
        dictionary.add(word);
        Ok(Status::Ok)
    })
}

/// Waits until there are `n` words.
#[unsafe(no_mangle)]
pub extern "C" fn words_wait(words: *mut words, n: usize, timeout_ms: i64) -> Status {
    ffi::with(words, c"words_wait", |dictionary: &Dictionary| {
        let has_come = dictionary.wait(n, ffi::timeout(timeout_ms)?);
        match () {
            () if has_come => Ok(()),
            () if dictionary.is_closed() => Err(Error::Freed),
            () => Err(Error::Timeout),
        }
    })
}

/// Closes the dictionary.
#[unsafe(no_mangle)]
pub extern "C" fn words_close(words: *mut words) -> Status {
    ffi::free::<Dictionary>(words, 1000)
}

/// Lends a word: it stays until it is given back.
///
/// # Safety
/// `out_word` and `out_loan` are each NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn words_lend(
    words: *mut words,
    index: usize,
    out_word: *mut *const c_char,
    out_loan: *mut *mut words_loan,
) -> Status {
    let word = |dictionary: &Dictionary| dictionary.word(index).ok_or(Error::InvalidArgument);
    // SAFETY: the caller's promise.
    unsafe { ffi::hold_and_answer(words, c"words_lend", out_word, out_loan, word) }
}

/// Gives a word back, on any thread.
#[unsafe(no_mangle)]
pub extern "C" fn words_give_back(loan: *mut words_loan) -> Status {
    ffi::release(loan)
}

/// The calling thread's last refusal in words.
#[unsafe(no_mangle)]
pub extern "C" fn words_last_error() -> *const c_char {
    ffi::last_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quiescent_core::handle::{MisuseLevel, quiesce_all, report, set_misuse_level, stats};
    use std::ptr::null_mut;
    use std::time::Duration;

    #[test]
    fn nothing_is_left_and_nothing_is_misused() {
        set_misuse_level(MisuseLevel::Abort);
        let mut dictionary = null_mut();
        // SAFETY: it is writable.
        assert_eq!(unsafe { words_open(&raw mut dictionary) }, Status::Ok);
        // SAFETY: a C string.
        assert_eq!(unsafe { words_add(dictionary, c"".as_ptr()) }, EMPTY);

        let same = dictionary as usize;
        let waiter = std::thread::spawn(move || words_wait(same as *mut words, 1, ffi::INFINITE));
        let mut text = String::new();
        while !text.contains("'words_wait'") {
            text.clear();
            report(&mut text).unwrap();
        }
        assert_eq!(words_close(dictionary), Status::Ok, "{text}");
        assert_eq!(waiter.join().unwrap(), Status::from(Error::Freed));

        assert_eq!(quiesce_all(Duration::from_secs(1)), Ok(0));
        assert_eq!(stats().opened, stats().freed);
    }
}

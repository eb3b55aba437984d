//! Vacant shells: from the calling thread's record if it kept one, else from the directory.
//!
//! Each record keeps up to one shell that its thread vacated, so that a thread that opens and frees handles in turn has no
//! part in the list that all threads share. That takes one shell more for each record; the next owner of the record
//! finds it there.

use crate::Error;
use crate::handle::DIRECTORY;
use crate::handle::record::Record;
use crate::handle::shell::Shell;
use crate::handle::token::GENERATION_MAX;

/// A vacant shell and its index, the caller's alone until it opens it.
///
/// # Errors
/// [`Error::Limit`], [`Error::NoMemory`].
#[inline]
pub(crate) fn take() -> Result<(u32, &'static Shell), Error> {
    if let Some(index) = Record::existing().and_then(Record::take_spare) {
        if let Some(shell) = DIRECTORY.get(index) {
            return Ok((index, shell));
        }
    }
    DIRECTORY.take()
}

/// Takes a shell back whose life is over, for its next one; unless its generations are used up.
#[inline]
pub(crate) fn give_back(index: u32, next_generation: u32) {
    let kept = next_generation <= GENERATION_MAX && Record::existing().is_some_and(|record| record.keep_spare(index));
    if !kept {
        DIRECTORY.give_back(index, next_generation);
    }
}

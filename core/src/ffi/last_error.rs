//! The calling thread's last refusal, in words.
//!
//! A refusal only notes its number; the words are put together when somebody asks. What only the moment
//! knows (who was inside when a free gave up) is written at once, into the thread's record, on a path that has just waited
//! out a deadline. Fixed memory per thread, no allocation; and little of it thread-local, of which a library that is loaded
//! late gets only little at a good place.

use crate::error::Error;
use crate::ffi::Status;
use crate::handle::counters::{Counter, count};
use crate::handle::record::Record;
use crate::handle::{AnyHandle, AnyKind};
use crate::text::Cut;
use std::cell::Cell;
use std::ffi::c_char;
use std::fmt::Write;

/// What the last words are.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Refused(Error),
    /// In the thread's record.
    Told,
}

thread_local! {
    // No destructors: usable while a thread ends.
    static LAST: Cell<Last> = const { Cell::new(Last::Nothing) };
    static OS_ERROR: Cell<i32> = const { Cell::new(0) };
}

/// Notes a refusal, and counts it.
pub(super) fn refuse(error: Error) -> Status {
    count(counter_of(error));
    LAST.set(Last::Refused(error));
    OS_ERROR.set(0);
    error.into()
}

fn counter_of(error: Error) -> Counter {
    match error {
        Error::Null => Counter::RefusedNull,
        Error::BadHandle => Counter::RefusedBadHandle,
        Error::WrongKind => Counter::RefusedWrongKind,
        Error::Freed => Counter::RefusedFreed,
        Error::Forked => Counter::RefusedForked,
        Error::Busy => Counter::RefusedBusy,
        _ => Counter::RefusedOther,
    }
}

/// Writes the words at once.
fn tell(write: impl FnOnce(&mut Cut)) {
    LAST.set(Last::Told);
    OS_ERROR.set(0);
    if let Ok(record) = Record::current() {
        record.put_into_words(|words| write(&mut Cut::within(words)));
    }
}

/// Says that handles are left.
pub(super) fn tell_left(left: usize) {
    tell(|text| {
        let _ = write!(text, "{left} handles are left: somebody is inside, or they were opened meanwhile");
    });
}

/// Says who keeps a free pending.
pub(super) fn tell_pending(handle: AnyHandle) {
    // Of a kind: what keeps it are its handles.
    let left = AnyKind::of(handle).map_or(0, AnyKind::count_live);
    tell(|text| {
        let _ = write!(text, "the free is pending; ");
        let before = text.length();
        if handle.is_stuck() {
            let _ = write!(
                text,
                "the system refused the memory barrier (membarrier) that tells who is inside: free it again"
            );
            return;
        }
        if left > 0 {
            let _ = write!(text, "{left} handles of the kind are still open");
            return;
        }
        // The handle may be over by now; then there is nobody to name. Those that wait are on their way out, and may be so many that
        // there is no room for others: they come last.
        for waits in [false, true] {
            let _ = handle.occupants(|occupant| {
                if occupant.is_waiting == waits {
                    let separator = if text.length() == before { "still inside:" } else { "," };
                    let _ = write!(text, "{separator} {occupant}");
                }
            });
        }
        if text.length() == before {
            let _ = write!(text, "nobody is inside any more: the object is being destroyed, or was just now");
        }
    });
}

/// Says who has what was to be taken.
pub(super) fn tell_held(error: Error, handle: AnyHandle) {
    tell(|text| {
        let _ = write!(text, "{}", error.message());
        let before = text.length();
        let _ = handle.occupants(|occupant| {
            if occupant.is_hold {
                let separator = if text.length() == before { "; held by:" } else { "," };
                let _ = write!(text, "{separator} {occupant}");
            }
        });
    });
}

/// Says what the operating system refused, or who is in the way.
pub(super) fn tell_why(words: &dyn std::fmt::Display, os_error: i32) {
    tell(|text| {
        let _ = write!(text, "{words}");
    });
    OS_ERROR.set(os_error);
}

/// The calling thread's last refusal, or pending free, in words: a C string, valid until this thread's
/// next call of a function that answers a [`Status`], or of this one. Empty when nothing was refused
/// yet.
#[must_use]
pub fn last_error() -> *const c_char {
    match LAST.get() {
        Last::Nothing => c"".as_ptr(),
        Last::Refused(error) => error.c_message().as_ptr(),
        Last::Told => Record::existing().map_or(c"the free is pending".as_ptr(), Record::words),
    }
}

/// The operating system's error number behind the calling thread's last refusal, or 0.
#[must_use]
pub fn last_os_error() -> i32 {
    OS_ERROR.get()
}

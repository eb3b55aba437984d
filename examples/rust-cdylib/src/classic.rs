//! The classic flavour: C holds the address of a struct of ours, with the guard inline in it.
//!
//! For a library whose callers hold addresses already. The recipe, and every step of it counts:
//!
//! 1. Put the guard and the content side by side into a struct, and *leak* it: whoever comes late looks at
//!    the guard once more, at any time. So this memory is never given back; only the content is.
//! 2. Every operation enters the guard before it touches the content ([`with`]).
//! 3. Free: wake what blocks, then `begin_free`. To one caller it answers `true`: that one takes the
//!    content out and drops it. At its deadline it answers `false`, and the content stays where it is until
//!    another free finds all gone: `wait_drained` hands the end to one caller of those.
//!
//! What a guard cannot do, and `tokens.rs` does: refuse a pointer that never was ours (undefined here), tell
//! a thread that it waits for itself, name who is inside, destroy without another call once the last one
//! leaves, and use the memory again.

use quiescent_core::ffi::{self, Status};
use quiescent_core::{BeginFree, Error, Freed, HandleGuard, WaitDrained};
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where the lines go: a callback of the caller's.
#[derive(Clone, Copy)]
struct Sink {
    write: unsafe extern "C" fn(line: *const c_char, ctx: *mut c_void),
    ctx: *mut c_void,
}
// SAFETY: the caller of `journal_new` promises that it may be called on any thread, by several at a time.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

/// A buffered log: lines are appended, and flushed into the sink.
struct Journal {
    state: Mutex<State>,
    capacity: usize,
    room: Condvar,
    sink: Sink,
}

struct State {
    /// Each with its NUL.
    lines: Vec<Box<[u8]>>,
    closing: bool,
}

/// The items in a box; [`Error::NoMemory`] where `Box::from` would end the process.
fn try_boxed<T>(items: impl ExactSizeIterator<Item = T>) -> Result<Box<[T]>, Error> {
    let mut boxed = Vec::new();
    boxed.try_reserve_exact(items.len()).map_err(|_| Error::NoMemory)?;
    boxed.extend(items);
    Ok(boxed.into_boxed_slice())
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, line: &CStr, timeout: Duration) -> Result<(), Error> {
        let is_full = |state: &State| state.lines.len() == self.capacity;
        let waited = self.room.wait_timeout_while(self.lock(), timeout, |state| is_full(state) && !state.closing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closing {
            return Err(Error::Freed);
        }
        if is_full(&state) {
            return Err(Error::Timeout);
        }
        state.lines.try_reserve(1).map_err(|_| Error::NoMemory)?;
        state.lines.push(try_boxed(line.to_bytes_with_nul().iter().copied())?);
        Ok(())
    }

    fn flush(&self) {
        let lines = std::mem::take(&mut self.lock().lines);
        self.room.notify_all();
        for line in lines {
            // SAFETY: the promise made to `journal_new`. No lock is held: the sink may do what it likes.
            unsafe { (self.sink.write)(line.as_ptr().cast(), self.sink.ctx) };
        }
    }

    fn close(&self) {
        self.lock().closing = true;
        self.room.notify_all();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A buffered log, as C holds it: this very struct, by its address.
pub struct journal {
    guard: HandleGuard,
    content: UnsafeCell<Option<Journal>>,
}
// SAFETY: the content is shared by who is inside the guard, and taken by the one caller that the guard tells that
// all have left.
unsafe impl Sync for journal {}

impl journal {
    /// The content, for an operation: `None` once a free has begun.
    fn enter<R>(&self, operation: impl FnOnce(&Journal) -> R) -> Option<R> {
        let _inside = self.guard.try_enter()?;
        // SAFETY: inside, so that nobody takes the content.
        unsafe { &*self.content.get() }.as_ref().map(operation)
    }

    fn free(&self, timeout: Duration) -> Freed {
        // An operation as any other: when it is refused, somebody has woken them before.
        let _ = self.enter(Journal::close);
        match self.guard.begin_free_detailed(timeout) {
            BeginFree::Drained => self.destroy(),
            BeginFree::TimedOut => Freed::Pending,
            BeginFree::AlreadyFreeing => match self.guard.wait_drained_detailed(timeout) {
                WaitDrained::Drained => self.destroy(),
                WaitDrained::AlreadyReported => Freed::AlreadyFreed,
                WaitDrained::TimedOut | WaitDrained::NotFreeing => Freed::Pending,
            },
        }
    }

    /// For the one caller that the guard has given the end.
    fn destroy(&self) -> Freed {
        // SAFETY: all have left and nobody can enter; the guard says so to one caller, ever.
        drop(unsafe { &mut *self.content.get() }.take());
        Freed::Destroyed
    }
}

/// The shape of every operation.
///
/// # Safety
/// `journal` is NULL or was made by [`journal_new`].
unsafe fn with<S: Into<Status>>(
    journal: *const journal,
    operation: impl FnOnce(&Journal) -> Result<S, Error>,
) -> Status {
    ffi::call(|| {
        // SAFETY: the caller's promise; a journal's shell is never given back.
        let journal = unsafe { journal.as_ref() }.ok_or(Error::Null)?;
        journal.enter(operation).ok_or(Error::Freed)?
    })
}

/// Opens a journal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn journal_new(
    capacity: usize,
    sink: Option<unsafe extern "C" fn(line: *const c_char, ctx: *mut c_void)>,
    ctx: *mut c_void,
    out_journal: *mut *mut journal,
) -> Status {
    let make = || {
        let sink = Sink { write: sink.ok_or(Error::Null)?, ctx };
        if capacity == 0 {
            return Err(Error::InvalidArgument);
        }
        let state = Mutex::new(State { lines: Vec::new(), closing: false });
        let content = UnsafeCell::new(Some(Journal { state, capacity, room: Condvar::new(), sink }));
        let shell = try_boxed([journal { guard: HandleGuard::new(), content }].into_iter())?;
        // Leaked: from here on it is C's, for ever.
        Ok(Box::into_raw(shell).cast())
    };
    // SAFETY: `out_journal` is NULL or writable.
    unsafe { ffi::produce(out_journal, make) }
}

/// Appends a line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn journal_append(journal: *mut journal, line: *const c_char, timeout_ms: i64) -> Status {
    let append = |journal: &Journal| {
        if line.is_null() {
            return Err(Error::Null);
        }
        // SAFETY: a C string of the caller's.
        journal.append(unsafe { CStr::from_ptr(line) }, ffi::timeout(timeout_ms)?)
    };
    // SAFETY: `journal` is NULL or a journal.
    unsafe { with(journal, append) }
}

/// Passes all lines on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn journal_flush(journal: *mut journal) -> Status {
    let flush = |journal: &Journal| {
        journal.flush();
        Ok(())
    };
    // SAFETY: `journal` is NULL or a journal.
    unsafe { with(journal, flush) }
}

/// Frees the journal, or completes a free that is pending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn journal_free(journal: *mut journal, timeout_ms: i64) -> Status {
    ffi::call(|| {
        let timeout = ffi::free_timeout(timeout_ms)?;
        // SAFETY: `journal` is NULL or a journal, whose shell is never given back.
        let journal = unsafe { journal.as_ref() };
        Ok(journal.map_or(Freed::Destroyed, |journal| journal.free(timeout)))
    })
}

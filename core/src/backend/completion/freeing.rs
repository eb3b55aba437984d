//! Freeing a handle, and waiting until one is freed, without a thread that waits.

use super::{CompletionBackend, Outcome, Step, Turn};
use crate::allocate::try_box;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::handle::free::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::handle::{AnyHandle, AnyKind, Freed};
use crate::lock::Lock;
use crate::shared::Shared;
use crate::wait::Wait;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What the end of a handle tells a call: whether it has come, else who is to be woken. A call that ends early leaves this behind
/// with the handle, some hundred bytes, until that is freed.
#[derive(Clone)]
struct End(Shared<Lock<Awaited>>);

enum Awaited {
    Pending(Option<Waker>),
    Over,
}

impl End {
    /// Of `handle`. `None`: it has come.
    fn of(handle: AnyHandle, kind: Option<AnyKind>) -> Result<Option<End>, Error> {
        let end = End(Shared::try_new(Lock::new(Awaited::Pending(None))).ok_or(Error::NoMemory)?);
        let told = end.clone();
        let tell = try_box(move || {
            let awaited = told.0.with(|awaited| std::mem::replace(awaited, Awaited::Over));
            if let Awaited::Pending(Some(waker)) = awaited {
                waker.wake();
            }
        });
        match handle.on_freed(kind, tell.ok_or(Error::NoMemory)?)? {
            Freed::Pending => Ok(Some(end)),
            Freed::Destroyed | Freed::AlreadyFreed => Ok(None),
        }
    }

    fn has_come(&self, context: &Context<'_>) -> bool {
        let waker = context.waker();
        // Cloned and dropped without the lock.
        let (is_over, _earlier) = self.0.with(|awaited| match awaited {
            Awaited::Over => (true, None),
            Awaited::Pending(known) => (false, Some(known.replace(waker.clone()))),
        });
        is_over
    }

    /// Nobody is to be woken.
    fn forget(&self) {
        let _waker = self.0.with(|awaited| match awaited {
            Awaited::Over => None,
            Awaited::Pending(waker) => waker.take(),
        });
    }
}

impl Drop for WaitFreed {
    fn drop(&mut self) {
        self.0.forget();
    }
}

struct WaitFreed(End);

impl Step for WaitFreed {
    fn step(self: Pin<&mut Self>, context: &mut Context<'_>, _turn: &Turn) -> Poll<Outcome> {
        if self.0.has_come(context) { Poll::Ready(Outcome::DONE) } else { Poll::Pending }
    }
}

/// The free of a handle.
struct Freeing {
    handle: AnyHandle,
    kind: Option<AnyKind>,
    end: End,
    /// What to answer when it is over; `None`: it has not begun.
    success: Option<Freed>,
    pause: Duration,
    call_again: Deadline,
}

impl Freeing {
    /// Closes, or wakes what blocks once more; taking over from whoever gave up.
    fn free(&mut self) -> Result<Poll<Outcome>, Error> {
        let (freed, later) = self.handle.free_and_tell_later(self.kind, Duration::ZERO)?;
        let success = *self.success.get_or_insert(later);
        if freed == Freed::Pending {
            self.call_again = Deadline::after(self.pause);
            self.pause = LONGEST_PAUSE.min(self.pause * 2);
            return Ok(Poll::Pending);
        }
        Ok(Poll::Ready(Outcome::freed(success)))
    }
}

impl Step for Freeing {
    fn step(mut self: Pin<&mut Self>, context: &mut Context<'_>, turn: &Turn) -> Poll<Outcome> {
        if self.end.has_come(context) {
            return Poll::Ready(Outcome::freed(self.success.unwrap_or(Freed::AlreadyFreed)));
        }
        if self.success.is_none() || self.call_again.has_passed() {
            match self.free() {
                Ok(Poll::Pending) => {}
                Ok(over) => return over,
                Err(error) => return Poll::Ready(Outcome::refused(error)),
            }
        }
        turn.look_again(self.call_again);
        Poll::Pending
    }

    fn at_deadline(&self) -> Outcome {
        Outcome::freed(Freed::Pending)
    }

    fn begins_when_cancelled(&self) -> bool {
        true
    }
}

impl Drop for Freeing {
    fn drop(&mut self) {
        self.end.forget();
    }
}

/// An answer that was there at once.
struct Known(Outcome);

impl Step for Known {
    fn step(self: Pin<&mut Self>, _context: &mut Context<'_>, _turn: &Turn) -> Poll<Outcome> {
        Poll::Ready(self.0)
    }
}

impl CompletionBackend {
    /// Closes `handle` at once, as [`AnyHandle::free`], and completes when its object is destroyed, with what that answers;
    /// [`Freed::Pending`] at the deadline. A cancel token ends the wait alone: the handle is closed all the same, and whoever is last out
    /// destroys the object.
    ///
    /// # Errors
    /// As [`AnyHandle::free`]: nothing was freed, and nothing completes. [`Error::NoMemory`]: nothing completes, and it was not closed.
    pub fn free(
        &self,
        user_data: usize,
        wait: Wait<'_>,
        handle: AnyHandle,
        kind: Option<AnyKind>,
    ) -> Result<(), Error> {
        let known = |freed| self.submit_step(user_data, wait.deadline(), None, Known(Outcome::freed(freed)));
        // First what takes memory.
        let Some(end) = End::of(handle, kind)? else { return known(Freed::AlreadyFreed) };
        let step = Freeing { handle, kind, end, success: None, pause: FIRST_PAUSE, call_again: Deadline::PASSED };
        self.submit_step(user_data, wait.deadline(), wait.cancel(), step)
    }

    /// Completes when the object of `handle` is destroyed, by whomever.
    ///
    /// # Errors
    /// As [`AnyHandle::on_freed`]; then nothing completes.
    pub fn wait_freed(
        &self,
        user_data: usize,
        wait: Wait<'_>,
        handle: AnyHandle,
        kind: Option<AnyKind>,
    ) -> Result<(), Error> {
        match End::of(handle, kind)? {
            Some(end) => self.submit_step(user_data, wait.deadline(), wait.cancel(), WaitFreed(end)),
            None => self.submit_step(user_data, wait.deadline(), None, Known(Outcome::DONE)),
        }
    }
}
